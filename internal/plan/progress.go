package plan

import (
	"fmt"
	"time"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// measure is what one held item says of one source partition.
type measure struct {
	// key is the same for all items that wait for the same copies.
	key            [2]topic.Partition
	target         topic.Partition
	start          int64 // of the source's log
	copied, wanted int64
	joined         bool
	result         *translate.Result
}

// measures are one for each source partition of an item.
func (it *item) measures() []measure {
	r := it.result
	start := max(0, r.SourceBounds.Start)
	if !it.joined {
		return []measure{{
			key: [2]topic.Partition{it.source, it.target}, target: it.target, start: start,
			copied: r.CopiedThrough, wanted: max(r.S, r.Reached), result: r,
		}}
	}
	// What is copied of a source partition is counted over all target
	// partitions together.
	var out []measure
	for _, f := range it.feeds {
		if f.Source != nil {
			source := topic.Partition{Topic: it.source.Topic, Partition: f.Partition}
			out = append(out, measure{
				key: [2]topic.Partition{source, {Topic: it.target.Topic, Partition: -1}}, target: it.target, start: start,
				copied: f.CopiedThrough, wanted: f.Source.Offset, joined: true, result: r,
			})
		}
	}
	return out
}

// track is one pair of partitions that is or was waited for.
type track struct {
	measure
	held   bool
	unread string // why the last look could not read it

	// high is the farthest that the copy has come, since and looks how long it
	// has not come farther, end the target's end then, fell how often it went
	// back since.
	high  int64
	since time.Time
	looks int
	end   int64
	fell  int
	// stable is the last stable offset of the target, and since when.
	stable      int64
	stableSince time.Time
}

// sample is how far a topic was at one look.
type sample struct {
	at     time.Time
	copied int64
}

// rateLooks is over how many looks a rate is taken.
const rateLooks = 6

// note takes the results of all held items into the tracks.
func (w *waiter) note() {
	now := w.in.Now()
	before := map[*track]int64{}
	for _, t := range w.tracks {
		before[t], t.held = t.copied, false
	}
	for _, its := range w.held {
		for _, it := range its {
			for _, m := range it.measures() {
				w.measured(&m)
			}
		}
	}
	sums := map[[2]string]int64{}
	for _, t := range w.tracks {
		t.step(now, before[t])
		sums[t.topics()] += t.copied - t.start
	}
	for k, sum := range sums {
		w.topics[k] = append(w.topics[k], sample{now, sum})
		w.topics[k] = w.topics[k][max(0, len(w.topics[k])-rateLooks-1):]
	}
}

// measured takes one in: of those of one look the farthest position counts.
func (w *waiter) measured(m *measure) {
	t := w.tracks[m.key]
	if t == nil {
		t = &track{high: -1, stable: -1}
		w.tracks[m.key] = t
	}
	if t.held {
		m.wanted = max(m.wanted, t.wanted)
		if topic.Compare(t.target, m.target) < 0 {
			m.target, m.result = t.target, t.result
		}
	}
	t.measure, t.held = *m, true
}

func (t *track) topics() [2]string { return [2]string{t.target.Topic, t.key[0].Topic} }

// tracked reports whether something of the item's topics was waited for.
func (w *waiter) tracked(it *item) bool {
	for _, t := range w.tracks {
		if t.topics() == [2]string{it.target.Topic, it.source.Topic} {
			return true
		}
	}
	return false
}

// unread notes why an item could not be read.
func (w *waiter) unread(it *item, why string) {
	for _, m := range it.measures() {
		if t := w.tracks[m.key]; t != nil {
			t.unread = why
		}
	}
}

// readable forgets what could not be read before.
func (w *waiter) readable() {
	for _, t := range w.tracks {
		t.unread = ""
	}
}

// step compares with the look before.
func (t *track) step(now time.Time, before int64) {
	if !t.held {
		t.copied, t.unread = t.wanted, ""
		return
	}
	b := t.result.TargetBounds
	t.copied = min(max(t.copied, t.start), t.wanted)
	if b.Stable != t.stable {
		t.stable, t.stableSince = b.Stable, now
	}
	switch {
	case t.copied > t.high:
		t.high, t.since, t.looks, t.end, t.fell = t.copied, now, 0, b.End, 0
		return
	case t.copied < before:
		t.fell++
	}
	t.looks++
}

// progress sums the tracks up per pair of topics.
func (w *waiter) progress() []TopicProgress {
	var out []TopicProgress
	at := map[[2]string]int{}
	for _, t := range w.sortedTracks() {
		n, ok := at[t.topics()]
		if !ok {
			n = len(out)
			at[t.topics()] = n
			out = append(out, TopicProgress{Topic: t.target.Topic, Source: t.key[0].Topic})
		}
		p := &out[n]
		p.Copied += t.copied - t.start
		p.Wanted += t.wanted - t.start
		if t.held {
			p.Held++
		}
	}
	for i := range out {
		p := &out[i]
		p.Rate, p.Left = rate(w.topics[[2]string{p.Topic, p.Source}]), -1
		if p.Rate > 0 {
			p.Left = time.Duration(float64(p.Wanted-p.Copied) / p.Rate * float64(time.Second))
		}
	}
	return out
}

// rate is the records per second between the first and the last sample; -1
// while there is only one. A copy that went back has rate 0.
func rate(s []sample) float64 {
	if len(s) < 2 {
		return -1
	}
	first, last := s[0], s[len(s)-1]
	took := last.at.Sub(first.at).Seconds()
	if took <= 0 {
		return -1
	}
	return max(0, float64(last.copied-first.copied)/took)
}

// troubles names what may keep the wait from ending.
func (w *waiter) troubles() []Trouble {
	var out []Trouble
	for _, t := range w.sortedTracks() {
		if !t.held {
			continue
		}
		tr := Trouble{Partition: t.target, Since: t.since, Copied: t.copied, Wanted: t.wanted}
		switch {
		case t.unread != "":
			tr.Kind, tr.Detail = Unreachable, t.unread
		case t.result.Reason == translate.ReasonOpenTransaction:
			tr.Kind, tr.Since, tr.Detail = OpenTransaction, t.stableSince, t.result.Hint
		case t.looks < w.o.Patience, t.joined && t.copied >= t.wanted:
			continue
		case t.fell > 0 || t.result.Reason == translate.ReasonPassRunning:
			tr.Kind, tr.Detail = PassNeverEnds, t.goesRound()
		default:
			tr.Kind, tr.Detail = StandsStill, t.standsStill(w.moves(t))
		}
		out = append(out, tr)
	}
	return out
}

// moves reports whether another partition of the same topics has gone on.
func (w *waiter) moves(t *track) bool {
	for _, o := range w.tracks {
		if o != t && o.held && o.topics() == t.topics() && o.looks < w.o.Patience {
			return true
		}
	}
	return false
}

func (t *track) grown() int64 { return t.result.TargetBounds.End - t.end }

func (t *track) goesRound() string {
	text := fmt.Sprintf("the mover went back and has not come above source offset %d since; it is at %d of %d", t.high, t.copied, t.wanted)
	switch n := t.grown(); {
	case n <= 0:
		return text + ", and writes nothing: the pass has stopped short. Start the mover again, or say with --copy-complete that it has ended"
	case t.fell > 0:
		return fmt.Sprintf("%s, went back again %d times and wrote %d offsets meanwhile: it goes round. Look why it begins anew", text, t.fell, n)
	default:
		return fmt.Sprintf("%s, and wrote %d offsets meanwhile that bring it no further", text, n)
	}
}

func (t *track) standsStill(others bool) string {
	text := fmt.Sprintf("nothing was copied over %d looks: it is at source offset %d of %d", t.looks, t.copied, t.wanted)
	if n := t.grown(); n > 0 {
		text += fmt.Sprintf(", although the target has grown by %d offsets", n)
	}
	if t.result.Detail != "" {
		text += " (" + t.result.Detail + ")"
	}
	if others {
		return text + ". Other partitions go on: look at the mover's task for this one"
	}
	return text + ". Look whether the mover runs; if it has ended, say so with --copy-complete"
}
