package kafkatest

import (
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"testing"
)

// requireVariable set to 1 turns "skipped, because a part is missing" into a failure.
const requireVariable = "KFERRY_REQUIRE_KAFKA"

// Need skips the test with a plain sentence where Apache Kafka of the versions
// (none: [Newest]) cannot run on this machine, and fails it where
// KFERRY_REQUIRE_KAFKA=1. Jars that are not here yet are fetched.
func Need(t testing.TB, versions ...string) {
	t.Helper()
	if len(versions) == 0 {
		versions = []string{Newest}
	}
	for _, v := range versions {
		if _, err := Find(v); err != nil {
			missing(t, err)
		}
	}
}

// missing ends the test: skipped where a part is not on this machine, failed
// where nothing may be skipped and where something else is wrong.
func missing(t testing.TB, err error) {
	t.Helper()
	if part := (*MissingError)(nil); !errors.As(err, &part) {
		t.Fatalf("real Apache Kafka: %v", err)
	}
	if os.Getenv(requireVariable) == "1" {
		t.Fatalf("real Apache Kafka: %s=1, but %v", requireVariable, err)
	}
	t.Skipf("real Apache Kafka: not run, because %v", err)
}

// find is Find for a test.
func find(t testing.TB, version string) *Install {
	t.Helper()
	in, err := Find(version)
	if err != nil {
		missing(t, err)
	}
	return in
}

// Name returns a name for a topic, a group or a transactional ID that no other
// test uses: the stem, the test's name and some random letters, of Kafka's
// legal characters and never over 120 bytes.
func Name(t testing.TB, stem string) string {
	legal := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			return r
		}
		return '-'
	}
	name := strings.Map(legal, stem+"-"+t.Name())
	return name[:min(len(name), 110)] + "-" + strings.ToLower(rand.Text()[:6])
}

// lastLines returns the end of a text.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
