package migration

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/api"
)

// TestStepWords: api may not look into this room, so that it has the words
// itself.
func TestStepWords(t *testing.T) {
	t.Parallel()
	words := func(steps []Step) []string {
		var out []string
		for _, s := range steps {
			out = append(out, string(s))
		}
		return out
	}
	if diff := cmp.Diff(words(Steps()), api.MigrationSteps()); diff != "" {
		t.Errorf("steps to the target (-here +api):\n%s", diff)
	}
	if diff := cmp.Diff(words(AllSteps()), api.EventSteps()); diff != "" {
		t.Errorf("all steps (-here +api):\n%s", diff)
	}
}
