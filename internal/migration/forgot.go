package migration

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/group"
)

// committed are the positions of a reading as the journal has them: group,
// partition, offset.
func (r *reading) committed() map[string]map[string]int64 {
	out := map[string]map[string]int64{}
	for name, g := range r.groups {
		at := map[string]int64{}
		for p, pos := range g.Positions {
			at[p.String()] = pos.Offset
		}
		out[name] = at
	}
	return out
}

// forgotten are the positions that were final and that a later reading of the
// source does not have any more, sorted; only reports whether nothing else has
// changed. A cluster forgets the positions of a group without members after
// offsets.retention.minutes, and those of a topic with the topic; nobody has read
// on then, and what was final is still where the group has to go on.
func (s *State) forgotten(groups map[string]group.Reading) (lost []string, only bool) {
	only = true
	for name, final := range s.committed {
		now := map[string]int64{}
		for p, pos := range groups[name].Positions {
			at, known := final[p.String()]
			only = only && known && at == pos.Offset
			now[p.String()] = pos.Offset
		}
		for p, offset := range final {
			if _, ok := now[p]; !ok {
				lost = append(lost, fmt.Sprintf("group %q on %s (%d)", name, p, offset))
			}
		}
	}
	slices.Sort(lost)
	return lost, only && len(lost) > 0
}

// forgotText says what is gone, the first three.
func forgotText(side string, lost []string) string {
	text := strings.Join(lost[:min(3, len(lost))], "; ")
	if more := len(lost) - 3; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return fmt.Sprintf("%s does not have positions any more that were final: %s", side, text)
}

// forgotWait asks for positions that the source has forgotten before they were
// moved: without them the application would begin on the target by its
// auto.offset.reset.
func (e *engine) forgotWait(detail string) Wait {
	return Wait{
		Kind: WaitPlan, Detail: detail,
		Remedy: "they have expired (offsets.retention.minutes), or were deleted, with their topic maybe: put them back with kferry offset apply and advance again; or abort, and create the migration again to move without them",
	}
}
