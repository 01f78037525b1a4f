package oracle

import "github.com/kferry/kferry/internal/translate"

// possible says whether a mover and a cleaner could have made the pair: copies
// are of records that are there to be copied, a pass leaves none of them out,
// and what is gone has a later record of its key behind it.
func possible(p *Pair) bool {
	return p.continuous() && p.identical() && p.lateEnough() == p.LateTarget && p.Source.cleaned(false) && p.Target.cleaned(true) && p.cleanedEarly() &&
		(p.SourceCompacted || !p.Source.anyGone()) && (p.TargetCompacted || p.Kind == translate.KindIdentity || !p.Target.anyGone())
}

// lateEnough is how many target slots must be late so that no copy is there
// before its source record.
func (p *Pair) lateEnough() int {
	arrives := p.Source.End() - int64(p.LateSource)
	for i, s := range p.Target.Slots {
		if s.Kind == Data && s.H >= arrives {
			return max(p.LateTarget, len(p.Target.Slots)-i)
		}
	}
	return p.LateTarget
}

// cleanedEarly: nothing was removed for a record that arrives late.
func (p *Pair) cleanedEarly() bool {
	source, target := cut(&p.Source, p.LateSource), cut(&p.Target, p.LateTarget)
	return source.cleaned(false) && target.cleaned(true)
}

// copyable says whether the mover copies source slot i.
func (p *Pair) copyable(i int, fates []Fate) bool {
	if p.Source.Slots[i].Kind != Data {
		return false
	}
	return !p.ReadsCommitted || fates[i] == Plain || fates[i] == Committed
}

// continuous: between two copies in a row nothing is left out that was not
// copied before.
func (p *Pair) continuous() bool {
	fates, src := p.Target.Fates(), p.Source.Fates()
	stable := p.Source.Stable(src)
	before := map[int64]bool{}
	last := int64(-1)
	for i, s := range p.Target.Slots {
		if s.Kind != Data || s.H == Native || fates[i] == Aborted {
			continue
		}
		at := s.H - p.Source.Base
		if at < 0 || at >= int64(len(p.Source.Slots)) || !p.copyable(int(at), src) || !s.like(&p.Source.Slots[at]) || s.Time != p.Source.Slots[at].Time {
			return false
		}
		if p.ReadsCommitted && s.H >= stable {
			return false
		}
		if last >= 0 && !p.Filters && p.Kind != translate.KindIdentity {
			for h := last + 1; h < s.H; h++ {
				j := int(h - p.Source.Base)
				if p.Source.readable(j) && p.copyable(j, src) && !before[h] {
					return false
				}
			}
		}
		before[s.H], last = true, s.H
	}
	return true
}

// identical: a copy that keeps offsets has every record at its own.
func (p *Pair) identical() bool {
	if p.Kind != translate.KindIdentity {
		return true
	}
	for i, s := range p.Target.Slots {
		if s.H != Native && s.H != p.Target.Base+int64(i) {
			return false
		}
	}
	return true
}

// like: the records are the same but for their times.
func (s *Slot) like(o *Slot) bool { return s.Key == o.Key && s.Value == o.Value }

func (l *Log) anyGone() bool {
	for _, s := range l.Slots {
		if s.Gone {
			return true
		}
	}
	return false
}

// cleaned: what is gone was aborted, or a record of its key stands behind it;
// on the target one that is not older.
func (l *Log) cleaned(target bool) bool {
	fates := l.Fates()
	for i, s := range l.Slots {
		if !s.Gone || fates[i] == Aborted || target && s.H == Native && s.Key == Native {
			continue // a copy that keeps offsets has holes from the start
		}
		if s.Kind != Data || fates[i] == Open || !l.superseded(fates, i, target) {
			return false
		}
	}
	return true
}

func (l *Log) superseded(fates []Fate, i int, target bool) bool {
	s := l.Slots[i]
	for j := i + 1; j < len(l.Slots); j++ {
		o := l.Slots[j]
		if o.Kind != Data || o.Key != s.Key || fates[j] == Aborted || fates[j] == Open {
			continue
		}
		if target && ((o.H == Native) != (s.H == Native) || o.H < s.H) {
			continue
		}
		return true
	}
	return false
}
