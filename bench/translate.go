package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

const (
	benchTopic  = "bench"
	benchHeader = "__original_offset"
)

// requests asks for offsets on every partition.
func requests(ctx context.Context, p *pair, offsets func(partition int32) []int64) ([]translate.Request, error) {
	from, err := p.src.Topics(ctx, benchTopic)
	if err != nil {
		return nil, err
	}
	to, err := p.tgt.Topics(ctx, benchTopic)
	if err != nil {
		return nil, err
	}
	var out []translate.Request
	for _, n := range from[benchTopic].Partitions {
		part := topic.Partition{Topic: benchTopic, Partition: n}
		out = append(out, translate.Request{
			Source: part, Target: part, SourceTopic: from[benchTopic], TargetTopic: to[benchTopic], Offsets: offsets(n),
		})
	}
	return out, nil
}

// cost is what a piece of work read from both clusters.
type cost struct{ fetches, bytes int64 }

func (p *pair) measure(fn func() error) (src, tgt cost, err error) {
	a, b := p.src.Stats(), p.tgt.Stats()
	err = fn()
	c, d := p.src.Stats(), p.tgt.Stats()
	return cost{c.FetchRequests - a.FetchRequests, c.FetchBytes - a.FetchBytes},
		cost{d.FetchRequests - b.FetchRequests, d.FetchBytes - b.FetchBytes}, err
}

// translateAll runs one translation and checks every answer: a benchmark of
// wrong answers would be worth nothing.
func translateAll(ctx context.Context, p *pair, reqs []translate.Request, opt *translate.Options) error {
	out, err := translate.Translate(ctx, p.src, p.tgt, reqs, opt)
	if err != nil {
		return err
	}
	for i := range out {
		for _, r := range out[i] {
			if r.T != r.S {
				return fmt.Errorf("%s: S=%d was answered with T=%d, %s: %s", r.Source, r.S, r.T, r.Outcome, r.Detail)
			}
		}
	}
	return nil
}

// fill writes n records per partition to both sides, the target's with headers.
func fill(ctx context.Context, p *pair, partitions, n int) error {
	value := make([]byte, 100)
	one := func(i int, header bool) *kgo.Record {
		off := i / partitions
		r := &kgo.Record{Topic: benchTopic, Partition: int32(i % partitions), Key: strconv.AppendInt(nil, int64(off), 10), Value: value}
		if header {
			r.Headers = []kgo.RecordHeader{{Key: benchHeader, Value: r.Key}}
		}
		return r
	}
	for _, c := range []*cluster.Cluster{p.src, p.tgt} {
		if err := produce(ctx, c, n*partitions, func(i int) *kgo.Record { return one(i, c == p.tgt) }); err != nil {
			return err
		}
	}
	return nil
}

// scan reads the target from its start, as a tool without an index of its own
// would, and returns what that costs.
func scan(ctx context.Context, p *pair, n int64) (cost, error) {
	_, tgt, err := p.measure(func() error {
		part := topic.Partition{Topic: benchTopic}
		for at := int64(0); at < n; {
			chunks, err := p.tgt.Fetch(ctx, []batch.Ask{{Partition: part, Offset: at, MaxBytes: 1 << 20}})
			if err != nil {
				return err
			}
			if chunks[0].Err != nil {
				return chunks[0].Err
			}
			next, err := chunks[0].Next()
			if err != nil || next == at {
				return fmt.Errorf("scanning stopped at %d: %w", at, err)
			}
			at = next
		}
		return nil
	})
	return tgt, err
}

// findOne shows that finding a position does not depend on the length of the
// log, beside a scan.
func findOne(ctx context.Context, w io.Writer) error {
	rows := [][]any{{"records", "probes to find T", "fetches with proof", "KiB", "scan fetches", "scan KiB", "bytes / scan"}}
	for _, n := range []int64{10_000, 100_000, 1_000_000} {
		row, err := findIn(ctx, n)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	return table(w, "One position on a dense log with a header (probes and fetches of the target; proof: both sides)", rows...)
}

func findIn(ctx context.Context, n int64) ([]any, error) {
	p, err := newPair(ctx, 1, map[string]int32{benchTopic: 1})
	if err != nil {
		return nil, err
	}
	defer p.close()
	if err := fill(ctx, p, 1, int(n)); err != nil {
		return nil, err
	}
	reqs, err := requests(ctx, p, func(int32) []int64 { return []int64{n / 3} })
	if err != nil {
		return nil, err
	}
	quick := &translate.Options{Quick: true, Header: benchHeader, Encoding: translate.EncodingDecimal}
	_, find, err := p.measure(func() error { return translateAll(ctx, p, reqs, quick) })
	if err != nil {
		return nil, err
	}
	if find.fetches > 4 {
		return nil, fmt.Errorf("finding T among %d records took %d probes, more than 4", n, find.fetches)
	}
	src, tgt, err := p.measure(func() error { return translateAll(ctx, p, reqs, nil) })
	if err != nil {
		return nil, err
	}
	whole, err := scan(ctx, p, n)
	if err != nil {
		return nil, err
	}
	bytes := src.bytes + tgt.bytes
	return []any{n, find.fetches, src.fetches + tgt.fetches, bytes >> 10, whole.fetches, whole.bytes >> 10, ratio(bytes, whole.bytes)}, nil
}

// findMany translates 10,000 positions over 1,000 partitions on three brokers.
func findMany(ctx context.Context, w io.Writer) error {
	const partitions, perPartition, records = 1000, 10, 200
	p, err := newPair(ctx, 3, map[string]int32{benchTopic: partitions})
	if err != nil {
		return err
	}
	defer p.close()
	if err := fill(ctx, p, partitions, records); err != nil {
		return err
	}
	reqs, err := requests(ctx, p, func(n int32) []int64 {
		offsets := make([]int64, perPartition)
		for i := range offsets {
			offsets[i] = (int64(n)*7 + int64(i)*19) % (records + 1)
		}
		return offsets
	})
	if err != nil {
		return err
	}
	var src, tgt cost
	took, err := timed(func() error {
		src, tgt, err = p.measure(func() error { return translateAll(ctx, p, reqs, nil) })
		return err
	})
	if err != nil {
		return err
	}
	const positions = partitions * perPartition
	return table(w, "10,000 positions over 1,000 partitions on three brokers, with proof",
		[]any{"positions", "fetch requests", "positions / request", "KiB / position", "seconds here"},
		[]any{positions, src.fetches + tgt.fetches, positions / max(1, src.fetches+tgt.fetches), fmt.Sprintf("%.1f", float64(src.bytes+tgt.bytes)/1024/positions), fmt.Sprintf("%.1f", took.Seconds())})
}
