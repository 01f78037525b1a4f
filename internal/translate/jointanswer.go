package translate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/topic"
)

// answer gives every group its positions.
func (t *joint) answer(ctx context.Context) error {
	t.out = make([]map[int32]*Result, len(t.req.Positions))
	for i := range t.out {
		t.out[i] = map[int32]*Result{}
	}
	for _, s := range t.sinks {
		for i, at := range t.req.Positions {
			t.out[i][s.side.part.Partition] = t.one(s, at)
		}
	}
	return t.show(ctx)
}

// one answers for one group on one target partition, but for the proof.
func (t *joint) one(s *sink, at map[int32]At) *Result {
	r := &Result{
		Source: topic.Partition{Topic: t.req.SourceTopic.Name, Partition: -1}, Target: s.side.part, S: -1, T: -1,
		CopiedThrough: -1, LagBefore: -1, LagAfter: -1, TargetBounds: s.side.bounds, Evidence: KindHeader,
		SourceBounds: topic.Bounds{Start: -1, End: -1, Stable: -1, Epoch: -1},
	}
	if t.ev != nil {
		r.Detected, r.Marks = t.ev.detected(), t.ev.marks()
	} else {
		r.Detected, r.Marks = "the target topic is empty", Marks{Own: []string{}}
	}
	r.Feeds = t.feeds(s, at)
	r.lag(t, at)
	if t.refusal(r, s, at) || t.held(r, s, at) {
		return r
	}
	to, repeats, none, ok := s.combine(at)
	if !ok {
		r.refuse(ReasonNoGoodPosition,
			fmt.Sprintf("from no offset of %s are all records at or above the positions on the source partitions %s met in order: they were copied in passes that do not fit together", s.side.part, list(feeding(r.Feeds))),
			"make a fresh copy, or stop the consumers and let them read all again")
		return r
	}
	r.T, r.Outcome, r.Repeats = to, Exact, repeats
	r.LagAfter = max(0, s.side.bounds.End-to)
	r.Proof.Known, r.Proof.ReadTarget = KnownRead, s.read
	if none {
		r.Outcome = AtEnd
	}
	if repeats > 0 {
		r.Outcome = Repeats
		r.Detail = fmt.Sprintf("%s holds records of the source partitions %s, and the group is not equally far on them: %s met again", s.side.part, list(feeding(r.Feeds)), counted(repeats, " that it has read"))
		if len(feeding(r.Feeds)) == 1 {
			r.Detail = fmt.Sprintf("the copy was made in more than one pass: %s met again", counted(repeats, ""))
		}
		r.Hint = "--accept-repeats lets it through; into as many partitions as the source has, a copy would be exact"
	}
	t.caveats(r, s, at)
	t.lost(r, s, at)
	return r
}

// feeds lists the source partitions with records on s. Those with records
// nowhere are listed with the first target partition: the positions rest on
// there being nothing to copy.
func (t *joint) feeds(s *sink, at map[int32]At) []Feed {
	var out []Feed
	for _, p := range t.order {
		f, fl := t.feeders[p], s.flows[p]
		if fl == nil && (len(f.over) > 0 || s != t.sinks[0]) {
			continue
		}
		feed := Feed{Partition: p, S: -1, T: -1, CopiedThrough: f.copiedThrough(), Over: f.over}
		if a, ok := at[p]; ok {
			feed.S = a.Offset
			if cut, _ := slices.BinarySearch(f.cuts, a.Offset); fl != nil && !s.fell {
				feed.T = s.alone(fl, cut)
			}
		}
		out = append(out, feed)
	}
	return out
}

// feeding are the source partitions that have records there.
func feeding(feeds []Feed) []int32 {
	var out []int32
	for i := range feeds {
		if len(feeds[i].Over) > 0 {
			out = append(out, feeds[i].Partition)
		}
	}
	return out
}

func number(n int64) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}

// counted is a number of records, what they are, and a verb for as many.
func counted(n int64, what string) string {
	if n == 1 {
		return number(n) + what + " is"
	}
	return number(n) + what + " are"
}

func list(ps []int32) string {
	words := make([]string, len(ps))
	for i, p := range ps {
		words[i] = strconv.Itoa(int(p))
	}
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return strings.Join(words, "")
}

// lag sums up what the group has yet to read on the source, where each source
// partition is on one target partition only.
func (r *Result) lag(t *joint, at map[int32]At) {
	sum := int64(0)
	for i := range r.Feeds {
		a, ok := at[r.Feeds[i].Partition]
		if !ok || len(r.Feeds[i].Over) > 1 {
			return
		}
		b := &t.feeders[r.Feeds[i].Partition].side.bounds
		sum += max(0, b.End-max(a.Offset, b.Start))
	}
	if len(r.Feeds) == 1 {
		r.CopiedThrough = r.Feeds[0].CopiedThrough
	}
	r.LagBefore = sum
}

func (r *Result) refuse(why Reason, detail, hint string) {
	r.Outcome, r.Reason, r.Detail, r.Hint = Refused, why, detail, hint
}

// concerns reports whether s may hold, or get, records of f.
func (t *joint) concerns(s *sink, f *feeder) bool {
	return len(f.over) == 0 || s.flows[f.side.part.Partition] != nil
}

// refusal refuses for what one of the source partitions is.
func (t *joint) refusal(r *Result, s *sink, at map[int32]At) bool {
	for _, p := range t.order {
		f := t.feeders[p]
		a, has := at[p]
		if !t.concerns(s, f) {
			continue
		}
		switch {
		case !has && len(f.over) == 0:
			// Nothing of it is there, and the group has nothing to resume at.
		case !has:
			r.refuse(ReasonSourceUnset,
				fmt.Sprintf("%s holds records of source partition %d, on which the group has no position: it would read them from wherever its other records stand", s.side.part, p),
				fmt.Sprintf("commit a position on %s for the group on the source (at its end or its start, as its application would begin there) or select that partition too, and plan again", f.side.part))
		case f.top >= f.side.bounds.End:
			r.refuse(ReasonIncarnation,
				fmt.Sprintf("the target holds a copy of offset %d of source partition %d, which ends at %d", f.top, p, f.side.bounds.End),
				"the copy is of an earlier incarnation of the source topic, or of another topic")
		case f.differs != nil:
			r.refuse(ReasonIncarnation, fmt.Sprintf("source partition %d: %s", p, f.differs),
				otherContent)
		}
		if k := slices.IndexFunc(f.solver.asks, func(x *ask) bool { return x.s == a.Offset && x.epo == a.Epoch }); has && r.Outcome == "" && k >= 0 {
			if x := &f.solver.asks[k].res; x.Outcome == Refused {
				r.refuse(x.Reason, x.Detail, x.Hint)
			} else {
				r.Notes = append(r.Notes, x.Notes...)
			}
		}
		if r.Outcome != "" {
			return true
		}
	}
	return false
}

// held holds while a source partition is not copied as far as the group has
// read it. As it is not known on which target partition the rest will be, that
// holds all of them.
func (t *joint) held(r *Result, s *sink, at map[int32]At) bool {
	hold := func(why Reason, detail, hint string) bool {
		r.Outcome, r.Reason, r.Detail, r.Hint = Hold, why, detail, hint
		return true
	}
	for _, p := range t.order {
		f, fl := t.feeders[p], s.flows[p]
		a, has := at[p]
		if !has {
			continue
		}
		if f.running != "" && (fl != nil || len(f.over) > 1) {
			note := f.running
			if !t.opt.CopyComplete {
				r.waitsFor(f, a.Offset)
				r.Reached = f.top + 1
				return hold(ReasonPassRunning, note, "wait until the pass has come back; if the mover has ended, say so with --copy-complete")
			}
			r.CopyComplete = true
			r.Notes = append(r.Notes, "on the word of --copy-complete: "+note)
		}
		why := f.incomplete(a.Offset)
		if why == "" {
			continue
		}
		note := fmt.Sprintf("source partition %d: copied through %d of %d: %s", p, max(f.missing, 0), a.Offset, why)
		if f.missing < 0 {
			note = fmt.Sprintf("source partition %d: %s", p, why)
		}
		if t.opt.CopyComplete {
			r.CopyComplete = true
			r.Notes = append(r.Notes, "on the word of --copy-complete: "+note)
			continue
		}
		r.waitsFor(f, a.Offset)
		if open := t.openOn(); open != "" {
			return hold(ReasonOpenTransaction, note, "transactions are open on "+open+"; wait until they end, or end a hanging one with kafka-transactions --abort")
		}
		return hold(ReasonNotCopied, note, "wait until the mover has copied them; if it has ended, say so with --copy-complete")
	}
	return false
}

// waitsFor names the source partition that a position is held for, and how far
// its copy is.
func (r *Result) waitsFor(f *feeder, s int64) {
	r.S, r.CopiedThrough, r.SourceBounds = s, f.copiedThrough(), f.side.bounds
	if r.CopiedThrough > s {
		r.CopiedThrough = s
	}
}

// openOn names a target partition with open transactions.
func (t *joint) openOn() string {
	for _, s := range t.sinks {
		if s.side.limit < s.side.bounds.End {
			return s.side.part.String()
		}
	}
	return ""
}

// caveats says what is not proven and what is worth knowing.
func (t *joint) caveats(r *Result, s *sink, at map[int32]At) {
	doubt := func(format string, args ...any) {
		if r.Outcome == Exact || r.Outcome == AtEnd {
			r.Outcome = ExactUnproven
		}
		r.Unproven = append(r.Unproven, fmt.Sprintf(format, args...))
	}
	if s.lastAborted >= r.T {
		r.Notes = append(r.Notes, "the target has aborted copies: exact for read_committed consumers; a read_uncommitted one meets them too")
	}
	if t.opt.Quick {
		doubt("whether records of the source are missing on the target was not looked at (--quick)")
	}
	if t.req.SourceTopic.ID.IsZero() {
		doubt("the source gives no topic ID: that the topic was not deleted and created again since the commit")
	}
	for _, p := range feeding(r.Feeds) {
		f := t.feeders[p]
		a, ok := at[p]
		if !ok {
			continue
		}
		r.Proof.ReadSource += f.read
		cut, _ := slices.BinarySearch(f.cuts, a.Offset)
		switch n := f.late[cut]; {
		case f.unknown:
			doubt("whether records of source partition %d are missing on the target could not be judged within the memory that may be used", p)
		case n > 0:
			doubt("%s of source partition %d at or above %d: on no target partition, while %d is on one: still on the way, or lost", number(n), p, a.Offset, f.top)
		}
	}
}

// lost refuses for records at or above a position that are on no target
// partition, though all have passed them. It is said on the first one that holds
// records of that source partition.
func (t *joint) lost(r *Result, s *sink, at map[int32]At) {
	if t.opt.Quick {
		return
	}
	for i := range r.Feeds {
		p := r.Feeds[i].Partition
		f := t.feeders[p]
		a, ok := at[p]
		if !ok || len(f.over) > 0 && f.over[0] != s.side.part.Partition {
			continue
		}
		cut, _ := slices.BinarySearch(f.cuts, a.Offset)
		n := f.gaps[cut] + f.goneFrom(a.Offset)
		if n == 0 {
			continue
		}
		r.Lost += n
		r.refuse(ReasonLoss,
			fmt.Sprintf("source partition %d: %s at or above %d would be skipped: on no partition of topic %s any more, or never copied", p, number(n), a.Offset, t.req.TargetTopic.Name),
			"copy them again, or accept that with --accept-loss")
	}
}
