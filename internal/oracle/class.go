package oracle

import "strings"

// Class is a set of the situations that a pair is in, found in its final
// state and not in what its generator meant to make.
type Class uint16

// The classes of which each must hold a fifth of all positions.
const (
	// Compacted: over half of the source's or the target's log are holes.
	Compacted Class = 1 << iota
	// Transactions: aborted data, and a last stable offset below the end, in
	// one log.
	Transactions
	// Passes: h falls somewhere on the target.
	Passes
	// StopsShort: a re-copy ends below what had been copied before, and the
	// copy goes on above it.
	StopsShort
	// Running: h fell and has not come back.
	Running
	// Markers: transaction markers on the target.
	Markers
	// Truncated: retention has moved a log's start.
	Truncated
	classEnd
)

var classNames = map[Class]string{
	Compacted: "compacted, over half holes", Transactions: "aborts and an open transaction", Passes: "several passes",
	StopsShort: "re-copy stops short", Running: "a pass still running", Markers: "markers on the target", Truncated: "truncated start",
}

// String lists the classes.
func (c Class) String() string {
	var names []string
	for one := Compacted; one < classEnd; one <<= 1 {
		if c&one != 0 {
			names = append(names, classNames[one])
		}
	}
	return strings.Join(names, ", ")
}

// classify finds the classes of a pair.
func classify(p *Pair) Class {
	var c Class
	for _, l := range []*Log{&p.Source, &p.Target} {
		if l.halfHoles() {
			c |= Compacted
		}
		if l.abortsAndOpen() {
			c |= Transactions
		}
		if l.Start > l.Base {
			c |= Truncated
		}
	}
	for i, s := range p.Target.Slots {
		if s.Kind != Data && p.Target.Base+int64(i) >= p.Target.Start {
			c |= Markers
		}
	}
	return c | classifyPasses(committedCopies(&p.Target))
}

func (l *Log) halfHoles() bool {
	holes, all := 0, 0
	for i := range l.Slots {
		if l.Base+int64(i) < l.Start {
			continue
		}
		all++
		if l.Slots[i].Gone {
			holes++
		}
	}
	return holes*2 > all
}

func (l *Log) abortsAndOpen() bool {
	aborted := false
	fates := l.Fates()
	for i, f := range fates {
		if f == Aborted && l.readable(i) {
			aborted = true
		}
	}
	return aborted && l.Stable(fates) < l.End()
}

// classifyPasses looks at the h of the committed copies in target order.
func classifyPasses(copies []copied) Class {
	var c Class
	highest, short := int64(-1), false
	for i, one := range copies {
		if i > 0 && one.h <= copies[i-1].h {
			c |= Passes
		}
		if one.h > highest {
			// short: the copy before is below what had been copied already.
			if short {
				c |= StopsShort
			}
			highest = one.h
		}
		short = one.h < highest
	}
	if short {
		c |= Running
	}
	return c
}

// copied is one copy that a read_committed consumer meets.
type copied struct {
	offset, h int64
}

// committedCopies are the readable, committed copies below the last stable
// offset, in target order.
func committedCopies(l *Log) []copied {
	fates := l.Fates()
	stable := l.Stable(fates)
	var out []copied
	for i := range l.Slots {
		off := l.Base + int64(i)
		if off < stable && l.readable(i) && l.Slots[i].H != Native && fates[i] != Aborted {
			out = append(out, copied{off, l.Slots[i].H})
		}
	}
	return out
}
