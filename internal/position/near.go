package position

import (
	"cmp"
	"slices"
	"strings"
)

// maxNear bounds the names that are compared letter by letter; longer ones can
// still be near by case, beginning or content.
const maxNear = 256

// Near returns at most limit of the candidates that somebody who wrote name
// may have meant, the nearest first: equal but for case and separators, few
// letters changed, one the beginning of the other, one inside the other. It
// never returns name itself.
func Near(name string, candidates []string, limit int) []string {
	type hit struct {
		name string
		rank int
	}
	var hits []hit
	for _, c := range candidates {
		if c == name || c == "" || slices.ContainsFunc(hits, func(h hit) bool { return h.name == c }) {
			continue
		}
		if r, ok := nearness(name, c); ok {
			hits = append(hits, hit{c, r})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.name, b.name))
	})
	hits = hits[:min(len(hits), max(limit, 0))]
	var out []string
	for _, h := range hits {
		out = append(out, h.name)
	}
	return out
}

// nearness ranks a candidate, lower is nearer.
func nearness(name, candidate string) (rank int, ok bool) {
	a, b := fold(name), fold(candidate)
	if a == b {
		return 0, true
	}
	if a == "" || b == "" {
		return 0, false
	}
	ra, rb := []rune(a), []rune(b)
	short, long := min(len(ra), len(rb)), max(len(ra), len(rb))
	if allowed := max(1, short/3); long <= maxNear && long-short <= allowed && short > 1 {
		if d := distance(ra, rb); d <= allowed {
			return d, true
		}
	}
	switch {
	case strings.HasPrefix(b, a) || strings.HasPrefix(a, b) && len(rb) > 2:
		return 1000 + long - short, true
	case short > 2 && (strings.Contains(b, a) || strings.Contains(a, b)):
		return 2000 + long - short, true
	}
	return 0, false
}

// fold drops case and the separators that people mix up in names.
func fold(s string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if strings.ContainsRune("-_. ", r) {
			return -1
		}
		return r
	}, s))
}

// distance counts the letters to insert, delete, change or swap with their
// neighbour (optimal string alignment).
func distance(a, b []rune) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i, x := range a {
		cur[0] = i + 1
		for j, y := range b {
			change := prev[j]
			if x != y {
				change++
			}
			cur[j+1] = min(change, prev[j+1]+1, cur[j]+1)
			if i > 0 && j > 0 && x == b[j-1] && a[i-1] == y {
				cur[j+1] = min(cur[j+1], before[j-1]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
