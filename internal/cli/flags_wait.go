package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/plan"
)

// waitFlags let a plan wait until nothing in it is held.
type waitFlags struct {
	limit    waitLimit
	interval time.Duration
}

// waitLimit is the value of --wait, which may do without one.
type waitLimit struct {
	given bool
	limit time.Duration // 0: no limit
}

// noLimit is what --wait alone means.
const noLimit = "no limit"

func (w *waitLimit) Set(s string) error {
	w.given = true
	if s == noLimit {
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is no time as 90s, 30m or 2h", s)
	}
	w.limit = d
	return nil
}

func (w *waitLimit) String() string {
	switch {
	case !w.given:
		return ""
	case w.limit == 0:
		return noLimit
	}
	return w.limit.String()
}

// Type is what the help shows.
func (w *waitLimit) Type() string { return "TIME" }

func (w *waitFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.Var(&w.limit, "wait", "look again until nothing is held, for at most `TIME`; without one as long as it takes")
	fs.Lookup("wait").NoOptDefVal = noLimit
	fs.DurationVar(&w.interval, "wait-interval", plan.DefaultWaitInterval, "with --wait: time between two looks")
	w.limit.guard(cmd, 0)
}

// guard explains a time that was written behind a blank: it became the argument
// after those that the command takes.
func (w *waitLimit) guard(cmd *cobra.Command, takes int) {
	inner := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if w.given && w.limit == 0 && len(args) == takes+1 {
			if _, err := time.ParseDuration(args[takes]); err == nil {
				return fmt.Errorf("--wait takes its time behind an equals sign: --wait=%s", args[takes])
			}
		}
		return inner(cmd, args)
	}
}

func (w *waitFlags) check(cmd *cobra.Command) error {
	switch {
	case !w.limit.given && cmd.Flags().Changed("wait-interval"):
		return &usageError{err: errors.New("--wait-interval is given without --wait")}
	case w.interval <= 0:
		return &usageError{err: fmt.Errorf("--wait-interval %s is no time to wait", w.interval)}
	}
	return nil
}

// build makes the plan, and waits for it where that was asked for. A plan that
// still holds something when the time is up comes with an error.
func (w *waitFlags) build(ctx context.Context, f *Factory, in plan.Input) (p *plan.Plan, late, err error) {
	if !w.limit.given {
		p, err = build(ctx, f, in)
		return p, nil, err
	}
	st := &stages{f: f}
	in.Progress = st.event
	board := f.progress.Board()
	defer board.End()
	defer st.end()
	v := waitView{limit: w.limit.limit, said: map[string]bool{}}
	p, last, err := plan.Await(ctx, in, plan.WaitInput{
		Limit: w.limit.limit, Interval: w.interval,
		Look: func(l *plan.Look) {
			st.end()
			board.Show(v.block(l), v.line(l), waitDoc(l))
		},
	})
	st.end()
	board.End()
	switch {
	case err != nil:
		return nil, nil, unchanged(err)
	case last == nil:
	case last.Over:
		late = w.late(last)
	default:
		f.remark("Nothing is held any more, after %s.", last.Elapsed.Round(time.Second))
	}
	return p, late, nil
}

// late is the error of a plan for which the time was too short.
func (w *waitFlags) late(l *plan.Look) error {
	var hints []string
	for i := range l.Troubles {
		if i == maxShown {
			hints = append(hints, fmt.Sprintf("and %d more", len(l.Troubles)-i))
			break
		}
		hints = append(hints, troubleText(&l.Troubles[i]))
	}
	if len(hints) == 0 {
		hints = append(hints, "wait longer: "+strings.Join(topicTexts(l), "; "))
	}
	return &failure{
		code:  ExitPartial,
		err:   fmt.Errorf("the time limit of --wait (%s) has passed; still held: %s", durationText(w.limit.limit), heldText(l)),
		state: "nothing was changed",
		hint:  strings.Join(hints, "\n"),
	}
}
