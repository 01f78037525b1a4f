package kafkatest

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Patience bounds whatever a test waits for: ample on a busy machine.
const Patience = 90 * time.Second

// look is the time between two looks at a condition. Conditions that are to hold
// for a while count looks, so it must not be shortened without them.
const look = 300 * time.Millisecond

// Produce writes records and waits for all of them; they are in one batch per
// partition where they are few. The test fails if one is not written.
func Produce(t testing.TB, client *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("producing: %v", err)
	}
}

// Trim deletes the records of a partition below an offset, as retention would.
func (k *Kafka) Trim(t testing.TB, topic string, partition int32, below int64) {
	t.Helper()
	var at kadm.Offsets
	at.AddOffset(topic, partition, below, -1)
	got, err := k.Admin(t).DeleteRecords(t.Context(), at)
	if err == nil {
		err = got.Error()
	}
	if err != nil {
		t.Fatalf("deleting records of %s/%d: %v", topic, partition, err)
	}
}

// Eventually waits until a condition holds, with a look at it each 300 ms. The test fails with its last word
// when that takes longer than [Patience].
func Eventually(t testing.TB, what string, holds func() (ok bool, word string)) {
	t.Helper()
	limit := time.NewTimer(Patience)
	defer limit.Stop()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		ok, word := holds()
		if ok {
			return
		}
		select {
		case <-limit.C:
			t.Fatalf("%s: not within %s: %s", what, Patience, word)
		case <-tick.C:
		}
	}
}
