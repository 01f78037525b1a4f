package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// Which says which record of a proof is meant.
type Which string

// The records of a proof.
const (
	SourceBefore Which = "source-before"
	SourceAt     Which = "source-at"
	TargetBefore Which = "target-before"
	TargetAt     Which = "target-at"
	// OriginBefore and OriginAt are the source records that TargetBefore and
	// TargetAt are copies of. They are looked at where equal contents are the
	// evidence, unless they are SourceBefore or SourceAt.
	OriginBefore Which = "origin-before"
	OriginAt     Which = "origin-at"
)

// text names the record in a sentence.
func (w Which) text() string {
	switch w {
	case SourceBefore:
		return "source record before the position"
	case SourceAt:
		return "source record at the position"
	case TargetBefore:
		return "target record before the position"
	case TargetAt:
		return "target record at the position"
	case OriginBefore:
		return "source record that the target record before the position is a copy of"
	case OriginAt:
		return "source record that the target record at the position is a copy of"
	}
	return string(w)
}

// onTarget reports on which side the record stands.
func (w Which) onTarget() bool { return w == TargetBefore || w == TargetAt }

// question is one record of the proof of one position.
type question struct {
	position *Position
	which    Which
	seen     translate.Seen
}

// proofs reads the records of all proofs again, each at its own offset, so that
// nothing that came after it matters. Per position the answers are in the order
// of the questions.
func (v *verifier) proofs(ctx context.Context, names []string) (map[*Position][]ProofRecord, error) {
	out := map[*Position][]ProofRecord{}
	questions := v.questions(names)
	if len(questions) == 0 {
		return out, nil
	}
	v.event(Event{Stage: "checking proofs", Total: len(questions)})
	if err := v.readTopics(ctx, questions); err != nil {
		return nil, err
	}
	var claims []translate.Claim
	var asked []*ProofRecord
	for i := range questions {
		q := &questions[i]
		out[q.position] = append(out[q.position], ProofRecord{Record: q.which, Offset: q.seen.Offset})
	}
	next := map[*Position]int{}
	for i := range questions {
		q := &questions[i]
		rec := &out[q.position][next[q.position]]
		next[q.position]++
		if rec.Check, rec.Detail = v.unreadable(q); rec.Check == "" {
			claims = append(claims, v.claim(q))
			asked = append(asked, rec)
		}
	}
	var source translate.Log
	if v.haveSource() {
		source = v.in.From.Log
	}
	checked, err := translate.Recheck(ctx, source, v.in.To.Log, claims)
	if err != nil {
		return nil, fmt.Errorf("checking proofs: %w", err)
	}
	for i, c := range checked {
		asked[i].Check, asked[i].Detail = RecordCheck(c.Standing), c.Detail
	}
	return out, nil
}

func (v *verifier) haveSource() bool { return v.in.From != nil && v.plan.Source != nil }

// questions are the records of all proofs, in the order of the plan.
func (v *verifier) questions(names []string) (qs []question) {
	for _, name := range names {
		g := v.plan.Group(name)
		for i := range g.Positions {
			if q := &g.Positions[i]; q.Proof != nil && q.isFrom() && !q.Blocked {
				qs = append(qs, v.records(q)...)
			}
		}
	}
	return qs
}

// records are those that the proof of one position rests on.
func (v *verifier) records(q *Position) (qs []question) {
	pr := q.Proof
	for _, r := range []struct {
		which Which
		seen  *translate.Seen
	}{{SourceBefore, pr.SourceBefore}, {SourceAt, pr.SourceAt}, {TargetBefore, pr.TargetBefore}, {TargetAt, pr.TargetAt}} {
		if r.seen != nil {
			qs = append(qs, question{q, r.which, *r.seen})
		}
	}
	if e := v.plan.pair(q).Evidence; e != translate.KindMM2 && e != translate.KindContent {
		return qs
	}
	// Nothing in such a copy names its origin: that the two are equal is all
	// that ties them together.
	for _, r := range []struct {
		which Which
		seen  *translate.Seen
	}{{OriginBefore, pr.TargetBefore}, {OriginAt, pr.TargetAt}} {
		if r.seen == nil || r.seen.SourceOffset < 0 {
			continue
		}
		h := r.seen.SourceOffset
		if !slices.ContainsFunc(qs, func(x question) bool { return !x.which.onTarget() && x.seen.Offset == h }) {
			qs = append(qs, question{q, r.which, translate.Seen{Offset: h, Fingerprint: r.seen.Fingerprint, SourceOffset: -1}})
		}
	}
	return qs
}

// claim is the question as the translation understands it.
func (v *verifier) claim(q *question) translate.Claim {
	c := translate.Claim{
		OnTarget: q.which.onTarget(), Partition: q.position.Target(), Config: v.targetTopics[q.position.Topic].Config,
		Marks: v.plan.pair(q.position).marks(&v.plan.Options), Seen: q.seen,
		ContentOnly: q.which == OriginBefore || q.which == OriginAt,
	}
	if !c.OnTarget {
		c.Partition, _ = q.position.SourcePartition()
		if n := q.seen.SourcePartition; n != nil {
			c.Partition.Partition = *n
		}
		c.Config = v.sourceTopics[c.Partition.Topic].Config
	}
	return c
}

// unreadable says why a record need not be looked for: there is no source, the
// topic is gone, or it is another one by now.
func (v *verifier) unreadable(q *question) (RecordCheck, string) {
	pinned := v.plan.pair(q.position)
	if q.which.onTarget() {
		return topicNow(v.targetTopics[q.position.Topic], pinned.TargetID)
	}
	if !v.haveSource() {
		return RecordNoSource, "it cannot be shown without the source"
	}
	return topicNow(v.sourceTopics[q.position.SourceTopic], pinned.SourceID)
}

// topicNow compares a topic with the one that the plan rests on. Without topic
// IDs only the records can tell.
func topicNow(now topic.Topic, pinned topic.ID) (RecordCheck, string) {
	switch {
	case gone(now):
		return RecordTopicDeleted, fmt.Sprintf("topic %s was deleted", now.Name)
	case now.Err != nil:
		return RecordUnreadable, fmt.Sprintf("topic %s: %v", now.Name, now.Err)
	case !pinned.IsZero() && !now.ID.IsZero() && now.ID != pinned:
		return RecordIncarnation, fmt.Sprintf("topic %s was deleted and created again: its ID is %s, and was %s", now.Name, now.ID, pinned)
	}
	return "", ""
}

// readTopics reads the topics of all questions.
func (v *verifier) readTopics(ctx context.Context, questions []question) (err error) {
	sources, targets := map[string]bool{}, map[string]bool{}
	for i := range questions {
		q := questions[i].position
		targets[q.Topic] = true
		if q.SourceTopic != "" {
			sources[q.SourceTopic] = true
		}
	}
	if v.targetTopics, err = topicsOf(ctx, &v.in.To, sortedKeys(targets)); err != nil || !v.haveSource() {
		return err
	}
	v.sourceTopics, err = topicsOf(ctx, v.in.From, sortedKeys(sources))
	return err
}

// pair is the pair of topics of a position; the zero Topic when the plan has
// none.
func (p *Plan) pair(q *Position) Topic {
	for _, t := range p.Topics {
		if t.Target == q.Topic && (t.Source == q.SourceTopic || t.Source == "") {
			return t
		}
	}
	return Topic{}
}

// marks are those that the fingerprints of this pair were made with. Plans of
// before they were kept name the header in words only.
func (t Topic) marks(o *Options) translate.Marks {
	if t.OwnHeaders != nil {
		return translate.Marks{Header: t.Header, Encoding: t.Encoding, Own: t.OwnHeaders, All: t.NoHeaders}
	}
	if t.Evidence != translate.KindHeader {
		return translate.Marks{Own: []string{}}
	}
	name := o.Header
	if name == "" {
		for _, known := range translate.KnownHeaders() {
			if strings.HasPrefix(t.Detected, "header "+known+",") {
				name = known
			}
		}
	}
	return translate.HeaderMarks(name)
}

// judgeProof sums up what became of the records of one proof.
func judgeProof(q *Position, records []ProofRecord) (ProofCheck, []string) {
	if q.Proof == nil || !q.isFrom() || len(records) == 0 {
		return ProofNone, nil
	}
	var details []string
	holds, lost, differ := 0, 0, 0
	for i := range records {
		r := &records[i]
		switch r.Check {
		case RecordHolds:
			holds++
			continue
		case RecordDiffers:
			differ++
		case RecordIncarnation:
			// A source that is made anew after the move is nobody's loss; on the
			// target T is an offset of a log that is no more.
			if r.Record.onTarget() {
				differ++
			} else {
				lost++
			}
		case RecordRetention, RecordCompaction, RecordTopicDeleted, RecordNoSource, RecordUnreadable:
			lost++
		}
		details = append(details, fmt.Sprintf("the %s, offset %d: %s", r.Record.text(), r.Offset, r.Detail))
	}
	switch {
	case differ > 0:
		return ProofDiffers, details
	case holds == 0:
		return ProofGone, details
	case lost > 0:
		return ProofPartly, details
	}
	return ProofHolds, nil
}
