package cli

import (
	"context"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/store"
)

// side is one open cluster.
type side struct {
	config  api.Cluster
	cluster *cluster.Cluster
	groups  *group.Client
}

// open connects to a cluster; it is closed when Main returns.
func (f *Factory) open(ctx context.Context, c api.Cluster) (*side, error) {
	login, err := f.login(ctx, c)
	if err != nil {
		return nil, err
	}
	f.log.Debug("connecting", "cluster", c.Name, "bootstrap", c.Bootstrap, "protocol", login.Security.Protocol())
	st := stages{f: f}
	st.set("connecting to "+c.Name, "of 1 cluster", 0, 0)
	opened, err := cluster.Open(ctx, login, &cluster.Options{Log: kafkaLog{f.log}})
	st.end()
	if err != nil {
		return nil, err
	}
	f.log.Debug("connected", "cluster", c.Name, "cluster_id", opened.ID())
	f.onClose(opened.Close)
	return &side{config: c, cluster: opened, groups: group.New(opened, nil)}, nil
}

// plan is the cluster as the plan room sees it.
func (s *side) plan() plan.Side {
	return plan.Side{
		ID: s.cluster.ID(), Name: s.cluster.Name(), Bootstrap: s.cluster.Bootstrap(),
		Topics: s.cluster, Log: s.cluster, Read: s.groups, List: s.groups, Write: s.groups,
	}
}

// planRef is plan for a side that may be missing.
func (s *side) planRef() *plan.Side {
	if s == nil {
		return nil
	}
	p := s.plan()
	return &p
}

// openPair opens source and target.
func (f *Factory) openPair(ctx context.Context, pair *pairFlags) (from, to *side, err error) {
	if err := pair.check(); err != nil {
		return nil, nil, err
	}
	source, err := pair.source(f)
	if err != nil {
		return nil, nil, err
	}
	target, err := pair.target(f)
	if err != nil {
		return nil, nil, err
	}
	if from, err = f.open(ctx, source); err != nil {
		return nil, nil, err
	}
	to, err = f.open(ctx, target)
	return from, to, err
}

// bucket opens the state: the flag, else what the config file or the
// environment says, else the user's state folder.
func (f *Factory) bucket(ctx context.Context, flag string) (*store.Bucket, error) {
	url := flag
	if url == "" {
		cfg, err := f.loadConfig()
		if err != nil {
			return nil, err
		}
		url = f.streams.env("KFERRY_STATE")
		if url == "" {
			url = cfg.Config.State
		}
	}
	own := url == ""
	if own {
		var err error
		if url, err = store.DefaultStateURL(); err != nil {
			return nil, err
		}
	}
	b, err := store.Open(ctx, url, &store.Options{Schemes: f.streams.Schemes})
	if err == nil && own {
		f.ownState = b.URL()
	}
	return b, err
}

// sayState warns once that nobody else can see the user's own state folder.
func (f *Factory) sayState() {
	if f.ownState != "" {
		f.remark("note: runs and snapshots are in your own state folder, %s: a colleague cannot roll back from there (--state URL)", f.ownState)
		f.ownState = ""
	}
}
