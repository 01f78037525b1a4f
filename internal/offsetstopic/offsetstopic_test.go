package offsetstopic_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/offsetstopic"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// memLog is a topic as batches, so that a test says exactly what is in it.
type memLog struct {
	parts [][]batch.Entry
	// per is how many batches one answer has; empty asks are answered with
	// nothing first.
	per   int
	asked map[string]int
	mute  bool
}

const name = "restored"

func (l *memLog) Topics(context.Context, ...string) (map[string]topic.Topic, error) {
	t := topic.Topic{Name: name}
	for i := range l.parts {
		t.Partitions = append(t.Partitions, int32(i))
	}
	return map[string]topic.Topic{name: t}, nil
}

func (l *memLog) Bounds(_ context.Context, ps []topic.Partition) (map[topic.Partition]topic.Bounds, error) {
	out := map[topic.Partition]topic.Bounds{}
	for _, p := range ps {
		out[p] = topic.Bounds{End: int64(len(l.parts[p.Partition])), Stable: 0}
	}
	return out, nil
}

func (l *memLog) Fetch(_ context.Context, asks []batch.Ask) ([]batch.Chunk, error) {
	var out []batch.Chunk
	for _, a := range asks {
		c := batch.Chunk{Partition: a.Partition, Offset: a.Offset}
		key := fmt.Sprint(a.Partition.Partition, a.Offset)
		l.asked[key]++
		// The first answer at every other offset is empty, as tiered storage
		// gives it: that is not the end.
		if l.mute || !a.Wait && a.Offset%2 == 1 {
			out = append(out, c)
			continue
		}
		log := l.parts[a.Partition.Partition]
		for i := a.Offset; i < int64(len(log)) && i < a.Offset+int64(l.per); i++ {
			raw, err := encode(log[i], i)
			if err != nil {
				return nil, err
			}
			c.Raw = append(c.Raw, raw...)
		}
		out = append(out, c)
	}
	return out, nil
}

func encode(e batch.Entry, offset int64) ([]byte, error) {
	r := e.Record
	r.Offset = offset
	o := batch.EncodeOptions{BaseOffset: offset, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}
	if e.Transactional || e.Kind == batch.Marker {
		o.ProducerID, o.ProducerEpoch, o.Transactional = e.ProducerID, 0, true
	}
	o.Control = e.Kind == batch.Marker
	return batch.Encode([]batch.Record{r}, o)
}

// key and value are encoded as Kafka's group coordinator does.
func key(version int16, group, topicName string, partition int32) []byte {
	k := kmsg.OffsetCommitKey{Version: version, Group: group, Topic: topicName, Partition: partition}
	return k.AppendTo(nil)
}

func value(version int16, offset, expires int64) []byte {
	v := kmsg.OffsetCommitValue{Version: version, Offset: offset, LeaderEpoch: 7, Metadata: "m", CommitTimestamp: 1000, ExpireTimestamp: expires}
	return v.AppendTo(nil)
}

func plain(k, v []byte) batch.Entry {
	return batch.Entry{Record: batch.Record{Key: k, Value: v, Timestamp: 5000}}
}

func in(producer int64, k, v []byte) batch.Entry {
	e := plain(k, v)
	e.Transactional, e.ProducerID = true, producer
	return e
}

func ends(producer int64, isCommit bool) batch.Entry {
	return batch.Entry{Record: batch.MarkerRecord(isCommit, 5000), Kind: batch.Marker, ProducerID: producer}
}

func at(group, topicName string, offset int64, epoch int32) position.Position {
	return position.Position{Group: group, Partition: topic.Partition{Topic: topicName}, Offset: offset, LeaderEpoch: epoch, Metadata: "m"}
}

func run(t *testing.T, parts ...[]batch.Entry) (*offsetstopic.Result, error) {
	t.Helper()
	return offsetstopic.Read(t.Context(), &memLog{parts: parts, per: 3, asked: map[string]int{}}, name, offsetstopic.Options{})
}

func TestRead(t *testing.T) {
	t.Parallel()
	k := key(1, "g", "t", 0)
	type want struct {
		Positions                                     []position.Position
		Undecided, Aborted, Expired, Removed, Unnamed int64
	}
	for name, tc := range map[string]struct {
		log  []batch.Entry
		want want
	}{
		"empty":               {},
		"the last of a key":   {log: []batch.Entry{plain(k, value(3, 1, -1)), plain(k, value(3, 9, -1)), plain(k, value(3, 5, -1))}, want: want{Positions: []position.Position{at("g", "t", 5, 7)}}},
		"key version 0":       {log: []batch.Entry{plain(key(0, "g", "t", 0), value(3, 1, -1)), plain(k, value(3, 2, -1))}, want: want{Positions: []position.Position{at("g", "t", 2, 7)}}},
		"value version 0":     {log: []batch.Entry{plain(k, value(0, 4, -1))}, want: want{Positions: []position.Position{at("g", "t", 4, -1)}}},
		"value version 2":     {log: []batch.Entry{plain(k, value(2, 4, -1))}, want: want{Positions: []position.Position{at("g", "t", 4, -1)}}},
		"value version 4":     {log: []batch.Entry{plain(k, value(4, 4, -1))}, want: want{Positions: []position.Position{at("g", "t", 4, 7)}}},
		"expired":             {log: []batch.Entry{plain(k, value(1, 4, 5000))}, want: want{Expired: 1}},
		"not expired yet":     {log: []batch.Entry{plain(k, value(1, 4, 5001))}, want: want{Positions: []position.Position{at("g", "t", 4, -1)}}},
		"kept for ever":       {log: []batch.Entry{plain(k, value(1, 4, -1))}, want: want{Positions: []position.Position{at("g", "t", 4, -1)}}},
		"tombstone":           {log: []batch.Entry{plain(k, value(3, 1, -1)), plain(k, nil)}, want: want{Removed: 1}},
		"tombstone of none":   {log: []batch.Entry{plain(k, nil)}},
		"again after it":      {log: []batch.Entry{plain(k, value(3, 1, -1)), plain(k, nil), plain(k, value(3, 2, -1))}, want: want{Positions: []position.Position{at("g", "t", 2, 7)}, Removed: 1}},
		"offset -1":           {log: []batch.Entry{plain(k, value(3, -1, -1))}, want: want{Removed: 1}},
		"groups are no news":  {log: []batch.Entry{plain((&kmsg.GroupMetadataKey{Version: 2, Group: "g"}).AppendTo(nil), []byte("x")), plain([]byte{0, 3, 0}, nil), plain([]byte{0, 17}, []byte{1})}},
		"without a group":     {log: []batch.Entry{plain(key(1, "", "t", 0), value(3, 1, -1))}, want: want{Unnamed: 1}},
		"committed":           {log: []batch.Entry{in(7, k, value(3, 8, -1)), ends(7, true)}, want: want{Positions: []position.Position{at("g", "t", 8, 7)}}},
		"aborted":             {log: []batch.Entry{plain(k, value(3, 1, -1)), in(7, k, value(3, 8, -1)), ends(7, false)}, want: want{Positions: []position.Position{at("g", "t", 1, 7)}, Aborted: 1}},
		"undecided":           {log: []batch.Entry{plain(k, value(3, 1, -1)), in(7, k, value(3, 8, -1)), plain(key(1, "h", "t", 0), value(3, 2, -1))}, want: want{Positions: []position.Position{at("g", "t", 1, 7), at("h", "t", 2, 7)}, Undecided: 1}},
		"another's marker":    {log: []batch.Entry{in(7, k, value(3, 8, -1)), ends(8, true)}, want: want{Undecided: 1}},
		"a later one between": {log: []batch.Entry{in(7, k, value(3, 8, -1)), plain(k, value(3, 9, -1)), ends(7, true)}, want: want{Positions: []position.Position{at("g", "t", 9, 7)}}},
		"two transactions":    {log: []batch.Entry{in(7, k, value(3, 8, -1)), in(8, k, value(3, 9, -1)), ends(8, true), ends(7, true)}, want: want{Positions: []position.Position{at("g", "t", 9, 7)}}},
		"aborted, then not":   {log: []batch.Entry{in(7, k, value(3, 8, -1)), ends(7, false), in(7, k, value(3, 9, -1)), ends(7, true)}, want: want{Positions: []position.Position{at("g", "t", 9, 7)}, Aborted: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := run(t, tc.log)
			if err != nil {
				t.Fatal(err)
			}
			var ps []position.Position
			if got.Set.Len() > 0 {
				ps = got.Set.All()
			}
			if diff := cmp.Diff(tc.want, want{ps, got.Undecided, got.Aborted, got.Expired, got.Removed, got.Unnamed}); diff != "" {
				t.Error(diff)
			}
			if len(tc.log) > 0 && !got.Newest.Equal(time.UnixMilli(5000)) || got.Records != int64(len(tc.log)) {
				t.Errorf("newest %s, %d records", got.Newest, got.Records)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	k := key(1, "g", "t", 0)
	for name, tc := range map[string]struct {
		parts [][]batch.Entry
		want  string
	}{
		"another topic":     {[][]batch.Entry{{plain([]byte(`{"id":1}`), []byte("x"))}}, `reading positions from topic "restored", partition 0, record 0: this is no record of __consumer_offsets: key version 31522 is not known`},
		"no key":            {[][]batch.Entry{{plain(k, value(3, 1, -1)), plain(nil, []byte("x"))}}, "record 1: this is no record of __consumer_offsets: the key is missing"},
		"key cut":           {[][]batch.Entry{{plain(k[:5], nil)}}, "decoding the key"},
		"key too long":      {[][]batch.Entry{{plain(append(append([]byte(nil), k...), 0), nil)}}, "bytes follow the last field"},
		"negative version":  {[][]batch.Entry{{plain([]byte{255, 255, 0}, nil)}}, "key version -1 is not known"},
		"value cut":         {[][]batch.Entry{{plain(k, value(3, 1, -1)[:9])}}, "decoding the value"},
		"value too long":    {[][]batch.Entry{{plain(k, append(value(3, 1, -1), 0))}}, "bytes follow the last field"},
		"value empty":       {[][]batch.Entry{{plain(k, []byte{})}}, "the value is too short"},
		"a newer value":     {[][]batch.Entry{{plain(k, binary.BigEndian.AppendUint16(nil, 5))}}, "value version 5 is not known: versions 0 to 4 are"},
		"in two partitions": {[][]batch.Entry{{plain(k, value(3, 1, -1))}, {plain(k, value(3, 2, -1))}}, `position "g" t/0 is in partition 0 and in partition 1`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := run(t, tc.parts...)
			var bad *offsetstopic.Error
			if got != nil || !errors.As(err, &bad) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, %v; want %q", got, err, tc.want)
			}
		})
	}
}

// A partition from which nothing comes is an error, and no shorter result.
func TestReadDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	l := &memLog{parts: [][]batch.Entry{{plain(key(1, "g", "t", 0), value(3, 1, -1))}}, mute: true, asked: map[string]int{}}
	got, err := offsetstopic.Read(t.Context(), l, name, offsetstopic.Options{})
	if got != nil || err == nil || !strings.Contains(err.Error(), "nothing comes at offset 0, and it ends at 1") {
		t.Errorf("got %v, %v", got, err)
	}
}

// Whatever is in the log, the answer is that of a plain model, however the
// topic is cut into answers and partitions.
func TestReadIsTheModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		parts := make([][]batch.Entry, rapid.IntRange(1, 20).Draw(rt, "partitions"))
		model := map[position.Key]int64{}
		for i := range parts {
			group := fmt.Sprint("g", i)
			for n := range rapid.IntRange(0, 12).Draw(rt, "records") {
				p := rapid.Int32Range(0, 2).Draw(rt, "partition")
				k := position.Key{Group: group, Partition: topic.Partition{Topic: "t", Partition: p}}
				raw := key(rapid.SampledFrom([]int16{0, 1}).Draw(rt, "key version"), group, "t", p)
				if rapid.IntRange(0, 4).Draw(rt, "tombstone") == 0 {
					parts[i] = append(parts[i], plain(raw, nil))
					delete(model, k)
					continue
				}
				v := rapid.SampledFrom([]int16{0, 1, 2, 3, 4}).Draw(rt, "value version")
				parts[i] = append(parts[i], plain(raw, value(v, int64(n), -1)))
				model[k] = int64(n)
			}
		}
		got, err := run(t, parts...)
		if err != nil {
			rt.Fatal(err)
		}
		have := map[position.Key]int64{}
		for p := range got.Set.Each() {
			have[p.Key()] = p.Offset
		}
		if diff := cmp.Diff(model, have); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// FuzzRecord: no key and no value makes it panic, and what it takes is valid.
func FuzzRecord(f *testing.F) {
	f.Add(key(1, "g", "t", 0), value(3, 1, -1))
	f.Add(key(0, "g", "t", 0), value(1, 1, 9))
	f.Add(key(1, "g", "t", 0), value(4, 1, -1))
	f.Add([]byte{0, 2, 0, 1, 'g'}, []byte{0, 3})
	f.Fuzz(func(t *testing.T, k, v []byte) {
		got, err := run(t, []batch.Entry{plain(k, v)})
		if (err == nil) != (got != nil) {
			t.Fatalf("got %v, %v", got, err)
		}
		if err != nil {
			return
		}
		for p := range got.Set.Each() {
			if err := p.Validate(); err != nil {
				t.Error(err)
			}
		}
	})
}
