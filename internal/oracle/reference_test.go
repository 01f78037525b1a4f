package oracle

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// reference translates by reading everything: slow and simple, to try the
// judge on. flaw makes it wrong on purpose.
type reference struct{ flaw string }

func (f reference) Translate(ctx context.Context, source, target translate.Log, reqs []translate.Request, o *translate.Options) ([][]translate.Result, error) {
	out := make([][]translate.Result, len(reqs))
	for i := range reqs {
		req := &reqs[i]
		scan := &scan{flaw: f.flaw, quick: o.Quick, complete: o.CopyComplete}
		if err := scan.readTarget(ctx, target, req, o); err != nil {
			return nil, err
		}
		if source != nil {
			if err := scan.readSource(ctx, source, req.Source); err != nil {
				return nil, err
			}
		}
		scan.tgtCompacted, scan.unknown = req.TargetTopic.Config.Compacted, !req.TargetTopic.Config.Known
		scan.append = req.TargetTopic.Config.AppendTime
		answer := scan.answer
		switch {
		case o.Evidence == translate.KindHeader:
		case o.Evidence == translate.KindIdentity:
			scan.sameOffsets()
		case len(scan.copies) == 0 && source != nil:
			answer = scan.fromContents
			cfg := req.SourceTopic.Config
			scan.forgets = !cfg.Known || cfg.Compacted || scan.srcStart > 0
			scan.backsByContent()
		}
		for j, s := range req.Offsets {
			r := answer(s)
			if source != nil {
				cut, err := scan.cutAway(ctx, source, req.Source, s, req.Epochs[j])
				if cut {
					r = no(translate.Refused, translate.ReasonIncarnation)
				}
				if err != nil {
					r.Notes = append(r.Notes, "leader epoch: "+err.Error())
				}
			}
			r.S, r.Source, r.Target = s, req.Source, req.Target
			out[i] = append(out[i], r)
		}
	}
	return out, nil
}

// scan is all there is to read of one pair.
type scan struct {
	flaw            string
	quick, complete bool
	hasSource       bool
	src             map[int64]batch.Kind // readable data
	srcOrder        []int64
	srcEnd          int64
	start, stable   int64
	copies          []copied // committed
	bad             string   // a header that cannot be read
	backs           []int64

	// What follows is for copies that only their contents tell.
	srcStart           int64
	srcFound, tgtFound []found
	aligned            [][]copied
	tgtCompacted       bool
	unknown, append    bool
	forgets            bool
}

// cutAway asks whether a position lies above the end of its leader epoch.
func (c *scan) cutAway(ctx context.Context, source translate.Log, p topic.Partition, s int64, epoch int32) (bool, error) {
	log, ok := source.(translate.Epochs)
	if !ok || epoch < 0 || s > c.srcEnd {
		return false, nil
	}
	ends, err := log.EpochEnd(ctx, []topic.EpochAsk{{Partition: p, Epoch: epoch}})
	if err := errors.Join(err, ends[p].Err); err != nil {
		return false, err
	}
	return ends[p].End >= 0 && s > ends[p].End, nil
}

// readAll reads a log from its start to its end.
func readAll(ctx context.Context, l translate.Log, p topic.Partition, committed bool, each func(batch.Entry)) (topic.Bounds, error) {
	bounds, err := l.Bounds(ctx, []topic.Partition{p})
	if err != nil {
		return topic.Bounds{}, err
	}
	b := bounds[p]
	end := b.End
	if committed {
		end = b.Stable
	}
	for at := b.Start; at < end; {
		chunks, err := l.Fetch(ctx, []batch.Ask{{Partition: p, Offset: at, Committed: committed, Wait: true}})
		if err != nil {
			return b, err
		}
		for e, err := range batch.Visible(&chunks[0]) {
			if err != nil {
				return b, err
			}
			if e.Offset >= end {
				break
			}
			each(e)
		}
		next, err := chunks[0].Next()
		if err != nil {
			return b, err
		}
		if next == at {
			return b, fmt.Errorf("%s: nothing at %d below %d", p, at, end)
		}
		at = next
	}
	return b, nil
}

func (c *scan) readTarget(ctx context.Context, l translate.Log, req *translate.Request, o *translate.Options) error {
	b, err := readAll(ctx, l, req.Target, c.flaw != "uncommitted counted", func(e batch.Entry) {
		if e.Kind == batch.Marker {
			return
		}
		c.tgtFound = append(c.tgtFound, newFound(&e, "x-source-cluster"))
		h, ok, bad := decode(&e.Record, o)
		if bad {
			c.bad = fmt.Sprintf("header at offset %d is no number", e.Offset)
		}
		if !ok {
			return
		}
		c.backs = append(c.backs, e.Offset)
		if e.Kind == batch.Data {
			c.copies = append(c.copies, copied{e.Offset, h})
		}
	})
	c.start, c.stable = b.Start, b.Stable
	return err
}

func (c *scan) readSource(ctx context.Context, l translate.Log, p topic.Partition) error {
	c.hasSource = true
	c.src = map[int64]batch.Kind{}
	b, err := readAll(ctx, l, p, true, func(e batch.Entry) {
		if e.Kind != batch.Marker {
			c.src[e.Offset] = e.Kind
			c.srcOrder = append(c.srcOrder, e.Offset)
			c.srcFound = append(c.srcFound, newFound(&e, ""))
		}
	})
	if err != nil {
		return err
	}
	stable := b.Stable
	b, err = readAll(ctx, l, p, false, func(e batch.Entry) {
		if e.Kind != batch.Marker && e.Offset >= stable {
			c.src[e.Offset] = e.Kind
			c.srcOrder = append(c.srcOrder, e.Offset)
			c.srcFound = append(c.srcFound, newFound(&e, ""))
		}
	})
	c.srcStart = b.Start
	c.srcEnd = b.End
	return err
}

// sameOffsets takes every record for the copy of its own offset.
func (c *scan) sameOffsets() {
	c.copies, c.backs = nil, nil
	for _, one := range c.tgtFound {
		c.backs = append(c.backs, one.offset)
		if one.kind == batch.Data {
			c.copies = append(c.copies, copied{one.offset, one.offset})
		}
	}
}

// backsByContent takes every record that the source has for a copy.
func (c *scan) backsByContent() {
	has := map[string]bool{}
	for _, one := range c.srcFound {
		has[one.what] = true
	}
	for _, one := range c.tgtFound {
		if has[one.what] {
			c.backs = append(c.backs, one.offset)
		}
	}
}

// decode reads the mover's header. The generator's offsets are below 2^24, so
// which end the bytes come from is plain.
func decode(r *batch.Record, o *translate.Options) (h int64, ok, bad bool) {
	for _, h := range r.Headers {
		if h.Key == "trace" || (o.Header != "" && h.Key != o.Header) {
			continue
		}
		if len(h.Value) == 8 && (h.Value[0] == 0 || h.Value[7] == 0) {
			return int64(min(binary.BigEndian.Uint64(h.Value), binary.LittleEndian.Uint64(h.Value))), true, false
		}
		if n, err := strconv.ParseInt(string(h.Value), 10, 64); err == nil && n >= 0 {
			return n, true, false
		}
		bad = h.Key != "x-source-cluster"
	}
	return 0, false, bad
}

func (c *scan) answer(s int64) translate.Result {
	switch {
	case c.hasSource && s > c.srcEnd:
		return no(translate.Refused, translate.ReasonBeyondEnd)
	case c.bad != "":
		r := no(translate.Refused, translate.ReasonBadHeader)
		r.Detail = c.bad
		return r
	case len(c.copies) == 0:
		return no(translate.Refused, translate.ReasonNoEvidence)
	}
	last, highest := c.copies[len(c.copies)-1].h, int64(-1)
	for _, one := range c.copies {
		highest = max(highest, one.h)
	}
	if c.flaw == "highest as copied-through" {
		last = highest
	}
	waits := !c.complete && (highest > last || c.missing(last, s))
	if waits && c.flaw != "hold ignored" {
		return no(translate.Hold, translate.ReasonNotCopied)
	}
	u := c.greatest(s)
	if u < 0 {
		return no(translate.Refused, translate.ReasonNoGoodPosition)
	}
	if n := c.lost(s, highest, u); n > 0 {
		r := no(translate.Refused, translate.ReasonLoss)
		r.Lost = n
		return r
	}
	return c.position(s, c.back(u), waits || highest > last || c.missing(last, s))
}

func no(o translate.Outcome, reason translate.Reason) translate.Result {
	return translate.Result{Outcome: o, Reason: reason, T: -1, Detail: "because"}
}

func (c *scan) missing(last, s int64) bool {
	if !c.hasSource {
		return s > last+1
	}
	aborted := false
	for _, one := range c.copies {
		aborted = aborted || c.src[one.h] == batch.AbortedData
	}
	for _, h := range c.srcOrder {
		if h > last && h < s && (aborted || c.src[h] == batch.Data) {
			return true
		}
	}
	return false
}

// lost counts records that are on the source and not on the target; those
// between copies are taken for superseded.
func (c *scan) lost(s, highest, u int64) int64 {
	present := map[int64]bool{}
	for _, one := range c.copies {
		present[one.h] = true
	}
	if !c.hasSource {
		for _, one := range c.copies {
			if one.offset < u && one.h < s || one.h == s {
				return 0
			}
		}
		return 1
	}
	n := int64(0)
	for _, h := range c.srcOrder {
		if h >= s && h <= highest && c.src[h] == batch.Data && !present[h] {
			n++
		}
	}
	return n
}

// greatest goes down from the end and stops at the first copy before which it
// would be wrong to begin.
func (c *scan) greatest(s int64) int64 {
	last := map[int64]int{} // h -> index of the last copy
	for i, one := range c.copies {
		last[one.h] = i
	}
	var need []int64
	for h := range last {
		if h >= s {
			need = append(need, h)
		}
	}
	if len(need) == 0 {
		return c.stable
	}
	slices.Sort(need)
	if c.flaw == "last h < S" {
		for _, one := range slices.Backward(c.copies) {
			if one.h < s {
				return one.offset + 1
			}
		}
		return c.start
	}
	for i, one := range slices.Backward(c.copies) {
		if c.flaw == "first pass only" {
			if i > 0 && c.copies[i-1].h >= s {
				continue
			}
			return one.offset
		}
		if c.inOrder(i, need) {
			return one.offset
		}
	}
	return -1
}

func (c *scan) inOrder(from int, need []int64) bool {
	seen := map[int64]bool{}
	var firsts []int64
	for _, one := range c.copies[from:] {
		if one.h >= need[0] && !seen[one.h] {
			seen[one.h] = true
			firsts = append(firsts, one.h)
		}
	}
	if c.flaw != "gap ignored" && len(firsts) != len(need) {
		return false
	}
	return c.flaw == "order ignored" || slices.IsSorted(firsts)
}

func (c *scan) back(u int64) int64 {
	t := c.start
	for _, b := range c.backs {
		if b < u {
			t = b + 1
		}
	}
	if c.flaw == "off by one" && t < c.stable {
		t++
	}
	return t
}

func (c *scan) position(s, t int64, onWord bool) translate.Result {
	r := translate.Result{T: t, Outcome: translate.AtEnd, CopyComplete: onWord && c.complete, Proof: translate.Proof{Known: translate.KnownRead}}
	met := map[int64]bool{}
	for _, one := range c.copies {
		if one.h >= s && r.Outcome == translate.AtEnd {
			r.Outcome = translate.Exact
		}
		if one.offset < t {
			continue
		}
		if one.h < s || met[one.h] {
			r.Repeats++
		}
		met[one.h] = true
	}
	switch {
	case r.Repeats > 0:
		r.Outcome = translate.Repeats
	case !c.hasSource && r.Outcome == translate.Exact:
		r.Outcome = translate.ExactUnproven
	}
	if !c.hasSource {
		r.Unproven = []string{"gaps"}
	}
	return r
}
