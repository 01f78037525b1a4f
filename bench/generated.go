package main

import (
	"context"
	"errors"
	"sort"
	"strconv"
	"sync/atomic"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// generated is one partition whose batches are made when they are asked for: a
// log of any length without its bytes. A fetch answers as a broker does, whole
// batches from the one that contains the offset on.
type generated struct {
	n      int64
	header bool
	cost   struct{ fetches, bytes atomic.Int64 }
}

var _ translate.Log = (*generated)(nil)

// recordsPerBatch make about 16 KiB with values of 100 bytes.
const recordsPerBatch = 120

func (g *generated) stamp(offset int64) int64 { return 1_700_000_000_000 + offset }

// Bounds are those of a log that nothing was deleted from.
func (g *generated) Bounds(_ context.Context, ps []topic.Partition) (map[topic.Partition]topic.Bounds, error) {
	out := map[topic.Partition]topic.Bounds{}
	for _, p := range ps {
		out[p] = topic.Bounds{End: g.n, Stable: g.n, Epoch: -1}
	}
	return out, nil
}

// Since finds offsets by time: timestamps rise by one a record.
func (g *generated) Since(_ context.Context, times map[topic.Partition]int64) (map[topic.Partition]topic.Stamp, error) {
	out := map[topic.Partition]topic.Stamp{}
	for p, ms := range times {
		at := int64(sort.Search(int(g.n), func(i int) bool { return g.stamp(int64(i)) >= ms }))
		if at == g.n {
			out[p] = topic.Stamp{Offset: -1, Timestamp: -1}
			continue
		}
		out[p] = topic.Stamp{Offset: at, Timestamp: g.stamp(at)}
	}
	return out, nil
}

// Fetch counts itself as one request, as it would be one to one broker.
func (g *generated) Fetch(_ context.Context, asks []batch.Ask) ([]batch.Chunk, error) {
	g.cost.fetches.Add(1)
	out := make([]batch.Chunk, len(asks))
	for i, a := range asks {
		out[i] = batch.Chunk{Partition: a.Partition, Offset: a.Offset, HighWatermark: g.n, Stable: g.n}
		if a.Offset < 0 || a.Offset > g.n {
			out[i].Err = errors.New("offset out of range")
			continue
		}
		most := int(a.MaxBytes)
		if most <= 0 {
			most = 64 << 10
		}
		for base := a.Offset / recordsPerBatch * recordsPerBatch; base < g.n; base += recordsPerBatch {
			raw, err := g.batch(base)
			if err != nil {
				return nil, err
			}
			if len(out[i].Raw) > 0 && len(out[i].Raw)+len(raw) > most {
				break
			}
			out[i].Raw = append(out[i].Raw, raw...)
		}
		g.cost.bytes.Add(int64(len(out[i].Raw)))
	}
	return out, nil
}

var benchValue = make([]byte, 100)

func (g *generated) batch(base int64) ([]byte, error) {
	records := make([]batch.Record, 0, recordsPerBatch)
	for offset := base; offset < min(base+recordsPerBatch, g.n); offset++ {
		r := batch.Record{Offset: offset, Timestamp: g.stamp(offset), Key: strconv.AppendInt(nil, offset, 10), Value: benchValue}
		if g.header {
			r.Headers = []batch.RecordHeader{{Key: benchHeader, Value: r.Key}}
		}
		records = append(records, r)
	}
	return batch.Encode(records, batch.EncodeOptions{BaseOffset: base})
}

// logs are the two sides that a measurement reads, with what they have cost.
type logs struct {
	src, tgt translate.Log
	costs    func() (src, tgt cost)
}

func (p *pair) logs() logs {
	return logs{src: p.src, tgt: p.tgt, costs: func() (src, tgt cost) {
		a, b := p.src.Stats(), p.tgt.Stats()
		return cost{a.FetchRequests, a.FetchBytes}, cost{b.FetchRequests, b.FetchBytes}
	}}
}

func generate(n int64) logs {
	src, tgt := &generated{n: n}, &generated{n: n, header: true}
	of := func(g *generated) cost { return cost{g.cost.fetches.Load(), g.cost.bytes.Load()} }
	return logs{src: src, tgt: tgt, costs: func() (cost, cost) { return of(src), of(tgt) }}
}

// measure says what a piece of work has read.
func (l logs) measure(fn func() error) (src, tgt cost, err error) {
	a, b := l.costs()
	err = fn()
	c, d := l.costs()
	return c.minus(a), d.minus(b), err
}
