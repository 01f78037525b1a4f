package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/translate"
)

// backText says how the position of a way back is known.
func backText(q *plan.Position) string {
	return fmt.Sprintf("what the group has read was read again: %s of the source, and %s of the target where that has gaps",
		count(int(q.Proof.ReadSource), "record", "records"), count(int(q.Proof.ReadTarget), "record", "records"))
}

// onlyThere lists the records that have no place on the target.
func (v planView) onlyThere(q *plan.Position) {
	if q.OnlyThere == nil {
		return
	}
	for _, kind := range []struct {
		what string
		list translate.OffsetRanges
	}{
		{"only on the source, read", q.OnlyThere.Read},
		{"only on the source, not read", q.OnlyThere.Unread},
		{"only on the source, or copies of what the target has forgotten", q.OnlyThere.Unclear},
	} {
		if kind.list.Count > 0 {
			v.linef("  %s: %s at %s", kind.what, count(int(kind.list.Count), "record", "records"), rangesText(kind.list))
		}
	}
}

// rangesText writes all ranges that are known; the records of one that are
// fewer than its offsets are counted.
func rangesText(list translate.OffsetRanges) string {
	parts := make([]string, 0, len(list.Ranges))
	for _, r := range list.Ranges {
		text := fmt.Sprintf("%d-%d", r.First, r.Last)
		switch {
		case r.First == r.Last:
			text = strconv.FormatInt(r.First, 10)
		case r.Count != r.Last-r.First+1:
			text += fmt.Sprintf(" (%d)", r.Count)
		}
		parts = append(parts, text)
	}
	text := strings.Join(parts, ", ")
	if list.More > 0 {
		text += fmt.Sprintf(" and %d more ranges", list.More)
	}
	return text
}
