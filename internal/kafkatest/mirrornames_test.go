package kafkatest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The names are those that MirrorMaker 2 gives by its policies.
func TestMirrorNames(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		o    MirrorOptions
		want []string
	}{
		"default":   {MirrorOptions{}, []string{"source.t", "mm2-offset-syncs.target.internal", "source.checkpoints.internal", "mm2-configs.source.internal"}},
		"on target": {MirrorOptions{SourceAlias: "a", TargetAlias: "b", SyncsOnTarget: true, Separator: "-"}, []string{"a-t", "mm2-offset-syncs-a-internal", "a-checkpoints-internal", "mm2-configs.a.internal"}},
		"identity":  {MirrorOptions{Identity: true}, []string{"t", "mm2-offset-syncs.target.internal", "source.checkpoints.internal", "mm2-configs.source.internal"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &MirrorMaker{opts: tc.o.withDefaults()}
			syncs, onTarget := m.SyncTopic()
			got := []string{m.RemoteTopic("t"), syncs, m.CheckpointTopic(), m.StateTopics()[0]}
			if diff := cmp.Diff(tc.want, got); diff != "" || onTarget != tc.o.SyncsOnTarget {
				t.Errorf("syncs on the target: %t, (-want +got):\n%s", onTarget, diff)
			}
		})
	}
}
