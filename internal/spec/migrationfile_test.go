package spec_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/spec"
)

func TestReadOneMigration(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	data, err := os.ReadFile(filepath.Join("testdata", "migration-good.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := spec.ReadMigrations("/etc/k/orders.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	want := &api.Fleet{
		APIVersion: api.Version, Kind: "Fleet", OnFailure: "stop", Until: "across",
		Migrations: []api.Migration{{
			APIVersion: api.Version, Kind: "Migration", Name: "orders", From: "old", To: "b-1:9092,b-2:9092",
			Groups: []string{"orders-app", "orders-*"}, GroupRegex: []string{"billing-[0-9]+"}, ExcludeGroups: []string{"*-test"},
			Topics: []string{"orders*"}, TopicRegex: []string{"pay.*"}, ExcludeTopics: []string{"orders-tmp"}, Partitions: []string{"orders:0,2-3"},
			MapTopics: []api.NameMap{{From: "prod.*", To: "qa.*"}}, MapGroups: []api.NameMap{{From: "orders-app", To: "orders-app-2"}},
			Mover: "k2k", Header: "from_offset", Encoding: "int64be",
			MirrorMaker: &api.MirrorMaker{Alias: "old", Syncs: []string{"source:mm2-offset-syncs.new.internal"}},
			Accept:      []string{"repeats"}, Settle: new(api.Duration(0)), Interval: api.Duration(5 * time.Second),
			Timeout: api.Duration(2 * time.Hour), KeepOffsets: api.Duration(336 * time.Hour),
			Events: []api.Event{
				{On: []string{"stopping"}, Command: []string{"kubectl", "scale", "deploy/orders", "--replicas=0"}, Timeout: api.Duration(time.Minute), OnFailure: "stop"},
				{On: []string{"*"}, Timeout: api.Duration(10 * time.Second), OnFailure: "continue", Webhook: &api.Webhook{
					URL: "https://deploy.example.com/hooks/kferry?app=orders", TokenFrom: &api.SecretRef{File: "/etc/k/token"},
				}},
			},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadFleet(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	const text = `
defaults:
  from: old
  to: new
  quick: true
  timeout: 1h
  keepOffsets: 24h
  accept: [loss]
  events: [{on: [moved], command: [./start.sh, ./not-a-path]}]
pause: 1m
onFailure: continue
until: moved
migrations:
  - {name: a, groups: [a]}
  - {name: b, groups: [b], quick: false, timeout: 0s, keepOffsets: 0s, accept: [], events: []}
  - {name: c, groups: [c], to: other, accept: , events: [{on: [stopping], command: [~/stop.sh]}, {on: [moved], command: [start]}]}
`
	got, err := spec.ReadMigrations("/etc/k/fleet.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	event := func(on string, command ...string) api.Event {
		return api.Event{On: []string{on}, Command: command, Timeout: api.Duration(time.Minute), OnFailure: "stop"}
	}
	one := func(name string, change func(*api.Migration)) api.Migration {
		m := api.Migration{
			APIVersion: api.Version, Kind: "Migration", Name: name, From: "old", To: "new", Groups: []string{name},
			Mover: "auto", Quick: true, Accept: []string{"loss"}, Interval: api.Duration(10 * time.Second),
			Timeout: api.Duration(time.Hour), KeepOffsets: api.Duration(24 * time.Hour),
			Events: []api.Event{event("moved", "/etc/k/start.sh", "./not-a-path")},
		}
		change(&m)
		return m
	}
	want := &api.Fleet{
		APIVersion: api.Version, Kind: "Fleet", Pause: api.Duration(time.Minute), OnFailure: "continue", Until: "moved",
		Migrations: []api.Migration{
			one("a", func(*api.Migration) {}),
			one("b", func(m *api.Migration) {
				m.Quick, m.Timeout, m.KeepOffsets, m.Accept, m.Events = false, 0, 0, nil, nil
			}),
			one("c", func(m *api.Migration) {
				m.To, m.Accept = "other", nil
				m.Events = []api.Event{event("stopping", "/home/u/stop.sh"), event("moved", "start")}
			}),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// Nothing comes back when it is made ready once more.
	got.SetDefaults()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the second time changes something: %s", diff)
	}
}

func TestLoadMigrations(t *testing.T) {
	t.Parallel()
	const base = "name: a\nfrom: old\nto: new\ngroups: [a]\n"
	const withToken = "events: [{on: [moved], webhook: {url: 'https://a', tokenFrom: {exec: [p]}}}]\n"
	for name, tc := range map[string]struct {
		text string
		mode os.FileMode
		ok   bool
	}{
		"no program":                     {base, 0o666, true},
		"program":                        {base + "events: [{on: [moved], command: [p]}]\n", 0o644, true},
		"program that others can change": {base + "events: [{on: [moved], command: [p]}]\n", 0o664, false},
		"token program":                  {base + withToken, 0o600, true},
		"token program others can":       {base + withToken, 0o602, false},
	} {
		path := write(t, filepath.Join(t.TempDir(), "m.yaml"), tc.text, tc.mode)
		f, err := spec.LoadMigrations(path)
		if (err == nil) != tc.ok || (f != nil) != tc.ok {
			t.Errorf("%s: got %v, %v", name, f, err)
		}
		if bad, ok := errors.AsType[*spec.Error](err); !tc.ok && (!ok || bad.Problems[0].Line != 5 || bad.Problems[0].Hint == "") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := spec.LoadMigrations(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestExamplesOfTheDocuments: people copy them.
func TestExamplesOfTheDocuments(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]int{"migration-file.md": 2, "events.md": 1} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", doc))
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(string(text), "```yaml\n")[1:]
		if len(blocks) != want {
			t.Errorf("%s has %d examples, want %d", doc, len(blocks), want)
		}
		for _, b := range blocks {
			example, _, _ := strings.Cut(b, "```")
			if strings.HasPrefix(example, "events:") {
				example = "name: orders\nfrom: old\nto: new\ngroups: [orders-app]\n" + example
			}
			if _, err := spec.ReadMigrations(doc, []byte(example)); err != nil {
				t.Errorf("%v in\n%s", err, example)
			}
		}
	}
}

func FuzzReadMigrations(f *testing.F) {
	for _, kind := range []string{"migration", "fleet"} {
		files, err := filepath.Glob(filepath.Join("testdata", kind+"*.yaml"))
		if err != nil || len(files) == 0 {
			f.Fatalf("no test data: %v", err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fleet, err := spec.ReadMigrations("m.yaml", data)
		if err != nil {
			if fleet != nil {
				t.Fatalf("got %v and %v", fleet, err)
			}
			checkProblems(t, err)
			return
		}
		if ps := fleet.Validate(); len(ps) > 0 {
			t.Errorf("accepted, and not valid: %v", ps)
		}
		if fleet.Defaults != nil || len(fleet.Migrations) == 0 {
			t.Errorf("got %+v", fleet)
		}
		again := *fleet
		again.Migrations = nil
		for i := range fleet.Migrations {
			again.Migrations = append(again.Migrations, fleet.Migrations[i].Clone())
		}
		again.SetDefaults()
		if diff := cmp.Diff(fleet, &again); diff != "" {
			t.Errorf("the second time changes something: %s", diff)
		}
	})
}
