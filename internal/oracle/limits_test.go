package oracle

// harmful is how many answers, of atSeed500 positions, would move a group to a
// wrong place: what is not here is 0, and a number here may only shrink.
var harmful = map[string]int{
	// A source that has forgotten what was copied cannot tell a copy of it from
	// others' records, nor a twin from one that it has forgotten: there the search
	// takes what is left for all that was.
	"memory mm2, sources forget":     6,
	"memory content, sources forget": 21,
}

// atSeed500 is how many positions the numbers are of.
const atSeed500 = 4608
