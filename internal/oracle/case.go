package oracle

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/translate"
)

// Case is one source partition, its copy, a position and the options: all
// that decides one answer. Failures are printed as a Case, to be kept.
type Case struct {
	Name string
	// Source and Target are logs as ParseSource and ParseTarget read them.
	Source, Target string
	// SourceCompacted and TargetCompacted are the topics' cleanup policies;
	// ConfigUnknown hides both.
	SourceCompacted, TargetCompacted, ConfigUnknown bool
	// ReadsCommitted says that the mover skips aborted data, Filters that it
	// leaves out other records too.
	ReadsCommitted, Filters bool
	// Kind is the evidence that the mover leaves; "" is a header. Evidence is
	// the one that is asked for; "" is the same.
	Kind, Evidence translate.Kind
	Stamps         Stamps
	// Syncs are offset syncs as ParseSyncs reads them.
	Syncs string
	// Epoch is the leader epoch of the position, 0 for none. Mute: the source
	// does not say where leader epochs end.
	Epoch int32
	Mute  bool
	// LateSource and LateTarget are how many of the last slots arrive while the
	// answer is being looked for.
	LateSource, LateTarget int
	S                      int64
	NoSource               bool
	Quick                  bool
	CopyComplete           bool
	// CountFrom is passed on to the options.
	CountFrom int64
	// Want, when not empty, is the answer, as Answer writes it: "exact 700".
	Want string
}

// Pair parses the logs of the case.
func (c *Case) Pair() (Pair, error) {
	src, err := ParseSource(c.Source)
	if err != nil {
		return Pair{}, fmt.Errorf("source: %w", err)
	}
	tgt, err := ParseTarget(c.Target)
	if err != nil {
		return Pair{}, fmt.Errorf("target: %w", err)
	}
	syncs, err := ParseSyncs(c.Syncs)
	if err != nil {
		return Pair{}, err
	}
	damaged := false
	for i := range tgt.Slots {
		s := &tgt.Slots[i]
		if at := s.H - src.Base; s.Kind == Data && s.H != Native && at >= 0 && at < int64(len(src.Slots)) {
			s.Value, s.Time = src.Slots[at].Value, src.Slots[at].Time
		}
		damaged = damaged || s.Damage != Whole
	}
	return Pair{
		Source: src, Target: tgt,
		Policies: Policies{
			SourceCompacted: c.SourceCompacted, TargetCompacted: c.TargetCompacted, ConfigUnknown: c.ConfigUnknown,
			Kind: cmp.Or(c.Kind, translate.KindHeader), Stamps: c.Stamps, Damaged: damaged,
		},
		ReadsCommitted: c.ReadsCommitted, Filters: c.Filters, Mute: c.Mute, Syncs: syncs, LateSource: c.LateSource, LateTarget: c.LateTarget,
	}, nil
}

// Pair is one source partition and its copy, as they stand in the end.
type Pair struct {
	Policies
	Source, Target          Log
	ReadsCommitted, Filters bool
	// Mute: whoever reads the source may not ask for leader epochs.
	Mute bool
	// Syncs are what MirrorMaker 2 has noted of the partition, oldest first.
	Syncs                  []Sync
	LateSource, LateTarget int
	// Classes are the classes of the generator that the pair belongs to.
	Classes Class
}

// Question is one position and how it is asked for.
type Question struct {
	S            int64
	NoSource     bool
	Quick        bool
	CopyComplete bool
	CountFrom    int64
	// Evidence is the kind that is asked for; "" is the one that is there. Given:
	// with name and encoding of the header.
	Evidence translate.Kind
	Given    bool
	// Epoch is the leader epoch that was committed with S; 0 is none.
	Epoch int32
}

// CaseOf writes a pair and a question as a Case.
func CaseOf(p *Pair, q Question) Case {
	return Case{
		Source: FormatSource(&p.Source), Target: FormatTarget(&p.Target),
		SourceCompacted: p.SourceCompacted, TargetCompacted: p.TargetCompacted, ConfigUnknown: p.ConfigUnknown,
		ReadsCommitted: p.ReadsCommitted, Filters: p.Filters, LateSource: p.LateSource, LateTarget: p.LateTarget,
		Kind: p.Kind, Stamps: p.Stamps, Syncs: FormatSyncs(p.Syncs), Evidence: q.Evidence, Epoch: q.Epoch, Mute: p.Mute,
		S: q.S, NoSource: q.NoSource, Quick: q.Quick, CopyComplete: q.CopyComplete, CountFrom: q.CountFrom,
	}
}

// Question takes the question out of a Case.
func (c *Case) Question() Question {
	return Question{S: c.S, NoSource: c.NoSource, Quick: c.Quick, CopyComplete: c.CopyComplete, CountFrom: c.CountFrom, Evidence: c.Evidence, Epoch: c.Epoch}
}

// GoString writes the case as a Go literal, for cases_test.go.
func (c Case) GoString() string {
	var b strings.Builder
	fmt.Fprintf(&b, "{\n\tName: %q,\n\tSource: %q,\n\tTarget: %q,\n\tS: %d,", c.Name, c.Source, c.Target, c.S)
	flags := []struct {
		name string
		on   bool
	}{
		{"SourceCompacted", c.SourceCompacted},
		{"TargetCompacted", c.TargetCompacted},
		{"ConfigUnknown", c.ConfigUnknown},
		{"ReadsCommitted", c.ReadsCommitted},
		{"Filters", c.Filters},
		{"NoSource", c.NoSource},
		{"Quick", c.Quick},
		{"CopyComplete", c.CopyComplete},
		{"Mute", c.Mute},
	}
	for _, f := range flags {
		if f.on {
			fmt.Fprintf(&b, " %s: true,", f.name)
		}
	}
	numbers := []struct {
		name string
		n    int64
	}{{"LateSource", int64(c.LateSource)}, {"LateTarget", int64(c.LateTarget)}, {"CountFrom", c.CountFrom}, {"Stamps", int64(c.Stamps)}, {"Epoch", int64(c.Epoch)}}
	for _, f := range numbers {
		if f.n != 0 {
			fmt.Fprintf(&b, " %s: %d,", f.name, f.n)
		}
	}
	for _, f := range []struct{ name, text string }{{"Kind", string(c.Kind)}, {"Evidence", string(c.Evidence)}, {"Syncs", c.Syncs}} {
		if f.text != "" && f.text != string(translate.KindHeader) {
			fmt.Fprintf(&b, "\n\t%s: %q,", f.name, f.text)
		}
	}
	if c.Want != "" {
		fmt.Fprintf(&b, "\n\tWant: %q,", c.Want)
	}
	b.WriteString("\n},")
	return b.String()
}

// ParseSource reads a source log. Words are separated by spaces:
//
//	@100   the first slot is offset 100 (first word only)
//	d      a record; dp2 one in a transaction of producer 2
//	Cp2    that transaction commits, Ap2 it aborts
//	|      the log start is here
//
// Behind a record: "~" compacted away, "k7" its key is number 7 (else its own
// offset), "v7" its value is number 7, "t7" its time is 7 ms (else its own offset
// and as many seconds; a copy has those of its source record), "e7" it was
// written in leader epoch 7; behind everything "*n": n times.
func ParseSource(s string) (Log, error) { return parseLog(s, false) }

// ParseTarget reads a target log: as ParseSource, but records are
//
//	n      a native record, which is no copy
//	7      the copy of source offset 7; 7..9 those of 7, 8 and 9
//	7x1    the same with a header that is damaged, in the way of that number
func ParseTarget(s string) (Log, error) { return parseLog(s, true) }

func parseLog(s string, target bool) (Log, error) {
	var l Log
	started := false
	for i, word := range strings.Fields(s) {
		switch {
		case word == "|":
			l.Start, started = l.End(), true
			continue
		case i == 0 && strings.HasPrefix(word, "@"):
			n, err := strconv.ParseInt(word[1:], 10, 64)
			if err != nil {
				return l, fmt.Errorf("word %q: %w", word, err)
			}
			l.Base = n
			continue
		}
		if err := l.parseWord(word, target); err != nil {
			return l, fmt.Errorf("word %q: %w", word, err)
		}
	}
	if !started {
		l.Start = l.Base
	}
	return l, nil
}

// parseWord appends the slots of one word.
func (l *Log) parseWord(word string, target bool) error {
	rest, count := word, int64(1)
	if head, tail, ok := strings.Cut(word, "*"); ok {
		n, err := strconv.ParseInt(tail, 10, 64)
		if err != nil {
			return fmt.Errorf("how often: %w", err)
		}
		rest, count = head, n
	}
	slot := Slot{H: Native, Key: -1, Value: -1, Time: -1}
	first, last := Native, Native
	switch c := rest[0]; {
	case c == 'C':
		slot.Kind, rest = Commit, rest[1:]
	case c == 'A':
		slot.Kind, rest = Abort, rest[1:]
	case c == 'd' && !target, c == 'n' && target:
		rest = rest[1:]
	case target:
		var err error
		if first, last, rest, err = parseRange(rest); err != nil {
			return err
		}
	default:
		return fmt.Errorf("unknown letter %q", c)
	}
	if err := slot.parseSuffix(rest); err != nil {
		return err
	}
	for range count {
		for h := first; h <= last; h++ {
			one := slot
			switch {
			case slot.Kind != Data:
			case target:
				one.H = h
			default:
				one.H = l.End()
			}
			if one.Key < 0 {
				one.Key = one.H
			}
			if one.Value < 0 {
				one.Value = one.H
			}
			if one.Time < 0 {
				one.Time = one.H * tick
			}
			l.Slots = append(l.Slots, one)
		}
	}
	return nil
}

// parseRange reads "7" or "7..9" and returns what is left.
func parseRange(s string) (first, last int64, rest string, err error) {
	number := func() int64 {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		v, e := strconv.ParseInt(s[:n], 10, 64)
		if e != nil && err == nil {
			err = e
		}
		s = s[n:]
		return v
	}
	first = number()
	last = first
	if strings.HasPrefix(s, "..") {
		s = s[2:]
		last = number()
	}
	return first, last, s, err
}

// parseSuffix reads producer, key and whether the record is gone.
func (s *Slot) parseSuffix(rest string) error {
	for rest != "" {
		letter := rest[0]
		rest = rest[1:]
		n := 0
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		v, err := strconv.ParseInt("0"+rest[:n], 10, 64)
		if err != nil {
			return fmt.Errorf("number behind %q: %w", letter, err)
		}
		rest = rest[n:]
		switch letter {
		case 'p':
			if v < 1 || v > 255 {
				return fmt.Errorf("producer %d is not 1 to 255", v)
			}
			s.Producer = uint8(v)
		case 'k':
			s.Key = v
		case 'v':
			s.Value = v
		case 't':
			s.Time = v
		case 'e':
			s.Epoch = int32(min(v, math.MaxInt32))
		case 'x':
			s.Damage = Damage(min(v, int64(damageEnd)))
		case '~':
			s.Gone = true
		default:
			return fmt.Errorf("unknown letter %q", letter)
		}
	}
	return nil
}

// FormatSource writes a log as ParseSource reads it.
func FormatSource(l *Log) string { return formatLog(l, false) }

// FormatTarget writes a log as ParseTarget reads it.
func FormatTarget(l *Log) string { return formatLog(l, true) }

func formatLog(l *Log, target bool) string {
	var words []string
	if l.Base != 0 {
		words = append(words, "@"+strconv.FormatInt(l.Base, 10))
	}
	for i := 0; i < len(l.Slots); {
		if off := l.Base + int64(i); off == l.Start && off != l.Base {
			words = append(words, "|")
		}
		n := 1
		for i+n < len(l.Slots) && l.Base+int64(i+n) != l.Start && joins(l, i, n, target) {
			n++
		}
		words = append(words, formatRun(l, i, n, target))
		i += n
	}
	if l.Start == l.End() && l.Start != l.Base {
		words = append(words, "|")
	}
	return strings.Join(words, " ")
}

// joins says whether slot i+n continues the run that begins at i.
func joins(l *Log, i, n int, target bool) bool {
	a, b := l.Slots[i], l.Slots[i+n]
	if a.Epoch != b.Epoch || a.Damage != b.Damage || a.Kind != b.Kind || a.Producer != b.Producer || a.Gone != b.Gone || (a.Key == a.H) != (b.Key == b.H) {
		return false
	}
	if a.Key != a.H && a.Key != b.Key {
		return false
	}
	if !target && (!goesOn(a.Value, b.Value, a.H, b.H, 1) || !goesOn(a.Time, b.Time, a.H, b.H, tick)) {
		return false
	}
	if a.Kind != Data || !target || a.H == Native {
		return a.Kind == Data && (!target || b.H == Native)
	}
	return b.H == a.H+int64(n)
}

// goesOn: two numbers both go without saying, or are the same.
func goesOn(a, b, aH, bH, times int64) bool {
	if a == aH*times || b == bH*times {
		return a == aH*times && b == bH*times
	}
	return a == b
}

func formatRun(l *Log, i, n int, target bool) string {
	s := l.Slots[i]
	var w string
	times := n
	switch {
	case s.Kind == Commit:
		w = "C"
	case s.Kind == Abort:
		w = "A"
	case !target:
		w = "d"
	case s.H == Native:
		w = "n"
	default:
		w, times = strconv.FormatInt(s.H, 10), 1
		if n > 1 {
			w += ".." + strconv.FormatInt(l.Slots[i+n-1].H, 10)
		}
	}
	if s.Producer != 0 {
		w += "p" + strconv.Itoa(int(s.Producer))
	}
	if s.Kind == Data && s.Key != s.H {
		w += "k" + strconv.FormatInt(s.Key, 10)
	}
	if s.Kind == Data && !target && s.Value != s.H {
		w += "v" + strconv.FormatInt(s.Value, 10)
	}
	if s.Kind == Data && !target && s.Time != s.H*tick {
		w += "t" + strconv.FormatInt(s.Time, 10)
	}
	if s.Epoch != 0 {
		w += "e" + strconv.FormatInt(int64(s.Epoch), 10)
	}
	if s.Damage != Whole {
		w += "x" + strconv.FormatInt(int64(s.Damage), 10)
	}
	if s.Gone {
		w += "~"
	}
	if times > 1 {
		w += "*" + strconv.Itoa(times)
	}
	return w
}
