package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/plan"
)

// protectedName is the name of the protected cluster that a side is, "" when
// it is none. An address of a protected cluster is that cluster, by whatever
// flag it was given.
func (f *Factory) protectedName(to *side) (string, error) {
	if to.config.Protected {
		return to.config.Name, nil
	}
	cfg, err := f.loadConfig()
	if err != nil {
		return "", err
	}
	reached := slices.Concat(to.config.Bootstrap, to.cluster.Bootstrap())
	i := slices.IndexFunc(cfg.Config.Clusters, func(c api.Cluster) bool {
		return c.Protected && slices.ContainsFunc(c.Bootstrap, func(a string) bool { return slices.Contains(reached, a) })
	})
	if i < 0 {
		return "", nil
	}
	return cfg.Config.Clusters[i].Name, nil
}

// named checks --confirm-cluster, and that a protected cluster is not written
// to with --yes alone.
func (w *writeFlags) named(f *Factory, to *side) error {
	protected, err := f.protectedName(to)
	if err != nil {
		return unchanged(err)
	}
	switch {
	case w.cluster != "" && w.cluster != protected && (protected != "" || w.cluster != to.config.Name):
		name := firstOf(protected, to.config.Name)
		return unchanged(&failure{code: ExitUsage, err: fmt.Errorf("%w: --confirm-cluster is %q and the cluster is %q", errNoConfirmation, w.cluster, name)})
	case protected != "" && w.cluster == "" && w.yes:
		return unchanged(&failure{
			code: ExitUsage, err: fmt.Errorf("%w: cluster %q is protected, and --yes alone is not enough", errNoConfirmation, protected),
			hint: "give --confirm-cluster " + quoteArg(protected) + " with --yes, or leave out --yes and type its name",
		})
	}
	return nil
}

// confirmPlan asks before a plan is applied. Groups that are deleted have to be
// named.
func (f *Factory) confirmPlan(ctx context.Context, p *plan.Plan, to *side, keep time.Duration, w *writeFlags) error {
	groups := count(p.Summary.Applicable, "group", "groups")
	var names []string
	for i := range p.Groups {
		if g := &p.Groups[i]; g.Applicable() && g.Delete {
			names = append(names, g.Name)
		}
	}
	if len(names) == 0 {
		question := fmt.Sprintf("Commit %s on %s?", groups, clusterText(p.Target))
		if p.Kind == plan.Forget {
			question = fmt.Sprintf("Delete %s of %s on %s?", count(p.Summary.Deleted, "position", "positions"), groups, clusterText(p.Target))
		}
		if keep > 0 {
			// Those that are as planned already are committed, too.
			groups = count(p.Summary.Applicable+p.Summary.Unchanged, "group", "groups")
			question = fmt.Sprintf("Commit %s on %s, to be kept for %s?", groups, clusterText(p.Target), keep)
		}
		return f.confirmWrite(ctx, to, question, w)
	}
	what, them := "its name", "it"
	if len(names) > 1 {
		what, them = "their names as shown, with blanks between", "them"
	}
	question := fmt.Sprintf("Delete %s on %s, with all positions? Type %s to delete %s.", count(len(names), "group", "groups"), clusterText(p.Target), what, them)
	if others := p.Summary.Applicable - len(names); others > 0 {
		question = fmt.Sprintf("Commit %s on %s, and delete %s with all positions: %s? Type %s to go on.",
			count(others, "group", "groups"), clusterText(p.Target), count(len(names), "group", "groups"), clean(strings.Join(names, " ")), what)
	}
	if err := f.confirm(ctx, question, strings.Join(names, " ")); err != nil {
		return err
	}
	protected, err := f.protectedName(to)
	if err != nil || protected == "" || w.cluster != "" {
		return unchanged(err)
	}
	return f.confirm(ctx, "The cluster is protected: type its name.", protected)
}

// confirmWrite asks before something is written. A cluster that the config
// file protects has to be named, here or with --confirm-cluster.
func (f *Factory) confirmWrite(ctx context.Context, to *side, question string, w *writeFlags) error {
	protected, err := f.protectedName(to)
	switch {
	case err != nil:
		return unchanged(err)
	case protected != "" && w.cluster == "":
		return f.confirm(ctx, question+" The cluster is protected: type its name.", protected)
	}
	return f.confirm(ctx, question, "yes")
}
