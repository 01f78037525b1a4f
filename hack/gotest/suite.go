package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// event is one line of go test -json (cmd/test2json, and build events).
type event struct {
	Action, Package, Test, Output string
}

// result is what became of one part.
type result struct {
	name                    string
	packages                int
	passed, failed, skipped int
	broken                  bool // go test failed, whatever single tests say
	took                    time.Duration
}

// suite collects the results of the parts.
type suite struct {
	out     io.Writer
	verbose bool
	strict  bool // a skip is a failure
	results []result
	skips   map[string][]string // reason → tests
	without []string            // what else was left out
	pending map[[2]string][]string
}

// run runs the packages of a part and shows its results as they come.
func (s *suite) run(ctx context.Context, p part, pkgs, flags []string) error {
	r := result{name: p.name, packages: len(pkgs)}
	defer func() { s.results = append(s.results, r) }()
	if len(pkgs) == 0 {
		return nil
	}
	fmt.Fprintf(s.out, "# %s: %d packages\n", p.name, len(pkgs))
	args := slices.Concat([]string{"test", "-json"}, p.args, flags, pkgs)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	cmd.Stderr = s.out
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("reading from go test: %w", err)
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting go test: %w", err)
	}
	readErr := s.read(pipe, &r)
	err = cmd.Wait()
	r.took = time.Since(begin)
	r.broken = err != nil
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("running go test: %w", err)
	}
	return readErr
}

// read follows the events of one go test.
func (s *suite) read(from io.Reader, r *result) error {
	s.pending = map[[2]string][]string{}
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if bytes.HasPrefix(line, []byte("{")) && json.Unmarshal(line, &e) == nil {
				s.event(e, r)
			} else {
				fmt.Fprintf(s.out, "%s", line)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading from go test: %w", err)
		}
	}
}

func (s *suite) event(e event, r *result) {
	key := [2]string{e.Package, e.Test}
	switch {
	case e.Action == "build-output":
		fmt.Fprint(s.out, e.Output)
	case e.Action == "output" && e.Test == "":
		s.packageOutput(e.Output)
	case e.Action == "output":
		s.testOutput(key, e.Output)
	case e.Action == "pass" && e.Test != "":
		r.passed++
		delete(s.pending, key)
	case e.Action == "fail" && e.Test != "":
		r.failed++
		s.flush(key)
	case e.Action == "fail":
		// Tests that were still running: a panic or a time-out ended them all.
		for _, k := range slices.SortedFunc(maps.Keys(s.pending), func(a, b [2]string) int { return strings.Compare(a[1], b[1]) }) {
			if k[0] == e.Package {
				s.flush(k)
			}
		}
	case e.Action == "skip" && e.Test != "":
		r.skipped++
		s.skip(key)
	}
}

// packageOutput shows go test's own line for a package and whatever a test
// binary wrote outside its tests.
func (s *suite) packageOutput(text string) {
	if text != "PASS\n" && text != "FAIL\n" {
		fmt.Fprint(s.out, text)
	}
}

func (s *suite) testOutput(key [2]string, text string) {
	if _, report, ok := strings.Cut(text, "[report] "); ok && !s.verbose {
		fmt.Fprint(s.out, "  ", report)
	}
	if s.verbose {
		fmt.Fprint(s.out, text)
		if !strings.Contains(text, ": ") {
			return
		}
	}
	s.pending[key] = append(s.pending[key], text)
}

// flush shows what a failed test wrote.
func (s *suite) flush(key [2]string) {
	if !s.verbose {
		for _, text := range s.pending[key] {
			if !strings.HasPrefix(text, "=== ") {
				fmt.Fprint(s.out, text)
			}
		}
	}
	delete(s.pending, key)
}

// skip keeps the reason of a skip: what the test said, without the place.
func (s *suite) skip(key [2]string) {
	reason := "no reason given"
	for _, text := range s.pending[key] {
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "=== ") || strings.HasPrefix(text, "--- ") || text == "" {
			continue
		}
		reason = text
		if file, said, ok := strings.Cut(text, ": "); ok && strings.Contains(file, ".go:") {
			reason = said
		}
	}
	delete(s.pending, key)
	if s.skips == nil {
		s.skips = map[string][]string{}
	}
	s.skips[reason] = append(s.skips[reason], strings.TrimPrefix(key[0], module)+" "+key[1])
}

// close prints the closing statement and returns the exit code.
func (s *suite) close() int {
	code, total := 0, result{}
	fmt.Fprintf(s.out, "\n%-9s %-7s %8s %7s %7s %8s %8s\n", "part", "result", "packages", "passed", "failed", "skipped", "seconds")
	for _, r := range s.results {
		word := "ok"
		switch {
		case r.broken || r.failed > 0:
			word, code = "FAILED", 1
		case r.packages == 0:
			word = "none"
		}
		fmt.Fprintf(s.out, "%-9s %-7s %8d %7d %7d %8d %8.1f\n", r.name, word, r.packages, r.passed, r.failed, r.skipped, r.took.Seconds())
		total.passed, total.failed, total.skipped = total.passed+r.passed, total.failed+r.failed, total.skipped+r.skipped
	}
	fmt.Fprintln(s.out)
	for _, reason := range slices.Sorted(maps.Keys(s.skips)) {
		tests := s.skips[reason]
		slices.Sort(tests)
		fmt.Fprintf(s.out, "%s\n    %d tests, %s the first\n", reason, len(tests), tests[0])
	}
	for _, what := range s.without {
		fmt.Fprintln(s.out, what)
	}
	if missing := total.skipped + len(s.without); missing == 0 {
		fmt.Fprintln(s.out, "Nothing was left out.")
	} else if s.strict {
		fmt.Fprintln(s.out, "FAILED: KFERRY_REQUIRE_KAFKA=1 or KFERRY_REQUIRE_STORES=1, and the above was left out.")
		code = 1
	}
	if total.passed+total.failed == 0 {
		fmt.Fprintln(s.out, "FAILED: no test ran.")
		code = 1
	}
	fmt.Fprintf(s.out, "tests: %d passed, %d failed, %d skipped\n", total.passed, total.failed, total.skipped)
	return code
}
