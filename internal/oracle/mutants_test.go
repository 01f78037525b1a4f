package oracle

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// mutant is one way in which the search could be wrong; the oracle must find
// out.
type mutant struct {
	name  string
	edits []edit
}

// edit replaces old by new in a file of the room. old must stand
// there exactly once, so that a mutant does not silently become none.
type edit struct{ file, old, new string }

// room is a package that is made wrong, and how that is found.
type room struct {
	name string
	// test, a pattern, is what of the package pkg must fail, and say found.
	pkg, test, found string
	mutants          []mutant
}

var rooms = []room{
	{"translate", "../translate", "(TestJoin.*|TestForeignCopies)", "--- FAIL: Test", joinMutants},
	{"plan", "../plan", "(TestBuildDecides|TestGivenPositions)", "--- FAIL: Test", planMutants},
}

// planMutants are groups that are moved although a position of theirs cannot
// be. The plan decides that, and its own tests judge it.
var planMutants = []mutant{
	{"a group half committed", []edit{{"verdict.go", "\tcase blocked == 0:\n", "\tcase blocked == 0 || writes > 0:\n"}}},
	{"a group half committed without being told to", []edit{{"verdict.go", "accept.PartialGroup && writes > 0", "writes > 0"}}},
	{"a refused group is written", []edit{
		{"plan.go", "return g.Verdict == VerdictApply || g.Verdict == VerdictPartly\n", "return g.Verdict != VerdictNothing\n"},
	}},
	{"hold ignored", []edit{{
		"translated.go", "\tcase translate.Hold, translate.Unset:\n\t\tq.Blocked = true\n",
		"\tcase translate.Hold, translate.Unset:\n\t\tq.After = &Offset{Offset: it.have.Offset, LeaderEpoch: -1}\n",
	}}},
	{"hold ignored by the group", []edit{
		{"verdict.go", "\t\tcase q.Blocked:\n", "\t\tcase q.Blocked && q.Outcome != translate.Hold:\n"},
	}},
}

// mutants are the mistakes that simpler rules make.
var mutants = []mutant{
	{"off by one in the index", []edit{{"index.go", "\t\t\t\treturn c.pos + 1\n", "\t\t\t\treturn c.pos + 2\n"}}},
	{"off by one while reading", []edit{{"read.go", "m.prev, m.after = h, e.Offset+1", "m.prev, m.after = h, e.Offset"}}},
	{"off by one in the history", []edit{{"passes.go", "after = min(r.pos+r.n, pos)", "after = min(r.pos+r.n, pos-1)"}}},
	{"equality for >=", []edit{
		{"index.go", "\t\t\tbr.hi = c\n", "\t\t\tif c.h == s {\n\t\t\t\tbr.hi = c\n\t\t\t}\n"},
		{"read.go", "m.asks[0].s <= e.most {", "m.asks[0].s == e.most {"},
	}},
	{"equality for >= in the history", []edit{
		{"passes.go", "if want[0].h < r.h || want[0].h >= r.h+r.n {", "if s < r.h || s >= r.h+r.n {"},
	}},
	{"first pass only", []edit{{"passes.go", "for i, r := range slices.Backward(h.runs) {", "for i, r := range h.runs {"}}},
	{"last h < S", []edit{{"prove.go", "if read.drop || a.s <= read.lastGap || s.looksBack(a) {", "if false {"}}},
	{"highest h as copied-through", []edit{{
		"solver.go", "\ts.end = last\n",
		"\ts.end = last\n\tif h, err := s.readHistory(ctx); err == nil {\n\t\ts.end.h = h.top\n\t}\n",
	}}},
	{"a gap after T ignored", []edit{{"prove.go", "if read.drop || a.s <= read.lastGap || s.looksBack(a) {", "if read.drop {"}}},
	{"order ignored while reading", []edit{{"read.go", "if h <= m.prev || e.most < m.low {", "if e.most < m.low {"}}},
	{"order ignored in the history", []edit{{
		"passes.go", "\t\t\t\treturn 0, false // next comes too late or never\n", "\t\t\t\tk, left = len(want), 0\n\t\t\t\tcontinue\n",
	}}},
	{"uncommitted target records counted", []edit{
		{"side.go", "committed, end := x < s.bounds.Stable, s.limit", "committed, end := false, s.limit"},
	}},
	{"transactions of the target not waited for", []edit{
		{"translate.go", "limit: min(b.End, b.Stable), max: size}", "limit: b.End, max: size}"},
	}},
	{"an empty answer as the end", []edit{{"side.go", "const emptyTries = 2", "const emptyTries = 0"}}},
	{"records missing below S ignored", []edit{{"tail.go", "if missing && !s.opt.CopyComplete {", "if false {"}}},
	{"a running pass ignored", []edit{{"passes.go", "if h.top > s.end.h && !s.opt.CopyComplete {", "if false {"}}},
	{"what went before not looked at", []edit{{"prove.go", "\tif !read.drop {\n", "\tif false {\n"}}},
	{"repeats not counted", []edit{
		{"passes.go", "repeats, off, left = repeats+stop, off+stop, left-stop", "off, left = off+stop, left-stop"},
	}},
	{"counted without looking", []edit{
		{"prove.go", "return s.countable() && s.idx.level(low.res.T, s.end), nil", "return true, nil"},
	}},
	{"loss ignored", []edit{{"passes.go", "s.loss(a, missing, want[0].h)", "_ = missing"}}},
	{"leader epochs ignored", []edit{{"translate.go", "if e.End >= 0 && a.s > e.End {", "if false {"}}},
	{"epochs that cannot be asked for not said", []edit{{"translate.go", "if err := errors.Join(err, e.Err); err != nil {", "if err := errors.Join(err, e.Err); err != nil && a.s < 0 {"}}},
	{"a header that cannot be read passed over", []edit{{"header.go", "if !ok || n > plausible {", "if !ok {\n\t\treturn -1, false, nil\n\t}\n\tif n > plausible {"}}},
	{"beyond the end ignored", []edit{{"solver.go", "if a.s > s.src.bounds.End {", "if false {"}}},
}

// contentMutants are the mistakes of an alignment by contents that is too sure
// of itself.
var contentMutants = []mutant{
	{"extrapolated between syncs", []edit{
		{
			"syncs.go", "\tif i, ok := y.search(pos); ok {\n\t\treturn y.list[i].source, true\n\t}\n",
			"\ti, ok := y.search(pos)\n\tif ok {\n\t\treturn y.list[i].source, true\n\t}\n" +
				"\tif i > 0 {\n\t\treturn y.list[i-1].source + pos - y.list[i-1].target, true\n\t}\n",
		},
		{"align.go", "if j, ok := f.find(h); ok && f.source[j].fp == target[i].fp {", "if j, ok := f.find(h); ok {"},
	}},
	{"syncs beyond the end of the log", []edit{
		{"syncs.go", " || s.source >= source.End || s.target >= target.End", ""},
	}},
	{"syncs of an earlier life", []edit{{"syncs.go", "\t\t\tlist = list[:0]\n", "\t\t\tcontinue\n"}}},
	{"any match instead of a unique one", []edit{{"align.go", "c.n == 1 && (f.whole || there[target[i].fp] == 1)", "c.n >= 1"}}},
	{"the time taken as the answer", []edit{
		{"content.go", "fp: batch.Fingerprint(e.Key, e.Value, e.Headers, p.own)", "fp: batch.Fingerprint(nil, nil, nil, p.own)"},
	}},
	{"the first match that keeps the order taken for certain", []edit{{
		"gap.go", "o := origin{h: g.source[chosen[n]].off, least: g.source[first[n]].off, most: g.source[last[n]].off}",
		"o := certain(g.source[chosen[n]].off)",
	}}},
	{"doubts forgotten", []edit{{"doubt.go", "\tif matters {\n", "\tif false {\n"}}},
	{"the highest position that fits", []edit{{"doubt.go", "a.res.T = min(a.res.T, d.after)", "a.res.T = max(a.res.T, d.after)"}}},
	{"repeats of alike records not counted", []edit{{"doubt.go", "if d.pos >= a.res.T && (d.least < a.s || d.loose) {", "if d.pos < 0 {"}}},
}

// TestMutants checks that the oracle, or the tests of a room, find every mutant,
// and that they find nothing without one.
func TestMutants(t *testing.T) {
	t.Parallel()
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	t.Run("oracle", func(t *testing.T) {
		t.Parallel()
		probeMutants(t, slots)
	})
	for i := range rooms {
		r := &rooms[i]
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			out, failed := r.probe(t, nil)
			<-slots
			if failed {
				t.Fatalf("the test is not content with the room as it is, so mutants show nothing:\n%s", out)
			}
			for _, m := range r.mutants {
				t.Run(m.name, func(t *testing.T) {
					t.Parallel()
					slots <- struct{}{}
					defer func() { <-slots }()
					r.check(t, &m)
				})
			}
		})
	}
}

// check makes the room wrong, and expects that to be found.
func (r *room) check(t *testing.T, m *mutant) {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", r.name))
	if err != nil {
		t.Fatal(err)
	}
	out, failed := r.probe(t, m.apply(t, root))
	switch {
	case !failed:
		t.Errorf("%s does not notice", r.test)
	case strings.Contains(out, "[build failed]"):
		t.Errorf("the mutant does not compile:\n%s", out)
	case !strings.Contains(out, r.found):
		t.Errorf("the process failed for another reason:\n%s", out)
	}
}

// apply writes the changed files, and says which stands for which.
func (m *mutant) apply(t *testing.T, root string) map[string]string {
	t.Helper()
	replace := map[string]string{}
	for _, e := range m.edits {
		file := filepath.Join(root, e.file)
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(source), e.old); n != 1 {
			t.Fatalf("%s has %q %d times, not once: the mutant must follow the code", e.file, e.old, n)
		}
		changed := filepath.Join(t.TempDir(), e.file)
		if err := os.WriteFile(changed, []byte(strings.Replace(string(source), e.old, e.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[file] = changed
	}
	return replace
}

// probe runs the room's test on the code with some files replaced.
func (r *room) probe(t *testing.T, replace map[string]string) (output string, failed bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	// The mutants are not to be vetted, and nobody debugs them.
	args := []string{"test", "-count=1", "-vet=off", "-ldflags=-s -w", "-run=^" + r.test + "$"}
	if replace != nil {
		overlay, err := json.Marshal(map[string]map[string]string{"Replace": replace})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "overlay.json")
		if err := os.WriteFile(file, overlay, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-overlay="+file)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, r.pkg)...)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("no answer in time:\n%s", out)
	}
	return string(out), err != nil
}
