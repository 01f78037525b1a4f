// Command gotest runs the parts of the test suite and says plainly what ran,
// what failed and what could not run, and why:
//
//	go run ./hack/gotest [-v] PART... [-- FLAGS OF GO TEST]
//
// The parts are unit, stores, kafka and stories. All run with the race detector.
// With KFERRY_REQUIRE_KAFKA=1 or KFERRY_REQUIRE_STORES=1, as in CI, a test that
// is skipped is a failure.
//
// Output of tests that pass is left out, but for lines that begin with
// "[report] ": the figures that a run is to show.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// module is the import path that all our packages begin with.
const module = "github.com/kferry/kferry/"

// part is one of the suites that make up the whole.
type part struct {
	name string
	has  func(pkg string) bool
	args []string
}

// parts returns the suites. What runs brokers runs one package at a time,
// because each broker takes about 400 MB and most of a core while it starts,
// and never from the cache, because a cached result says nothing about a broker.
func parts() []part {
	under := func(pkg, room string) bool { return pkg == module+room || strings.HasPrefix(pkg, module+room+"/") }
	// MirrorMaker 2 and whole migrations run where the stories are, so that both
	// parts on a real Kafka take about as long.
	stories := func(pkg string) bool {
		return under(pkg, "internal/e2e/stories") || under(pkg, "internal/e2e/mm2") || under(pkg, "internal/e2e/migrate")
	}
	kafka := func(pkg string) bool {
		return !stories(pkg) && !under(pkg, "internal/e2e/storage") && (under(pkg, "internal/e2e") || under(pkg, "internal/kafkatest"))
	}
	// What starts object stores, each a process that takes seconds to start.
	stores := func(pkg string) bool {
		return under(pkg, "internal/store/cloudstore") || under(pkg, "internal/storeserver") || under(pkg, "internal/e2e/storage")
	}
	brokers := []string{"-p=1", "-parallel=4", "-count=1"}
	return []part{
		{"unit", func(pkg string) bool { return !kafka(pkg) && !stories(pkg) && !stores(pkg) }, []string{"-timeout=20m"}},
		{"stores", stores, []string{"-p=1", "-count=1", "-timeout=10m"}},
		{"kafka", kafka, append(brokers, "-timeout=20m")},
		{"stories", stories, append(brokers, "-timeout=20m")},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 0 well, 1 something failed, 2 wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var flags []string
	if i := slices.Index(args, "--"); i >= 0 {
		args, flags = args[:i], args[i+1:]
	}
	verbose := slices.Contains(args, "-v")
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "-v" })
	chosen, err := choose(args)
	if err != nil {
		fmt.Fprintln(stderr, "gotest:", err)
		return 2
	}
	pkgs, err := packages(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "gotest:", err)
		return 1
	}
	s := &suite{out: stdout, verbose: verbose, strict: os.Getenv("KFERRY_REQUIRE_KAFKA") == "1" || os.Getenv("KFERRY_REQUIRE_STORES") == "1"}
	if hasCompiler(ctx) {
		flags = append([]string{"-race"}, flags...)
	} else {
		s.without = append(s.without, "race detector: not used, because no C compiler was found")
	}
	for _, p := range chosen {
		mine := slices.DeleteFunc(slices.Clone(pkgs), func(pkg string) bool { return !p.has(pkg) })
		if err := s.run(ctx, p, mine, flags); err != nil {
			fmt.Fprintln(stderr, "gotest:", err)
			return 1
		}
	}
	return s.close()
}

func choose(names []string) ([]part, error) {
	var chosen []part
	for _, name := range names {
		i := slices.IndexFunc(parts(), func(p part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no part %q: there are unit, stores, kafka and stories", name)
		}
		chosen = append(chosen, parts()[i])
	}
	if len(chosen) == 0 {
		return nil, errors.New("name the parts to run: unit, stores, kafka, stories")
	}
	return chosen, nil
}

// packages lists the packages of the module that have tests.
func packages(ctx context.Context) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	return strings.Fields(string(out)), nil
}

// hasCompiler reports whether the race detector, which needs cgo, can be built.
func hasCompiler(ctx context.Context) bool {
	out, err := exec.CommandContext(ctx, "go", "env", "CC").Output()
	if err != nil || len(strings.Fields(string(out))) == 0 {
		return false
	}
	_, err = exec.LookPath(strings.Fields(string(out))[0])
	return err == nil
}
