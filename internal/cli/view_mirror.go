package cli

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/kferry/kferry/internal/plan"
)

// hasCheckpoints reports whether MirrorMaker 2 says something of a position.
func hasCheckpoints(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Groups, func(g plan.Group) bool {
		return slices.ContainsFunc(g.Positions, func(q plan.Position) bool { return q.MirrorMaker != nil })
	})
}

// checkpointCells are where MirrorMaker 2 would let the group go on, and how
// many records it would then read again, or, with a minus, never read.
func checkpointCells(c *plan.Checkpoint) []cell {
	if c == nil {
		return []cell{{text: "-"}, {text: "-"}}
	}
	n := c.Repeats
	if c.Skips > 0 {
		n = -c.Skips
	}
	repeats := strconv.FormatInt(n, 10)
	if c.Repeats < 0 {
		repeats = "?"
	}
	return []cell{{text: strconv.FormatInt(c.TargetOffset, 10)}, {text: repeats}}
}

// checkpointText says the same in a sentence.
func checkpointText(c *plan.Checkpoint) string {
	text := fmt.Sprintf("MirrorMaker 2's checkpoint of %s (%s): %d → %d", c.At.Format(time.RFC3339), c.Topic, c.SourceOffset, c.TargetOffset)
	switch {
	case c.Skips > 0:
		text += ", from where " + count(c.Skips, "record", "records") + " would never be read"
	case c.Repeats > 0:
		text += ", from where " + count(c.Repeats, "record", "records") + " would be read again"
	case c.Repeats == 0:
		text += ", the same position"
	}
	switch {
	case c.Earlier:
		text += "; the target group stands at an earlier one"
	case c.Synced:
		text += "; the target group stands there"
	}
	return text
}
