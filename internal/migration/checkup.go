package migration

import (
	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/plan"
)

// Checkup is what Check found before a migration is created.
type Checkup struct {
	// Spec with its defaults set.
	Spec   api.Migration
	Groups []Pair
	// Findings are sorted by severity, group and topic.
	Findings []Finding
	// Plan is what would be planned now, while the application still runs: how
	// much is held, and where everything would go. Look is how far the copy is,
	// nil when nothing is held.
	Plan *plan.Plan
	Look *plan.Look
}

// Count counts the findings of a severity.
func (c *Checkup) Count(s Severity) int {
	n := 0
	for i := range c.Findings {
		if c.Findings[i].Severity == s {
			n++
		}
	}
	return n
}

// Detail sums a checkup up.
func (c *Checkup) Detail() string {
	return count(len(c.Groups), "group", "groups") + "; " + count(c.Count(Warning), "warning", "warnings") + ", " + count(c.Count(Note), "note", "notes")
}
