package translate

import (
	"strings"
	"testing"
)

// A target on which nothing is committed yet is one to wait for, and what keeps
// it is the open transaction.
func TestNothingCommittedYet(t *testing.T) {
	t.Parallel()
	src, tgt := source("dddddddd"), target("0-7")
	tgt.stable = 0
	res := translateOne(t, src, tgt, 4, nil)
	if res.Outcome != Hold || res.Reason != ReasonOpenTransaction || !strings.Contains(res.Hint, "open on t/0 from offset 0 on") {
		t.Errorf("%+v", res)
	}
	tgt.stable = -1
	if res := translateOne(t, src, tgt, 4, nil); res.Outcome != Exact {
		t.Errorf("committed: %+v", res)
	}
}

// What a running pass has to come back to is part of the answer.
func TestReached(t *testing.T) {
	t.Parallel()
	res := translateOne(t, source("dddddddddd"), target("0-9 0-4"), 3, nil)
	if res.Reason != ReasonPassRunning || res.Reached != 10 || res.CopiedThrough != 5 {
		t.Errorf("%+v", res)
	}
}
