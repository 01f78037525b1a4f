package nodes_test

import (
	"testing"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/topic"
)

func topicPartition(q *plan.Position) topic.Partition {
	return topic.Partition{Topic: q.Topic, Partition: q.Partition}
}

// killedDuringPlan kills a broker that leads copies in the middle of the reads.
func (s *scene) killedDuringPlan(t *testing.T) {
	victim := int(s.details(t, []string{copyOf("orders")})[copyOf("orders")].Partitions[0].Leader)
	w := &steps{on: "fetch", during: true, disturb: func() { s.k.Kill(t, victim) }}
	p := s.build(t, w)
	if !w.done {
		t.Fatal("nothing was read")
	}
	s.right(t, p, "a broker was killed")
	s.k.Restart(t, victim)
}

// coordinatorEndsDuringApply ends the broker that coordinates a group between
// the journal and the commit, and while the commit is under way: in good order
// once, without warning the other time.
func (s *scene) coordinatorEndsDuringApply(t *testing.T) {
	down := 0
	for _, tt := range []struct {
		name   string
		during bool
		end    func(id int)
	}{
		{"stopped between journal and commit", false, func(id int) { s.k.Stop(t, id) }},
		{"killed while the commit is under way", true, func(id int) { s.k.Kill(t, id) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if down > 0 {
				s.k.Restart(t, down)
			}
			s.reset(t)
			p := s.build(t, &steps{})
			down = s.coordinator(t, newName(sources[0]))
			w := &steps{on: "commit", during: tt.during, disturb: func() { tt.end(down) }}
			s.applied(t, p, w, tt.name)
			if !w.done {
				t.Error("nothing was committed")
			}
		})
	}
}
