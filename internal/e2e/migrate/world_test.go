package migrate_test

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/kafkatest"
)

// partitions of every topic.
const partitions = 3

// app is one application: a topic that is written to all the time, and what
// has been processed of it, wherever.
type app struct {
	w    *world
	name string
	// topic of the old cluster, and the name of its copy.
	topic, copied string
	// instance makes it a static member.
	instance string

	written  int
	stop     context.CancelFunc
	done     chan struct{}
	begun    bool
	running  *kafkatest.Application
	finished []kafkatest.Record
}

// mirrored makes the topic of an application, of which MirrorMaker 2 keeps a
// copy, and begins to write.
func (w *world) mirrored(t *testing.T, name string, every time.Duration) *app {
	t.Helper()
	a := &app{w: w, name: name, topic: name + "-events", copied: "source." + name + "-events"}
	w.old.CreateTopic(t, a.topic, partitions, nil)
	a.write(t, every)
	return a
}

// write produces records until the test ends or quiet is called: the numbers
// from 0, each once.
func (a *app) write(t *testing.T, every time.Duration) {
	t.Helper()
	client := a.w.old.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	ctx, cancel := context.WithCancel(t.Context())
	a.stop, a.done = cancel, make(chan struct{})
	go func() {
		defer close(a.done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			if err := a.produce(client); err != nil {
				t.Errorf("producing for %s: %v", a.name, err)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	t.Cleanup(func() { a.quiet() })
}

// produce writes the next record of each partition.
func (a *app) produce(client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), kafkatest.Patience)
	defer cancel()
	var records []*kgo.Record
	for range partitions {
		n := strconv.Itoa(a.written)
		records = append(records, &kgo.Record{Topic: a.topic, Partition: int32(a.written % partitions), Key: []byte(n), Value: []byte(a.name + " " + n)})
		a.written++
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

// quiet ends the writing and returns how many records there are.
func (a *app) quiet() int {
	a.stop()
	<-a.done
	return a.written
}

// start runs the application on a cluster. It begins at the earliest record
// only where it is started for the first time; everywhere else a missing
// position ends it.
func (a *app) start(t *testing.T, on *kafkatest.Kafka) {
	t.Helper()
	o := kafkatest.ApplicationOptions{Group: a.name, Topic: a.copied, Instance: a.instance}
	if on == a.w.old {
		o.Topic = a.topic
		if !a.begun {
			o.Reset = "earliest"
		}
	}
	a.begun, a.running = true, on.StartApplication(t, o)
}

// halt stops the application in an orderly way.
func (a *app) halt(t *testing.T) {
	t.Helper()
	a.running.Stop(t)
	a.finished = append(a.finished, a.running.Processed(t)...)
	a.running = nil
}

// processes waits until the running application has processed some records.
func (a *app) processes(t *testing.T, atLeast int) {
	t.Helper()
	processes(t, a.name, a.running, atLeast)
}

func processes(t *testing.T, name string, running *kafkatest.Application, atLeast int) {
	t.Helper()
	kafkatest.Eventually(t, name+" processes records", func() (bool, string) {
		if running.Ended() {
			t.Fatalf("%s has ended", name)
		}
		n := len(running.Processed(t))
		return n >= atLeast, fmt.Sprint(n)
	})
}

// isCopied waits until the copy has records in every partition.
func (a *app) isCopied(t *testing.T) {
	t.Helper()
	admin := a.w.new.Admin(t)
	kafkatest.Eventually(t, a.topic+" is copied", func() (bool, string) {
		ends, err := admin.ListEndOffsets(t.Context(), a.copied)
		if err == nil {
			err = ends.Error()
		}
		if err != nil {
			return false, err.Error()
		}
		for p := range int32(partitions) {
			if e, ok := ends.Lookup(a.copied, p); !ok || e.Offset == 0 {
				return false, fmt.Sprintf("partition %d has nothing", p)
			}
		}
		return true, ""
	})
}

// once ends the writing, lets the application process what is left, stops it,
// and wants each record processed exactly once, in its order, over the whole
// move.
func (a *app) once(t *testing.T) {
	t.Helper()
	want := a.quiet()
	kafkatest.Eventually(t, a.name+" processes the rest", func() (bool, string) {
		n := a.distinct(t)
		return n >= want, fmt.Sprintf("%d of %d", n, want)
	})
	a.halt(t)
	a.count(t, want, withoutNatives(a.finished))
}

// distinct is how many records of the source were processed so far.
func (a *app) distinct(t *testing.T) int {
	t.Helper()
	seen := map[string]bool{}
	for _, all := range [][]kafkatest.Record{a.finished, a.running.Processed(t)} {
		for _, r := range withoutNatives(all) {
			seen[r.Value] = true
		}
	}
	return len(seen)
}

// native is the beginning of records that were produced on the target only.
const native = "native "

func withoutNatives(all []kafkatest.Record) []kafkatest.Record {
	var out []kafkatest.Record
	for _, r := range all {
		if !strings.HasPrefix(r.Value, native) {
			out = append(out, r)
		}
	}
	return out
}

// count compares what was processed with what was written.
func (a *app) count(t *testing.T, want int, got []kafkatest.Record) {
	t.Helper()
	times, last := make([]int, want), map[int32]int{}
	for _, r := range got {
		n, err := strconv.Atoi(strings.TrimPrefix(r.Value, a.name+" "))
		if err != nil || n >= want {
			t.Fatalf("%s processed %q", a.name, r.Value)
		}
		times[n]++
		if before, ok := last[r.Partition]; ok && n <= before {
			t.Errorf("%s: %d comes after %d on partition %d", a.name, n, before, r.Partition)
		}
		last[r.Partition] = n
	}
	missing, again := 0, 0
	for _, k := range times {
		switch {
		case k == 0:
			missing++
		case k > 1:
			again += k - 1
		}
	}
	t.Logf("[report] %s: %d records written, %d processed, %d missing, %d once more", a.name, want, len(got), missing, again)
	if missing > 0 || again > 0 {
		t.Errorf("%s: of %d records %d were never processed and %d once too often", a.name, want, missing, again)
	}
}

// unmoved wants the positions of the group on the new cluster to be those.
func (a *app) unmoved(t *testing.T, want map[string]int64) {
	t.Helper()
	if got := positions(t, a.w.new, a.name); !maps.Equal(got, want) {
		t.Errorf("positions of %s on the target are %v, and were %v", a.name, got, want)
	}
}
