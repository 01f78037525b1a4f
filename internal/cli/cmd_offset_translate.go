package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/translate"
)

type offsetTranslateOptions struct {
	pair     pairFlags
	cluster  clusterFlags // -b means --to
	input    inputFlags
	route    routeFlags
	evidence evidenceFlags
	mirror   mirrorFlags
	accept   acceptFlags
	output   choice
	asked    []string
}

func newOffsetTranslateCmd(f *Factory) *cobra.Command {
	o := &offsetTranslateOptions{}
	cmd := &cobra.Command{
		Use:     "translate -i FILE --from SOURCE --to TARGET",
		Aliases: []string{"calculate"},
		Short:   "Turn positions of a source into the equal positions on a target",
		Long: "Reads positions from a file and writes the equal positions of the copy to stdout: only rows of\n" +
			"groups that can move without an override, whole groups only. Every other position is on stderr\n" +
			"with its outcome, and the exit code is then 3. Without --from, what only the source can show is\n" +
			"unproven. Rows may carry the topic's name of either side. With --no-group the file is one unit: all of\n" +
			"its rows are written, or none. It writes nothing to either cluster.",
		Example: "  kferry offset translate --from old --to new -i source.csv > target.csv\n" +
			"  kferry offset calculate -b localhost:9093 -H __original_offset --map-topic orders-prod=orders-qa -i source.csv",
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.asked = asked(cmd, "input", "no-group", "map-topic", "map-group", "route")
			return runOffsetTranslate(cmd.Context(), f, o)
		},
	}
	o.cluster.add(f, cmd)
	o.pair.add(f, cmd)
	o.input.add(cmd)
	o.input.addNoGroup(cmd)
	o.route.add(cmd)
	o.evidence.add(cmd)
	o.mirror.add(f, cmd)
	o.accept.addMoving(cmd.Flags())
	addOutput(cmd, &o.output, asCSV, asJSON, asTable)
	return cmd
}

// open opens the target, and the source when it is named.
func (o *offsetTranslateOptions) open(ctx context.Context, f *Factory) (from, to *side, err error) {
	if o.pair.to == "" && o.cluster.given() {
		target, err := o.cluster.resolve(f)
		if err != nil {
			return nil, nil, err
		}
		if to, err = f.open(ctx, target); err != nil {
			return nil, nil, err
		}
	} else {
		switch {
		case o.cluster.given():
			return nil, nil, &usageError{err: errors.New("-b and --to exclude each other: both name the target")}
		case len(o.cluster.login.given()) > 0:
			o.pair.refused = o.cluster.login
		}
		if err := o.pair.check(); err != nil {
			return nil, nil, err
		}
		target, err := o.pair.target(f)
		if err != nil {
			return nil, nil, err
		}
		if to, err = f.open(ctx, target); err != nil {
			return nil, nil, err
		}
	}
	if o.pair.from == "" {
		return nil, to, nil
	}
	source, err := o.pair.source(f)
	if err != nil {
		return nil, nil, err
	}
	from, err = f.open(ctx, source)
	return from, to, err
}

func runOffsetTranslate(ctx context.Context, f *Factory, o *offsetTranslateOptions) error {
	tr, err := o.evidence.options()
	if err != nil {
		return err
	}
	source := o.pair.from != ""
	mirror, err := o.mirror.value(source)
	if err != nil {
		return err
	}
	if !source && (tr.Evidence == translate.KindMM2 || tr.Evidence == translate.KindContent) {
		return &usageError{err: fmt.Errorf("--evidence %s needs --from: it compares records of both sides", tr.Evidence)}
	}
	names, split, err := o.route.load()
	if err != nil {
		return err
	}
	if split != "" {
		return &usageError{err: fmt.Errorf("%s splits a group: that is for 'kferry group copy'", o.route.file)}
	}
	set, err := o.input.read(f)
	if err != nil {
		return err
	}
	from, to, err := o.open(ctx, f)
	if err != nil {
		return err
	}
	given, err := sourceNames(ctx, from, to, names, set)
	if err != nil {
		return err
	}
	p, err := build(ctx, f, plan.Input{
		From: from.planRef(), To: to.plan(), Route: names, Given: given, TranslateOnly: true,
		Translate: tr, Mirror: mirror, Accept: o.accept.Accept, Settle: -1, Tool: toolName(), Asked: o.asked, Now: f.streams.Now,
	})
	if err != nil {
		return err
	}
	return o.show(f, p)
}

// sourceNames gives every row the name that its topic has on the source: a row
// may carry the name of either side.
func sourceNames(ctx context.Context, from, to *side, names *position.Route, set *position.Set) ([]position.Position, error) {
	known := position.Known{}
	var err error
	if from != nil {
		if known.Source, err = topicsOn(ctx, from); err != nil {
			return nil, err
		}
	}
	if known.Target, err = topicsOn(ctx, to); err != nil {
		return nil, err
	}
	out := new(position.Set)
	for p := range set.Each() {
		source, _, err := names.Sides(p.Partition.Topic, known)
		if err != nil {
			return nil, &failure{
				code: ExitUsage, err: err,
				hint: "name the topics so that only one reading is left, or map one name at a time",
			}
		}
		p.Partition.Topic = source
		if err := out.Add(p); err != nil {
			return nil, err
		}
	}
	return out.All(), nil
}

// topicsOn tells which topics exist on a cluster.
func topicsOn(ctx context.Context, s *side) (func(string) bool, error) {
	topics, err := s.cluster.Topics(ctx)
	if err != nil {
		return nil, err
	}
	return func(name string) bool {
		t, ok := topics[name]
		return ok && t.Err == nil
	}, nil
}

// show writes the rows that can move to stdout and all others to stderr.
func (o *offsetTranslateOptions) show(f *Factory, p *plan.Plan) error {
	switch o.output.value {
	case asJSON:
		if err := writeJSON(f.stdout(), planDoc(p)); err != nil {
			return err
		}
		return planVerdict(p)
	case asTable:
		if err := (planView{w: f.stdout(), paint: f.outPaint()}).show(p); err != nil {
			return err
		}
		return planVerdict(p)
	}
	rows, said := new(position.Set), new(remarks)
	for i := range p.Groups {
		g := &p.Groups[i]
		movable := g.Applicable() || g.Verdict == plan.VerdictNothing
		for j := range g.Positions {
			q := &g.Positions[j]
			if movable && !q.Blocked && q.After != nil {
				row := position.Position{Group: g.Name, Partition: q.Target(), Offset: q.After.Offset, LeaderEpoch: -1, Metadata: q.After.Metadata}
				if err := rows.Add(row); err != nil {
					return err
				}
				said.position(g.Name, q)
				continue
			}
			o.leftOut(f.stderr(), g, q)
		}
	}
	w := bufio.NewWriter(f.stdout())
	shape := position.FormatCSV
	if o.input.noGroup {
		shape = position.FormatCSVTopic
	}
	if err := errors.Join(position.Write(w, shape, rows, position.Origin{}), w.Flush()); err != nil {
		return err
	}
	said.write(f.stderr())
	f.sayDropped(rows)
	f.remark("%s", planSum(p))
	return planVerdict(p)
}

// leftOut says of a position why it is not among the rows.
func (o *offsetTranslateOptions) leftOut(w io.Writer, g *plan.Group, q *plan.Position) {
	why := firstOf(q.Detail, string(q.Reason))
	if !q.Blocked && q.After != nil {
		why = "another position of the group cannot move"
		if o.input.noGroup {
			why = "another row of the file cannot move"
		}
	}
	if why != "" {
		why = ": " + clean(why)
	}
	_, _ = fmt.Fprintf(w, "%s %s %s%s\n", clean(g.Name), clean(q.Target().String()), string(q.Outcome), why)
	for _, note := range q.Notes {
		_, _ = fmt.Fprintf(w, "    note: %s\n", clean(note))
	}
	if q.Hint != "" {
		_, _ = fmt.Fprintf(w, "    hint: %s\n", clean(q.Hint))
	}
}
