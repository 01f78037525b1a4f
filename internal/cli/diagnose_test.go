package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/spec"
	"github.com/kferry/kferry/internal/translate"
)

func TestExitCode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"anything":            {errors.New("x"), ExitFailure},
		"usage":               {&usageError{err: errors.New("x")}, ExitUsage},
		"config file":         {&spec.Error{}, ExitUsage},
		"CSV":                 {&position.CSVError{}, ExitUsage},
		"JSON of positions":   {&position.JSONError{}, ExitUsage},
		"pattern":             {&position.PatternError{}, ExitUsage},
		"own code":            {&failure{code: ExitPartial, err: context.Canceled}, ExitPartial},
		"no own code":         {&failure{err: plan.ErrStale}, ExitStale},
		"stale":               {&plan.Error{Err: plan.ErrStale}, ExitStale},
		"interrupted":         {ErrInterrupted, ExitInterrupted},
		"interrupted plan":    {&plan.Error{Err: plan.ErrInterrupted}, ExitInterrupted},
		"cancelled":           {context.Canceled, ExitInterrupted},
		"held":                {&run.HeldError{}, ExitLocked},
		"fenced":              {&run.FencedError{}, ExitLocked},
		"active":              {&group.ActiveError{Err: errors.New("x")}, ExitLocked},
		"login":               {&cluster.ConnectError{Stage: cluster.StageSASL}, ExitAuth},
		"nothing answers":     {&cluster.ConnectError{Stage: cluster.StageDial}, ExitFailure},
		"right on a group":    {&group.AuthError{Err: errors.New("x")}, ExitAuth},
		"right for the plan":  {&plan.Error{Err: plan.ErrRights}, ExitAuth},
		"foreign":             {&plan.Error{Err: plan.ErrForeign}, ExitFailure},
		"state keeps the key": {unchanged(&run.HeldError{}), ExitLocked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := exitCode(fmt.Errorf("doing something: %w", c.err)); got != c.want {
				t.Errorf("exit code %d, want %d", got, c.want)
			}
		})
	}
}

func TestProblemIsPrintedSafely(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	printProblem(&out, false, diagnose(&failure{
		code: ExitPartial, err: errors.New("group \"a\x1b[2J\"\nsecond line"), state: "nothing was changed",
		hint: "look", next: []string{"kferry one", "kferry two"},
	}))
	want := strings.Join([]string{
		`error: group "a\x1b[2J"`,
		`       second line`,
		`hint:  look`,
		`state: nothing was changed`,
		`next:  kferry one`,
		`next:  kferry two`,
		``,
	}, "\n")
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// TestReportCode: one reason gives its own code, several give "partial".
func TestReportCode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		groups []plan.GroupReport
		want   int
	}{
		"all stale":       {[]plan.GroupReport{{Result: plan.Stale}, {Result: plan.Stale}}, ExitStale},
		"some stale":      {[]plan.GroupReport{{Result: plan.Stale}, {Result: plan.Applied}}, ExitPartial},
		"all active":      {[]plan.GroupReport{{Result: plan.Refused, Reason: plan.ReasonGroupActive}}, ExitLocked},
		"no rights":       {[]plan.GroupReport{{Result: plan.Refused, Reason: plan.ReasonRights}}, ExitAuth},
		"all failed":      {[]plan.GroupReport{{Result: plan.Failed}}, ExitFailure},
		"several reasons": {[]plan.GroupReport{{Result: plan.Stale}, {Result: plan.Failed}}, ExitPartial},
		"blocked":         {[]plan.GroupReport{{Result: plan.Blocked}}, ExitPartial},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := reportCode(&plan.Report{Groups: c.groups}); got != c.want {
				t.Errorf("exit code %d, want %d", got, c.want)
			}
		})
	}
}

func TestPlanSum(t *testing.T) {
	t.Parallel()
	p := &plan.Plan{Summary: plan.Summary{
		Groups: 3, Positions: 121, Applicable: 2, Blocked: 1, Deleted: 1,
		Outcomes: map[translate.Outcome]int{translate.Exact: 118, translate.Hold: 2, translate.Unset: 1},
	}}
	want := "3 groups, 121 partitions: 118 exact, 2 held, 1 to delete; 2 groups to apply, 1 not"
	if diff := cmp.Diff(want, planSum(p)); diff != "" {
		t.Error(diff)
	}
}

func TestPartitionsText(t *testing.T) {
	t.Parallel()
	for want, ps := range map[string][]int32{"": nil, "3": {3}, "0-2": {0, 1, 2}, "0,2,4-7": {0, 2, 4, 5, 6, 7}} {
		if got := partitionsText(ps); got != want {
			t.Errorf("%v is %q, want %q", ps, got, want)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	for _, s := range []string{"", "h", "h:decimal", "a:b:int64be", ":auto", "h:auto", "h:x", "x:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, encoding, err := parseHeader(s)
		if err != nil {
			if exitCode(err) != ExitUsage {
				t.Errorf("%q: %v is no mistake of usage", s, err)
			}
			return
		}
		// What was read can be written again so that it reads the same.
		word := string(encoding)
		if encoding == translate.EncodingAuto {
			word = "auto"
		}
		again, same, err := parseHeader(name + ":" + word)
		if name != "" && (err != nil || again != name || same != encoding) {
			t.Errorf("%q is %q, %q; again %q, %q, %v", s, name, encoding, again, same, err)
		}
	})
}

func FuzzQuoteArg(f *testing.F) {
	for _, s := range []string{"", "a b", "it's", "$HOME", "a\nb", "--x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q := quoteArg(s)
		if unquote(q) != s {
			t.Errorf("%q is quoted as %s", s, q)
		}
	})
}

// unquote reads an argument as a POSIX shell does that has only quotes.
func unquote(s string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case s[i] == '\\' && !quoted && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
