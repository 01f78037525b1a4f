package snapshot

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
)

// days is a bucket with a snapshot a day, each with a change; every seventh is
// full.
func days(t *testing.T, b *store.Bucket, n int) (ids []string, last time.Time) {
	t.Helper()
	s := many(20, 2)
	start := s.Created
	for day := range n {
		s.Created = start.AddDate(0, 0, day)
		s.Groups[0].Positions[0].Offset++
		ids = append(ids, take(t, b, s, TakeOptions{Full: day%7 == 0}).ID)
	}
	return ids, s.Created
}

func kept(p *Pruning) (out []string) {
	for _, d := range p.All {
		if d.Keep {
			out = append(out, d.ID)
		}
	}
	return out
}

func TestPruneDecides(t *testing.T) {
	t.Parallel()
	b := newBucket()
	ids, last := days(t, b, 20)
	run := many(1, 1)
	run.Created, run.Selection, run.Trigger = last.AddDate(0, 0, -19), nil, Trigger{Kind: Apply, Run: "20260101T010000Z-000000"}
	ofRun := save(t, b, run)
	cluster := run.ClusterID
	protect := func(_ context.Context, s Summary) (string, error) {
		if s.Trigger.Run == "" {
			return "", nil
		}
		return "the run", nil
	}
	for _, tt := range []struct {
		name string
		o    PruneOptions
		want []string
	}{
		{"the last one with its base", PruneOptions{KeepLast: 1, Protect: protect}, []string{ofRun, ids[14], ids[19]}},
		{"runs are a series too", PruneOptions{KeepLast: 1}, []string{ofRun, ids[14], ids[19]}},
		{"the last six", PruneOptions{KeepLast: 6, Protect: protect}, append([]string{ofRun}, ids[14:]...)},
		{"all", PruneOptions{KeepLast: 100}, append([]string{ids[0], ofRun}, ids[1:]...)},
		{"those since, and what stood then", PruneOptions{KeepFor: 36 * time.Hour}, []string{ids[14], ids[17], ids[18], ids[19]}},
		{"runs that are needed", PruneOptions{KeepFor: time.Hour, Protect: protect}, []string{ofRun, ids[14], ids[18], ids[19]}},
		{"nobody has looked since", PruneOptions{KeepFor: time.Hour, Now: last.AddDate(1, 0, 0)}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.o.Now.IsZero() {
				tt.o.Now = last
			}
			p, err := PlanPrune(t.Context(), b, cluster, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(tt.want)
			if diff := cmp.Diff(tt.want, kept(p)); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
			for _, d := range p.All {
				if d.Keep == (d.Why == "") {
					t.Errorf("%s: kept %t because %q", d.ID, d.Keep, d.Why)
				}
			}
		})
	}
}

// TestPruneKeepsWhatStillStands: a snapshot of long ago that somebody looked at
// yesterday is what stood, however old it is.
func TestPruneKeepsWhatStillStands(t *testing.T) {
	t.Parallel()
	b := newBucket()
	s := many(2, 2)
	id := take(t, b, s, TakeOptions{}).ID
	s.Created = s.Created.AddDate(0, 11, 0)
	take(t, b, s, TakeOptions{IfChanged: true})
	for after, keeps := range map[time.Duration]bool{time.Hour: true, 90 * 24 * time.Hour: false} {
		p, err := PlanPrune(t.Context(), b, s.ClusterID, PruneOptions{KeepFor: 30 * 24 * time.Hour, Now: s.Created.Add(after)})
		if err != nil || len(p.All) != 1 || p.All[0].Keep != keeps {
			t.Errorf("%s after the last look: %+v, %v", after, p, err)
		}
	}
	// A damaged mark tells nothing, and nothing is deleted for it.
	key := markKeys(t, b)[0]
	if err := b.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	put(t, b, key, []byte("{"))
	p, err := PlanPrune(t.Context(), b, s.ClusterID, PruneOptions{KeepFor: time.Hour, Now: s.Created.AddDate(5, 0, 0)})
	if err != nil || !p.All[0].Keep {
		t.Errorf("with a damaged mark: %+v, %v", p, err)
	}
	if err := Delete(t.Context(), b, id); err != nil || len(markKeys(t, b)) != 0 {
		t.Errorf("deleting: %v, marks %v", err, markKeys(t, b))
	}
}

func TestPruneRemoves(t *testing.T) {
	t.Parallel()
	b := newBucket()
	_, last := days(t, b, 20)
	cluster := many(0, 0).ClusterID
	p, err := PlanPrune(t.Context(), b, cluster, PruneOptions{KeepLast: 2, Now: last})
	if err != nil {
		t.Fatal(err)
	}
	want := kept(p)
	n, err := p.Remove(t.Context(), b)
	if err != nil || n != 20-len(want) {
		t.Errorf("removed %d, %v", n, err)
	}
	var got []string
	for l, err := range List(t.Context(), b) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, l.ID)
		if _, err := Load(t.Context(), b, l.ID); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// A second time nothing is left to do, and what others removed is no error.
	if n, err := p.Remove(t.Context(), b); n > 20 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
}

// TestBaseIsNeverTakenAway: whichever of a new delta and the deletion of its
// base comes first, what is left can be read.
func TestBaseIsNeverTakenAway(t *testing.T) {
	t.Parallel()
	for _, tt := range []string{"the delta is put just before the base goes", "the base goes just before the delta is put", "just after"} {
		t.Run(tt, func(t *testing.T) {
			t.Parallel()
			mem := &failing{Driver: memstore.New()}
			b := store.New(mem, "mem", nil)
			s := many(20, 2)
			full := take(t, b, s, TakeOptions{})
			s.Created = s.Created.Add(time.Hour)
			base := keyOf(s.ClusterID, full.ID, "")
			var made Taken
			done := false
			once := func(do func()) {
				if !done {
					done = true
					do()
				}
			}
			switch tt {
			case "the delta is put just before the base goes":
				mem.onDelete = func(key string) error {
					if key == base {
						once(func() { made = take(t, b, s, TakeOptions{}) })
					}
					return nil
				}
				if err := Delete(t.Context(), b, full.ID); err != nil {
					t.Fatal(err)
				}
				if made.Base != full.ID {
					t.Fatalf("the delta is %+v", made)
				}
			default:
				mem.onPut = func(key string) {
					if strings.HasSuffix(key, "."+full.ID+".json") && tt != "just after" {
						once(func() {
							if err := mem.Driver.Delete(t.Context(), base); err != nil {
								t.Error(err)
							}
						})
					}
				}
				made = take(t, b, s, TakeOptions{})
				if tt == "just after" {
					err := Delete(t.Context(), b, full.ID)
					var used *UsedError
					if !errors.As(err, &used) || used.By[0] != made.ID || !strings.Contains(err.Error(), made.ID) {
						t.Errorf("deleting the base: %v", err)
					}
				}
			}
			if _, err := Load(t.Context(), b, made.ID); err != nil {
				t.Errorf("the new snapshot is lost: %v", err)
			}
		})
	}
}

func TestDeleteTogether(t *testing.T) {
	t.Parallel()
	mem, full, delta := pair(t)
	b := store.New(mem, "mem", nil)
	if err := Delete(t.Context(), b, full.ID, "20260101T000000Z-ffffff"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown one: %v", err)
	}
	if err := Delete(t.Context(), b, full.ID, delta.ID, full.ID); err != nil {
		t.Fatal(err)
	}
	for l, err := range List(t.Context(), b) {
		t.Errorf("left: %+v, %v", l, err)
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	before := saved("20261121T114527Z-7f7a9c")
	after := laterThan(before)
	d, err := Compare(before, after, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		group  string
		change Change
		where  string
		pos    Change
		what   string
		by     int64
	}
	var got []row
	for _, g := range d.Groups {
		got = append(got, row{group: g.Name, change: g.Change})
		for i := range g.Positions {
			p := &g.Positions[i]
			var what []string
			for _, w := range p.What {
				what = append(what, string(w))
			}
			got = append(got, row{g.Name, g.Change, p.String(), p.Change, strings.Join(what, " "), p.By()})
		}
	}
	want := []row{
		{group: "Busy", change: Unknown}, // it could not be read
		{group: "new <&> one", change: Added},
		{"new <&> one", Added, "orders/0", Added, "", 0},
		{group: "order-processor", change: Changed},
		{"order-processor", Changed, "audit/0", Removed, "", 0},
		{"order-processor", Changed, "orders/0", Changed, "offset", 1},
		{"order-processor", Changed, "orders/1", Changed, "metadata", 0},
		{"order-processor", Changed, "orders/2", Added, "", 0},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !d.Differs() || d.Equal() || len(d.Unknown()) != 1 {
		t.Errorf("differs %t, equal %t, unknown %v", d.Differs(), d.Equal(), d.Unknown())
	}
	same, err := Compare(before, before, nil, nil)
	if err != nil || same.Differs() || same.Equal() || len(same.Groups) != 1 {
		t.Errorf("with itself, one group unreadable: %+v, %v", same, err)
	}
	nothing := func(string) bool { return false }
	if d, err = Compare(before, after, nothing, nothing); err != nil || len(d.Unknown()) != 2 {
		t.Errorf("not asked for: %+v, %v", d, err)
	}
	after.ClusterID = "other"
	if _, err := Compare(before, after, nil, nil); !errors.Is(err, ErrOtherCluster) {
		t.Errorf("another cluster: %v", err)
	}
}

// TestEpochAloneIsNoDifference: nothing else is read next.
func TestEpochAloneIsNoDifference(t *testing.T) {
	t.Parallel()
	a, b := many(1, 1), many(1, 1)
	b.Groups[0].Positions[0].LeaderEpoch = 9
	b.Groups[0].State = "Empty"
	d, err := Compare(a, b, nil, nil)
	if err != nil || d.Differs() || len(d.Groups) != 1 {
		t.Errorf("got %+v, %v", d, err)
	}
	b.Groups[0].Positions[0].TopicID[0]++
	if d, err = Compare(a, b, nil, nil); err != nil || !d.Differs() {
		t.Errorf("a topic that was created anew: %+v, %v", d, err)
	}
}
