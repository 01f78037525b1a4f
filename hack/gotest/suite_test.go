package main

import (
	"bytes"
	"strings"
	"testing"
)

// feed plays the events of one part and returns what is shown and the exit code.
func feed(t *testing.T, strict, broken bool, events ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	s := &suite{out: &out, strict: strict}
	r := result{name: "unit", packages: 1, broken: broken}
	if err := s.read(strings.NewReader(strings.Join(events, "\n")+"\n"), &r); err != nil {
		t.Fatal(err)
	}
	s.results = append(s.results, r)
	code := s.close()
	return out.String(), code
}

func TestSuite(t *testing.T) {
	t.Parallel()
	const pkg = `"Package":"github.com/kferry/kferry/internal/x"`
	pass := `{"Action":"pass",` + pkg + `,"Test":"TestA"}`
	skipped := []string{
		`{"Action":"output",` + pkg + `,"Test":"TestB","Output":"=== RUN   TestB\n"}`,
		`{"Action":"output",` + pkg + `,"Test":"TestB","Output":"    need.go:1: real Apache Kafka: not run, because java was not found\n"}`,
		`{"Action":"output",` + pkg + `,"Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}`,
		`{"Action":"skip",` + pkg + `,"Test":"TestB"}`,
	}
	for name, tc := range map[string]struct {
		events         []string
		strict, broken bool
		code           int
		has, lacks     []string
	}{
		"all is well": {
			events: []string{
				`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"    a_test.go:3: chatter\n"}`,
				`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"    a_test.go:3: [report] 7 of 7 found\n"}`,
				pass, `{"Action":"output",` + pkg + `,"Output":"ok  \tpkg\t0.1s\n"}`,
			},
			has: []string{"  7 of 7 found", "ok  \tpkg", "Nothing was left out.", "tests: 1 passed, 0 failed, 0 skipped"}, lacks: []string{"chatter"},
		},
		"a skip is said": {
			events: append(skipped, pass),
			has:    []string{"real Apache Kafka: not run, because java was not found\n    1 tests, internal/x TestB", "1 skipped"},
			lacks:  []string{"need.go", "Nothing was left out"},
		},
		"a skip fails where all is required": {
			events: append(skipped, pass), strict: true, code: 1, has: []string{"FAILED: KFERRY_REQUIRE_KAFKA=1 or"},
		},
		"a failed test shows what it wrote": {
			events: []string{
				`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"    a_test.go:3: broken\n"}`,
				`{"Action":"fail",` + pkg + `,"Test":"TestA"}`,
			},
			broken: true, code: 1, has: []string{"a_test.go:3: broken", "FAILED", "1 failed"},
		},
		"a panic shows the test that ran": {
			events: []string{
				pass, `{"Action":"output",` + pkg + `,"Test":"TestP","Output":"panic: oh\n"}`, `{"Action":"fail",` + pkg + `}`,
			},
			broken: true, code: 1, has: []string{"panic: oh"},
		},
		"a build that fails": {
			events: []string{pass, `{"Action":"build-output","Output":"x.go:1: undefined\n"}`}, broken: true, code: 1, has: []string{"undefined"},
		},
		"no test at all": {code: 1, has: []string{"FAILED: no test ran."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, code := feed(t, tc.strict, tc.broken, tc.events...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			for _, want := range tc.has {
				if !strings.Contains(out, want) {
					t.Errorf("lacks %q:\n%s", want, out)
				}
			}
			for _, not := range tc.lacks {
				if strings.Contains(out, not) {
					t.Errorf("has %q:\n%s", not, out)
				}
			}
		})
	}
}

// Every package belongs to one part, so that the parts together are the whole.
func TestPartsAreDisjointAndComplete(t *testing.T) {
	t.Parallel()
	for pkg, want := range map[string]string{
		"internal/batch": "unit", "cmd/kferry": "unit", "hack/gotest": "unit", "internal/kafkatest": "kafka", "internal/kafkatest/cmd/fetch": "kafka",
		"internal/e2e/kafka": "kafka", "internal/e2e": "kafka", "internal/e2e/stories": "stories", "internal/e2e/mm2": "stories", "internal/e2e/migrate": "stories", "internal/e2e/storiesx": "kafka", "internal/e2ex": "unit",
	} {
		var got []string
		for _, p := range parts() {
			if p.has(module + pkg) {
				got = append(got, p.name)
			}
		}
		if strings.Join(got, ",") != want {
			t.Errorf("%s is in %v, want %s", pkg, got, want)
		}
	}
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"units"}, {"--", "unit"}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code != 2 || !strings.Contains(errs.String(), "unit") {
			t.Errorf("%q: exit code %d, %s", args, code, errs.String())
		}
	}
}
