// Package nodes_test moves consumer groups on an Apache Kafka of three nodes
// while leaders and coordinators move, and brokers stop or die: at each request
// in turn of a plan and of an apply. Whatever happens, positions are the same as
// without, and no group is left half done.
//
// One cluster is source and target: copies stand in topics of other names, and
// groups get new names.
package nodes_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/topic"
)

const (
	// patience bounds whatever a test waits for: ample on a busy machine.
	patience = 60 * time.Second
	// requestTimeout is how long a request that nobody answered is waited out,
	// so that a broker that is killed costs no more.
	requestTimeout = 10 * time.Second

	perPartition = 150
	header       = "__original_offset"
	// offsetsTopic's leaders are the coordinators of groups.
	offsetsTopic = "__consumer_offsets"
)

// TestThreeNodes starts the cluster once for all its parts.
func TestThreeNodes(t *testing.T) {
	s := newScene(t)
	t.Run("leaders move during a plan", s.leadersMoveDuringPlan)
	t.Run("leaders and coordinators move during an apply", s.leadersMoveDuringApply)
	t.Run("a broker is killed during a plan", s.killedDuringPlan)
	t.Run("a coordinator ends during an apply", s.coordinatorEndsDuringApply)
}

// scene is the cluster with topics, copies and groups on it.
type scene struct {
	k     *kafkatest.Kafka
	admin *kadm.Client
	c     *cluster.Cluster
	g     *group.Client
	// before and after are the positions of the groups on the target side.
	before, after map[string]positions
}

type positions map[topic.Partition]int64

// The topics with their partitions; the copy of each has the suffix -copy.
var topics = map[string]int32{"orders": 5, "payments": 3}

func copyOf(name string) string { return name + "-copy" }

// shift is the number of records before the copies of a partition.
func shift(p int32) int64 { return 4 + 3*int64(p) }

func newScene(t *testing.T) *scene {
	t.Helper()
	k := kafkatest.Start(t, kafkatest.Options{Nodes: 3, Properties: map[string]string{
		"min.insync.replicas":          "2",
		"auto.leader.rebalance.enable": "false",
	}})
	c, err := cluster.Open(t.Context(), cluster.Login{Name: "three", Seeds: strings.Split(k.Bootstrap(), ",")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s := &scene{
		k: k, c: c, admin: kadm.NewClient(k.Client(t, kgo.MetadataMinAge(20*time.Millisecond))), g: group.New(c, &group.Options{RequestTimeout: requestTimeout}),
		before: map[string]positions{}, after: map[string]positions{},
	}
	s.fill(t)
	s.traffic(t)
	s.groups(t)
	return s
}

// fill writes the topics and their copies.
func (s *scene) fill(t *testing.T) {
	t.Helper()
	cl := s.k.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(2000))
	var records []*kgo.Record
	for name, partitions := range topics {
		s.k.CreateTopic(t, name, partitions, nil)
		s.k.CreateTopic(t, copyOf(name), partitions, nil)
		for p := range partitions {
			for i := range shift(p) {
				records = append(records, &kgo.Record{Topic: copyOf(name), Partition: p, Value: fmt.Appendf(nil, "no copy %d", i)})
			}
			for i := range int64(perPartition) {
				r := kgo.Record{Topic: name, Partition: p, Key: fmt.Appendf(nil, "%s-%d", name, i), Value: fmt.Appendf(nil, "record %d of %d", i, p)}
				w := r
				w.Topic, w.Headers = copyOf(name), []kgo.RecordHeader{{Key: header, Value: strconv.AppendInt(nil, i, 10)}}
				records = append(records, &r, &w)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// traffic has other groups commit all the time, as on any cluster in use; their
// names spread over all coordinators. Without it Kafka 4.3.1 can fall asleep
// here: when the leader of an otherwise silent partition of __consumer_offsets
// moves right behind a write, the new coordinator may wait for a high watermark
// that was reported before it listened, and answers reads of stable offsets
// with NOT_COORDINATOR until the next commit of anybody wakes it.
func (s *scene) traffic(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		adm := kadm.NewClient(s.k.Client(t, kgo.MetadataMinAge(20*time.Millisecond)))
		wait.Go(func() {
			for n := int64(0); ctx.Err() == nil; n++ {
				at := kadm.Offsets{}
				at.AddOffset("orders", 0, n%perPartition, -1)
				each, cancel := context.WithTimeout(ctx, time.Second)
				_, _ = adm.CommitOffsets(each, name, at) // brokers come and go
				cancel()
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
	t.Cleanup(func() {
		stop()
		wait.Wait()
	})
}

// sources are the groups that are moved, and what they are called then: one
// that is not there yet, one that is, with other positions.
var sources = []string{"billing", "search"}

func newName(source string) string { return source + "-moved" }

// groups commits positions, and says what they must become.
func (s *scene) groups(t *testing.T) {
	t.Helper()
	for i, name := range sources {
		from, to := positions{}, positions{}
		for tp, partitions := range topics {
			for p := range partitions {
				at := (int64(i+1)*37 + int64(p)*29) % (perPartition + 1)
				from[topic.Partition{Topic: tp, Partition: p}] = at
				to[topic.Partition{Topic: copyOf(tp), Partition: p}] = at + shift(p)
			}
		}
		s.commit(t, name, from)
		s.after[newName(name)] = to
		s.before[newName(name)] = positions{}
	}
	s.before[newName("search")] = positions{{Topic: copyOf("orders"), Partition: 1}: 3, {Topic: copyOf("payments"), Partition: 0}: 2}
	s.before["bystander"] = positions{{Topic: copyOf("orders"), Partition: 0}: 7}
	s.after["bystander"] = s.before["bystander"]
	s.reset(t)
}

func (s *scene) commit(t *testing.T, name string, at positions) {
	t.Helper()
	want := kadm.Offsets{}
	for p, offset := range at {
		want.AddOffset(p.Topic, p.Partition, offset, -1)
	}
	s.fresh(t, "committing as "+name, func(ctx context.Context, adm *kadm.Client) error {
		return adm.CommitAllOffsets(ctx, name, want)
	})
}

// reset brings the target's groups back to the beginning.
func (s *scene) reset(t *testing.T) {
	t.Helper()
	for name, want := range s.before {
		s.fresh(t, "deleting "+name, func(ctx context.Context, adm *kadm.Client) error {
			if len(s.read(t, name)) == 0 {
				return nil
			}
			_, err := adm.DeleteGroup(ctx, name)
			return err
		})
		if len(want) > 0 {
			s.commit(t, name, want)
		}
	}
}

// now reads where all groups of the target are, by another way than kferry's.
func (s *scene) now(t *testing.T) map[string]positions {
	t.Helper()
	out := map[string]positions{}
	for name := range s.before {
		out[name] = s.read(t, name)
	}
	return out
}

func (s *scene) read(t *testing.T, name string) positions {
	t.Helper()
	out := positions{}
	s.fresh(t, "reading "+name, func(ctx context.Context, adm *kadm.Client) error {
		got, err := adm.FetchOffsets(ctx, name)
		if err != nil {
			return err
		}
		clear(out)
		return each(got, out)
	})
	return out
}

func each(got kadm.OffsetResponses, out positions) error {
	for _, o := range got.Sorted() {
		if o.Err != nil {
			return o.Err
		}
		out[topic.Partition{Topic: o.Topic, Partition: o.Partition}] = o.At
	}
	return nil
}

// eventually tries until it works: brokers come and go here.
func (*scene) eventually(t *testing.T, what string, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// fresh tries with a new client each time: one that is kept goes on dialling a
// coordinator that is gone.
func (s *scene) fresh(t *testing.T, what string, try func(context.Context, *kadm.Client) error) {
	t.Helper()
	s.eventually(t, what, func(ctx context.Context) error {
		cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(s.k.Bootstrap(), ",")...))
		if err != nil {
			return err
		}
		defer cl.Close()
		each, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return try(each, kadm.NewClient(cl))
	})
}

// coordinator is the broker that coordinates a group, 1 to 3.
func (s *scene) coordinator(t *testing.T, name string) int {
	t.Helper()
	var node int
	s.fresh(t, "finding the coordinator of "+name, func(ctx context.Context, adm *kadm.Client) error {
		r := adm.FindGroupCoordinators(ctx, name)[name]
		node = int(r.NodeID)
		return r.Err
	})
	return node
}

// moveLeaders gives every partition of some topics another leader: the next of
// its replicas is made the preferred one, and elected.
func (s *scene) moveLeaders(t *testing.T, names ...string) {
	t.Helper()
	all := s.details(t, names)
	want := map[string]map[int32]int32{}
	var req kadm.AlterPartitionAssignmentsReq
	set := kadm.TopicsSet{}
	for name, detail := range all {
		want[name] = map[int32]int32{}
		for _, p := range detail.Partitions {
			replicas := slices.Sorted(slices.Values(p.Replicas))
			at := (slices.Index(replicas, p.Leader) + 1) % len(replicas)
			order := slices.Concat(replicas[at:], replicas[:at])
			req.Assign(name, p.Partition, order)
			set.Add(name, p.Partition)
			want[name][p.Partition] = order[0]
		}
	}
	s.eventually(t, "ordering replicas", func(ctx context.Context) error {
		resp, err := s.admin.AlterPartitionAssignments(ctx, req)
		if err != nil {
			return err
		}
		return resp.Error()
	})
	s.eventually(t, "moving leaders", func(ctx context.Context) error {
		if _, err := s.admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, set); err != nil {
			return err
		}
		for name, detail := range s.details(t, names) {
			for _, p := range detail.Partitions {
				if p.Leader != want[name][p.Partition] {
					return fmt.Errorf("%s-%d is led by %d, not by %d", name, p.Partition, p.Leader, want[name][p.Partition])
				}
			}
		}
		return nil
	})
}

// details reads the topics when all their partitions have a leader.
func (s *scene) details(t *testing.T, names []string) kadm.TopicDetails {
	t.Helper()
	var out kadm.TopicDetails
	s.eventually(t, "reading topics", func(ctx context.Context) error {
		var err error
		if out, err = s.admin.ListTopics(ctx, names...); err != nil {
			return err
		}
		for _, d := range out {
			for _, p := range d.Partitions {
				if p.Err != nil || p.Leader < 0 {
					return fmt.Errorf("%s-%d has no leader: %w", d.Topic, p.Partition, p.Err)
				}
			}
		}
		return out.Error()
	})
	return out
}

func logs() []string {
	var out []string
	for name := range topics {
		out = append(out, name, copyOf(name))
	}
	return out
}
