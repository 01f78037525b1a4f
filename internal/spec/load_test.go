package spec_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/spec"
)

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// WriteFile's mode passes through the umask.
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadFinds(t *testing.T) {
	t.Parallel()
	const flagFile, envFile, here, xdg, home, system = "flag.yaml", "env.yaml", "work/kferry.yaml", "xdg/kferry/config.yaml", "home/.config/kferry/config.yaml", "etc/config.yaml"
	for name, tc := range map[string]struct {
		files []string
		flag  bool
		env   bool
		xdg   bool
		want  string
		found string
	}{
		"nothing":           {want: ""},
		"flag before all":   {files: []string{flagFile, envFile, here, xdg, home, system}, flag: true, env: true, xdg: true, want: flagFile, found: spec.FoundByFlag},
		"then environment":  {files: []string{flagFile, envFile, here, xdg, home, system}, env: true, xdg: true, want: envFile, found: spec.FoundByEnv},
		"then here":         {files: []string{flagFile, envFile, here, xdg, home, system}, xdg: true, want: here, found: spec.FoundHere},
		"then XDG":          {files: []string{xdg, home, system}, xdg: true, want: xdg, found: spec.FoundInXDG},
		"XDG excludes home": {files: []string{home, system}, xdg: true, want: system, found: spec.FoundInSystem},
		"then home":         {files: []string{xdg, home, system}, want: home, found: spec.FoundInXDG},
		"then system":       {files: []string{xdg, system}, want: system, found: spec.FoundInSystem},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, f := range tc.files {
				write(t, filepath.Join(dir, f), "state: /"+f+"\n", 0o600)
			}
			env := map[string]string{"HOME": filepath.Join(dir, "home")}
			opts := &spec.LoadOptions{
				Dir: filepath.Join(dir, "work"), System: filepath.Join(dir, system),
				Getenv: func(k string) string { return env[k] },
			}
			if tc.flag {
				opts.Path = "../" + flagFile
			}
			if tc.env {
				env[spec.EnvConfig] = filepath.Join(dir, envFile)
			}
			if tc.xdg {
				env["XDG_CONFIG_HOME"] = filepath.Join(dir, "xdg")
			}
			l, err := spec.Load(opts)
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			if tc.want != "" {
				want = filepath.Join(dir, tc.want)
			}
			if l.File != want || l.Found != tc.found {
				t.Errorf("got %q, %q", l.File, l.Found)
			}
			if tc.want != "" && l.Config.State != "/"+tc.want {
				t.Errorf("read %q", l.Config.State)
			}
			if l.Config.Defaults.Settle != api.DefaultSettle {
				t.Error("no defaults")
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := map[string]string{}
	opts := spec.LoadOptions{Dir: dir, System: filepath.Join(dir, "none"), Getenv: func(k string) string { return env[k] }}

	named := opts
	named.Path = filepath.Join(dir, "missing.yaml")
	if _, err := spec.Load(&named); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "--config") {
		t.Errorf("missing file of --config: %v", err)
	}
	env[spec.EnvConfig] = named.Path
	if _, err := spec.Load(&opts); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), spec.EnvConfig) {
		t.Errorf("missing file of the environment: %v", err)
	}
	delete(env, spec.EnvConfig)
	if err := os.Mkdir(filepath.Join(dir, "kferry.yaml"), 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := spec.Load(&opts); err == nil {
		t.Error("a folder was read as a config file")
	}
}

const withExec = "clusters:\n- name: a\n  bootstrap: [\"a:1\"]\n  security: {protocol: SASL_SSL, saslMechanism: PLAIN, username: u, passwordFrom: {exec: [p]}}\n"

func TestLoadRefusesProgramsThatOthersCanChange(t *testing.T) {
	t.Parallel()
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o664: false, 0o602: false} {
		path := write(t, filepath.Join(t.TempDir(), "c.yaml"), withExec, mode)
		_, err := spec.Load(&spec.LoadOptions{Path: path})
		if (err == nil) != ok {
			t.Errorf("mode %o: %v", mode, err)
		}
		var bad *spec.Error
		if !ok && (!errors.As(err, &bad) || bad.Problems[0].Line != 4 || bad.Problems[0].Hint == "") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opts := &spec.SecretOptions{LookupEnv: func(k string) (string, bool) {
		return map[string]string{"PW": "hunter2\n", "EMPTY": ""}[k], k != "NONE"
	}}
	long := strings.Repeat("x", spec.MaxSecretBytes)
	for name, tc := range map[string]struct {
		ref      api.SecretRef
		want     string
		warnings int
		err      error
	}{
		"file":               {ref: api.SecretRef{File: write(t, filepath.Join(dir, "a"), "hunter2\n", 0o600)}, want: "hunter2"},
		"file with CRLF":     {ref: api.SecretRef{File: write(t, filepath.Join(dir, "b"), "hunter2\r\n", 0o400)}, want: "hunter2"},
		"spaces are kept":    {ref: api.SecretRef{File: write(t, filepath.Join(dir, "c"), " a b \n\n", 0o600)}, want: " a b \n"},
		"others can read it": {ref: api.SecretRef{File: write(t, filepath.Join(dir, "d"), "hunter2", 0o644)}, want: "hunter2", warnings: 1},
		"the group can":      {ref: api.SecretRef{File: write(t, filepath.Join(dir, "e"), "hunter2", 0o640)}, want: "hunter2", warnings: 1},
		"empty file":         {ref: api.SecretRef{File: write(t, filepath.Join(dir, "f"), "\n", 0o600)}, err: spec.ErrSecretEmpty},
		"no file":            {ref: api.SecretRef{File: filepath.Join(dir, "none")}, err: fs.ErrNotExist},
		"longest":            {ref: api.SecretRef{File: write(t, filepath.Join(dir, "g"), long+"\r\n", 0o600)}, want: long},
		"too long":           {ref: api.SecretRef{File: write(t, filepath.Join(dir, "h"), long+"y", 0o600)}, err: spec.ErrSecretTooLong},
		"variable as it is":  {ref: api.SecretRef{Env: "PW"}, want: "hunter2\n"},
		"no variable":        {ref: api.SecretRef{Env: "NONE"}, err: spec.ErrNotSet},
		"empty variable":     {ref: api.SecretRef{Env: "EMPTY"}, err: spec.ErrSecretEmpty},
		"program":            {ref: api.SecretRef{Exec: []string{"printf", `hunter2\n`}}, want: "hunter2"},
		"program says no":    {ref: api.SecretRef{Exec: []string{"sh", "-c", "echo hunter2; exit 3"}}, err: errAny},
		"no program":         {ref: api.SecretRef{Exec: []string{filepath.Join(dir, "none")}}, err: fs.ErrNotExist},
		"program hangs":      {ref: api.SecretRef{Exec: []string{"sleep", "60"}, Timeout: api.Duration(20 * time.Millisecond)}, err: spec.ErrExecTimeout},
		"program floods":     {ref: api.SecretRef{Exec: []string{"head", "-c", "10000000", "/dev/zero"}}, err: spec.ErrSecretTooLong},
		"nowhere":            {ref: api.SecretRef{}, err: errAny},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, warnings, err := spec.Resolve(t.Context(), tc.ref, opts)
			if tc.err != nil {
				var bad *spec.SecretError
				if !errors.As(err, &bad) || !errors.Is(tc.err, errAny) && !errors.Is(err, tc.err) {
					t.Errorf("got %v", err)
				}
				if err != nil && strings.Contains(err.Error(), "hunter2") {
					t.Errorf("the secret is in the error: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Reveal() != tc.want || len(warnings) != tc.warnings {
				t.Errorf("got %q and %v", got.Reveal(), warnings)
			}
		})
	}
}

// errAny stands for an error that is not looked at further.
var errAny = errors.New("any")

func TestResolveEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := spec.Resolve(ctx, api.SecretRef{Exec: []string{"sleep", "60"}}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	s, _, err := spec.Resolve(t.Context(), api.SecretRef{Env: "X"}, &spec.SecretOptions{LookupEnv: func(string) (string, bool) { return "hunter2", true }})
	if err != nil {
		t.Fatal(err)
	}
	type holder struct{ S spec.Secret }
	js, err := json.Marshal(holder{s})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s), fmt.Sprintf("%+v %#v", holder{s}, &holder{s}), string(js),
	} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") {
			t.Errorf("printed: %s", text)
		}
	}
	if diff := cmp.Diff(`{"S":"[redacted]"}`, string(js)); diff != "" {
		t.Error(diff)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	for want, ref := range map[string]api.SecretRef{
		"file /a": {File: "/a"}, "env A": {Env: "A"}, "exec pass show x": {Exec: []string{"pass", "show", "x"}}, "": {},
	} {
		if got := spec.Describe(ref); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
