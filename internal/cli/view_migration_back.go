package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/translate"
)

// onlyThere says of a plan that leads back which records have no place where it
// leads to, partition by partition.
func (v planView) onlyThere(p *plan.Plan) {
	said := false
	for i := range p.Groups {
		g := &p.Groups[i]
		for j := range g.Positions {
			q := &g.Positions[j]
			if q.OnlyThere == nil {
				continue
			}
			said = true
			where := fmt.Sprintf("%s/%d", firstOf(q.SourceTopic, q.Topic), q.Partition)
			for _, part := range []struct {
				what   string
				ranges translate.OffsetRanges
			}{{"read", q.OnlyThere.Read}, {"not read", q.OnlyThere.Unread}, {"perhaps copies of what is gone", q.OnlyThere.Unclear}} {
				if part.ranges.Count > 0 {
					v.linef("only there %s %s: %s, %s: %s", clean(g.Name), clean(where),
						count(part.ranges.Count, "record", "records"), part.what, rangesText(part.ranges))
				}
			}
		}
	}
	if said {
		v.linef("")
	}
}

// rangesText writes ranges of offsets: "43-45, 47 and 2 more ranges".
func rangesText(r translate.OffsetRanges) string {
	var parts []string
	for i, one := range r.Ranges {
		if i == maxShown {
			break
		}
		text := strconv.FormatInt(one.First, 10)
		if one.Last > one.First {
			text += "-" + strconv.FormatInt(one.Last, 10)
		}
		parts = append(parts, text)
	}
	text := strings.Join(parts, ", ")
	if more := int64(len(r.Ranges)-len(parts)) + r.More; more > 0 {
		text += " and " + count(more, "more range", "more ranges")
	}
	return text
}
