package plan

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/maphash"

	"github.com/kferry/kferry/internal/store"
)

// sealing is a plan as it is stored: made once, because a large plan takes
// longer to encode than to apply.
type sealing struct {
	data    []byte // the envelope of docs/formats.md, compact
	digest  string
	imprint uint64
}

// body is the part of data that the digest is of.
func (s *sealing) body() []byte {
	begin := bytes.Index(s.data, []byte(`"body":`)) + len(`"body":`)
	return s.data[begin : len(s.data)-len("}\n")]
}

// seal encodes the plan and sets its digest.
func (p *Plan) seal() error {
	s, err := p.encode()
	if err != nil {
		return err
	}
	p.sealed, p.Digest = s, s.digest
	return nil
}

// sealing returns the plan as it is stored. It is encoded again only when it
// was not built or read by this package, or when something in it that can be
// written has changed since: its digest then is another one.
func (p *Plan) sealing() (*sealing, error) {
	if p.sealed != nil && p.sealed.imprint == p.imprint() {
		return p.sealed, nil
	}
	return p.encode()
}

func (p *Plan) encode() (*sealing, error) {
	data, sum, err := store.EncodeSum(Format, Version, p)
	if err != nil {
		return nil, fmt.Errorf("writing plan: %w", err)
	}
	return &sealing{data: data, digest: "sha256:" + sum, imprint: p.imprint()}, nil
}

var imprintSeed = maphash.MakeSeed()

// imprint is a hash of everything that decides what Apply writes, good within
// one process. It takes a fraction of the time that encoding takes.
func (p *Plan) imprint() uint64 {
	h := imprinter{}
	h.hash.SetSeed(imprintSeed)
	h.text(fmt.Sprintf("%s %+v %+v %v %+v %+v", p.Kind, p.Source, p.Target, p.Created, p.Options, p.Snapshot))
	for i := range p.Groups {
		g := &p.Groups[i]
		h.text(g.Name)
		h.text(fmt.Sprintf("%s %t %s %+v %+v %q", g.Verdict, g.Delete, g.Scope, g.Target, g.Sources, g.Accepted))
		h.number(int64(len(g.Positions)))
		for j := range g.Positions {
			h.position(&g.Positions[j])
		}
	}
	return h.hash.Sum64()
}

type imprinter struct {
	hash    maphash.Hash
	scratch [8]byte
}

func (h *imprinter) number(n int64) {
	binary.LittleEndian.PutUint64(h.scratch[:], uint64(n)) //nolint:gosec // only bits matter
	_, _ = h.hash.Write(h.scratch[:])
}

func (h *imprinter) text(s string) {
	h.number(int64(len(s)))
	_, _ = h.hash.WriteString(s)
}

func (h *imprinter) offset(o *Offset) {
	if o == nil {
		h.number(-1)
		return
	}
	h.number(o.Offset)
	h.number(int64(o.LeaderEpoch))
	h.text(o.Metadata)
}

func (h *imprinter) position(q *Position) {
	h.text(q.Topic)
	h.number(int64(q.Partition))
	h.text(q.SourceTopic)
	h.text(q.SourceGroup)
	h.text(string(q.Action))
	h.text(string(q.Outcome))
	if q.Blocked {
		h.number(1)
	}
	h.offset(q.Source)
	h.offset(q.Before)
	h.offset(q.After)
}
