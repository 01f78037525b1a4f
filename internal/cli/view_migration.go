package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/plan"
)

// checkView shows to people what was found before a migration is created.
type checkView struct {
	w     io.Writer
	paint paint
}

func (v checkView) linef(format string, args ...any) {
	_, _ = fmt.Fprintf(v.w, format+"\n", args...) // a closed pipe shows when the table is written
}

func (v checkView) show(c *migration.Checkup, from, to plan.Cluster) error {
	v.linef("Migration %s from %s", clean(c.Spec.Name), sidesText(from, to))
	if len(c.Groups) > 0 {
		v.linef("%s: %s", count(len(c.Groups), "group", "groups"), pairsText(c.Groups))
	}
	v.linef("")
	if err := v.findings(c.Findings); err != nil {
		return err
	}
	v.held(c)
	if c.Plan != nil {
		v.linef("As things stand: %s", planSum(c.Plan))
	}
	_, err := fmt.Fprintln(v.w, findingsSum(c))
	return err
}

// severityPaint is the colour of a severity.
func severityPaint(p paint, s migration.Severity) func(string) string {
	switch s {
	case migration.Problem:
		return p.red
	case migration.Warning:
		return p.yellow
	case migration.Note:
	}
	return nil
}

// findings are a table; a remedy stands below what it helps with, once for all
// findings in a row that have the same.
func (v checkView) findings(fs []migration.Finding) error {
	if len(fs) == 0 {
		return nil
	}
	t := newTable(v.paint, "SEVERITY", "REASON", "GROUP", "TOPIC", "DETAIL")
	for i, f := range fs {
		t.cells(cell{text: string(f.Severity), paint: severityPaint(v.paint, f.Severity)}, cell{text: f.Reason},
			cell{text: orDash(f.Group)}, cell{text: orDash(f.Topic)}, cell{text: f.Detail})
		if f.Remedy != "" && (i+1 == len(fs) || fs[i+1].Remedy != f.Remedy) {
			t.row("", "", "", "", "→ "+f.Remedy)
		}
	}
	if err := t.write(v.w); err != nil {
		return err
	}
	v.linef("")
	return nil
}

// held is what would be held if the application stopped now, and how long.
func (v checkView) held(c *migration.Checkup) {
	l := c.Look
	if l == nil || l.Positions == 0 {
		return
	}
	v.linef("If the application stopped now, %s would be held until the copy is there:", heldText(l))
	for _, t := range topicTexts(l) {
		v.linef("  %s", t)
	}
	for i := range l.Troubles {
		if i == maxShown {
			v.linef("  and %d more that may not end", len(l.Troubles)-i)
			break
		}
		v.linef("  %s", troubleText(&l.Troubles[i]))
	}
	v.linef("")
}

func findingsSum(c *migration.Checkup) string {
	if len(c.Findings) == 0 {
		return "Nothing was found that stands in the way."
	}
	return count(c.Count(migration.Problem), "problem", "problems") + ", " +
		count(c.Count(migration.Warning), "warning", "warnings") + ", " + count(c.Count(migration.Note), "note", "notes")
}

// migrationCheckJSON is what 'migration create' found, for programs.
type migrationCheckJSON struct {
	header
	Name string `json:"name"`
	// Created: it is stored, under the run of that ID.
	Created  bool                `json:"created"`
	Run      string              `json:"run,omitempty"`
	Problems int                 `json:"problems"`
	Warnings int                 `json:"warnings"`
	Notes    int                 `json:"notes"`
	Findings []migration.Finding `json:"findings"`
	Groups   []migration.Pair    `json:"groups"`
	Spec     api.Migration       `json:"spec"`
	Plan     *plan.Summary       `json:"plan"`
	Held     *heldJSON           `json:"held"`
}

// heldJSON is what is not copied yet.
type heldJSON struct {
	Positions int               `json:"positions"`
	Groups    int               `json:"groups"`
	Topics    []waitTopicJSON   `json:"topics"`
	Troubles  []waitTroubleJSON `json:"troubles"`
}

func checkDoc(c *migration.Checkup, made *migration.State) migrationCheckJSON {
	out := migrationCheckJSON{
		header: head("migration-check"), Name: c.Spec.Name,
		Problems: c.Count(migration.Problem), Warnings: c.Count(migration.Warning), Notes: c.Count(migration.Note),
		Findings: list(c.Findings), Groups: list(c.Groups), Spec: c.Spec,
	}
	if made != nil {
		out.Created, out.Run = true, made.Run
	}
	if c.Plan != nil {
		out.Plan = &c.Plan.Summary
	}
	if c.Look != nil && c.Look.Positions > 0 {
		doc := waitDoc(c.Look)
		out.Held = &heldJSON{Positions: doc.Positions, Groups: doc.Groups, Topics: doc.Topics, Troubles: doc.Troubles}
	}
	return out
}

// migrationJSON is where a call has left a migration, for programs: the state,
// which brings its own type and version, and what the next step needs.
type migrationJSON struct {
	*migration.State
	Waiting  []migration.Wait `json:"waiting"`
	TimedOut bool             `json:"timed_out"`
}

func outcomeDoc(o *migration.Outcome) migrationJSON {
	return migrationJSON{State: o.State, Waiting: list(o.Waiting), TimedOut: o.TimedOut}
}

// migrationView shows to people where a migration stands.
type migrationView struct {
	w     io.Writer
	paint paint
	now   time.Time
}

func (v migrationView) linef(format string, args ...any) {
	_, _ = fmt.Fprintf(v.w, format+"\n", args...) // a closed pipe shows when the table is written
}

// outcome shows the steps, what is to be started where, and what is waited for.
func (v migrationView) outcome(o *migration.Outcome) error {
	st := o.State
	v.linef("Migration %s from %s: %s", clean(st.Name), sidesText(st.Source, st.Target), pairsText(st.Groups))
	v.linef("")
	if err := v.steps(st); err != nil {
		return err
	}
	v.left(st)
	v.start(st)
	v.waiting(o.Waiting)
	return nil
}

// left shows every position that stays where somebody else has put it.
func (v migrationView) left(st *migration.State) {
	if len(st.Left) == 0 {
		return
	}
	v.linef("\n%s", v.paint.bold("Left as they are, because somebody else has committed in their groups:"))
	for _, l := range st.Left {
		v.linef("  %s: %s", clean(l.Cluster), clean(l.String()))
	}
}

// stepRow is a step that was reached, one that was gone back from, or one that
// is still to come.
type stepRow struct {
	step   string
	at     time.Time
	detail string
	paint  func(string) string
}

func (v migrationView) steps(st *migration.State) error {
	var rows []stepRow
	for _, s := range st.Steps {
		rows = append(rows, stepRow{step: string(s.Step), at: s.At, detail: s.Detail, paint: v.paint.green})
	}
	for _, r := range st.Returns {
		rows = append(rows, stepRow{step: "↩ " + string(r.To), at: r.At, detail: returnText(&r), paint: v.paint.yellow})
	}
	slices.SortStableFunc(rows, func(a, b stepRow) int { return a.at.Compare(b.at) })
	for _, s := range comingSteps(st.Step) {
		rows = append(rows, stepRow{step: string(s), paint: v.paint.dim})
	}
	t := newTable(v.paint, "STEP", "REACHED", "DETAIL")
	for _, r := range rows {
		t.cells(cell{text: r.step, paint: r.paint}, cell{text: stamp(r.at)}, cell{text: r.detail})
	}
	return t.write(v.w)
}

// comingSteps are those that follow a step when all goes well.
func comingSteps(s migration.Step) []migration.Step {
	if s == migration.Aborting {
		return []migration.Step{migration.Aborted}
	}
	if s == migration.FailingBack {
		return []migration.Step{migration.FailedBack}
	}
	all := migration.Steps()
	if i := slices.Index(all, s); i >= 0 {
		return all[i+1:]
	}
	return nil
}

// returnText says why a migration went back.
func returnText(r *migration.Return) string {
	text := fmt.Sprintf("back from %s, %s: %s", r.From, r.Reason, r.Detail)
	if r.Rollback != "" {
		text += "; its positions were taken back by run " + r.Rollback
	}
	return text
}

// start says what is to be started where, from the moment at which it may be.
func (v migrationView) start(st *migration.State) {
	if st.Step != migration.Moved && st.Step != migration.Resumed {
		return // nothing is to be started there, or it was
	}
	v.linef("\n%s", v.paint.bold("Start the application on "+clean(clusterText(st.Target))+":"))
	v.linef("  bootstrap.servers=%s", clean(strings.Join(st.Target.Bootstrap, ",")))
	for _, g := range st.Groups {
		text := "group.id=" + clean(g.Target)
		if g.Target != g.Source {
			text += "   (was " + clean(g.Source) + ")"
		}
		if at, ok := st.Resumed[g.Target]; ok {
			text += "   (goes on since " + stamp(at) + ")"
		}
		v.linef("  %s", text)
	}
}

// waiting says what the next step needs, with what helps.
func (v migrationView) waiting(ws []migration.Wait) {
	if len(ws) == 0 {
		return
	}
	v.linef("\n%s", v.paint.bold("It waits for:"))
	for _, line := range waitLines(ws, v.now) {
		v.linef("  %s", line)
	}
}

// waitLines are what is waited for, each with its members and, once for all in
// a row that have the same, what helps.
func waitLines(ws []migration.Wait, now time.Time) []string {
	var lines []string
	for i := range ws {
		w := &ws[i]
		lines = append(lines, fmt.Sprintf("%s: %s", w.Kind, clean(w.Detail)))
		for j, m := range w.Members {
			if j == maxShown {
				lines = append(lines, fmt.Sprintf("    and %s more", count(len(w.Members)-j, "member", "members")))
				break
			}
			lines = append(lines, "    "+memberText(&m, now))
		}
		var next migration.Wait
		if rest := ws[i+1:]; len(rest) > 0 {
			next = rest[0]
		}
		if w.Remedy != next.Remedy && w.Remedy != "" {
			lines = append(lines, "  → "+clean(w.Remedy))
		}
	}
	return lines
}

// memberText is one member: "client shop-worker on /10.0.0.7, static shop-1, 40s left at most".
func memberText(m *migration.Member, now time.Time) string {
	text := "client " + clean(orDash(m.ClientID)) + " on " + clean(orDash(m.Host))
	if m.InstanceID == "" {
		return text
	}
	text += ", static " + clean(m.InstanceID)
	switch {
	case m.LeavesBy == nil:
		text += ", stays until its session ends"
	case m.LeavesBy.After(now):
		text += ", " + durationText(m.LeavesBy.Sub(now)) + " left at most"
	default:
		text += ", about to leave"
	}
	return text
}
