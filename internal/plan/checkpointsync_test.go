package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestGroupSyncIsBehindTheCheckpoints: MirrorMaker 2 writes a group an interval
// after its checkpoint, so that one which still runs on the source stands at an
// earlier one.
func TestGroupSyncIsBehindTheCheckpoints(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stands string
		want   Checkpoint
	}{
		"at an earlier one": {"4", Checkpoint{SourceOffset: 4, TargetOffset: 6, Repeats: 1, Synced: true, Earlier: true}},
		"at the last one":   {"6", Checkpoint{SourceOffset: 4, TargetOffset: 6, Repeats: 1, Synced: true}},
		"at none":           {"5", Checkpoint{SourceOffset: 4, TargetOffset: 6, Repeats: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCheckpointed(t)
			w.checkpointed(checkpoint("app", "primary.orders", 2, 4), checkpoint("ap", "primary.orders", 3, 5), checkpoint("app", "primary.orders", 4, 6))
			w.commit(w.target, "app", at{part("primary.orders", 0): test.stands})
			p := w.build()
			if diff := cmp.Diff(&test.want, p.Groups[0].Positions[0].MirrorMaker, cmpopts.IgnoreFields(Checkpoint{}, "Topic", "At")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if sync := findingsOf(p, ReasonGroupSync); (len(sync) == 1) != test.want.Synced {
				t.Errorf("findings %+v", sync)
			}
		})
	}
}
