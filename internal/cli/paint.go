package cli

import "strings"

// paint wraps text in terminal colours, or leaves it as it is. Colour never
// carries a meaning that the words do not.
type paint bool

func (p paint) bold(s string) string   { return p.wrap("1", s) }
func (p paint) dim(s string) string    { return p.wrap("2", s) }
func (p paint) red(s string) string    { return p.wrap("31", s) }
func (p paint) green(s string) string  { return p.wrap("32", s) }
func (p paint) yellow(s string) string { return p.wrap("33", s) }

func (p paint) wrap(code, s string) string {
	if !p || s == "" {
		return s
	}
	var b strings.Builder
	b.WriteString("\x1b[")
	b.WriteString(code)
	b.WriteByte('m')
	b.WriteString(s)
	b.WriteString("\x1b[0m")
	return b.String()
}
