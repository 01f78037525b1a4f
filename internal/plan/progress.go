package plan

import (
	"fmt"
	"time"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// track is one pair of partitions that is or was waited for.
type track struct {
	source, target topic.Partition
	start          int64 // of the source's log
	copied, wanted int64
	held           bool
	result         *translate.Result // of the last look that could read it
	unread         string            // why the last one could not

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

// readable forgets what could not be read before.
func (w *waiter) readable() {
	for _, t := range w.tracks {
		t.unread = ""
	}
}

// note takes the results of all held items into the tracks.
func (w *waiter) note() {
	now := w.in.Now()
	for _, t := range w.tracks {
		t.held = false
	}
	seen := map[*track]bool{}
	for _, its := range w.held {
		for _, it := range its {
			t := w.tracks[it.pair()]
			if t == nil {
				t = &track{source: it.source, target: it.target, high: -1, stable: -1}
				w.tracks[it.pair()] = t
			}
			t.held = true
			t.want(it.result, !seen[t])
			seen[t] = true
		}
	}
	for _, t := range w.tracks {
		t.step(now)
	}
	sums := map[[2]string]int64{}
	for _, t := range w.tracks {
		sums[t.topics()] += t.copied - t.start
	}
	for k, sum := range sums {
		all := append(w.topics[k], sample{now, sum})
		w.topics[k] = all[max(0, len(all)-rateLooks-1):]
	}
}

func (t *track) topics() [2]string { return [2]string{t.target.Topic, t.source.Topic} }

// want adds one held position; first is the first one of this look.
func (t *track) want(r *translate.Result, first bool) {
	goal := max(r.S, r.Reached)
	if first {
		t.wanted = goal
	}
	t.wanted = max(t.wanted, goal)
	t.result = r
}

// step compares with the look before.
func (t *track) step(now time.Time) {
	if !t.held {
		t.copied, t.unread = t.wanted, ""
		return
	}
	r, before := t.result, t.copied
	t.start = max(0, r.SourceBounds.Start)
	t.copied = min(max(r.CopiedThrough, t.start), t.wanted)
	if r.TargetBounds.Stable != t.stable {
		t.stable, t.stableSince = r.TargetBounds.Stable, now
	}
	switch {
	case t.copied > t.high:
		t.high, t.since, t.looks, t.end, t.fell = t.copied, now, 0, r.TargetBounds.End, 0
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
			out = append(out, TopicProgress{Topic: t.target.Topic, Source: t.source.Topic})
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
		case t.looks < w.o.Patience:
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
