// Command bench prints what kferry costs, as counts and as ratios to a limit
// that is measured in the same run: absolute times of one machine are no
// claim. Where a limit is promised, a run that exceeds it fails. Arguments
// choose parts (one, kinds, many, apply). It runs on embedded clusters and
// takes two or three minutes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parts are what can be measured, in the order of the output.
var parts = []struct {
	name string
	run  func(context.Context, io.Writer) error
}{
	{"one", findOne}, {"kinds", findByKind}, {"many", findMany}, {"apply", applyMany},
}

// run measures the parts that are named, all when none is.
func run(ctx context.Context, w io.Writer, names []string) error {
	done := 0
	for _, p := range parts {
		if len(names) > 0 && !slices.Contains(names, p.name) {
			continue
		}
		if err := p.run(ctx, w); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		done++
	}
	if done < len(names) {
		return fmt.Errorf("%q: the parts are one, kinds, many and apply", names)
	}
	return nil
}

// pair is a source and a target, each one embedded broker.
type pair struct {
	fakes    [2]*kfake.Cluster
	src, tgt *cluster.Cluster
}

func newPair(ctx context.Context, brokers int, topics map[string]int32) (*pair, error) {
	p := &pair{}
	for i, name := range []string{"source", "target"} {
		opts := []kfake.Opt{kfake.NumBrokers(brokers), kfake.ClusterID("bench-" + name)}
		for topic, partitions := range topics {
			opts = append(opts, kfake.SeedTopics(partitions, topic))
		}
		fake, err := kfake.NewCluster(opts...)
		if err != nil {
			p.close()
			return nil, fmt.Errorf("starting the %s: %w", name, err)
		}
		p.fakes[i] = fake
		c, err := cluster.Open(ctx, cluster.Login{Name: name, Seeds: fake.ListenAddrs()}, nil)
		if err != nil {
			p.close()
			return nil, err
		}
		if i == 0 {
			p.src = c
		} else {
			p.tgt = c
		}
	}
	return p, nil
}

func (p *pair) clusters() []*cluster.Cluster { return []*cluster.Cluster{p.src, p.tgt} }

func (p *pair) close() {
	for _, c := range p.clusters() {
		if c != nil {
			c.Close()
		}
	}
	for _, f := range p.fakes {
		if f != nil {
			f.Close()
		}
	}
}

// produce sends records in batches of about 16 KiB, as a Java producer's are.
func produce(ctx context.Context, c *cluster.Cluster, n int, record func(i int) *kgo.Record) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Bootstrap()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(16<<10), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(50_000))
	if err != nil {
		return fmt.Errorf("preparing a producer: %w", err)
	}
	defer cl.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for i := range n {
		cl.Produce(ctx, record(i), func(_ *kgo.Record, err error) {
			if err != nil {
				cancel(err)
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return fmt.Errorf("producing: %w", errors.Join(err, context.Cause(ctx)))
	}
	return context.Cause(ctx)
}

// table prints aligned rows.
func table(w io.Writer, title string, rows ...[]any) error {
	fmt.Fprintf(w, "\n%s\n", title)
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		for _, cell := range row {
			fmt.Fprintf(tw, "%v\t", cell)
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}

func ratio(a, b int64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("1/%d", max(1, b/max(1, a)))
}

func timed(fn func() error) (time.Duration, error) {
	start := time.Now()
	err := fn()
	return time.Since(start), err
}
