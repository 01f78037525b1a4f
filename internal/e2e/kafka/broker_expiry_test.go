package kafka_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
)

// TestKeptPositionsOutlastTheBroker: a broker that forgets positions after a
// minute keeps those whose commit says an hour, staged ones as well as those of
// a group that had members, and forgets the others.
func TestKeptPositionsOutlastTheBroker(t *testing.T) {
	t.Parallel()
	for _, version := range []string{kafkatest.Newest, kafkatest.Previous, kafkatest.Old} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			kafkatest.Need(t, version)
			k := kafkatest.Start(t, kafkatest.Options{Version: version, Properties: map[string]string{
				"offsets.retention.minutes": "1", "offsets.retention.check.interval.ms": "1000",
			}})
			n := enter(t, k, cluster.Login{Seeds: strings.Split(k.Bootstrap(), ",")})
			n.settings(t)
			n.create(t, "orders", 1, nil)
			kafkatest.Produce(t, n.manual(t), numbered(part("orders", 0), 0, 20)...)
			e := &expiring{node: n, bucket: store.New(memstore.New(), "mem://state", nil)}
			e.used(t, "used")
			e.used(t, "left")
			e.stage(t, "plain", 0)
			e.stage(t, "again", 0)
			staged := e.stage(t, "staged", time.Hour)
			if f := staged.Findings[len(staged.Findings)-1]; f.Reason != plan.ReasonExpiry || f.Severity != plan.Warning {
				t.Errorf("finding: %+v", f)
			}
			p, err := plan.BuildKeep(t.Context(), plan.KeepInput{To: e.side(), Groups: []string{"used", "again"}, For: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			e.apply(t, p)
			// The last of those that expire was committed after one that is kept.
			e.gone(t, "plain", "left")
			want := map[topic.Partition]int64{part("orders", 0): 7}
			for _, name := range []string{"staged", "again"} {
				if diff := cmp.Diff(want, n.offsets(t, name)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
				if got := n.reading(t, name).Positions[part("orders", 0)].Metadata; got != "as it is µ" {
					t.Errorf("%s: metadata %q", name, got)
				}
			}
			if got := n.offsets(t, "used"); len(got) != 1 {
				t.Errorf("used: %v", got)
			}
		})
	}
}

// settings checks what the broker says of itself.
func (n *node) settings(t *testing.T) {
	t.Helper()
	if keep, known, err := n.c.OffsetsRetention(t.Context()); err != nil || !known || keep != time.Minute {
		t.Errorf("offsets retention: %v %t %v", keep, known, err)
	}
	if d, known := n.c.LongestSession(false); !known || d != 30*time.Minute {
		t.Errorf("longest session: %v %t", d, known)
	}
	if d, known := n.c.LongestSession(true); known != (n.k.Version != kafkatest.Old) || known && d != time.Minute {
		t.Errorf("longest session of KIP-848: %v %t", d, known)
	}
}

// expiring is a cluster that forgets, and a state.
type expiring struct {
	*node
	bucket *store.Bucket
}

func (e *expiring) side() plan.Side {
	return plan.Side{
		ID: e.c.ID(), Name: e.c.Name(), Bootstrap: e.c.Bootstrap(), Topics: e.c, Log: e.c, Read: e.g, List: e.g, Write: e.g,
	}
}

func (e *expiring) apply(t *testing.T, p *plan.Plan) {
	t.Helper()
	rep, err := plan.Apply(t.Context(), p, plan.ApplyInput{To: e.side(), Bucket: e.bucket})
	if err != nil || !rep.Complete() || rep.Count(plan.Applied) != len(p.Groups) {
		t.Fatalf("applying: %+v %v", rep, err)
	}
	if v, err := plan.Verify(t.Context(), p, plan.VerifyInput{To: e.side(), Bucket: e.bucket}); err != nil || !v.Right() {
		t.Errorf("verifying: %+v %v", v, err)
	}
}

// stage sets a position ahead of the consumers.
func (e *expiring) stage(t *testing.T, name string, keep time.Duration) *plan.Plan {
	t.Helper()
	p, err := plan.Build(t.Context(), plan.Input{
		To: e.side(), AsGiven: true, Keep: keep,
		Given: []position.Position{{Group: name, Partition: part("orders", 0), Offset: 7, LeaderEpoch: -1, Metadata: "as it is µ"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	e.apply(t, p)
	return p
}

// used makes a group that a consumer has been in.
func (e *expiring) used(t *testing.T, name string) {
	t.Helper()
	cl := e.k.Client(t, kgo.ConsumerGroup(name), kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	if f := cl.PollRecords(t.Context(), 5); f.NumRecords() == 0 {
		t.Fatalf("nothing was read: %v", f.Errors())
	}
	if err := cl.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	cl.Close()
	kafkatest.Eventually(t, "group "+name+" is empty", func() (bool, string) {
		g := e.reading(t, name).Group
		return g.State == group.Empty, string(g.State)
	})
}

// gone waits until groups have no positions any more.
func (e *expiring) gone(t *testing.T, names ...string) {
	t.Helper()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	end := time.Now().Add(3 * time.Minute)
	for left := len(names); left > 0; <-tick.C {
		left = 0
		for _, name := range names {
			left += len(e.offsets(t, name))
		}
		if time.Now().After(end) {
			t.Fatalf("%v: %d positions do not expire", names, left)
		}
	}
}
