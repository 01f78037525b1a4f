package plan

import (
	"cmp"
	"maps"
	"slices"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func sortLeft(l []LeftBehind) {
	slices.SortFunc(l, func(a, b LeftBehind) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Reason, b.Reason))
	})
}

func compareNames(a, b string) int { return cmp.Compare(a, b) }
