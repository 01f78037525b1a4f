package mm2_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/inspect"
	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/translate"
)

// looked is what inspect says of one topic of the target.
func (m *mirror) looked(t *testing.T, name string, source bool, o inspect.Options) inspect.Topic {
	t.Helper()
	side := func(n *node) inspect.Side {
		topics, err := n.c.Topics(t.Context())
		if err != nil {
			t.Fatalf("listing topics: %v", err)
		}
		return inspect.Side{Log: n.c, Topics: topics}
	}
	var from *inspect.Side
	if source {
		s := side(m.src)
		from = &s
	}
	got, err := inspect.Inspect(t.Context(), side(m.tgt), from, []inspect.Ask{{Topic: name}}, &o)
	if err != nil {
		t.Fatalf("inspecting %s: %v", name, err)
	}
	return got.Topics[0]
}

// TestInspect lets inspect say what the real MirrorMaker 2 has copied, of a
// plain topic and of one with transactions whose aborted records it copied too,
// with and without the source.
func TestInspect(t *testing.T) {
	t.Parallel()
	plain, tx := kafkatest.Name(t, "plain"), kafkatest.Name(t, "tx")
	m := begin(t, kafkatest.MirrorOptions{Topics: plain + "," + tx, Properties: alone})
	m.src.k.CreateTopic(t, plain, 2, nil)
	m.src.k.CreateTopic(t, tx, 1, nil)
	for p := range int32(2) {
		kafkatest.Produce(t, m.src.producer(t), numbered(part(plain, p), 0, 3000)...)
		m.src.k.Trim(t, plain, p, 200) // so that offsets differ
	}
	m.src.transactions(t, part(tx, 0), 0, 12, 50)
	m.mm.WaitCopied(t, plain, tx)
	m.mm.Stop(t)
	kafkatest.Produce(t, m.src.producer(t), numbered(part(plain, 0), 3000, 70)...)

	for name, want := range map[string]struct {
		through, lag int64
		partitions   int
	}{plain: {3000, 70, 2}, tx: {-1, 0, 1}} {
		for _, full := range []bool{false, true} {
			got := m.looked(t, m.target(part(name, 0)).Topic, true, inspect.Options{Full: full})
			if got.Mover != mover.MirrorMaker || got.Evidence != translate.KindMM2 || got.Source != name || len(got.Partitions) != want.partitions || blocked(got) {
				t.Errorf("full=%v: %+v", full, got)
				continue
			}
			p := got.Partitions[0]
			if len(p.Tracks) != 1 || p.Compared == 0 || p.Equal != p.Compared {
				t.Errorf("full=%v: %+v", full, p)
				continue
			}
			if x := p.Tracks[0]; want.through >= 0 && x.CopiedThrough != want.through || x.Lag != want.lag || !x.LagExact {
				t.Errorf("full=%v: %+v, want %+v", full, x, want)
			}
		}
	}

	alone := m.looked(t, m.target(part(plain, 0)).Topic, false, inspect.Options{})
	if alone.Mover != mover.MirrorMaker || blocked(alone) {
		t.Errorf("without the source: %+v", alone)
	}
	other := kafkatest.Name(t, "other")
	m.tgt.k.CreateTopic(t, other, 1, nil)
	kafkatest.Produce(t, m.tgt.producer(t), &kgo.Record{Topic: other, Value: []byte("nobody's copy")})
	if got := m.looked(t, other, false, inspect.Options{}); got.Mover != "" || !blocked(got) {
		t.Errorf("a topic that is no copy: %+v", got)
	}
	syncs, onTarget := m.mm.SyncTopic()
	if !onTarget {
		m.src, m.tgt = m.tgt, m.src
	}
	if got := m.looked(t, syncs, false, inspect.Options{}); !got.OwnTopic() || blocked(got) {
		t.Errorf("the offset syncs: %+v", got)
	}
}

func blocked(t inspect.Topic) bool { return t.Obstacles() }
