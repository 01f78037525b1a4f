package mm2_test

import (
	"fmt"
	"testing"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// TestGroupSync: MirrorMaker 2 renames the topic, with a separator of its own,
// and writes its positions into the group of the target. The plan finds the
// copy, shows where MirrorMaker 2 has put the group, and what is applied stays,
// because the group sync leaves alone what is ahead of its checkpoints.
func TestGroupSync(t *testing.T) {
	t.Parallel()
	orders := kafkatest.Name(t, "orders")
	m := begin(t, kafkatest.MirrorOptions{SourceAlias: "north", TargetAlias: "south", Separator: "_", Topics: orders, Groups: "synced-.*"})
	m.src.k.CreateTopic(t, orders, 2, nil)
	cl := m.src.producer(t)
	for p := range int32(2) {
		kafkatest.Produce(t, cl, numbered(part(orders, p), 0, 5000)...)
	}
	m.mm.WaitCopied(t, orders)
	const group, later = "synced-group", "synced-later"
	at := map[topic.Partition]int64{part(orders, 0): 1234, part(orders, 1): 4321}
	m.src.commit(t, group, at)
	m.own(t, []string{group}, part(orders, 0), part(orders, 1))

	// MirrorMaker 2 may move the group once more, even between plan and apply:
	// such a plan is stale, and is made again.
	var p *plan.Plan
	kafkatest.Eventually(t, "the group is put where it belongs", func() (bool, string) {
		p = m.plan(t, []string{group}, orders)
		if word := synced(p); word != "" {
			return false, word
		}
		from := m.src.side()
		rep, err := plan.Apply(t.Context(), p, plan.ApplyInput{From: &from, To: m.tgt.side(), Bucket: m.bucket, Tool: "kferry test", Command: "kferry apply plan.json"})
		if err != nil {
			t.Fatalf("applying: %v", err)
		}
		return rep.Complete(), fmt.Sprintf("%+v", rep.Groups)
	})
	g := p.Group(group)
	if g == nil || len(g.Positions) != 2 {
		t.Fatalf("group of the plan: %+v", g)
	}
	for i := range g.Positions {
		q := &g.Positions[i]
		c := q.MirrorMaker
		if q.Topic != m.mm.RemoteTopic(orders) || q.After == nil || q.After.Offset != q.Source.Offset || q.Outcome != translate.Exact {
			t.Fatalf("%s: %s → %s, %s %s", q.Target(), q.Source, q.After, q.Outcome, q.Detail)
		}
		if c.Topic != m.mm.CheckpointTopic() || c.SourceOffset != q.Source.Offset || c.Repeats != q.After.Offset-q.Before.Offset || c.Skips != 0 {
			t.Errorf("%s → %s, MirrorMaker 2 has put the group at %s, and its checkpoint is %+v", q.Source, q.After, q.Before, c)
		}
		t.Logf("%s: MirrorMaker 2 at %s, kferry at %s: %d records", q.Target(), q.Before, q.After, c.Repeats)
	}
	said := map[plan.Reason]bool{}
	for _, f := range p.Findings {
		said[f.Reason] = true
	}
	if !said[plan.ReasonRenamed] || !said[plan.ReasonCheckpoint] || !said[plan.ReasonGroupSync] {
		t.Errorf("findings %+v", p.Findings)
	}

	// Another group that is synced meanwhile shows that the group sync was at
	// work.
	m.src.commit(t, later, at)
	m.own(t, []string{later}, part(orders, 0), part(orders, 1))
	for i := range g.Positions {
		q := &g.Positions[i]
		if now := m.tgt.positions(t, group)[q.Target()]; now != q.After.Offset {
			t.Errorf("%s was put to %s, and is at %d", q.Target(), q.After, now)
		}
	}
	from := m.src.side()
	v, err := plan.Verify(t.Context(), p, plan.VerifyInput{From: &from, To: m.tgt.side(), Bucket: m.bucket})
	if err != nil || !v.Right() {
		t.Errorf("verify: %+v, %v", v, err)
	}
}

// synced says of which position the checkpoint is not where the group stands on
// the target; "" for none.
func synced(p *plan.Plan) string {
	for i := range p.Groups {
		for _, q := range p.Groups[i].Positions {
			if q.MirrorMaker == nil || !q.MirrorMaker.Synced {
				return fmt.Sprintf("%s is at %s, checkpoint %+v", q.Target(), q.Before, q.MirrorMaker)
			}
		}
	}
	return ""
}
