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
	t.Parallel()
	tally := oracleReal(t, &oracle.Run{Positions: 2400, Topics: 8, Partitions: 20, PerPartition: 15})
	// The logs are made for a fifth and more in each class; what the cleaner
	// does in time moves that by a little.
	for _, class := range tally.Thin(18) {
		t.Errorf("less than 18 %% of the positions are in logs with: %s", class)
	}
	if wrong := tally.Wrong(); wrong > 0 {
		t.Errorf("%d of %d answers are wrong", wrong, tally.Positions)
	}
}

// TestOracleRealKinds does the same for copies that carry no header: no answer
// may move a group to a wrong place.
func TestOracleRealKinds(t *testing.T) {
	t.Parallel()
	for _, kind := range []translate.Kind{translate.KindIdentity, translate.KindMM2, translate.KindContent} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			tally := oracleReal(t, &oracle.Run{Positions: 960, Topics: 8, Partitions: 12, PerPartition: 10, Tame: true, Kinds: []translate.Kind{kind}})
			for _, class := range tally.Thin(18) {
				t.Errorf("less than 18 %% of the positions are in logs with: %s", class)
			}
			if n := tally.Harmful(); n > 0 {
				t.Errorf("%d of %d answers would move a group to a wrong place", n, tally.Positions)
			}
		})
	}
}

func oracleReal(t *testing.T, run *oracle.Run) *oracle.Tally {
	t.Helper()
	kafkatest.Need(t, kafkatest.Newest, kafkatest.Previous)
	side := func(version string) oracle.RealSide {
		n := shared(t, version)
		return oracle.RealSide{Cluster: n.c, Seeds: strings.Split(n.k.Bootstrap(), ",")}
	}
	run.Translate, run.Seed, run.Failures = translate.Translate, 1, 3
	run.Loader = oracle.Real{Source: side(kafkatest.Newest), Target: side(kafkatest.Previous), Prefix: kafkatest.Name(t, "oracle")}
	tally, err := run.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", tally)
	kind := translate.KindHeader
	if len(run.Kinds) > 0 {
		kind = run.Kinds[0]
	}
	for _, line := range tally.Report() {
		t.Logf("[report] %s, %s to %s: %s", kind, kafkatest.Newest, kafkatest.Previous, line)
	}
	for i := range tally.Failures {
		f := &tally.Failures[i]
		word := t.Logf
		if tally.Harmful() > 0 || len(run.Kinds) == 0 {
			word = t.Errorf
		}
		word("%s: %s\nanswer: %s %s T %d: %s\n%#v", f.Verdict, f.Why, f.Result.Outcome, f.Result.Reason, f.Result.T, f.Result.Detail, oracle.CaseOf(&f.Pair, f.Question))
	}
	return tally
}
