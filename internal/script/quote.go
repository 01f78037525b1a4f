package script

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// QuoteError says that a value cannot stand in a script.
type QuoteError struct {
	// Value is what was to be written, Reason why it cannot be.
	Value, Reason string
}

// Error implements error.
func (e *QuoteError) Error() string {
	return fmt.Sprintf("%q cannot be written to a script: %s", e.Value, e.Reason)
}

// Quote writes bytes as one word of bash that means exactly these bytes,
// whatever the locale. What people can read stays readable: control characters
// and those that change the direction of text are escaped, so that a script
// does not look other than it is. A NUL, which no argument of a program can
// have, is a *QuoteError.
func Quote(s string) (string, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return "", &QuoteError{Value: s, Reason: "no argument of a program can hold a NUL byte"}
	}
	if plain(s) {
		return "'" + s + "'", nil
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, !unicode.IsPrint(r):
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		case r == '\'' || r == '\\':
			b.WriteString(`\` + string(r))
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	b.WriteString("'")
	return b.String(), nil
}

// plain reports whether a text can stand between single quotes: it has none,
// and shows as what it is. A backslash and an exclamation mark mean nothing
// there in a script.
func plain(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r == '\'' || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// Comment writes a text as the rest of a comment line: what could end the line
// or look like something else is escaped.
func Comment(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !unicode.IsPrint(r):
			b.WriteString(strings.Trim(fmt.Sprintf("%q", r), "'"))
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}
