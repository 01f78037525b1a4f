package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/translate"
)

// payloadShown is how many bytes of a key or value are shown.
const payloadShown = 200

// explain writes the proof of every position: the records either side of S on
// the source and of T on the target, and how it is known that nothing after T
// is missing or comes twice.
func (v planView) explain(p *plan.Plan) error {
	v.back = p.Kind == plan.Back
	for _, t := range p.Topics {
		if text := leftOutText(&t); text != "" {
			v.linef("%s: fingerprints leave out %s", clean(t.Target), text)
		}
	}
	if len(p.Topics) > 0 {
		v.linef("")
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		for j := range g.Positions {
			if err := v.explainOne(g, &g.Positions[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

// leftOutText says which headers the fingerprints of a topic leave out.
func leftOutText(t *plan.Topic) string {
	switch {
	case t.Evidence == "", !t.NoHeaders && len(t.OwnHeaders) == 0:
		return ""
	case t.NoHeaders:
		return "all headers"
	case t.Evidence == translate.KindHeader:
		return clean(strings.Join(t.OwnHeaders, ", "))
	}
	return "the headers of all known movers (own_headers in the plan has their names)"
}

func (v planView) explainOne(g *plan.Group, q *plan.Position) error {
	title := fmt.Sprintf("%s %s: ", clean(g.Name), clean(q.Target().String()))
	v.linef("%s%s", v.paint.bold(title), explainStep(q))
	if q.Proof == nil || q.After == nil {
		v.linef("  no records are shown either side: there is no position to prove")
		if q.Detail != "" {
			v.linef("  %s: %s", reasonText(q), clean(q.Detail))
		}
		v.onlyThere(q)
		v.linef("")
		return nil
	}
	columns := []string{"  LOG", "RECORD", "OFFSET>", "SOURCE-OFFSET>", "TIME", "FINGERPRINT"}
	if v.payload {
		columns = append(columns, "KEY", "VALUE")
	}
	t := newTable(v.paint, columns...)
	pr := q.Proof
	if q.Joined {
		v.seenRow(t, "  source", "copied before", pr.SourceBefore)
		v.seenRow(t, "  source", "copied at", pr.SourceAt)
	} else {
		v.seenRow(t, "  source", "before "+offsetOf(q.Source), pr.SourceBefore)
		v.seenRow(t, "  source", "at "+offsetOf(q.Source), pr.SourceAt)
	}
	v.seenRow(t, "  target", "before "+offsetOf(q.After), pr.TargetBefore)
	v.seenRow(t, "  target", "at "+offsetOf(q.After), pr.TargetAt)
	if err := t.write(v.w); err != nil {
		return err
	}
	v.explainRest(q)
	return nil
}

// explainRest says in words what the records do not show.
func (v planView) explainRest(q *plan.Position) {
	pr := q.Proof
	v.fedBy(q)
	for _, m := range pr.Missing {
		v.linef("  %s", clean(m))
	}
	if b := pr.Bracket; b != nil {
		v.linef("  MirrorMaker 2 noted %s, and %s; the records between were compared",
			syncText("below", b.SourceLow, b.TargetLow), syncText("above", b.SourceHigh, b.TargetHigh))
	}
	if q.MirrorMaker != nil {
		v.linef("  %s", clean(checkpointText(q.MirrorMaker)))
	}
	if v.back {
		v.linef("  %s", backText(q))
	} else {
		v.linef("  %s", knownText(q))
	}
	v.onlyThere(q)
	if q.Detail != "" {
		v.linef("  %s: %s", reasonText(q), clean(q.Detail))
	}
	for _, u := range q.Unproven {
		v.linef("  unproven: %s", clean(u))
	}
	for _, n := range q.Notes {
		v.linef("  note: %s", clean(n))
	}
	v.linef("")
}

// syncText is one end of a bracket.
func syncText(where string, source, target int64) string {
	if source < 0 {
		return "nothing " + where
	}
	return fmt.Sprintf("source offset %d as target offset %d %s", source, target, where)
}

// reasonText is the reason of a position, or its outcome.
func reasonText(q *plan.Position) string {
	if q.Reason != "" {
		return clean(string(q.Reason))
	}
	return string(q.Outcome)
}

// fedBy says what each source partition has to do with the position.
func (v planView) fedBy(q *plan.Position) {
	for _, f := range q.FedBy {
		switch {
		case len(f.Over) == 0:
			v.linef("  source partition %d: position %s, nothing of it is on the target", f.Partition, offsetOf(f.Source))
		case f.Alone < 0:
			v.linef("  source partition %d: position %s, on %s", f.Partition, offsetOf(f.Source), targetPartitions(f.Over))
		default:
			v.linef("  source partition %d: position %s, on %s; by itself it would be at %d here", f.Partition, offsetOf(f.Source), targetPartitions(f.Over), f.Alone)
		}
	}
}

func targetPartitions(ps []int32) string {
	word := "target partition "
	if len(ps) > 1 {
		word = "target partitions "
	}
	return word + partitionsText(ps)
}

func explainStep(q *plan.Position) string {
	if q.Action == plan.Delete {
		return offsetOf(q.Before) + " is deleted"
	}
	if q.After == nil {
		return fromText(q) + " stays untranslated, " + string(q.Outcome)
	}
	return fromText(q) + " → " + offsetOf(q.After) + ", " + string(q.Outcome)
}

func (v planView) seenRow(t *table, log, where string, s *translate.Seen) {
	if s == nil {
		t.row(log, where, "-", "-", "none", "-")
		return
	}
	source := "-"
	if s.SourceOffset >= 0 && strings.HasSuffix(log, "target") {
		source = strconv.FormatInt(s.SourceOffset, 10)
		if s.SourcePartition != nil {
			source = fmt.Sprintf("%d:%d", *s.SourcePartition, s.SourceOffset)
		}
	} else if s.SourcePartition != nil {
		where = fmt.Sprintf("%s, partition %d", where, *s.SourcePartition)
	}
	row := []string{
		log, where, strconv.FormatInt(s.Offset, 10), source,
		time.UnixMilli(s.Timestamp).UTC().Format("2006-01-02T15:04:05.000Z"), shortFingerprint(s.Fingerprint),
	}
	if v.payload {
		row = append(row, payloadText(s.Key), payloadText(s.Value))
	}
	t.row(row...)
}

func shortFingerprint(s string) string {
	const shown = 16
	if len(s) > shown {
		return s[:shown]
	}
	return orDash(s)
}

// payloadText shows a key or value: text as text, anything else in
// hexadecimal, cut after a number of bytes.
func payloadText(b []byte) string {
	if b == nil {
		return "-"
	}
	text, more := utf8.Valid(b), ""
	if len(b) > payloadShown {
		cut := payloadShown
		for text && !utf8.RuneStart(b[cut]) {
			cut--
		}
		b, more = b[:cut], "…"
	}
	if text {
		return string(b) + more
	}
	return fmt.Sprintf("0x%x%s", b, more)
}

// knownText says how a gap and a repetition after T were excluded.
func knownText(q *plan.Position) string {
	pr := q.Proof
	switch pr.Known {
	case translate.KnownSameLog:
		return "source and target are the same log"
	case translate.KnownCounted:
		return fmt.Sprintf("nothing after it is missing or twice: counted, %d offsets of the target for %d of the source, and every probe in step", pr.Slots, pr.Offsets)
	case translate.KnownRead:
		return fmt.Sprintf("what comes after it was read: %d records of the target, %d of the source", pr.ReadTarget, pr.ReadSource)
	case translate.KnownLeftOut:
		return "what comes after it was not looked at (--quick)"
	case translate.KnownNothing:
	}
	return "nothing is known of what comes after it"
}
