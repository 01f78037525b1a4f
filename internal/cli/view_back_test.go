package cli

import (
	"strings"
	"testing"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/translate"
)

// TestViewOfTheWayBack: which records have no place is in the explanation, each
// range of them.
func TestViewOfTheWayBack(t *testing.T) {
	t.Parallel()
	p := &plan.Plan{
		Kind: plan.Back, Source: &plan.Cluster{Name: "new", ID: "n"}, Target: plan.Cluster{Name: "old", ID: "o"},
		Groups: []plan.Group{{Name: "app", Verdict: plan.VerdictApply, Positions: []plan.Position{{
			Topic: "orders", SourceTopic: "orders", Action: plan.Change, Source: &plan.Offset{Offset: 14}, After: &plan.Offset{Offset: 10}, Outcome: translate.Exact,
			Proof: &translate.Proof{Known: translate.KnownRead, ReadSource: 12, ReadTarget: 1},
			OnlyThere: &translate.OnlyThere{
				Read:   translate.OffsetRanges{Count: 1, Ranges: []translate.OffsetRange{{First: 13, Last: 13, Count: 1}}},
				Unread: translate.OffsetRanges{Count: 9, Ranges: []translate.OffsetRange{{First: 14, Last: 15, Count: 2}, {First: 18, Last: 22, Count: 4}}, More: 3},
			},
		}}}},
	}
	var out strings.Builder
	v := planView{w: &out}
	if err := v.show(p); err != nil {
		t.Fatal(err)
	}
	if err := v.explain(p); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Back from new (n) to old (o)",
		"what the group has read was read again: 12 records of the source, and 1 record of the target where that has gaps",
		"only on the source, read: 1 record at 13",
		"only on the source, not read: 9 records at 14-15, 18-22 (4) and 3 more ranges",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}
