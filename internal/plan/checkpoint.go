package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
)

// Checkpoint is where MirrorMaker 2 itself would let a group go on, the last
// record of its checkpoints topic about one position.
type Checkpoint struct {
	// Topic is the checkpoints topic; At when the record was written.
	Topic string    `json:"topic"`
	At    time.Time `json:"at"`
	// SourceOffset is the position of the group on the source that was
	// translated; it may be older than S, because a checkpoint that did not
	// move is not written again. TargetOffset is what became of it.
	SourceOffset int64 `json:"source_offset"`
	TargetOffset int64 `json:"target_offset"`
	// Repeats are the records that the group would read again from there, Skips
	// those that it would never read, both counted in offsets of the target; -1
	// when the equal position is not known.
	Repeats int64 `json:"repeats"`
	Skips   int64 `json:"skips"`
	// Synced: the target group stands there, or at an earlier checkpoint:
	// MirrorMaker 2 has written its positions (sync.group.offsets.enabled), which
	// it does an interval after the checkpoint.
	Synced bool `json:"synced,omitempty"`
	// Earlier: it stands at an earlier checkpoint.
	Earlier bool `json:"synced_earlier,omitempty"`
}

// Bounds of the reading of one checkpoints topic: it is read backwards in
// stretches that double, until all positions are found, its start is reached or
// this many bytes were read. A topic that its cleaner keeps short is far below.
const (
	checkpointStretch = 20_000
	checkpointBytes   = 256 << 20
)

// checkpointKey is what a checkpoint is about. Group is the source group's name:
// MirrorMaker 2 does not rename groups.
type checkpointKey struct {
	group  string
	target topic.Partition
}

// readCheckpoints reads MirrorMaker 2's checkpoints of the positions. What
// cannot be read is said and prevents nothing: they are shown, never used.
func (b *builder) readCheckpoints(ctx context.Context) error {
	if len(b.mirror.checkpoints) == 0 || b.in.TranslateOnly {
		return nil
	}
	b.event(Event{Stage: "reading checkpoints of MirrorMaker 2"})
	topics, err := topicsOf(ctx, &b.in.To, b.mirror.checkpoints)
	if err != nil {
		return err
	}
	for _, name := range b.mirror.checkpoints {
		r := &checkpointReader{log: b.in.To.Log, left: checkpointBytes, found: map[checkpointKey]*Checkpoint{}, wanted: b.wantedCheckpoints()}
		why := topics[name].Err
		for _, n := range topics[name].Partitions {
			if why == nil {
				why = r.read(ctx, topic.Partition{Topic: name, Partition: n})
			}
		}
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("reading topic %s of %s: %w", name, b.in.To.label(), err)
		}
		b.takeCheckpoints(name, r, why)
	}
	return nil
}

// takeCheckpoints keeps the later one of two checkpoints topics.
func (b *builder) takeCheckpoints(name string, r *checkpointReader, why error) {
	var format *mover.FormatError
	switch {
	case errors.As(why, &format):
		b.find(Finding{
			Severity: Warning, Reason: ReasonCheckpoint, Topic: name,
			Detail: fmt.Sprintf("%v; the topic is left out, and where MirrorMaker 2 would let the groups go on is not shown", why),
			Hint:   "another program writes there, or --mm2-alias names the topic that is meant",
		})
		return
	case why != nil:
		b.find(Finding{
			Severity: Note, Reason: ReasonCheckpoint, Topic: name,
			Detail: fmt.Sprintf("where MirrorMaker 2 would let the groups go on is not shown: %v", why),
			Hint:   "grant DESCRIBE and READ on the topic",
		})
		return
	case r.left <= 0 && len(r.wanted) > 0:
		b.find(Finding{
			Severity: Note, Reason: ReasonCheckpoint, Topic: name,
			Detail: fmt.Sprintf("only the last %d MiB were read: older checkpoints are not shown", checkpointBytes>>20),
		})
	}
	if b.mirror.found == nil {
		b.mirror.found, b.mirror.seen = map[checkpointKey]*Checkpoint{}, map[checkpointAt]bool{}
	}
	maps.Copy(b.mirror.seen, r.seen)
	for k, c := range r.found {
		if have := b.mirror.found[k]; c != nil && (have == nil || have.At.Before(c.At)) {
			b.mirror.found[k] = c
		}
	}
}

func (b *builder) wantedCheckpoints() map[checkpointKey]bool {
	out := map[checkpointKey]bool{}
	for _, its := range b.items {
		for _, it := range its {
			if it.have != nil {
				out[checkpointKey{it.from, it.target}] = true
			}
		}
	}
	return out
}

// checkpointReader reads the last checkpoint of each wanted position.
type checkpointReader struct {
	log    fetcher
	left   int // bytes that may still be read
	wanted map[checkpointKey]bool
	// found has the positions that are no longer wanted; nil for one whose
	// checkpoint was deleted.
	found map[checkpointKey]*Checkpoint
	// seen are the target offsets of all checkpoints that were read.
	seen map[checkpointAt]bool
}

// checkpointAt is one checkpoint about a position.
type checkpointAt struct {
	checkpointKey
	offset int64
}

// fetcher is what a checkpoints topic is read through.
type fetcher interface {
	Bounds(ctx context.Context, ps []topic.Partition) (map[topic.Partition]topic.Bounds, error)
	Fetch(ctx context.Context, asks []batch.Ask) ([]batch.Chunk, error)
}

// read goes through one partition from its end backwards.
func (r *checkpointReader) read(ctx context.Context, p topic.Partition) error {
	all, err := r.log.Bounds(ctx, []topic.Partition{p})
	if err != nil {
		return err
	}
	bounds := all[p]
	if bounds.Err != nil {
		return bounds.Err
	}
	hi := bounds.End
	if bounds.Stable >= 0 {
		hi = min(hi, bounds.Stable)
	}
	for size := int64(checkpointStretch); hi > bounds.Start && len(r.wanted) > 0 && r.left > 0; size *= 2 {
		lo := max(bounds.Start, hi-size)
		last := map[checkpointKey]*Checkpoint{}
		if err := r.stretch(ctx, p, lo, hi, last); err != nil {
			return err
		}
		for k, c := range last {
			r.found[k] = c
			delete(r.wanted, k)
		}
		hi = lo
	}
	return nil
}

// stretch reads [lo, hi) forwards; the last record of a position counts.
func (r *checkpointReader) stretch(ctx context.Context, p topic.Partition, lo, hi int64, last map[checkpointKey]*Checkpoint) error {
	for wait := false; lo < hi; {
		chunks, err := r.log.Fetch(ctx, []batch.Ask{{Partition: p, Offset: lo, Committed: true, Wait: wait}})
		if err != nil {
			return err
		}
		c := &chunks[0]
		for e, err := range batch.Visible(c) {
			if err != nil {
				return err
			}
			if e.Offset >= hi {
				break
			}
			if e.Kind != batch.Data {
				continue
			}
			if err := r.take(p, &e, last); err != nil {
				return err
			}
		}
		next, err := c.Next()
		switch {
		case err != nil:
			return err
		case next > lo:
			wait = false
		case wait:
			return fmt.Errorf("%s answers nothing from offset %d on, below its end %d", p, lo, hi)
		default:
			wait = true // an empty answer is not the end
		}
		r.left -= len(c.Raw)
		lo = next
	}
	return nil
}

func (r *checkpointReader) take(p topic.Partition, e *batch.Entry, last map[checkpointKey]*Checkpoint) error {
	value, deleted := e.Value, e.Value == nil
	if deleted {
		_, value = mover.Checkpoint{}.Encode()
	}
	c, err := mover.ParseCheckpoint(e.Key, value)
	if err != nil {
		return fmt.Errorf("the record at offset %d of %s is %w", e.Offset, p, err)
	}
	k := checkpointKey{c.Group, c.Target}
	switch {
	case !r.wanted[k]:
	case deleted || c.TargetOffset < 0:
		last[k] = nil
	default:
		last[k] = &Checkpoint{
			Topic: p.Topic, At: time.UnixMilli(e.Timestamp).UTC(), Repeats: -1, Skips: -1,
			SourceOffset: c.SourceOffset, TargetOffset: c.TargetOffset,
		}
		if r.seen == nil {
			r.seen = map[checkpointAt]bool{}
		}
		r.seen[checkpointAt{k, c.TargetOffset}] = true
	}
	return nil
}

// checkpoint sets MirrorMaker 2's own answer beside ours.
func (b *builder) checkpoint(q *Position, it *item, group string) {
	key := checkpointKey{it.from, it.target}
	found := b.mirror.found[key]
	if found == nil || it.have == nil {
		return
	}
	c := *found
	if q.After != nil {
		c.Repeats, c.Skips = max(0, q.After.Offset-c.TargetOffset), max(0, c.TargetOffset-q.After.Offset)
	}
	if group == it.from && q.Before != nil {
		// MirrorMaker 2 commits without a leader epoch (Checkpoint.offsetAndMetadata).
		c.Earlier = q.Before.Offset != c.TargetOffset && q.Before.LeaderEpoch < 0 && b.mirror.seen[checkpointAt{key, q.Before.Offset}]
		c.Synced = c.Earlier || q.Before.Offset == c.TargetOffset
	}
	q.MirrorMaker = &c
}

// syncSuspected says of a target group that was moved meanwhile, and not beyond
// the equal position, that MirrorMaker 2 may have done it.
func (q *Position) syncSuspected(now *Offset) string {
	if q.MirrorMaker == nil || q.After == nil || now == nil || now.Offset > q.After.Offset {
		return ""
	}
	return "; the group sync of MirrorMaker 2 writes such positions: set sync.group.offsets.enabled=false there, or stop it, and plan again"
}

// syncedAhead says of a target group that is ahead of its equal position that it
// need not have read there.
func (q *Position) syncedAhead() string {
	if q.MirrorMaker == nil || !q.MirrorMaker.Synced {
		return ""
	}
	return "; the group sync of MirrorMaker 2 has put it there: if no application has read on the target, these are records that it would skip"
}

// noteCheckpoints says once for all groups what MirrorMaker 2 would do, and
// that its group sync writes to the same groups.
func (b *builder) noteCheckpoints() {
	var synced []string
	topics := map[string]bool{}
	repeats, skips, positions, compared := int64(0), int64(0), 0, 0
	for i := range b.plan.Groups {
		g := &b.plan.Groups[i]
		written := false
		for j := range g.Positions {
			c := g.Positions[j].MirrorMaker
			if c == nil {
				continue
			}
			positions++
			topics[c.Topic] = true
			if c.Repeats >= 0 {
				compared++
				repeats, skips = repeats+c.Repeats, skips+c.Skips
			}
			// A group that stands where this plan would put it may have been put
			// there by an earlier one.
			written = written || c.Synced && (c.Repeats != 0 || c.Skips != 0)
		}
		if written {
			synced = append(synced, g.Name)
		}
	}
	if positions == 0 {
		return
	}
	detail := fmt.Sprintf("MirrorMaker 2's own checkpoints (%s) have %d of the positions", strings.Join(sortedKeys(topics), ", "), positions)
	switch {
	case compared == 0:
		detail += "; how far they are from the equal ones is not known"
	case compared < positions:
		detail += fmt.Sprintf("; from the %d that can be compared %d records would be read again", compared, repeats)
	default:
		detail += fmt.Sprintf("; from there %d records would be read again", repeats)
	}
	if skips > 0 {
		detail += fmt.Sprintf(" and %d never be read", skips)
	}
	b.find(Finding{Severity: Note, Reason: ReasonCheckpoint, Detail: detail})
	if len(synced) == 0 {
		return
	}
	who := fmt.Sprintf("group %q stands", synced[0])
	if n := len(synced) - 1; n > 0 {
		who = fmt.Sprintf("group %q and %d more stand", synced[0], n)
	}
	b.find(Finding{
		Severity: Warning, Reason: ReasonGroupSync,
		Detail: who + " on the target where MirrorMaker 2 has put it: its group sync writes there, and goes by what it read up to one interval before, so that it may once take back what apply wrote",
		Hint:   "before apply, set sync.group.offsets.enabled=false and restart it, or stop it; kferry verify shows whether a group was taken back",
	})
}
