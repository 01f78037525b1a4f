package cli

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/plan"
)

// Members are shown with all that is known of them, and what helps once.
func TestWaitLines(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(d time.Duration) *time.Time { when := now.Add(d); return &when }
	ws := []migration.Wait{
		{Kind: migration.WaitMembers, Detail: "group a is there", Remedy: "stop it", Members: []migration.Member{
			{ClientID: "c", Host: "/10.0.0.7"},
			{ClientID: "c\x1b[2J", Host: "h", InstanceID: "s-1", LeavesBy: at(40 * time.Second)},
			{InstanceID: "s-2"},
			{ClientID: "c", Host: "h", InstanceID: "s-3", LeavesBy: at(-time.Second)},
		}},
		{Kind: migration.WaitMembers, Detail: "group b is there", Remedy: "stop it"},
		{Kind: migration.WaitCopy, Detail: "not copied", Remedy: "see the mover"},
	}
	want := []string{
		"members: group a is there",
		"    client c on /10.0.0.7",
		`    client c\x1b[2J on h, static s-1, 40s left at most`,
		"    client - on -, static s-2, stays until its session ends",
		"    client c on h, static s-3, about to leave",
		"members: group b is there",
		"  → stop it",
		"copy: not copied",
		"  → see the mover",
	}
	if diff := cmp.Diff(want, waitLines(ws, now)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestWaitCodes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kinds   []migration.WaitKind
		code    int
		refused bool
	}{
		"members":       {[]migration.WaitKind{migration.WaitMembers}, ExitPartial, false},
		"first commit":  {[]migration.WaitKind{migration.WaitFirstCommit, migration.WaitBoth}, ExitPartial, false},
		"the plan":      {[]migration.WaitKind{migration.WaitCopy, migration.WaitPlan}, ExitPartial, true},
		"verify":        {[]migration.WaitKind{migration.WaitFirstCommit, migration.WaitVerify}, ExitDiffers, true},
		"by hand again": {[]migration.WaitKind{migration.WaitAdvance}, ExitPartial, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ws []migration.Wait
			for _, k := range tc.kinds {
				ws = append(ws, migration.Wait{Kind: k})
			}
			if got := waitCode(ws); got != tc.code {
				t.Errorf("code %d, want %d", got, tc.code)
			}
			if got := refusal(ws); got != tc.refused {
				t.Errorf("refused: %t, want %t", got, tc.refused)
			}
		})
	}
}

// Nothing is said to be unwritten that may have been.
func TestStandText(t *testing.T) {
	t.Parallel()
	begun := &plan.Report{Run: "R", Groups: []plan.GroupReport{{Result: plan.Applied}, {Result: plan.NotTried}}}
	for name, tc := range map[string]struct {
		out  migration.Outcome
		err  error
		want string
	}{
		"early":         {migration.Outcome{State: &migration.State{Step: migration.Stopping}}, nil, "stands at stopping; nothing was committed on new"},
		"taken back":    {migration.Outcome{State: &migration.State{Step: migration.Stopping, Returns: []migration.Return{{Rollback: "R"}}}}, nil, "what it had committed on new was taken back"},
		"planned":       {migration.Outcome{State: &migration.State{Step: migration.Planned, Plan: "plan-1"}}, errors.New("gone"), "what was begun is journalled"},
		"not confirmed": {migration.Outcome{State: &migration.State{Step: migration.Planned, Plan: "plan-1"}}, errNoConfirmation, "nothing was committed on new"},
		"cut short":     {migration.Outcome{State: &migration.State{Step: migration.Planned, Plan: "plan-1"}, Apply: begun}, errors.New("gone"), "1 group is done, all others as they were before; run R"},
		"applied":       {migration.Outcome{State: &migration.State{Step: migration.Moved, Plan: "plan-1", ApplyRun: "R"}}, nil, "its positions are committed on new, run R"},
		"back":          {migration.Outcome{State: &migration.State{Step: migration.FailingBack, Plan: "plan-1"}}, errNoConfirmation, "nothing was committed on old"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.out.State.Name, tc.out.State.Source.Name, tc.out.State.Target.Name = "shop", "old", "new"
			got := standText(&tc.out, tc.err)
			if !strings.HasPrefix(got, "migration shop stands at ") || !strings.HasSuffix(got, tc.want) {
				t.Errorf("%q, want it to end in %q", got, tc.want)
			}
			if tc.want == "what was begun is journalled" && strings.Contains(got, "nothing") {
				t.Errorf("%q says that nothing was written", got)
			}
		})
	}
}
