package mm2_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/topic"
)

// view says which records are there for whoever reads: transaction markers never
// are, aborted records unless only what is committed is read.
type view struct{ committedOnly bool }

func (v view) of(all []entry) []entry {
	return slices.DeleteFunc(slices.Clone(all), func(e entry) bool {
		return e.fate == control || v.committedOnly && e.fate == aborted
	})
}

// logs is a source partition and its copy, both read from end to end. The
// records of the source are told apart by what is in them.
type logs struct {
	from, to  topic.Partition
	src, tgt  []entry // what is there to be read
	holes     bool    // compacted: a later record makes up for one of its key
	positions map[uint64]int64
	past      int64 // above all offsets of the source, 0: not known yet
	// slope is set where records are alike, and every one of them is copied once:
	// the offset of a record less that of its copy.
	slope *int64
}

// readLogs reads both sides. What the mover copies is what the view shows.
func readLogs(t *testing.T, src, tgt *node, from, to topic.Partition, v view, written []*kgo.Record) *logs {
	t.Helper()
	l := &logs{from: from, to: to, src: v.of(src.scan(t, from, -1)), tgt: v.of(tgt.scan(t, to, -1)), holes: len(written) > 0}
	l.positions = make(map[uint64]int64, len(l.src))
	know := func(mark uint64, offset int64) {
		if at, there := l.positions[mark]; there && at != offset {
			t.Fatalf("%s: the records at %d and %d are alike", from, at, offset)
		}
		l.positions[mark] = offset
	}
	for _, r := range written {
		mark, _ := markOf(r)
		know(mark, r.Offset)
	}
	for _, e := range l.src {
		know(e.mark, e.offset)
	}
	return l
}

// verdict is what a group meets that goes on at T in place of S.
type verdict struct {
	repeated int64 // met, though read before, or met twice
	lost     int64 // never met
	foreign  int64 // met, and not to be found on the source (any more)
	disorder bool
}

func (v verdict) String() string {
	s := fmt.Sprintf("%d repeated, %d lost", v.repeated, v.lost)
	if v.foreign > 0 {
		s += fmt.Sprintf(", %d that the source does not have", v.foreign)
	}
	if v.disorder {
		s += ", out of order"
	}
	return s
}

// judge reads the copy from an offset of the target and compares it with the
// source from an offset there, record by record.
func (l *logs) judge(source, target int64) verdict {
	i, _ := slices.BinarySearchFunc(l.tgt, target, func(e entry, t int64) int { return int(e.offset - t) })
	return l.compare(source, l.tgt[i:])
}

// compare is judge for records that were met in this order.
func (l *logs) compare(source int64, met []entry) (v verdict) {
	seen := l.offsets()
	keys := map[uint64]int64{} // the last record of each key that was met, where it matters
	last := int64(-1)
	for _, e := range met {
		at, ok := l.positions[e.mark]
		switch {
		case !ok:
			v.foreign++
		case at < source, seen[at]:
			v.repeated++
		default:
			seen[at] = true
			v.disorder = v.disorder || at < last
			last = at
			if l.holes {
				keys[e.key] = max(keys[e.key], at)
			}
		}
	}
	for _, e := range l.src {
		if e.offset >= source && !seen[e.offset] && (!l.holes || keys[e.key] <= e.offset) {
			v.lost++
		}
	}
	return v
}

// offsets is a set of offsets of the source, empty. Positions are judged by the
// thousand, and maps of all records would take most of the time of these tests.
func (l *logs) offsets() []bool {
	if l.past == 0 {
		for _, at := range l.positions {
			l.past = max(l.past, at+1)
		}
		for _, e := range l.src {
			l.past = max(l.past, e.offset+1)
		}
	}
	return make([]bool, l.past)
}

// best is the greatest position from which no record is lost, and how many are
// met again from there: fewer it cannot be. Every position is tried.
func (l *logs) best(source int64) (target, repeated int64) {
	missing, left := l.offsets(), 0
	for _, e := range l.src {
		if e.offset >= source {
			missing[e.offset] = true
			left++
		}
	}
	if left == 0 {
		return math.MaxInt64, 0
	}
	for _, e := range slices.Backward(l.tgt) {
		if at, ok := l.positions[e.mark]; ok && missing[at] {
			missing[at] = false
			left--
		}
		if left == 0 {
			return e.offset, l.judge(source, e.offset).repeated
		}
	}
	return -1, -1
}
