package plan

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// The defaults of WaitInput.
const (
	DefaultWaitInterval = 10 * time.Second
	DefaultPatience     = 6
)

// WaitInput says how Await waits; the zero value waits without end.
type WaitInput struct {
	// Limit is how long to wait at most, 0 for no limit. What is being read when
	// it passes is read to its end.
	Limit time.Duration
	// Looks are had at least, also when the limit has passed before: one look
	// shows no rate. 0 is 1.
	Looks int
	// Interval lies between two looks (DefaultWaitInterval); never less than
	// the last look took, so that looking does not become a load.
	Interval time.Duration
	// Patience is the number of looks without progress after which it is said
	// who stands still, and of looks that fail after which Await gives up
	// (DefaultPatience).
	Patience int
	// Sleep waits for a time or for the end of the context; nil uses a timer.
	Sleep func(context.Context, time.Duration) error
	// Look is told of each look, from one goroutine; it may be nil.
	Look func(*Look)
}

// Look is how far the copy was at one look.
type Look struct {
	// Number counts from 1, the plan that was made first.
	Number int
	At     time.Time
	// Elapsed since the first look; Next until the next one.
	Elapsed, Next time.Duration
	// Positions and Groups are held still.
	Positions, Groups int
	// Over: the limit has passed, and this was the last look.
	Over bool
	// Topics with held positions, and those that had some, by their name on the
	// target.
	Topics []TopicProgress
	// Troubles are why it may never end.
	Troubles []Trouble
	// Err is why this look saw nothing; the numbers are those of the one before.
	Err error
}

// TopicProgress is how far one topic is copied.
type TopicProgress struct {
	Topic, Source string
	// Held are the partitions that are waited for.
	Held int
	// Copied of Wanted source offsets, counted from the start of the source's
	// log, over all partitions that were ever waited for.
	Copied, Wanted int64
	// Rate in offsets per second over the last looks, -1 unknown. Left is how
	// long it takes at that rate, -1 unknown.
	Rate float64
	Left time.Duration
}

// TroubleKind is a stable word for what keeps a wait from ending.
type TroubleKind string

// The kinds of trouble.
const (
	// StandsStill: nothing was copied for several looks.
	StandsStill TroubleKind = "stands-still"
	// PassNeverEnds: the mover went back and does not come further than before.
	PassNeverEnds TroubleKind = "pass-never-ends"
	// OpenTransaction: a transaction on the target has not ended.
	OpenTransaction TroubleKind = "open-transaction"
	// Unreachable: a partition, or the clusters, could not be read.
	Unreachable TroubleKind = "unreachable"
)

// Trouble is something that may keep a wait from ever ending.
type Trouble struct {
	Kind TroubleKind
	// Partition of the target.
	Partition topic.Partition
	Since     time.Time
	// Copied is the source offset below which the copy is complete, Wanted the
	// one that is waited for.
	Copied, Wanted int64
	Detail         string
}

// Await builds a plan as Build does, and as long as a position in it is held
// looks again until none is. Only what is held is looked at, and then the plan
// is built anew, so that it is made of one look. Groups that are refused for
// other reasons do not keep it waiting.
//
// The last look is nil when nothing had to be waited for; when it is Over, the
// plan holds what is left. The error is that of the first Build, the context's,
// or that of Patience looks in a row.
func Await(ctx context.Context, in Input, o WaitInput) (*Plan, *Look, error) {
	w := newWaiter(&in, o)
	b, err := prepare(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	for {
		w.took(b)
		switch {
		case !w.waits() && w.last == nil:
			return b.plan, nil, nil
		case !w.waits():
			if w.last.Positions > 0 {
				w.tell(false)
			}
			return b.plan, w.last, nil
		}
		over := w.over()
		w.tell(over)
		if over {
			if w.failed != nil {
				return nil, nil, fmt.Errorf("waiting for the copy: the time is up, and the last look saw nothing: %w", w.failed)
			}
			return b.plan, w.last, nil
		}
		if err := w.watch(ctx, b); err != nil {
			return nil, nil, err
		}
		if b, err = w.rebuild(ctx, b); err != nil {
			return nil, nil, err
		}
	}
}

// waiter is one Await.
type waiter struct {
	in    *Input
	o     WaitInput
	began time.Time
	spent time.Duration // by the last look

	number int
	// held are the items that are waited for, by group; planned counts the
	// positions that the last plan holds.
	held    map[string][]*item
	planned int
	broken  int // tracked partitions that could not be read
	fails   int // looks in a row that saw nothing
	failed  error
	tracks  map[[2]topic.Partition]*track
	topics  map[[2]string][]sample
	last    *Look
}

func newWaiter(in *Input, o WaitInput) *waiter {
	if in.Now == nil {
		in.Now = time.Now
	}
	if o.Interval <= 0 {
		o.Interval = DefaultWaitInterval
	}
	if o.Patience <= 0 {
		o.Patience = DefaultPatience
	}
	if o.Sleep == nil {
		o.Sleep = func(ctx context.Context, d time.Duration) error { return sleep(ctx, d, nil) }
	}
	return &waiter{in: in, o: o, began: in.Now(), tracks: map[[2]topic.Partition]*track{}, topics: map[[2]string][]sample{}}
}

// waits reports whether something is left to wait for.
func (w *waiter) waits() bool {
	return w.planned > 0 || w.broken > 0 && w.fails < w.o.Patience || w.failed != nil
}

// over reports whether the time is up with the look that is not told of yet.
func (w *waiter) over() bool {
	return w.o.Limit > 0 && w.in.Now().Sub(w.began) >= w.o.Limit && w.number+1 >= w.o.Looks
}

// next is the time until the next look.
func (w *waiter) next() time.Duration {
	d := max(w.o.Interval, w.spent)
	if w.o.Limit > 0 && w.number >= w.o.Looks {
		d = min(d, max(0, w.o.Limit-w.in.Now().Sub(w.began)))
	}
	return d
}

// watch looks again and again until nothing is held or the time is up.
func (w *waiter) watch(ctx context.Context, b *builder) error {
	for {
		if err := w.o.Sleep(ctx, w.next()); err != nil {
			return fmt.Errorf("waiting for the copy: %w", err)
		}
		if len(w.held) == 0 || w.over() {
			return nil
		}
		if err := w.look(ctx, b); err != nil {
			return err
		}
		w.tell(false)
		if len(w.held) == 0 {
			return nil
		}
	}
}

// took takes over what a plan says.
func (w *waiter) took(b *builder) {
	if w.failed != nil {
		return // the plan is the one of before
	}
	w.held, w.planned, w.broken = map[string][]*item{}, 0, 0
	w.readable()
	for i := range b.plan.Groups {
		for j := range b.plan.Groups[i].Positions {
			if b.plan.Groups[i].Positions[j].Outcome == translate.Hold {
				w.planned++
			}
		}
	}
	for name, its := range b.items {
		for _, it := range its {
			switch {
			case it.result == nil:
			case it.result.Outcome == translate.Hold:
				w.held[name] = append(w.held[name], it)
			case unreadable(it.result) && w.tracked(it):
				w.broken++
			}
		}
	}
	if w.broken > 0 {
		w.fails++
	} else {
		w.fails = 0
	}
	w.note()
}

func unreadable(r *translate.Result) bool {
	return r.Outcome == translate.Refused && r.Reason == translate.ReasonUnreadable
}

// rebuild makes the plan anew. A failure is told and forgiven some times: what
// is waited for may take hours, in which brokers restart.
func (w *waiter) rebuild(ctx context.Context, before *builder) (*builder, error) {
	began := w.in.Now()
	b, err := prepare(ctx, *w.in)
	w.failed, w.spent = err, w.in.Now().Sub(began)
	if err == nil {
		return b, nil
	}
	return before, w.forgive(ctx, err)
}

func (w *waiter) forgive(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	w.fails++
	if w.fails >= w.o.Patience {
		return fmt.Errorf("waiting for the copy: %d looks in a row saw nothing: %w", w.fails, err)
	}
	return nil
}

// look translates what is held once more, and nothing else.
func (w *waiter) look(ctx context.Context, b *builder) error {
	began := w.in.Now()
	fresh, err := again(ctx, b, w.held)
	w.failed, w.spent = err, w.in.Now().Sub(began)
	if err != nil {
		return w.forgive(ctx, err)
	}
	w.fails, w.planned, w.broken = 0, 0, 0
	w.readable()
	held := map[string][]*item{}
	for name, its := range w.held {
		for _, before := range its {
			it := fresh[itemKey{name, before.source, before.target}]
			switch {
			case it == nil || it.result == nil:
			case unreadable(it.result):
				w.unread(before, it.result.Detail)
				held[name] = append(held[name], before)
			case it.result.Outcome == translate.Hold:
				held[name] = append(held[name], it)
			}
		}
		w.planned += len(held[name])
	}
	w.held = held
	w.note()
	return nil
}

// itemKey names an item of a target group.
type itemKey struct {
	group          string
	source, target topic.Partition
}

// again translates some items of a builder anew and leaves it as it was.
func again(ctx context.Context, b *builder, held map[string][]*item) (map[itemKey]*item, error) {
	scratch := *b.plan
	c := *b
	c.plan, c.items, c.in.Progress, c.apart = &scratch, map[string][]*item{}, nil, maps.Clone(b.apart)
	pairs := map[pairNames]bool{}
	for name, its := range held {
		for _, it := range its {
			if it.joined {
				pairs[pairOf(it)] = true
				continue
			}
			fresh := *it
			fresh.result = nil
			c.items[name] = append(c.items[name], &fresh)
		}
	}
	if err := c.translate(ctx); err != nil {
		return nil, err
	}
	for k := range pairs {
		c.unjoin(b, k)
		if err := c.join(ctx, k); err != nil {
			return nil, err
		}
	}
	out := map[itemKey]*item{}
	for name, its := range c.items {
		for _, it := range its {
			out[itemKey{name, it.source, it.target}] = it
		}
	}
	return out, nil
}

// unjoin puts the items per source partition back that were joined in another
// builder.
func (b *builder) unjoin(from *builder, k pairNames) {
	for name, its := range from.items {
		seen := map[int32]bool{}
		for _, it := range its {
			if !it.joined || pairOf(it) != k {
				continue
			}
			for _, f := range it.feeds {
				if f.Source == nil || seen[f.Partition] {
					continue
				}
				seen[f.Partition] = true
				b.items[name] = append(b.items[name], &item{
					from: it.from, have: f.Source, unstable: it.unstable,
					source: topic.Partition{Topic: k.source, Partition: f.Partition}, target: topic.Partition{Topic: k.target, Partition: f.Partition},
				})
			}
		}
	}
}

// tell passes on how far it is.
func (w *waiter) tell(over bool) {
	w.number++
	now := w.in.Now()
	l := &Look{Number: w.number, At: now, Elapsed: now.Sub(w.began), Next: w.next(), Positions: w.planned + w.broken, Over: over, Err: w.failed}
	for _, its := range w.held {
		if len(its) > 0 {
			l.Groups++
		}
	}
	l.Topics, l.Troubles = w.progress(), w.troubles()
	w.last = l
	if w.o.Look != nil {
		w.o.Look(l)
	}
}

// sortedTracks are all tracks by their partition on the target.
func (w *waiter) sortedTracks() []*track {
	out := make([]*track, 0, len(w.tracks))
	for _, t := range w.tracks {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *track) int {
		if n := topic.Compare(a.target, b.target); n != 0 {
			return n
		}
		return topic.Compare(a.key[0], b.key[0])
	})
	return out
}
