// Command install installs the object stores that the tests run on into the
// user's cache folder, with go and npm, and prints their paths.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/kferry/kferry/internal/storeserver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	failed := false
	for _, kind := range storeserver.Kinds() {
		path, err := storeserver.Install(ctx, kind, os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			failed = true
			continue
		}
		fmt.Println(path)
	}
	stop()
	if failed {
		os.Exit(1)
	}
}
