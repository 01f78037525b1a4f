package cluster

import "fmt"

// redacted is what every print of a Secret shows.
const redacted = "[redacted]"

// Secret is a password or key that never prints: fmt, JSON, YAML and slog all
// show "[redacted]". Reveal gives the value.
type Secret string

// Reveal returns the value, for the one place that hands it to a library.
func (s Secret) Reveal() string { return string(s) }

// String returns "[redacted]", or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// Format is String for every verb and flag, so that %x and %q show no more.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText is String, for JSON, YAML and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

var (
	_ fmt.Stringer   = Secret("")
	_ fmt.GoStringer = Secret("")
	_ fmt.Formatter  = Secret("")
)
