package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/driver"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
)

// hostile names of groups and topics.
var hostile = []string{"a", "b", "", "../../x", "ä\u2028", "\ufffd", `"},{"`, "con", strings.Repeat("x", 300), "a\x00b", "<&>"}

// drawGroups draws groups with names and positions that meet often.
func drawGroups(t *rapid.T, label string) []Group {
	known := rapid.OneOf(rapid.Just[*int64](nil), rapid.Map(rapid.Int64Range(0, 3), func(n int64) *int64 { return &n }))
	var out []Group
	for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(hostile), rapid.ID[string]).Draw(t, label+" groups") {
		g := Group{
			Name: name, Exists: rapid.Bool().Draw(t, "exists"), State: rapid.SampledFrom([]string{"", "Empty"}).Draw(t, "state"),
			Members: rapid.IntRange(0, 1).Draw(t, "members"),
		}
		if !g.Exists {
			out = append(out, g)
			continue
		}
		type part struct {
			topic     string
			partition int32
		}
		parts := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) part {
			return part{rapid.SampledFrom(hostile).Filter(func(s string) bool { return s != "" }).Draw(t, "topic"), rapid.Int32Range(0, 2).Draw(t, "partition")}
		}), 0, 6, rapid.ID[part])
		for _, p := range parts.Draw(t, "partitions") {
			g.Positions = append(g.Positions, Position{
				Topic: p.topic, Partition: p.partition, Offset: rapid.SampledFrom([]int64{0, 1, 2, 1<<63 - 1}).Draw(t, "offset"),
				LeaderEpoch: rapid.Int32Range(-1, 0).Draw(t, "epoch"), Metadata: rapid.SampledFrom([]string{"", "\xff", "x"}).Draw(t, "metadata"),
				TopicID: rapid.SampledFrom([]topic.ID{{}, {1}}).Draw(t, "topic ID"), LogStart: known.Draw(t, "start"), LogEnd: known.Draw(t, "end"), Lag: known.Draw(t, "lag"),
			})
			if p := &g.Positions[len(g.Positions)-1]; rapid.Bool().Draw(t, "usual lag") {
				p.Lag = lagOf(p)
			}
		}
		out = append(out, g)
	}
	return out
}

// TestDeltaIsWhatDiffers: whatever two snapshots are, the delta and its base
// make the later one again, byte for byte, with the names and bytes that people
// choose.
func TestDeltaIsWhatDiffers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ctx := t.Context()
		b := newBucket()
		draw := func(label string, hour int) *Snapshot {
			s := many(0, 0)
			s.Created = s.Created.Add(time.Duration(hour) * time.Hour)
			s.Groups = drawGroups(t, label)
			s.normalize()
			s.ID = store.NewID(s.Created)
			return s
		}
		base, later := draw("base", 0), draw("later", 1)
		data, err := base.sealFull()
		if err == nil {
			err = b.Put(ctx, keyOf(base.ClusterID, base.ID, ""), data)
		}
		if err != nil {
			t.Fatal(err)
		}
		later.Kind, later.Base = KindDelta, base.ID
		if data, err = later.sealDelta(base); err == nil {
			err = b.Put(ctx, keyOf(later.ClusterID, later.ID, base.ID), data)
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := Load(ctx, b, later.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(later, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// pair is a bucket with a full snapshot and a delta of it.
func pair(t *testing.T) (mem *memstore.Store, full, delta Taken) {
	t.Helper()
	mem = memstore.New()
	b := store.New(mem, "mem", nil)
	s := many(20, 2)
	full = take(t, b, s, TakeOptions{})
	s.Created = s.Created.Add(time.Minute)
	s.Groups[3].Positions[1].Offset++
	s.Groups = append(s.Groups[:5], s.Groups[6:]...)
	delta = take(t, b, s, TakeOptions{})
	if full.Kind != KindFull || delta.Kind != KindDelta || delta.Base != full.ID {
		t.Fatalf("stored %+v and %+v", full, delta)
	}
	return mem, full, delta
}

func take(t *testing.T, b *store.Bucket, s *Snapshot, o TakeOptions) Taken {
	t.Helper()
	got, err := Take(t.Context(), b, s, o)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestFlippedByte flips each byte of a delta and of its base: what was stored
// comes back, or an error that names the snapshot, and never another position.
func TestFlippedByte(t *testing.T) {
	t.Parallel()
	mem, full, delta := pair(t)
	b := store.New(mem, "mem", nil)
	want, err := Load(t.Context(), b, delta.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{keyOf(want.ClusterID, delta.ID, full.ID), keyOf(want.ClusterID, full.ID, "")} {
		data, err := readAll(t.Context(), b, key)
		if err != nil {
			t.Fatal(err)
		}
		refused := 0
		for i := range data {
			damaged := bytes.Clone(data)
			damaged[i] ^= 1 << (i % 8)
			c := store.New(mem.Clone(), "mem", nil)
			if err := c.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			put(t, c, key, damaged)
			got, err := Load(t.Context(), c, delta.ID)
			switch {
			case err != nil && strings.Contains(err.Error(), delta.ID):
				refused++
			case err != nil:
				t.Fatalf("byte %d of %s: %v does not name the snapshot", i, key, err)
			case !cmp.Equal(want, got):
				t.Fatalf("byte %d of %s: another snapshot was read", i, key)
			}
		}
		if refused < len(data)*9/10 {
			t.Errorf("%s: only %d of %d flips were found", key, refused, len(data))
		}
	}
}

func TestBaseMissingOrDamaged(t *testing.T) {
	t.Parallel()
	mem, full, delta := pair(t)
	key := keyOf(many(0, 0).ClusterID, full.ID, "")
	for name, damage := range map[string]func(b *store.Bucket){
		"missing": func(*store.Bucket) {},
		"cut":     func(b *store.Bucket) { put(t, b, key, []byte(`{"format":"kferry-snapshot"`)) },
		"newer version": func(b *store.Bucket) {
			put(t, b, key, []byte(`{"format":"kferry-snapshot","version":3,"sha256":"","body":{}}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := store.New(mem.Clone(), "mem", nil)
			if err := b.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			damage(b)
			_, err := Load(t.Context(), b, delta.ID)
			if !errors.Is(err, ErrBase) || !strings.Contains(err.Error(), delta.ID) || !strings.Contains(err.Error(), full.ID) {
				t.Errorf("got error %v", err)
			}
			if errors.Is(err, store.ErrNotFound) {
				t.Errorf("the snapshot itself is there: %v", err)
			}
			// The next one begins anew, and says so where it has seen damage.
			s := many(20, 2)
			s.Created = s.Created.Add(time.Hour)
			if got := take(t, b, s, TakeOptions{}); got.Kind != KindFull {
				t.Errorf("stored %+v", got)
			}
		})
	}
}

// TestDeltaThatDoesNotFit: deltas that contradict their base are refused.
func TestDeltaThatDoesNotFit(t *testing.T) {
	t.Parallel()
	base := many(1, 1)
	base.normalize()
	base.ID = "20260101T000000Z-000000"
	n := func(ns ...int64) []int64 { return ns }
	there, name := base.Groups[0].Positions[0], base.Groups[0].Name
	rows := func(r ...[]int64) []storedRows { return []storedRows{{Topic: there.Topic, Partitions: r}} }
	for what, body := range map[string]stored{
		"gone and never there":      {Gone: []string{"x"}},
		"gone twice":                {Gone: []string{name, name}},
		"gone and changed":          {Gone: []string{name}, Groups: []storedGroup{{Name: name}}},
		"changed twice":             {Groups: []storedGroup{{Name: name}, {Name: name}}},
		"positions in a delta":      {Groups: []storedGroup{{Name: name, Positions: []storedPosition{there.stored()}}}},
		"moved and never there":     {Groups: []storedGroup{{Name: name, Moved: rows(n(9, 1, 1, 1))}}},
		"removed and never there":   {Groups: []storedGroup{{Name: name, Removed: rows(n(9))}}},
		"moved twice":               {Groups: []storedGroup{{Name: name, Moved: rows(n(0, 1), n(0, 1))}}},
		"moved and removed":         {Groups: []storedGroup{{Name: name, Moved: rows(n(0, 1)), Removed: rows(n(0))}}},
		"set and removed":           {Groups: []storedGroup{{Name: name, Set: []storedPosition{there.stored()}, Removed: rows(n(0))}}},
		"set twice":                 {Groups: []storedGroup{{Name: name, Set: []storedPosition{there.stored(), there.stored()}}}},
		"a row that is too long":    {Groups: []storedGroup{{Name: name, Moved: rows(n(0, 1, 1, 1, 1))}}},
		"a row without a partition": {Groups: []storedGroup{{Name: name, Moved: rows(n())}}},
		"removed with more":         {Groups: []storedGroup{{Name: name, Removed: rows(n(0, 1))}}},
		"the same, and never there": {Groups: []storedGroup{{Name: "x", Same: true}}},
		"a set without metadata":    {Groups: []storedGroup{{Name: name, Set: []storedPosition{{Topic: "t"}}}}},
	} {
		if got, err := body.onto(base); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	whole := stored{Groups: []storedGroup{{Name: name, Removed: rows(n(0))}}}
	if _, err := whole.full(); !errors.Is(err, ErrInvalid) {
		t.Errorf("changes in a full snapshot: %v", err)
	}
	if _, err := (&stored{Gone: []string{"x"}}).full(); !errors.Is(err, ErrInvalid) {
		t.Errorf("gone in a full snapshot: %v", err)
	}
}

// TestTakeDecides: what is stored as what.
func TestTakeDecides(t *testing.T) {
	t.Parallel()
	b := newBucket()
	s := many(20, 2)
	step := func(o TakeOptions, change func()) Taken {
		s.Created = s.Created.Add(time.Minute)
		if change != nil {
			change()
		}
		return take(t, b, s, o)
	}
	check := func(got Taken, kind, base string, marked bool) {
		t.Helper()
		if got.Kind != kind || got.Base != base || (got.Mark != nil) != marked || len(got.Remarks) > 0 {
			t.Errorf("got %+v, want %s on %q, a mark %t", got, kind, base, marked)
		}
	}
	quiet := TakeOptions{IfChanged: true}
	first := step(quiet, nil)
	check(first, KindFull, "", false)
	check(step(TakeOptions{}, nil), KindDelta, first.ID, false)
	check(step(TakeOptions{Full: true, IfChanged: true}, nil), KindDelta, first.ID, true)
	check(step(quiet, func() { *s.Groups[0].Positions[0].LogEnd++; s.Groups[0].Members = 9 }), KindDelta, first.ID, true)
	check(step(quiet, func() { s.Groups[0].State = "Empty" }), KindDelta, first.ID, false)
	check(step(quiet, func() { s.Groups[0].Positions[0].Metadata = "x" }), KindDelta, first.ID, false)
	check(step(quiet, func() { s.Complete, s.Incomplete = false, []string{"x"} }), KindDelta, first.ID, false)
	second := step(TakeOptions{Full: true}, nil)
	check(second, KindFull, "", false)
	check(step(quiet, func() { s.Groups = s.Groups[1:] }), KindDelta, second.ID, false)
	// Too much has changed for a delta.
	third := step(quiet, func() {
		for i := range s.Groups {
			s.Groups[i].Protocol = "other"
		}
	})
	check(third, KindFull, "", false)
	// Another selection is a series of its own, and a run has none.
	s.Selection = &Selection{Groups: []string{"application-*"}}
	check(step(quiet, nil), KindFull, "", false)
	s.Selection = nil
	check(step(quiet, nil), KindFull, "", false)
	s.Selection = &Selection{Groups: []string{}}
	check(step(quiet, nil), KindFull, "", true)
	// Another cluster too.
	s.ClusterID = "other"
	check(step(quiet, nil), KindFull, "", false)
}

// failing is a store whose deletes can be made to fail, or to be followed by
// something.
type failing struct {
	driver.Driver
	onDelete func(key string) error
	onPut    func(key string)
}

func (f *failing) Delete(ctx context.Context, key string) error {
	if f.onDelete != nil {
		if err := f.onDelete(key); err != nil {
			return err
		}
	}
	return f.Driver.Delete(ctx, key)
}

func (f *failing) Put(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	err := f.Driver.Put(ctx, key, body, size)
	if f.onPut != nil && err == nil {
		f.onPut(key)
	}
	return err
}

func markKeys(t *testing.T, b *store.Bucket) (keys []string) {
	t.Helper()
	for o, err := range b.List(t.Context(), store.Query{Prefix: root}) {
		if err != nil {
			t.Fatal(err)
		}
		if isMark(o.Key) {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

// TestMarks: looks are counted, a crash between the new mark and the deletion of
// the old one leaves two of which the later counts, and damage begins anew.
func TestMarks(t *testing.T) {
	t.Parallel()
	mem := &failing{Driver: memstore.New()}
	b := store.New(mem, "mem", nil)
	s := many(2, 2)
	start := s.Created
	first := take(t, b, s, TakeOptions{IfChanged: true})
	look := func(after time.Duration) Taken {
		s.Created = start.Add(after)
		return take(t, b, s, TakeOptions{IfChanged: true})
	}
	look(time.Minute)
	look(5 * time.Minute)
	got := look(6 * time.Minute)
	want := &Mark{
		Snapshot: first.ID, ClusterID: s.ClusterID, First: start.Add(time.Minute), Last: start.Add(6 * time.Minute), Looks: 3,
		LongestGap: (4 * time.Minute).Milliseconds(),
	}
	if diff := cmp.Diff(want, got.Mark); diff != "" || len(markKeys(t, b)) != 1 {
		t.Errorf("%d marks; %s", len(markKeys(t, b)), diff)
	}
	mem.onDelete = func(string) error { return errors.New("the process has died") }
	s.Created = start.Add(7 * time.Minute)
	if _, err := Take(t.Context(), b, s, TakeOptions{IfChanged: true}); err == nil {
		t.Error("no error")
	}
	mem.onDelete = nil
	if keys := markKeys(t, b); len(keys) != 2 {
		t.Errorf("marks %v", keys)
	}
	m, err := LastMark(t.Context(), b, s.ClusterID, first.ID)
	if err != nil || m.Looks != 4 || !m.Last.Equal(start.Add(7*time.Minute)) {
		t.Errorf("mark %+v, %v", m, err)
	}
	if got := look(8 * time.Minute); got.Mark.Looks != 5 || len(markKeys(t, b)) != 1 {
		t.Errorf("mark %+v of %v", got.Mark, markKeys(t, b))
	}
	// A clock that goes back takes nothing away.
	if got := look(2 * time.Minute); got.Mark.Looks != 6 || got.Mark.Last.Before(start.Add(8*time.Minute)) {
		t.Errorf("mark %+v", got.Mark)
	}
	keys := markKeys(t, b)
	if err := b.Delete(t.Context(), keys[0]); err != nil {
		t.Fatal(err)
	}
	put(t, b, keys[0], []byte("{"))
	if got := look(10 * time.Minute); got.Mark.Looks != 1 || len(got.Remarks) != 1 || got.Mark.Gap() != 10*time.Minute {
		t.Errorf("after damage: %+v, %+v", got, got.Mark)
	}
	for l, err := range List(t.Context(), b) {
		if err != nil || l.ID != first.ID {
			t.Errorf("a mark is listed as a snapshot: %+v, %v", l, err)
		}
	}
	// A change ends the mark's snapshot; both stay.
	s.Groups[0].Positions[0].Offset++
	if got := look(11 * time.Minute); got.ID == first.ID || len(markKeys(t, b)) != 1 {
		t.Errorf("after a change: %+v, %v", got, markKeys(t, b))
	}
	if err := Delete(t.Context(), b, first.ID); !errors.As(err, new(*UsedError)) && err != nil {
		t.Error(err)
	}
}

// TestAt: what stood when, and how well that is known.
func TestAt(t *testing.T) {
	t.Parallel()
	b := newBucket()
	s := many(4, 2)
	start := s.Created
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	var ids []string
	for minute := range 100 {
		s.Created = at(minute)
		if minute == 50 {
			s.Groups[0].Positions[0].Offset++
		}
		if got := take(t, b, s, TakeOptions{IfChanged: true}); got.Mark == nil {
			ids = append(ids, got.ID)
		}
	}
	// Taken for a run, and of fewer groups: neither is what stood at a time.
	run := many(1, 1)
	run.Created, run.Selection, run.Trigger = at(60), nil, Trigger{Kind: Apply, Run: "20260101T010000Z-000000"}
	save(t, b, run)
	fewer := many(1, 1)
	fewer.Created, fewer.Selection = at(70), &Selection{Groups: []string{"application-00000"}}
	take(t, b, fewer, TakeOptions{})
	for _, tt := range []struct {
		minute, id int
		covered    bool
		next       bool
	}{{0, 0, true, true}, {30, 0, true, true}, {49, 0, true, true}, {50, 1, true, false}, {99, 1, true, false}, {200, 1, false, false}, {500_000, 1, false, false}} {
		got, ev, err := At(t.Context(), b, s.ClusterID, at(tt.minute))
		if err != nil {
			t.Fatal(err)
		}
		if got.ID != ids[tt.id] || ev.Covered() != tt.covered || (ev.Next != "") != tt.next {
			t.Errorf("minute %d: %s, %+v", tt.minute, got.ID, ev)
		}
	}
	if _, ev, _ := At(t.Context(), b, s.ClusterID, at(49).Add(30*time.Second)); ev.Covered() || ev.Next != ids[1] || ev.Gap != time.Minute {
		t.Errorf("between two looks: %+v", ev)
	}
	for _, id := range []string{s.ClusterID, "unknown"} {
		if _, _, err := At(t.Context(), b, id, start.Add(-time.Second)); !errors.Is(err, ErrNoneThen) {
			t.Errorf("before the first of %s: %v", id, err)
		}
	}
	if l, ok, err := Latest(t.Context(), b, s.ClusterID, at(500_000)); err != nil || !ok || l.PositionCount != 1 {
		t.Errorf("latest %+v, %t, %v", l, ok, err)
	}
}

func ExampleSelection_String() {
	fmt.Println((&Selection{}).String())
	fmt.Println((&Selection{Groups: []string{"order-*"}, ExcludeGroups: []string{"order-test"}}).String())
	// Output:
	// all groups
	// -g order-* --exclude-group order-test
}
