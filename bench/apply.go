package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/topic"
)

const (
	applyGroups     = 1000
	applyPartitions = 10
	applyParallel   = 16
)

// applyMany moves 1,000 groups of 10 partitions and sets the whole guarded
// apply beside the bare commits, in parallel and one at a time.
func applyMany(ctx context.Context, w io.Writer) error {
	p, err := newPair(ctx, 3, map[string]int32{benchTopic: applyPartitions})
	if err != nil {
		return err
	}
	defer p.close()
	if err := fill(ctx, p, applyPartitions, 100); err != nil {
		return err
	}
	source, target := group.New(p.src, nil), group.New(p.tgt, nil)
	if _, err := commits(ctx, source, "moved", applyParallel); err != nil {
		return err
	}
	bare, err := commits(ctx, target, "bare", applyParallel)
	if err != nil {
		return err
	}
	single, err := commits(ctx, target, "single", 1)
	if err != nil {
		return err
	}
	planned, applied, err := guarded(ctx, p, source, target)
	if err != nil {
		return err
	}
	times := func(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()/bare.Seconds()) }
	return table(w, fmt.Sprintf("%d groups x %d partitions on three brokers, against the bare commits %d at a time", applyGroups, applyPartitions, applyParallel),
		[]any{"what", "times the bare commits"},
		[]any{"bare commits, one at a time", times(single)},
		[]any{"plan, with proof of every position", times(planned)},
		[]any{"apply, with journal on disk, snapshot, states and reading back", times(applied)})
}

// commits sends one OffsetCommit per group and takes the time.
func commits(ctx context.Context, c *group.Client, stem string, parallel int) (time.Duration, error) {
	return timed(func() error {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(parallel)
		for i := range applyGroups {
			g.Go(func() error {
				name := fmt.Sprintf("%s-%04d", stem, i)
				var ps []position.Position
				for n := range int32(applyPartitions) {
					ps = append(ps, position.Position{
						Group: name, Partition: topic.Partition{Topic: benchTopic, Partition: n}, Offset: int64(i % 100), LeaderEpoch: -1,
					})
				}
				codes, err := c.Commit(ctx, name, ps)
				for _, code := range codes {
					err = errors.Join(err, code)
				}
				return err
			})
		}
		return g.Wait()
	})
}

func side(c *cluster.Cluster, g *group.Client) plan.Side {
	return plan.Side{ID: c.ID(), Name: c.Name(), Bootstrap: c.Bootstrap(), Topics: c, Log: c, Read: g, List: g, Write: g}
}

// guarded is what a user does: plan and apply.
func guarded(ctx context.Context, p *pair, source, target *group.Client) (planned, applied time.Duration, err error) {
	dir, err := os.MkdirTemp("", "kferry-bench-")
	if err != nil {
		return 0, 0, fmt.Errorf("making a folder for the state: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	bucket, err := store.Open(ctx, dir, nil)
	if err != nil {
		return 0, 0, err
	}
	from, to := side(p.src, source), side(p.tgt, target)
	var pl *plan.Plan
	planned, err = timed(func() (err error) {
		pl, err = plan.Build(ctx, plan.Input{From: &from, To: to, Settle: -1, Tool: "bench"})
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	if !pl.AllApplicable() || pl.Summary.Applicable != applyGroups {
		return 0, 0, fmt.Errorf("the plan has %d applicable groups, not %d", pl.Summary.Applicable, applyGroups)
	}
	applied, err = timed(func() error {
		r, err := plan.Apply(ctx, pl, plan.ApplyInput{From: &from, To: to, Bucket: bucket, Settle: -1, Parallel: applyParallel, Tool: "bench", Command: "bench"})
		if err == nil && !r.Complete() {
			err = errors.New("not every group was applied")
		}
		return err
	})
	return planned, applied, err
}
