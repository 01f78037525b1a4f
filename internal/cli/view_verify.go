package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/plan"
)

// verifyJSON is the answer of verify for programs.
type verifyJSON struct {
	header
	// Right: nothing wrong was found; exit code 0, else 5.
	Right bool `json:"right"`
	*plan.VerifyReport
}

func verifyDoc(r *plan.VerifyReport) verifyJSON {
	return verifyJSON{header: head("verify"), Right: r.Right(), VerifyReport: r}
}

// verifyView shows to people how the groups stand against the plan.
type verifyView struct {
	w     io.Writer
	paint paint
}

func (v verifyView) show(r *plan.VerifyReport) error {
	t := newTable(v.paint, "GROUP", "TOPIC", "PARTITION>", "PLANNED>", "NOW>", "AHEAD>", "CHECK", "PROOF")
	for i := range r.Groups {
		g := &r.Groups[i]
		for j := range g.Positions {
			p := &g.Positions[j]
			t.cells(cell{text: g.Name}, cell{text: p.Topic}, cell{text: strconv.Itoa(int(p.Partition))},
				cell{text: offsetOf(p.Planned)}, cell{text: offsetOf(p.Now)}, cell{text: aheadText(p)},
				cell{text: string(p.Check), paint: v.checkPaint(p.Check)},
				cell{text: string(p.Proof), paint: v.proofPaint(p.Proof)})
		}
	}
	if !t.empty() {
		if err := t.write(v.w); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(v.w)
	}
	for i := range r.Groups {
		v.details(&r.Groups[i])
	}
	for _, f := range r.Findings {
		_, _ = fmt.Fprintf(v.w, "%s: %s\n", f.Severity, clean(f.Detail))
	}
	_, err := fmt.Fprintln(v.w, verifySum(r))
	return err
}

func (v verifyView) details(g *plan.VerifyGroup) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(v.w, format+"\n", args...) }
	// The detail of a group is often that of one of its positions.
	if g.Detail != "" && !slices.ContainsFunc(g.Positions, func(p plan.VerifyPosition) bool { return p.Detail == g.Detail }) {
		say("%s: %s", clean(g.Name), clean(g.Detail))
	}
	if len(g.Members) > 0 {
		say("%s: being read by %s", clean(g.Name), clean(strings.Join(g.Members, ", ")))
	}
	for i := range g.Positions {
		p := &g.Positions[i]
		if p.Detail != "" {
			say("%s %s/%d: %s", clean(g.Name), clean(p.Topic), p.Partition, clean(p.Detail))
		}
		if p.Hint != "" {
			say("    hint: %s", clean(p.Hint))
		}
		for _, d := range p.ProofDetail {
			say("%s %s/%d: proof: %s", clean(g.Name), clean(p.Topic), p.Partition, clean(d))
		}
	}
}

func aheadText(p *plan.VerifyPosition) string {
	if p.Planned == nil || p.Now == nil {
		return "-"
	}
	return strconv.FormatInt(p.Ahead, 10)
}

func (v verifyView) checkPaint(c plan.Check) func(string) string {
	switch c {
	case plan.AsWritten, plan.MovedOn:
		return v.paint.green
	case plan.NotApplied:
		return v.paint.yellow
	case plan.Wrong, plan.LateCommit:
	}
	return v.paint.red
}

func (v verifyView) proofPaint(c plan.ProofCheck) func(string) string {
	switch c {
	case plan.ProofHolds:
		return v.paint.green
	case plan.ProofDiffers:
		return v.paint.red
	case plan.ProofPartly, plan.ProofGone, plan.ProofNone:
	}
	return v.paint.dim
}

// verifySum is the line that ends a verification: "1 group, 12 positions: 10
// as written, 2 moved on; proof: 12 holds".
func verifySum(r *plan.VerifyReport) string {
	positions := 0
	for i := range r.Groups {
		positions += len(r.Groups[i].Positions)
	}
	if len(r.Groups) == 0 {
		return "nothing to verify: the plan has no group that can be applied"
	}
	text := count(len(r.Groups), "group", "groups") + ", " + count(positions, "position", "positions")
	var parts []string
	for _, c := range []plan.Check{plan.AsWritten, plan.MovedOn, plan.NotApplied, plan.Wrong, plan.LateCommit} {
		if n := r.Counts[c]; n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+strings.ReplaceAll(string(c), "-", " "))
		}
	}
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	parts = nil
	for _, c := range []plan.ProofCheck{plan.ProofHolds, plan.ProofPartly, plan.ProofGone, plan.ProofNone, plan.ProofDiffers} {
		if n := r.Proofs[c]; n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+string(c))
		}
	}
	if len(parts) > 0 {
		text += "; proof: " + strings.Join(parts, ", ")
	}
	return text
}
