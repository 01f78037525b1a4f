package kafka_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// copyOf is one copy on the target, as a full scan finds it.
type copyOf struct {
	pos, h int64
	valid  bool // false: of an aborted transaction
}

// pair is a source partition and its copy, both scanned in full.
type pair struct {
	src, tgt topic.Partition
	source   []entry
	copies   []copyOf // those below the target's last stable offset
	start    int64    // of the target
	srcEnd   int64
	open     bool // the target's last stable offset is below its end
	// copiesAborted: the mover reads uncommitted.
	copiesAborted bool
}

// scanPair scans both sides.
func scanPair(t *testing.T, from, to *node, src, tgt topic.Partition) *pair {
	t.Helper()
	b := to.bounds(t, tgt)
	p := &pair{src: src, tgt: tgt, source: from.scan(t, src), start: b.Start, srcEnd: from.bounds(t, src).End, open: b.Stable < b.End}
	for _, e := range to.scan(t, tgt) {
		if e.Offset >= b.Stable || e.fate == control {
			continue
		}
		for _, h := range e.Headers {
			if h.Key == header {
				n, err := strconv.ParseInt(string(h.Value), 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				p.copies = append(p.copies, copyOf{e.Offset, n, e.fate == committed})
			}
		}
	}
	return p
}

// answer is what the definition gives for one position.
type answer struct {
	outcome translate.Outcome
	t       int64
	repeats int64
}

func (a answer) String() string { return fmt.Sprintf("%s %d (%d repeats)", a.outcome, a.t, a.repeats) }

// expect applies the definition of what exact means, word by word: the
// greatest position from which the first copies of all records at or above S
// come in source order. It holds where the source has something below S, above
// the last copy, that the mover copies.
func (p *pair) expect(s int64) answer {
	last := int64(-1)
	all := map[int64]bool{}
	for _, c := range p.copies {
		if c.valid {
			last = c.h
			if c.h >= s {
				all[c.h] = true
			}
		}
	}
	for _, e := range p.source {
		wanted := e.fate == committed || e.fate == undecided || e.fate == aborted && p.copiesAborted
		if e.Offset > last && e.Offset < s && wanted {
			return answer{outcome: translate.Hold, t: -1}
		}
	}
	met := map[int64]bool{} // copies at or above S from here on: fewer than all are not worth a reading
	for from := len(p.copies); from >= 0; from-- {
		if from < len(p.copies) && p.copies[from].valid && p.copies[from].h >= s {
			met[p.copies[from].h] = true
		}
		if len(met) < len(all) {
			continue
		}
		repeats, good := p.meet(from, s, len(all))
		if !good {
			continue
		}
		t := p.start
		if from > 0 {
			t = p.copies[from-1].pos + 1
		}
		switch {
		case len(all) == 0:
			return answer{translate.AtEnd, t, 0}
		case repeats > 0:
			return answer{translate.Repeats, t, repeats}
		default:
			return answer{translate.Exact, t, 0}
		}
	}
	return answer{outcome: translate.Refused, t: -1}
}

// meet reads the copies from an index on.
func (p *pair) meet(from int, s int64, all int) (repeats int64, good bool) {
	seen, prev := map[int64]bool{}, int64(-1)
	for _, c := range p.copies[from:] {
		switch {
		case !c.valid:
		case c.h < s || seen[c.h]:
			repeats++
		case c.h < prev:
			return 0, false
		default:
			seen[c.h], prev = true, c.h
		}
	}
	return repeats, len(seen) == all
}

// check asks for every position from below the start to beyond the end, and
// compares each answer with the scan, with and without counting. It returns how
// many ended how.
func (p *pair) check(t *testing.T, from, to *node) map[translate.Outcome]int {
	t.Helper()
	req := translate.Request{Source: p.src, Target: p.tgt, SourceTopic: from.topic(t, p.src.Topic), TargetTopic: to.topic(t, p.tgt.Topic)}
	for s := int64(0); s <= p.srcEnd; s++ {
		req.Offsets = append(req.Offsets, s)
	}
	req.Offsets = append(req.Offsets, p.srcEnd+1, p.srcEnd+1000)
	want := make([]answer, p.srcEnd+1)
	for s := range want {
		want[s] = p.expect(int64(s))
	}
	count := map[translate.Outcome]int{}
	for _, o := range []*translate.Options{{}, {Header: header, CountFrom: 1}} {
		results, err := translate.Translate(t.Context(), from.c, to.c, []translate.Request{req}, o)
		if err != nil {
			t.Fatal(err)
		}
		p.judge(t, want, req.SourceTopic.ID.IsZero(), results[0])
		for i := range results[0] {
			count[results[0][i].Outcome]++
		}
	}
	return count
}

func (p *pair) judge(t *testing.T, expected []answer, unknownID bool, results []translate.Result) {
	t.Helper()
	wrong := 0
	for i := range results {
		r := &results[i]
		want := answer{translate.Refused, -1, 0}
		if r.S <= p.srcEnd {
			want = expected[r.S]
		}
		// Without a topic ID nothing is more than unproven.
		if unknownID && (want.outcome == translate.Exact || want.outcome == translate.AtEnd) {
			want.outcome = translate.ExactUnproven
		}
		if got := (answer{r.Outcome, r.T, r.Repeats}); got != want {
			wrong++
			if wrong <= 5 {
				t.Errorf("%s to %s, S %d: %s, want %s; reason %s: %s; unproven %q", p.src, p.tgt, r.S, got, want, r.Reason, r.Detail, r.Unproven)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d positions are wrong", wrong, len(results))
	}
}

func (n *node) topic(t *testing.T, name string) topic.Topic {
	t.Helper()
	all, err := n.c.Topics(t.Context(), name)
	if err != nil || all[name].Err != nil {
		t.Fatalf("describing %s: %v, %v", name, err, all[name].Err)
	}
	return all[name]
}
