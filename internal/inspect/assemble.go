package inspect

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/translate"
)

// ownTopic answers for topics that movers keep for themselves.
func (w *work) ownTopic(ctx context.Context, l *look) (own bool, err error) {
	name := l.ask.Topic
	what := ""
	alias, isSyncs := mover.SyncTopicAlias(name)
	_, isCheckpoints := mover.CheckpointTopicAlias(name)
	_, isHeartbeats := mover.HeartbeatTopicAlias(name)
	l.out.Mover = mover.MirrorMaker
	switch {
	case isSyncs:
		what = "MirrorMaker 2's offset syncs with " + alias
	case isCheckpoints:
		what = "MirrorMaker 2's checkpoints of groups"
	case isHeartbeats:
		what = "MirrorMaker 2's heartbeats"
	case name == mover.OffsetMapTopic:
		what, l.out.Mover = "kferry's offset map", mover.Kferry
	default:
		l.out.Mover = ""
		return false, nil
	}
	for _, p := range l.parts {
		p.count(nil, &w.budget)
	}
	l.assemble()
	l.out.Findings = append(l.out.Findings, Finding{
		Severity: Note, Reason: ReasonOwnTopic, Partition: -1,
		Detail: "this topic is " + what + ", and no copy of a topic",
		Hint:   "look at the topics that were copied",
	})
	if !isSyncs {
		return true, nil
	}
	m, err := w.mirrors(ctx)
	if err != nil {
		return true, err
	}
	for _, s := range m.syncs {
		if s.onTarget && s.name == name && s.foreign > 0 {
			l.out.Findings = append(l.out.Findings, foreignSyncs(s, Obstacle))
		}
	}
	return true, nil
}

// assemble turns what was found into the answer.
func (l *look) assemble() {
	out := l.out
	if d := l.rec.dec; d != nil {
		out.Mover, out.Evidence = d.header.Mover, translate.KindHeader
		out.Header, out.Encoding = d.header.Offset, string(d.encoding)
		if d.partition != "" {
			out.PartitionHeader, out.PartitionEncoding = d.header.Partition, string(d.partition)
		}
		how := fmt.Sprintf("records carry the header %s, %s", d.header.Offset, words(d.encoding))
		out.How = append([]string{how}, out.How...)
		out.Mapping = l.mapping()
	} else if out.Evidence != "" {
		out.Mapping = Assumed
		if slices.ContainsFunc(l.parts, func(p *part) bool { return p.equal > 0 }) {
			out.Mapping = OneToOne
		}
	}
	l.settle()
	clusters, topics, pipelines := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, p := range l.parts {
		if p.tally == nil {
			p.tally = newTally(nil, false, nil)
		}
		maps.Copy(clusters, p.tally.clusters)
		maps.Copy(topics, p.tally.topics)
		maps.Copy(pipelines, p.tally.pipelines)
		out.Partitions = append(out.Partitions, p.answer())
		out.Records += p.tally.seen + p.tally.markers
		if p.err == nil {
			out.Offsets += p.bounds.End - p.bounds.Start
		}
	}
	out.Clusters = slices.Sorted(maps.Keys(clusters))
	out.Topics = slices.Sorted(maps.Keys(topics))
	out.Pipelines = slices.Sorted(maps.Keys(pipelines))
}

// answer is one partition of the answer.
func (p *part) answer() Partition {
	t := p.tally
	out := Partition{
		Partition: p.Partition.Partition, Start: p.bounds.Start, End: p.bounds.End, Stable: p.bounds.Stable,
		Seen: t.seen, Natives: t.natives, Markers: t.markers, Undecodable: t.bad,
		Compared: p.compared, Equal: p.equal, Err: p.err,
	}
	if t.dec == nil {
		out.Natives = -1
	}
	for _, x := range t.sorted() {
		out.Tracks = append(out.Tracks, Track{
			Origin: x.from, Copies: x.copies, Aborted: x.aborted, Lowest: x.lowest, Highest: x.highest,
			Last: x.last, LastAt: x.lastAt, Passes: x.passes, Repeats: x.repeats, Holes: x.holes,
			CopiedThrough: x.through, AtLeast: x.atLeast, SourceStart: x.sourceStart, SourceEnd: x.sourceEnd,
			Lag: x.lag, LagExact: x.lagExact,
		})
	}
	return out
}

// mapping says how source partitions became partitions of the topic, by what
// the headers name, else by what was found equal on the source.
func (l *look) mapping() Mapping {
	fed := map[Origin]map[int32]bool{} // source partition to target partitions
	merged, renumbered, named, equal := false, false, false, false
	add := func(from Origin, to int32) {
		if fed[from] == nil {
			fed[from] = map[int32]bool{}
		}
		fed[from][to] = true
	}
	for _, p := range l.parts {
		n := 0
		for from := range p.tally.tracks {
			if from.Partition < 0 {
				continue
			}
			n, named = n+1, true
			add(from, p.Partition.Partition)
			renumbered = renumbered || from.Partition != p.Partition.Partition
		}
		merged = merged || n > 1
		equal = equal || p.equal > 0
	}
	for _, f := range l.elsewhere {
		renumbered = true
		add(Origin{Partition: f.number}, f.part)
		merged = merged || slices.ContainsFunc(l.parts, func(p *part) bool { return p.Partition.Partition == f.part && p.equal > 0 })
	}
	split := false
	for _, to := range fed {
		split = split || len(to) > 1
	}
	switch {
	case merged && split:
		return MergedSplit
	case merged:
		return Merged
	case split:
		return Split
	case renumbered:
		return Renumbered
	case named || equal:
		return OneToOne
	}
	return Assumed
}
