// Command kferry moves Kafka consumer groups between clusters so that each
// resumes at exactly the next record.
package main

import (
	"context"
	"os"

	"github.com/kferry/kferry/internal/cli"
	"github.com/kferry/kferry/internal/store/cloudstore"
)

func main() {
	ctx, stop := cli.WithInterrupts(context.Background(), os.Exit)
	streams := cli.SystemStreams()
	streams.Schemes = cloudstore.Schemes()
	code := cli.Main(ctx, os.Args[1:], streams)
	stop()
	os.Exit(code)
}
