package migrate_test

import (
	"context"
	"encoding/binary"
	"strconv"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestK2K tells the story of Lenses with a writer of the headers of K2K. In
// which encoding they are is not documented, so there is one of each; the
// application of the binary one is a static member.
func TestK2K(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, instance string
		offset         func(int64) []byte
		partition      func(int32) []byte
	}{
		{
			"text", "",
			func(n int64) []byte { return strconv.AppendInt(nil, n, 10) },
			func(n int32) []byte { return strconv.AppendInt(nil, int64(n), 10) },
		},
		{
			"binary", "worker-1",
			func(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) },
			func(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			name := "k2k-" + c.name
			a := &app{w: w, name: name, topic: name + "-log", copied: name + "-log", instance: c.instance}
			w.old.CreateTopic(t, a.topic, partitions, nil)
			w.new.CreateTopic(t, a.copied, partitions, nil)
			a.write(t, often)
			r := replicate(t, a, c.offset, c.partition)
			a.start(t, w.old)
			a.isCopied(t)
			a.processes(t, 50)
			a.create(t, "k2k")
			// The copy is behind when the application stops: nothing is moved until
			// it has come by.
			r.pause()
			a.processes(t, len(a.running.Processed(t))+20)
			a.stops(t)
			w.must(t, 3, advance(name), "not copied through")
			a.unmoved(t, map[string]int64{})
			r.resume()
			a.moves(t)
			a.once(t)
		})
	}
}

// replicator copies a topic, record by record, with headers that say where each
// was.
type replicator struct {
	mu sync.Mutex
	// open is closed while it copies.
	open chan struct{}
}

// pause lets nothing be written any more until resume.
func (r *replicator) pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = make(chan struct{})
}

func (r *replicator) resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.open)
}

// write writes copies, unless it may not before the context ends.
func (r *replicator) write(ctx context.Context, to *kgo.Client, records []*kgo.Record) error {
	r.mu.Lock()
	open := r.open
	r.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-open:
		return to.ProduceSync(ctx, records...).FirstErr()
	}
}

func replicate(t *testing.T, a *app, offset func(int64) []byte, partition func(int32) []byte) *replicator {
	t.Helper()
	at := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		at[p] = kgo.NewOffset().AtStart()
	}
	from := a.w.old.Client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{a.topic: at}))
	to := a.w.new.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	r := &replicator{open: make(chan struct{})}
	r.resume()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			fetches := from.PollFetches(ctx)
			var records []*kgo.Record
			fetches.EachRecord(func(s *kgo.Record) {
				records = append(records, &kgo.Record{
					Topic: a.copied, Partition: s.Partition, Key: s.Key, Value: s.Value, Timestamp: s.Timestamp,
					Headers: []kgo.RecordHeader{
						{Key: "k2k_offset", Value: offset(s.Offset)},
						{Key: "k2k_partition", Value: partition(s.Partition)},
						{Key: "k2k_topic", Value: []byte(s.Topic)},
						{Key: "k2k_pipeline", Value: []byte("to-new")},
					},
				})
			})
			if err := r.write(ctx, to, records); err != nil && ctx.Err() == nil {
				t.Errorf("replicating %s: %v", a.topic, err)
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return r
}
