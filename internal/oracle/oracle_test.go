package oracle

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/kferry/kferry/internal/translate"
)

// TestOracle asks translate for many random positions and judges every answer.
func TestOracle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		loader    Loader
		positions int
	}{{Memory{}, 10_000}, {Kfake{}, 20_500}} {
		t.Run(c.loader.Name(), func(t *testing.T) {
			t.Parallel()
			tally := judge(t, &Run{Translate: translate.Translate, Loader: c.loader, Seed: seed(t), Positions: count(t, c.positions)})
			for _, class := range tally.Thin(20) {
				t.Errorf("less than 20 %% of the positions are in logs with: %s", class)
			}
		})
	}
}

// TestOracleKinds does the same for copies that carry no header. No answer may
// move a group to a wrong place, also where sources have forgotten what was
// copied; needless doubts are counted.
func TestOracleKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		loader    Loader
		positions int
		wild      bool
	}{{Memory{}, 4000, false}, {Kfake{}, 1500, false}, {Memory{}, 4000, true}} {
		for _, kind := range otherKinds {
			name := c.loader.Name() + " " + string(kind)
			if c.wild {
				name += ", sources forget"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run := &Run{Translate: translate.Translate, Loader: c.loader, Seed: seedOr(t, 500), Positions: count(t, c.positions), Tame: !c.wild, Kinds: []translate.Kind{kind}}
				// Many small topics, as what is compacted is decided for each, and many
				// small loads, as each has a seed of its own.
				run.Topics, run.Partitions, run.PerPartition = 9, 8, 8
				tally, err := run.Do(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%s, from seed %d on\n%s", name, run.Seed, tally)
				n := tally.Harmful()
				t.Logf("[report] %s: %d answers would move a group to a wrong place", name, n)
				for _, line := range tally.Report() {
					t.Logf("[report] %s: %s", name, line)
				}
				for _, class := range tally.Thin(20) {
					t.Errorf("less than 20 %% of the positions are in logs with: %s", class)
				}
				if n > 0 {
					for i := range tally.Failures {
						t.Error(explain(t, run.Translate, &tally.Failures[i]))
					}
					t.Errorf("%d of %d answers would move a group to a wrong place, from seed %d on", n, tally.Positions, run.Seed)
				}
			})
		}
	}
}

// TestReference tries the judge on a translation that reads everything.
func TestReference(t *testing.T) {
	t.Parallel()
	for _, loader := range []Loader{Memory{}, Kfake{}} {
		t.Run(loader.Name(), func(t *testing.T) {
			t.Parallel()
			judge(t, &Run{Translate: reference{}.Translate, Loader: loader, Seed: seed(t), Positions: 2000})
		})
		for _, kind := range otherKinds {
			t.Run(loader.Name()+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				run := &Run{Translate: reference{}.Translate, Loader: loader, Seed: seed(t), Positions: 2000, Kinds: []translate.Kind{kind}}
				tally, err := run.Do(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				// It draws some of the ways in which the copy can have come about, and
				// misses others.
				if doubts := tally.Doubted(); tally.Wrong() > doubts || doubts*200 > tally.Positions {
					t.Errorf("wrong:\n%s", tally)
				}
			})
		}
	}
}

// otherKinds are the kinds of evidence beside the header.
var otherKinds = []translate.Kind{translate.KindIdentity, translate.KindMM2, translate.KindContent}

func judge(t *testing.T, run *Run) *Tally {
	t.Helper()
	tally, err := run.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := run.Loader.Name()
	if len(run.Kinds) > 0 {
		name += " " + string(run.Kinds[0])
	}
	t.Logf("%s, seed %d\n%s", name, run.Seed, tally)
	for _, line := range tally.Report() {
		t.Logf("[report] %s: %s", name, line)
	}
	for i := range tally.Failures {
		t.Error(explain(t, run.Translate, &tally.Failures[i]))
	}
	if wrong := tally.Wrong(); wrong > 0 {
		t.Errorf("%d of %d answers are wrong", wrong, tally.Positions)
	}
	return tally
}

// TestFlaws makes the reference wrong on purpose: the judge must notice.
func TestFlaws(t *testing.T) {
	t.Parallel()
	for _, flaw := range []string{
		"uncommitted counted", "highest as copied-through", "hold ignored", "last h < S", "first pass only", "gap ignored",
		"order ignored", "off by one",
	} {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()
			run := Run{Translate: reference{flaw: flaw}.Translate, Loader: Memory{}, Seed: 7, Positions: 20_000, Stop: true}
			tally, err := run.Do(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if tally.Wrong() == 0 {
				t.Error("the judge does not notice")
			}
		})
	}
}

// explain shrinks a failure and writes it as a table case.
func explain(t *testing.T, f Translate, fail *Failure) string {
	t.Helper()
	p, q, ok := Shrink(t.Context(), f, fail.Pair, fail.Question, fail.Judgement)
	result, j, note := fail.Result, fail.Judgement, "as found; it does not fail in memory"
	if ok {
		note = "shrunk"
		for seed := range tries(&p) {
			r, again, err := Ask(t.Context(), f, Memory{}, seed, p, q)
			if err != nil {
				return err.Error()
			}
			if again.Verdict == fail.Verdict && again.Doubt == fail.Doubt {
				result, j = r, again
				break
			}
		}
	}
	return fmt.Sprintf("%s: %s (seed %d, %s, %s)\nanswer: %s %s T %d, %d repeat, %d lost: %s %v\n%#v",
		fail.Verdict, j.Why, fail.Seed, q.kind(), note, result.Outcome, result.Reason, result.T, result.Repeats, result.Lost,
		result.Detail, result.Unproven, CaseOf(&p, q))
}

// count is how many positions to ask for: KFERRY_ORACLE_POSITIONS, or n.
func count(t *testing.T, n int) int {
	t.Helper()
	s := os.Getenv("KFERRY_ORACLE_POSITIONS")
	if s == "" {
		return n
	}
	v, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("KFERRY_ORACLE_POSITIONS: %v", err)
	}
	return v
}

// seed is KFERRY_ORACLE_SEED, or always the same, so that a failure is not a
// matter of luck.
func seed(t *testing.T) uint64 {
	t.Helper()
	return seedOr(t, 1)
}

// seedOr is seed with another default.
func seedOr(t *testing.T, n uint64) uint64 {
	t.Helper()
	s := os.Getenv("KFERRY_ORACLE_SEED")
	if s == "" {
		return n
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("KFERRY_ORACLE_SEED: %v", err)
	}
	return v
}
