package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

const (
	benchTopic  = "bench"
	benchHeader = "__original_offset"
)

// requests asks for offsets on every partition.
func requests(ctx context.Context, p *pair, offsets func(partition int32) []int64) ([]translate.Request, error) {
	return requestsFor(ctx, p, benchTopic, offsets)
}

// requestsFor does so where the copy has a name of its own.
func requestsFor(ctx context.Context, p *pair, target string, offsets func(partition int32) []int64) ([]translate.Request, error) {
	from, err := p.src.Topics(ctx, benchTopic)
	if err != nil {
		return nil, err
	}
	to, err := p.tgt.Topics(ctx, target)
	if err != nil {
		return nil, err
	}
	var out []translate.Request
	for _, n := range from[benchTopic].Partitions {
		out = append(out, translate.Request{
			Source: topic.Partition{Topic: benchTopic, Partition: n}, Target: topic.Partition{Topic: target, Partition: n},
			SourceTopic: from[benchTopic], TargetTopic: to[target], Offsets: offsets(n),
		})
	}
	return out, nil
}

// cost is what a piece of work read from a cluster.
type cost struct{ fetches, bytes int64 }

func (c cost) minus(d cost) cost { return cost{c.fetches - d.fetches, c.bytes - d.bytes} }
func (c cost) plus(d cost) cost  { return cost{c.fetches + d.fetches, c.bytes + d.bytes} }

// translateAll runs one translation and checks every answer: a benchmark of
// wrong answers would be worth nothing. Each T is S plus shift.
func translateAll(ctx context.Context, l logs, reqs []translate.Request, opt *translate.Options, shift int64) error {
	out, err := translate.Translate(ctx, l.src, l.tgt, reqs, opt)
	if err != nil {
		return err
	}
	for i := range out {
		for _, r := range out[i] {
			if r.T != r.S+shift {
				return fmt.Errorf("%s: S=%d was answered with T=%d, %s: %s", r.Source, r.S, r.T, r.Outcome, r.Detail)
			}
			quick := opt != nil && opt.Quick
			if !quick && r.Outcome != translate.Exact && r.Outcome != translate.AtEnd {
				return fmt.Errorf("%s: S=%d is %s: %s %v", r.Source, r.S, r.Outcome, r.Detail, r.Unproven)
			}
			if opt != nil && opt.Evidence != "" && r.Evidence != opt.Evidence {
				return fmt.Errorf("%s: evidence %s was asked for, and %s was used", r.Source, opt.Evidence, r.Evidence)
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
	for _, c := range p.clusters() {
		if err := produce(ctx, c, n*partitions, func(i int) *kgo.Record { return one(i, c == p.tgt) }); err != nil {
			return err
		}
	}
	return nil
}

// scan reads a stretch of a partition, as a tool without an index of its own
// would, decodes every record, and returns what that costs.
func scan(ctx context.Context, l translate.Log, name string, from, to int64) (took time.Duration, err error) {
	return timed(func() error {
		part := topic.Partition{Topic: name}
		var records []batch.Record
		for at := from; at < to; {
			chunks, err := l.Fetch(ctx, []batch.Ask{{Partition: part, Offset: at, MaxBytes: 1 << 20}})
			if err != nil {
				return err
			}
			if err := errors.Join(chunks[0].Err, decode(chunks[0].Raw, records[:0])); err != nil {
				return err
			}
			next, err := chunks[0].Next()
			if err != nil || next == at {
				return fmt.Errorf("scanning stopped at %d: %w", at, err)
			}
			at = next
		}
		return nil
	})
}

func decode(raw []byte, dst []batch.Record) error {
	for b, err := range batch.Walk(raw) {
		if err != nil {
			return err
		}
		if _, err := b.Records(dst); err != nil {
			return err
		}
	}
	return nil
}

// findOne shows that finding a position does not depend on the length of the
// log, beside a scan.
func findOne(ctx context.Context, w io.Writer) error {
	rows := [][]any{{"records", "log", "probes to find T", "fetches with proof", "KiB", "scan fetches", "scan KiB", "bytes / scan"}}
	for _, n := range []int64{10_000, 100_000, 1_000_000} {
		row, err := findStored(ctx, n)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	for _, n := range []int64{1_000_000, 10_000_000} {
		part := topic.Partition{Topic: benchTopic}
		row, err := findIn(ctx, generate(n), []translate.Request{{
			Source: part, Target: part, Offsets: []int64{n / 3},
			SourceTopic: topic.Topic{ID: topic.ID{1}, Config: topic.Config{Known: true}},
			TargetTopic: topic.Topic{ID: topic.ID{2}, Config: topic.Config{Known: true}},
		}}, n, "generated")
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	return table(w, "One position on a dense log with a header (probes and fetches of the target; proof: both sides).\n"+
		"Stored: on embedded brokers. Generated: batches of the same records are made when they are asked for.", rows...)
}

func findStored(ctx context.Context, n int64) ([]any, error) {
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
	return findIn(ctx, p.logs(), reqs, n, "stored")
}

func findIn(ctx context.Context, l logs, reqs []translate.Request, n int64, kind string) ([]any, error) {
	quick := &translate.Options{Quick: true, Header: benchHeader, Encoding: translate.EncodingDecimal}
	_, find, err := l.measure(func() error { return translateAll(ctx, l, reqs, quick, 0) })
	if err != nil {
		return nil, err
	}
	if find.fetches > mostProbes {
		return nil, fmt.Errorf("finding T among %d records took %d probes, more than %d", n, find.fetches, mostProbes)
	}
	src, tgt, err := l.measure(func() error { return translateAll(ctx, l, reqs, nil, 0) })
	if err != nil {
		return nil, err
	}
	_, whole, err := l.measure(func() error {
		_, err := scan(ctx, l.tgt, benchTopic, 0, n)
		return err
	})
	if err != nil {
		return nil, err
	}
	both := src.plus(tgt)
	return []any{n, kind, find.fetches, both.fetches, both.bytes >> 10, whole.fetches, whole.bytes >> 10, ratio(both.bytes, whole.bytes)}, nil
}

// The limits that a run of the benchmark fails on.
const (
	// mostProbes find T on a plain log.
	mostProbes = 4
	// mostRequests translate 10,000 positions over 1,000 partitions on three
	// brokers, proof included, both clusters together.
	mostRequests = 100
)

// findMany translates 10,000 positions over 1,000 partitions on three brokers.
func findMany(ctx context.Context, w io.Writer) error {
	const partitions, perPartition = 1000, 10
	sum, took, err := many(ctx, partitions, perPartition)
	if err != nil {
		return err
	}
	const positions = partitions * perPartition
	err = table(w, fmt.Sprintf("10,000 positions over 1,000 partitions on three brokers, with proof (limit: %d requests)", mostRequests),
		[]any{"positions", "fetch requests", "positions / request", "KiB / position", "seconds here"},
		[]any{positions, sum.fetches, positions / max(1, sum.fetches), fmt.Sprintf("%.1f", float64(sum.bytes)/1024/positions), fmt.Sprintf("%.1f", took.Seconds())})
	if err == nil && sum.fetches > mostRequests {
		err = fmt.Errorf("%d positions took %d requests, more than %d", positions, sum.fetches, mostRequests)
	}
	return err
}

// many translates positions all over partitions and counts.
func many(ctx context.Context, partitions, perPartition int) (sum cost, took time.Duration, err error) {
	const records = 200
	p, err := newPair(ctx, 3, map[string]int32{benchTopic: int32(partitions)})
	if err != nil {
		return cost{}, 0, err
	}
	defer p.close()
	if err := fill(ctx, p, partitions, records); err != nil {
		return cost{}, 0, err
	}
	reqs, err := requests(ctx, p, func(n int32) []int64 {
		offsets := make([]int64, perPartition)
		for i := range offsets {
			offsets[i] = (int64(n)*7 + int64(i)*19) % (records + 1)
		}
		return offsets
	})
	if err != nil {
		return cost{}, 0, err
	}
	l := p.logs()
	took, err = timed(func() error {
		src, tgt, err := l.measure(func() error { return translateAll(ctx, l, reqs, nil, 0) })
		sum = src.plus(tgt)
		return err
	})
	return sum, took, err
}
