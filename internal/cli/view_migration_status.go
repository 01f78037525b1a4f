package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/migration"
)

// statusView shows to people where a migration stands, and what its groups and
// topics look like now.
type statusView struct {
	migrationView
	wide bool
	// offline: the clusters were not looked at, as asked for.
	offline bool
	// short: for a block that is redrawn on a terminal.
	short bool
}

func (v statusView) show(s *migration.Status) error {
	st := s.State
	v.linef("Migration %s from %s: %s", clean(st.Name), sidesText(st.Source, st.Target), pairsText(st.Groups))
	v.linef("%s", v.paint.bold(standsText(s, v.now)))
	for i := range s.Unseen {
		v.linef("%s %s", v.paint.yellow("warning:"), unseenText(&s.Unseen[i]))
	}
	if !v.offline {
		v.linef("")
		if err := v.groups(s.Groups); err != nil {
			return err
		}
		v.members(s)
	}
	v.needs(s)
	if v.short {
		return v.lastSteps(st)
	}
	v.start(st)
	v.linef("")
	if err := v.steps(st); err != nil {
		return err
	}
	v.left(st)
	v.runs(st)
	if n := len(st.Findings); n > 0 && v.wide {
		v.linef("\n%s", v.paint.bold("Found when it was created:"))
		return (checkView{w: v.w, paint: v.paint}).findings(st.Findings)
	}
	return nil
}

// standsText is "stopping since … (2m10s); held by tester@host (pid 12) since …".
func standsText(s *migration.Status, now time.Time) string {
	st := s.State
	text := "being created"
	if st.Step != "" {
		text = fmt.Sprintf("%s since %s", st.Step, stamp(st.Since))
		if !st.Ended {
			text += " (" + durationText(max(0, now.Sub(st.Since))) + ")"
		}
	}
	switch {
	case s.Holder != nil:
		text += fmt.Sprintf("; held by %s since %s", clean(s.Holder.String()), stamp(s.Holder.Since))
	case st.Ended:
		text += "; ended"
	default:
		text += "; no process holds it"
	}
	return text
}

func unseenText(u *migration.Unseen) string {
	if u.Side == "" {
		return clean(u.Error)
	}
	return fmt.Sprintf("the %s, cluster %s, could not be looked at: %s", u.Side, clean(u.Cluster), clean(u.Error))
}

// groups are a table with a row for each topic of each group.
func (v statusView) groups(gs []migration.GroupStatus) error {
	columns := []string{"GROUP", "TOPIC", "SOURCE LAG>", "COPY", "TARGET LAG>", "SOURCE", "TARGET", "NEXT STEP"}
	if v.wide {
		columns = append(columns, "PARTITIONS>")
	}
	t := newTable(v.paint, columns...)
	more := 0
	for i := range gs {
		g := &gs[i]
		name := g.Source
		if g.Target != g.Source {
			name += " → " + g.Target
		}
		topics := g.Topics
		if len(topics) == 0 {
			topics = []migration.TopicStatus{{Source: "-", Target: "-", SourceLag: -1, TargetLag: -1, Missing: -1}}
		}
		for j := range topics {
			if v.short && len(t.rows) == maxShown {
				more++
				continue
			}
			cells := topicCells(name, &topics[j])
			if j == 0 {
				cells = append(cells, cell{text: stateText(g.SourceState, g.Members)}, cell{text: stateText(g.TargetState, g.TargetMembers)}, v.next(g))
			} else {
				cells[0].text = ""
				cells = append(cells, cell{}, cell{}, cell{})
			}
			if v.wide {
				cells = append(cells, cell{text: strconv.Itoa(topics[j].Partitions)})
			}
			t.cells(cells...)
		}
	}
	if err := t.write(v.w); err != nil {
		return err
	}
	if more > 0 {
		v.linef("and %s more", count(more, "row", "rows"))
	}
	return nil
}

func topicCells(name string, t *migration.TopicStatus) []cell {
	topic := t.Target
	if t.Source != "" && t.Source != t.Target {
		topic = t.Source + " → " + t.Target
	}
	through := "through"
	switch {
	case t.Partitions == 0:
		through = "?"
	case t.Held > 0:
		through = fmt.Sprintf("%d of %d held, %s missing", t.Held, t.Partitions, offsetText(t.Missing))
	}
	return []cell{{text: name}, {text: topic}, {text: offsetText(t.SourceLag)}, {text: through}, {text: offsetText(t.TargetLag)}}
}

// stateText is a group on one side: "Stable, 2 members".
func stateText(s group.State, ms []migration.Member) string {
	switch {
	case s == "":
		return "?"
	case len(ms) == 0:
		return string(s)
	}
	return string(s) + ", " + count(len(ms), "member", "members")
}

func (v statusView) next(g *migration.GroupStatus) cell {
	if g.Ready {
		return cell{text: "ready", paint: v.paint.green}
	}
	return cell{text: orDash(g.WaitsFor), paint: v.paint.yellow}
}

// members are those of all groups on both sides.
func (v statusView) members(s *migration.Status) {
	var lines []string
	add := func(name, on string, ms []migration.Member) {
		for i := range ms {
			lines = append(lines, fmt.Sprintf("%s on %s: %s", clean(name), clean(on), memberText(&ms[i], v.now)))
		}
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		add(g.Source, clusterName(s.State.Source), g.Members)
		add(g.Target, clusterName(s.State.Target), g.TargetMembers)
	}
	if len(lines) == 0 {
		return
	}
	v.linef("\n%s", v.paint.bold("Members:"))
	for i, l := range lines {
		if v.short && i == maxShown {
			v.linef("  and %d more", len(lines)-i)
			break
		}
		v.linef("  %s", l)
	}
}

// needs is what the next step waits for, without the members, which are shown
// apart.
func (v statusView) needs(s *migration.Status) {
	ws := slices.Clone(s.Waiting)
	for i := range ws {
		ws[i].Members = nil
	}
	v.waiting(ws)
}

// lastSteps are those that were reached last, and the one that follows.
func (v statusView) lastSteps(st *migration.State) error {
	const most = 3
	v.linef("")
	t := newTable(v.paint, "STEP", "REACHED", "DETAIL")
	for _, s := range st.Steps[max(0, len(st.Steps)-most):] {
		t.row(string(s.Step), stamp(s.At), s.Detail)
	}
	if coming := comingSteps(st.Step); len(coming) > 0 {
		t.row(string(coming[0]), "-", "")
	}
	return t.write(v.w)
}

// runs are the plan in force and the runs that have written.
func (v statusView) runs(st *migration.State) {
	var lines []string
	for _, r := range [][2]string{
		{"plan", st.PlanDigest},
		{"applied by run", st.ApplyRun},
		{"rolled back by run", st.RollbackRun},
		{"plan of the way back", st.BackDigest},
		{"applied by run", st.BackRun},
		{"offsets kept by run", strings.Join(st.KeepRuns, ", ")},
	} {
		if r[1] != "" {
			lines = append(lines, r[0]+" "+clean(r[1]))
		}
	}
	lines = append(lines, "run of the migration "+clean(st.Run))
	v.linef("\n%s", strings.Join(lines, "\n"))
}

// statusBlock is a status for a block that is redrawn.
func statusBlock(s *migration.Status, offline bool, now time.Time) []string {
	var b strings.Builder
	v := statusView{migrationView: migrationView{w: &b, now: now}, short: true, offline: offline}
	_ = v.show(s) // a strings.Builder takes everything
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
}

// statusLine is a status in one line. It only changes when something does.
func statusLine(s *migration.Status) string {
	st := s.State
	head := fmt.Sprintf("%s: %s since %s", clean(st.Name), orDash(string(st.Step)), stamp(st.Since))
	if s.Holder != nil {
		head += ", held by " + clean(s.Holder.String())
	}
	parts := []string{head}
	for i := range s.Unseen {
		parts = append(parts, unseenText(&s.Unseen[i]))
	}
	for i := range s.Waiting {
		if i == maxShown {
			parts = append(parts, fmt.Sprintf("and %d more", len(s.Waiting)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s: %s", s.Waiting[i].Kind, clean(s.Waiting[i].Detail)))
	}
	return strings.Join(parts, "; ")
}

// migrationStatusJSON is a migration with what its groups look like now, for
// programs.
type migrationStatusJSON struct {
	header
	At        time.Time         `json:"at"`
	Migration *migration.State  `json:"migration"`
	Holder    *migration.Holder `json:"holder"`
	// Looked: the clusters were looked at, as far as they could be.
	Looked  bool               `json:"looked"`
	Unseen  []migration.Unseen `json:"unseen"`
	Groups  []statusGroupJSON  `json:"groups"`
	Waiting []migration.Wait   `json:"waiting"`
	Coming  []migration.Step   `json:"coming"`
}

type statusGroupJSON struct {
	Source        string             `json:"source"`
	Target        string             `json:"target"`
	SourceState   *group.State       `json:"source_state"`
	TargetState   *group.State       `json:"target_state"`
	Members       []migration.Member `json:"members"`
	TargetMembers []migration.Member `json:"target_members"`
	Ready         bool               `json:"ready"`
	WaitsFor      string             `json:"waits_for,omitempty"`
	Topics        []statusTopicJSON  `json:"topics"`
}

type statusTopicJSON struct {
	Source     string `json:"source"`
	Target     string `json:"target"`
	Partitions int    `json:"partitions"`
	SourceLag  *int64 `json:"source_lag"`
	TargetLag  *int64 `json:"target_lag"`
	Held       int    `json:"held"`
	Missing    *int64 `json:"missing"`
}

func statusDoc(s *migration.Status, offline bool) migrationStatusJSON {
	out := migrationStatusJSON{
		header: head("migration-status"), At: s.At, Migration: s.State, Holder: s.Holder, Looked: !offline,
		Unseen: list(s.Unseen), Groups: []statusGroupJSON{}, Waiting: list(s.Waiting), Coming: list(comingSteps(s.State.Step)),
	}
	state := func(s group.State) *group.State {
		if s == "" {
			return nil
		}
		return &s
	}
	for _, g := range s.Groups {
		j := statusGroupJSON{
			Source: g.Source, Target: g.Target, SourceState: state(g.SourceState), TargetState: state(g.TargetState),
			Members: list(g.Members), TargetMembers: list(g.TargetMembers), Ready: g.Ready, WaitsFor: g.WaitsFor,
			Topics: []statusTopicJSON{},
		}
		for _, t := range g.Topics {
			j.Topics = append(j.Topics, statusTopicJSON{
				Source: t.Source, Target: t.Target, Partitions: t.Partitions, SourceLag: known(t.SourceLag),
				TargetLag: known(t.TargetLag), Held: t.Held, Missing: known(t.Missing),
			})
		}
		out.Groups = append(out.Groups, j)
	}
	return out
}
