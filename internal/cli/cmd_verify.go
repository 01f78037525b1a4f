package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/plan"
)

type verifyOptions struct {
	pair   pairFlags
	state  string
	output choice
}

func newVerifyCmd(f *Factory) *cobra.Command {
	o := &verifyOptions{}
	cmd := &cobra.Command{
		Use:   "verify PLAN",
		Short: "Check the groups against a plan, and show its proofs again",
		Long: "Reads the positions that the groups have now and the records either side of them, and tells\n" +
			"'moved on since' from 'wrong'. It writes nothing. Exit code 5: differences were found.",
		Example: "  kferry verify plan.json",
		GroupID: "move",
		Args:    exactArgs("PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runVerify(cmd.Context(), f, o, args[0])
		},
	}
	o.pair.add(f, cmd)
	addState(cmd.Flags(), &o.state)
	addOutput(cmd, &o.output, asTable, asJSON)
	return cmd
}

func runVerify(ctx context.Context, f *Factory, o *verifyOptions, path string) error {
	p, err := readPlan(f, path)
	if err != nil {
		return err
	}
	from, to, err := f.openPlan(ctx, p, &o.pair)
	if err != nil {
		return err
	}
	bucket, err := f.bucket(ctx, o.state)
	if err != nil {
		return err
	}
	st := &stages{f: f}
	r, err := plan.Verify(ctx, p, plan.VerifyInput{
		From: from.planRef(), To: to.plan(), Bucket: bucket, Now: f.streams.Now, Progress: st.event,
	})
	st.end()
	if err != nil {
		return err
	}
	if o.output.value == asJSON {
		err = writeJSON(f.stdout(), verifyDoc(r))
	} else {
		err = verifyView{w: f.stdout(), paint: f.outPaint()}.show(r)
	}
	if err != nil || r.Right() {
		return err
	}
	return &failure{code: ExitDiffers, err: errors.New("the groups are not as planned: " + verifySum(r))}
}
