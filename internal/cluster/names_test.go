package cluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Names asks once, however many topics there are, and not for configuration.
func TestNames(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "b", "mm2-offset-syncs.b.internal", "a"))
	asked := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Count: -1})
	got, err := open(t, f).Names(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "mm2-offset-syncs.b.internal"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if asked.Hits() > 0 {
		t.Errorf("asked for the configuration of topics")
	}
}
