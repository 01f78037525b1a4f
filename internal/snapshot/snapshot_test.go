package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sample has one of everything, out of order.
func sample() *Snapshot {
	return &Snapshot{
		Summary: Summary{
			Created: time.Date(2026, 11, 21, 12, 45, 27, 498_000_000, time.FixedZone("CET", 3600)), ClusterID: "MkU3OEVBNTcwNTJENDM2Qg",
			ClusterName: "new", Bootstrap: []string{"b-1:9092", "b-2:9092"}, Description: "before the move <1>", Tool: "kferry test",
			Trigger:  Trigger{Kind: Apply, Run: "20261121T114527Z-7f3a9c"},
			Complete: false, Incomplete: []string{"the right to describe group x is missing"},
		},
		Groups: []Group{
			{Name: "order-processor", Kind: "classic", State: "Empty", Exists: true, Protocol: "consumer", Positions: []Position{
				{Topic: "orders", TopicID: topic.ID{1, 2, 3}, Partition: 1, Offset: 1 << 62, LeaderEpoch: 5, Metadata: "a\xff\x00b"},
				{Topic: "orders", Partition: 0, Offset: 103, LeaderEpoch: -1, LogStart: new(int64(100)), LogEnd: new(int64(105)), Lag: new(int64(2))},
				{Topic: "audit", Partition: 0, Offset: 0, LeaderEpoch: 0, Metadata: "grüße \u2028 \ufffd \"\\ufffd\" <&>", LogStart: new(int64(0))},
			}},
			{Name: "not/there.. Ünïcode", Exists: false},
			{Name: "Busy", Kind: "consumer", State: "Stable", Exists: true, Members: 3, Error: "NOT_COORDINATOR"},
		},
	}
}

// saved is what Save makes of sample.
func saved(id string) *Snapshot {
	s := sample()
	s.ID = id
	s.normalize()
	return s
}

func newBucket() *store.Bucket { return store.New(memstore.New(), "mem", nil) }

func save(t *testing.T, b *store.Bucket, s *Snapshot) string {
	t.Helper()
	id, err := Save(t.Context(), b, s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestSaveLoad(t *testing.T) {
	t.Parallel()
	b := newBucket()
	s := sample()
	id := save(t, b, s)
	if diff := cmp.Diff(sample(), s); diff != "" {
		t.Errorf("Save has changed its argument: %s", diff)
	}
	got, err := Load(t.Context(), b, id)
	if err != nil {
		t.Fatal(err)
	}
	want := saved(id)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.GroupCount != 3 || got.PositionCount != 3 || got.Groups[2].Positions[0].Topic != "audit" || got.Groups[1].Exists {
		t.Errorf("got %+v", got)
	}
	if !strings.HasPrefix(id, "20261121T114527Z-7f") {
		t.Errorf("ID %s is not of the time when it was taken", id)
	}
}

// TestGolden pins what is written, and reads it back from where it belongs.
func TestGolden(t *testing.T) {
	t.Parallel()
	full := saved("20261121T114527Z-7f7a9c")
	full.Selection = (&Selection{Groups: []string{"order-*"}}).sorted()
	later := laterThan(full)
	golden := func(t *testing.T, name string, got []byte) []byte {
		t.Helper()
		path := filepath.Join("testdata", name)
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
		return want
	}
	b := newBucket()
	data, err := full.sealFull()
	if err != nil {
		t.Fatal(err)
	}
	put(t, b, keyOf(full.ClusterID, full.ID, ""), golden(t, "full.golden", data))
	later.Kind, later.Base = KindDelta, full.ID
	if data, err = later.sealDelta(full); err != nil {
		t.Fatal(err)
	}
	put(t, b, keyOf(later.ClusterID, later.ID, full.ID), golden(t, "delta.golden", data))
	for _, want := range []*Snapshot{full, later} {
		got, err := Load(t.Context(), b, want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// TestVersion1 reads what the first version has written.
func TestVersion1(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("testdata", "v1.golden"))
	if err != nil {
		t.Fatal(err)
	}
	want := saved("20261121T114527Z-7f7a9c")
	b := newBucket()
	put(t, b, keyOf(want.ClusterID, want.ID, ""), data)
	got, err := Load(t.Context(), b, want.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for l, err := range List(t.Context(), b) {
		if err != nil || l.Err != nil || l.PositionCount != 3 {
			t.Errorf("listed %+v, %v", l, err)
		}
	}
}

// laterThan is a snapshot of the same cluster an hour later, with a change of
// each kind.
func laterThan(s *Snapshot) *Snapshot {
	c := *s
	c.ID, c.Created = "20261121T124527Z-7f7a9c", s.Created.Add(time.Hour)
	c.Complete, c.Incomplete = true, []string{}
	c.Groups = []Group{
		{Name: "new <&> one", Kind: "classic", State: "Empty", Exists: true, Positions: []Position{{Topic: "orders", Offset: 5, LeaderEpoch: -1}}},
		{Name: "order-processor", Kind: "classic", State: "Stable", Exists: true, Protocol: "consumer", Members: 1, Positions: []Position{
			{Topic: "orders", Partition: 0, Offset: 104, LeaderEpoch: -1, LogStart: new(int64(100)), LogEnd: new(int64(107)), Lag: new(int64(3))},
			{Topic: "orders", TopicID: topic.ID{1, 2, 3}, Partition: 1, Offset: 1 << 62, LeaderEpoch: 5, Metadata: "a\xff\x00c"},
			{Topic: "orders", Partition: 2, Offset: 0, LeaderEpoch: -1},
		}},
		{Name: "not/there.. Ünïcode", Exists: false},
	}
	c.normalize()
	return &c
}

func put(t *testing.T, b *store.Bucket, key string, data []byte) {
	t.Helper()
	if err := b.Put(t.Context(), key, data); err != nil {
		t.Fatal(err)
	}
}

// TestMetadata: any bytes come back as they were.
func TestMetadata(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) })).Draw(t, "metadata")
		want := Position{Topic: "t", Metadata: string(raw)}
		data, err := store.Encode("kferry-test", 1, want)
		if err != nil {
			t.Fatal(err)
		}
		var got Position
		if _, err := store.Decode(data, "k", "kferry-test", 1, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Snapshot)
	}{
		{"a group twice", func(s *Snapshot) { s.Groups = append(s.Groups, Group{Name: "order-processor", Exists: true}) }},
		{"a partition twice", func(s *Snapshot) { s.Groups[0].Positions[0] = s.Groups[0].Positions[1] }},
		{"a negative offset", func(s *Snapshot) { s.Groups[0].Positions[0].Offset = -1 }},
		{"a negative partition", func(s *Snapshot) { s.Groups[0].Positions[0].Partition = -1 }},
		{"an impossible epoch", func(s *Snapshot) { s.Groups[0].Positions[0].LeaderEpoch = -2 }},
		{"no topic", func(s *Snapshot) { s.Groups[0].Positions[0].Topic = "" }},
		{"positions of what does not exist", func(s *Snapshot) { s.Groups[0].Exists = false }},
		{"positions of what could not be read", func(s *Snapshot) { s.Groups[0].Error = "x" }},
		{"complete with reasons", func(s *Snapshot) { s.Complete = true }},
		{"incomplete without", func(s *Snapshot) { s.Incomplete = nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBucket()
			s := sample()
			tt.change(s)
			if _, err := Save(t.Context(), b, s); !errors.Is(err, ErrInvalid) {
				t.Errorf("saving: got error %v", err)
			}
			// Stored by something else, it is not used either.
			s.ID = "20261121T114527Z-7f7a9c"
			s.normalize()
			if err := b.PutJSON(t.Context(), keyOf(s.ClusterID, s.ID, ""), Format, version, s); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(t.Context(), b, s.ID); !errors.Is(err, ErrInvalid) {
				t.Errorf("loading: got error %v", err)
			}
		})
	}
	t.Run("a name that is not UTF-8", func(t *testing.T) {
		t.Parallel()
		s := sample()
		s.Groups[0].Name = "a\xff"
		if _, err := Save(t.Context(), newBucket(), s); err == nil {
			t.Error("saved under another name")
		}
	})
}

func TestPositionRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no metadata":       `{"topic":"t"}`,
		"both":              `{"topic":"t","metadata":"","metadata_base64":"AA=="}`,
		"no base64":         `{"topic":"t","metadata_base64":"?"}`,
		"offset too large":  `{"topic":"t","metadata":"","offset":9223372036854775808}`,
		"broken offset":     `{"topic":"t","metadata":"","offset":1.5}`,
		"broken topic ID":   `{"topic":"t","metadata":"","topic_id":"x"}`,
		"partition too big": `{"topic":"t","metadata":"","partition":2147483648}`,
	} {
		var p Position
		if err := json.Unmarshal([]byte(text), &p); err == nil {
			t.Errorf("%s: read as %+v", name, p)
		}
	}
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	b := newBucket()
	save(t, b, sample())
	for _, id := range []string{"", "x", "../runs", "20261121T114527Z-000000"} {
		if _, err := Load(t.Context(), b, id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("loading %q: got error %v", id, err)
		}
		if err := Delete(t.Context(), b, id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleting %q: got error %v", id, err)
		}
	}
}

func TestMisplaced(t *testing.T) {
	t.Parallel()
	b := newBucket()
	s := saved("20261121T114527Z-7f7a9c")
	if err := b.PutJSON(t.Context(), keyOf("another cluster", s.ID, ""), Format, version, s); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(t.Context(), b, s.ID); !errors.Is(err, ErrInvalid) {
		t.Errorf("loading: got error %v", err)
	}
	for l, err := range List(t.Context(), b) {
		if err != nil || !errors.Is(l.Err, ErrInvalid) {
			t.Errorf("listing: got %+v, %v", l, err)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	b := newBucket()
	want := map[string][]string{}
	// Hostile cluster IDs, two of which differ only in case.
	for _, cluster := range []string{"", "abC", "abc", "../../runs", "a/b", strings.Repeat("Ä.", 100)} {
		for i := range 3 {
			s := sample()
			s.ClusterID = cluster
			s.Created = s.Created.Add(time.Duration(i) * time.Hour)
			want[cluster] = append(want[cluster], save(t, b, s))
		}
	}
	got := map[string][]string{}
	for l, err := range List(t.Context(), b) {
		if err != nil || l.Err != nil {
			t.Fatalf("%v, %v", err, l.Err)
		}
		got[l.ClusterID] = append(got[l.ClusterID], l.ID)
		full := saved(l.ID)
		full.ClusterID, full.Created = l.ClusterID, l.Created
		if diff := cmp.Diff(full.Summary, l.Summary); diff != "" {
			t.Errorf("summary: %s", diff)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for cluster, ids := range want {
		var some []string
		for l, err := range ListCluster(t.Context(), b, cluster, time.Time{}) {
			if err != nil || l.ClusterID != cluster {
				t.Errorf("%q: listed %+v, %v", cluster, l, err)
			}
			some = append(some, l.ID)
		}
		if diff := cmp.Diff(ids, some); diff != "" {
			t.Errorf("%q: %s", cluster, diff)
		}
		if err := Delete(t.Context(), b, ids[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(t.Context(), b, ids[0]); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleted and still there: %v", err)
		}
	}
}

func TestListDamage(t *testing.T) {
	t.Parallel()
	good, err := store.Encode(Format, version, saved("20261121T114527Z-7f7a9c"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(good)
	for i, tt := range []struct {
		name, data string
		want       error
	}{
		{"empty", "", store.ErrTruncated},
		{"cut", text[:300], store.ErrTruncated},
		{"cut within the envelope", text[:20], store.ErrTruncated},
		{"no JSON", "hello", store.ErrMalformed},
		{"a list", "[]", store.ErrMalformed},
		{"no groups", `{"format":"kferry-snapshot","version":1,"body":{}}`, store.ErrMalformed},
		{"no body", `{"format":"kferry-snapshot","version":1}`, store.ErrMalformed},
		{"other format", strings.Replace(text, Format, "kferry-run", 1), store.ErrFormat},
		{"newer", strings.Replace(text, `"version":2`, `"version":3`, 1), store.ErrVersion},
		{"version 0", strings.Replace(text, `"version":2`, `"version":0`, 1), store.ErrMalformed},
		{"wrong type", strings.Replace(text, `"group_count":3`, `"group_count":"3"`, 1), store.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBucket()
			k := keyOf("c", fmt.Sprintf("20261121T114527Z-00000%x", i), "")
			if err := b.Put(t.Context(), k, []byte(tt.data)); err != nil {
				t.Fatal(err)
			}
			n := 0
			for l, err := range List(t.Context(), b) {
				n++
				var formatErr *store.FormatError
				if err != nil || !errors.Is(l.Err, tt.want) || !errors.As(l.Err, &formatErr) || formatErr.Hint == "" {
					t.Errorf("got %v, %v, want %v", l.Err, err, tt.want)
				}
			}
			if n != 1 {
				t.Errorf("listed %d, want the damaged one", n)
			}
		})
	}
}

func FuzzSummary(f *testing.F) {
	good, err := store.Encode(Format, version, saved("20261121T114527Z-7f7a9c"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"format":"kferry-snapshot","version":1,"body":{"id":"x","groups":`))
	f.Fuzz(func(t *testing.T, data []byte) {
		summary, err := decodeSummary(bytes.NewReader(data), "k")
		var formatErr *store.FormatError
		if err != nil && !errors.As(err, &formatErr) {
			t.Fatalf("%v is no *FormatError", err)
		}
		// What can be read as a whole has the same summary, if any.
		var whole Snapshot
		if _, wholeErr := store.Decode(data, "k", Format, version, &whole); wholeErr != nil || err != nil {
			return
		}
		if summary.ID != whole.ID || summary.ClusterID != whole.ClusterID {
			t.Errorf("summary %+v of %+v", summary, whole.Summary)
		}
	})
}
