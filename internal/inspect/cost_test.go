package inspect

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/translate"
)

// Samples cost the same however long the log is, and are bounded per partition.
func TestSamplesAreBounded(t *testing.T) {
	t.Parallel()
	backup := styleOf(t, "x-original-offset", mover.Int64LE, mover.Int32LE)
	var last Topic
	for i, n := range []int64{3_000, 30_000} {
		src, tgt := newPair(t, 2, 2)
		for p := range int32(2) {
			for h := int64(0); h < n; h += 500 { // batches as a mover makes them
				src.fill("orders", p, h, h+500)
				tgt.produce(backup.copies("orders", p, p, h, h+500)...)
			}
		}
		got := inspectOne(t, tgt, src, Ask{Topic: "orders"}, nil)
		if len(got.Findings) > 0 || got.Partitions[1].Tracks[0].CopiedThrough != n {
			t.Fatal(describe(got))
		}
		if got.Fetches > 6 || got.Bytes > 2*400_000 {
			t.Errorf("%d records: %d reads, %d bytes", n, got.Fetches, got.Bytes)
		}
		if i > 0 && (got.Fetches != last.Fetches || got.Bytes > 2*last.Bytes) {
			t.Errorf("ten times as long: %d reads and %d bytes instead of %d and %d", got.Fetches, got.Bytes, last.Fetches, last.Bytes)
		}
		last = got
	}
}

// Copies are found behind records that others have written at the end.
func TestLastCopyBehindOthers(t *testing.T) {
	t.Parallel()
	armory := styleOf(t, "__original_offset", mover.Decimal, "")
	src, tgt := newPair(t, 1, 1)
	src.fill("orders", 0, 0, 5100)
	for h := int64(0); h < 5000; h += 500 { // each a batch of its own
		tgt.produce(armory.copies("orders", 0, 0, h, h+500)...)
	}
	for range 40 {
		tgt.fill("orders", 0, 0, 500)
	}
	got := inspectOne(t, tgt, src, Ask{Topic: "orders"}, nil)
	if x := got.Partitions[0].Tracks[0]; x.CopiedThrough != 5000 || !x.AtLeast || x.Lag != 100 || !cmp.Equal(findings(got), []string{"warning native"}) {
		t.Error(describe(got))
	}
}

// Retention on either side takes records away and proves nothing.
func TestTrimmedLogs(t *testing.T) {
	t.Parallel()
	armory := styleOf(t, "__original_offset", mover.Decimal, "")
	src, tgt := newPair(t, 1, 1)
	src.fill("orders", 0, 0, 1000)
	tgt.produce(armory.copies("orders", 0, 0, 0, 900)...)
	src.trim("orders", 0, 700)
	tgt.trim("orders", 0, 300)
	for _, full := range []bool{false, true} {
		got := inspectOne(t, tgt, src, Ask{Topic: "orders"}, &Options{Full: full})
		p := got.Partitions[0]
		if x := p.Tracks[0]; x.CopiedThrough != 900 || x.SourceStart != 700 || x.Lag != 100 || x.Lowest != 300 || p.Equal == 0 || len(got.Findings) != 0 {
			t.Errorf("full=%v: %s", full, describe(got))
		}
	}
	// All copies are gone: nothing tells the mover, and nothing is wrong.
	tgt.trim("orders", 0, 900)
	if got := inspectOne(t, tgt, src, Ask{Topic: "orders"}, nil); !cmp.Equal(findings(got), []string{"note empty"}) {
		t.Error(describe(got))
	}
}

// odd is a log with one peculiarity.
type odd struct {
	translate.Log
	chunk func(a batch.Ask, c *batch.Chunk)
}

func (o odd) Fetch(ctx context.Context, asks []batch.Ask) ([]batch.Chunk, error) {
	out, err := o.Log.Fetch(ctx, asks)
	for i := range out {
		o.chunk(asks[i], &out[i])
	}
	return out, err
}

// A broker that answers with nothing at first is asked again; a partition that
// cannot be read is said, and the others are looked at.
func TestOddBrokers(t *testing.T) {
	t.Parallel()
	armory := styleOf(t, "__original_offset", mover.Decimal, "")
	src, tgt := newPair(t, 2, 2)
	for p := range int32(2) {
		src.fill("orders", p, 0, 300)
		tgt.produce(armory.copies("orders", p, p, 0, 300)...)
	}
	shy := func(a batch.Ask, c *batch.Chunk) {
		if !a.Wait {
			c.Raw = nil
		}
	}
	broken := func(a batch.Ask, c *batch.Chunk) {
		if a.Partition.Partition == 1 {
			c.Raw, c.Err = nil, errors.New("the disk is on fire")
		}
	}
	cut := func(a batch.Ask, c *batch.Chunk) {
		if a.Partition.Partition == 1 {
			c.Raw, c.HighWatermark, c.Stable = nil, 0, 0
		}
	}
	garbled := func(a batch.Ask, c *batch.Chunk) {
		if a.Partition.Partition == 1 && len(c.Raw) > 70 {
			c.Raw[70] ^= 0xff
		}
	}
	for name, tt := range map[string]struct {
		chunk func(a batch.Ask, c *batch.Chunk)
		want  []string
		text  string
	}{
		"shy":     {shy, []string{}, ""},
		"broken":  {broken, []string{"obstacle unreadable"}, "the disk is on fire"},
		"cut":     {cut, []string{"obstacle unreadable"}, "cut back"},
		"garbled": {garbled, []string{"obstacle unreadable"}, "orders/1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, full := range []bool{false, true} {
				side := tgt.side()
				side.Log = odd{side.Log, tt.chunk}
				from := src.side()
				got, err := Inspect(t.Context(), side, &from, []Ask{{Topic: "orders"}}, &Options{Full: full})
				if err != nil {
					t.Fatal(err)
				}
				one := got.Topics[0]
				if diff := cmp.Diff(tt.want, findings(one)); diff != "" || one.Partitions[0].Tracks[0].CopiedThrough != 300 || !strings.Contains(describe(one), tt.text) {
					t.Errorf("full=%v (-want +got):\n%s\n%s", full, diff, describe(one))
				}
			}
		})
	}
}

// The end of the context ends the work, with its cause.
func TestInspectEndsWithItsContext(t *testing.T) {
	t.Parallel()
	tgt := newNode(t, "new")
	tgt.topic("orders", 1)
	tgt.fill("orders", 0, 0, 100)
	side := tgt.side()
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	side.Log = odd{side.Log, func(batch.Ask, *batch.Chunk) { cancel(stop) }}
	_, err := Inspect(ctx, side, nil, []Ask{{Topic: "orders"}}, &Options{Full: true})
	if !errors.Is(err, stop) && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Progress rises to the whole, from one goroutine at a time.
func TestProgress(t *testing.T) {
	t.Parallel()
	tgt := newNode(t, "new")
	tgt.topic("orders", 3)
	for p := range int32(3) {
		tgt.fill("orders", p, 0, 200)
	}
	last := int64(0)
	inspectOne(t, tgt, nil, Ask{Topic: "orders"}, &Options{Full: true, Progress: func(done, total int64) {
		if total != 600 || done < last {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last = done
	}})
	if last != 600 {
		t.Errorf("ended at %d", last)
	}
}
