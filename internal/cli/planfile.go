package cli

import (
	"context"
	"os"
	"slices"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/plan"
)

// readPlan reads a plan file; "-" is stdin.
func readPlan(f *Factory, path string) (*plan.Plan, error) {
	r := f.streams.In
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, unchanged(pathError("reading plan", path, err))
		}
		defer func() { _ = file.Close() }() // only read
		r = file
	}
	p, err := plan.Read(r, path)
	return p, unchanged(err)
}

// openPlan opens the clusters that a plan is about: those that the flags name,
// else the clusters of the same names in the config file, else the addresses
// in the plan. The plan room refuses when they are not the same clusters.
func (f *Factory) openPlan(ctx context.Context, p *plan.Plan, pair *pairFlags) (from, to *side, err error) {
	if err := pair.checkLogins(); err != nil {
		return nil, nil, err
	}
	target, err := f.planCluster(p.Target, "--to", pair.to, pair.toCommandConfig)
	if err != nil {
		return nil, nil, err
	}
	if to, err = f.open(ctx, target); err != nil || p.Source == nil {
		return nil, to, err
	}
	if p.SameCluster {
		return to, to, nil
	}
	source, err := f.planCluster(*p.Source, "--from", pair.from, pair.fromCommandConfig)
	if err != nil {
		return nil, nil, err
	}
	from, err = f.open(ctx, source)
	return from, to, err
}

func (f *Factory) planCluster(c plan.Cluster, flag, value, commandConfig string) (api.Cluster, error) {
	login := loginFlags{commandConfig: commandConfig}
	if value != "" {
		found, err := f.anyCluster(flag, value)
		if err != nil {
			return found, err
		}
		return login.apply(found)
	}
	cfg, err := f.loadConfig()
	if err != nil {
		return api.Cluster{}, err
	}
	found := api.Cluster{Name: c.Name, Bootstrap: c.Bootstrap}
	if i := slices.IndexFunc(cfg.Config.Clusters, func(k api.Cluster) bool { return k.Name == c.Name }); i >= 0 {
		found = cfg.Config.Clusters[i]
	}
	return login.apply(found)
}
