package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/translate"
)

// planView shows plans to people.
type planView struct {
	w     io.Writer
	paint paint
	wide  bool
	// payload shows keys and values in explain.
	payload bool
	// back: the plan is of kind back.
	back bool
}

// planJSON is a plan for programs: the body of the plan file, with its digest.
type planJSON struct {
	header
	Digest string `json:"digest"`
	// Applicable: everything in it can be applied; exit code 0.
	Applicable bool `json:"applicable"`
	// Changes: applying it would write something.
	Changes bool `json:"changes"`
	*plan.Plan
}

func planDoc(p *plan.Plan) planJSON {
	return planJSON{
		header: head("plan"), Digest: p.Digest,
		Applicable: p.AllApplicable(), Changes: p.Summary.Applicable > 0, Plan: p,
	}
}

// show writes the whole plan: where from and to, the evidence per topic, a row
// per position, what stands in the way, and the sum.
func (v planView) show(p *plan.Plan) error {
	v.heading(p)
	t := v.table(p)
	if placed(p) {
		t = v.placedTable(p)
	}
	if !t.empty() {
		if err := t.write(v.w); err != nil {
			return err
		}
		v.linef("")
	}
	v.obstacles(p)
	v.findings(p)
	v.leftBehind(p)
	v.linef("%s", planSum(p))
	return nil
}

func (v planView) linef(format string, args ...any) {
	_, _ = fmt.Fprintf(v.w, format+"\n", args...) // a closed pipe shows when the table is written
}

func (v planView) heading(p *plan.Plan) {
	target := clusterText(p.Target)
	switch {
	case p.Kind == plan.DeleteGroups:
		v.linef("On %s, to delete with all positions:", target)
	case p.Kind == plan.KeepOffsets:
		v.linef("On %s, to keep as it is for %s:", target, p.Options.Keep())
	case p.Kind == plan.Restore && p.Source == nil && p.Snapshot != nil:
		v.linef("On %s, to be as in snapshot %s of %s:", target, p.Snapshot.ID, stamp(p.Snapshot.Created))
	case p.Kind == plan.Forget:
		v.linef("On %s, positions to delete:", target)
	case p.Kind == plan.Reset:
		v.linef("On %s, groups to move:", target)
	case p.Source == nil:
		v.linef("On %s", target)
	case p.Snapshot != nil:
		v.linef("From snapshot %s of %s, of %s, to %s", p.Snapshot.ID, stamp(p.Snapshot.Created), clusterText(*p.Source), target)
	case p.SameCluster:
		v.linef("Within %s", target)
	case p.Kind == plan.Back:
		v.linef("Back from %s to %s", clusterText(*p.Source), target)
	default:
		v.linef("From %s to %s", clusterText(*p.Source), target)
	}
	for _, t := range p.Topics {
		name := t.Target
		if t.Source != "" && t.Source != t.Target {
			name = t.Source + " → " + t.Target
		}
		if t.Detected != "" {
			name += ": " + t.Detected
		}
		if name != t.Target {
			v.linef("  %s", clean(name))
		}
	}
	v.linef("")
}

// clusterText names a cluster: its name in the config or its first address,
// and its ID.
func clusterText(c plan.Cluster) string {
	name := c.Name
	if name == "" && len(c.Bootstrap) > 0 {
		name = c.Bootstrap[0]
	}
	if name == "" {
		return clean(c.ID)
	}
	if c.ID == "" {
		return clean(name)
	}
	return clean(name) + " (" + clean(c.ID) + ")"
}

func (v planView) table(p *plan.Plan) *table {
	columns := []string{"", "GROUP", "TOPIC", "PARTITION>", "FROM>", "NOW>", "TO>", "LAG>", "OUTCOME", "EVIDENCE"}
	if v.wide {
		columns = append(columns, "SOURCE-GROUP", "SOURCE-TOPIC", "COPIED-THROUGH>", "LOG-START>", "LOG-END>", "METADATA")
	}
	mirror := v.wide && hasCheckpoints(p)
	if mirror {
		columns = append(columns, "MM2>", "MM2-REPEATS>")
	}
	t := newTable(v.paint, columns...)
	for i := range p.Groups {
		g := &p.Groups[i]
		for j := range g.Positions {
			cells := v.row(g, &g.Positions[j], evidenceOf(p, &g.Positions[j]))
			if mirror {
				cells = append(cells, checkpointCells(g.Positions[j].MirrorMaker)...)
			}
			t.cells(cells...)
		}
	}
	return t
}

func (v planView) row(g *plan.Group, q *plan.Position, evidence translate.Kind) []cell {
	sign := cell{text: q.Action.Sign()}
	switch q.Action {
	case plan.New:
		sign.paint = v.paint.green
	case plan.Change:
		sign.paint = v.paint.yellow
	case plan.Delete:
		sign.paint = v.paint.red
	case plan.Same, plan.Keep, plan.None:
	}
	to := offsetOf(q.After)
	if q.Action == plan.Delete {
		to = "-"
	}
	cells := []cell{
		sign,
		{text: g.Name},
		{text: q.Topic},
		{text: strconv.Itoa(int(q.Partition))},
		{text: fromText(q)},
		{text: offsetOf(q.Before)},
		{text: to, paint: v.paint.bold},
		{text: lagChange(q)},
		{text: outcomeText(q), paint: v.outcomePaint(q)},
		{text: evidenceText(evidence, q)},
	}
	if v.wide {
		meta := ""
		if q.Source != nil {
			meta = q.Source.Metadata
		}
		cells = append(cells,
			cell{text: orDash(q.SourceGroup)}, cell{text: orDash(q.SourceTopic)},
			cell{text: offsetText(q.CopiedThrough)}, cell{text: offsetText(q.TargetStart)},
			cell{text: offsetText(q.TargetEnd)}, cell{text: meta})
	}
	return cells
}

func evidenceOf(p *plan.Plan, q *plan.Position) translate.Kind {
	for _, t := range p.Topics {
		if t.Target == q.Topic && t.Source == q.SourceTopic {
			return t.Evidence
		}
	}
	return ""
}

func offsetOf(o *plan.Offset) string {
	if o == nil {
		return "-"
	}
	return strconv.FormatInt(o.Offset, 10)
}

// fedShown is how many source partitions are named one by one.
const fedShown = 3

// fromText is the position on the source; where several source partitions feed
// one of the target, the position on each, as partition:offset.
func fromText(q *plan.Position) string {
	if !q.Joined {
		return offsetOf(q.Source)
	}
	var parts []string
	for _, f := range q.FedBy {
		if len(f.Over) > 0 {
			parts = append(parts, fmt.Sprintf("%d:%s", f.Partition, offsetOf(f.Source)))
		}
	}
	if len(parts) > fedShown {
		return fmt.Sprintf("%d partitions", len(parts))
	}
	return orDash(strings.Join(parts, ","))
}

func lagChange(q *plan.Position) string {
	if q.Source == nil && q.LagBefore < 0 {
		if q.After == nil {
			return "-"
		}
		return offsetText(q.LagAfter)
	}
	if q.After == nil {
		return offsetText(q.LagBefore)
	}
	return offsetText(q.LagBefore) + " → " + offsetText(q.LagAfter)
}

// outcomeText is the outcome with its count, and what was accepted.
func outcomeText(q *plan.Position) string {
	text := string(q.Outcome)
	switch {
	case q.Action == plan.Delete:
		text = "delete"
	case q.Outcome == translate.Repeats:
		text += " " + offsetText(q.Repeats)
	case q.Outcome == translate.Refused && !q.Blocked && slices.Contains(q.Accepted, "loss"):
		text = lostText(q.Lost)
	}
	for _, word := range q.Accepted {
		switch {
		case word == "rewind":
			text += ", rewind of " + offsetText(q.Rewind) + " accepted"
		case word == "loss" && q.Outcome != translate.Refused:
			text += ", loss of " + offsetText(q.Lost) + " accepted"
		default:
			text += ", accepted"
		}
	}
	if q.Blocked && q.Reason != "" && q.Outcome != translate.Hold && q.Outcome != translate.Refused {
		text += ", " + string(q.Reason)
	}
	return text
}

// lostText is how many records are skipped, -1 unknown.
func lostText(n int64) string {
	if n == 1 {
		return "1 record lost"
	}
	return offsetText(n) + " records lost"
}

func (v planView) outcomePaint(q *plan.Position) func(string) string {
	switch {
	case q.Blocked && q.Outcome == translate.Hold:
		return v.paint.yellow
	case q.Blocked:
		return v.paint.red
	case q.Outcome == translate.Repeats || q.Outcome == translate.ExactUnproven:
		return v.paint.yellow
	}
	return v.paint.green
}

// evidenceText names the evidence and how it is known that nothing is missing
// or twice after the position.
func evidenceText(kind translate.Kind, q *plan.Position) string {
	var parts []string
	if kind != "" {
		parts = append(parts, string(kind))
	}
	if q.Proof != nil && q.Proof.Known != translate.KnownNothing {
		parts = append(parts, string(q.Proof.Known))
	}
	return orDash(strings.Join(parts, ", "))
}

// obstacles says of every group that is not simply applied why not.
func (v planView) obstacles(p *plan.Plan) {
	said := false
	for i := range p.Groups {
		g := &p.Groups[i]
		if g.Verdict == plan.VerdictApply || g.Verdict == plan.VerdictNothing {
			if v.remarks(g) {
				said = true
			}
			continue
		}
		said = true
		v.obstacle(g)
	}
	if said {
		v.linef("")
	}
}

// obstacle says of one group why it is not applied: each position that stands
// in the way, and each thing that helps once.
func (v planView) obstacle(g *plan.Group) {
	var texts, hints []string
	addHint := func(h string) {
		if h != "" && !slices.Contains(hints, h) {
			hints = append(hints, h)
		}
	}
	own := firstOf(g.Detail, string(g.Reason))
	for j := range g.Positions {
		q := &g.Positions[j]
		if !q.Blocked {
			continue
		}
		why := firstOf(q.Detail, string(q.Reason))
		texts = append(texts, fmt.Sprintf("  %s %s: %s", q.Outcome, clean(q.Target().String()), clean(why)))
		for _, note := range q.Notes {
			texts = append(texts, fmt.Sprintf("  note %s: %s", clean(q.Target().String()), clean(note)))
		}
		addHint(q.Hint)
		if strings.Contains(own, why) {
			own = "" // the group's reason is this position's
		}
	}
	addHint(g.Hint)
	title := v.paint.red(string(g.Verdict)) + " " + clean(g.Name) + ":"
	if own != "" {
		title += " " + clean(own)
	}
	v.linef("%s", title)
	for _, text := range texts {
		v.linef("%s", text)
	}
	for _, h := range hints {
		v.hint(h)
	}
}

// remarks says what is worth knowing about positions that are applied.
func (v planView) remarks(g *plan.Group) bool {
	said := false
	for j := range g.Positions {
		q := &g.Positions[j]
		for _, text := range append(append([]string{}, q.Unproven...), q.Notes...) {
			v.linef("note %s %s: %s", clean(g.Name), clean(q.Target().String()), clean(text))
			said = true
		}
		if q.Outcome != translate.Exact && q.Outcome != translate.ExactUnproven && q.Detail != "" {
			v.linef("%s %s %s: %s", string(q.Outcome), clean(g.Name), clean(q.Target().String()), clean(q.Detail))
			said = true
		}
	}
	return said
}

func (v planView) hint(text string) {
	if text != "" {
		v.linef("    hint: %s", clean(text))
	}
}

func (v planView) findings(p *plan.Plan) {
	for _, f := range p.Findings {
		word := string(f.Severity)
		if f.Severity == plan.Warning {
			word = v.paint.yellow(word)
		}
		about := strings.TrimSpace(f.Group + " " + f.Topic)
		if about != "" {
			about = " " + about
		}
		v.linef("%s%s: %s", word, clean(about), clean(f.Detail))
		v.hint(f.Hint)
	}
	if len(p.Findings) > 0 {
		v.linef("")
	}
}

func (v planView) leftBehind(p *plan.Plan) {
	for _, l := range p.LeftBehind {
		v.linef("left behind %s %s (%s): %s", clean(l.Group), clean(l.Topic), partitionsText(l.Partitions), clean(firstOf(l.Detail, string(l.Reason))))
	}
	if len(p.LeftBehind) > 0 {
		v.linef("")
	}
}

// partitionsText writes partitions as the --partition flag takes them.
func partitionsText(ps []int32) string {
	var parts []string
	for i := 0; i < len(ps); {
		j := i
		for j+1 < len(ps) && ps[j+1] == ps[j]+1 {
			j++
		}
		if j > i {
			parts = append(parts, fmt.Sprintf("%d-%d", ps[i], ps[j]))
		} else {
			parts = append(parts, strconv.Itoa(int(ps[i])))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// firstOf returns the first text that says something.
func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
