package snapshot

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
)

// size counts objects and bytes of a bucket, without the probe.
func size(t testing.TB, b *store.Bucket) (objects, bytes int64) {
	t.Helper()
	for o, err := range b.List(t.Context(), store.Query{Prefix: root}) {
		if err != nil {
			t.Fatal(err)
		}
		objects++
		bytes += o.Size
	}
	return objects, bytes
}

// lookFor takes a snapshot each minute, with an application that moves that
// share of the positions between two looks, and everybody writing all the time.
func lookFor(t testing.TB, b *store.Bucket, s *Snapshot, looks int, moving float64) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for range looks {
		for i := range s.Groups {
			for j := range s.Groups[i].Positions {
				p := &s.Groups[i].Positions[j]
				end := *p.LogEnd + 10
				p.LogEnd = &end
				if random.Float64() < moving {
					p.Offset += 7
				}
				lag := end - p.Offset
				p.Lag = &lag
			}
		}
		if _, err := Take(t.Context(), b, s, TakeOptions{IfChanged: true}); err != nil {
			t.Fatal(err)
		}
		s.Created = s.Created.Add(time.Minute)
	}
}

// TestWhereNothingMoves: however often somebody looks, it is one snapshot and
// one mark, although records are written all the time.
func TestWhereNothingMoves(t *testing.T) {
	t.Parallel()
	b := newBucket()
	s := many(5, 4)
	start := s.Created
	const looks = 200
	lookFor(t, b, s, looks, 0)
	objects, bytes := size(t, b)
	m, err := LastMark(t.Context(), b, s.ClusterID, mustLatest(t, b, s))
	if err != nil || m.Looks != looks-1 || m.Gap() != time.Minute || !m.Last.Equal(start.Add((looks-1)*time.Minute)) {
		t.Errorf("mark %+v, %v", m, err)
	}
	if objects != 2 || bytes > 8000 {
		t.Errorf("%d objects, %d bytes", objects, bytes)
	}
}

func mustLatest(t *testing.T, b *store.Bucket, s *Snapshot) string {
	t.Helper()
	l, ok, err := Latest(t.Context(), b, s.ClusterID, s.Created)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	return l.ID
}

// TestWhereLittleMoves: what is stored is what has moved, and any of it can be
// read.
func TestWhereLittleMoves(t *testing.T) {
	t.Parallel()
	b := newBucket()
	s := many(50, 20)
	lookFor(t, b, s, 30, 0.01)
	whole := many(50, 20)
	whole.normalize()
	full, err := whole.sealFull()
	if err != nil {
		t.Fatal(err)
	}
	if objects, bytes := size(t, b); bytes > objects*int64(len(full))/2 {
		t.Errorf("%d objects of %d bytes, one whole is %d", objects, bytes, len(full))
	}
	for l, err := range List(t.Context(), b) {
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Load(t.Context(), b, l.ID); err != nil || got.PositionCount != 1000 {
			t.Errorf("%s: %v", l.ID, err)
		}
	}
}

// BenchmarkYear prints what docs/snapshots.md says: a look each minute. A year
// of nothing is the whole year; where 1 % moves a day is taken.
func BenchmarkYear(b *testing.B) {
	for _, bb := range []struct {
		name   string
		looks  int
		moving float64
		groups int
	}{
		{"nothing-moves-year-of-10-positions", 365 * 1440, 0, 1},
		{"1%-moves-day-of-1000-positions", 1440, 0.01, 100},
	} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				bucket := store.New(memstore.New(), "mem", nil)
				lookFor(b, bucket, many(bb.groups, 10), bb.looks, bb.moving)
				objects, bytes := size(b, bucket)
				b.ReportMetric(float64(bb.looks), "looks")
				b.ReportMetric(float64(objects), "objects")
				b.ReportMetric(float64(bytes), "bytes")
				b.ReportMetric(float64(bytes)/float64(bb.looks), "bytes/look")
			}
		})
	}
}
