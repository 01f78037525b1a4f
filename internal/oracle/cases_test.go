package oracle

import (
	"fmt"
	"testing"

	"github.com/kferry/kferry/internal/translate"
)

// cases are asked always: those that DESIGN names, and those that the oracle
// has found, shrunk.
var cases = []Case{
	{Name: "single pass", Source: "d*1001", Target: "0..1000", S: 700, Want: "exact 700"},
	{
		Name: "second pass from the start stops half way, S above it", Source: "d*1101",
		Target: "0..1000 0..500 1001..1100", S: 700, Want: "repeats 700: 501",
	},
	{
		Name: "second pass from the start stops half way, S within", Source: "d*1101",
		Target: "0..1000 0..500 1001..1100", S: 300, Want: "repeats 300: 501",
	},
	{Name: "a stretch copied again, S before it", Source: "d*1101", Target: "0..1000 300..500 1001..1100", S: 200, Want: "repeats 200: 201"},
	{Name: "a stretch copied again, S at its start", Source: "d*1101", Target: "0..1000 300..500 1001..1100", S: 300, Want: "repeats 300: 201"},
	{Name: "a stretch copied again, S within", Source: "d*1101", Target: "0..1000 300..500 1001..1100", S: 400, Want: "repeats 400: 201"},
	{Name: "a stretch copied again, S behind", Source: "d*1101", Target: "0..1000 300..500 1001..1100", S: 1001, Want: "exact 1202"},
	{
		Name: "the second pass looks perfect around S", Source: "d*1101",
		Target: "0..1000 0..700 1001..1100", S: 650, Want: "repeats 650: 701",
	},
	{Name: "everything copied twice", Source: "d*10", Target: "0..9 0..9", S: 5, Want: "exact 15"},
	{Name: "at the end", Source: "d*10", Target: "0..9", S: 10, Want: "at-end 10"},
	{Name: "at the end, native records behind", Source: "d*10", Target: "0..9 n*3", S: 10, Want: "at-end 10"},
	{Name: "at the end, a record arrives meanwhile", Source: "d*11", Target: "0..10", S: 10, LateSource: 1, LateTarget: 1},
	{Name: "at the end, a record arrives behind a native one", Source: "d*11", Target: "0..9 n*3 10", S: 10, LateSource: 1, LateTarget: 2},
	{Name: "at the start", Source: "d*10", Target: "0..9", S: 0, Want: "exact 0"},
	{Name: "at the start, native records before", Source: "d*10", Target: "n*5 0..9", S: 0, Want: "exact 0"},
	{Name: "native records between", Source: "d*10", Target: "0..4 n*5 5..9", S: 5, Want: "exact 5"},
	{Name: "S-1 is a marker", Source: "dp1*5 Cp1 d*5", Target: "0..4 6..10", S: 6, Want: "exact 5"},
	{Name: "S is a marker", Source: "dp1*5 Cp1 d*5", Target: "0..4 6..10", S: 5, Want: "exact 5"},
	{Name: "a marker is the last on the source", Source: "dp1*5 Cp1", Target: "0..4", S: 6, Want: "at-end 5"},
	{Name: "beyond the end", Source: "d*10", Target: "0..9", S: 11, Want: "refused beyond-end"},
	{Name: "not copied yet", Source: "d*10", Target: "0..6", S: 8, Want: "hold not-copied"},
	{Name: "copied just far enough", Source: "d*10", Target: "0..6", S: 7, Want: "at-end 7"},
	{Name: "a pass is running", Source: "d*10", Target: "0..9 0..3", S: 2, Want: "hold pass-running"},
	{Name: "a pass is running, above it", Source: "d*10", Target: "0..9 0..3", S: 10, Want: "hold not-copied"},
	{Name: "a pass has ended by word", Source: "d*10", Target: "0..9 0..3", S: 2, CopyComplete: true, Want: "repeats 2: 4"},
	{Name: "in a hole", Source: "d*4 d~k9 d~k9 d*3 dk9", Target: "0..3 6..8 9", S: 5, SourceCompacted: true, Want: "exact 4"},
	{Name: "below the log start of the source", Source: "d*5 | d*5", Target: "5..9", S: 2, Want: "exact 0"},
	{Name: "the target begins above S", Source: "d*10", Target: "0..4 | 5..9", S: 3, Want: "refused loss"},
	{Name: "the mover began above S", Source: "d*10", Target: "5..9", S: 3, Want: "refused loss"},
	{Name: "aborted attempt before the copy", Source: "d*4", Target: "0..1p1 Cp1 2..3p1 Ap1 2..3p1 Cp1", S: 2, Want: "exact 5"},
	{Name: "open transaction on the target", Source: "d*4", Target: "0..1p1 Cp1 2..3p1", S: 3, Want: "hold open-transaction"},
	{Name: "open transaction on the target, S below", Source: "d*4", Target: "0..1p1 Cp1 2..3p1", S: 1, Want: "exact 1"},
	{Name: "empty target", Source: "d*4", Target: "", S: 3, Want: ""},
	// Found by the oracle.
	{Name: "the mover began above S, twice", Source: "d*2", Target: "1 1", S: 0, Want: "refused loss"},
	{Name: "the mover began above S, twice, no source", Source: "d*2", Target: "1 1", S: 0, NoSource: true, Want: "refused loss"},
	{Name: "the mover began above S, behind an aborted attempt", Source: "d*2", Target: "1p1 Ap1 1p1 Cp1", S: 0, Quick: true, Want: "refused loss"},
	{Name: "a record lost by retention, behind S", Source: "d*3", Target: "1 | 0 2", S: 1, Want: "refused loss"},
	{Name: "records lost before and behind the first copy", Source: "d*4", Target: "2 | 1 3", S: 0, Want: "refused loss"},
	{Name: "lost and copied again by word", Source: "d*3", Target: "2 0", S: 1, CopyComplete: true, Want: "refused loss"},
	{Name: "a gap that the source has forgotten", Source: "d*4 |", Target: "2 0..1 3", S: 1},
	{Name: "the same, part of it", Source: "d*2 | d*2", Target: "1 0 2 3", S: 1},
	{Name: "an older copy is no loss for a newer one of its key", Source: "d*2 dk4 dp2 d Ap2", Target: "1 2k4 0 4", S: 2, TargetCompacted: true, ReadsCommitted: true},
	{Name: "a compacted target that the mover began late", Source: "dk15 dk0 dk15", Target: "2k15", S: 0, TargetCompacted: true, Want: "refused loss"},
	{Name: "a pass is running, what it has not reached was aborted", Source: "dp2 dp2k0t0 Ap2", Target: "1k0 0", S: 1, Want: "hold pass-running"},
	{Name: "cut away by an unclean election, and nothing copied", Source: "dp1e1 Ap1e2", Target: "", S: 2, Epoch: 1, Kind: "content", Want: "refused incarnation"},
	{Name: "out of order", Source: "d*3", Target: "2 0..1", S: 0, CopyComplete: true, Want: "refused no-good-position"},
	{Name: "more forgotten copies than places", Source: "d | dk0t0", Target: "0 0 1k0", S: 1, Kind: "content"},
	{Name: "more forgotten copies than places, with a sync", Source: "d | dk0t0", Target: "0 0 1k0", S: 1, Kind: "mm2", Syncs: "1:2"},
	{Name: "alike on both sides of a sync", Source: "d dk0v0t0", Target: "0 1k0 1k0", S: 0, Kind: "mm2", Syncs: "1:2"},
	{Name: "alike, a pass may run, S at the start", Source: "d dk0t0 dk0v0t0 dk0v1t0", Target: "1..3k0 2k0", S: 0, Kind: "mm2", Syncs: "2:3"},
	{
		Name: "alike, a pass may run before a sync", Source: "dv9999978 dk0v9999979t0 dk0v9999978t0 dk0v9999979t0 dk0v9999978t0 dk0v9999979t0",
		Target: "4k0 0 1..3k0", S: 3, Kind: "mm2", Syncs: "1:2",
	},
	{
		Name: "a compacted target need not go on in step", Source: "dt2564 dk0t5674 dk0t3235 dk0v2t0 dk0t4241 dk0v4t4241",
		Target: "3k0 4k0~ 5k0 1..2k0 0 4..5k0", S: 5, TargetCompacted: true, CopyComplete: true, LateTarget: 2, Kind: "mm2", Syncs: "0:5",
	},
	{
		Name: "the forgotten went on behind the last copy", Source: "d~ dt0 dp2k1t0~ dk0t0 Ap2", Target: "3k0 2k1", S: 0,
		SourceCompacted: true, TargetCompacted: true, Kind: "content",
	},
	{
		Name: "what is there may be all forgotten, and a pass may run", Source: "dk0~ dk0", Target: "1p1k0 Ap1 0k0", S: 0,
		SourceCompacted: true, Kind: "content", Want: "hold forgotten",
	},
	{
		Name: "the same by word", Source: "dk0~ dk0", Target: "1p1k0 Ap1 0k0", S: 0,
		SourceCompacted: true, CopyComplete: true, Kind: "content", Want: "repeats 1: 1",
	},
	{Name: "leader epochs cannot be asked for, and nothing is copied", Source: "de8~ dk0t0e9", Target: "", S: 1, SourceCompacted: true, Mute: true, Epoch: 1, Kind: "mm2"},
	{
		Name: "equal offsets by chance", Source: "d~ dk0t0~ dk0v0t0~ Cp1 dk0v0t0~ dk0v1t0~ dk0v0t0~ dk0v1t0~ Cp2 Ap1 dk0v0t0~ dk0v1t0 dk0v0t0",
		Target: "0~ Cp1 nk1 1..2k0~ Cp1 Cp2 4k0 Cp1 0~ Cp1 5k0", S: 5, SourceCompacted: true, TargetCompacted: true, Kind: "content", Evidence: "auto",
	},
	{
		Name: "equal offsets by chance, next to the position", Source: "d~ dk0t0~ dk0v0t0~ Cp1 dk0v0t0~ dk0v1t0~ Cp2 Ap1 dk0v0t0~ dk0v1t0~ dk0v0t0~ dk0v1t0 dk0v0t0",
		Target: "0~ Cp1 nk1 1..2k0~ Cp1 Cp2 Cp1 0~ Cp1 8..9k0", S: 11, SourceCompacted: true, TargetCompacted: true, Kind: "content", Evidence: "auto",
	},
	{Name: "more unknown records than forgotten ones, and S forgotten", Source: "d | dk0t0", Target: "0 n 1k0 n 1k0", S: 0, Kind: "content"},
	{Name: "the same, and the end copied twice", Source: "d | dk0t0", Target: "n 0 1k0 1k0", S: 0, Kind: "content"},
	{Name: "more copies than forgotten records, and the end copied twice", Source: "d dk0t0 | Ap1 dk0t0", Target: "0 1k0 0 3k0 3k0", S: 1, Kind: "content"},
	{
		Name: "what stood there before a twin of it arrived", Source: "@1430 dk0t0~ dk0t0*2 dk0t0~*7 dk0t0*2 dk0v1450t0 dk0v1439t0", Target: "1439k0 1432k0", S: 1437,
		SourceCompacted: true, LateSource: 3, Kind: "content",
	},
	{
		Name: "syncs say which history is the shortest", Source: "dv4 dk0t0 dk0v4t0*2 dk0t0 dk0v4t0*2", Target: "5k0 3..6k0 4k0", S: 0,
		TargetCompacted: true, CopyComplete: true, Kind: "mm2", Syncs: "3:1 6:4 4:5",
	},
	{Name: "a sync behind a twin", Source: "d dk0v0t0*8", Target: "3k0 2k0", S: 3, TargetCompacted: true, Kind: "mm2", Syncs: "2:1"},
	{
		Name: "a forgotten record does not stand for a later one of its key", Source: "dk7~ dk7t0 dt0", Target: "0k7 2", S: 1,
		SourceCompacted: true, TargetCompacted: true, Filters: true, Kind: "content", Want: "refused loss",
	},
	{
		Name: "nor does it from the first record on", Source: "dp1k29~ Cp1 dk29t0 dt0", Target: "0k29 3", S: 0,
		SourceCompacted: true, TargetCompacted: true, Filters: true, Kind: "content", Want: "refused loss",
	},
	{Name: "times are kept, though a forgotten record is like one that is left", Source: "@890 dk0*2 | dk0v891 dk0", Target: "892k0 891k0 893k0", S: 891, Kind: "content", Want: "repeats 0: 1"},
	{Name: "what a filter left out further on is not seen without reading", Source: "d dk0t0*2", Target: "0 2k0", S: 0, Filters: true, Quick: true, Kind: "content"},
	{Name: "what a filter left out at the position is seen without reading", Source: "d dk0t0*2", Target: "0 2k0", S: 1, Filters: true, Quick: true, Kind: "content", Want: "refused loss"},
	{Name: "times are kept, and half of the copies are of forgotten records", Source: "d~ dk0v0 dk0~ dk0v4~ dk0", Target: "1k0 3k0", S: 4, SourceCompacted: true, Kind: "content", Want: "hold forgotten"},
	{
		Name: "a pass may run before the first sync", Source: "dv1 dk0v2t0 dk0v3t0 dk0v0t0 dk0v2t0 dk0v3t0 dk0v0t0", Target: "2..6k0 4k0", S: 5,
		Kind: "mm2", Syncs: "4:5", Want: "hold not-copied",
	},
	{
		Name: "a record of others is no copy behind one that is not copied yet", Source: "d dk0t0 dp1k0t0~ Ap1", Target: "0 nk3", S: 3,
		SourceCompacted: true, Kind: "mm2", Syncs: "0:0", Want: "hold not-copied",
	},
	{
		Name: "a pass may run between two syncs", Source: "d dk0t0*3 dk0v2t0 dk0v3t0", Target: "0 1..5k0 4k0", S: 5,
		Kind: "mm2", Syncs: "0:0 4:6", Want: "hold several-fit",
	},
	{
		Name: "the same as others' record behind, on a compacted target", Source: "d dk0 dp1k0~ Ap1", Target: "0 nk3", S: 3,
		SourceCompacted: true, TargetCompacted: true, Kind: "mm2", Syncs: "0:0", Want: "hold not-copied",
	},
	{
		Name:   "where a pass begins that a compacted target has lost the start of",
		Source: "d~ dk0t0~*6 dk0v3t0~ dk0t0~*6 dk0v0t0~ dk0v1t0 dk0v2t0~ dk0v3t0~ dk0v4t0~ dk0v5t0~ dk0v6t0 Ap1 dk0v2t0 dk0v3t0 dk0v4t0 dk0v5t0 dk0t0 Cp2 dk0t0~ dk0v5t0~ dk0v6t0~ dk0t0~ dk0v12t0~ dk0v13t0~ dk0v0t0~ dk0v1t0~ dk0v2t0~ dk0v3t0~ Ap2 dk0v4t0~ dk0v5t0~ Ap1 dk0v6t0~ dk0v2t0~ dk0t0~*6 dk0v12t0~ dk0v13t0~ dk0v0t0~ Ap2 dk0v1t0 dk0v2t0 dk0v3t0 dk0v4t0 dk0v5t0 dk0v6t0 dk0v2t0 dk0v44t0 dk0v47t0 dk0v48t0 dk0v49t0 dk0v12t0 dk0v13t0 dk0v0t0 dk0v1t0 dk0v2t0 dk0v3t0 dk0v4t0 dk0v5t0 dk0v6t0 dk0t0*2 dk0v2t0 dk0v44t0 dk0v45t0 dk0v46t0 dk0v47t0",
		Target: "78k0 79k0~ 80k0 72k0 73k0~ 74k0", S: 79, SourceCompacted: true, TargetCompacted: true, CopyComplete: true, Kind: "content", Want: "repeats 1: 5",
	},
	{
		Name: "what is forgotten goes straight on, as far as anybody sees", Source: "d~ dk0t0~*2 dk0t0 dk0t0~*2 dk0t0", Target: "3k0 2k0 6k0", S: 4,
		SourceCompacted: true, Kind: "mm2", Syncs: "6:2", Want: "exact 1",
	},
	{
		Name: "the fall itself may be of either pass", Source: "d dk0t0*2 dk0v1t0", Target: "0 1..3k0 2..3k0", S: 1,
		Kind: "mm2", Syncs: "0:0",
	},
	{
		Name: "the last copy may be where a pass has begun", Source: "d dk0v0t0 dk0v1t7590 dk0v0t7820 dk0v1t8050 dk0v1t230 dk0v0t8740 dk0v0t0", Target: "1..4k0 1k0", S: 8,
		Kind: "content", Want: "hold several-fit",
	},
	{Name: "one time that is the same shows that times are kept, where others are forgotten", Source: "@1610 dk0~ dk0v1610", Target: "1610..1611k0 1610k0", S: 1611, SourceCompacted: true, CopyComplete: true, Kind: "content"},
	{Name: "the same, the last of the source left", Source: "@1012 dk0 dp1k0v1012~*2 Ap1", Target: "1012..1014k0", S: 1012, SourceCompacted: true, Kind: "mm2", Evidence: "auto"},
	{Name: "an older record between two copies may be one that came again", Source: "d*8 dk0*3 | dk0v11 dk0v12 dk0v13 dk0v14 dk0v15 dk0v16 dk0v17 dk0v18", Target: "0..10 11..16k0 9k0 17..18k0", S: 16, TargetCompacted: true, Kind: "content"},
	{Name: "few records do not show in which order times are", Source: "dt10000006932~ dk0t10000003551", Target: "1k0 0", S: 2, SourceCompacted: true, Kind: "content"},
	{Name: "a sync that says otherwise than the rank", Source: "dp1~ Ap1 dk0~*2 dk0 dk1 dp2k1 Ap2", Target: "nk4 0 2k0 4k0", S: 3, SourceCompacted: true, ConfigUnknown: true, Stamps: 2, Kind: "mm2", Syncs: "2:2 4:3"},
	{Name: "how many come again is open", Source: "dp2 dp2k0t0 dp1k0v1t0*2 dp1k0t0", Target: "0 1..2k0 0 3..4k0", S: 0, Kind: "mm2", Syncs: "0:3"},
	{Name: "how many come again is open, up to what arrives meanwhile", Source: "dp1 dp2k0v0t0*3 dp2k0t0 dk0t0 Ap2 dp2k0t0*2 dp1k0t0*2 dp2k0v10t0 dk0v10t0 dk0t0 dk0v13t0", Target: "9..11k0 9k0 12..14k0 10..12k0", S: 10, CopyComplete: true, LateTarget: 5, Kind: "mm2", Evidence: "auto"},
	{Name: "the mover had gone on behind a sync before it went back", Source: "d dk0v0t0*3 Cp1 dk0v0t0*2", Target: "0 1..3k0 5..6k0 5k0", S: 0, Kind: "mm2", Syncs: "0:0 5:4 5:6"},
	{Name: "a record of others may be what is forgotten, and the same is read", Source: "d dk0t0~ dk0t0", Target: "0 nk2", S: 1, SourceCompacted: true, Kind: "mm2", Syncs: "0:0"},
	{Name: "how many are nowhere is not certain among those that are alike", Source: "d dk0t0*41 Ap2 Cp1 dk0t0*11", Target: "37k0 2k0 3k0~ 4..6k0 7..8k0~ 9..10k0", S: 0, TargetCompacted: true, CopyComplete: true, Kind: "mm2", Syncs: "10:9"},
	{Name: "a single copy, forgotten", Source: "dk6~ dk1t0~ dk4t0 dk0t0 dk1t0", Target: "1k1", S: 4, SourceCompacted: true, CopyComplete: true, Kind: "content"},
	{Name: "a tombstone without its headers shows its key alone", Source: "dk6~ dk3t0~ dt0~ dk2t0~ dk8t0~ dt0~ dk1t0~ dk3t0~ dt0~ dk1t0~ dk4t0 dk3t0~ dp2k8t0~ dp2k6t0~ dp2k2t0~ dp2k7t0~ dp2k5t0~ dp2k0t0~ dp2k6t0~ dp2k0t0~ dp2k1t0~ dp2k6t0~ dp2k0t0 dp2k9t0~ dp2k5t0 Cp2 dp1k5t0~ dp1k7t0~ dp1k9t0~ dp1k8t0~ dp1k7t0~ dp1k3t0~ dp2k3t0~ dp2k7t0~ dp2k6t0 dp2k3t0~ dp2k9t0 dp2k8t0 Cp2 dk3t0~ dk1t0 dk2t0~ dk2t0 dk3t0~ dk3t0 dk7t0 dp2k4t0 dp2k5t0 dp2k8t0 dp2k9t0 dp2k4t0 dp2k0t0 dp2k3t0 dp2k2t0 dp2k1t0 Ap1", Target: "20k1", S: 46, SourceCompacted: true, CopyComplete: true, Kind: "content"},
	{Name: "a sync of an earlier life names one of two that are alike", Source: "dv885 dk0v885t0", Target: "0", S: 1, Kind: "mm2", Syncs: "1:0"},
	{Name: "equal offsets by chance, all of them alike", Source: "Cp2 dk0v0t0*2", Target: "1k0~ 2k0", S: 2, TargetCompacted: true, Kind: "content", Evidence: "auto"},
	{Name: "a sync of an earlier life in a copy by others", Source: "@10000032 dk0t0 dk0v10000032t0*3 dk0v10000033t0 dk0v10000032t0 dk0v10000033t0 dk0v10000032t0*2 dk0v10000033t0*2 dk0v10000032t0*2 dk0v10000033t0 dk0v10000032t0 dk0v10000033t0", Target: "10000032..10000038k0 nk11", S: 10000047, CopyComplete: true, Kind: "content", Evidence: "auto", Syncs: "10000039:0"},
}

// TestCases asks the cases, of logs laid out in several ways.
func TestCases(t *testing.T) {
	t.Parallel()
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			p, err := c.Pair()
			if err != nil {
				t.Fatal(err)
			}
			for seed := range tries(&p) / 3 {
				r, j, err := Ask(t.Context(), translate.Translate, Memory{}, seed, p, c.Question())
				if err != nil {
					t.Fatal(err)
				}
				if j.Verdict != Fine {
					t.Fatalf("%s: %s: answer %q, way %d", j.Verdict, j.Why, answer(&r), seed)
				}
				if c.Want != "" && answer(&r) != c.Want {
					t.Fatalf("answer %q, want %q, way %d", answer(&r), c.Want, seed)
				}
			}
		})
	}
}

// answer writes a result as the cases do.
func answer(r *translate.Result) string {
	switch r.Outcome {
	case translate.Hold, translate.Refused:
		return fmt.Sprintf("%s %s", r.Outcome, r.Reason)
	case translate.Repeats:
		return fmt.Sprintf("%s %d: %d", r.Outcome, r.T, r.Repeats)
	case translate.Exact, translate.ExactUnproven, translate.AtEnd, translate.Unset:
	}
	return fmt.Sprintf("%s %d", r.Outcome, r.T)
}
