package plan

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// slow has topics that are being copied, and a clock that only moves while
// somebody waits.
type slow struct {
	*world
	now   time.Time
	looks []*Look
}

var waitBegan = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// newSlow makes the topics with 100 records in each of their two partitions on
// the source, and nothing on the target.
func newSlow(tb testing.TB, names ...string) *slow {
	tb.Helper()
	s := &slow{world: newWorld(tb), now: waitBegan}
	for _, name := range names {
		s.create(s.source, name, 2)
		s.create(s.target, name, 2)
		for p := range int32(2) {
			var records []*kgo.Record
			for i := range 100 {
				records = append(records, record(name, p, i))
			}
			s.produce(s.source, records...)
		}
	}
	return s
}

func record(name string, p int32, i int) *kgo.Record {
	return &kgo.Record{Topic: name, Partition: p, Value: fmt.Appendf(nil, "%s %d %d", name, p, i)}
}

// copies are copies of the records from one offset to below another.
func copies(name string, p int32, from, to int) (out []*kgo.Record) {
	for i := from; i < to; i++ {
		r := record(name, p, i)
		r.Headers = []kgo.RecordHeader{{Key: header, Value: []byte(strconv.Itoa(i))}}
		out = append(out, r)
	}
	return out
}

func (s *slow) copy(name string, p int32, from, to int) {
	s.t.Helper()
	if from < to {
		s.produce(s.target, copies(name, p, from, to)...)
	}
}

// await waits with looks every ten seconds; step is what the mover does before
// the look of that number.
func (s *slow) await(ctx context.Context, limit time.Duration, step func(look int) error, change ...func(*Input)) (*Plan, *Look, error) {
	s.t.Helper()
	in := s.input()
	in.Now = func() time.Time { return s.now }
	for _, f := range change {
		f(&in)
	}
	return Await(ctx, in, WaitInput{
		Limit: limit, Patience: 3,
		Sleep: func(_ context.Context, d time.Duration) error {
			s.now = s.now.Add(d)
			if n := len(s.looks); n < 50 {
				return step(n + 1)
			}
			return errors.New("it waits for ever")
		},
		Look: func(l *Look) { s.looks = append(s.looks, l) },
	})
}

// kinds are the troubles of a look.
func troubleKinds(l *Look) (out []TroubleKind) {
	for _, t := range l.Troubles {
		out = append(out, t.Kind)
	}
	return out
}

func TestAwaitSeesTheMoverGoOn(t *testing.T) {
	t.Parallel()
	s := newSlow(t, "slow")
	s.commit(s.source, "app", at{part("slow", 0): "100", part("slow", 1): "60"})
	s.commit(s.source, "quick", at{part("orders", 0): "4"})
	p, last, err := s.await(t.Context(), 0, func(look int) error {
		s.copy("slow", 0, 20*(look-2), 20*(look-1))
		s.copy("slow", 1, min(60, 30*(look-2)), min(60, 30*(look-1)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !p.AllApplicable() || last.Over || last.Positions != 0 {
		t.Errorf("at the end: %+v, %+v", p.Summary, last)
	}
	if q := p.Group("app").positionOf(part("slow", 0)); q.After == nil || q.After.Offset != 100 {
		t.Errorf("slow/0: %+v", q)
	}
	type step struct {
		Positions, Groups, Held int
		Copied, Wanted          int64
		Rate                    float64
		Left                    time.Duration
	}
	var got []step
	for _, l := range s.looks {
		if len(l.Topics) != 1 || l.Topics[0].Topic != "slow" || l.Topics[0].Source != "slow" || len(l.Troubles) != 0 || l.Err != nil {
			t.Fatalf("look %d: %+v", l.Number, l)
		}
		tp := l.Topics[0]
		got = append(got, step{l.Positions, l.Groups, tp.Held, tp.Copied, tp.Wanted, tp.Rate, tp.Left})
	}
	want := []step{
		{2, 1, 2, 0, 160, -1, -1},
		{2, 1, 2, 50, 160, 5, 22 * time.Second},
		{1, 1, 1, 100, 160, 5, 12 * time.Second},
		{1, 1, 1, 120, 160, 4, 10 * time.Second},
		{1, 1, 1, 140, 160, 3.5, 5714285714},
		{0, 0, 0, 160, 160, 3.2, 0},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("looks (-want +got):\n%s", d)
	}
	if got := s.looks[2]; got.Elapsed != 20*time.Second || got.Next != DefaultWaitInterval || !got.At.Equal(waitBegan.Add(20*time.Second)) {
		t.Errorf("times: %+v", got)
	}
}

func TestAwaitNeedsNoWait(t *testing.T) {
	t.Parallel()
	s := newSlow(t)
	s.commit(s.source, "app", at{part("orders", 0): "4"})
	s.create(s.source, "lonely", 1)
	s.commit(s.source, "stuck", at{part("lonely", 0): "0"})
	p, last, err := s.await(t.Context(), time.Minute, func(int) error { return errors.New("it waits") })
	if err != nil || last != nil {
		t.Fatalf("%v %+v", err, last)
	}
	if p.Group("stuck").Reason != ReasonTopicMissing || !p.Applicable("app") {
		t.Errorf("plan: %+v", p.Summary)
	}
}

// Copies that name no source offset are waited for just so. They bear the time
// at which they were written, in partition 0 by chance in the second in which
// the records were: that says nothing of partition 1.
func TestAwaitByContents(t *testing.T) {
	t.Parallel()
	s := newSlow(t)
	s.create(s.source, "slow", 2)
	s.create(s.target, "slow", 2)
	for p := range int32(2) {
		for i := range 100 {
			r := record("slow", p, i)
			r.Timestamp = waitBegan.Add(3 * time.Millisecond)
			s.produce(s.source, r)
		}
	}
	s.commit(s.source, "app", at{part("slow", 0): "60", part("slow", 1): "20"})
	step := func(look int) error {
		for n := range int32(2) {
			for _, r := range copies("slow", n, 15*(look-1), 15*look) {
				r.Headers, r.Timestamp = nil, waitBegan.Add(500*time.Millisecond+time.Duration(n)*time.Second)
				s.produce(s.target, r)
			}
		}
		return nil
	}
	for n := range int32(2) {
		s.produce(s.target, &kgo.Record{Topic: "slow", Partition: n, Value: []byte("of another program")})
	}
	if err := step(1); err != nil {
		t.Fatal(err)
	}
	p, last, err := s.await(t.Context(), 0, step, auto)
	if err != nil {
		t.Fatal(err)
	}
	if last == nil || last.Over || !p.Applicable("app") || p.Topics[0].Evidence != translate.KindContent {
		t.Fatalf("at the end: %+v, %+v", p.Topics, p.Group("app"))
	}
	for n, want := range map[int32]int64{0: 61, 1: 21} {
		if q := p.Group("app").positionOf(part("slow", n)); q.After == nil || q.After.Offset != want {
			t.Errorf("slow/%d: %+v", n, q)
		}
	}
	var copied []int64
	for _, l := range s.looks {
		copied = append(copied, l.Topics[0].Copied)
	}
	if d := cmp.Diff([]int64{30, 50, 65, 80}, copied); d != "" {
		t.Errorf("copied (-want +got):\n%s", d)
	}
}

// watched counts what is read of a log, and breaks when it is told to.
type watched struct {
	translate.Log
	mu   sync.Mutex
	read map[topic.Partition]int
	err  error
}

func (l *watched) Fetch(ctx context.Context, asks []batch.Ask) ([]batch.Chunk, error) {
	l.mu.Lock()
	for _, a := range asks {
		l.read[a.Partition]++
	}
	l.mu.Unlock()
	return l.Log.Fetch(ctx, asks)
}

func (l *watched) Bounds(ctx context.Context, ps []topic.Partition) (map[topic.Partition]topic.Bounds, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, l.err
	}
	return l.Log.Bounds(ctx, ps)
}

func TestAwaitReadsOnlyWhatIsHeld(t *testing.T) {
	t.Parallel()
	s := newSlow(t, "slow")
	s.commit(s.source, "app", at{part("slow", 0): "100", part("slow", 1): "10"})
	s.commit(s.source, "quick", at{part("orders", 0): "4", part("payments", 0): "4"})
	s.copy("slow", 1, 0, 20)
	log := &watched{Log: s.target.side().Log, read: map[topic.Partition]int{}}
	_, _, err := s.await(t.Context(), 45*time.Second, func(look int) error {
		if look > 2 && look < 5 {
			for p, n := range log.read {
				if p != part("slow", 0) {
					t.Errorf("look %d read %s %d times", look-1, p, n)
				}
			}
		}
		clear(log.read)
		s.copy("slow", 0, 10*(look-2), 10*(look-1))
		return nil
	}, func(in *Input) { in.To.Log = log })
	if err != nil {
		t.Fatal(err)
	}
	if log.read[part("orders", 0)] == 0 {
		t.Error("the plan at the end is not made anew")
	}
}

func TestAwaitForgivesSomeFailures(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		until int // the log is broken for looks below that, from the third on
		fails bool
	}{"two looks": {until: 5}, "three looks": {until: 6, fails: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSlow(t, "slow")
			s.commit(s.source, "app", at{part("slow", 0): "10"})
			log := &watched{Log: s.target.side().Log, read: map[topic.Partition]int{}}
			away := errors.New("broker is away")
			p, _, err := s.await(t.Context(), 0, func(look int) error {
				log.err = nil
				if look >= 3 && look < tc.until {
					log.err = away
				}
				if look == 7 {
					s.copy("slow", 0, 0, 10)
				}
				return nil
			}, func(in *Input) { in.To.Log = log })
			if tc.fails {
				if !errors.Is(err, away) || !strings.Contains(err.Error(), "3 looks in a row") {
					t.Errorf("error: %v", err)
				}
				return
			}
			if err != nil || !p.Applicable("app") {
				t.Fatalf("%v", err)
			}
			if s.looks[2].Err == nil || s.looks[3].Err == nil || s.looks[4].Err != nil {
				t.Errorf("looks: %v %v %v", s.looks[2].Err, s.looks[3].Err, s.looks[4].Err)
			}
		})
	}
}

func TestAwaitCanBeStopped(t *testing.T) {
	t.Parallel()
	s := newSlow(t, "slow")
	s.commit(s.source, "app", at{part("slow", 0): "10"})
	stopped := errors.New("stopped by hand")
	ctx, stop := context.WithCancelCause(t.Context())
	in := s.input()
	p, _, err := Await(ctx, in, WaitInput{Interval: time.Hour, Look: func(*Look) { stop(stopped) }})
	if p != nil || !errors.Is(err, stopped) {
		t.Errorf("%v %v", p, err)
	}
}

// A mover that goes on by itself, and the real clock.
func TestAwaitBesideAMover(t *testing.T) {
	t.Parallel()
	s := newSlow(t, "slow")
	s.commit(s.source, "app", at{part("slow", 0): "100", part("slow", 1): "70"})
	var wg sync.WaitGroup
	defer wg.Wait()
	begun := make(chan struct{})
	wg.Go(func() {
		<-begun
		for i := 0; i < 100; i += 4 {
			s.copy("slow", 0, i, i+4)
			s.copy("slow", 1, i, i+4)
		}
	})
	in := s.input()
	p, last, err := Await(t.Context(), in, WaitInput{
		Interval: 2 * time.Millisecond,
		Look: func(l *Look) {
			if l.Number == 1 {
				close(begun)
			}
		},
	})
	if err != nil || last == nil || last.Number < 3 {
		t.Fatalf("%+v %v", last, err)
	}
	for n, want := range map[int32]int64{0: 100, 1: 70} {
		if q := p.Group("app").positionOf(part("slow", n)); q.After == nil || q.After.Offset != want {
			t.Errorf("slow/%d: %+v", n, q)
		}
	}
}

// Four source partitions in two of the target: what is copied is counted per
// source partition.
func TestAwaitMergedPartitions(t *testing.T) {
	t.Parallel()
	s := newSlow(t)
	known := knownHeader(t, "k2k_offset")
	s.create(s.source, "merged", 4)
	s.create(s.target, "merged", 2)
	copied := 0
	more := func(n int, fresh bool) {
		var src, tgt []*kgo.Record
		for h := copied; h < copied+n; h++ {
			for p := range int32(4) {
				value := fmt.Appendf(nil, "merged %d %d", p, h)
				src = append(src, &kgo.Record{Topic: "merged", Partition: p, Value: value})
				tgt = append(tgt, &kgo.Record{Topic: "merged", Partition: p % 2, Value: value, Headers: []kgo.RecordHeader{
					{Key: known.Offset, Value: mover.EncodeNumber(int64(h), known.Encodings[0])},
					{Key: known.Partition, Value: mover.EncodeNumber(int64(p), known.PartitionEncodings[0])},
				}})
			}
		}
		if fresh {
			s.produce(s.source, src...)
			return
		}
		copied += n
		s.produce(s.target, tgt...)
	}
	more(20, true)
	more(4, false)
	s.commit(s.source, "app", all("merged", "10", "10", "10", "10"))
	p, last, err := s.await(t.Context(), 0, func(int) error {
		more(4, false)
		return nil
	}, auto, func(in *Input) { in.Accept.Repeats = true })
	if err != nil {
		t.Fatal(err)
	}
	if last == nil || last.Over || !p.Applicable("app") {
		t.Fatalf("at the end: %+v %+v", last, p.Group("app"))
	}
	type step struct {
		Positions      int
		Copied, Wanted int64
	}
	var got []step
	for _, l := range s.looks {
		got = append(got, step{l.Positions, l.Topics[0].Copied, l.Topics[0].Wanted})
	}
	if d := cmp.Diff([]step{{2, 16, 40}, {2, 32, 40}, {0, 40, 40}}, got); d != "" {
		t.Errorf("looks (-want +got):\n%s", d)
	}
}
