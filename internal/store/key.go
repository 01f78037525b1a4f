package store

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits of keys, those of the narrowest store that is supported: 1024 bytes
// for a key on S3, 255 for a file name.
const (
	MaxKey     = 1024
	MaxSegment = 240
	// splitAt is where an escaped name goes on in another segment.
	splitAt = 200
)

// ErrKey is the kind of error for a key that breaks the rules of
// docs/formats.md, section Keys.
var ErrKey = errors.New("invalid key")

// CheckKey reports why a key cannot be used, as an error that is ErrKey.
func CheckKey(key string) error {
	if len(key) > MaxKey {
		return fmt.Errorf("%w: %d bytes is longer than %d: %.60q…", ErrKey, len(key), MaxKey, key)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if err := checkSegment(segment); err != nil {
			return fmt.Errorf("%w: %q: %w", ErrKey, key, err)
		}
	}
	return nil
}

func checkSegment(s string) error {
	switch {
	case s == "":
		return errors.New("an empty segment")
	case len(s) > MaxSegment:
		return fmt.Errorf("a segment of %d bytes is longer than %d", len(s), MaxSegment)
	case s[0] == '.' || s[len(s)-1] == '.':
		return fmt.Errorf("segment %q begins or ends with a dot", s)
	}
	for i := range len(s) {
		if !keyByte(s[i]) {
			return fmt.Errorf("byte %q is not allowed", s[i])
		}
	}
	return nil
}

func keyByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	default:
		return strings.IndexByte("-_.=", c) >= 0
	}
}

// checkPrefix checks the beginning of a key: a key that may be cut anywhere.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	whole := prefix
	if strings.HasSuffix(whole, "/") || strings.HasSuffix(whole, ".") {
		whole += "x"
	}
	return CheckKey(whole)
}

// EscapeName turns any name (of a topic, a group, a cluster) into one or more
// segments of a key, as docs/formats.md says under "Escaped names". Different
// names have different forms even where case is ignored. A name so long that
// its key breaks the limits is found by CheckKey.
func EscapeName(name string) string {
	if name == "" {
		return "="
	}
	var segments []string
	var cur []byte
	for i := range len(name) {
		next := escapeByte(name[i])
		if name[i] == '.' && (len(cur) == 0 || name[i-1] == '.' || i == len(name)-1) {
			next = "=2e"
		}
		if len(cur)+len(next) > splitAt {
			segments = append(segments, unreserve(string(cur))+"=")
			cur = cur[:0]
			if next == "." {
				next = "=2e"
			}
		}
		cur = append(cur, next...)
	}
	return strings.Join(append(segments, unreserve(string(cur))), "/")
}

func escapeByte(c byte) string {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.':
		return string([]byte{c})
	case 'A' <= c && c <= 'Z':
		return string([]byte{'_', c + 'a' - 'A'})
	case c == '_':
		return "__"
	default:
		return "=" + hex.EncodeToString([]byte{c})
	}
}

// unreserve escapes the first byte of a file name that Windows gives to a
// device, with any extension.
func unreserve(segment string) string {
	stem, _, _ := strings.Cut(segment, ".")
	reserved := slices.Contains([]string{"con", "prn", "aux", "nul"}, stem)
	if rest, ok := strings.CutPrefix(stem, "com"); ok {
		reserved = reserved || len(rest) == 1 && '0' <= rest[0] && rest[0] <= '9'
	}
	if rest, ok := strings.CutPrefix(stem, "lpt"); ok {
		reserved = reserved || len(rest) == 1 && '0' <= rest[0] && rest[0] <= '9'
	}
	if !reserved {
		return segment
	}
	return "=" + hex.EncodeToString([]byte{segment[0]}) + segment[1:]
}

// UnescapeName is the inverse of EscapeName. It refuses, as ErrKey, whatever
// EscapeName does not return, so that no two keys stand for one name.
func UnescapeName(escaped string) (string, error) {
	name, err := unescape(escaped)
	if err != nil {
		return "", fmt.Errorf("%w: escaped name %q: %w", ErrKey, escaped, err)
	}
	if EscapeName(name) != escaped {
		return "", fmt.Errorf("%w: %q is not the escaped form of %q", ErrKey, escaped, name)
	}
	return name, nil
}

func unescape(escaped string) (string, error) {
	if escaped == "=" {
		return "", nil
	}
	joined := strings.ReplaceAll(escaped, "=/", "")
	var name []byte
	for i := 0; i < len(joined); i++ {
		switch c := joined[i]; c {
		case '_':
			i++
			if i == len(joined) {
				return "", errors.New("ends within an escape")
			}
			c = joined[i]
			if 'a' <= c && c <= 'z' {
				c -= 'a' - 'A'
			}
			name = append(name, c)
		case '=':
			if i+3 > len(joined) {
				return "", errors.New("ends within an escape")
			}
			raw, err := hex.DecodeString(joined[i+1 : i+3])
			if err != nil {
				return "", err
			}
			name = append(name, raw[0])
			i += 2
		default:
			name = append(name, c)
		}
	}
	return string(name), nil
}
