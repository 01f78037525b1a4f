package kafka_test

import (
	"testing"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/kafkatest"
)

// A broker that comes back leads in a new epoch; where the old one ended is
// known, and the open connection goes on.
func TestEpochAfterARestart(t *testing.T) {
	t.Parallel()
	k := kafkatest.Start(t, kafkatest.Options{Version: kafkatest.Newest})
	n := enter(t, k, cluster.Login{Seeds: []string{k.Bootstrap()}})
	n.create(t, "orders", 1, nil)
	p := part("orders", 0)
	kafkatest.Produce(t, n.manual(t), numbered(p, 0, 8)...)
	before := n.bounds(t, p)
	k.Restart(t)
	after := n.bounds(t, p)
	if after.Epoch <= before.Epoch || after.End != 8 {
		t.Fatalf("bounds %+v before the restart, %+v after", before, after)
	}
	kafkatest.Produce(t, n.manual(t), numbered(p, 8, 3)...)
	entries, _ := n.read(t, p, 0, 11, false)
	if len(entries) != 11 {
		t.Errorf("%d records, want 11", len(entries))
	}
	for epoch, end := range map[int32]int64{before.Epoch: 8, after.Epoch: 11} {
		got, err := n.c.EpochEnd(t.Context(), []cluster.EpochAsk{{Partition: p, Epoch: epoch}})
		if err != nil || got[p].Err != nil || got[p].End != end {
			t.Errorf("epoch %d: %+v, %v; want its end at %d", epoch, got[p], err, end)
		}
	}
}
