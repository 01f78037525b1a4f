// Command fetch puts the jars of Apache Kafka into the user's cache folder, so
// that later test runs need no network:
//
//	go run ./internal/kafkatest/cmd/fetch [VERSION...]
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/kferry/kferry/internal/kafkatest"
)

func main() {
	versions := os.Args[1:]
	code := 0
	if len(versions) == 0 {
		versions = kafkatest.Versions()
		code = fetch("Kafka Streams", kafkatest.Newest, kafkatest.FindStreams)
	}
	for _, v := range versions {
		code = max(code, fetch("Apache Kafka", v, kafkatest.Find))
	}
	os.Exit(code)
}

// fetch says where the jars are, or why not, and returns the exit code.
func fetch(what, version string, find func(string) (*kafkatest.Install, error)) int {
	begin := time.Now()
	in, err := find(version)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s %s: %v\n", what, version, err)
		return 1
	}
	fmt.Printf("%s %s: %s (%.1f s)\n", what, version, in.Libs, time.Since(begin).Seconds())
	return 0
}
