package cli

import (
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/snapshot"
)

// snapshotDiffJSON is what differs, for programs.
type snapshotDiffJSON struct {
	header
	Before  snapshotRefJSON `json:"before"`
	After   snapshotRefJSON `json:"after"`
	Differs bool            `json:"differs"`
	Added   int             `json:"added"`
	Removed int             `json:"removed"`
	Moved   int             `json:"moved"`
	Other   int             `json:"other"`
	Unseen  []string        `json:"unseen"`
	Groups  []groupDiffJSON `json:"groups"`
}

// snapshotRefJSON is one side; the live cluster has no snapshot.
type snapshotRefJSON struct {
	Snapshot    string    `json:"snapshot"`
	ClusterID   string    `json:"cluster_id"`
	ClusterName string    `json:"cluster_name"`
	Created     time.Time `json:"created"`
}

type groupDiffJSON struct {
	Group       string             `json:"group"`
	Change      snapshot.Change    `json:"change"`
	Detail      string             `json:"detail"`
	StateBefore *string            `json:"state_before"`
	StateAfter  *string            `json:"state_after"`
	Positions   []positionDiffJSON `json:"positions"`
}

type positionDiffJSON struct {
	Topic     string             `json:"topic"`
	Partition int32              `json:"partition"`
	Change    snapshot.Change    `json:"change"`
	What      []snapshot.What    `json:"what"`
	By        *int64             `json:"by"`
	Before    *snapshot.Position `json:"before"`
	After     *snapshot.Position `json:"after"`
}

// diffView shows what differs between two snapshots.
type diffView struct {
	before, after *snapshot.Snapshot
	diff          *snapshot.Diff
	// verify: states, kinds and epochs are no differences.
	verify bool
}

func (v *diffView) write(f *Factory, kind, output string) error {
	switch output {
	case asJSON:
		return writeJSON(f.stdout(), v.doc(kind))
	case asCSV:
		return v.csv(f)
	}
	w := f.stdout()
	_, _ = fmt.Fprintf(w, "from %s to %s\n", sideText(v.before), sideText(v.after))
	for _, text := range v.incomplete() {
		_, _ = fmt.Fprintf(w, "not seen: %s\n", clean(text))
	}
	if t := v.table(f); !t.empty() {
		if err := t.write(w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, v.sum())
	return err
}

func sideText(s *snapshot.Snapshot) string {
	if s.ID == "" {
		return "cluster " + clean(firstOf(s.ClusterName, s.ClusterID)) + " now, " + stamp(s.Created)
	}
	return s.ID + ", " + stamp(s.Created)
}

// incomplete says what neither side could see.
func (v *diffView) incomplete() []string {
	var out []string
	for _, s := range []*snapshot.Snapshot{v.before, v.after} {
		for _, m := range s.Incomplete {
			out = append(out, firstOf(s.ID, "the cluster now")+": "+m)
		}
	}
	return out
}

// unseen is what could not be compared, in a line.
func (v *diffView) unseen() string {
	var out []string
	for _, g := range v.diff.Unknown() {
		out = append(out, fmt.Sprintf("group %q: %s", g.Name, g.Detail))
	}
	return strings.Join(append(out, v.incomplete()...), "; ")
}

// sum counts the differences.
func (v *diffView) sum() string {
	added, removed, moved, other := v.diff.Count()
	came, went := 0, 0
	for i := range v.diff.Groups {
		switch v.diff.Groups[i].Change {
		case snapshot.Added:
			came++
		case snapshot.Removed:
			went++
		case snapshot.Changed, snapshot.Unknown:
		}
	}
	var parts []string
	for _, p := range []struct {
		n         int
		one, many string
	}{
		{moved, "position moved", "positions moved"},
		{added, "position more", "positions more"},
		{removed, "position less", "positions less"},
		{other, "position otherwise different", "positions otherwise different"},
		{came, "group came", "groups came"},
		{went, "group went", "groups went"},
		{len(v.diff.Unknown()), "group cannot be compared", "groups cannot be compared"},
	} {
		if p.n > 0 {
			parts = append(parts, count(p.n, p.one, p.many))
		}
	}
	if len(parts) == 0 {
		return "no position differs"
	}
	return strings.Join(parts, ", ")
}

// signs are the first column.
var signs = map[snapshot.Change]string{snapshot.Added: "+", snapshot.Removed: "-", snapshot.Changed: "~", snapshot.Unknown: "?"}

func (v *diffView) table(f *Factory) *table {
	t := newTable(f.outPaint(), "", "GROUP", "TOPIC", "PARTITION>", "BEFORE>", "AFTER>", "BY>", "WHAT")
	for i := range v.diff.Groups {
		g := &v.diff.Groups[i]
		if text := groupText(g); text != "" {
			t.row(signs[g.Change], g.Name, "", "", "", "", "", text)
		}
		for j := range g.Positions {
			p := &g.Positions[j]
			t.row(signs[p.Change], g.Name, p.Topic, strconv.Itoa(int(p.Partition.Partition)), offsetIn(p.Before), offsetIn(p.After), byText(p), whatText(p))
		}
	}
	return t
}

// groupText says what there is to say of a group besides its positions.
func groupText(g *snapshot.GroupDiff) string {
	switch g.Change {
	case snapshot.Added:
		return "group came"
	case snapshot.Removed:
		return "group went"
	case snapshot.Unknown:
		return "cannot be compared: " + g.Detail
	case snapshot.Changed:
		if g.Before != nil && g.After != nil && (g.Before.State != g.After.State || g.Before.Kind != g.After.Kind) {
			return fmt.Sprintf("%s %s, was %s %s", g.After.Kind, g.After.State, g.Before.Kind, g.Before.State)
		}
	}
	return ""
}

func offsetIn(p *snapshot.Position) string {
	if p == nil {
		return "-"
	}
	return strconv.FormatInt(p.Offset, 10)
}

func byText(p *snapshot.PositionDiff) string {
	if p.Change != snapshot.Changed {
		return ""
	}
	return fmt.Sprintf("%+d", p.By())
}

// whatText names what differs besides the offset.
func whatText(p *snapshot.PositionDiff) string {
	var out []string
	for _, w := range p.What {
		switch w {
		case snapshot.Metadata:
			out = append(out, "metadata")
		case snapshot.Topic:
			out = append(out, "topic created anew")
		case snapshot.Epoch:
			out = append(out, fmt.Sprintf("epoch %d, was %d", p.After.LeaderEpoch, p.Before.LeaderEpoch))
		case snapshot.Offset:
		}
	}
	return strings.Join(out, ", ")
}

func (v *diffView) doc(kind string) *snapshotDiffJSON {
	ref := func(s *snapshot.Snapshot) snapshotRefJSON {
		return snapshotRefJSON{Snapshot: s.ID, ClusterID: s.ClusterID, ClusterName: s.ClusterName, Created: s.Created.UTC()}
	}
	d := &snapshotDiffJSON{
		header: head(kind), Before: ref(v.before), After: ref(v.after), Differs: v.diff.Differs(), Unseen: list(v.incomplete()), Groups: []groupDiffJSON{},
	}
	d.Added, d.Removed, d.Moved, d.Other = v.diff.Count()
	for i := range v.diff.Groups {
		g := &v.diff.Groups[i]
		one := groupDiffJSON{Group: g.Name, Change: g.Change, Detail: g.Detail, Positions: []positionDiffJSON{}}
		if g.Before != nil {
			one.StateBefore = &g.Before.State
		}
		if g.After != nil {
			one.StateAfter = &g.After.State
		}
		for j := range g.Positions {
			p := &g.Positions[j]
			q := positionDiffJSON{Topic: p.Topic, Partition: p.Partition.Partition, Change: p.Change, What: list(p.What), Before: p.Before, After: p.After}
			if p.Before != nil && p.After != nil {
				q.By = new(p.By())
			}
			one.Positions = append(one.Positions, q)
		}
		d.Groups = append(d.Groups, one)
	}
	return d
}

// csv writes a row for each position and each group that has come or gone:
// sign, group, topic, partition, before, after, by, what.
func (v *diffView) csv(f *Factory) error {
	w := csv.NewWriter(f.stdout())
	for i := range v.diff.Groups {
		g := &v.diff.Groups[i]
		if text := groupText(g); text != "" {
			_ = w.Write([]string{signs[g.Change], g.Name, "", "", "", "", "", text}) // the writer keeps the error
		}
		for j := range g.Positions {
			p := &g.Positions[j]
			row := []string{signs[p.Change], g.Name, p.Topic, strconv.Itoa(int(p.Partition.Partition)), "", "", "", whatText(p)}
			if p.Before != nil {
				row[4] = strconv.FormatInt(p.Before.Offset, 10)
			}
			if p.After != nil {
				row[5] = strconv.FormatInt(p.After.Offset, 10)
			}
			if p.Change == snapshot.Changed {
				row[6] = strconv.FormatInt(p.By(), 10)
			}
			_ = w.Write(row) // the writer keeps the error
		}
	}
	w.Flush()
	return w.Error()
}
