package translate

import (
	"context"
	"fmt"
	"testing"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
)

// cell is one offset of a made-up log with several partitions.
type cell struct {
	kind byte // 'd' data, 'n' native, 'a' aborted, 'c' and 'x' markers, '.' hole
	from int32
	h    int64
}

// mixLog is a topic in memory whose partitions answer with real batches. Copies
// name their source offset and partition in headers.
type mixLog struct {
	name   string
	copies bool
	cells  map[int32][]cell
	start  map[int32]int64
	stable map[int32]int64
	size   int64 // of the batches
	header mover.Header
	enc    mover.Encoding
	penc   mover.Encoding
	salt   string
	// bare leaves the partition header away.
	bare      bool
	compacted bool
	// key gives the key of a source record; nil makes it of the offset modulo 7.
	key func(from int32, h int64) string
}

func newMix(copies bool, partitions int) *mixLog {
	h, _ := mover.HeaderNamed("k2k_offset")
	m := &mixLog{name: "t", copies: copies, cells: map[int32][]cell{}, start: map[int32]int64{}, stable: map[int32]int64{}, size: 4, header: h, enc: mover.Decimal, penc: mover.Decimal}
	for p := range partitions {
		m.cells[int32(p)] = nil
	}
	return m
}

func (m *mixLog) topic(id byte) topic.Topic {
	t := topic.Topic{Name: m.name, ID: topic.ID{id}, Config: topic.Config{Known: true, Compacted: m.compacted}}
	for p := range int32(len(m.cells)) {
		t.Partitions = append(t.Partitions, p)
	}
	return t
}

func (m *mixLog) lso(p int32) int64 {
	if at, ok := m.stable[p]; ok {
		return at
	}
	return int64(len(m.cells[p]))
}

func (m *mixLog) Bounds(_ context.Context, ps []topic.Partition) (map[topic.Partition]topic.Bounds, error) {
	out := map[topic.Partition]topic.Bounds{}
	for _, p := range ps {
		out[p] = topic.Bounds{Start: m.start[p.Partition], End: int64(len(m.cells[p.Partition])), Stable: m.lso(p.Partition), Epoch: -1}
	}
	return out, nil
}

func (m *mixLog) Since(context.Context, map[topic.Partition]int64) (map[topic.Partition]topic.Stamp, error) {
	return map[topic.Partition]topic.Stamp{}, nil
}

func (m *mixLog) Fetch(_ context.Context, asks []batch.Ask) ([]batch.Chunk, error) {
	out, seen := make([]batch.Chunk, len(asks)), map[int32]bool{}
	for i, a := range asks {
		if seen[a.Partition.Partition] {
			return nil, fmt.Errorf("partition %d is asked twice in one request", a.Partition.Partition)
		}
		seen[a.Partition.Partition] = true
		out[i] = m.fetch(a)
	}
	return out, nil
}

func (m *mixLog) fetch(a batch.Ask) batch.Chunk {
	n := a.Partition.Partition
	cells := m.cells[n]
	c := batch.Chunk{Partition: a.Partition, Offset: a.Offset, HighWatermark: int64(len(cells)), Stable: m.lso(n), Start: m.start[n]}
	limit := int64(len(cells))
	if a.Committed {
		limit = m.lso(n)
	}
	if a.Offset < m.start[n] || a.Offset > int64(len(cells)) {
		c.Err = fmt.Errorf("offset %d out of range", a.Offset)
		return c
	}
	for base := a.Offset / m.size * m.size; base < limit && len(c.Raw) < 400; base += m.size {
		end := min(base+m.size, limit)
		last := int64(-1)
		for i := base; i < end; i++ {
			if cells[i].kind != '.' {
				last = i
			}
		}
		if last < a.Offset {
			continue
		}
		for i := base; i < end; i++ {
			c.Raw = append(c.Raw, m.encode(n, i)...)
		}
	}
	first := int64(-1)
	for i, x := range cells {
		switch {
		case x.kind == 'a' && first < 0:
			first = int64(i)
		case x.kind == 'x' && first >= 0:
			if int64(i) >= a.Offset {
				c.Aborted = append(c.Aborted, batch.Aborted{ProducerID: 7, First: first})
			}
			first = -1
		}
	}
	return c
}

func (m *mixLog) encode(n int32, at int64) []byte {
	x := m.cells[n][at]
	o := batch.EncodeOptions{BaseOffset: at, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}
	r := batch.Record{Offset: at, Timestamp: 1000 + at}
	from, h := n, at
	if m.copies {
		from, h = x.from, x.h
	}
	switch x.kind {
	case '.':
		return nil
	case 'c', 'x':
		r = batch.MarkerRecord(x.kind == 'c', 1)
		r.Offset = at
		o.Control, o.Transactional, o.ProducerID, o.ProducerEpoch = true, true, 7, 0
	case 'n':
		r.Value = []byte("native")
	default:
		r.Key, r.Value = fmt.Appendf(nil, "k%d", h%7), fmt.Appendf(nil, "%s%d/%d", m.salt, from, h)
		if m.key != nil {
			r.Key = []byte(m.key(from, h))
		}
		if m.copies {
			r.Headers = []batch.RecordHeader{{Key: m.header.Offset, Value: mover.EncodeNumber(h, m.enc)}}
			if !m.bare {
				r.Headers = append(r.Headers, batch.RecordHeader{Key: m.header.Partition, Value: mover.EncodeNumber(int64(from), m.penc)})
			}
		}
		if x.kind == 'a' {
			o.Transactional, o.ProducerID, o.ProducerEpoch, o.BaseSequence = true, 7, 0, 0
		}
	}
	raw, err := batch.Encode([]batch.Record{r}, o)
	if err != nil {
		panic(err)
	}
	return raw
}

// fill puts n records into every partition of a source.
func (m *mixLog) fill(n ...int) *mixLog {
	for p, k := range n {
		for range k {
			m.cells[int32(p)] = append(m.cells[int32(p)], cell{kind: 'd'})
		}
	}
	return m
}

// copy appends copies to a target partition: from, then source offsets.
func (m *mixLog) copy(to, from int32, hs ...int64) {
	for _, h := range hs {
		m.cells[to] = append(m.cells[to], cell{'d', from, h})
	}
}

// askTopic translates one group.
func askTopic(t testing.TB, src, tgt *mixLog, at map[int32]int64, opt *Options) map[int32]*Result {
	t.Helper()
	req := &JoinRequest{SourceTopic: src.topic(1), TargetTopic: tgt.topic(2), Positions: []map[int32]At{{}}}
	for p, s := range at {
		req.Positions[0][p] = At{s, -1}
	}
	out, err := Join(t.Context(), src, tgt, req, opt)
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}
