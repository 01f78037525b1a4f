package migration

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/topic"
)

// The reasons that Check adds to those of packages plan, translate and inspect;
// docs/findings.md has a row for each of all of them.
const (
	reasonNoGroup       = "no-group"         // the selection has no group
	reasonNotFound      = "not-found"        // something that is named is not there
	reasonContradiction = "contradiction"    // the choices contradict each other
	reasonCollision     = "collision"        // two things would become one
	reasonRoute         = "route"            // a mapping cannot be
	reasonMembers       = "members"          // who is to be stopped
	reasonStatic        = "static-members"   // members that stay after they are stopped
	reasonStopped       = "empty"            // the group has no members now
	reasonNoPositions   = "no-positions"     // the group has not committed anything
	reasonProtocol      = "group-protocol"   // the target does not speak the group's protocol
	reasonClaimed       = "claimed"          // another migration has the group
	reasonNameTaken     = "name-taken"       // a migration of that name has not ended
	reasonUnknownClaims = "claims-unknown"   // a migration cannot be read
	reasonNewGroup      = "target-absent"    // the target has no such group, as it should be
	reasonThere         = "already-there"    // the target group is where it would be put
	reasonOther         = "target-positions" // the target group has other positions
	reasonMerged        = "merged-groups"    // several groups become one
	reasonDivided       = "divided-group"    // one group becomes several
	reasonOtherName     = "group-renamed"    // the application needs another group.id
	reasonRightsUnknown = "rights-unknown"   // whether a right is there cannot be seen
	reasonEvidence      = "evidence"         // what ties the copies to source offsets
	reasonMover         = "mover"            // another mover than the one that is named
	reasonMovers        = "several-movers"   // topics were copied by different movers
	reasonHeld          = "held"             // a position is held, for no reason that is named
	reasonRepeats       = "repeats"          // records would be read again
	reasonUnproven      = "exact-unproven"   // something about positions is not proven
	reasonUnset         = "unset"            // no commit on some partitions
	reasonStandsStill   = "stands-still"     // nothing was copied between the looks
	reasonProgress      = "copying"          // how long the copy will take
	reasonSourceGone    = "source-retention" // the source may delete what is not copied yet
	reasonSourceExpiry  = "source-expiry"    // commits on the source expire
	reasonCommand       = "command-missing"  // the command of an event cannot be run
)

// listMost bounds lists in texts.
const listMost = 5

// some joins words for a sentence, at most listMost of them.
func some(words []string) string {
	if n := len(words) - listMost; n > 0 {
		return strings.Join(words[:listMost], ", ") + fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(words, ", ")
}

// count says how many, in words that fit the number.
func count[N int | int64](n N, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, one)
	}
	return fmt.Sprintf("%d %s", n, many)
}

// numbers lists partitions.
func numbers(ps []int32) string {
	ps = slices.Clone(ps)
	slices.Sort(ps)
	words := make([]string, 0, len(ps))
	for _, p := range slices.Compact(ps) {
		words = append(words, strconv.Itoa(int(p)))
	}
	return some(words)
}

func quoted(names []string) []string {
	out := make([]string, 0, len(names))
	for _, name := range names {
		out = append(out, fmt.Sprintf("%q", name))
	}
	return out
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func sortedParts[V any](m map[topic.Partition]V) []topic.Partition {
	return slices.SortedFunc(maps.Keys(m), topic.Compare)
}
