package cli

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"PT1H30M": 90 * time.Minute, "1h30m": 90 * time.Minute, "P7D": 7 * 24 * time.Hour, "p1dt2h": 26 * time.Hour,
		"PT0.5S": time.Second / 2, "PT1,25S": 1250 * time.Millisecond, "90s": 90 * time.Second, "PT0S": 0, "0": 0,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "P", "PT", "P1M", "P1Y", "P1DT", "-PT1H", "PT-1H", "-1h", "1", "1d", "PT1H30", "P99999999D", "P99999999999999999999D", "PT1.1H", "P1H"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 11, 45, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-11-21T11:45:00Z": at, "2026-11-21T11:45:00.000": at, "2026-11-21T12:45:00.000+01:00": at, "2026-11-21T12:45:00+0100": at,
		"2026-11-21T12:45:00+01": at, "2026-11-21 11:45:00": at, "2026-11-21T11:45": at, "2026-11-21": at.Truncate(24 * time.Hour),
		"2026-11-21T11:45:00.5Z": at.Add(time.Second / 2),
	} {
		if got, err := parseTime(text); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "2026-13-01", "11:45", "2026-11-21T11:45:00 CET", "1700000000"} {
		if got, err := parseTime(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	f.Add("PT1H30M")
	f.Add("1h30m")
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := parseDuration(text); err == nil && d < 0 {
			t.Errorf("%q is %v", text, d)
		}
	})
}

func FuzzParseTime(f *testing.F) {
	f.Add("2026-11-21T12:45:00.000+01:00")
	f.Fuzz(func(t *testing.T, text string) {
		if at, err := parseTime(text); err == nil && at.Location() != time.UTC {
			t.Errorf("%q is %v", text, at)
		}
	})
}
