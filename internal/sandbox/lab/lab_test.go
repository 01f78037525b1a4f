package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
)

// open makes a small lab that stops with the test.
func open(t *testing.T, opt Options) *Lab {
	t.Helper()
	if opt.Records == 0 {
		opt.Records = MinRecords
	}
	l, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func admin(t *testing.T, address string) *kadm.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return kadm.NewClient(cl)
}

// log reads a whole topic, one line a record, markers included.
func log(t *testing.T, address, name string) []string {
	t.Helper()
	adm := admin(t, address)
	ends, err := adm.ListEndOffsets(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ends.Each(func(o kadm.ListedOffset) {
		cl, err := reader(address, name, o.Partition, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		for next := int64(0); next < o.Offset; {
			fetches := cl.PollFetches(t.Context())
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			fetches.EachRecord(func(r *kgo.Record) {
				next = r.Offset + 1
				value := string(r.Value)
				if r.Attrs.IsControl() {
					value = "marker"
				}
				var headers strings.Builder
				for _, h := range r.Headers {
					if h.Key != "x-original-timestamp" { // follows the clock
						fmt.Fprintf(&headers, " %s=%x", h.Key, h.Value)
					}
				}
				out = append(out, fmt.Sprintf("%d %d %s %s%s", r.Partition, r.Offset, r.Key, value, headers.String()))
			})
		}
	})
	slices.Sort(out)
	return out
}

// TestSameSeedSameLab: what a colleague sees is what I see.
func TestSameSeedSameLab(t *testing.T) {
	t.Parallel()
	one, two, other := open(t, Options{Seed: 7}), open(t, Options{Seed: 7}), open(t, Options{Seed: 8})
	for _, tp := range one.Topics() {
		a, b := log(t, one.Target(), tp.Target), log(t, two.Target(), tp.Target)
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("%s differs with equal seeds:\n%.500s", tp.Target, diff)
		}
		if cmp.Equal(a, log(t, other.Target(), tp.Target)) {
			t.Errorf("%s is the same with another seed", tp.Target)
		}
		if len(a) == 0 {
			t.Errorf("%s is empty", tp.Target)
		}
	}
	if diff := cmp.Diff(one.Groups(), two.Groups()); diff != "" {
		t.Error(diff)
	}
}

// TestGroups: groups are where the lab says, in the states it says.
func TestGroups(t *testing.T) {
	t.Parallel()
	l := open(t, Options{})
	adm := admin(t, l.Source())
	for _, g := range l.Groups() {
		lags, err := adm.Lag(t.Context(), g.Name)
		if err != nil {
			t.Fatal(err)
		}
		lag := lags[g.Name]
		if lag.Error() != nil || lag.Lag.Total() != g.Lag {
			t.Errorf("%s lags by %d, want %d (%v)", g.Name, lag.Lag.Total(), g.Lag, lag.Error())
		}
		want := "Empty"
		if g.Live {
			want = "Stable"
		}
		if lag.State != want {
			t.Errorf("%s is %s, want %s", g.Name, lag.State, want)
		}
		var topics []string
		for name := range lag.Lag {
			topics = append(topics, name)
		}
		if len(topics) != len(g.Topics) {
			t.Errorf("%s reads %v, want %v", g.Name, topics, g.Topics)
		}
	}
}

// TestTopics: the kinds of topics are what they are called.
func TestTopics(t *testing.T) {
	t.Parallel()
	l := open(t, Options{})
	for _, c := range l.topics {
		for p := range c.Partitions {
			span, copies := c.ends[p]-c.starts[p], int64(len(c.copied[p]))
			switch {
			case c.upTo > 0 && copies != int64(float64(span)*c.upTo):
				t.Errorf("%s: %d of %d records were copied", c.Source, copies, span)
			case c.compacted && 2*copies > span:
				t.Errorf("%s is compacted and has %d records in %d offsets", c.Source, copies, span)
			case c.transactions && (copies >= span*9/10 || copies < span/2):
				t.Errorf("%s has transactions and %d of %d offsets were copied", c.Source, copies, span)
			case !c.compacted && !c.transactions && c.upTo == 0 && copies != span:
				t.Errorf("%s is plain and %d of %d records were copied", c.Source, copies, span)
			}
			if (c.trim > 0) != (c.starts[p] > 0) && !c.compacted {
				t.Errorf("%s begins at %d", c.Source, c.starts[p])
			}
		}
	}
}

// TestRun: the mover goes on at its rate, until everything is there.
func TestRun(t *testing.T) {
	t.Parallel()
	l := open(t, Options{Records: MinRecords, Rate: 1500})
	c := l.topic(slowTopic)
	rest := c.ends[0] - c.share(0, slowBegin)
	began := time.Now()
	var last, total int64
	if err := l.Run(t.Context(), func(done, all int64) {
		if done < last {
			t.Errorf("%d records were copied, and then %d", last, done)
		}
		last, total = done, all
	}); err != nil {
		t.Fatal(err)
	}
	if last != total || total != rest {
		t.Errorf("%d of %d records were copied", last, total)
	}
	if took := time.Since(began).Seconds(); took < float64(rest)/1500-0.2 {
		t.Errorf("%d records took %.1f s", rest, took)
	}
	copies := log(t, l.Target(), slowTopic)
	if total = c.ends[0] - c.starts[0]; int64(len(copies)) != total {
		t.Fatalf("%d copies of %d records", len(copies), total)
	}
	for _, line := range copies {
		var at int64
		if _, err := fmt.Sscanf(line, "0 %d", &at); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("__original_offset=%x", fmt.Append(nil, c.starts[0]+at)); !strings.HasSuffix(line, want) {
			t.Fatalf("%s is not the copy of %s", line, want)
		}
	}

	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := l.Run(stopped, func(int64, int64) {}); err != nil {
		t.Errorf("a mover that is stopped: %v", err)
	}
}

// TestMirrorMakerNotes: offset syncs are pairs of equal records, and no group
// would lose a record by its checkpoint.
func TestMirrorMakerNotes(t *testing.T) {
	t.Parallel()
	l := open(t, Options{Records: 6000})
	c := l.topic(mirrored)
	for p := range c.Partitions {
		syncs := c.offsetSyncs(p)
		if n := len(c.copied[p]) / offsetLagMax; len(syncs) < n || len(syncs) > n+2 {
			t.Errorf("%d syncs for %d records", len(syncs), len(c.copied[p]))
		}
		for _, s := range syncs {
			if c.copied[p][s.TargetOffset] != s.SourceOffset {
				t.Errorf("sync %+v is not where the record was copied to", s)
			}
		}
		for _, lag := range []int64{0, 1, 10, 150, 1000, 2000} {
			pos := c.ends[p] - lag
			got, ok := checkpoint(syncs, pos)
			want := int64(len(c.copied[p])) - lag
			if !ok || got > want || want-got > 2*lag+offsetLagMax {
				t.Errorf("the checkpoint of lag %d is %d (%t), and the equal position is %d", lag, got, ok, want)
			}
		}
	}
	for _, line := range log(t, l.Source(), syncTopic) {
		if !strings.Contains(line, mirrored) {
			t.Errorf("%q is no offset sync of %s", line, mirrored)
		}
	}
	if _, err := mover.ParseOffsetSync(mover.OffsetSync{Source: topic.Partition{Topic: mirrored}}.Encode()); err != nil {
		t.Error(err)
	}
	if n := len(log(t, l.Target(), checkpointTopic)); n != int(c.Partitions) {
		t.Errorf("%d checkpoints, want one a partition of the one group", n)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]Options{
		"too few records":  {Records: MinRecords - 1},
		"too many records": {Records: MaxRecords + 1},
		"a negative rate":  {Rate: -1},
	} {
		if l, err := Open(t.Context(), opt); err == nil {
			l.Close()
			t.Errorf("%s: accepted", name)
		}
	}
	first := open(t, Options{Records: MinRecords})
	var port int
	if _, err := fmt.Sscanf(first.Source(), "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	if l, err := Open(t.Context(), Options{TargetPort: port}); err == nil {
		l.Close()
		t.Error("a port that is taken was given to a second cluster")
	} else if !strings.Contains(err.Error(), TargetName) {
		t.Errorf("the error does not name the cluster: %v", err)
	}
}
