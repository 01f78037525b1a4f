package position

import (
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// PatternError says what is wrong with a pattern, a partition list or a name
// mapping that somebody wrote.
type PatternError struct {
	// Option is the flag or the key that it was given to: "--topic".
	Option string
	// Pattern is what was written.
	Pattern string
	// Reason says what is wrong, Hint what to do; Hint may be "".
	Reason, Hint string
}

// Error implements error.
func (e *PatternError) Error() string {
	s := fmt.Sprintf("%s %q: %s", e.Option, e.Pattern, e.Reason)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Pattern is one inclusion or exclusion that was asked for.
type Pattern struct {
	// Option is the flag that it was given to: "--topic", "--exclude-group", …
	Option string
	// Text is what was written.
	Text string
	// Literal says that it names one thing; Name is that name.
	Literal bool
	Name    string
}

// pattern is a compiled Pattern that remembers whether it ever matched.
type pattern struct {
	Pattern
	re  *regexp.Regexp // nil for a literal
	hit atomic.Bool
}

func (p *pattern) match(name string) bool {
	ok := name == p.Name
	if p.re != nil {
		ok = p.re.MatchString(name)
	}
	if ok {
		p.hit.Store(true)
	}
	return ok
}

// matchAny tries every pattern, also after one has matched, so that each of
// them knows afterwards whether it was of use.
func matchAny(ps []*pattern, name string) bool {
	found := false
	for _, p := range ps {
		found = p.match(name) || found
	}
	return found
}

// IsLiteral reports whether a glob names exactly one thing.
func IsLiteral(glob string) bool {
	p, err := compileGlob("", glob)
	return err == nil && p.Literal
}

// Literal returns the glob that names exactly this.
func Literal(name string) string {
	return globSpecial.Replace(name)
}

var globSpecial = strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`)

// compileGlob reads a glob: '*' any characters, '?' one, [a-z] and [^a-z] one
// of a class, '\' takes the next character as it is. As path.Match, except
// that '/' is a character like any other.
func compileGlob(option, glob string) (*pattern, error) {
	fail := func(reason, hint string) (*pattern, error) {
		return nil, &PatternError{Option: option, Pattern: glob, Reason: reason, Hint: hint}
	}
	if glob == "" {
		return fail("the pattern is empty", "leave the option out to take everything")
	}
	var re, name strings.Builder
	literal := true
	for rest := glob; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		plain := rest[:n]
		rest = rest[n:]
		switch r {
		case '*', '?':
			literal = false
			re.WriteString(map[rune]string{'*': `.*`, '?': `.`}[r])
			continue
		case '[':
			literal = false
			class, size, reason := globClass(rest)
			if reason != "" {
				return fail(reason, `a '[' itself is written '\['`)
			}
			re.WriteString(class)
			rest = rest[size:]
			continue
		case '\\':
			if rest == "" {
				return fail(`nothing follows the '\'`, `a '\' itself is written '\\'`)
			}
			_, n = utf8.DecodeRuneInString(rest)
			plain = rest[:n]
			rest = rest[n:]
		}
		re.WriteString(regexp.QuoteMeta(plain))
		name.WriteString(plain)
	}
	p := &pattern{Pattern: Pattern{Option: option, Text: glob, Literal: literal}}
	if literal {
		p.Name = name.String()
		return p, nil
	}
	compiled, err := regexp.Compile(`(?s)\A(?:` + re.String() + `)\z`)
	if err != nil {
		return fail("the pattern cannot be used: "+err.Error(), "")
	}
	p.re = compiled
	return p, nil
}

// globClass reads a class after its '[' and returns it as a regular expression
// and the number of bytes up to and with the ']'.
func globClass(s string) (re string, size int, reason string) {
	const open = "the class that begins with '[' has no ']'"
	rest, negated := strings.CutPrefix(s, "^")
	var b strings.Builder
	b.WriteString("[")
	if negated {
		b.WriteString("^")
	}
	for first := true; ; first = false {
		if rest == "" {
			return "", 0, open
		}
		if rest[0] == ']' {
			if first {
				return "", 0, "the class is empty"
			}
			b.WriteString("]")
			return b.String(), len(s) - len(rest) + 1, ""
		}
		lo, left, ok := classRune(rest)
		if !ok {
			return "", 0, open
		}
		hi := lo
		if after, isRange := strings.CutPrefix(left, "-"); isRange {
			if hi, left, ok = classRune(after); !ok {
				return "", 0, "a range in the class has no end"
			}
		}
		if hi < lo {
			return "", 0, fmt.Sprintf("the range %c-%c is the wrong way round", lo, hi)
		}
		fmt.Fprintf(&b, `\x{%x}-\x{%x}`, lo, hi)
		rest = left
	}
}

// classRune reads one character of a class. ']' and '-' need a '\'.
func classRune(s string) (r rune, rest string, ok bool) {
	s, _ = strings.CutPrefix(s, `\`)
	if s == "" {
		return 0, "", false
	}
	r, n := utf8.DecodeRuneInString(s)
	return r, s[n:], true
}

// compileRegex reads a regular expression (RE2) that has to match the whole
// name.
func compileRegex(option, text string) (*pattern, error) {
	if text == "" {
		return nil, &PatternError{Option: option, Pattern: text, Reason: "the expression is empty"}
	}
	// Compiled on its own first, so that a stray ')' cannot close our group.
	if _, err := regexp.Compile(text); err != nil {
		return nil, &PatternError{Option: option, Pattern: text, Reason: err.Error(), Hint: "the syntax is that of RE2"}
	}
	re, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		return nil, &PatternError{Option: option, Pattern: text, Reason: err.Error()}
	}
	return &pattern{Pattern: Pattern{Option: option, Text: text}, re: re}, nil
}
