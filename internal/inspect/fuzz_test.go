package inspect

import (
	"testing"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
)

// FuzzRecognise gives header values of any kind to whatever reads them: no value
// may end the program, and what is counted must add up.
func FuzzRecognise(f *testing.F) {
	f.Add([]byte("700"), []byte("701"), []byte("3"), "orders")
	f.Add([]byte{0, 0, 0, 0, 0, 0, 2, 0xbc}, []byte{0, 0, 0, 0, 0, 0, 2, 0xbd}, []byte{3, 0, 0, 0}, "")
	f.Add([]byte("12345678"), []byte{0, 0, 0, 1}, []byte{}, "\xff")
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []byte(nil), []byte("-1"), "a b")
	f.Fuzz(func(t *testing.T, a, b, partition []byte, name string) {
		for _, h := range mover.Headers() {
			records := func() (rs []record) {
				for i, v := range [][]byte{a, b, a} {
					r := record{offset: int64(i)}
					for key, value := range map[string][]byte{h.Offset: v, h.Partition: partition, h.Topic: []byte(name), h.Cluster: []byte(name)} {
						if key != "" {
							r.headers = append(r.headers, batch.RecordHeader{Key: key, Value: value})
						}
					}
					rs = append(rs, r)
				}
				return rs
			}
			p := &part{Partition: topic.Partition{Topic: "t"}, bounds: topic.Bounds{End: 3, Stable: 3}, samples: []sample{{next: 3, recs: records()}}}
			w := &work{names: newNames("")}
			got := w.recognise([]*part{p}, plausible)
			if got.dec == nil {
				t.Fatalf("header %s was not seen", h.Offset)
			}
			p.count(got.dec, budgetOf(100))
			copies := p.tally.bad + p.tally.natives
			for _, x := range p.tally.sorted() {
				copies += x.copies + x.aborted
				if x.lowest < 0 || x.highest > plausible || x.lowest > x.highest {
					t.Fatalf("%s: copies of %d to %d", h.Offset, x.lowest, x.highest)
				}
			}
			if p.tally.seen != 3 || copies != 3 {
				t.Fatalf("%s: %d seen, %d told apart", h.Offset, p.tally.seen, copies)
			}
		}
	})
}
