package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

const (
	kindRecords = 300_000
	// kindTrimmed records of the source were deleted before it was copied, but
	// for the copy with equal offsets.
	kindTrimmed = 1000
	// kindForeign records of others stand before one of the copies.
	kindForeign = 1000
	kindSyncs   = "mm2-offset-syncs.new.internal"
	// offsetLagMax is MirrorMaker 2's offset.lag.max.
	offsetLagMax = 100
)

// copied is one copy of the same source, and what finds positions on it.
type copied struct {
	topic string
	// from is the first source offset that was copied, foreign the number of
	// records before the copies.
	from, foreign int64
	header        bool
	what          string
	opt           translate.Options
}

// shift is T - S.
func (c copied) shift() int64 { return c.foreign - c.from }

// end is the length of the copy.
func (c copied) end() int64 { return kindRecords + c.shift() }

func copies() []copied {
	return []copied{
		{topic: "bench-header", what: "header", from: kindTrimmed, header: true, opt: translate.Options{Evidence: translate.KindHeader}},
		{topic: "old.bench", what: "mm2", from: kindTrimmed, opt: translate.Options{Evidence: translate.KindMM2, Syncs: []translate.SyncTopic{{Topic: kindSyncs}}}},
		{topic: "bench-identity", what: "identity", opt: translate.Options{Evidence: translate.KindIdentity}},
		{topic: "bench-content", what: "content", from: kindTrimmed, opt: translate.Options{Evidence: translate.KindContent}},
		{
			topic: "bench-foreign", what: "content, behind records of others", from: kindTrimmed, foreign: kindForeign,
			opt: translate.Options{Evidence: translate.KindContent},
		},
	}
}

// findByKind sets what each kind of evidence costs beside a scan of both logs,
// for a position near the end and for one far from it.
func findByKind(ctx context.Context, w io.Writer) error {
	topics := map[string]int32{benchTopic: 1, kindSyncs: 1}
	for _, c := range copies() {
		topics[c.topic] = 1
	}
	p, err := newPair(ctx, 1, topics)
	if err != nil {
		return err
	}
	defer p.close()
	if err := fillKinds(ctx, p); err != nil {
		return err
	}
	rows := [][]any{{"evidence", "lag", "fetches", "KiB", "bytes / scan", "time / scan"}}
	for _, c := range copies() {
		whole, took, err := scanBoth(ctx, p, c)
		if err != nil {
			return err
		}
		for _, lag := range []int64{1_000, kindRecords * 2 / 3} {
			row, err := findBy(ctx, p, c, lag, whole, took)
			if err != nil {
				return fmt.Errorf("evidence %s at lag %d: %w", c.opt.Evidence, lag, err)
			}
			rows = append(rows, row)
		}
	}
	return table(w, fmt.Sprintf("One position by each kind of evidence, with proof, among %d records (fetches and bytes of both sides;\n"+
		"scan: both logs read and decoded once in the same run)", kindRecords), rows...)
}

// fillKinds writes the source, its copies, and the offset syncs of one of them.
func fillKinds(ctx context.Context, p *pair) error {
	value := make([]byte, 100)
	began := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	record := func(name string, i int64) *kgo.Record {
		return &kgo.Record{Topic: name, Key: strconv.AppendInt(nil, i, 10), Value: value, Timestamp: began.Add(time.Duration(i) * time.Millisecond)}
	}
	if err := produce(ctx, p.src, kindRecords, func(i int) *kgo.Record { return record(benchTopic, int64(i)) }); err != nil {
		return err
	}
	for _, c := range copies() {
		err := produce(ctx, p.tgt, int(c.end()), func(i int) *kgo.Record {
			h := int64(i) - c.shift()
			if h < c.from {
				return &kgo.Record{Topic: c.topic, Key: []byte("no copy"), Value: strconv.AppendInt(nil, h, 10), Timestamp: began}
			}
			r := record(c.topic, h)
			if c.header {
				r.Headers = []kgo.RecordHeader{{Key: benchHeader, Value: r.Key}}
			}
			return r
		})
		if err != nil {
			return err
		}
	}
	trim := kadm.Offsets{}
	trim.AddOffset(benchTopic, 0, kindTrimmed, -1)
	if _, err := p.src.Admin().DeleteRecords(ctx, trim); err != nil {
		return fmt.Errorf("trimming the source: %w", err)
	}
	return produce(ctx, p.src, (kindRecords-kindTrimmed)/offsetLagMax, func(i int) *kgo.Record {
		h := int64(i)*offsetLagMax + kindTrimmed
		key, value := mover.OffsetSync{Source: topic.Partition{Topic: benchTopic}, SourceOffset: h, TargetOffset: h - kindTrimmed}.Encode()
		return &kgo.Record{Topic: kindSyncs, Key: key, Value: value}
	})
}

// scanBoth reads and decodes the source and the copy.
func scanBoth(ctx context.Context, p *pair, c copied) (cost, time.Duration, error) {
	l := p.logs()
	var all time.Duration
	src, tgt, err := l.measure(func() error {
		for _, side := range []struct {
			log  *cluster.Cluster
			name string
			from int64
			to   int64
		}{{p.src, benchTopic, kindTrimmed, kindRecords}, {p.tgt, c.topic, 0, c.end()}} {
			took, err := scan(ctx, side.log, side.name, side.from, side.to)
			if err != nil {
				return err
			}
			all += took
		}
		return nil
	})
	return src.plus(tgt), all, err
}

func findBy(ctx context.Context, p *pair, c copied, lag int64, whole cost, scanned time.Duration) ([]any, error) {
	reqs, err := requestsFor(ctx, p, c.topic, func(int32) []int64 { return []int64{kindRecords - lag} })
	if err != nil {
		return nil, err
	}
	l := p.logs()
	var took time.Duration
	src, tgt, err := l.measure(func() error {
		took, err = timed(func() error { return translateAll(ctx, l, reqs, &c.opt, c.shift()) })
		return err
	})
	if err != nil {
		return nil, err
	}
	sum := src.plus(tgt)
	return []any{c.what, lag, sum.fetches, sum.bytes >> 10, share(float64(sum.bytes) / float64(whole.bytes)), share(took.Seconds() / scanned.Seconds())}, nil
}

// share writes a part of a whole.
func share(part float64) string {
	if part <= 0 {
		return "0"
	}
	if part >= 0.1 {
		return fmt.Sprintf("%.2f", part)
	}
	return fmt.Sprintf("1/%.0f", 1/part)
}
