package translate

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/kferry/kferry/internal/topic"
)

// epochLog is a memLog that knows where leader epochs end.
type epochLog struct {
	*memLog
	end int64
	err error
}

func (l *epochLog) Bounds(ctx context.Context, ps []topic.Partition) (map[topic.Partition]topic.Bounds, error) {
	out, err := l.memLog.Bounds(ctx, ps)
	for p, b := range out {
		b.Epoch = 9
		out[p] = b
	}
	return out, err
}

func (l *epochLog) EpochEnd(_ context.Context, asks []topic.EpochAsk) (map[topic.Partition]topic.EpochEnd, error) {
	if l.err != nil {
		return nil, l.err
	}
	return map[topic.Partition]topic.EpochEnd{asks[0].Partition: {Epoch: asks[0].Epoch, End: l.end}}, nil
}

// TestUncleanElection: a position above the end of its own leader epoch was
// cut away; where that cannot be asked, it is said and nothing is refused.
func TestUncleanElection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		end    int64
		err    error
		epoch  int32
		want   Outcome
		reason Reason
		note   string
	}{
		{name: "the epoch reaches further", end: 20, epoch: 3, want: Exact},
		{name: "the epoch ends at the position", end: 15, epoch: 3, want: Exact},
		{name: "the epoch ends before the position", end: 12, epoch: 3, want: Refused, reason: ReasonIncarnation},
		{name: "the present epoch", end: 12, epoch: 9, want: Exact},
		{name: "no epoch", end: 12, epoch: -1, want: Exact},
		{name: "the broker refuses to tell", err: errors.New("not authorized"), epoch: 3, want: Exact, note: "not authorized"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src := &epochLog{memLog: source(data(20)), end: tt.end, err: tt.err}
			out, err := Translate(t.Context(), src, target("0-19"), []Request{{
				Source: part, Target: part, Offsets: []int64{15}, Epochs: []int32{tt.epoch},
				SourceTopic: topic.Topic{ID: topic.ID{1}, Config: topic.Config{Known: true}},
				TargetTopic: topic.Topic{ID: topic.ID{2}, Config: topic.Config{Known: true}},
			}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := out[0][0]
			if got.Outcome != tt.want || got.Reason != tt.reason || !strings.Contains(strings.Join(got.Notes, "\n"), tt.note) {
				t.Errorf("got %s %q (%s) %v", got.Outcome, got.Reason, got.Detail, got.Notes)
			}
		})
	}
}

// TestUncleanElectionSameLog: a position that was cut away is refused also
// where it would go to another group on the same log, and where nothing shows
// what a copy is.
func TestUncleanElectionSameLog(t *testing.T) {
	t.Parallel()
	for name, same := range map[string]bool{"same log": true, "no evidence": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := &epochLog{memLog: source(data(20)), end: 12}
			out, err := Translate(t.Context(), src, target(""), []Request{{
				Source: part, Target: part, Offsets: []int64{15, 10}, Epochs: []int32{3, 3}, SameLog: same,
			}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			cut, left := out[0][0], out[0][1]
			if cut.Outcome != Refused || cut.Reason != ReasonIncarnation {
				t.Errorf("got %s %q (%s)", cut.Outcome, cut.Reason, cut.Detail)
			}
			if left.Reason == ReasonIncarnation {
				t.Errorf("the position below it: got %s %q (%s)", left.Outcome, left.Reason, left.Detail)
			}
		})
	}
}
