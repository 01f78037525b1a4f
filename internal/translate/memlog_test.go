package translate

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
)

// slot is one offset of a made-up log.
type slot struct {
	kind byte  // 'd' data, 'n' native (data without the header), 'a' aborted data, 'c' commit marker, 'x' abort marker, '.' hole
	h    int64 // source offset in the header of target data
}

// memLog is a partition in memory that answers with real batches.
type memLog struct {
	start  int64
	stable int64 // -1: the end
	slots  []slot
	copies bool // data are copies of h, and carry the header
	bare   bool // … but for the header
	// alike: so many contents there are, repeated over and over; 0 all differ.
	alike int64
	// times: how the log keeps the time of a record; nil to the millisecond.
	times func(source, here int64) int64
	salt  string
	// keys gives the keys of records; nil makes them of their contents.
	keys func(source int64) int64
	// size of the batches
	batch     int
	answer    int  // bytes, about; 0 is 300
	shy       bool // answers empty unless asked to wait
	compacted bool
	stamped   bool // LogAppendTime
	requests  int
	bytes     int
}

const testHeader = "__original_offset"

var part = topic.Partition{Topic: "t"}

func (m *memLog) end() int64 { return int64(len(m.slots)) }

func (m *memLog) lso() int64 {
	if m.stable < 0 {
		return m.end()
	}
	return m.stable
}

func (m *memLog) Bounds(_ context.Context, ps []topic.Partition) (map[topic.Partition]topic.Bounds, error) {
	out := map[topic.Partition]topic.Bounds{}
	for _, p := range ps {
		out[p] = topic.Bounds{Start: m.start, End: m.end(), Stable: m.lso(), Epoch: -1}
	}
	return out, nil
}

func (m *memLog) Since(_ context.Context, times map[topic.Partition]int64) (map[topic.Partition]topic.Stamp, error) {
	out := map[topic.Partition]topic.Stamp{}
	for p, ms := range times {
		st := topic.Stamp{Offset: -1, Timestamp: -1}
		for i := m.start; i < m.end(); i++ {
			if s := m.slots[i]; s.kind != '.' && m.stamp(i) >= ms {
				st = topic.Stamp{Offset: i, Timestamp: m.stamp(i)}
				break
			}
		}
		out[p] = st
	}
	return out, nil
}

// same is the content of a record: records with the same are alike.
func (m *memLog) same(src int64) int64 {
	if m.alike > 0 {
		return src * src / 3 % m.alike
	}
	return src
}

// stamp is a time that a copy keeps.
func (m *memLog) stamp(i int64) int64 {
	src := i
	if m.copies && m.slots[i].kind != 'n' {
		src = m.slots[i].h
	}
	if m.times != nil {
		return m.times(src, i)
	}
	return 1000 + src
}

func (m *memLog) Fetch(_ context.Context, asks []batch.Ask) ([]batch.Chunk, error) {
	m.requests++
	out := make([]batch.Chunk, len(asks))
	for i, a := range asks {
		out[i] = m.fetch(a)
	}
	return out, nil
}

func (m *memLog) fetch(a batch.Ask) batch.Chunk {
	c := batch.Chunk{Partition: a.Partition, Offset: a.Offset, HighWatermark: m.end(), Stable: m.lso(), Start: m.start}
	limit := m.end()
	if a.Committed {
		limit = m.lso()
	}
	if a.Offset < m.start || a.Offset > m.end() {
		c.Err = fmt.Errorf("offset %d out of range", a.Offset)
		return c
	}
	if m.shy && !a.Wait {
		return c
	}
	size := int64(max(1, m.batch))
	for base := a.Offset / size * size; base < limit && len(c.Raw) < max(300, m.answer); base += size {
		raw := m.encode(base, min(base+size, limit), limit)
		if last := m.lastIn(base, min(base+size, limit)); last < a.Offset {
			continue // as a broker does: the first batch reaches the offset
		}
		c.Raw = append(c.Raw, raw...)
	}
	m.bytes += len(c.Raw)
	if a.Committed {
		c.Aborted = m.aborted(a.Offset)
	}
	return c
}

// lastIn is the last offset in [base, end) that is no hole.
func (m *memLog) lastIn(base, end int64) int64 {
	for i := end - 1; i >= base; i-- {
		if m.slots[i].kind != '.' {
			return i
		}
	}
	return -1
}

// aborted lists the transactions that end at or above from.
func (m *memLog) aborted(from int64) []batch.Aborted {
	var out []batch.Aborted
	first := int64(-1)
	for i, s := range m.slots {
		switch {
		case s.kind == 'a' && first < 0:
			first = int64(i)
		case s.kind == 'x' && first >= 0:
			if int64(i) >= from {
				out = append(out, batch.Aborted{ProducerID: 7, First: first})
			}
			first = -1
		}
	}
	return out
}

// encode writes [base, end) as batches that break where the kind changes.
func (m *memLog) encode(base, end, _ int64) []byte {
	var raw []byte
	for i := base; i < end; i++ {
		s := m.slots[i]
		if s.kind == '.' {
			continue
		}
		o := batch.EncodeOptions{BaseOffset: i, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}
		r := batch.Record{Offset: i, Timestamp: m.stamp(i)}
		src := i
		if m.copies {
			src = s.h
		}
		switch s.kind {
		case 'c', 'x':
			r = batch.MarkerRecord(s.kind == 'c', 1)
			r.Offset = i
			o.Control, o.Transactional, o.ProducerID, o.ProducerEpoch = true, true, 7, 0
		case 'n':
			r.Value = []byte("native" + strconv.FormatInt(i, 10))
		default:
			same := m.same(src)
			r.Key, r.Value = []byte("k"+strconv.FormatInt(same, 10)), []byte(m.salt+"v"+strconv.FormatInt(same, 10))
			if m.keys != nil {
				r.Key = []byte("k" + strconv.FormatInt(m.keys(src), 10))
			}
			if m.copies && !m.bare {
				r.Headers = []batch.RecordHeader{{Key: testHeader, Value: []byte(strconv.FormatInt(src, 10))}}
			}
			if s.kind == 'a' {
				o.Transactional, o.ProducerID, o.ProducerEpoch, o.BaseSequence = true, 7, 0, 0
			}
		}
		b, err := batch.Encode([]batch.Record{r}, o)
		if err != nil {
			panic(err)
		}
		raw = append(raw, b...)
	}
	return raw
}

// source makes a log from a pattern: d data, a aborted, c and x markers, . hole.
func source(pattern string) *memLog {
	m := &memLog{stable: -1, batch: 4}
	for _, c := range pattern {
		m.slots = append(m.slots, slot{kind: byte(c)})
	}
	return m
}

// target makes a log of copies: "3" is a copy of offset 3, "3-9" of 3 to 9,
// "a3" an aborted copy, n, c, x and . as in source.
func target(words string) *memLog {
	m := &memLog{stable: -1, batch: 4, copies: true}
	for w := range strings.FieldsSeq(words) {
		kind := byte('d')
		if strings.ContainsAny(w[:1], "ncx.") {
			m.slots = append(m.slots, slot{kind: w[0]})
			continue
		}
		if w[0] == 'a' {
			kind, w = 'a', w[1:]
		}
		lo, hi, ok := strings.Cut(w, "-")
		if !ok {
			hi = lo
		}
		from, _ := strconv.ParseInt(lo, 10, 64)
		to, _ := strconv.ParseInt(hi, 10, 64)
		for h := from; h <= to; h++ {
			m.slots = append(m.slots, slot{kind: kind, h: h})
		}
	}
	return m
}

func translateOne(t testing.TB, src, tgt *memLog, s int64, opt *Options) Result {
	t.Helper()
	req := Request{
		Source: part, Target: part, Offsets: []int64{s},
		SourceTopic: topic.Topic{Name: "t", ID: topic.ID{1}, Config: topic.Config{Known: true, Compacted: src != nil && src.compacted}},
		TargetTopic: topic.Topic{Name: "t", ID: topic.ID{2}, Config: topic.Config{Known: true}},
	}
	var from Log
	if src != nil {
		from = src
	}
	out, err := Translate(t.Context(), from, tgt, []Request{req}, opt)
	if err != nil {
		t.Fatal(err)
	}
	return out[0][0]
}
