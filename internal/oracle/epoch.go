package oracle

import (
	"context"
	"math/rand/v2"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// elect gives a source leader epochs, from 1 on, with some left out. Which of
// the elections were unclean shows in positions alone: one that lies above the
// end of its own epoch is of records that are not there any more, as those that
// stand there are of a later leader.
func (l *Log) elect(r *rand.Rand) {
	epoch := int32(1 + r.IntN(3))
	for i := range l.Slots {
		if r.IntN(1+len(l.Slots)/4) == 0 {
			epoch += int32(1 + r.IntN(2))
		}
		l.Slots[i].Epoch = epoch
	}
}

// epoch is the leader epoch of the log's end; 0 where it has none.
func (l *Log) epoch() int32 {
	if len(l.Slots) == 0 {
		return 0
	}
	return l.Slots[len(l.Slots)-1].Epoch
}

// epochEnd is what a broker says of an epoch (OffsetForLeaderEpoch): the
// largest one at or below it, and where the next begins.
func (l *Log) epochEnd(epoch int32) (largest int32, end int64) {
	largest = epoch
	for i := range l.Slots {
		off := l.Base + int64(i)
		if l.Slots[i].Epoch > epoch {
			return largest, max(off, l.Start)
		}
		largest = l.Slots[i].Epoch
	}
	return largest, l.End()
}

// committed chooses the leader epoch that is committed with s: mostly that of
// the record before it, as clients do, or none; and now and then another one.
func (l *Log) committed(r *rand.Rand, s int64) int32 {
	if l.epoch() == 0 {
		return 0
	}
	at := min(max(s-1-l.Base, 0), int64(len(l.Slots))-1)
	switch r.IntN(8) {
	case 0:
		return 0
	case 1, 2, 3, 4:
		return l.Slots[at].Epoch
	case 5:
		return 1 + r.Int32N(l.epoch())
	}
	return 1 + r.Int32N(l.Slots[at].Epoch) // where it is an earlier one, its records are gone
}

// cutAway: S lies above the end of the epoch that was committed with it.
func (f *facts) cutAway(q Question) bool {
	if q.NoSource || q.Epoch == 0 || q.Epoch >= f.src.epoch() || q.S > f.srcEnd {
		return false
	}
	_, end := f.src.epochEnd(q.Epoch)
	return q.S > end
}

// judgeEpoch is for positions with a leader epoch: those that were cut away are
// refused, and where the source does not tell that is said. It has nothing to
// say of others.
func (f *facts) judgeEpoch(q Question, r *translate.Result) (Judgement, bool) {
	refused := r.Outcome == translate.Refused && r.Reason == translate.ReasonIncarnation
	switch cut := f.cutAway(q); {
	case cut && f.p.Mute:
		if r.T >= 0 && !strings.Contains(strings.Join(r.Notes, "\n"), "leader epoch") {
			return verdict(WrongWord, "%s %d does not say that leader epoch %d could not be asked for", r.Outcome, r.T, q.Epoch), true
		}
	case cut && refused:
		return Judgement{}, true
	case cut && r.Outcome == translate.Refused && r.Reason == translate.ReasonNoEvidence:
		return Judgement{Tolerated: "refused before epochs are asked for"}, true
	case cut && f.tgt.Start == f.stable:
		return Judgement{Tolerated: "cut away, and nothing is copied"}, true
	case cut && f.unreadable(q, r):
		return Judgement{Tolerated: "a header cannot be read"}, true
	case cut:
		_, end := f.src.epochEnd(q.Epoch)
		return verdict(RefuseMissed, "answered %s %d (%s), but leader epoch %d ends at %d", r.Outcome, r.T, r.Reason, q.Epoch, end), true
	case refused && q.Epoch > 0 && q.S <= f.src.Start:
		return Judgement{Tolerated: "the epoch ends below the log start"}, true
	}
	return Judgement{}, false
}

// noEpochs takes the leader epochs out of a pair.
func (p *Pair) noEpochs(q *Question) bool {
	was := q.Epoch != 0 || p.Source.epoch() != 0
	for i := range p.Source.Slots {
		p.Source.Slots[i].Epoch = 0
	}
	q.Epoch = 0
	return was
}

// EpochEnd implements translate.Epochs.
func (l *memoryLog) EpochEnd(_ context.Context, asks []topic.EpochAsk) (map[topic.Partition]topic.EpochEnd, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[topic.Partition]topic.EpochEnd, len(asks))
	for _, a := range asks {
		m, ok := l.parts[a.Partition]
		switch {
		case !ok:
			out[a.Partition] = topic.EpochEnd{Epoch: -1, End: -1, Err: kerr.UnknownTopicOrPartition}
		case m.mute:
			out[a.Partition] = topic.EpochEnd{Epoch: -1, End: -1, Err: kerr.TopicAuthorizationFailed}
		default:
			epoch, end := m.now().log.epochEnd(a.Epoch)
			out[a.Partition] = topic.EpochEnd{Epoch: epoch, End: end}
		}
	}
	return out, nil
}
