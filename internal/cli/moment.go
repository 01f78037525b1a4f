package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// moment is a point in time on the command line. Without a zone it is UTC, as
// every output is.
type moment struct {
	text string
	at   func(now time.Time) time.Time
}

// momentForms are the forms of a point in time with a date.
var momentForms = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02",
}

const momentHint = "2026-11-21T14:05Z, '2026-11-21 14:05', 14:05 (the last time that it was), or as long ago as 90m, 36h, 7d; UTC without a zone"

func (m *moment) Set(s string) error {
	m.text = s
	for _, form := range append([]string{"2006-01-02T15:04Z07:00"}, momentForms...) {
		if t, err := time.Parse(form, s); err == nil {
			m.at = func(time.Time) time.Time { return t.UTC() }
			return nil
		}
	}
	for _, form := range []string{"15:04:05", "15:04"} {
		if t, err := time.Parse(form, s); err == nil {
			m.at = func(now time.Time) time.Time { return clockTime(t, now.UTC()) }
			return nil
		}
	}
	if ago, err := parseSpan(s); err == nil {
		m.at = func(now time.Time) time.Time { return now.UTC().Add(-ago) }
		return nil
	}
	return fmt.Errorf("%q is no time: %s", s, momentHint)
}

// clockTime is the last time before now that a clock showed t.
func clockTime(t, now time.Time) time.Time {
	out := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
	if out.After(now) {
		out = out.AddDate(0, 0, -1)
	}
	return out
}

func (m *moment) String() string { return m.text }

// Type is what the help shows.
func (*moment) Type() string { return "TIME" }

func (m *moment) given() bool { return m.at != nil }

// time is the zero time when the flag was not given.
func (m *moment) time(f *Factory) time.Time {
	if m.at == nil {
		return time.Time{}
	}
	return m.at(f.streams.now())
}

// span is a length of time that may be in days.
type span struct{ length time.Duration }

func (s *span) Set(text string) error {
	d, err := parseSpan(text)
	s.length = d
	return err
}

func (s *span) String() string {
	if s.length == 0 {
		return ""
	}
	return s.length.String()
}

// Type is what the help shows.
func (*span) Type() string { return "DURATION" }

// parseSpan reads a length of time above 0: what time.ParseDuration reads, or
// whole days or weeks.
func parseSpan(text string) (time.Duration, error) {
	wrong := fmt.Errorf("%q is no length of time as 90m, 36h, 30d or 4w", text)
	day := 24 * time.Hour
	for _, unit := range []struct {
		suffix string
		length time.Duration
	}{{"d", day}, {"w", 7 * day}} {
		digits, ok := strings.CutSuffix(text, unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 32)
		if err != nil || n < 1 || n > 36500 {
			return 0, wrong
		}
		return time.Duration(n) * unit.length, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, wrong
	}
	return d, nil
}
