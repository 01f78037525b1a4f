package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/kferry/kferry/internal/translate"
)

// Failure is one wrong answer.
type Failure struct {
	Pair     Pair
	Question Question
	Result   translate.Result
	Judgement
	Seed uint64
}

// Tally counts what was asked and how it was answered. Safe for concurrent
// use while it is filled.
type Tally struct {
	mu        sync.Mutex
	keep      int
	Positions int
	Classes   map[Class]int
	Outcomes  map[translate.Outcome]int
	Kinds     map[string]int
	Verdicts  map[Verdict]int
	Tolerated map[string]int
	Known     map[translate.Known]int
	Traits    map[string]int
	// Wrongs counts the wrong answers in more detail.
	Wrongs map[string]int
	// Alike counts the answers that leave open what nobody could tell.
	Alike int
	// without are the classes that no kind that was asked for has.
	without  Class
	Failures []Failure
}

func newTally(keep int) *Tally {
	return &Tally{
		keep: keep, Classes: map[Class]int{}, Outcomes: map[translate.Outcome]int{}, Kinds: map[string]int{},
		Verdicts: map[Verdict]int{}, Tolerated: map[string]int{}, Known: map[translate.Known]int{}, Traits: map[string]int{}, Wrongs: map[string]int{},
	}
}

func (t *Tally) add(p *Pair, q Question, r *translate.Result, j Judgement, seed uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Positions++
	for c := Compacted; c < classEnd; c <<= 1 {
		if p.Classes&c != 0 {
			t.Classes[c]++
		}
	}
	t.Outcomes[r.Outcome]++
	if r.T >= 0 {
		t.Known[r.Proof.Known]++
	}
	t.Kinds[q.kind()]++
	if j.Alike {
		t.Alike++
	}
	if j.Tolerated != "" {
		t.Tolerated[string(r.Outcome)+": "+j.Tolerated]++
	}
	t.Verdicts[j.Verdict]++
	if j.Verdict == Fine {
		return
	}
	detail := strings.TrimSpace(fmt.Sprintf("%s, %s: %s %s", j.Verdict, q.kind(), r.Outcome, r.Reason))
	if j.Doubt != "" {
		detail += " (in doubt: " + j.Doubt + ")"
	}
	if t.Wrongs[detail]++; t.Wrongs[detail] <= t.keep {
		t.Failures = append(t.Failures, Failure{*p, q, *r, j, seed})
	}
}

// note counts what else there is to say of a position.
func (t *Tally) note(traits []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range traits {
		t.Traits[one]++
	}
}

// kind is how a position is asked for, for the table.
func (q Question) kind() string {
	switch {
	case q.NoSource && q.CopyComplete:
		return "no source, --copy-complete"
	case q.NoSource:
		return "no source"
	case q.Quick:
		return "--quick"
	case q.CopyComplete:
		return "--copy-complete"
	default:
		return "plain"
	}
}

// Wrong is the number of wrong answers.
func (t *Tally) Wrong() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Positions - t.Verdicts[Fine]
}

// Harmful is the number of answers that would move a group to a wrong place:
// what was held, refused or doubted without need is left out.
func (t *Tally) Harmful() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Positions - t.Verdicts[Fine] - t.Verdicts[WronglyHeld] - t.Verdicts[WronglyRefuse] - t.Verdicts[Needless]
}

// impossible are the classes that a kind of evidence does not have, whatever
// the mover.
var impossible = map[translate.Kind]Class{
	// A copy that keeps offsets is made in one pass: what is copied again would
	// have to stand at its own offset a second time.
	translate.KindIdentity: Passes | StopsShort | Running,
}

// Doubted is the number of wrong answers where an observer could be unsure.
func (t *Tally) Doubted() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for detail, times := range t.Wrongs {
		if strings.Contains(detail, "(in doubt: ") {
			n += times
		}
	}
	return n
}

// Thin are the classes that hold less than percent of the positions, of those
// that the kinds that were asked for can have.
func (t *Tally) Thin(percent int) []string {
	var out []string
	for c := Compacted; c < classEnd; c <<= 1 {
		if c&t.without != 0 {
			continue
		}
		if t.Classes[c]*100 < t.Positions*percent {
			out = append(out, c.String())
		}
	}
	return out
}

// String is the table.
func (t *Tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d positions\n", t.Positions)
	share := func(name string, n int) {
		fmt.Fprintf(&b, "  %-60s %9d  %5.1f %%\n", name, n, 100*float64(n)/float64(max(1, t.Positions)))
	}
	b.WriteString("in logs with\n")
	for c := Compacted; c < classEnd; c <<= 1 {
		share(c.String(), t.Classes[c])
	}
	section := func(title string, m map[string]int) {
		b.WriteString(title + "\n")
		for _, k := range slices.Sorted(maps.Keys(m)) {
			share(k, m[k])
		}
	}
	section("and", t.Traits)
	section("asked", t.Kinds)
	section("answered", plain(t.Outcomes))
	section("known by", plain(t.Known))
	section("left open by the definition", t.Tolerated)
	share("records are alike, and nobody could tell", t.Alike)
	b.WriteString("wrong\n")
	for _, v := range Verdicts() {
		share(string(v), t.Verdicts[v])
	}
	if len(t.Wrongs) > 0 {
		section("wrong in detail", t.Wrongs)
	}
	return b.String()
}

// Report is the table in a few lines, for a summary of a test run.
func (t *Tally) Report() []string {
	percent := func(n int) string { return fmt.Sprintf("%.0f %%", 100*float64(n)/float64(max(1, t.Positions))) }
	var classes, outcomes, wrong []string
	for c := Compacted; c < classEnd; c <<= 1 {
		classes = append(classes, c.String()+" "+percent(t.Classes[c]))
	}
	for _, k := range slices.Sorted(maps.Keys(t.Traits)) {
		classes = append(classes, k+" "+percent(t.Traits[k]))
	}
	for _, k := range slices.Sorted(maps.Keys(t.Outcomes)) {
		outcomes = append(outcomes, fmt.Sprintf("%s %d", k, t.Outcomes[k]))
	}
	for _, v := range Verdicts() {
		wrong = append(wrong, fmt.Sprintf("%s %d", v, t.Verdicts[v]))
	}
	return []string{
		fmt.Sprintf("%d positions, %d wrong; %s where records are alike and nobody could tell", t.Positions, t.Wrong(), percent(t.Alike)),
		"in logs with: " + strings.Join(classes, ", "),
		"answered: " + strings.Join(outcomes, ", "),
		"wrong: " + strings.Join(wrong, ", "),
	}
}

func plain[K ~string](m map[K]int) map[string]int {
	out := make(map[string]int, len(m))
	for k, n := range m {
		out[string(k)] = n
	}
	return out
}
