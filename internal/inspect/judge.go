package inspect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/translate"
)

// judge turns what was found into findings: what stands in the way first.
func (w *work) judge(l *look) {
	l.out.Findings = append(l.out.Findings, l.rec.findings...)
	w.judgeMirror(l)
	w.judgeTrace(l)
	l.judgeMisfits()
	l.judgeMapping()
	for _, p := range l.parts {
		l.judgePartition(p)
		for _, t := range p.tally.sorted() {
			l.judgeTrack(p, t)
		}
	}
	l.judgeMissing()
	if _, ok := w.here[mover.OffsetMapTopic]; ok {
		l.say(Note, ReasonOffsetMap, -1, "the cluster has "+mover.OffsetMapTopic+": a kferry mover has written to it, maybe to this topic",
			"this version does not read it; it takes the evidence that is named above")
	}
	slices.SortStableFunc(l.out.Findings, func(a, b Finding) int { return rank(a.Severity) - rank(b.Severity) })
}

func rank(s Severity) int {
	return slices.Index([]Severity{Obstacle, Warning, Note}, s)
}

func (l *look) say(s Severity, r Reason, partition int32, detail, hint string) {
	l.out.Findings = append(l.out.Findings, Finding{Severity: s, Reason: r, Partition: partition, Detail: detail, Hint: hint})
}

// foreignSyncs says that a topic is no offset-syncs topic, whatever its name.
func foreignSyncs(s *syncTopic, severity Severity) Finding {
	where := "source"
	if s.onTarget {
		where = "target"
	}
	return Finding{
		Severity: severity, Reason: ReasonForeignSyncs, Partition: -1,
		Detail: fmt.Sprintf("%s on the %s is named as offset syncs of MirrorMaker 2, and %d of %d records are none; the one at offset %d: %v",
			s.name, where, s.foreign, s.read, s.foreignAt, s.foreignErr),
		Hint: "another program or another version writes there; leave it out, and kferry goes on by equal offsets or contents (--from)",
	}
}

// judgeMirror says what is wrong with what MirrorMaker 2 left behind.
func (w *work) judgeMirror(l *look) {
	r := l.replica
	if r == nil {
		return
	}
	if w.mm2 != nil {
		for _, s := range w.mm2.syncs {
			severity := Warning
			if l.out.Evidence == "" && len(r.how) > 0 {
				severity = Obstacle
			}
			if s.foreign > 0 && (len(r.how) > 0 || l.out.Evidence == "") {
				l.out.Findings = append(l.out.Findings, foreignSyncs(s, severity))
			}
			if s.err != nil {
				l.say(Warning, ReasonUnreadable, -1, fmt.Sprintf("reading %s: %v", s.name, s.err), "check the right to read it")
			}
		}
	}
	if r.bad != nil {
		severity := Warning
		if l.out.Evidence == "" {
			severity = Obstacle
		}
		l.say(severity, ReasonSyncsElsewhere, r.bad.part,
			fmt.Sprintf("the offset syncs pair source offset %d with target offset %d, and these are different records", r.bad.sync.SourceOffset, r.bad.sync.TargetOffset),
			"the syncs are of another target or of an earlier life of a topic: check --from, --map-topic and the alias; MirrorMaker 2 writes new ones after a restart")
	}
	if w.source == nil && l.out.Mover == mover.MirrorMaker {
		l.say(Note, ReasonSourceNeeded, -1, "MirrorMaker 2 leaves nothing on the copies: positions are found by the source's records",
			"name the source with --from; its offset syncs are there too, unless they were put on the target")
		return
	}
	if l.out.Evidence == translate.KindMM2 && w.source != nil {
		for _, p := range l.parts {
			if n := len(r.usable(p)); n < 2 && p.bounds.End-p.bounds.Start > lastRecords {
				l.say(Note, ReasonSyncsThinned, p.Partition.Partition,
					fmt.Sprintf("%d offset syncs are left for %d offsets: the cleaner has taken the others", n, p.bounds.End-p.bounds.Start),
					"positions between them are found by contents, which reads more")
			}
		}
	}
}

// judgeTrace says what it means that nothing tells copies.
func (w *work) judgeTrace(l *look) {
	if l.rec.looks != nil {
		d := l.rec.looks
		l.say(Warning, ReasonUnknownHeader, -1,
			fmt.Sprintf("header %s rises by one from record to record, as a source offset would (%s)", d.header.Offset, words(d.encoding)),
			"if the mover writes the source offset there: "+headerFlag(d))
	}
	records := slices.ContainsFunc(l.parts, func(p *part) bool { return p.bounds.End > p.bounds.Start })
	if w.opt.Header != "" && l.rec.dec == nil && records {
		l.say(Obstacle, ReasonNoTrace, -1, "no record that was looked at has the header "+w.opt.Header, "check -H; without it known headers are recognised, and --full reads all")
		return
	}
	switch {
	case !records:
		l.say(Note, ReasonEmpty, -1, "the topic has no records: nothing can be said of what copies it", "look again when something has been copied")
	case l.out.Evidence != "":
	case w.source == nil && l.out.Mover == "":
		l.say(Obstacle, ReasonNoTrace, -1, "no record that was looked at and no topic of this cluster says what copied it, or whether it is a copy at all",
			"name the source with --from (and --map-topic A=B) to compare offsets and contents, or the header with -H NAME")
	case l.itself:
		l.say(Obstacle, ReasonSourceNeeded, -1, "--from names the cluster that the topic is on, and the topic would be compared with itself", "name the topic that it was copied from: --map-topic SOURCE="+l.ask.Topic)
	case w.source != nil && l.source == nil:
		l.say(Obstacle, ReasonSourceNeeded, -1, "no topic of the source is known to be the one that was copied", "name it: --map-topic SOURCE="+l.ask.Topic)
	case w.source != nil:
		l.say(Obstacle, ReasonNoTrace, -1, "no header, no offset sync, no equal offset and no equal content ties it to "+l.source.Name+" on the source",
			"check --from and --map-topic; a mover that changes the records has to leave the source offset in a header (-H NAME)")
	}
}

func headerFlag(d *decoder) string {
	enc := string(d.encoding)
	return "-H " + d.header.Offset + ":" + enc
}

// proven says that an unknown header holds source offsets.
func proven(d *decoder) Finding {
	return Finding{
		Severity: Warning, Reason: ReasonUnknownHeader, Partition: -1,
		Detail: fmt.Sprintf("header %s belongs to no known mover; the records that it names on the source are equal", d.header.Offset),
		Hint:   "name it in plans: " + headerFlag(d),
	}
}

// judgeMisfits says that copies are not what the source has.
func (l *look) judgeMisfits() {
	byPart := map[int32][]misfit{}
	for _, m := range l.misfits {
		byPart[m.part] = append(byPart[m.part], m)
	}
	for _, p := range l.parts {
		ms := byPart[p.Partition.Partition]
		if len(ms) == 0 {
			continue
		}
		m := ms[0]
		source := fmt.Sprintf("%s/%d", l.source.Name, m.number)
		switch {
		case m.absent:
			l.say(Obstacle, ReasonPartitionCounts, m.part,
				fmt.Sprintf("copies come from partition %d, and %s on the source has %d", m.number, l.source.Name, l.out.SourcePartitions),
				"check --from and --map-topic")
		case p.equal == 0 && p.compared > 0:
			l.say(Obstacle, ReasonOtherContent, m.part,
				fmt.Sprintf("no copy that was compared is equal to its record in %s; the one at offset %d names source offset %d", source, m.pair.at, m.pair.h),
				"check --from and --map-topic; a topic that was deleted and created again has other records at the same offsets; where the mover changes records, its offsets cannot be checked")
		case m.end >= 0:
			l.say(Obstacle, ReasonIncarnation, m.part,
				fmt.Sprintf("the record at offset %d is a copy of source offset %d, and %s ends at %d: it was copied from an earlier life of that topic", m.pair.at, m.pair.h, source, m.end),
				"copy again into an empty topic, or check --from and --map-topic")
		default:
			l.say(Obstacle, ReasonIncarnation, m.part,
				fmt.Sprintf("the copy at offset %d differs from source offset %d of %s while others are equal: an old and a new life of the topic are in here, or the source was written anew", m.pair.at, m.pair.h, source),
				"copy again into an empty topic")
		}
	}
}

// judgeMapping says what it means for positions that partitions do not map one
// to one.
func (l *look) judgeMapping() {
	out := l.out
	// Where each record names its source partition a plan reads the topic as a
	// whole, and places each target partition by all that is in it.
	named := out.PartitionHeader != ""
	copyAgain := "no header names the source partition of each record: copy again with one partition for each"
	if out.Mapping == Merged || out.Mapping == MergedSplit {
		hint := "a plan takes the lowest place and counts what comes again: --accept-repeats"
		if !named {
			hint = copyAgain
		}
		l.say(Obstacle, ReasonMerged, -1, "a partition holds copies of several source partitions: behind a position of one of them come records of another that the group has read", hint)
	}
	if out.Mapping == Split || out.Mapping == MergedSplit {
		severity, hint := Warning, "a plan reads the topic as a whole to see how far each source partition is"
		if !named {
			severity, hint = Obstacle, copyAgain
		}
		l.say(severity, ReasonSplit, -1, "copies of one source partition are in several partitions: how far the copy is cannot be seen in any one of them", hint)
	}
	if out.Mapping == Renumbered {
		severity, hint := Note, "a plan reads the topic as a whole"
		detail := "each partition comes from one source partition, but with another number"
		if len(l.elsewhere) > 0 {
			f := l.elsewhere[0]
			detail = fmt.Sprintf("the copy at offset %d of partition %d is equal to the record of source partition %d", f.pair.at, f.part, f.number)
		}
		if !named {
			severity, hint = Obstacle, copyAgain
		}
		l.say(severity, ReasonRenumbered, -1, detail, hint)
	}
	l.judgeNames()
}

// judgeNames says what the names of topics and clusters on the records, and the
// number of partitions, have against the source that it was compared with.
func (l *look) judgeNames() {
	out := l.out
	if n := len(out.Topics); n > 1 {
		l.say(Obstacle, ReasonSeveralSources, -1, "records name several source topics: "+strings.Join(out.Topics, ", "), "positions of several topics cannot become one: copy each into a topic of its own")
	}
	if n := len(out.Clusters); n > 1 {
		l.say(Obstacle, ReasonSeveralSources, -1, "records name several source clusters: "+strings.Join(out.Clusters, ", "), "copy again into an empty topic from the one that counts")
	}
	if len(out.Topics) == 1 && l.source != nil && out.Topics[0] != l.source.Name {
		l.say(Warning, ReasonOtherTopic, -1, fmt.Sprintf("records name the source topic %s, and it was compared with %s", out.Topics[0], l.source.Name), "check --map-topic")
	}
	whole := l.ask.Partitions == nil && l.source != nil
	if whole && out.SourcePartitions != len(l.parts) && (out.Mapping == Assumed || out.Mapping == OneToOne || out.Mapping == Unknown) {
		severity, hint := Warning, "records with keys may have gone to other partitions since the number changed"
		switch {
		case out.PartitionHeader != "":
			severity, hint = Note, "each record names its source partition: a plan reads the topic as a whole"
		case out.SourcePartitions > len(l.parts):
			severity, hint = Obstacle, "source partitions without a counterpart cannot be translated: copy again into as many partitions"
		}
		l.say(severity, ReasonPartitionCounts, -1,
			fmt.Sprintf("partitions here: %d; partitions of %s on the source: %d", len(l.parts), l.source.Name, out.SourcePartitions), hint)
	}
}
