package position

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Rename gives a name its name on the other side. Each side may have one '*',
// which carries over; \*, \= and \\ stand for the characters themselves.
type Rename struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// ParseRename reads "A=B" as it is given to --map-topic and --map-group. The
// first '=' without a '\' before it divides the two names, so an '=' in the
// source name is written '\='. option names the flag in errors.
func ParseRename(option, text string) (Rename, error) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '=':
			return Rename{From: text[:i], To: text[i+1:]}, nil
		}
	}
	return Rename{}, &PatternError{
		Option: option, Pattern: text,
		Reason: "there is no '=' between the two names",
		Hint:   "SOURCE=TARGET, such as orders=qa.orders or 'prod.*=qa.*'",
	}
}

// side is one side of a mapping: a name, or what stands before and after the
// '*'.
type side struct {
	before, after string
	star          bool
}

func (s side) literal() int { return len(s.before) + len(s.after) }

// key tells two sides apart whatever way they were escaped.
func (s side) key() string {
	if !s.star {
		return "=" + s.before
	}
	return fmt.Sprintf("*%d:%s%s", len(s.before), s.before, s.after)
}

// carried returns what the '*' stands for in a name that matches.
func (s side) carried(name string) (string, bool) {
	if !s.star {
		return "", name == s.before
	}
	if len(name) < s.literal() || !strings.HasPrefix(name, s.before) || !strings.HasSuffix(name, s.after) {
		return "", false
	}
	return name[len(s.before) : len(name)-len(s.after)], true
}

func (s side) with(carried string) string {
	if !s.star {
		return s.before
	}
	return s.before + carried + s.after
}

// parseSide reads one side; reason is "" if nothing is wrong with it.
func parseSide(text string) (s side, reason string) {
	if text == "" {
		return s, "a name is empty"
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\\':
			i++
			if i == len(text) {
				return s, `nothing follows the '\'`
			}
			if !strings.ContainsRune(`\*=`, rune(text[i])) {
				return s, `a '\' stands before '*', '=' or '\' only, and is itself written '\\'`
			}
			b.WriteByte(text[i])
		case '*':
			if s.star {
				return s, "one '*' on each side is all that can carry over"
			}
			s.star, s.before = true, b.String()
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	if s.star {
		s.after = b.String()
	} else {
		s.before = b.String()
	}
	return s, ""
}

// mapping is a compiled Rename.
type mapping struct {
	Rename
	option   string
	from, to side
}

func (m mapping) String() string { return m.From + "=" + m.To }

func compileRename(option string, r Rename) (mapping, error) {
	m := mapping{Rename: r, option: option}
	fail := func(reason, hint string) (mapping, error) {
		return m, &PatternError{Option: option, Pattern: m.String(), Reason: reason, Hint: hint}
	}
	var reason string
	if m.from, reason = parseSide(r.From); reason != "" {
		return fail("source side: "+reason, "")
	}
	if m.to, reason = parseSide(r.To); reason != "" {
		return fail("target side: "+reason, "")
	}
	if m.from.star && !m.to.star {
		return fail("only the source side has a '*'", "every name that it matches would become the same: write 'prod.*=qa.*', or one mapping for each name")
	}
	if m.to.star && !m.from.star {
		return fail("only the target side has a '*'", `there is nothing that it could stand for; a '*' itself is written '\*'`)
	}
	return m, nil
}

// sortMappings puts the mapping that decides first: exact names before
// wildcards, of wildcards the longest literal part, of equals the one with the
// longer part before the '*'. Two wildcards that are equal in both and match
// one name are the same wildcard, so the order leaves nothing to chance.
func sortMappings(ms []mapping) {
	slices.SortStableFunc(ms, func(a, b mapping) int {
		if a.from.star != b.from.star {
			if a.from.star {
				return 1
			}
			return -1
		}
		return cmp.Or(
			cmp.Compare(b.from.literal(), a.from.literal()),
			cmp.Compare(len(b.from.before), len(a.from.before)),
			cmp.Compare(a.from.key(), b.from.key()),
		)
	})
}

// conflicts reports mappings of one source name to different targets.
func conflicts(ms []mapping) []error {
	var errs []error
	first := make(map[string]mapping, len(ms))
	for _, m := range ms {
		have, dup := first[m.from.key()]
		if !dup {
			first[m.from.key()] = m
			continue
		}
		if have.to.key() != m.to.key() {
			errs = append(errs, &PatternError{
				Option: m.option, Pattern: m.String(),
				Reason: fmt.Sprintf("%s %q sends the same name elsewhere", have.option, have.String()),
				Hint:   "keep one of the two",
			})
		}
	}
	return errs
}

// forward applies the first mapping that matches; a name that none matches
// stays what it is.
func forward(ms []mapping, name string) (string, *mapping) {
	for i := range ms {
		if carried, ok := ms[i].from.carried(name); ok {
			return ms[i].to.with(carried), &ms[i]
		}
	}
	return name, nil
}
