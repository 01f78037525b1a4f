package migrate_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tenApplications moves a fleet from one file, one application after the other,
// each stopped and started by a webhook as a deployment tool would. The sixth
// does not pass a check of its own; it is aborted when its positions are on the
// target already, goes on on the source, and is moved later by the same name.
func (w *world) tenApplications(t *testing.T) {
	t.Parallel()
	const troubled = "ten-5"
	d := newDeployment(t)
	var file strings.Builder
	fmt.Fprintf(&file, "defaults:\n  from: old\n  to: new\n  mover: mirrormaker2\n  settle: 1s\n  interval: 500ms\n  timeout: 4m\n"+
		"  events:\n    - on: [stopping, verified, moved]\n      timeout: 4m\n      webhook: {url: %q}\nonFailure: continue\nmigrations:\n", d.url)
	apps := map[string]*app{}
	for i := range 10 {
		name := fmt.Sprintf("ten-%d", i)
		apps[name] = w.mirrored(t, name, 5*often)
		apps[name].start(t, w.old)
		fmt.Fprintf(&file, "  - {name: %s, groups: [%s]}\n", name, name)
	}
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, a := range apps {
		a.isCopied(t)
		a.processes(t, 10)
	}
	w.must(t, 0, migration("create", "-f", path))

	healthy := false
	obey := func(name, step string) bool {
		a := apps[name]
		switch step {
		case "stopping":
			a.halt(t)
		case "verified":
			return name != troubled || healthy
		case "moved":
			a.start(t, w.new)
		}
		return true
	}
	first := d.while(t, w, obey, migration("advance", "-f", path, "--yes", "--wait"))
	if first.code == 0 {
		t.Error("it says that all of them are across")
	}
	for name := range apps {
		want := "across"
		if name == troubled {
			want = "verified"
		}
		w.at(t, name, want)
	}
	a := apps[troubled]
	if n := len(positions(t, w.new, troubled)); n != partitions {
		t.Errorf("%s has %d positions on the target, want %d", troubled, n, partitions)
	}
	w.must(t, 0, migration("abort", troubled, "--yes"))
	w.at(t, troubled, "aborted")
	a.unmoved(t, map[string]int64{})
	a.start(t, w.old)
	a.processes(t, 20)

	healthy = true
	w.must(t, 0, migration("create", "-f", path))
	if again := d.while(t, w, obey, migration("advance", "-f", path, "--yes", "--wait")); again.code != 0 {
		t.Fatalf("exit code %d", again.code)
	}
	for name := range apps {
		w.at(t, name, "across")
	}
	for _, a := range apps {
		a.once(t)
	}
}

// deployment is a tool that is told by a webhook when to stop and to start an
// application. It does so on the goroutine of the test.
type deployment struct {
	url    string
	orders chan order
}

type order struct {
	name, step string
	done       chan bool
}

func newDeployment(t *testing.T) *deployment {
	t.Helper()
	d := &deployment{orders: make(chan order)}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var body struct {
			Step      string
			Migration struct{ Name string }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		o := order{body.Migration.Name, body.Step, make(chan bool, 1)}
		select {
		case d.orders <- o:
		case <-r.Context().Done():
			return
		}
		select {
		case ok := <-o.done:
			if !ok {
				http.Error(rw, "not healthy", http.StatusInternalServerError)
				return
			}
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(srv.Close)
	d.url = srv.URL
	return d
}

// while runs kferry and obeys what the webhook is told.
func (d *deployment) while(t *testing.T, w *world, obey func(name, step string) bool, args []string) answer {
	t.Helper()
	type ended struct {
		answer
		err error
	}
	end := make(chan ended, 1)
	ctx := t.Context()
	go func() {
		a, err := w.call(ctx, args...)
		end <- ended{a, err}
	}()
	for {
		select {
		case o := <-d.orders:
			begin := time.Now()
			o.done <- obey(o.name, o.step)
			t.Logf("%s: %s took %s", o.name, o.step, time.Since(begin).Round(time.Millisecond))
		case e := <-end:
			if e.err != nil {
				t.Fatal(e.err)
			}
			t.Logf("$ %s\n%s[exit code %d]", e.command, e.all, e.code)
			return e.answer
		}
	}
}
