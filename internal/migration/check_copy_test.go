package migration

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/topic"
)

const bookApp = "book-app"

// book makes a topic that only bookApp reads, on the source with records, on the
// target empty.
func (w *world) book(source, target int32, records int, positions map[int32]int64) {
	w.t.Helper()
	w.source.Create("book", source)
	if target > 0 {
		w.target.Create("book", target)
	}
	at := map[topic.Partition]int64{}
	for p := range source {
		w.write(part("book", p), 0, records)
	}
	for p, o := range positions {
		at[part("book", p)] = o
	}
	w.source.commit(bookApp, at)
}

// copied are copies of the records [from, to) with a header.
func copied(tp topic.Partition, key string, from, to int) []*kgo.Record {
	var rs []*kgo.Record
	for i := from; i < to; i++ {
		rs = append(rs, &kgo.Record{
			Topic: tp.Topic, Partition: tp.Partition, Value: fmt.Appendf(nil, "%s-%d", tp, i),
			Headers: []kgo.RecordHeader{{Key: key, Value: []byte(strconv.Itoa(i))}},
		})
	}
	return rs
}

// open writes records in a transaction that does not end before the test does.
func (n *node) open(records ...*kgo.Record) {
	n.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(n.Fake.ListenAddrs()...), kgo.TransactionalID("open"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(cl.Close)
	if err := cl.BeginTransaction(); err != nil {
		n.t.Fatal(err)
	}
	if err := cl.ProduceSync(n.t.Context(), records...).FirstErr(); err != nil {
		n.t.Fatal(err)
	}
}

func onlyBook(c *checks) { c.spec.Groups = []string{bookApp} }

func TestCheckTopics(t *testing.T) {
	t.Parallel()
	named := func(word string) func(*checks) {
		return func(c *checks) { onlyBook(c); c.spec.Mover = word }
	}
	whole := func(w *world) {
		w.book(1, 1, 10, map[int32]int64{0: 4})
		w.copy(part("book", 0), 0, 10)
	}
	for name, tc := range map[string]struct {
		world  func(*world)
		change func(*checks)
		want   []finding
		// not are reasons that must not be found.
		not []string
	}{
		"missing on the target": {
			world: func(w *world) { w.book(1, 0, 10, map[int32]int64{0: 4}) },
			want:  []finding{{Problem, "topic-missing", bookApp, "book", "copy the topic first"}},
		},
		"fewer partitions on the target": {
			world: func(w *world) {
				w.book(2, 1, 10, map[int32]int64{0: 4, 1: 4})
				w.copy(part("book", 0), 0, 10)
			},
			want: []finding{{Problem, "partition-missing", bookApp, "book", "no partition 1"}, {Problem, "partition-count", bookApp, "book", ""}},
		},
		"more partitions on the target": {
			world: func(w *world) {
				w.book(1, 2, 10, map[int32]int64{0: 4})
				w.copy(part("book", 0), 0, 10)
			},
			want: []finding{{Problem, "partition-count", bookApp, "book", ""}},
		},
		"no trace of a copy": {
			world: func(w *world) {
				w.book(1, 1, 10, map[int32]int64{0: 4})
				for i := range 10 {
					w.target.Produce(&kgo.Record{Topic: "book", Value: fmt.Appendf(nil, "foreign-%d", i)})
				}
			},
			want: []finding{{Problem, "no-evidence", bookApp, "book", ""}, {Problem, "no-trace", "", "book", ""}},
		},
		"the mover that is named": {world: whole, change: named(api.MoverArmory), not: []string{"mover"}},
		"another mover than the one that is named": {
			world: whole, change: named(api.MoverK2K),
			want: []finding{{Problem, "mover", "", "book", "Kannika Armory"}, {Problem, "no-evidence", bookApp, "book", ""}},
		},
		"a mover of which nothing is seen": {
			world: func(w *world) {
				w.book(1, 1, 10, map[int32]int64{0: 4})
				w.write(part("book", 0), 10, 12)
				for i := range 12 {
					w.target.Produce(&kgo.Record{Topic: "book", Value: fmt.Appendf(nil, "book/0-%d", i)})
				}
			},
			change: named(api.MoverArmory),
			want:   []finding{{Problem, "mover", "", "book", "nothing on book shows"}},
		},
		"a mover that has not copied yet": {
			world:  func(w *world) { w.book(1, 1, 10, map[int32]int64{0: 4}) },
			change: named(api.MoverArmory),
			want:   []finding{{Note, "mover", "", "book", "no records yet"}},
		},
		"no mover named where there is one": {
			world: whole, change: named(api.MoverNone),
			want: []finding{{Warning, "mover", "", "book", "Kannika Armory"}},
		},
		"MirrorMaker 2 named and no trace of it": {
			world: whole, change: named(api.MoverMirrorMaker2),
			want: []finding{{Problem, "not-found", "", "", "mm2-offset-syncs"}},
		},
		"two movers on one topic": {
			world: func(w *world) {
				w.book(1, 1, 10, map[int32]int64{0: 4})
				w.target.Produce(copied(part("book", 0), header, 0, 5)...)
				w.target.Produce(copied(part("book", 0), "k2k_offset", 5, 10)...)
			},
			want: []finding{{Problem, "two-movers", "", "book", ""}},
		},
		"different movers": {
			world: func(w *world) {
				w.book(1, 1, 10, map[int32]int64{0: 4})
				w.target.Produce(copied(part("book", 0), "k2k_offset", 0, 10)...)
			},
			change: func(*checks) {},
			want:   []finding{{Warning, "several-movers", "", "", "Lenses K2K (book)"}},
		},
		"contents": {
			world: func(w *world) {
				w.book(1, 1, 10, map[int32]int64{0: 4})
				w.target.Produce(&kgo.Record{Topic: "book", Value: []byte("before")})
				for i := range 10 {
					w.target.Produce(&kgo.Record{Topic: "book", Value: fmt.Appendf(nil, "book/0-%d", i)})
				}
			},
			want: []finding{{Note, "evidence", "", "book", "content"}},
		},
		"left unread": {
			world: func(w *world) {
				w.book(1, 1, 10, map[int32]int64{0: 4})
				w.copy(part("book", 0), 0, 10)
			},
			change: func(c *checks) { onlyBook(c); c.spec.Quick = true },
			want:   []finding{{Note, "exact-unproven", bookApp, "book", "--quick"}},
		},
		"topic that is gone on the source": {
			world: func(w *world) {
				w.book(1, 1, 10, map[int32]int64{0: 4})
				w.source.commit(bookApp, map[topic.Partition]int64{part("orders", 0): 4, part("orders", 1): 4})
				if _, err := w.source.Admin.DeleteTopics(w.t.Context(), "book"); err != nil {
					w.t.Fatal(err)
				}
			},
			// Brokers forget the positions with the topic.
			not: []string{"topic-missing"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tc.world(w)
			change := tc.change
			if change == nil {
				change = onlyBook
			}
			c := w.check(change)
			wantFindings(t, c, tc.want...)
			for _, f := range c.Findings {
				for _, reason := range tc.not {
					if f.Reason == reason {
						t.Errorf("finding %+v", f)
					}
				}
			}
		})
	}
}

func TestCheckCopy(t *testing.T) {
	t.Parallel()
	// again is a copy that began anew: 0 to 9, then 0 to 5, then 10 and 11.
	again := func(w *world) {
		w.book(1, 1, 12, map[int32]int64{0: 4})
		for _, stretch := range [][2]int{{0, 10}, {0, 6}, {10, 12}} {
			w.copy(part("book", 0), stretch[0], stretch[1])
		}
	}
	gone := func(w *world) {
		w.book(1, 1, 10, map[int32]int64{0: 4})
		w.copy(part("book", 0), 0, 10)
		to := kadm.Offsets{}
		to.AddOffset("book", 0, 6, -1)
		if _, err := w.target.Admin.DeleteRecords(w.t.Context(), to); err != nil {
			w.t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		world  func(*world)
		change func(*checks)
		want   []finding
	}{
		"stands still": {
			world: func(w *world) {
				w.book(1, 1, 10, map[int32]int64{0: 8})
				w.copy(part("book", 0), 0, 5)
			},
			want: []finding{{Note, "not-copied", bookApp, "book", "would be held"}, {Warning, "stands-still", "", "book", "5 of 8 offsets"}},
		},
		"a pass is running": {
			world: func(w *world) {
				w.book(1, 1, 10, map[int32]int64{0: 2})
				w.copy(part("book", 0), 0, 10)
				w.copy(part("book", 0), 0, 5)
			},
			want: []finding{{Warning, "pass-running", bookApp, "book", "would be held"}},
		},
		"open transaction on the target": {
			world: func(w *world) {
				w.book(1, 1, 10, map[int32]int64{0: 8})
				w.copy(part("book", 0), 0, 5)
				w.target.open(copied(part("book", 0), header, 5, 10)...)
			},
			want: []finding{{Warning, "open-transaction", bookApp, "book", "would be held"}},
		},
		"repeats": {
			world: again,
			want:  []finding{{Problem, "repeats", bookApp, "book", "--accept-repeats"}},
		},
		"repeats of an application that reads on": {
			world: func(w *world) {
				again(w)
				w.source.join(bookApp, "book")
			},
			want: []finding{{Warning, "repeats", bookApp, "book", "as the application reads on"}},
		},
		"repeats, accepted": {
			world:  again,
			change: func(c *checks) { onlyBook(c); c.spec.Accept = []string{api.AcceptRepeats} },
			want:   []finding{{Warning, "repeats", bookApp, "book", "would be read again"}},
		},
		"loss": {
			world: gone,
			want:  []finding{{Problem, "loss", bookApp, "book", "--accept-loss"}},
		},
		"loss, accepted": {
			world:  gone,
			change: func(c *checks) { onlyBook(c); c.spec.Accept = []string{api.AcceptLoss} },
			want:   []finding{{Warning, "loss", bookApp, "book", "2 records would never be read"}},
		},
		"retention on the target": {
			world: func(w *world) {
				w.book(1, 1, 10, map[int32]int64{0: 4})
				w.copy(part("book", 0), 0, 10)
			},
			change: func(c *checks) {
				onlyBook(c)
				c.in.To.Topics = &brokers{Cluster: c.in.To.Topics.(*cluster.Cluster), retention: time.Nanosecond}
			},
			want: []finding{{Problem, "retention", bookApp, "book", "retention.ms"}},
		},
		"retention on the source": {
			world: func(w *world) {
				w.book(1, 1, 10, map[int32]int64{0: 8})
				w.copy(part("book", 0), 0, 5)
			},
			change: func(c *checks) {
				onlyBook(c)
				c.in.From.Topics = &brokers{Cluster: c.in.From.Topics.(*cluster.Cluster), retention: time.Nanosecond}
			},
			want: []finding{{Warning, "source-retention", "", "book", "5 offsets"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tc.world(w)
			change := tc.change
			if change == nil {
				change = onlyBook
			}
			wantFindings(t, w.check(change), tc.want...)
		})
	}
}

// TestCheckRate has the mover copy one record between two looks.
func TestCheckRate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.book(1, 1, 100, map[int32]int64{0: 90})
	w.copy(part("book", 0), 0, 20)
	next := 20
	c := w.check(func(c *checks) {
		onlyBook(c)
		c.in.Interval = 20 * time.Millisecond
		c.in.Progress = func(e Event) {
			if e.Look != nil {
				w.copy(part("book", 0), next, next+5)
				next += 5
			}
		}
	})
	wantFindings(t, c, finding{Note, "copying", "", "book", "of 90 offsets of book that were read on old are copied, at"}, finding{Note, "not-copied", bookApp, "book", ""})
	if c.Look == nil || c.Look.Positions != 1 || c.Count(Warning) > 0 {
		t.Errorf("look %+v, findings %+v", c.Look, c.Findings)
	}
}
