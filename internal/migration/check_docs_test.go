package migration

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/plan"
)

// findingRow is a row of docs/findings.md: reason and severities.
var findingRow = regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| ([a-z, ]+) \\| [^|]+ \\| [^|]+ \\|$")

// documented has the severities of each reason in docs/findings.md.
var documented = sync.OnceValues(func() (map[string][]string, error) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "findings.md"))
	out := map[string][]string{}
	for _, m := range findingRow.FindAllStringSubmatch(string(text), -1) {
		out[m[1]] = append(out[m[1]], strings.Split(m[2], ", ")...)
	}
	return out, err
})

// inDocs says that each finding is as docs/findings.md has it, with a remedy
// when there is something to be done.
func inDocs(tb testing.TB, c *Checkup) {
	tb.Helper()
	rows, err := documented()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range c.Findings {
		if !slices.Contains(rows[f.Reason], string(f.Severity)) {
			tb.Errorf("docs/findings.md has %s as %v: %+v", f.Reason, rows[f.Reason], f)
		}
		if f.Detail == "" || f.Severity == Problem && f.Remedy == "" {
			tb.Errorf("says too little: %+v", f)
		}
	}
}

// reasonsIn are the values of all constants of a package that are reasons: of
// type Reason, or named reason… in one file.
func reasonsIn(tb testing.TB, pattern string) []string {
	tb.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		tb.Fatalf("%s: %v", pattern, err)
	}
	var out []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			tb.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.CONST {
				continue
			}
			for _, spec := range d.Specs {
				s := spec.(*ast.ValueSpec)
				kind, _ := s.Type.(*ast.Ident)
				if kind == nil && !strings.HasPrefix(s.Names[0].Name, "reason") || kind != nil && kind.Name != "Reason" {
					continue
				}
				value, err := strconv.Unquote(s.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					tb.Fatal(err)
				}
				out = append(out, value)
			}
		}
	}
	if len(out) < 10 {
		tb.Fatalf("%s has the reasons %v only", pattern, out)
	}
	return out
}

// elsewhere are reasons that no plan of a check can have: they are of given
// positions, of deletions, of resets and snapshots, of plans that keep or that lead
// back, or of what apply and rollback find.
var elsewhere = []plan.Reason{
	plan.ReasonOutOfRange, plan.ReasonUnchecked, plan.ReasonDeleted, plan.ReasonPartialGroup, plan.ReasonNoCommit,
	plan.ReasonSourceMoved, plan.ReasonTargetMoved, plan.ReasonTopicChanged, plan.ReasonTakenOver, plan.ReasonPartTaken,
	plan.ReasonNotTaken, plan.ReasonElsewhere, plan.ReasonUnknownEnd, "kept", "only-there", "started-there",
	plan.ReasonReset, plan.ReasonLastPosition, plan.ReasonSaved,
}

// TestFindingsAreDocumented compares the reasons that a check can give with the
// rows of docs/findings.md.
func TestFindingsAreDocumented(t *testing.T) {
	t.Parallel()
	rows, err := documented()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, pattern := range []string{"checkreason.go", "../plan/*.go", "../translate/*.go", "../inspect/*.go"} {
		for _, reason := range reasonsIn(t, pattern) {
			want[reason] = true
		}
	}
	for _, reason := range elsewhere {
		delete(want, string(reason))
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(rows))); d != "" {
		t.Errorf("reasons in docs/findings.md (-code +page):\n%s", d)
	}
	for reason, severities := range rows {
		words := slices.Compact(slices.Sorted(slices.Values(severities)))
		if len(words) != len(severities) || slices.ContainsFunc(words, func(s string) bool { return !slices.Contains([]string{"problem", "warning", "note"}, s) }) {
			t.Errorf("%s has more than one row, or a severity that is none: %v", reason, severities)
		}
	}
}
