package api_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/api"
)

// filled has a value in every field.
func filled() api.Migration {
	return api.Migration{
		APIVersion: api.Version, Kind: api.KindMigration, Name: "n", From: "f", To: "t",
		Groups: []string{"g"}, GroupRegex: []string{"gr"}, ExcludeGroups: []string{"xg"},
		Topics: []string{"t"}, TopicRegex: []string{"tr"}, ExcludeTopics: []string{"xt"}, Partitions: []string{"t:0"},
		MapTopics: []api.NameMap{{From: "a", To: "b"}}, MapGroups: []api.NameMap{{From: "c", To: "d"}},
		Mover: api.MoverK2K, Evidence: "header", Header: "h", Encoding: "decimal",
		MirrorMaker: &api.MirrorMaker{Alias: "m", Syncs: []string{"source:s"}}, Quick: true, CopyComplete: true,
		Accept: []string{api.AcceptLoss}, Settle: duration(time.Second), Interval: 1, Timeout: 2, KeepOffsets: api.Duration(time.Hour),
		Events: []api.Event{command("moved")},
	}
}

// TestMergeKnowsEveryField: a field that is added to Migration must be merged,
// or be one of those that are not.
func TestMergeKnowsEveryField(t *testing.T) {
	t.Parallel()
	d := filled()
	for field, v := range reflect.ValueOf(d).Fields() {
		if v.IsZero() {
			t.Fatalf("this test has no value for %s", field.Name)
		}
	}
	f := api.Fleet{Defaults: &d, Migrations: []api.Migration{{}}}
	f.Merge(nil)
	want := filled()
	want.APIVersion, want.Kind, want.Name, want.Groups, want.GroupRegex = "", "", "", nil, nil
	if diff := cmp.Diff(want, f.Migrations[0]); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
	f.Migrations[0].Accept[0], f.Migrations[0].Events[0].On[0], f.Migrations[0].MirrorMaker.Syncs[0] = "x", "x", "x"
	if diff := cmp.Diff(filled(), d); diff != "" {
		t.Errorf("a migration shares something with the defaults: %s", diff)
	}
}

func TestMergeKeepsWhatIsWritten(t *testing.T) {
	t.Parallel()
	d := filled()
	own := api.Migration{
		Name: "a", From: "F", To: "T", Groups: []string{"G"}, Topics: []string{"own"},
		Mover: api.MoverMirrorMaker2, Settle: duration(0), Interval: 7, Events: []api.Event{command("across")},
	}
	f := api.Fleet{Defaults: &d, Migrations: []api.Migration{own}}
	written := map[string]bool{
		"migrations[0].accept": true, "migrations[0].quick": true, "migrations[0].timeout": true,
		"migrations[0].keepOffsets": true, "migrations[0].mirrorMaker": true,
	}
	f.Merge(func(path string) bool { return written[path] })
	want := filled()
	want.APIVersion, want.Kind, want.Name, want.From, want.To = "", "", "a", "F", "T"
	want.Groups, want.GroupRegex, want.Topics = []string{"G"}, nil, []string{"own"}
	// One choice: nothing of the defaults' evidence comes along.
	want.Mover, want.Evidence, want.Header, want.Encoding = api.MoverMirrorMaker2, "", "", ""
	want.Settle, want.Interval, want.Events = duration(0), 7, []api.Event{command("across")}
	// Zero, and written.
	want.Accept, want.Quick, want.Timeout, want.KeepOffsets, want.MirrorMaker = nil, false, 0, 0, nil
	if diff := cmp.Diff(want, f.Migrations[0]); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
}

func TestFleetDefaults(t *testing.T) {
	t.Parallel()
	f := api.Fleet{Defaults: &api.Migration{From: "old", To: "new"}, Migrations: []api.Migration{{Name: "a", Groups: []string{"a"}}}}
	f.SetDefaults()
	if f.APIVersion != api.Version || f.Kind != "Fleet" || f.OnFailure != "stop" || f.Until != "across" || f.Pause != 0 {
		t.Errorf("got %+v", f)
	}
	if m := f.Migrations[0]; m.From != "old" || m.To != "new" || m.Mover != "auto" || m.Kind != "Migration" {
		t.Errorf("got %+v", m)
	}
	if ps := f.Validate(); len(ps) > 0 {
		t.Errorf("got %v", ps)
	}
}

func TestFleetValidate(t *testing.T) {
	t.Parallel()
	two := func() []api.Migration {
		a, b := good(), good()
		b.Name = "payments"
		return []api.Migration{a, b}
	}
	for name, tc := range map[string]struct {
		fleet api.Fleet
		want  []string // paths
	}{
		"good":                 {api.Fleet{Migrations: two(), Until: "moved", Pause: 1, OnFailure: "continue"}, nil},
		"nothing":              {api.Fleet{}, []string{"migrations"}},
		"one name twice":       {api.Fleet{Migrations: []api.Migration{good(), good()}}, []string{"migrations[1].name"}},
		"two without a name":   {api.Fleet{Migrations: []api.Migration{{From: "a", To: "b", Groups: []string{"g"}}, {From: "a", To: "b", Groups: []string{"g"}}}}, []string{"migrations[0].name", "migrations[1].name"}},
		"words and times":      {api.Fleet{Migrations: two(), Until: "there", Pause: -1, OnFailure: "ask"}, []string{"pause", "onFailure", "until"}},
		"until a way back":     {api.Fleet{Migrations: two(), Until: "aborted"}, []string{"until"}},
		"kind":                 {api.Fleet{Migrations: two(), Kind: "fleet"}, []string{"kind"}},
		"defaults with a name": {api.Fleet{Migrations: two(), Defaults: &api.Migration{Name: "a", Groups: []string{"b"}, GroupRegex: []string{"c"}}}, []string{"defaults.name", "defaults.groups", "defaults.groupRegex"}},
		// Said once, where it stands.
		"wrong in the defaults": {
			api.Fleet{Migrations: two(), Defaults: &api.Migration{Accept: []string{"all"}, From: "x y", Timeout: -1}},
			[]string{"defaults.from", "defaults.accept[0]", "defaults.timeout"},
		},
		"wrong only together": {
			api.Fleet{Migrations: []api.Migration{{Name: "a", From: "old", Groups: []string{"g"}}}, Defaults: &api.Migration{To: "old"}},
			[]string{"migrations[0].to"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.fleet.SetDefaults()
			got := tc.fleet.Validate()
			if diff := cmp.Diff(tc.want, paths(got)); diff != "" {
				t.Errorf("%s\n%v", diff, got)
			}
		})
	}
}
