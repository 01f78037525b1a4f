package plan

import (
	"cmp"
	"maps"
	"slices"

	"github.com/kferry/kferry/internal/topic"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func sortedPartitions[V any](m map[topic.Partition]V) []topic.Partition {
	return slices.SortedFunc(maps.Keys(m), topic.Compare)
}

func sortLeft(l []LeftBehind) {
	slices.SortFunc(l, func(a, b LeftBehind) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Reason, b.Reason))
	})
}

func compareNames(a, b string) int { return cmp.Compare(a, b) }
