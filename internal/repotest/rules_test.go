package repotest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// file is one file of the repository; path has slashes and no beginning one.
type file struct {
	path string
	text []byte
	// tree is the parsed Go file, once for all rules: nil where it does not
	// parse, which is the compiler's to report.
	tree func() *tree
}

type tree struct {
	set *token.FileSet
	*ast.File
}

func newFile(path string, text []byte) file {
	f := file{path: path, text: text}
	f.tree = sync.OnceValue(func() *tree {
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, path, text, parser.ParseComments)
		if err != nil {
			return nil
		}
		return &tree{set, parsed}
	})
	return f
}

func (f file) isGo() bool   { return strings.HasSuffix(f.path, ".go") }
func (f file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// goFiles passes the Go files that parse.
func goFiles(files []file, tests bool, each func(file, *token.FileSet, *ast.File)) {
	for _, f := range files {
		if !f.isGo() || f.isTest() && !tests {
			continue
		}
		if t := f.tree(); t != nil {
			each(f, t.set, t.File)
		}
	}
}

// packageComments: each package has exactly one, in a file that is no test
// unless the package is nothing but tests.
func packageComments(files []file) (problems []string) {
	type counts struct{ code, codeDocs, tests, testDocs int }
	packages := map[string]*counts{}
	goFiles(files, true, func(f file, _ *token.FileSet, parsed *ast.File) {
		dir := path.Dir(f.path)
		if packages[dir] == nil {
			packages[dir] = &counts{}
		}
		files, docs := &packages[dir].code, &packages[dir].codeDocs
		if f.isTest() {
			files, docs = &packages[dir].tests, &packages[dir].testDocs
		}
		*files++
		if parsed.Doc != nil {
			*docs++
		}
	})
	for dir, n := range packages {
		switch {
		case n.code > 0 && n.codeDocs != 1:
			problems = append(problems, fmt.Sprintf("%s: %d package comments, want 1", dir, n.codeDocs))
		case n.code == 0 && n.testDocs != 1:
			problems = append(problems, fmt.Sprintf("%s: %d package comments in its tests, want 1", dir, n.testDocs))
		}
	}
	return problems
}

// formatted: every Go file is as gofmt writes it.
func formatted(files []file) (problems []string) {
	for _, f := range files {
		if !f.isGo() {
			continue
		}
		if out, err := format.Source(f.text); err != nil || !bytes.Equal(out, f.text) {
			problems = append(problems, f.path+": not formatted; run make fmt")
		}
	}
	return problems
}

// errorTexts: "failed to" says nothing that "error" has not said already.
func errorTexts(files []file) (problems []string) {
	needle := "failed" + " to"
	goFiles(files, false, func(_ file, set *token.FileSet, parsed *ast.File) {
		ast.Inspect(parsed, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && strings.Contains(strings.ToLower(lit.Value), needle) {
				problems = append(problems, fmt.Sprintf("%s: %q in a text: name the deed in its gerund instead", set.Position(lit.Pos()), needle))
			}
			return true
		})
	})
	return problems
}

// exports lists what is exported and what of it has no comment.
func exports(files []file) (all int, bare []string) {
	goFiles(files, false, func(_ file, set *token.FileSet, parsed *ast.File) {
		if parsed.Name.Name == "main" {
			return
		}
		count := func(name *ast.Ident, docs ...*ast.CommentGroup) {
			if !name.IsExported() {
				return
			}
			all++
			if !slices.ContainsFunc(docs, func(d *ast.CommentGroup) bool { return d != nil }) {
				bare = append(bare, fmt.Sprintf("%s: %s has no comment", set.Position(name.Pos()), name.Name))
			}
		}
		for _, decl := range parsed.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if receiver := receiverOf(d); receiver == nil || receiver.IsExported() {
					count(d.Name, d.Doc)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						count(s.Name, d.Doc, s.Doc, s.Comment)
					case *ast.ValueSpec:
						for _, name := range s.Names {
							count(name, d.Doc, s.Doc, s.Comment)
						}
					}
				}
			}
		}
	})
	return all, bare
}

// receiverOf returns the name of the type that a method belongs to, nil for a function.
func receiverOf(d *ast.FuncDecl) *ast.Ident {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return nil
	}
	kind := d.Recv.List[0].Type
	for {
		switch k := kind.(type) {
		case *ast.StarExpr:
			kind = k.X
		case *ast.IndexExpr:
			kind = k.X
		case *ast.IndexListExpr:
			kind = k.X
		case *ast.Ident:
			return k
		default:
			return nil
		}
	}
}

// sizes returns the lines of every file and function that is not a test.
func sizes(files []file) (perFile, perFunction []int) {
	goFiles(files, false, func(f file, set *token.FileSet, parsed *ast.File) {
		perFile = append(perFile, bytes.Count(f.text, []byte("\n")))
		for _, decl := range parsed.Decls {
			if d, ok := decl.(*ast.FuncDecl); ok {
				perFunction = append(perFunction, set.Position(d.End()).Line-set.Position(d.Pos()).Line+1)
			}
		}
	})
	return perFile, perFunction
}

// percentile90 is the value that nine of ten do not exceed.
func percentile90(values []int) int {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[(len(values)*9+9)/10-1]
}

// ofOneMachine: no file names a folder of a developer's machine or the host of
// a package registry: both are configuration of whoever builds. The needles are
// put together here, so that this file passes.
func ofOneMachine(files []file) (problems []string) {
	var needles []string
	for _, n := range [][2]string{
		{"/wo", "rk/"},
		{"/ro", "ot/"},
		{"/tmp/", "k"},
		{"proxy.", "golang.org"},
		{"repo.maven.", "apache.org"},
		{"repo1.", "maven.org"},
		{"registry.", "npmjs.org"},
		{"deb.", "debian.org"},
		{"pypi", ".org"},
		{"crates", ".io"},
	} {
		needles = append(needles, n[0]+n[1])
	}
	for _, f := range files {
		for i, line := range strings.Split(string(f.text), "\n") {
			for _, needle := range needles {
				if strings.Contains(line, needle) {
					problems = append(problems, fmt.Sprintf("%s:%d: has %q, which belongs to one machine", f.path, i+1, needle))
				}
			}
		}
	}
	return problems
}

var (
	link  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fence = regexp.MustCompile("(?s)```.*?```")
	code  = regexp.MustCompile("`[^`\n]*`")
)

// links: what a document points to inside the repository is there.
func links(files []file) (problems []string) {
	there := map[string]bool{".": true}
	for _, f := range files {
		for p := f.path; p != "."; p = path.Dir(p) {
			there[p] = true
		}
	}
	for _, f := range files {
		if !strings.HasSuffix(f.path, ".md") {
			continue
		}
		text := code.ReplaceAll(fence.ReplaceAll(f.text, nil), nil)
		for _, m := range link.FindAllSubmatch(text, -1) {
			target, _, _ := strings.Cut(string(m[1]), "#")
			if target == "" || strings.Contains(target, ":") {
				continue
			}
			if !there[path.Join(path.Dir(f.path), target)] {
				problems = append(problems, fmt.Sprintf("%s: link to %s, which is not there", f.path, target))
			}
		}
	}
	return problems
}

var (
	fragmentName = regexp.MustCompile(`^changelog/unreleased/[a-z0-9]+(-[a-z0-9]+)*\.md$`)
	fragmentText = regexp.MustCompile(`^type: (feature|fix|change)\n\n\S`)
)

// fragments: changelog fragments have a name, a kind and a text.
func fragments(files []file) (problems []string) {
	for _, f := range files {
		switch in := strings.HasPrefix(f.path, "changelog/unreleased/"); {
		case !in && f.path != "changelog/template.md":
		case in && !fragmentName.MatchString(f.path):
			problems = append(problems, f.path+": want lower-case words joined by dashes, ending in .md")
		case !fragmentText.Match(f.text):
			problems = append(problems, f.path+": want \"type: feature|fix|change\", an empty line, and what a user sees now")
		}
	}
	return problems
}

// mostDirect is how many modules the program itself may ask for.
const mostDirect = 30

// dependencies: few direct ones.
func dependencies(files []file) (problems []string) {
	for _, f := range files {
		if f.path != "go.mod" {
			continue
		}
		direct := 0
		for line := range strings.Lines(string(f.text)) {
			fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
			if len(fields) >= 2 && strings.HasPrefix(fields[1], "v") && !strings.Contains(line, "// indirect") {
				direct++
			}
		}
		if direct >= mostDirect {
			problems = append(problems, fmt.Sprintf("go.mod: %d direct dependencies, want fewer than %d", direct, mostDirect))
		}
	}
	return problems
}

var (
	namedTest  = regexp.MustCompile("`([a-z0-9_/.]+_test\\.go):(Test[A-Za-z0-9_]+)`")
	namedStart = "func %s(t *testing.T)" // how a test begins
)

// claims: the tests that documents name for a claim exist.
func claims(files []file) (problems []string) {
	texts := map[string]string{}
	for _, f := range files {
		if f.isTest() {
			texts[f.path] = string(f.text)
		}
	}
	for _, f := range files {
		if !strings.HasSuffix(f.path, ".md") {
			continue
		}
		for _, m := range namedTest.FindAllStringSubmatch(string(f.text), -1) {
			if !strings.Contains(texts[m[1]], fmt.Sprintf(namedStart, m[2])) {
				problems = append(problems, fmt.Sprintf("%s: %s has no %s", f.path, m[1], m[2]))
			}
		}
	}
	return problems
}
