package kafkatest_test

import (
	"fmt"
	"testing"

	"github.com/kferry/kferry/internal/kafkatest"
)

// TestApplication stops and starts an application while records arrive: each
// is processed once, and the application commits exactly what it says.
func TestApplication(t *testing.T) {
	for _, version := range []string{kafkatest.Newest, kafkatest.Previous} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			k := kafkatest.Shared(t, version)
			const name, total = "application", 300
			k.CreateTopic(t, name, 1, nil)
			produce(t, k, name, 0, total/2)
			var all []kafkatest.Record
			for i, reset := range []string{"earliest", "none"} {
				a := k.StartApplication(t, kafkatest.ApplicationOptions{Group: name, Topic: name, Reset: reset})
				kafkatest.Eventually(t, "the application reads", func() (bool, string) {
					n := len(all) + len(a.Processed(t))
					return n > 0 && (i == 0 || n >= total), fmt.Sprint(n)
				})
				a.Stop(t)
				all = append(all, a.Processed(t)...)
				if i == 0 {
					produce(t, k, name, total/2, total)
				}
				committed, err := k.Admin(t).FetchOffsets(t.Context(), name)
				if err != nil {
					t.Fatal(err)
				}
				next := map[int32]int64{}
				for _, r := range all {
					next[r.Partition] = r.Offset + 1
				}
				for p, want := range next {
					if at, _ := committed.Lookup(name, p); at.At != want {
						t.Errorf("partition %d: committed %d, processed below %d", p, at.At, want)
					}
				}
			}
			if len(all) != total {
				t.Errorf("%d records processed, want %d, each once", len(all), total)
			}
		})
	}
}

// TestApplicationWithoutPosition: no application starts at a guess.
func TestApplicationWithoutPosition(t *testing.T) {
	k := kafkatest.Shared(t, kafkatest.Newest)
	const name = "application-none"
	k.CreateTopic(t, name, 1, nil)
	produce(t, k, name, 0, 1)
	a := k.StartApplication(t, kafkatest.ApplicationOptions{Group: name, Topic: name})
	kafkatest.Eventually(t, "the application ends", func() (bool, string) { return a.Ended(), "it runs" })
	if n := len(a.Processed(t)); n != 0 {
		t.Errorf("%d records processed", n)
	}
}
