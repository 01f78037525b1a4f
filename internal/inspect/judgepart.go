package inspect

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// hangs is the age from which an open transaction is said to hang: the broker
// ends one of a living producer after transaction.max.timeout.ms, 15 minutes by
// default.
const hangs = 15 * time.Minute

// judgeOpen names the transactions that keep a partition from being decided.
func (l *look) judgeOpen(p *part) {
	var detail strings.Builder
	fmt.Fprintf(&detail, "a transaction is open from offset %d on: what stands from there to the end, %d, is not decided", p.bounds.Stable, p.bounds.End)
	hint := "look again; when it stays, the transaction hangs and has to be ended on the cluster (kafka-transactions.sh find-hanging shows it)"
	for _, x := range l.open[p.Partition].Open {
		fmt.Fprintf(&detail, "; producer %d since offset %d", x.ProducerID, x.Start)
		if x.LastTimestamp < 0 {
			continue
		}
		age := l.now.Sub(time.UnixMilli(x.LastTimestamp)).Round(time.Second)
		fmt.Fprintf(&detail, ", silent for %s", age)
		if age >= hangs {
			hint = fmt.Sprintf("it hangs: end it with kafka-transactions.sh --bootstrap-server … abort --topic %s --partition %d --start-offset %d", p.Topic, p.Partition.Partition, x.Start)
		}
	}
	l.say(Warning, ReasonOpenTransaction, p.Partition.Partition, detail.String(), hint)
}

// judgePartition says what else is in a partition.
func (l *look) judgePartition(p *part) {
	n, t := p.Partition.Partition, p.tally
	if p.err != nil {
		l.say(Obstacle, ReasonUnreadable, n, fmt.Sprintf("the partition cannot be read: %v", p.err), unreadableHint(p.err))
		return
	}
	if t.bad > 0 && !slices.ContainsFunc(l.rec.findings, func(f Finding) bool { return f.Reason == ReasonBadHeader || f.Reason == ReasonMixedEncodings }) {
		l.say(Obstacle, ReasonBadHeader, n, fmt.Sprintf("%s: the first at offset %d", l.number(t.bad, "header that is no source offset", "headers that are no source offsets"), t.firstBad), "name header and encoding with -H NAME:ENCODING, or copy again into an empty topic")
	}
	if t.dec != nil && t.natives > 0 {
		l.say(Warning, ReasonNative, n, fmt.Sprintf("%s, the first at offset %d: records of the target itself, or of a mover that leaves no header", l.number(t.natives, "record is no copy", "records are no copies"), t.firstNative),
			"consumers meet them, positions do not count them; stop what writes there until the groups have moved")
	}
	if t.aborted > 0 {
		l.say(Note, ReasonAborted, n, l.number(t.aborted, "record is of an aborted transaction", "records are of aborted transactions")+": a read_uncommitted consumer meets them", "")
	}
	if p.bounds.Stable < p.bounds.End {
		l.judgeOpen(p)
	}
	unnamed := slices.ContainsFunc(t.sorted(), func(x *track) bool { return x.from.Partition < 0 && x.copies > 0 })
	if unnamed && t.dec != nil && t.dec.partition != "" {
		l.say(Obstacle, ReasonBadHeader, n, "some copies lack the header "+t.dec.header.Partition+" with their source partition", "two versions of the mover may have written here: copy again into an empty topic")
	}
	if t.tooMany {
		l.say(Obstacle, ReasonMerged, n, fmt.Sprintf("the headers name more than %d source partitions", mostTracks), "the header with the partition may be something else")
	}
}

func unreadableHint(err error) string {
	if errors.Is(err, errCut) {
		return "it was cut back while it was read: look again"
	}
	return "check the right to read it, and that its leader is there"
}

// number counts what was seen, in words that say whether it is all.
func (l *look) number(n int64, one, many string) string {
	noun := many
	if n == 1 {
		noun = one
	}
	if l.out.Full {
		return fmt.Sprintf("%d %s", n, noun)
	}
	return fmt.Sprintf("at least %d %s", n, noun)
}

// judgeTrack says what happened to the copies of one source partition.
func (l *look) judgeTrack(p *part, t *track) {
	n := p.Partition.Partition
	of := ""
	if t.from.Partition >= 0 && l.out.Mapping != OneToOne {
		of = fmt.Sprintf(" of source partition %d", t.from.Partition)
	}
	switch {
	case t.copies > 0 && t.running():
		l.say(Obstacle, ReasonPassRunning, n,
			fmt.Sprintf("the mover went back to source offset %d%s and is at %d, with copies up to %d before: a pass is running", t.backTo, of, t.last, t.highest),
			"wait until it has come back to where it was, or say --copy-complete when it has ended")
	case t.passes > 1:
		detail := fmt.Sprintf("the mover went back%s, at least once to source offset %d: %d passes", of, t.backTo, t.passes)
		if !l.out.Full || t.copies < 0 {
			detail = fmt.Sprintf("the mover went back%s, as far as source offset %d: at least %d passes", of, t.backTo, t.passes)
		}
		if t.repeats > 0 {
			detail += fmt.Sprintf(", %d records twice", t.repeats)
		}
		l.say(Warning, ReasonPasses, n, detail, "positions there may repeat records; a plan counts them for each")
	}
	if t.fragmented {
		l.say(Warning, ReasonFragmented, n, "too many stretches to count repeats and holes within the memory limit", "inspect fewer partitions at once (--partition)")
	}
	if t.holes > 0 && !l.splitOrigins()[t.from] && !slices.ContainsFunc(l.missing, func(g gap) bool { return g.part == n }) {
		detail := fmt.Sprintf("%d source offsets%s have no copy", t.holes, of)
		hint := "transaction markers, aborted records, compaction and filters make holes; --from shows whether the source has records there"
		if l.source != nil {
			detail += "; where that was looked up, the source has no record either"
			hint = "transaction markers, aborted records and compaction make holes"
		}
		l.say(Note, ReasonHoles, n, detail, hint)
	}
}

// judgeMissing says that the source has records in holes of the target.
func (l *look) judgeMissing() {
	said := map[int32]bool{}
	for _, g := range l.missing {
		if said[g.part] {
			continue
		}
		said[g.part] = true
		severity, hint := Obstacle, "the mover left it out or its copy is gone: a group that has yet to read it would miss it (--accept-loss)"
		if l.out.Config.Compacted {
			severity, hint = Note, "the topic is compacted: a later record of the same key may have taken its place; a plan looks"
		}
		l.say(severity, ReasonMissing, g.part, fmt.Sprintf("source offset %d of %s/%d has a record and no copy", g.offset, l.source.Name, g.number), hint)
	}
}
