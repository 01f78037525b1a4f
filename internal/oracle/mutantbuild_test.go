package oracle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// module is where the rooms are, as they are imported.
const module = "github.com/kferry/kferry/internal/"

// probed is a mutant of translate that the oracle must find; the one without
// edits must pass.
type probed struct {
	mutant
	contents bool
}

// probeMutants builds one program in which each mutant is a package of its own
// with an oracle of its own, so that only what differs is compiled and all of it
// linked once, and runs it for each.
func probeMutants(t *testing.T, slots chan struct{}) {
	t.Helper()
	var all []probed
	for _, list := range []struct {
		mutants  []mutant
		contents bool
	}{{mutants, false}, {contentMutants, true}} {
		all = append(all, probed{mutant{name: "none, contents " + strconv.FormatBool(list.contents)}, list.contents})
		for _, m := range list.mutants {
			all = append(all, probed{m, list.contents})
		}
	}
	program := buildMutants(t, all)
	for i, m := range all {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			out, err := exec.CommandContext(t.Context(), program, strconv.Itoa(i), strconv.FormatBool(m.contents)).CombinedOutput()
			switch said := strings.Contains(string(out), "are wrong"); {
			case len(m.edits) == 0 && err != nil:
				t.Errorf("the oracle is not content with the room as it is, so mutants show nothing:\n%s", out)
			case len(m.edits) > 0 && err == nil:
				t.Error("the oracle does not notice")
			case len(m.edits) > 0 && !said && !strings.Contains(string(out), "translating: "):
				t.Errorf("the program failed for another reason:\n%s", out)
			}
		})
	}
}

// buildMutants writes the copies of the packages into an overlay, and builds.
func buildMutants(t *testing.T, all []probed) (program string) {
	t.Helper()
	dir, files := t.TempDir(), map[string]string{}
	internal, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	put := func(at, text string) {
		file := filepath.Join(dir, strconv.Itoa(len(files))+".go")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files[filepath.Join(internal, at)] = file
	}
	var imports, cases strings.Builder
	for i, m := range all {
		name := "mutant" + strconv.Itoa(i)
		changed := m.apply(t, filepath.Join(internal, "translate"))
		for _, file := range sources(t, filepath.Join(internal, "translate")) {
			copied := file
			if other, ok := changed[file]; ok {
				copied = other
			}
			files[filepath.Join(internal, "translate", name, filepath.Base(file))] = copied
		}
		for _, file := range sources(t, filepath.Join(internal, "oracle")) {
			if strings.HasPrefix(filepath.Base(file), "real") {
				continue // needs a real broker
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			put(filepath.Join("oracle", name, filepath.Base(file)),
				strings.ReplaceAll(string(text), strconv.Quote(module+"translate"), strconv.Quote(module+"translate/"+name)))
		}
		fmt.Fprintf(&imports, "\t%s %q\n", name, module+"oracle/"+name)
		fmt.Fprintf(&cases, "\tcase \"%d\":\n\t\terr = %s.Probe(context.Background(), os.Args[2] == \"true\")\n", i, name)
	}
	put(filepath.Join("oracle", "mutants", "main.go"), "package main\n\nimport (\n\t\"context\"\n\t\"fmt\"\n\t\"os\"\n\n"+imports.String()+
		")\n\nfunc main() {\n\tvar err error\n\tswitch os.Args[1] {\n"+cases.String()+"\t}\n\tif err != nil {\n\t\tfmt.Println(err)\n\t\tos.Exit(1)\n\t}\n}\n")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": files})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "mutants")
	// Nobody debugs them.
	out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-overlay="+file, "-o", program, module+"oracle/mutants").CombinedOutput()
	if err != nil {
		t.Fatalf("building the mutants: %v\n%s", err, bytes.TrimSpace(out))
	}
	return program
}

// sources are the files of a package that are no tests.
func sources(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, file := range all {
		if !strings.HasSuffix(file, "_test.go") {
			out = append(out, file)
		}
	}
	return out
}
