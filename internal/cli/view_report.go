package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/plan"
)

// reportJSON is what an apply or a rollback did, for programs.
type reportJSON struct {
	header
	// Complete: every group is as it should be now; exit code 0.
	Complete bool `json:"complete"`
	*plan.Report
}

func reportDoc(kind string, r *plan.Report) reportJSON {
	return reportJSON{header: head(kind), Complete: r.Complete(), Report: r}
}

// reportView shows to people what a run did.
type reportView struct {
	w     io.Writer
	paint paint
}

func (v reportView) show(r *plan.Report) error {
	t := newTable(v.paint, "GROUP", "RESULT", "SET>", "DELETED>", "DETAIL")
	for i := range r.Groups {
		g := &r.Groups[i]
		detail := firstOf(g.Detail, string(g.Reason))
		if g.DeletedGroup {
			why := "the group was deleted"
			if r.Undoes != "" {
				why = "the group did not exist before and was deleted"
			}
			detail = strings.TrimSuffix(why+"; "+detail, "; ")
		}
		t.cells(cell{text: g.Name}, cell{text: string(g.Result), paint: v.resultPaint(g.Result)},
			cell{text: strconv.Itoa(g.Set)}, cell{text: strconv.Itoa(g.Deleted)}, cell{text: detail})
	}
	if !t.empty() {
		if err := t.write(v.w); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(v.w)
	}
	for i := range r.Groups {
		v.problems(&r.Groups[i])
	}
	if l := r.CommitLatency; l != nil && l.Requests >= enoughRequests {
		_, _ = fmt.Fprintf(v.w, "%d commits: half of them answered within %.1f ms, 99 %% within %.1f ms, all within %.1f ms\n", l.Requests, l.P50MS, l.P99MS, l.MaxMS)
	}
	_, err := fmt.Fprintln(v.w, reportSum(r))
	return err
}

// enoughRequests is from how many on percentiles say something to people.
const enoughRequests = 10

// problems lists the positions behind a result, and what helps.
func (v reportView) problems(g *plan.GroupReport) {
	problems := g.Problems
	if len(problems) == 1 && strings.Contains(g.Detail, problems[0].Detail) {
		problems = nil // the table has said it
	}
	if len(problems) == 0 && g.Hint == "" {
		return
	}
	_, _ = fmt.Fprintf(v.w, "%s:\n", clean(g.Name))
	for _, p := range problems {
		about := ""
		if p.Topic != "" { // else it is about the group
			about = fmt.Sprintf("%s/%d: ", clean(p.Topic), p.Partition)
		}
		_, _ = fmt.Fprintf(v.w, "  %s%s\n", about, clean(firstOf(p.Detail, string(p.Reason))))
	}
	if g.Hint != "" {
		_, _ = fmt.Fprintf(v.w, "  hint: %s\n", clean(g.Hint))
	}
	_, _ = fmt.Fprintln(v.w)
}

func (v reportView) resultPaint(r plan.Result) func(string) string {
	switch r {
	case plan.Ready, plan.Applied, plan.AlreadyApplied, plan.Unchanged, plan.RolledBack:
		return v.paint.green
	case plan.NotTried, plan.TakenBack, plan.TakenOver, plan.Blocked, plan.Stale, plan.Refused:
		return v.paint.yellow
	case plan.Failed:
	}
	return v.paint.red
}

// resultOrder is the order of the results in the sum.
var resultOrder = []plan.Result{
	plan.Ready, plan.Applied, plan.RolledBack, plan.AlreadyApplied, plan.Unchanged, plan.Blocked, plan.Stale,
	plan.Refused, plan.TakenBack, plan.TakenOver, plan.Failed, plan.NotTried,
}

// reportSum is the line that ends a report: "3 groups: 2 applied, 1 stale".
func reportSum(r *plan.Report) string {
	var parts []string
	for _, res := range resultOrder {
		if n := r.Count(res); n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+string(res))
		}
	}
	text := count(len(r.Groups), "group", "groups")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if r.Run != "" {
		text += "; run " + r.Run
	}
	return text
}
