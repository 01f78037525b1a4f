package plan

import (
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/translate"
)

// judge gives the verdict on a group whose positions are known. A reason that
// is set already refuses it as a whole.
func (g *Group) judge(accept Accept) {
	blocked, held, writes := 0, 0, 0
	var first *Position
	for i := range g.Positions {
		q := &g.Positions[i]
		switch {
		case q.Blocked:
			blocked++
			if q.Outcome == translate.Hold {
				held++
			} else if first == nil || first.Outcome == translate.Hold {
				first = q
			}
			if first == nil {
				first = q
			}
		case q.Writes():
			writes++
		}
		for _, word := range q.Accepted {
			g.accept(word)
		}
	}
	switch {
	case g.Reason != "":
		g.Verdict = VerdictRefused
	case blocked == 0 && writes == 0 && !g.Delete:
		g.Verdict = VerdictNothing
	case blocked == 0:
		g.Verdict = VerdictApply
	case accept.PartialGroup && writes > 0:
		g.Verdict = VerdictPartly
		g.accept(acceptPartial)
		g.Reason = ReasonPartialGroup
		g.Detail = fmt.Sprintf("%d of %d positions stay out; a consumer falls to its auto.offset.reset there", blocked, len(g.Positions))
	default:
		g.Verdict = VerdictRefused
		if held == blocked {
			g.Verdict = VerdictHeld
		}
		g.Reason, g.Hint = first.Reason, first.Hint
		g.Detail = fmt.Sprintf("%s: %s", first.Target(), first.Detail)
		if blocked > 1 {
			g.Detail += fmt.Sprintf(" (and %d more)", blocked-1)
		}
	}
}

func (g *Group) accept(word string) {
	if !g.accepted(word) {
		g.Accepted = append(g.Accepted, word)
	}
}

// accepted reports whether the group needed an override.
func (g *Group) accepted(word string) bool { return slices.Contains(g.Accepted, word) }

// finish sorts what came in no order and counts.
func (p *Plan) finish() {
	sortLeft(p.LeftBehind)
	s := Summary{Groups: len(p.Groups), Outcomes: map[translate.Outcome]int{}}
	for i := range p.Groups {
		g := &p.Groups[i]
		switch {
		case g.Applicable():
			s.Applicable++
		case g.Verdict == VerdictNothing:
			s.Unchanged++
		default:
			s.Blocked++
		}
		for j := range g.Positions {
			q := &g.Positions[j]
			s.Positions++
			s.Outcomes[q.Outcome]++
			switch q.Action {
			case New:
				s.New++
			case Change:
				s.Changed++
			case Same:
				s.Same++
			case Keep:
				s.Kept++
			case Delete:
				s.Deleted++
			case None:
			}
		}
	}
	p.Summary = s
}
