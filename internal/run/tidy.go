package run

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A run that is held for a day is renewed some thousand times, and only the last
// lease object counts. Its holder deletes the ones before. What must stay true
// is that a fencing number is never given twice, and never goes back, although a
// number that was deleted can be put once more:
//
//   - The object with which a holder began, and the one with which it released,
//     stay. So the number after the last object of a holder that lost the run is
//     taken for good: renewing stays a compare-and-swap, however long a process
//     has slept.
//   - The newest object is never deleted, and none before another one has stood
//     above it for the time of grace. Whoever lists the folder in less than that
//     finds the newest one of when it began, or a newer one.
//   - Taking a run begins with a look that may be old by the time of the put:
//
//     P                                   D
//     reads 20, which has ended by P's clock
//     is suspended                        renews: 21, 22, … 60, deletes up to 55
//     wakes, puts 21: nobody is there
//     lists: 60 is above 21, withdraws
//
//     That listing is repeated when it has taken longer than half of the grace.
//   - A holder deletes nothing before its first journal entry, and whoever takes
//     a run refuses to write after an entry of its own fence or a newer one
//     (begin). So even where all clocks are wrong the fence of the journal never
//     falls and never begins twice.

// keptRenewals is how many of its last objects a holder keeps in any case: a
// clock that jumps is not to delete what somebody has just seen.
const keptRenewals = 3

// grace is how long an object stays once another one is above it.
func (r *Run) grace() time.Duration { return r.opts.TTL + r.opts.Skew }

// renewed is one lease object that renewed a lease of ours.
type renewed struct {
	seq int64
	at  time.Time // with the reading of the monotonic clock, where there is one
}

// note remembers an object of ours; turn is held.
func (l *Lease) note(seq int64, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq > l.fence { // the first one stays
		l.renewed = append(l.renewed, renewed{seq, at})
	}
}

// superseded are the objects of ours that may be deleted: another one of ours
// has been above each of them for the time of grace. The clock that stands
// still while a machine sleeps can only make it later.
func (l *Lease) superseded(now time.Time) []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []int64
	for i := 0; i+keptRenewals < len(l.renewed); i++ {
		if now.Sub(l.renewed[i+1].at) < l.run.grace() {
			break
		}
		out = append(out, l.renewed[i].seq)
	}
	return out
}

// tidy deletes what is superseded. That it fails harms nothing: the objects do
// not count, and are tried again after the next renewal.
func (l *Lease) tidy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.run.opts.TTL/12)
	defer cancel()
	for _, seq := range l.superseded(l.run.opts.Now()) {
		if err := l.run.bucket.Delete(ctx, numbered(leaseFolder(l.run.info.ID), seq)); err != nil {
			return
		}
		l.mu.Lock()
		l.renewed = l.renewed[1:]
		l.mu.Unlock()
	}
}

// errSlowStore: nobody can tell whether the listing shows the newest object.
var errSlowStore = errors.New("listing the lease takes too long to be sure of it; is the store overloaded?")

// overtakenBy reports whether a lease object above seq is there, in a listing
// that was quick enough to show it.
func (r *Run) overtakenBy(ctx context.Context, seq int64) (int64, error) {
	const tries = 5
	for range tries {
		began := r.opts.Now()
		last, err := lastNumber(ctx, r.bucket, r.info.ID, leaseFolder(r.info.ID))
		if err != nil {
			return 0, fmt.Errorf("run %s: reading the lease: %w", r.info.ID, err)
		}
		if last > seq {
			return last, nil
		}
		if took := elapsed(began, r.opts.Now()); took >= 0 && took < r.grace()/2 {
			return 0, nil
		}
	}
	return 0, fmt.Errorf("run %s: %w", r.info.ID, errSlowStore)
}

// elapsed is the longer one of the times by the clock on the wall and by the
// one that runs steadily: the first goes on while a machine sleeps, the second
// is not set back. It is negative when the wall clock was set back.
func elapsed(began, now time.Time) time.Duration {
	wall := now.Round(0).Sub(began.Round(0))
	if wall < 0 {
		return wall
	}
	return max(wall, now.Sub(began))
}

// settleTake makes sure that the object which took the run is the newest one.
// ok is false when it has landed on a number that was deleted: then it is taken
// out again, which changes nothing for anybody, as a newer one counts.
func (l *Lease) settleTake(ctx context.Context) (ok bool, err error) {
	above, err := l.run.overtakenBy(ctx, l.seq)
	if err != nil {
		return false, errors.Join(err, l.putReleased(ctx))
	}
	if above == 0 {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := l.run.bucket.Delete(ctx, numbered(leaseFolder(l.run.info.ID), l.seq)); err != nil {
		return false, fmt.Errorf("run %s: withdrawing lease %d: %w", l.run.info.ID, l.seq, err)
	}
	return false, nil
}
