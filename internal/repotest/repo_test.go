package repotest

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// repository reads every text file that git knows or would add; without git,
// every file below the root.
func repository(t *testing.T) []file {
	t.Helper()
	root := filepath.Join("..", "..")
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatalf("finding the repository's root: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	var names []string
	if out, err := cmd.Output(); err == nil {
		names = strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })
	} else {
		names = walk(t, root)
	}
	var files []file
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, name))
		switch {
		case os.IsNotExist(err):
			continue // removed, and not yet committed so
		case err != nil:
			t.Fatal(err)
		case slices.Contains(text, 0):
			continue // not a text
		}
		files = append(files, newFile(filepath.ToSlash(name), text))
	}
	if len(files) < 10 {
		t.Fatalf("found %d files only", len(files))
	}
	return files
}

func walk(t *testing.T, root string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", ".cache", "bin", "dist"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		name, err := filepath.Rel(root, p)
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// rules are those that list problems; none may be left.
var rules = map[string]func([]file) []string{
	"package comments": packageComments,
	"formatted":        formatted,
	"error texts":      errorTexts,
	"of one machine":   ofOneMachine,
	"links":            links,
	"fragments":        fragments,
	"dependencies":     dependencies,
	"documented":       documented,
	"claims":           claims,
	"sizes":            large,
}

// documented: at least 95 of 100 exported names have a comment.
func documented(files []file) []string {
	all, bare := exports(files)
	if len(bare)*100 <= all*5 {
		return nil
	}
	return append([]string{fmt.Sprintf("%d of %d exported names have no comment, want at most 5 %%", len(bare), all)}, bare...)
}

// large: nine of ten files and functions are small enough to take in at once.
func large(files []file) (problems []string) {
	perFile, perFunction := sizes(files)
	if p := percentile90(perFile); p > 400 {
		problems = append(problems, fmt.Sprintf("a tenth of the files has over %d lines, want 400 at most", p))
	}
	if p := percentile90(perFunction); p > 60 {
		problems = append(problems, fmt.Sprintf("a tenth of the functions has over %d lines, want 60 at most", p))
	}
	return problems
}

func TestRepository(t *testing.T) {
	t.Parallel()
	files := repository(t)
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, problem := range rule(files) {
				t.Error(problem)
			}
		})
	}
}

// Each rule catches what it is for.
func TestRulesCatch(t *testing.T) {
	t.Parallel()
	long := "// Package a is long.\npackage a\n\nfunc f() {\n" + strings.Repeat("\tf()\n", 500) + "}\n"
	for name, tc := range map[string]struct {
		rule  string
		files []file
		want  string // empty: nothing is wrong
	}{
		"no package comment":   {"package comments", []file{newFile("a/a.go", []byte("package a\n"))}, "a: 0 package comments"},
		"two package comments": {"package comments", []file{newFile("a/a.go", []byte("// Package a\npackage a\n")), newFile("a/b.go", []byte("// Package a\npackage a\n"))}, "a: 2 package"},
		"only tests":           {"package comments", []file{newFile("a/a_test.go", []byte("package a\n"))}, "0 package comments in its tests"},
		"one package comment":  {"package comments", []file{newFile("a/a.go", []byte("// Package a\npackage a\n")), newFile("a/a_test.go", []byte("package a\n"))}, ""},
		"not formatted":        {"formatted", []file{newFile("a.go", []byte("package a\nvar  x int\n"))}, "a.go: not formatted"},
		"a bad error text":     {"error texts", []file{newFile("a.go", []byte("package a\n\nvar x = \"Failed"+" to open\"\n"))}, "a.go:3:9"},
		"a machine's folder":   {"of one machine", []file{newFile("a.md", []byte("ok\nsee /ro"+"ot/x\n"))}, "a.md:2"},
		"a registry":           {"of one machine", []file{newFile("a.yml", []byte("https://registry."+"npmjs.org/\n"))}, "a.yml:1"},
		"a dead link":          {"links", []file{newFile("docs/a.md", []byte("[x](b.md#c) [y](https://e) [z](#d)\n"))}, "docs/a.md: link to b.md"},
		"links that are good":  {"links", []file{newFile("docs/a.md", []byte("[x](../b.md) [y](..) `[z](no.md)`\n```\n[z](no.md)\n```\n")), newFile("b.md", nil)}, ""},
		"a fragment's name":    {"fragments", []file{newFile("changelog/unreleased/My Fix.md", []byte("type: fix\n\nx\n"))}, "lower-case words"},
		"a fragment's kind":    {"fragments", []file{newFile("changelog/unreleased/a.md", []byte("type: bug\n\nx\n"))}, "type: feature"},
		"a fragment's text":    {"fragments", []file{newFile("changelog/unreleased/a.md", []byte("type: fix\n"))}, "what a user sees"},
		"many dependencies":    {"dependencies", []file{newFile("go.mod", []byte("require (\n"+strings.Repeat("\ta.b/c v1.0.0\n", 30)+")\n"))}, "30 direct"},
		"indirect ones":        {"dependencies", []file{newFile("go.mod", []byte("require (\n"+strings.Repeat("\ta.b/c v1.0.0 // indirect\n", 30)+")\n"))}, ""},
		"no doc comment":       {"documented", []file{newFile("a.go", []byte("package a\n\nfunc F() {}\n"))}, "1 of 1 exported names"},
		"a method of nobody's": {"documented", []file{newFile("a.go", []byte("package a\n\ntype t struct{}\n\nfunc (*t) F() {}\n"))}, ""},
		"a claim without test": {"claims", []file{newFile("a.md", []byte("`a/a_test.go:TestB`")), newFile("a/a_test.go", []byte("package a\n\nfunc TestA(t *testing.T) {}\n"))}, "a.md: a/a_test.go has no TestB"},
		"a claim with a test":  {"claims", []file{newFile("a.md", []byte("`a/a_test.go:TestA`")), newFile("a/a_test.go", []byte("package a\n\nfunc TestA(t *testing.T) {}\n"))}, ""},
		"a long file":          {"sizes", []file{newFile("a.go", []byte(long))}, "files has over 505 lines"},
		"a long function":      {"sizes", []file{newFile("a.go", []byte(long))}, "functions has over 502 lines"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(rules[tc.rule](tc.files), "\n")
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
