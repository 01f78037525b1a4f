package mm2_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// places are positions to ask for: the edges of the log, given ones, and random
// ones, as many as asked for in all.
func (l *logs) places(r *rand.Rand, count int, given ...int64) []int64 {
	first, end := l.src[0].offset, l.src[len(l.src)-1].offset+1
	at := append([]int64{end, end - 1, first, first + 1}, given...)
	for len(at) < count {
		at = append(at, first+r.Int64N(end-first+1))
	}
	return at[:count]
}

// checker asks for many positions in one plan and judges every answer.
type checker struct {
	m    *mirror
	logs []*logs
	// given are positions to be among those that are asked for, by partition.
	given map[topic.Partition][]int64
	// kind is what the evidence of each topic must be; empty: any.
	kind translate.Kind
	// meanwhile is called before the plan is made, and what it returns after:
	// it gives the logs to judge by.
	meanwhile func(t *testing.T) (after func() []*logs)
	// checkpoints waits until MirrorMaker 2 has some of the groups.
	checkpoints bool
	// outcomes counts the answers, own the records that MirrorMaker 2's own
	// checkpoints would have repeated, have the positions that it has some for.
	outcomes  map[translate.Outcome]int
	have, own int64
	wrong     int
}

// mostShown wrong answers are told; how many there are follows.
const mostShown = 6

// groups is how many groups a check makes, and so how many positions it asks
// for on each partition.
const groups = 30

func (c *checker) run(t *testing.T) {
	t.Helper()
	names := c.commit(t)
	if c.checkpoints {
		c.m.waitCheckpoints(t, names[0])
	}
	before := [2]cost{c.m.src.cost(), c.m.tgt.cost()}
	var topics []string
	for _, l := range c.logs {
		if !slices.Contains(topics, l.from.Topic) {
			topics = append(topics, l.from.Topic)
		}
	}
	after := func() []*logs { return c.logs }
	if c.meanwhile != nil {
		after = c.meanwhile(t)
	}
	p := c.m.plan(t, names, topics...)
	spent := c.m.src.cost().less(before[0]).plus(c.m.tgt.cost().less(before[1]))
	c.logs = after()
	byTarget := map[topic.Partition]*logs{}
	for _, l := range c.logs {
		byTarget[l.to] = l
	}
	c.outcomes = map[translate.Outcome]int{}
	judged := 0
	for _, name := range names {
		g := p.Group(name)
		if g == nil {
			t.Fatalf("group %s is not in the plan", name)
		}
		for i := range g.Positions {
			q := &g.Positions[i]
			l := byTarget[q.Target()]
			if l == nil || q.Source == nil {
				continue // a partition of the topic that this check is not about
			}
			judged++
			c.judge(t, l, q)
		}
	}
	if want := len(names) * len(c.logs); judged != want {
		t.Errorf("%d positions in the plan, want %d", judged, want)
	}
	for i := range p.Topics {
		tp := &p.Topics[i]
		if c.kind != "" && tp.Evidence != c.kind {
			t.Errorf("%s: evidence %s, want %s: %s", tp.Target, tp.Evidence, c.kind, tp.Detected)
		}
		t.Logf("%s: %s: %s", tp.Target, tp.Evidence, tp.Detected)
	}
	t.Logf("[report] %s: %d positions: %v, %v", t.Name(), judged, c.outcomes, spent)
	if c.checkpoints {
		t.Logf("[report] %s: from MirrorMaker 2's own checkpoints of %d of them %d records would be read again", t.Name(), c.have, c.own)
	}
	if c.wrong > 0 {
		t.Errorf("%d of %d positions are wrong", c.wrong, judged)
	} else {
		c.goOn(t, p, names)
	}
}

// commit makes the groups.
func (c *checker) commit(t *testing.T) []string {
	t.Helper()
	r := rand.New(rand.NewPCG(4, 7))
	names := make([]string, groups)
	at := make([]map[topic.Partition]int64, groups)
	for i := range names {
		names[i], at[i] = kafkatest.Name(t, fmt.Sprintf("at-%d", i)), map[topic.Partition]int64{}
	}
	for _, l := range c.logs {
		for i, offset := range l.places(r, groups, c.given[l.from]...) {
			at[i][l.from] = offset
		}
	}
	for i := range names {
		c.m.src.commit(t, names[i], at[i])
	}
	return names
}

// waitCheckpoints waits until MirrorMaker 2 has written checkpoints of a group,
// and has then been silent for a while.
func (m *mirror) waitCheckpoints(t *testing.T, group string) {
	t.Helper()
	p, before, still := part(m.mm.CheckpointTopic(), 0), int64(-1), 0
	kafkatest.Eventually(t, "MirrorMaker 2 writes checkpoints", func() (bool, string) {
		_, end := m.tgt.bounds(t, p)
		if still++; end != before {
			before, still = end, 0
		}
		return still >= 8 && m.tgt.mentions(t, p, group), strconv.FormatInt(end, 10) + " records"
	})
}

// mentions reports whether a key of the partition holds a text.
func (n *node) mentions(t *testing.T, p topic.Partition, text string) bool {
	t.Helper()
	found := false
	n.read(t, p, -1, func(r *kgo.Record) { found = found || bytes.Contains(r.Key, []byte(text)) })
	return found
}

// judge compares one answer with what a reader finds.
func (c *checker) judge(t *testing.T, l *logs, q *plan.Position) {
	t.Helper()
	c.outcomes[q.Outcome]++
	if q.MirrorMaker != nil && q.After != nil {
		own := l.judge(q.Source.Offset, q.MirrorMaker.TargetOffset)
		c.own, c.have = c.own+own.repeated, c.have+1
		if own.lost > 0 {
			t.Logf("MirrorMaker 2's own checkpoint loses: S %d, checkpoint %d → %d: %v", q.Source.Offset, q.MirrorMaker.SourceOffset, q.MirrorMaker.TargetOffset, own)
		}
	}
	say := func(format string, args ...any) {
		t.Helper()
		if c.wrong++; c.wrong > mostShown {
			t.Fail()
			return
		}
		t.Errorf("%s → %s, S %d (source %d to %d, target %d to %d): %s, T %v: %s\n  %s %s unproven %q",
			l.from, l.to, q.Source.Offset, l.src[0].offset, l.src[len(l.src)-1].offset, q.TargetStart, q.TargetEnd,
			q.Outcome, q.After, fmt.Sprintf(format, args...), q.Reason, q.Detail, strings.Join(q.Unproven, "; "))
	}
	if l.slope != nil {
		c.slope(l, q, say)
		return
	}
	bestT, fewest := l.best(q.Source.Offset)
	switch q.Outcome {
	case translate.Exact, translate.AtEnd, translate.Repeats:
		v := l.judge(q.Source.Offset, q.After.Offset)
		switch {
		case v.lost > 0 || v.disorder || v.repeated != q.Repeats || q.Outcome != translate.Repeats && v.repeated > 0:
			say("%v; best is %d with %d repeated", v, bestT, fewest)
		case !l.holes && v.repeated > fewest:
			say("repeats %d, and from %d it is %d", v.repeated, bestT, fewest)
		}
	case translate.ExactUnproven, translate.Hold, translate.Unset, translate.Refused:
		say("best is %d with %d repeated", bestT, fewest)
	}
}

// slope judges an answer where records are alike: what tells them apart is where
// they stand, on a copy that has neither holes nor repeats.
func (c *checker) slope(l *logs, q *plan.Position, say func(string, ...any)) {
	want := q.Source.Offset - *l.slope
	switch {
	case q.After == nil:
		say("want %d", want)
	case q.Outcome == translate.Repeats && (q.After.Offset > want || want-q.After.Offset > q.Repeats):
		say("%d are said to be met again from %d, want at most those up to %d", q.Repeats, q.After.Offset, want)
	case q.Outcome != translate.Repeats && q.After.Offset != want:
		say("want %d", want)
	}
}

// goOn applies the plan and reads as one of the groups does.
func (c *checker) goOn(t *testing.T, p *plan.Plan, names []string) {
	t.Helper()
	c.m.apply(t, p)
	name := names[len(names)-1]
	g := p.Group(name)
	var from []topic.Partition
	for _, l := range c.logs {
		from = append(from, l.from)
	}
	met := c.m.consume(t, name, from...)
	for _, l := range c.logs {
		for i := range g.Positions {
			if q := &g.Positions[i]; q.Target() == l.to && l.slope == nil {
				if v := l.compare(q.Source.Offset, met[l.to]); v.lost > 0 || v.repeated != q.Repeats {
					t.Errorf("%s goes on at %d of %s: %v", name, q.After.Offset, l.to, v)
				}
			}
		}
	}
}
