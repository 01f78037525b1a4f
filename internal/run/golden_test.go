package run_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestGolden(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 11, 45, 27, 498_000_000, time.UTC)
	who := run.Who{User: "anna", Host: "ops-1", HostID: "5d0c8a1f00c0ffee", PID: 4711, Started: "8812331"}
	const id = "20261121T114527Z-7f3a9c"
	for _, tt := range []struct {
		name, format string
		body         any
		read         any
	}{
		{"run", run.FormatRun, run.Info{
			ID: id, Kind: run.KindRollback, Command: "kferry rollback", Tool: "kferry 0.1.0", Who: who, PlanDigest: digest,
			Clusters: []run.Cluster{{Role: "target", ID: "MkU3OEVBNTcwNTJENDM2Qg", Name: "new", Bootstrap: []string{"b-1:9092"}}},
			Created:  at, Undoes: id, After: id,
		}, &run.Info{}},
		{"entry", run.FormatEntry, run.Entry{
			Run: id, Seq: 2, Time: at, Fence: 1, Type: "group-started", Body: json.RawMessage(`{"group":"a<b"}`),
		}, &run.Entry{}},
		{"takeover", run.FormatEntry, run.Takeover{Holder: who, Previous: &who, Taken: "expired"}, &run.Takeover{}},
		{"lease", run.FormatLease, run.LeaseState{
			Run: id, Seq: 3, Fence: 1, State: "held", Holder: who, Token: "9f2c", Since: at, Time: at.Add(40 * time.Second), Until: at.Add(100 * time.Second),
		}, &run.LeaseState{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := store.Encode(tt.format, 1, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", tt.name+".golden")
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s changed, so old readers cannot read it (-golden +now):\n%s", path, diff)
			}
			if _, err := store.Decode(want, path, tt.format, 1, tt.read); err != nil {
				t.Fatal(err)
			}
			again, err := store.Encode(tt.format, 1, tt.read)
			if err != nil || !bytes.Equal(again, want) {
				t.Errorf("read and written again it is %s, %v", again, err)
			}
		})
	}
}
