package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
)

type rollbackOptions struct {
	cluster clusterFlags
	write   writeFlags
	output  choice
	command string
}

func newRollbackCmd(f *Factory) *cobra.Command {
	o := &rollbackOptions{}
	cmd := &cobra.Command{
		Use:   "rollback RUN",
		Short: "Give groups back what they had before a run",
		Long: "Restores every position that the run changed, deletes offsets and groups that did not exist\n" +
			"before it, and refuses where somebody else has committed since. 'kferry history list' shows the runs.",
		Example: "  kferry rollback 20261121T114527Z-7f3a9c",
		GroupID: "move",
		Args:    exactArgs("RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = commandLine(cmd, args)
			return runRollback(cmd.Context(), f, o, args[0])
		},
		ValidArgsFunction: completeRuns(f),
	}
	o.cluster.add(f, cmd)
	o.write.add(cmd.Flags(), false)
	o.write.addConcurrent(cmd.Flags())
	addOutput(cmd, &o.output, asTable, asJSON)
	return cmd
}

func runRollback(ctx context.Context, f *Factory, o *rollbackOptions, id string) error {
	bucket, err := f.bucket(ctx, o.write.state)
	if err != nil {
		return unchanged(err)
	}
	r, err := openRun(ctx, bucket, id)
	if err != nil {
		return unchanged(err)
	}
	if i := r.Info(); i.Kind == run.KindMigration {
		return unchanged(&failure{
			err:  fmt.Errorf("run %s is migration %q, which has runs of its own for what it commits", id, i.Name),
			hint: fmt.Sprintf("'kferry migration abort %s' takes back all that it has done", quoteArg(i.Name)),
		})
	}
	target, err := o.target(f, r.Info())
	if err != nil {
		return unchanged(err)
	}
	to, err := f.open(ctx, target)
	if err != nil {
		return unchanged(err)
	}
	if err := o.write.named(f, to); err != nil {
		return err
	}
	if !o.write.yes {
		question := fmt.Sprintf("Take back run %s (%s) on cluster %s?", id, r.Info().Command, target.Name)
		if err := f.confirmWrite(ctx, to, clean(question), &o.write); err != nil {
			return err
		}
	}
	parallel, err := f.parallel(&o.write)
	if err != nil {
		return unchanged(err)
	}
	st := &stages{f: f}
	work, stop := stopOf(ctx)
	report, err := plan.Rollback(work, id, plan.RollbackInput{
		To: to.plan(), Bucket: bucket, Parallel: parallel, Stop: stop, Tool: toolName(), Command: o.command,
		Now: f.streams.Now, Progress: st.event,
	})
	st.end()
	if report != nil {
		if serr := f.showReport("rollback", report, err, o.output.value); serr != nil {
			return errors.Join(err, serr)
		}
	}
	if err == nil && len(report.Groups) == 0 {
		f.remark("The run wrote nothing: there is nothing to take back.")
	}
	return applyVerdict(report, err, o.command)
}

// target is the cluster that the run wrote to, unless a flag names it.
func (o *rollbackOptions) target(f *Factory, info run.Info) (api.Cluster, error) {
	if o.cluster.given() {
		return o.cluster.resolve(f)
	}
	i := slices.IndexFunc(info.Clusters, func(c run.Cluster) bool { return c.Role == "target" })
	if i < 0 {
		return api.Cluster{}, fmt.Errorf("run %s names no cluster that it wrote to", info.ID)
	}
	c := info.Clusters[i]
	found, err := f.planCluster(plan.Cluster{ID: c.ID, Name: c.Name, Bootstrap: c.Bootstrap}, "", "", "")
	if err != nil {
		return found, err
	}
	return o.cluster.login.apply(found)
}
