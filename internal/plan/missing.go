package plan

import (
	"fmt"

	"github.com/kferry/kferry/internal/topic"
)

// sayMissing completes a proof: for each neighbour that it has not, why.
func (b *builder) sayMissing(q *Position, it *item) {
	r, pr := it.result, q.Proof
	if r.T < 0 {
		return
	}
	say := func(text string) { pr.Missing = append(pr.Missing, text) }
	if b.in.From != nil {
		end := r.SourceBounds.End
		side := noRecord{"source", "record", r.S, r.SourceBounds, end, b.sourceTopics[it.source.Topic].Config}
		if pr.SourceBefore == nil {
			say(side.before())
		}
		if pr.SourceAt == nil {
			say(side.at())
		}
	}
	end := min(r.TargetBounds.End, r.TargetBounds.Stable)
	side := noRecord{"target", "copy", r.T, r.TargetBounds, end, b.targetTopics[it.target.Topic].Config}
	if pr.TargetBefore == nil {
		say(side.before())
	}
	if pr.TargetAt == nil {
		say(side.at())
	}
}

// noRecord is a place on one side with nothing to show beside it.
type noRecord struct {
	side, what string
	offset     int64
	bounds     topic.Bounds
	end        int64 // up to where it was looked
	config     topic.Config
}

func (n noRecord) before() string {
	switch {
	case n.offset > n.bounds.Start:
		return fmt.Sprintf("the %s shows no %s right before %d: %s", n.side, n.what, n.offset, n.hole())
	case n.bounds.Start == 0:
		return fmt.Sprintf("the %s never had a %s before %d: its log begins there", n.side, n.what, n.offset)
	default:
		return fmt.Sprintf("the %s has no %s before %d any more: its log begins at %d (retention)", n.side, n.what, n.offset, n.bounds.Start)
	}
}

func (n noRecord) at() string {
	switch {
	case n.offset < n.end:
		return fmt.Sprintf("the %s shows no %s right from %d on: %s", n.side, n.what, n.offset, n.hole())
	case n.end < n.bounds.End:
		return fmt.Sprintf("the %s has no %s from %d on yet: a transaction is open there", n.side, n.what, n.offset)
	default:
		return fmt.Sprintf("the %s has no %s from %d on yet: its log ends at %d", n.side, n.what, n.offset, n.end)
	}
}

// hole says what may be where no record is met.
func (n noRecord) hole() string {
	text := "transaction markers"
	if n.what == "copy" {
		text = "markers, aborted copies or records of others"
	}
	if n.config.Compacted || !n.config.Known {
		return "gone by compaction, or " + text
	}
	return text
}
