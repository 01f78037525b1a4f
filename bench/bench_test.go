package main

import (
	"testing"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// TestManyPositionsShareRequests keeps the limit that the benchmark is judged
// by, on fewer partitions: requests do not grow with their number.
func TestManyPositionsShareRequests(t *testing.T) {
	t.Parallel()
	sum, _, err := many(t.Context(), 120, 10)
	if err != nil {
		t.Fatal(err)
	}
	if sum.fetches > mostRequests {
		t.Errorf("1,200 positions over 120 partitions took %d requests, more than %d", sum.fetches, mostRequests)
	}
}

// TestGeneratedLog: a log that is made when it is asked for is one like any
// other, and costs no more at 10,000,000 records than at 10,000.
func TestGeneratedLog(t *testing.T) {
	t.Parallel()
	part := topic.Partition{Topic: benchTopic}
	for _, n := range []int64{10_000, 10_000_000} {
		l := generate(n)
		var reqs []translate.Request
		for _, s := range []int64{0, 1, recordsPerBatch - 1, recordsPerBatch, n / 3, n - 1, n} {
			reqs = append(reqs, translate.Request{
				Source: part, Target: part, Offsets: []int64{s},
				SourceTopic: topic.Topic{ID: topic.ID{1}, Config: topic.Config{Known: true}},
				TargetTopic: topic.Topic{ID: topic.ID{2}, Config: topic.Config{Known: true}},
			})
		}
		for _, req := range reqs {
			src, tgt, err := l.measure(func() error { return translateAll(t.Context(), l, []translate.Request{req}, nil, 0) })
			if err != nil {
				t.Fatal(err)
			}
			if sum := src.plus(tgt); sum.fetches > 20 || sum.bytes > 4<<20 {
				t.Errorf("S=%d among %d records took %d fetches and %d bytes", req.Offsets[0], n, sum.fetches, sum.bytes)
			}
		}
	}
}

// TestScanReadsAll: what everything is compared with reads every record.
func TestScanReadsAll(t *testing.T) {
	t.Parallel()
	l := generate(50_000)
	_, tgt, err := l.measure(func() error {
		_, err := scan(t.Context(), l.tgt, benchTopic, 0, 50_000)
		return err
	})
	if err != nil || tgt.bytes < 50_000*100 {
		t.Errorf("a scan read %d bytes: %v", tgt.bytes, err)
	}
}
