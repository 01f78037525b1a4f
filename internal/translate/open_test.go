package translate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kferry/kferry/internal/topic"
)

// openLog is a memLog whose brokers may name open transactions.
type openLog struct {
	*memLog
	open  topic.Producers
	known bool
	err   error
}

func (l *openLog) OpenTransactions(_ context.Context, ps []topic.Partition) (map[topic.Partition]topic.Producers, bool, error) {
	return map[topic.Partition]topic.Producers{ps[0]: l.open}, l.known, l.err
}

// TestOpenTransactionIsNamed: what is held because of an open transaction says
// the partition, the offset, and the producer and its age where that is known.
func TestOpenTransactionIsNamed(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	one := topic.OpenTransaction{ProducerID: 8, ProducerEpoch: 2, Start: 5, LastTimestamp: now.Add(-90 * time.Second).UnixMilli()}
	later := topic.OpenTransaction{ProducerID: 9, Start: 7, LastTimestamp: -1}
	tests := []struct {
		name string
		log  openLog
		want string
	}{
		{"named", openLog{known: true, open: topic.Producers{Open: []topic.OpenTransaction{later, one}}}, "producer 8 (epoch 2) has a transaction open on t/0 since offset 5, silent for 1m30s"},
		{"of unknown age", openLog{known: true, open: topic.Producers{Open: []topic.OpenTransaction{later}}}, "of unknown age"},
		{"old brokers", openLog{}, "a transaction is open on t/0 from offset 5 on (brokers before 2.8"},
		{"not allowed", openLog{known: true, open: topic.Producers{Err: errors.New("not authorized")}}, "not authorized"},
		{"no answer", openLog{known: true, err: errors.New("timed out")}, "timed out"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log := tt.log
			log.memLog = target("0-9")
			log.stable = 5
			out, err := Translate(t.Context(), source(data(10)), &log, []Request{{
				Source: part, Target: part, Offsets: []int64{8},
				SourceTopic: topic.Topic{ID: topic.ID{1}}, TargetTopic: topic.Topic{ID: topic.ID{2}},
			}}, &Options{Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			got := out[0][0]
			if got.Outcome != Hold || got.Reason != ReasonOpenTransaction || !strings.Contains(got.Hint, tt.want) {
				t.Errorf("got %s %s: %s", got.Outcome, got.Reason, got.Hint)
			}
		})
	}
}
