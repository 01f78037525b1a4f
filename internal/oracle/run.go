package oracle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// Translate is the function under test.
type Translate func(ctx context.Context, source, target translate.Log, reqs []translate.Request, o *translate.Options) ([][]translate.Result, error)

// Run asks for many random positions and judges every answer.
type Run struct {
	Translate Translate
	Loader    Loader
	// Seed begins the random sequence: the same seed asks the same questions.
	Seed uint64
	// Positions is how many answers are judged, at least.
	Positions int
	// Workers is how many loads are worked on at once (default 2).
	Workers int
	// Failures is how many are kept and shrunk, of each sort (default 1).
	Failures int
	// Stop ends the run soon after the first wrong answer.
	Stop bool
	// StopHarmful ends it soon after the first that would move a group to a wrong
	// place.
	StopHarmful bool
	// Topics and Partitions are the size of one load (default 6 and 24).
	Topics, Partitions int
	// PerPartition is how many positions are asked for per pair (default 15).
	PerPartition int
	// Kinds are the kinds of evidence that movers leave (default header alone).
	Kinds []translate.Kind
	// Auto of so many calls one leaves the choice of the evidence to the function
	// under test (default 3; negative: none).
	Auto int
	// Tame pairs are those in which an observer has little to be unsure of: no
	// source has forgotten a record since it was copied, be it by compaction or by
	// retention, no mover filters, and where records are alike nothing was lost
	// before either and the mover has not gone back.
	Tame bool
}

func (r *Run) withDefaults() Run {
	c := *r
	if c.Workers == 0 {
		c.Workers = 2
	}
	if c.Failures == 0 {
		c.Failures = 1
	}
	if c.Topics == 0 {
		c.Topics = 6
	}
	if c.Partitions == 0 {
		c.Partitions = 24
	}
	if c.PerPartition == 0 {
		c.PerPartition = 15
	}
	if len(c.Kinds) == 0 {
		c.Kinds = []translate.Kind{translate.KindHeader}
	}
	if c.Auto == 0 {
		c.Auto = 3
	}
	return c
}

// Do runs. The error is of what is around the function under test, or its
// own error of a whole call; wrong answers are in the tally.
func (r *Run) Do(ctx context.Context) (*Tally, error) {
	c := r.withDefaults()
	t := newTally(c.Failures)
	t.without = ^Class(0)
	for _, kind := range c.Kinds {
		t.without &= impossible[kind]
	}
	per := c.Topics * c.Partitions * c.PerPartition
	loads := (c.Positions + per - 1) / per
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	next := 0
	for range c.Workers {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				stop := i >= loads || len(errs) > 0 || r.Stop && t.Wrong() > 0 || r.StopHarmful && t.Harmful() > 0
				mu.Unlock()
				if stop {
					return
				}
				if err := c.load(ctx, c.Seed+uint64(i), t); err != nil {
					mu.Lock()
					errs = append(errs, fmt.Errorf("seed %d: %w", c.Seed+uint64(i), err))
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return t, errors.Join(errs...)
}

// asked is one pair as it is asked for.
type asked struct {
	topic *TopicPair
	pair  *Pair
	part  int32
	facts *Facts
	qs    []Question
}

// callKey groups what can be asked for in one call: options are per call.
type callKey struct {
	noSource, quick, complete bool
	header                    Header // the zero value: recognised
	countFrom                 int64
	evidence                  translate.Kind
}

func (r *Run) load(ctx context.Context, seed uint64, t *Tally) error {
	rnd := rand.New(rand.NewPCG(seed, 4))
	topics := r.topics(rnd)
	loaded, err := r.Loader.Load(ctx, seed, topics)
	if err != nil {
		return err
	}
	defer loaded.Close()
	calls := map[callKey][]*asked{}
	var order []callKey
	for i := range topics {
		explicit := rnd.IntN(3) == 0
		evidence := topics[i].Kind
		if r.Auto > 0 && rnd.IntN(r.Auto) == 0 {
			evidence = translate.KindAuto
		}
		for p := range topics[i].Pairs {
			k := newCallKey(rnd, topics[i].Kind)
			k.evidence = evidence
			if explicit {
				k.header = topics[i].Header
			}
			if calls[k] == nil {
				order = append(order, k)
			}
			calls[k] = append(calls[k], r.ask(rnd, &topics[i], p, k))
		}
	}
	for _, k := range order {
		if err := r.call(ctx, loaded, k, calls[k], seed, t); err != nil {
			return err
		}
	}
	return nil
}

// topics makes the pairs of one load.
func (r *Run) topics(rnd *rand.Rand) []TopicPair {
	names := []string{"__original_offset", "x-original-offset", "redpanda-migrator-offset", "k2k_offset"}
	encodings := []translate.Encoding{translate.EncodingDecimal, translate.EncodingBig, translate.EncodingLittle}
	_, memory := r.Loader.(Memory)
	_, fake := r.Loader.(Kfake) // whose LogAppendTime leaves the checksum as it was
	out := make([]TopicPair, r.Topics)
	first := 0
	if r.Tame {
		first = rnd.IntN(9)
	}
	for i := range out {
		t := &out[i]
		t.Name = fmt.Sprintf("orders-%d", i)
		t.Kind = r.Kinds[i%len(r.Kinds)]
		w := weigh(t.Kind, r.Tame)
		t.SourceCompacted = rnd.IntN(9) < w.source
		t.TargetCompacted, t.ConfigUnknown = rnd.IntN(5) < 2, rnd.IntN(6) == 0
		if t.Tame = r.Tame; t.Tame {
			t.ConfigUnknown = false
			// Of nine topics in a row always as many, so that few loads do.
			turn := (i/len(r.Kinds) + first) % 9
			t.SourceCompacted, t.TargetCompacted = turn < w.source, turn >= 9-w.target
		}
		t.Header = Header{Name: names[rnd.IntN(len(names))], Encoding: encodings[rnd.IntN(3)], First: rnd.IntN(4) == 0}
		if t.Kind != translate.KindHeader {
			if t.Stamps = Stamps(max(0, rnd.IntN(6)-3)); fake && t.Stamps == Appended || t.Kind == translate.KindMM2 && t.Stamps == Seconds {
				t.Stamps = Kept
			}
			t.Header = Header{Stamps: t.Stamps}
			t.SyncsOnTarget = rnd.IntN(2) == 0
			if t.Kind != translate.KindIdentity && rnd.IntN(4) == 0 {
				t.Header.Also = "x-source-cluster"
			}
		}
		for range r.Partitions {
			p := NewPair(rnd, t.Policies)
			if memory && rnd.IntN(3) == 0 {
				p.LateSource = rnd.IntN(min(4, len(p.Source.Slots)+1))
				p.LateTarget = rnd.IntN(min(4, len(p.Target.Slots)+1))
				p.LateTarget = p.lateEnough()
				if !p.cleanedEarly() {
					p.LateSource, p.LateTarget = 0, 0
				}
			}
			t.Pairs = append(t.Pairs, p)
		}
		t.trouble(i, memory)
	}
	return out
}

func newCallKey(rnd *rand.Rand, kind translate.Kind) callKey {
	k := callKey{countFrom: []int64{0, 1, 1, 5, 40}[rnd.IntN(5)]}
	if kind != translate.KindHeader { // which need the source
		switch n := rnd.IntN(20); {
		case n < 6:
			k.complete = true
		case n < 8:
			k.quick = true
		}
		return k
	}
	switch n := rnd.IntN(20); {
	case n < 10:
	case n < 14:
		k.complete = true
	case n < 16:
		k.quick = true
	case n < 19:
		k.noSource = true
	default:
		k.noSource, k.complete = true, true
	}
	return k
}

func (r *Run) ask(rnd *rand.Rand, t *TopicPair, part int, k callKey) *asked {
	p := &t.Pairs[part]
	a := &asked{topic: t, pair: p, part: int32(part), facts: NewFacts(p)}
	epochs := p.dice(len(t.Pairs))
	for _, s := range positions(rnd, p, r.PerPartition) {
		a.qs = append(a.qs, Question{
			S: s, NoSource: k.noSource, Quick: k.quick, CopyComplete: k.complete, CountFrom: k.countFrom, Evidence: k.evidence,
			Given: k.header.Name != "", Epoch: p.Source.committed(epochs, s),
		})
	}
	return a
}

// call asks for all positions of a group of pairs at once, and judges.
func (r *Run) call(ctx context.Context, loaded *Loaded, k callKey, as []*asked, seed uint64, t *Tally) error {
	results, err := translateAll(ctx, r.Translate, loaded, k, as)
	if err != nil {
		return err
	}
	for i, a := range as {
		for j, q := range a.qs {
			judgement := a.facts.Judge(q, &results[i][j])
			t.add(a.pair, q, &results[i][j], judgement, seed)
			t.note(a.facts.traits(a.pair, q))
		}
	}
	return nil
}

// translateAll makes one call, bounded in time, and checks its shape.
func translateAll(ctx context.Context, f Translate, loaded *Loaded, k callKey, as []*asked) ([][]translate.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	reqs := make([]translate.Request, len(as))
	for i, a := range as {
		src, tgt := a.topic.topics()
		reqs[i] = translate.Request{
			Source: topic.Partition{Topic: a.topic.source(), Partition: a.part},
			Target: topic.Partition{Topic: a.topic.target(), Partition: a.part},
		}
		reqs[i].TargetTopic = tgt
		if !k.noSource {
			reqs[i].SourceTopic = src
		}
		for _, q := range a.qs {
			reqs[i].Offsets = append(reqs[i].Offsets, q.S)
			epoch := q.Epoch
			if epoch == 0 {
				epoch = -1
			}
			reqs[i].Epochs = append(reqs[i].Epochs, epoch)
		}
	}
	o := &translate.Options{
		Evidence: k.evidence, Header: k.header.Name, Encoding: k.header.Encoding,
		Quick: k.quick, CopyComplete: k.complete, CountFrom: k.countFrom,
		Syncs: []translate.SyncTopic{{Topic: loaded.Syncs[0]}, {OnTarget: true, Topic: loaded.Syncs[1]}},
	}
	if k.evidence == translate.KindHeader {
		o.Syncs = nil
	}
	source := loaded.Source
	if k.noSource {
		source = nil
	}
	results, err := f(ctx, source, loaded.Target, reqs, o)
	if err != nil {
		return nil, fmt.Errorf("translating: %w", err)
	}
	if len(results) != len(reqs) {
		return nil, fmt.Errorf("%d answers for %d requests", len(results), len(reqs))
	}
	for i := range results {
		if len(results[i]) != len(reqs[i].Offsets) {
			return nil, fmt.Errorf("%d results for %d offsets", len(results[i]), len(reqs[i].Offsets))
		}
	}
	return results, nil
}
