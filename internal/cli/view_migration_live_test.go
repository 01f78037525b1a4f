package cli

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/observe"
)

// A log is not told at each look that nothing but the lag has changed.
func TestLogOfWaiting(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	f := newFactory(&Streams{Err: &out, Now: func() time.Time { return now }})
	f.progress = observe.New(&out, observe.Options{Mode: observe.Plain})
	st := &migration.State{Step: migration.Moved, Since: now}
	l := newMigrationLive(f, st, true)
	for i, detail := range []string{
		"Empty, 0 members, %d records", "Empty, 0 members, %d records", "Stable, 1 member, %d records", "Stable, 1 member, %d records",
	} {
		now = now.Add(time.Second)
		l.waits(st, []migration.Wait{{Kind: migration.WaitFirstCommit, Detail: fmt.Sprintf(detail, i)}})
	}
	now = now.Add(sayAgain)
	l.waits(st, []migration.Wait{{Kind: migration.WaitFirstCommit, Detail: "Stable, 1 member, 9 records"}})
	want := "waiting: Empty, 0 members, 0 records\nwaiting: Stable, 1 member, 2 records\nwaiting: Stable, 1 member, 9 records\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
