// Command kferry moves Kafka consumer groups between clusters so that each
// resumes at exactly the next record.
package main

import (
	"context"
	"os"

	"github.com/kferry/kferry/internal/cli"
)

func main() {
	ctx, stop := cli.WithInterrupts(context.Background(), os.Exit)
	code := cli.Main(ctx, os.Args[1:], cli.SystemStreams())
	stop()
	os.Exit(code)
}
