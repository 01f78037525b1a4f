package cli

import (
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 14, 30, 0, 0, time.FixedZone("CET", 3600)) // 13:30 UTC
	for text, want := range map[string]string{
		"2026-11-21T14:05:09Z":      "2026-11-21T14:05:09Z",
		"2026-11-21T14:05:09+02:00": "2026-11-21T12:05:09Z",
		"2026-11-21T14:05Z":         "2026-11-21T14:05:00Z",
		"2026-11-21T14:05":          "2026-11-21T14:05:00Z",
		"2026-11-21 14:05":          "2026-11-21T14:05:00Z",
		"2026-11-21 14:05:09":       "2026-11-21T14:05:09Z",
		"2026-11-21":                "2026-11-21T00:00:00Z",
		"13:05":                     "2026-11-21T13:05:00Z",
		"13:05:09":                  "2026-11-21T13:05:09Z",
		"14:05":                     "2026-11-20T14:05:00Z", // not yet today
		"90m":                       "2026-11-21T12:00:00Z",
		"7d":                        "2026-11-14T13:30:00Z",
		"2w":                        "2026-11-07T13:30:00Z",
	} {
		var m moment
		if err := m.Set(text); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := m.at(now).Format(time.RFC3339); got != want || m.String() != text {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "soon", "25:00", "2026-13-01", "-1h", "0s", "0d", "-3d", "1.5d", "99999999d", "d", "2026-11-21T14:05:09"[:12]} {
		var m moment
		if err := m.Set(text); err == nil {
			t.Errorf("%q is taken as %s", text, m.at(now))
		}
	}
}

func FuzzMoment(f *testing.F) {
	f.Add("14:05")
	f.Add("3d")
	f.Add("2026-11-21T14:05Z")
	now := time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		var m moment
		if m.Set(text) != nil {
			return
		}
		if d, err := parseSpan(text); err == nil && (d <= 0 || !m.at(now).Before(now)) {
			t.Errorf("%q is %s ago: %s", text, d, m.at(now))
		}
	})
}
