package plan

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

const checkpoints = "primary.checkpoints.internal"

// checkpointed writes checkpoints, in this order.
func (w *world) checkpointed(cs ...mover.Checkpoint) {
	w.t.Helper()
	var records []*kgo.Record
	for _, c := range cs {
		k, v := c.Encode()
		records = append(records, &kgo.Record{Topic: checkpoints, Key: k, Value: v})
	}
	w.produce(w.target, records...)
}

func checkpoint(group, name string, source, target int64) mover.Checkpoint {
	return mover.Checkpoint{Group: group, Target: topic.Partition{Topic: name}, SourceOffset: source, TargetOffset: target}
}

// newCheckpointed has orders, copied to primary.orders, and app at 4 there,
// which is 7 in the copy.
func newCheckpointed(t *testing.T) *world {
	t.Helper()
	w := newMirrored(t)
	w.mirrorTopic("orders", "primary.orders")
	w.topics(w.target, checkpoints)
	w.commit(w.source, "app", at{part("orders", 0): "4"})
	return w
}

func TestCheckpointsAreShown(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		set    func(*world)
		want   *Checkpoint
		synced bool // a finding says that the group sync writes
	}{
		"none": {set: func(*world) {}},
		"behind the position": {
			set:  func(w *world) { w.checkpointed(checkpoint("app", "primary.orders", 4, 5)) },
			want: &Checkpoint{SourceOffset: 4, TargetOffset: 5, Repeats: 2},
		},
		"at the position": {
			set:  func(w *world) { w.checkpointed(checkpoint("app", "primary.orders", 4, 7)) },
			want: &Checkpoint{SourceOffset: 4, TargetOffset: 7},
		},
		"ahead of the position": {
			set:  func(w *world) { w.checkpointed(checkpoint("app", "primary.orders", 9, 12)) },
			want: &Checkpoint{SourceOffset: 9, TargetOffset: 12, Skips: 5},
		},
		"the last one counts": {
			set: func(w *world) {
				w.checkpointed(checkpoint("app", "primary.orders", 4, 6), checkpoint("app", "primary.orders", 1, 3))
			},
			want: &Checkpoint{SourceOffset: 1, TargetOffset: 3, Repeats: 4},
		},
		"of others": {
			set: func(w *world) {
				w.checkpointed(checkpoint("ap", "primary.orders", 4, 6), checkpoint("app", "orders", 4, 6))
			},
		},
		"deleted": {
			set: func(w *world) {
				c := checkpoint("app", "primary.orders", 4, 6)
				w.checkpointed(c)
				k, _ := c.Encode()
				w.produce(w.target, &kgo.Record{Topic: checkpoints, Key: k})
			},
		},
		"without a target offset": {
			set: func(w *world) { w.checkpointed(checkpoint("app", "primary.orders", 4, -1)) },
		},
		"the group sync has written it": {
			set: func(w *world) {
				w.checkpointed(checkpoint("app", "primary.orders", 4, 5))
				w.commit(w.target, "app", at{part("primary.orders", 0): "5"})
			},
			want:   &Checkpoint{SourceOffset: 4, TargetOffset: 5, Repeats: 2, Synced: true},
			synced: true,
		},
		"the group stands where it belongs": {
			set: func(w *world) {
				w.checkpointed(checkpoint("app", "primary.orders", 4, 7))
				w.commit(w.target, "app", at{part("primary.orders", 0): "7"})
			},
			want: &Checkpoint{SourceOffset: 4, TargetOffset: 7, Synced: true},
		},
		"the group stands elsewhere": {
			set: func(w *world) {
				w.checkpointed(checkpoint("app", "primary.orders", 4, 5))
				w.commit(w.target, "app", at{part("primary.orders", 0): "6"})
			},
			want: &Checkpoint{SourceOffset: 4, TargetOffset: 5, Repeats: 2},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCheckpointed(t)
			test.set(w)
			p := w.build()
			g := &p.Groups[0]
			if g.Verdict != VerdictApply && g.Verdict != VerdictNothing || g.Positions[0].After.Offset != 7 {
				t.Errorf("the plan is another one: %s %s", g.Verdict, g.Detail)
			}
			got := g.Positions[0].MirrorMaker
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(Checkpoint{}, "Topic", "At")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got != nil && (got.Topic != checkpoints || time.Since(got.At).Abs() > time.Minute) {
				t.Errorf("of %s, %s", got.Topic, got.At)
			}
			if notes := findingsOf(p, ReasonCheckpoint); len(notes) > 1 || (len(notes) == 1) != (test.want != nil) {
				t.Errorf("findings %+v", notes)
			}
			if sync := findingsOf(p, ReasonGroupSync); (len(sync) == 1) != test.synced {
				t.Errorf("findings %+v", sync)
			}
		})
	}
}

// A checkpoint behind the position is no rewind; one ahead of it is what any
// other position there is.
func TestGroupSyncAheadIsARewind(t *testing.T) {
	t.Parallel()
	w := newCheckpointed(t)
	w.checkpointed(checkpoint("app", "primary.orders", 9, 12))
	w.commit(w.target, "app", at{part("primary.orders", 0): "12"})
	q := &w.build().Groups[0].Positions[0]
	if !q.Blocked || q.Reason != ReasonRewind || q.Rewind != 5 || !q.MirrorMaker.Synced || q.MirrorMaker.Skips != 5 ||
		!strings.Contains(q.Detail, "the group sync of MirrorMaker 2 has put it there") {
		t.Errorf("got %+v", q)
	}
}

func TestCheckpointWithoutAPosition(t *testing.T) {
	t.Parallel()
	w := newCheckpointed(t)
	w.commit(w.source, "app", at{part("orders", 0): "4000"})
	w.checkpointed(checkpoint("app", "primary.orders", 4, 5))
	p := w.build()
	q := &p.Groups[0].Positions[0]
	if f := findingsOf(p, ReasonCheckpoint); len(f) != 1 || !strings.Contains(f[0].Detail, "is not known") {
		t.Errorf("findings %+v", f)
	}
	if q.After != nil || q.MirrorMaker == nil || q.MirrorMaker.Repeats != -1 || q.MirrorMaker.Skips != -1 {
		t.Errorf("got %+v, %+v", q, q.MirrorMaker)
	}
}

// What the checkpoints topic does not tell prevents nothing.
func TestCheckpointsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	t.Run("foreign", func(t *testing.T) {
		t.Parallel()
		w := newCheckpointed(t)
		w.checkpointed(checkpoint("app", "primary.orders", 4, 5))
		w.produce(w.target, &kgo.Record{Topic: checkpoints, Key: []byte("app"), Value: []byte(`{"offset":5}`)})
		p := w.build()
		f := findingsOf(p, ReasonCheckpoint)
		if p.Groups[0].Verdict != VerdictApply || p.Groups[0].Positions[0].MirrorMaker != nil || len(f) != 1 || f[0].Severity != Warning ||
			!strings.Contains(f[0].Detail, "the record at offset 1 of primary.checkpoints.internal/0 is no checkpoint of MirrorMaker 2: group of its key") {
			t.Errorf("%s %+v", p.Groups[0].Verdict, f)
		}
	})
	t.Run("not allowed", func(t *testing.T) {
		t.Parallel()
		w := newCheckpointed(t)
		w.checkpointed(checkpoint("app", "primary.orders", 4, 5))
		in := w.input()
		in.To.Log = &deaf{Log: in.To.Log, topic: checkpoints}
		p, err := Build(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		f := findingsOf(p, ReasonCheckpoint)
		if p.Groups[0].Verdict != VerdictApply || len(f) != 1 || f[0].Severity != Note || !strings.Contains(f[0].Detail, "not shown: no right") {
			t.Errorf("%s %+v", p.Groups[0].Verdict, f)
		}
	})
}

// deaf answers reads of one topic with an error, or with nothing.
type deaf struct {
	translate.Log
	topic  string
	silent bool
}

type rightError struct{}

func (rightError) Error() string { return "no right" }

func (d *deaf) Fetch(ctx context.Context, asks []batch.Ask) ([]batch.Chunk, error) {
	chunks, err := d.Log.Fetch(ctx, asks)
	for i := range chunks {
		if chunks[i].Partition.Topic != d.topic {
			continue
		}
		chunks[i].Raw = nil
		if !d.silent {
			chunks[i].Err = rightError{}
		}
	}
	return chunks, err
}

// An empty answer below the end is asked for again and is then an error, not an
// endless loop.
func TestCheckpointsThatAnswerNothing(t *testing.T) {
	t.Parallel()
	w := newCheckpointed(t)
	w.checkpointed(checkpoint("app", "primary.orders", 4, 5))
	in := w.input()
	in.To.Log = &deaf{Log: in.To.Log, topic: checkpoints, silent: true}
	p, err := Build(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if f := findingsOf(p, ReasonCheckpoint); len(f) != 1 || !strings.Contains(f[0].Detail, "answers nothing from offset 0 on") {
		t.Errorf("%+v", f)
	}
}

// counting counts what is read of a topic.
type counting struct {
	translate.Log
	topic   string
	offsets []int64
}

func (c *counting) Fetch(ctx context.Context, asks []batch.Ask) ([]batch.Chunk, error) {
	for _, a := range asks {
		if a.Partition.Topic == c.topic {
			c.offsets = append(c.offsets, a.Offset)
		}
	}
	return c.Log.Fetch(ctx, asks)
}

// The topic is read backwards and no further than it must be.
func TestCheckpointsAreReadBackwards(t *testing.T) {
	t.Parallel()
	w := newCheckpointed(t)
	others := slices.Repeat([]mover.Checkpoint{checkpoint("other", "primary.orders", 1, 1)}, checkpointStretch)
	w.checkpointed(checkpoint("app", "primary.orders", 1, 3))
	w.checkpointed(slices.Repeat(others, 2)...)
	w.checkpointed(checkpoint("app", "primary.orders", 2, 4))
	w.checkpointed(others[:checkpointStretch/2]...)
	for name, test := range map[string]struct {
		group  string
		lowest int64
		want   int64
	}{
		"found near the end": {"app", checkpointStretch, 4},
		"never found":        {"nobody", 0, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &counting{Log: w.target.Cluster, topic: checkpoints}
			k := checkpointKey{test.group, part("primary.orders", 0)}
			r := &checkpointReader{log: log, left: checkpointBytes, wanted: map[checkpointKey]bool{k: true}, found: map[checkpointKey]*Checkpoint{}}
			if err := r.read(t.Context(), part(checkpoints, 0)); err != nil {
				t.Fatal(err)
			}
			switch c := r.found[k]; {
			case test.want < 0 && c != nil, test.want >= 0 && (c == nil || c.TargetOffset != test.want):
				t.Errorf("found %+v", c)
			}
			if low := slices.Min(log.offsets); test.lowest == 0 && low != 0 || low < test.lowest {
				t.Errorf("read from %d on", low)
			}
		})
	}
	t.Run("bounded", func(t *testing.T) {
		t.Parallel()
		k := checkpointKey{"nobody", part("primary.orders", 0)}
		log := &counting{Log: w.target.Cluster, topic: checkpoints}
		r := &checkpointReader{log: log, left: 1, wanted: map[checkpointKey]bool{k: true}, found: map[checkpointKey]*Checkpoint{}}
		if err := r.read(t.Context(), part(checkpoints, 0)); err != nil {
			t.Fatal(err)
		}
		if slices.Min(log.offsets) == 0 || r.left > 0 {
			t.Errorf("read from %d on, %d bytes left", slices.Min(log.offsets), r.left)
		}
	})
}

// Exactly-once MirrorMaker 2 writes checkpoints in transactions.
func TestCheckpointsOfAbortedTransactions(t *testing.T) {
	t.Parallel()
	w := newCheckpointed(t)
	w.checkpointed(checkpoint("app", "primary.orders", 2, 4))
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.target.Fake.ListenAddrs()...), kgo.TransactionalID("mm2"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	write := func(c mover.Checkpoint, end kgo.TransactionEndTry) {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		k, v := c.Encode()
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: checkpoints, Key: k, Value: v}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	write(checkpoint("app", "primary.orders", 3, 5), kgo.TryCommit)
	write(checkpoint("app", "primary.orders", 4, 6), kgo.TryAbort)
	if c := w.build().Groups[0].Positions[0].MirrorMaker; c == nil || c.TargetOffset != 5 {
		t.Errorf("got %+v", c)
	}
}

// What the group sync writes between plan and apply makes the plan stale, and
// apply says who may have been it.
func TestGroupSyncBetweenPlanAndApply(t *testing.T) {
	t.Parallel()
	w := newCheckpointed(t)
	w.checkpointed(checkpoint("app", "primary.orders", 4, 5))
	w.commit(w.target, "app", at{part("primary.orders", 0): "5"})
	p := w.build()
	w.commit(w.target, "app", at{part("primary.orders", 0): "6"})
	rep := w.apply(p)
	if g := rep.Groups[0]; g.Result != Stale || len(g.Problems) != 1 || !strings.Contains(g.Problems[0].Detail, "sync.group.offsets.enabled=false") {
		t.Errorf("got %+v", rep.Groups[0])
	}
	if diff := cmp.Diff(map[topic.Partition]string{part("primary.orders", 0): "6"}, w.positions(w.target, "app")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	p = w.build()
	w.commit(w.target, "app", at{part("primary.orders", 0): "9"})
	if g := w.apply(p).Groups[0]; g.Result != Stale || strings.Contains(g.Problems[0].Detail, "sync.group") {
		t.Errorf("beyond the position it was not MirrorMaker 2: %+v", g)
	}
}
