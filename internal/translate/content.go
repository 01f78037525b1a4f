package translate

import (
	"slices"

	"github.com/kferry/kferry/internal/batch"
)

// timeKept says what a mover leaves of timestamps.
type timeKept uint8

const (
	timeExact   timeKept = iota // to the millisecond
	timeSeconds                 // cut to seconds
	timeLost                    // LogAppendTime, or changed
)

// printer makes the fingerprints by which records of both sides are compared.
type printer struct {
	time timeKept
	// bare: the mover changes headers in ways that are not known, so that only
	// key, value and timestamp are compared.
	bare bool
}

// mark reduces a record to what is compared.
func (p printer) mark(e *batch.Entry) mark {
	m := mark{off: e.Offset, keyless: e.Key == nil, aborted: e.Kind == batch.AbortedData, ms: e.Timestamp, fp: batch.Fingerprint(e.Key, e.Value, e.Headers, p.own)}
	ms := e.Timestamp
	switch p.time {
	case timeLost:
		return m
	case timeSeconds:
		ms = floorSecond(ms)
	case timeExact:
	}
	// The fingerprint is a hash already: mixing the time in keeps it one.
	for i := range 8 {
		m.fp[i] ^= byte(uint64(ms) * 0x9e3779b97f4a7c15 >> (8 * i)) //nolint:gosec // only bits matter
	}
	return m
}

// own leaves out every header that a known mover adds: the source may be a
// copy itself.
func (p printer) own(name string) bool { return p.bare || moverHeader(name) }

func floorSecond(ms int64) int64 { return ms - (ms%1000+1000)%1000 }

// moverHeader reports whether a known mover adds a header of that name.
func moverHeader(name string) bool { return slices.Contains(moverHeaders, name) }

var moverHeaders = func() []string {
	var names []string
	for _, h := range knownHeaders {
		names = append(append(names, h.Offset), h.Also...)
	}
	return names
}()

func (p printer) words() string {
	what := "key, value, headers"
	if p.bare {
		what = "key, value"
	}
	switch p.time {
	case timeExact:
		return what + " and timestamp"
	case timeSeconds:
		return what + " and timestamp to the second"
	case timeLost:
	}
	return what
}

// content is the evidence of equal records, for copies that carry no trace of
// where they come from.
type content struct {
	by   printer
	note string // why offset syncs were not taken
}

var _ evidence = (*content)(nil)

func (c *content) what() (Kind, string) {
	return KindContent, "equal records, by " + c.by.words() + c.note
}

func (c *content) own(name string) bool { return c.by.own(name) }

func (c *content) tracer(s *solver) tracer { return newAligner(s, c.by, nil) }
