package position_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

func TestSet(t *testing.T) {
	t.Parallel()
	set, err := position.NewSet(at("b", "t", 10, 1), at("b", "t", 2, 2), at("a", "z", 0, 3), at("b", "s", 5, 4), at("a", "t", 2, 5))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]position.Position{at("a", "t", 2, 5), at("a", "z", 0, 3), at("b", "s", 5, 4), at("b", "t", 2, 2), at("b", "t", 10, 1)}, set.All()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a", "b"}, set.Groups()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"s", "t", "z"}, set.Topics()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]topic.Partition{{Topic: "s", Partition: 5}, {Topic: "t", Partition: 2}, {Topic: "t", Partition: 10}, {Topic: "z"}}, set.Partitions()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]position.Position{at("a", "t", 2, 5), at("a", "z", 0, 3)}, set.ByGroup("a")); diff != "" {
		t.Error(diff)
	}
	if p, ok := set.Get("b", topic.Partition{Topic: "t", Partition: 10}); !ok || p.Offset != 1 {
		t.Errorf("got %v, %v", p, ok)
	}
	sel, err := position.Selector{Groups: []string{"b"}, Partitions: []string{"t:2-9"}}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]position.Position{at("b", "t", 2, 2)}, set.Select(sel).All()); diff != "" {
		t.Error(diff)
	}
	for range set.Each() {
		break // an iteration that is left early must not go on
	}
}

func TestSetRefuses(t *testing.T) {
	t.Parallel()
	set, err := position.NewSet(at("g", "t", 0, 7))
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]position.Position{
		"no group":           at("", "t", 0, 1),
		"no topic":           at("g", "", 0, 1),
		"negative partition": at("g", "t", -1, 1),
		"negative offset":    at("g", "t", 1, -1),
		"duplicate":          at("g", "t", 0, 8),
		"equal duplicate":    at("g", "t", 0, 7),
	} {
		if err := set.Add(p); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	var dup *position.DuplicateError
	if err := set.Add(at("g", "t", 0, 8)); !errors.As(err, &dup) || dup.Have != 7 || dup.Got != 8 {
		t.Errorf("got %v", err)
	}
	if p, _ := set.Get("g", topic.Partition{Topic: "t"}); p.Offset != 7 || set.Len() != 1 {
		t.Errorf("a refused position changed the set: %v", set.All())
	}
	if _, err := position.NewSet(at("g", "t", 0, 8), at("g", "t", 0, 8)); err == nil {
		t.Error("a set was made of a duplicate")
	}
}

func TestNilSetIsEmpty(t *testing.T) {
	t.Parallel()
	var set *position.Set
	if _, ok := set.Get("g", topic.Partition{}); ok || set.Len() != 0 || len(set.All()) != 0 || set.Groups() != nil ||
		set.ByGroup("g") != nil || set.Partitions() != nil || set.Topics() != nil {
		t.Error("a nil set has something")
	}
}

func TestNear(t *testing.T) {
	t.Parallel()
	groups := []string{"order-processor", "order-processor-dlq", "orders", "payments", "Order_Processor", "a", ""}
	for name, tc := range map[string]struct {
		name  string
		limit int
		want  []string
	}{
		"typo":      {"order-procesor", 1, []string{"Order_Processor"}},
		"case":      {"ORDER-PROCESSOR", 2, []string{"Order_Processor", "order-processor"}},
		"swap":      {"paymenst", 3, []string{"payments"}},
		"beginning": {"pay", 3, []string{"payments"}},
		"inside":    {"dlq", 3, []string{"order-processor-dlq"}},
		"itself":    {"orders", 1, nil},
		"nothing":   {"zebra", 3, nil},
		"empty":     {"", 3, nil},
		"limit":     {"order", 2, []string{"orders", "Order_Processor"}},
		"none":      {"order", 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, position.Near(tc.name, groups, tc.limit)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
