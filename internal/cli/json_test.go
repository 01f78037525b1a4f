package cli

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/snapshot"
)

var update = flag.Bool("update", false, "write the golden files")

// documents are all that -o json can write, filled in every field.
func documents(t *testing.T) map[string]any {
	t.Helper()
	docs := map[string]any{
		"plan":           &planJSON{Plan: &plan.Plan{}},
		"apply":          &reportJSON{Report: &plan.Report{}},
		"verify":         &verifyJSON{VerifyReport: &plan.VerifyReport{}},
		"group-list":     &groupListJSON{},
		"group":          &groupDescribeJSON{},
		"history-list":   &historyListJSON{},
		"history":        &historyShowJSON{},
		"snapshot-list":  &snapshotListJSON{},
		"snapshot":       &snapshotJSON{Snapshot: &snapshot.Snapshot{}},
		"snapshot-diff":  &snapshotDiffJSON{},
		"snapshot-prune": &snapshotPruneJSON{},
		"cluster-list":   &clusterListJSON{},
		"cluster-test":   &clusterTestJSON{},
		"config":         &configJSON{},
		"topic-inspect":  &inspectJSON{},
		"topic-create":   &topicCreateJSON{},
		"version":        &versionJSON{},
		"sandbox":        &sandboxJSON{},
		"error":          &problem{},
		"wait":           &waitJSON{},

		"migration":          &migrationJSON{State: &migration.State{}},
		"migration-check":    &migrationCheckJSON{},
		"migration-list":     &migrationListJSON{},
		"migration-status":   &migrationStatusJSON{},
		"migration-fleet":    &migrationFleetJSON{},
		"migration-progress": &migrationProgressJSON{},
	}
	for _, doc := range docs {
		fill(reflect.ValueOf(doc).Elem())
	}
	return docs
}

// fill gives every field of a value something that JSON shows.
func fill(v reflect.Value) {
	switch v.Type() {
	case reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(`{}`))
		return
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(1, 0).UTC()))
		return
	}
	switch v.Kind() { //nolint:exhaustive // these are the kinds that documents have
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() || v.Type().Field(i).Anonymous {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("KEY")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1)
	}
}

// paths lists the fields of a decoded document: "groups[].positions[].offset".
func paths(prefix string, v any, add func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			p := strings.TrimPrefix(prefix+"."+k, ".")
			add(p)
			paths(p, e, add)
		}
	case []any:
		for _, e := range v {
			paths(prefix+"[]", e, add)
		}
	}
}

// TestJSONFields pins the exact fields of every document, so that none can
// vanish, change its name or leak by accident; and each is in docs/json.md.
func TestJSONFields(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range documents(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			var decoded any
			if err := json.Unmarshal(raw, &decoded); err != nil {
				t.Fatal(err)
			}
			var got []string
			paths("", decoded, func(p string) { got = append(got, p) })
			slices.Sort(got)
			got = slices.Compact(got)
			text := strings.Join(got, "\n") + "\n"
			golden := filepath.Join("testdata", "json", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), text); diff != "" {
				t.Errorf("the fields have changed (-want +got); run with -update and describe them in docs/json.md:\n%s", diff)
			}
			for _, p := range got {
				field := strings.TrimSuffix(p[strings.LastIndexByte(p, '.')+1:], "[]")
				if field != "KEY" && !strings.Contains(string(doc), "`"+field+"`") {
					t.Errorf("docs/json.md does not name %s", p)
				}
			}
		})
	}
}

// TestUnknownIsNull: what is not known is null, never -1 and never 0.
func TestUnknownIsNull(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{-1: "null", 0: "0", 7: "7"} {
		got, err := json.Marshal(known(n))
		if err != nil || string(got) != want {
			t.Errorf("known(%d) is %s (%v), want %s", n, got, err, want)
		}
	}
}
