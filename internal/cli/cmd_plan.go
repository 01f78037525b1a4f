package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/plan"
)

// planOptions are the flags of "kferry plan".
type planOptions struct {
	pair     pairFlags
	sel      selectFlags
	route    routeFlags
	evidence evidenceFlags
	mirror   mirrorFlags
	accept   acceptFlags
	settle   settleFlag
	keep     keepFlag
	wait     waitFlags

	out      string
	detailed bool
	explain  bool
	payload  bool
	output   choice
	asked    []string
}

func newPlanCmd(f *Factory) *cobra.Command {
	o := &planOptions{}
	cmd := &cobra.Command{
		Use:   "plan --from SOURCE --to TARGET [--group GLOB] [--out FILE]",
		Short: "Show what every group's positions would become on another cluster",
		Long: "Reads the groups of the source, finds for each position the equal one in the copy on the\n" +
			"target, and shows every change that 'kferry apply' would make. It writes nothing to either cluster.\n\n" +
			"Signs: + new, ~ changed, - deleted, = already there. Exit code 0: everything in the plan can be\n" +
			"applied; 3: something is held, refused or repeats; 4: there are changes (--detailed-exitcode).\n\n" +
			"With --wait it looks again until the copy has reached every position, and tells how far it is.",
		Example: "  kferry plan --from old --to new --group order-processor --out plan.json\n" +
			"  kferry plan --from old --to new -g 'order-*' --map-topic 'prod.*=qa.*' --explain\n" +
			"  kferry plan --from 10.0.0.1:9092 --to 10.1.0.1:9092 -H __original_offset\n" +
			"  kferry plan --from old --to new -g 'order-*' --wait=30m --out plan.json",
		GroupID: "move",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.wait.check(cmd); err != nil {
				return err
			}
			o.asked = asked(cmd, askedFlags...)
			return runPlan(cmd.Context(), f, o)
		},
	}
	flags := cmd.Flags()
	o.pair.add(f, cmd)
	o.sel.add(flags)
	o.route.add(cmd)
	o.evidence.add(cmd)
	o.mirror.add(f, cmd)
	o.accept.add(flags)
	o.settle.add(flags)
	o.keep.add(flags)
	o.wait.add(cmd)
	flags.StringVar(&o.out, "out", "", "save the plan to `FILE`, for apply, verify and rollback")
	flags.BoolVar(&o.detailed, "detailed-exitcode", false, "exit with 4 when the plan has changes")
	flags.BoolVar(&o.explain, "explain", false, "show the records either side of each position on both clusters")
	flags.BoolVar(&o.payload, "payload", false, "with --explain: keys and values too")
	addOutput(cmd, &o.output, asTable, asWide, asJSON)
	completeSelection(f, cmd)
	return cmd
}

func runPlan(ctx context.Context, f *Factory, o *planOptions) error {
	if o.payload && !o.explain {
		return &usageError{err: errors.New("--payload is given without --explain")}
	}
	if o.out != "" {
		if err := mayWritePlan(o.out); err != nil {
			return err
		}
	}
	in, err := o.input(f)
	if err != nil {
		return err
	}
	from, to, err := f.openPair(ctx, &o.pair)
	if err != nil {
		return err
	}
	in.From, in.To = from.planRef(), to.plan()
	p, late, err := o.wait.build(ctx, f, in)
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := savePlan(o.out, p); err != nil {
			return err
		}
	}
	if err := o.show(f, p); err != nil {
		return err
	}
	if late != nil {
		return late
	}
	return o.verdict(p)
}

// input gathers everything that Build needs but the clusters.
func (o *planOptions) input(f *Factory) (plan.Input, error) {
	sel, err := o.sel.compile()
	if err != nil {
		return plan.Input{}, err
	}
	tr, err := o.evidence.options()
	if err != nil {
		return plan.Input{}, err
	}
	tr.Payload = o.payload
	mirror, err := o.mirror.value(true)
	if err != nil {
		return plan.Input{}, err
	}
	route, _, err := o.route.load()
	if err != nil {
		return plan.Input{}, err
	}
	settle, err := o.settle.value(f)
	if err != nil {
		return plan.Input{}, err
	}
	return plan.Input{
		Selection: sel, Route: route, Translate: tr, Mirror: mirror, Settle: settle, Accept: o.accept.Accept, Keep: o.keep.length,
		Tool: toolName(), Asked: o.asked, Now: f.streams.Now,
	}, nil
}

// build makes a plan and shows how far it is.
func build(ctx context.Context, f *Factory, in plan.Input) (*plan.Plan, error) {
	st := &stages{f: f}
	defer st.end()
	in.Progress = st.event
	p, err := plan.Build(ctx, in)
	return p, unchanged(err)
}

// event shows progress of the plan room.
func (s *stages) event(e plan.Event) {
	what := e.Stage
	unit := "done"
	if e.Wait > 0 {
		what += ": waiting " + e.Wait.Round(time.Second).String()
	}
	s.set(what, unit, int64(e.Done), int64(e.Total))
}

func (o *planOptions) show(f *Factory, p *plan.Plan) error {
	if o.output.value == asJSON {
		return writeJSON(f.stdout(), planDoc(p))
	}
	v := planView{w: f.stdout(), paint: f.outPaint(), wide: o.output.value == asWide, payload: o.payload}
	if err := v.show(p); err != nil {
		return err
	}
	if o.explain {
		v.linef("")
		if err := v.explain(p); err != nil {
			return err
		}
	}
	switch {
	case o.out == "" && p.Summary.Applicable == 0:
		f.remark("Nothing was changed.")
	case o.out == "":
		f.remark("Nothing was changed. To apply such a plan, save it with --out FILE.")
	case p.Summary.Applicable > 0:
		f.remark("Nothing was changed. Saved to %s; next: kferry apply %s%s", o.out, o.logins(f), quoteArg(o.out))
	default:
		f.remark("Nothing was changed. Saved to %s; nothing in it can be applied.", o.out)
	}
	return nil
}

// logins are the flags without which apply could not reach the clusters of the
// plan, which has their addresses and names, and no login.
func (o *planOptions) logins(f *Factory) string {
	var text strings.Builder
	for _, fl := range []struct{ name, value string }{
		{"--config", f.configPath},
		{"--from-command-config", o.pair.fromCommandConfig},
		{"--to-command-config", o.pair.toCommandConfig},
	} {
		if fl.value != "" {
			text.WriteString(fl.name + " " + quoteArg(fl.value) + " ")
		}
	}
	return text.String()
}

// verdict is the exit code of a plan.
func (o *planOptions) verdict(p *plan.Plan) error {
	if err := planVerdict(p); err != nil {
		return err
	}
	if o.detailed && p.Summary.Applicable > 0 {
		return &failure{code: ExitChanges, err: errors.New("the plan has changes"), silent: true}
	}
	return nil
}

// notInFull counts the groups that apply would leave alone or take only in
// part, although there is something to do.
func notInFull(p *plan.Plan) int {
	n := 0
	for i := range p.Groups {
		if v := p.Groups[i].Verdict; v != plan.VerdictApply && v != plan.VerdictNothing {
			n++
		}
	}
	return n
}

// planVerdict is an error when something in the plan cannot be applied.
func planVerdict(p *plan.Plan) error {
	if p.AllApplicable() {
		return nil
	}
	return &failure{
		code:  planCode(p),
		err:   fmt.Errorf("%d of %s cannot be applied, or only in part", notInFull(p), count(len(p.Groups), "group", "groups")),
		state: "nothing was changed",
	}
}

// planCode is 3, unless no group can be applied for one reason that has a code
// of its own: groups that do not exist, or that are active.
func planCode(p *plan.Plan) int {
	code := 0
	for i := range p.Groups {
		own := ExitPartial
		switch g := &p.Groups[i]; {
		case g.Applicable() || g.Verdict == plan.VerdictNothing:
		case g.Reason == plan.ReasonGroupMissing:
			own = ExitFailure
		case g.Reason == plan.ReasonGroupActive:
			own = ExitLocked
		}
		if code != 0 && code != own {
			return ExitPartial
		}
		code = own
	}
	return code
}

// mayWritePlan allows a new file, and one that holds a plan already. Anything
// else there was not meant.
func mayWritePlan(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		// Better now than after a long wait.
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return pathError("writing plan", path, err)
		}
		return nil
	}
	if err != nil {
		return pathError("writing plan", path, err)
	}
	defer func() { _ = file.Close() }() // only read
	if _, err := plan.Read(file, path); err != nil {
		return &usageError{err: fmt.Errorf("--out %s: the file exists and holds no plan", path), hint: "choose another name, or remove it first"}
	}
	return nil
}

// savePlan writes the file whole or not at all.
func savePlan(path string, p *plan.Plan) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".kferry-plan-*")
	if err != nil {
		return pathError("writing plan", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(pathError("writing plan", path, err), os.Remove(tmp.Name()))
		}
	}()
	if err := plan.Write(tmp, p); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Sync(); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
