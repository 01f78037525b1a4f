package inspect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
)

// plausible is an upper bound for offsets where the source gives none: a
// partition that takes a million records a second for eight years.
const plausible = 1 << 48

// plausiblePartition is an upper bound for partition numbers: Kafka runs a few
// hundred thousand in a whole cluster.
const plausiblePartition = 1 << 20

// decoder reads what one mover wrote on its copies.
type decoder struct {
	header    mover.Header
	encoding  mover.Encoding
	partition mover.Encoding // "" when no record names the source partition
}

// fate is what a decoder makes of a record.
type fate int

const (
	native fate = iota // no copy
	copied
	undecodable
)

// origin reads from where and which source offset a record was copied.
func (d *decoder) origin(r *record) (from Origin, h int64, what fate) {
	v, ok := r.header(d.header.Offset)
	if !ok {
		return Origin{}, -1, native
	}
	h, ok = mover.DecodeOffset(v, d.encoding)
	if !ok || h > plausible {
		return Origin{}, -1, undecodable
	}
	from.Partition = -1
	if v, ok := r.header(d.header.Partition); ok && d.partition != "" {
		n, ok := mover.DecodePartition(v, d.partition)
		if !ok {
			return Origin{}, -1, undecodable
		}
		from.Partition = n
	}
	if v, ok := r.header(d.header.Topic); ok {
		from.Topic = string(v)
	}
	if v, ok := r.header(d.header.Cluster); ok {
		from.Cluster = string(v)
	}
	return from, h, copied
}

// value is one header value with the place of its record.
type value struct {
	part  int32
	pos   int64
	bytes []byte
}

// values are those of one header on records that are no markers.
func values(parts []*part, name string) []value {
	var out []value
	for _, p := range parts {
		for i := range p.samples {
			for j := range p.samples[i].recs {
				r := &p.samples[i].recs[j]
				if r.kind == batch.Marker {
					continue
				}
				if v, ok := r.header(name); ok {
					out = append(out, value{p.Partition.Partition, r.offset, v})
				}
			}
		}
	}
	return out
}

// fits counts the values that an encoding can read, up to highest.
func fits(vs []value, enc mover.Encoding, highest int64) int {
	n := 0
	for _, v := range vs {
		if h, ok := mover.DecodeOffset(v.bytes, enc); ok && h <= highest {
			n++
		}
	}
	return n
}

// side counts the pairs of records side by side in vs, and those of them that
// are as far apart on the source.
func side(vs []value, enc mover.Encoding) (equal, pairs int) {
	for i := 1; i < len(vs); i++ {
		if vs[i].part != vs[i-1].part || vs[i].pos-vs[i-1].pos != 1 {
			continue
		}
		pairs++
		a, okA := mover.DecodeOffset(vs[i-1].bytes, enc)
		b, okB := mover.DecodeOffset(vs[i].bytes, enc)
		if okA && okB && b-a == 1 {
			equal++
		}
	}
	return equal, pairs
}

// offsetEncodings are those that a plan reads source offsets in, in the order in
// which a tie is decided.
var offsetEncodings = []mover.Encoding{mover.Decimal, mover.Int64BE, mover.Int64LE, mover.Int32BE}

// partitionEncodings are those in which source partitions may be written.
var partitionEncodings = []mover.Encoding{mover.Decimal, mover.Int32BE, mover.Int32LE, mover.Int64BE, mover.Int64LE}

// chooseEncoding finds the encoding that all values fit. The known ones of the
// header are preferred where the values do not decide. all is false when no
// encoding fits all of them: then it is the one that fits most.
func chooseEncoding(vs []value, known []mover.Encoding, highest int64) (enc mover.Encoding, all bool) {
	order := slices.Concat(known, slices.DeleteFunc(slices.Clone(offsetEncodings), func(e mover.Encoding) bool { return slices.Contains(known, e) }))
	for _, limit := range []int64{highest, plausible} {
		best, most := mover.Encoding(""), -1
		for _, e := range order {
			if fits(vs, e, limit) < len(vs) {
				continue
			}
			if n, _ := side(vs, e); n > most {
				best, most = e, n
			}
		}
		if best != "" {
			return best, true
		}
	}
	best, most := order[0], -1
	for _, e := range order {
		if n := fits(vs, e, plausible); n > most {
			best, most = e, n
		}
	}
	return best, false
}

// choosePartitionEncoding finds how the source partition is written: of the
// encodings that all values fit, the one with the smallest greatest number, as
// bytes read from the wrong end are large.
func choosePartitionEncoding(vs []value, known []mover.Encoding) mover.Encoding {
	best, least := mover.Encoding(""), int64(plausiblePartition)
	for _, e := range slices.Concat(known, partitionEncodings) {
		greatest := int64(-1)
		for _, v := range vs {
			n, ok := mover.DecodePartition(v.bytes, e)
			if !ok {
				greatest = plausiblePartition
				break
			}
			greatest = max(greatest, int64(n))
		}
		if greatest < least {
			best, least = e, greatest
		}
	}
	return best
}

// recognised is what the headers of the samples say.
type recognised struct {
	dec *decoder // nil: no header of a mover
	// findings about the headers themselves.
	findings []Finding
	// looks is a header of no known mover that looks like a source offset.
	looks *decoder
	// needs is the flag without which a plan would not take this header.
	needs string
}

// recognise names the header and its encoding. highest is the greatest end of
// the source, or plausible.
func (w *work) recognise(parts []*part, highest int64) recognised {
	var out recognised
	count := w.marks(parts)
	var candidates []mover.Header
	for _, h := range w.names.known {
		if count.by[h.Offset] > 0 {
			candidates = append(candidates, h)
		}
	}
	if len(candidates) == 0 {
		out.looks = looksLike(parts, w.names, highest)
		return out
	}
	slices.SortStableFunc(candidates, func(a, b mover.Header) int { return count.outer[b.Offset] - count.outer[a.Offset] })
	h := candidates[0]
	if len(candidates) > 1 {
		out.findings = append(out.findings, several(candidates, count))
		out.needs = h.Offset
	}
	out.dec = &decoder{header: h}
	vs := values(parts, h.Offset)
	var all bool
	if w.opt.Encoding != "" {
		out.dec.encoding, all = w.opt.Encoding, fits(vs, w.opt.Encoding, plausible) == len(vs)
	} else {
		out.dec.encoding, all = chooseEncoding(vs, h.Encodings, highest)
	}
	if !all {
		out.findings = append(out.findings, badValues(vs, h, out.dec.encoding))
	}
	if pv := values(parts, h.Partition); len(pv) > 0 && h.Partition != "" {
		if out.dec.partition = choosePartitionEncoding(pv, h.PartitionEncodings); out.dec.partition == "" {
			out.findings = append(out.findings, Finding{
				Severity: Obstacle, Reason: ReasonBadHeader, Partition: pv[0].part,
				Detail: fmt.Sprintf("header %s is %q at offset %d; the values are no partitions in one encoding", h.Partition, pv[0].bytes, pv[0].pos),
				Hint:   "the source partition of the records is then not known: copy again into an empty topic with one version of the mover",
			})
		}
	}
	return out
}

// counted says how the headers of movers are spread over the records.
type counted struct {
	by    map[string]int // records with the header
	outer map[string]int // records on which it is the last one of its kind
	both  int            // records with more than one
}

func (w *work) marks(parts []*part) counted {
	c := counted{by: map[string]int{}, outer: map[string]int{}}
	for _, p := range parts {
		for i := range p.samples {
			for j := range p.samples[i].recs {
				c.take(w.names, &p.samples[i].recs[j])
			}
		}
	}
	return c
}

func (c *counted) take(n *names, r *record) {
	if r.kind == batch.Marker {
		return
	}
	found, last := map[string]bool{}, ""
	for _, h := range r.headers {
		if n.offset(h.Key) {
			found[h.Key], last = true, h.Key
		}
	}
	for name := range found {
		c.by[name]++
	}
	if last != "" {
		c.outer[last]++
	}
	if len(found) > 1 {
		c.both++
	}
}

// several says whether two movers wrote here or the source was a copy itself.
func several(hs []mover.Header, c counted) Finding {
	var words []string
	for _, h := range hs {
		words = append(words, fmt.Sprintf("%s (%s)", h.Offset, orUnknown(h.Mover)))
	}
	list := strings.Join(words, " and ")
	if c.both > 0 {
		return Finding{
			Severity: Obstacle, Reason: ReasonChained, Partition: -1,
			Detail: "the same records carry the source offset in " + list + ": the source was a copy itself",
			Hint:   fmt.Sprintf("the last one was written by the last copy: -H %s, unless the group's positions are of the first source", hs[0].Offset),
		}
	}
	return Finding{
		Severity: Obstacle, Reason: ReasonTwoMovers, Partition: -1,
		Detail: "some records carry " + strings.Join(words, " and others ") + ": two movers have written here",
		Hint: "stop one of them and copy again into an empty topic; or choose the copies that count with -H NAME, " +
			"all other records are then taken for records of the target itself",
	}
}

// badValues says why values are no source offsets in one encoding.
func badValues(vs []value, h mover.Header, enc mover.Encoding) Finding {
	mixed := true
	bad := -1
	for i, v := range vs {
		if n, ok := mover.DecodeOffset(v.bytes, enc); ok && n <= plausible {
			continue
		}
		if bad < 0 {
			bad = i
		}
		mixed = mixed && slices.ContainsFunc(offsetEncodings, func(e mover.Encoding) bool { return fits([]value{v}, e, plausible) == 1 })
	}
	at := vs[max(bad, 0)]
	if mixed {
		return Finding{
			Severity: Obstacle, Reason: ReasonMixedEncodings, Partition: at.part,
			Detail: fmt.Sprintf("header %s is %s in most records and %q at offset %d: it is written in more than one encoding", h.Offset, words(enc), at.bytes, at.pos),
			Hint:   "two versions of the mover have written here: copy again into an empty topic with one of them",
		}
	}
	return Finding{
		Severity: Obstacle, Reason: ReasonBadHeader, Partition: at.part,
		Detail: fmt.Sprintf("header %s is %q at offset %d, which is no source offset as %s", h.Offset, at.bytes, at.pos, words(enc)),
		Hint:   "name the header with the source offset, -H NAME:ENCODING, when it is another one",
	}
}

// looksLike finds a header of no known mover whose values rise as source offsets
// would: on nearly all neighbours by one.
func looksLike(parts []*part, n *names, highest int64) *decoder {
	seen := map[string]bool{}
	for _, p := range parts {
		for i := range p.samples {
			for _, r := range p.samples[i].recs {
				for _, h := range r.headers {
					seen[h.Key] = seen[h.Key] || !n.all[h.Key]
				}
			}
		}
	}
	var best *decoder
	most := 0
	for name, candidate := range seen {
		if !candidate {
			continue
		}
		vs := values(parts, name)
		enc, all := chooseEncoding(vs, nil, highest)
		equal, pairs := side(vs, enc)
		if !all || equal < 3 || equal*4 < pairs*3 || equal < most || equal == most && best != nil && name > best.header.Offset {
			continue
		}
		best, most = &decoder{header: mover.Header{Offset: name, Encodings: []mover.Encoding{enc}}, encoding: enc}, equal
	}
	return best
}

// words names an encoding for people.
func words(e mover.Encoding) string {
	switch e {
	case mover.Decimal:
		return "decimal text"
	case mover.Int64BE:
		return "8 bytes big-endian"
	case mover.Int64LE:
		return "8 bytes little-endian"
	case mover.Int32BE:
		return "4 bytes big-endian"
	case mover.Int32LE:
		return "4 bytes little-endian"
	}
	return string(e)
}

func orUnknown(s string) string {
	if s == "" {
		return "no known mover"
	}
	return s
}
