package translate

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is kept leaves out the same headers as the evidence itself.
func TestMarks(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		ev   evidence
		want Marks
	}{
		"a header of nobody known": {&header{name: "mine", encoding: EncodingBig}, Marks{Header: "mine", Encoding: EncodingBig, Own: []string{"mine"}}},
		"a header of a known mover": {
			&header{name: "x-kafka-backup-offset", encoding: EncodingDecimal},
			Marks{Header: "x-kafka-backup-offset", Encoding: EncodingDecimal, Own: []string{"x-kafka-backup-offset", "x-kafka-backup-partition", "x-kafka-backup-timestamp"}},
		},
		"equal offsets":         {&identity{}, Marks{Own: []string{}}},
		"contents":              {&content{}, Marks{Own: slices.Compact(slices.Sorted(slices.Values(moverHeaders)))}},
		"contents, headers not": {&content{by: printer{bare: true}}, Marks{Own: []string{}, All: true}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := marksOf(tc.ev)
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			for _, h := range append(slices.Clone(moverHeaders), "mine", "of the application") {
				if got.owns(h) != tc.ev.own(h) {
					t.Errorf("%s is left out: %t", h, got.owns(h))
				}
			}
		})
	}
	if m := HeaderMarks("k2k_offset"); m.Header != "" || !m.owns("k2k_partition") {
		t.Errorf("of an older plan: %+v", m)
	}
}
