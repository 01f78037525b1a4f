package cli

import (
	"slices"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/translate"
)

// outcomeWords are the outcomes in the order and the words of the sum.
var outcomeWords = []struct {
	outcome translate.Outcome
	word    string
}{
	{translate.Exact, "exact"},
	{translate.ExactUnproven, "exact-unproven"},
	{translate.AtEnd, "at-end"},
	{translate.Repeats, "repeats"},
	{translate.Unset, "unset"},
	{translate.Hold, "held"},
	{translate.Refused, "refused"},
}

// planSum is the line that ends a plan: "3 groups, 120 partitions: 118 exact,
// 2 held".
func planSum(p *plan.Plan) string {
	s := p.Summary
	text := count(s.Groups, "group", "groups") + ", " + count(s.Positions, "partition", "partitions")
	var parts []string
	for _, o := range outcomeWords {
		n := s.Outcomes[o.outcome]
		if o.outcome == translate.Unset {
			n -= s.Deleted // planned deletions are unset on the source
		}
		if n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+o.word)
		}
	}
	if s.Kept > 0 {
		parts = append(parts, strconv.Itoa(s.Kept)+" to keep as it is")
	}
	if s.Deleted > 0 {
		parts = append(parts, strconv.Itoa(s.Deleted)+" to delete")
	}
	if placed(p) && s.Positions > 0 {
		parts = []string{placedSum(p)}
	}
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	text += "; " + count(s.Applicable, "group", "groups") + " to apply"
	empty := 0
	for i := range p.Groups {
		if g := &p.Groups[i]; g.Verdict == plan.VerdictNothing && !slices.ContainsFunc(g.Positions, func(q plan.Position) bool { return q.Action == plan.Same }) {
			empty++
		}
	}
	if n := s.Unchanged - empty; n > 0 {
		text += ", " + strconv.Itoa(n) + " already there"
	}
	if empty > 0 {
		text += ", " + strconv.Itoa(empty) + " without positions"
	}
	if s.Blocked > 0 {
		text += ", " + strconv.Itoa(s.Blocked) + " not"
	}
	return text
}
