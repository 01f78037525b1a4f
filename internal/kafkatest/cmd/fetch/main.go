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
	if len(versions) == 0 {
		versions = kafkatest.Versions()
	}
	code := 0
	for _, v := range versions {
		begin := time.Now()
		in, err := kafkatest.Find(v)
		if err != nil {
			fmt.Fprintf(os.Stderr, "Apache Kafka %s: %v\n", v, err)
			code = 1
			continue
		}
		fmt.Printf("Apache Kafka %s: %s (%.1f s)\n", v, in.Libs, time.Since(begin).Seconds())
	}
	os.Exit(code)
}
