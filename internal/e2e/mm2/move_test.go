package mm2_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
)

// mirror is a source and a target with MirrorMaker 2 between them.
type mirror struct {
	src, tgt *node
	mm       *kafkatest.MirrorMaker
	view     view
	bucket   *store.Bucket
}

// begin starts MirrorMaker 2 from the newest release to the one before.
func begin(t *testing.T, o kafkatest.MirrorOptions) *mirror {
	t.Helper()
	kafkatest.Need(t, kafkatest.Newest, kafkatest.Previous)
	m := &mirror{
		src: enter(t, kafkatest.Newest), tgt: enter(t, kafkatest.Previous),
		view: view{committedOnly: o.ExactlyOnce}, bucket: store.New(memstore.New(), "mem://state", nil),
	}
	o.Source, o.Target = m.src.k, m.tgt.k
	m.mm = kafkatest.StartMirrorMaker(t, o)
	return m
}

// target is the partition that a partition of the source is copied to.
func (m *mirror) target(p topic.Partition) topic.Partition {
	return part(m.mm.RemoteTopic(p.Topic), p.Partition)
}

// logs reads a partition on both sides; the written records say what the
// cleaner has taken from the source.
func (m *mirror) logs(t *testing.T, p topic.Partition, written ...*kgo.Record) *logs {
	t.Helper()
	return readLogs(t, m.src, m.tgt, p, m.target(p), m.view, written)
}

// own waits until MirrorMaker 2's group sync has given every group a position
// on each of the partitions, and has stood still for a while: what it then says
// is what it has to say.
func (m *mirror) own(t *testing.T, groups []string, partitions ...topic.Partition) map[string]map[topic.Partition]int64 {
	t.Helper()
	all := map[string]map[topic.Partition]int64{}
	still, word := 0, ""
	kafkatest.Eventually(t, "MirrorMaker 2 syncs the groups", func() (bool, string) {
		before := word
		complete := true
		for _, g := range groups {
			all[g] = m.tgt.positions(t, g)
			for _, p := range partitions {
				_, ok := all[g][m.target(p)]
				complete = complete && ok
			}
		}
		if word = fmt.Sprint(all); complete && word == before {
			still++
		} else {
			still = 0
		}
		return still >= 10, word
	})
	return all
}

// plan makes the plan of some groups for some topics of the source. It is told
// nothing of MirrorMaker 2: what it has left behind is found.
func (m *mirror) plan(t *testing.T, groups []string, topics ...string) *plan.Plan {
	t.Helper()
	sel, err := position.Selector{Groups: groups, Topics: topics}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	from := m.src.side()
	p, err := plan.Build(t.Context(), plan.Input{
		From: &from, To: m.tgt.side(), Selection: sel, Settle: -1, Tool: "kferry test", Accept: plan.Accept{Repeats: true},
	})
	if err != nil {
		t.Fatalf("building the plan: %v", err)
	}
	return p
}

// cost is what was read from a cluster.
type cost struct{ fetches, bytes int64 }

func (n *node) cost() cost {
	s := n.c.Stats()
	return cost{s.FetchRequests, s.FetchBytes}
}

func (c cost) less(d cost) cost { return cost{c.fetches - d.fetches, c.bytes - d.bytes} }
func (c cost) plus(d cost) cost { return cost{c.fetches + d.fetches, c.bytes + d.bytes} }

func (c cost) String() string {
	return fmt.Sprintf("%s fetches, %s bytes", thousands(c.fetches), thousands(c.bytes))
}

// apply carries the plan out, all of it.
func (m *mirror) apply(t *testing.T, p *plan.Plan) {
	t.Helper()
	from := m.src.side()
	rep, err := plan.Apply(t.Context(), p, plan.ApplyInput{From: &from, To: m.tgt.side(), Bucket: m.bucket, Tool: "kferry test", Command: "kferry apply plan.json"})
	if err != nil {
		t.Fatalf("applying: %v", err)
	}
	if !rep.Complete() {
		t.Errorf("not all was applied: %+v", rep.Groups)
	}
}

// consume joins the group on the target and reads to the ends of the partitions
// as they are now, committing nothing.
func (m *mirror) consume(t *testing.T, group string, partitions ...topic.Partition) map[topic.Partition][]entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kafkatest.Patience)
	defer cancel()
	ends := map[topic.Partition]int64{}
	var names []string
	at := m.tgt.positions(t, group)
	for _, p := range partitions {
		q := m.target(p)
		if _, end := m.tgt.bounds(t, q); at[q] < end {
			ends[q] = end
		}
		if !slices.Contains(names, q.Topic) {
			names = append(names, q.Topic)
		}
	}
	level := kgo.ReadUncommitted()
	if m.view.committedOnly {
		level = kgo.ReadCommitted()
	}
	cl := m.tgt.k.Client(t, kgo.ConsumerGroup(group), kgo.ConsumeTopics(names...), kgo.DisableAutoCommit(), kgo.KeepControlRecords(),
		kgo.FetchIsolationLevel(level), kgo.FetchMaxPartitionBytes(8<<20), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	defer cl.Close()
	met := map[topic.Partition][]entry{}
	for len(ends) > 0 {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("consuming as %s: %v; to be read: %v", group, err, ends)
		}
		fs.EachRecord(func(r *kgo.Record) {
			q := part(r.Topic, r.Partition)
			if !r.Attrs.IsControl() {
				e := entry{offset: r.Offset}
				e.mark, e.key = markOf(r)
				met[q] = append(met[q], e)
			}
			if r.Offset+1 >= ends[q] {
				delete(ends, q)
			}
		})
	}
	return met
}
