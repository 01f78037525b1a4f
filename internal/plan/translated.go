package plan

import (
	"fmt"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// translated takes over what the translation answered, with the overrides that
// the user gave.
func (b *builder) translated(q *Position, it *item) {
	r := it.result
	q.Outcome, q.Reason, q.Detail, q.Hint = r.Outcome, Reason(r.Reason), r.Detail, r.Hint
	q.Unproven, q.Notes = r.Unproven, r.Notes
	q.Repeats, q.Lost, q.CopiedThrough = r.Repeats, r.Lost, r.CopiedThrough
	q.LagBefore, q.LagAfter = r.LagBefore, r.LagAfter
	q.TargetStart, q.TargetEnd = r.TargetBounds.Start, r.TargetBounds.End
	proof := r.Proof
	q.Proof = &proof
	b.sayMissing(q, it)
	if b.in.From == nil {
		q.SourceTopic, q.SourceGroup = it.source.Topic, it.from
	}
	if r.T >= 0 {
		// A leader epoch of another log can stall a consumer or move it, so no
		// commit of ours carries one (DESIGN invariant 5).
		q.After = &Offset{Offset: r.T, LeaderEpoch: -1, Metadata: it.have.Metadata}
	}
	switch r.Outcome {
	case translate.Exact, translate.ExactUnproven, translate.AtEnd:
	case translate.Repeats:
		if b.in.Accept.Repeats {
			q.accept(acceptRepeats)
		} else {
			q.Blocked = true
			q.Hint = orElse(q.Hint, "--accept-repeats lets it through")
		}
	case translate.Refused:
		q.Blocked = r.Reason != translate.ReasonLoss || r.T < 0 || !q.lossAccepted(b.in.Accept)
	case translate.Hold, translate.Unset:
		q.Blocked = true
	}
	if q.After == nil && !q.Blocked {
		q.refuse(Reason(translate.ReasonUnreadable), "the translation gave no position", "")
	}
	if q.After != nil {
		b.relative(q)
	}
}

// lossAccepted reports whether the user has accepted that records are lost at
// this position, and, where others come twice besides, that too.
func (q *Position) lossAccepted(a Accept) bool {
	switch {
	case !a.Loss:
		return false
	case q.Repeats > 0 && !a.Repeats:
		q.Hint = fmt.Sprintf("%d records would be read again besides: with --accept-loss it takes --accept-repeats, too", q.Repeats)
		return false
	}
	q.accept(acceptLoss)
	if q.Repeats > 0 {
		q.accept(acceptRepeats)
	}
	return true
}

// relative drops metadata that counts from the offset, unless the offsets that
// it counts over are the same on the target: the records
// that it called done are then read again.
func (b *builder) relative(q *Position) {
	span, done, ok := doneAhead(q.After.Metadata)
	if !ok || (q.LagBefore >= 0 && span > q.LagBefore) {
		return
	}
	if q.Proof != nil && (q.Proof.Known == translate.KnownSameLog || q.Proof.Known == translate.KnownCounted) {
		q.Notes = append(q.Notes, "the metadata of a parallel consumer was kept: offsets after the position run in step on both sides")
		return
	}
	q.After.Metadata = ""
	if done == 0 {
		q.Notes = append(q.Notes, "the metadata of a parallel consumer was dropped; it called no record done")
		return
	}
	q.Repeats += done
	detail := fmt.Sprintf("%d records that a parallel consumer notes as done in the metadata will be read again: what it notes counts from the offset, and the offsets after it are others on the target", done)
	if q.Blocked {
		q.Notes = append(q.Notes, detail)
		return
	}
	q.Outcome, q.Reason, q.Detail = translate.Repeats, ReasonRelativeMetadata, detail
	if b.in.Accept.Repeats {
		q.accept(acceptRepeats)
		return
	}
	q.Blocked = true
	q.Hint = "--accept-repeats lets it through"
}

// guard looks at what the position would meet on the target: a group that is
// ahead of it, and retention that is about to delete what is to be read.
func (b *builder) guard(q *Position, p topic.Partition) {
	if q.Before != nil && q.Before.Offset > q.After.Offset {
		q.Rewind = q.Before.Offset - q.After.Offset
		if !b.in.Accept.Rewind {
			q.refuse(ReasonRewind,
				fmt.Sprintf("the target group is at %d, ahead of %d: it would read up to %d records again that it has read there", q.Before.Offset, q.After.Offset, q.Rewind)+q.syncedAhead(),
				"--accept-rewind lets it through")
			return
		}
		q.accept(acceptRewind)
	}
	due := b.dueToGo(q, p)
	if due == 0 {
		return
	}
	detail := fmt.Sprintf("up to %d records from %d on are older than the retention of topic %s and may be deleted before they are read", due, q.After.Offset, p.Topic)
	switch {
	case b.plan.Kind == Copy || b.plan.Kind == Given:
		// Neither a copy inside one cluster nor a given position is the cause.
		q.Notes = append(q.Notes, detail)
	case b.in.Accept.Loss:
		q.Lost = max(q.Lost, due)
		q.Notes = append(q.Notes, detail)
		q.accept(acceptLoss)
	default:
		q.Lost = due
		q.refuse(ReasonRetention, detail, "raise retention.ms of the topic, or --accept-loss lets it through")
	}
}

// dueToGo counts the offsets from After on whose records are older than the
// retention of the topic.
func (b *builder) dueToGo(q *Position, p topic.Partition) int64 {
	t := b.targetTopics[p.Topic]
	if !t.Config.Known {
		b.noteTopic(Finding{
			Severity: Note, Reason: ReasonRetention, Topic: p.Topic,
			Detail: "the configuration of the topic on the target cannot be read: whether retention is about to delete unread records is not known",
			Hint:   "grant DESCRIBE_CONFIGS on the topic",
		})
		return 0
	}
	stamp, ok := b.fresh[p]
	if !ok {
		return 0
	}
	if stamp.Err != nil {
		b.noteTopic(Finding{
			Severity: Note, Reason: ReasonRetention, Topic: p.Topic,
			Detail: fmt.Sprintf("whether retention is about to delete unread records of %s is not known: %v", p, stamp.Err),
		})
		return 0
	}
	spared := stamp.Offset
	if spared < 0 {
		spared = q.TargetEnd
	}
	return max(0, spared-max(q.After.Offset, q.TargetStart))
}
