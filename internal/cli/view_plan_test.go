package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/translate"
)

func TestOutcomeNamesWhatWasAccepted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		q    plan.Position
		want string
	}{
		"nothing":          {plan.Position{Outcome: translate.Exact}, "exact"},
		"rewind":           {plan.Position{Outcome: translate.Exact, Rewind: 12, Accepted: []string{"rewind"}}, "exact, rewind of 12 accepted"},
		"loss":             {plan.Position{Outcome: translate.Refused, Lost: 12, Accepted: []string{"loss"}}, "12 records lost, accepted"},
		"loss of one":      {plan.Position{Outcome: translate.Refused, Lost: 1, Accepted: []string{"loss"}}, "1 record lost, accepted"},
		"loss, not known":  {plan.Position{Outcome: translate.Refused, Lost: -1, Accepted: []string{"loss"}}, "? records lost, accepted"},
		"retention":        {plan.Position{Outcome: translate.Exact, Lost: 7, Accepted: []string{"loss"}}, "exact, loss of 7 accepted"},
		"repeats":          {plan.Position{Outcome: translate.Repeats, Repeats: 4, Accepted: []string{"repeats"}}, "repeats 4, accepted"},
		"repeats, refused": {plan.Position{Outcome: translate.Repeats, Repeats: 4, Blocked: true}, "repeats 4"},
		"both": {
			plan.Position{Outcome: translate.Repeats, Repeats: 4, Rewind: 3, Accepted: []string{"repeats", "rewind"}},
			"repeats 4, accepted, rewind of 3 accepted",
		},
		"refused": {plan.Position{Outcome: translate.Refused, Blocked: true, Reason: plan.ReasonRewind}, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, outcomeText(&c.q)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRemarksSayEachTextOnce: notes that many positions share are one line.
func TestRemarksSayEachTextOnce(t *testing.T) {
	t.Parallel()
	var r remarks
	note := []string{"on the word of --copy-complete"}
	r.position("g", &plan.Position{Topic: "o", Partition: 0, Outcome: translate.Repeats, Repeats: 4, Notes: note})
	r.position("g", &plan.Position{Topic: "o", Partition: 1, Outcome: translate.Exact, Notes: note})
	r.position("g", &plan.Position{Topic: "o", Partition: 2, Outcome: translate.Refused, Lost: 2, Accepted: []string{"loss"}})
	r.position("g", &plan.Position{Topic: "o", Partition: 3, Outcome: translate.ExactUnproven, Unproven: []string{"the source"}})
	var out strings.Builder
	r.write(&out)
	want := "g o/0: 4 records will be read again, accepted\n" +
		"g o/0 (and 1 more): note: on the word of --copy-complete\n" +
		"g o/2: 2 records lost, accepted\n" +
		"g o/3: unproven: the source\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// TestProblemOfAGroupNamesNoPartition: a missing right on a group has no topic.
func TestProblemOfAGroupNamesNoPartition(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	reportView{w: &out}.problems(&plan.GroupReport{Name: "g", Problems: []plan.Problem{{Detail: "the right READ on the group is missing"}}})
	if diff := cmp.Diff("g:\n  the right READ on the group is missing\n\n", out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestPlanCode(t *testing.T) {
	t.Parallel()
	refused := func(r plan.Reason) plan.Group { return plan.Group{Verdict: plan.VerdictRefused, Reason: r} }
	for name, c := range map[string]struct {
		groups []plan.Group
		want   int
	}{
		"all active":              {[]plan.Group{refused(plan.ReasonGroupActive), refused(plan.ReasonGroupActive)}, ExitLocked},
		"all missing":             {[]plan.Group{refused(plan.ReasonGroupMissing)}, ExitFailure},
		"one active, one missing": {[]plan.Group{refused(plan.ReasonGroupActive), refused(plan.ReasonGroupMissing)}, ExitPartial},
		"one active, one applies": {[]plan.Group{refused(plan.ReasonGroupActive), {Verdict: plan.VerdictApply}}, ExitPartial},
		"another reason":          {[]plan.Group{refused(plan.ReasonRewind)}, ExitPartial},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := planCode(&plan.Plan{Groups: c.groups}); got != c.want {
				t.Errorf("code %d, want %d", got, c.want)
			}
		})
	}
}

// TestExplainSaysEverything: records, what is missing and why, the bracket, how
// the rest was excluded, and what is not proven.
func TestExplainSaysEverything(t *testing.T) {
	t.Parallel()
	seen := func(offset, source int64) *translate.Seen {
		return &translate.Seen{Offset: offset, Timestamp: 1700000000000, Fingerprint: "00112233445566778899aabbccddeeff", SourceOffset: source}
	}
	p := &plan.Plan{
		Topics: []plan.Topic{{Target: "orders", Source: "orders", Evidence: translate.KindMM2, OwnHeaders: []string{"x-a", "x-b"}}},
		Groups: []plan.Group{{Name: "app", Positions: []plan.Position{
			{
				Topic: "orders", Source: &plan.Offset{Offset: 4}, After: &plan.Offset{Offset: 7}, Outcome: translate.Repeats,
				Reason: "several-fit", Detail: "records from 7 to 9 are alike", Unproven: []string{"something"}, Notes: []string{"aborted copies"},
				Proof: &translate.Proof{
					SourceAt: seen(4, -1), TargetBefore: seen(6, 3), TargetAt: seen(7, 4), Missing: []string{"the source has no record before 4 any more"},
					Known: translate.KnownCounted, Slots: 5, Offsets: 5, Bracket: &translate.Bracket{SourceLow: 2, TargetLow: 5, SourceHigh: -1, TargetHigh: -1},
				},
			},
			{
				Topic: "orders", Partition: 1, Source: &plan.Offset{Offset: 9}, Outcome: translate.Hold, Reason: "not-copied",
				Detail: "copied through 3 of 9", Proof: &translate.Proof{},
			},
		}}},
	}
	var out strings.Builder
	if err := (planView{w: &out}).explain(p); err != nil {
		t.Fatal(err)
	}
	want := `orders: fingerprints leave out the headers of all known movers (own_headers in the plan has their names)

app orders/0: 4 → 7, repeats
  LOG     RECORD    OFFSET  SOURCE-OFFSET  TIME                      FINGERPRINT
  source  before 4       -              -  none                      -
  source  at 4           4              -  2023-11-14T22:13:20.000Z  0011223344556677
  target  before 7       6              3  2023-11-14T22:13:20.000Z  0011223344556677
  target  at 7           7              4  2023-11-14T22:13:20.000Z  0011223344556677
  the source has no record before 4 any more
  MirrorMaker 2 noted source offset 2 as target offset 5 below, and nothing above; the records between were compared
  nothing after it is missing or twice: counted, 5 offsets of the target for 5 of the source, and every probe in step
  several-fit: records from 7 to 9 are alike
  unproven: something
  note: aborted copies

app orders/1: 9 stays untranslated, hold
  no records are shown either side: there is no position to prove
  not-copied: copied through 3 of 9

`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
