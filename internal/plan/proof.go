package plan

import (
	"context"
	"fmt"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// proofKey names one question to the translation.
type proofKey struct {
	source string
	target topic.Partition
	s      int64
}

// proofAnswer is what a translation says now.
type proofAnswer struct {
	result *translate.Result
	err    error
}

func sourceOffset(q *Position) int64 {
	if q.Source == nil {
		return -1
	}
	return q.Source.Offset
}

// proofs asks the translation again for every position that has a proof, with
// the reading of the rest left out: it reads the records either side of S and
// of T anew. A topic that is gone leaves its proofs gone.
func (v *verifier) proofs(ctx context.Context, names []string) (map[proofKey]proofAnswer, error) {
	out := map[proofKey]proofAnswer{}
	questions, sources, targets := v.questions(names)
	if len(questions) == 0 {
		return out, nil
	}
	v.event(Event{Stage: "checking proofs", Total: len(questions)})
	targetTopics, err := topicsOf(ctx, &v.in.To, sortedKeys(targets))
	if err != nil {
		return nil, err
	}
	var sourceTopics map[string]topic.Topic
	var source translate.Log
	if v.in.From != nil && v.plan.Source != nil {
		if sourceTopics, err = topicsOf(ctx, v.in.From, sortedKeys(sources)); err != nil {
			return nil, err
		}
		source = v.in.From.Log
	}
	index := map[[2]topic.Partition]int{}
	var requests []translate.Request
	var keys [][]proofKey
	for _, q := range questions {
		k := proofKey{q.SourceTopic, q.Target(), q.Source.Offset}
		from, _ := q.SourcePartition()
		if err := gonePair(sourceTopics[q.SourceTopic], targetTopics[q.Topic]); err != nil {
			out[k] = proofAnswer{err: err}
			continue
		}
		pair := [2]topic.Partition{from, q.Target()}
		n, ok := index[pair]
		if !ok {
			n = len(requests)
			index[pair] = n
			keys = append(keys, nil)
			requests = append(requests, translate.Request{
				Source: from, Target: q.Target(), SourceTopic: sourceTopics[q.SourceTopic], TargetTopic: targetTopics[q.Topic],
				SameLog: v.plan.SameCluster && from == q.Target(),
			})
		}
		requests[n].Offsets = append(requests[n].Offsets, q.Source.Offset)
		keys[n] = append(keys[n], k)
	}
	if len(requests) == 0 {
		return out, nil
	}
	o := v.plan.Options
	results, err := translate.Translate(ctx, source, v.in.To.Log, requests, &translate.Options{
		Evidence: o.Evidence, Header: o.Header, Encoding: o.Encoding, Syncs: o.syncs(), Quick: true, CopyComplete: true,
	})
	if err != nil {
		return nil, fmt.Errorf("checking proofs: %w", err)
	}
	for n := range keys {
		for i, k := range keys[n] {
			out[k] = proofAnswer{result: &results[n][i]}
		}
	}
	return out, nil
}

// questions are the positions that have a proof, and their topics.
func (v *verifier) questions(names []string) (qs []*Position, sources, targets map[string]bool) {
	sources, targets = map[string]bool{}, map[string]bool{}
	for _, name := range names {
		g := v.plan.Group(name)
		for i := range g.Positions {
			if q := &g.Positions[i]; q.Proof != nil && q.Source != nil && !q.Blocked {
				qs = append(qs, q)
				sources[q.SourceTopic], targets[q.Topic] = true, true
			}
		}
	}
	return qs, sources, targets
}

// gonePair says that one of two topics cannot be read any more.
func gonePair(source, target topic.Topic) error {
	if source.Err != nil {
		return fmt.Errorf("source topic %s: %w", source.Name, source.Err)
	}
	if target.Err != nil {
		return fmt.Errorf("topic %s: %w", target.Name, target.Err)
	}
	return nil
}

// compareProof sets the records of the proof beside those that are there now.
func (q *Position) compareProof(a proofAnswer, haveSource bool) (ProofCheck, []string) {
	if q.Proof == nil || q.Source == nil {
		return ProofNone, nil
	}
	if a.err != nil || a.result == nil {
		return ProofGone, []string{fmt.Sprintf("the records cannot be read any more: %v", a.err)}
	}
	now := &a.result.Proof
	var details []string
	same, gone, differ := 0, 0, 0
	compare := func(what string, then, now *translate.Seen, source bool) {
		switch {
		case then == nil:
		case source && !haveSource:
			gone++
			details = append(details, fmt.Sprintf("the %s at offset %d cannot be shown without the source", what, then.Offset))
		case now == nil || now.Offset != then.Offset:
			gone++
			details = append(details, fmt.Sprintf("the %s at offset %d can no longer be shown", what, then.Offset))
		case now.Fingerprint != then.Fingerprint || now.SourceOffset != then.SourceOffset:
			differ++
			details = append(details, fmt.Sprintf("the %s at offset %d is another one than in the plan", what, then.Offset))
		default:
			same++
		}
	}
	then := q.Proof
	compare("source record before the position", then.SourceBefore, now.SourceBefore, true)
	compare("source record at the position", then.SourceAt, now.SourceAt, true)
	compare("target record before the position", then.TargetBefore, now.TargetBefore, false)
	compare("target record at the position", then.TargetAt, now.TargetAt, false)
	switch {
	case differ > 0:
		return ProofDiffers, details
	case same+gone == 0:
		return ProofNone, nil
	case same == 0:
		return ProofGone, details
	case gone > 0:
		return ProofPartly, details
	default:
		return ProofHolds, nil
	}
}
