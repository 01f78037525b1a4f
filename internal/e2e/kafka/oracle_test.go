package kafka_test

import (
	"strings"
	"testing"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/oracle"
	"github.com/kferry/kferry/internal/translate"
)

// TestOracleReal asks for random positions in logs that a real cleaner has
// compacted and real transactions were written to, and judges every answer by
// what is in the logs.
func TestOracleReal(t *testing.T) {
	kafkatest.Need(t, kafkatest.Newest, kafkatest.Previous)
	side := func(version string) oracle.RealSide {
		n := shared(t, version)
		return oracle.RealSide{Cluster: n.c, Seeds: strings.Split(n.k.Bootstrap(), ",")}
	}
	run := oracle.Run{
		Translate: translate.Translate,
		Loader:    oracle.Real{Source: side(kafkatest.Newest), Target: side(kafkatest.Previous), Prefix: kafkatest.Name(t, "oracle")},
		Seed:      1, Positions: 2400, Topics: 8, Partitions: 20, PerPartition: 15, Failures: 3,
	}
	tally, err := run.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", tally)
	for _, line := range tally.Report() {
		t.Logf("[report] %s to %s: %s", kafkatest.Newest, kafkatest.Previous, line)
	}
	// The logs are made for a fifth and more in each class; what the cleaner
	// does in time moves that by a little.
	for _, class := range tally.Thin(18) {
		t.Errorf("less than 18 %% of the positions are in logs with: %s", class)
	}
	for i := range tally.Failures {
		f := &tally.Failures[i]
		t.Errorf("%s: %s\nanswer: %s %s T %d: %s\n%#v", f.Verdict, f.Why, f.Result.Outcome, f.Result.Reason, f.Result.T, f.Result.Detail, oracle.CaseOf(&f.Pair, f.Question))
	}
	if wrong := tally.Wrong(); wrong > 0 {
		t.Errorf("%d of %d answers are wrong", wrong, tally.Positions)
	}
}
