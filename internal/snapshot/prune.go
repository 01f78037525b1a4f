package snapshot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/store"
)

// PruneOptions say what stays. What any of them wants kept is kept.
type PruneOptions struct {
	// KeepLast keeps that many of each series, the newest; 0: none for that
	// reason.
	KeepLast int
	// KeepFor keeps what has stood at any time since Now - KeepFor: snapshots
	// taken since, and the one before them of the same series, unless nobody
	// has looked at it since; 0: none for that reason.
	KeepFor time.Duration
	// Now is the present.
	Now time.Time
	// Protect says why a snapshot is needed whatever its age, "" when it is
	// not.
	Protect func(context.Context, Summary) (string, error)
}

// Decision is one snapshot with what becomes of it.
type Decision struct {
	ID, Kind, Base string
	// Created is the time of the ID.
	Created time.Time
	Keep    bool
	// Why it is kept, in words.
	Why string
	// Summary is of the full snapshot that it is or builds on.
	Summary Summary
	entry   entry
}

// Pruning is what would be removed from the snapshots of one cluster.
type Pruning struct {
	All []Decision // oldest first
}

// Going are the snapshots that go.
func (p *Pruning) Going() []Decision {
	return slices.DeleteFunc(slices.Clone(p.All), func(d Decision) bool { return d.Keep })
}

// PlanPrune decides which snapshots of a cluster may go. It removes nothing.
func PlanPrune(ctx context.Context, b *store.Bucket, clusterID string, o PruneOptions) (*Pruning, error) {
	p := &Pruning{}
	known := newSeries(b)
	bySeries := map[string][]int{}
	for e, err := range entriesIn(ctx, b, folder(clusterID), "") {
		if err != nil {
			return nil, err
		}
		d := Decision{ID: e.id, Kind: KindFull, Base: e.base, Created: idTime(e.id), entry: e}
		if e.base != "" {
			d.Kind = KindDelta
		}
		sum, err := known.of(ctx, e)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			d.Keep, d.Why = true, "it cannot be read: "+err.Error()
		} else {
			d.Summary = sum
			name := seriesName(&sum)
			bySeries[name] = append(bySeries[name], len(p.All))
		}
		p.All = append(p.All, d)
	}
	for _, members := range bySeries {
		if err := p.keepOf(ctx, b, members, &o); err != nil {
			return nil, err
		}
	}
	p.keepBases()
	return p, nil
}

// seriesName tells series apart: by what they were taken for, and of what.
func seriesName(s *Summary) string {
	if s.Selection == nil {
		return string(s.Trigger.Kind)
	}
	sel := s.Selection.sorted()
	return string(s.Trigger.Kind) + fmt.Sprintf(" %q %q %q", sel.Groups, sel.ExcludeGroups, sel.GroupRegex)
}

// keepOf decides about the members of one series, oldest first.
func (p *Pruning) keepOf(ctx context.Context, b *store.Bucket, members []int, o *PruneOptions) error {
	cutoff := o.Now.Add(-o.KeepFor)
	for n, i := range members {
		d := &p.All[i]
		left := len(members) - n
		switch {
		case left <= o.KeepLast:
			d.Keep, d.Why = true, fmt.Sprintf("one of the last %d", o.KeepLast)
		case o.KeepFor <= 0:
		case !d.Created.Before(cutoff):
			d.Keep, d.Why = true, "not older than asked"
		default:
			until, err := stoodUntil(ctx, b, p, members, n)
			if err != nil {
				return err
			}
			if !until.Before(cutoff) {
				d.Keep, d.Why = true, "it still stood then"
			}
		}
		if d.Keep || o.Protect == nil || d.Base != "" {
			continue
		}
		why, err := o.Protect(ctx, d.Summary)
		if err != nil {
			return err
		}
		d.Keep, d.Why = why != "", why
	}
	return nil
}

// stoodUntil is until when a snapshot was what is known: the time of the next
// one of its series, or the last look. Snapshots that were not chosen by a
// pattern follow nothing.
func stoodUntil(ctx context.Context, b *store.Bucket, p *Pruning, members []int, n int) (time.Time, error) {
	d := &p.All[members[n]]
	if d.Summary.Selection == nil {
		return d.Created, nil
	}
	if n+1 < len(members) {
		return p.All[members[n+1]].Created, nil
	}
	m, keys, err := d.entry.lastMark(ctx, b)
	switch {
	case err != nil && keys == nil:
		return time.Time{}, err
	case err != nil:
		return d.Created.AddDate(1000, 0, 0), nil //nolint:nilerr // a damaged mark tells nothing: better too long than too short
	case m != nil:
		return m.Last, nil
	}
	return d.Created, nil
}

// keepBases keeps what kept deltas build on.
func (p *Pruning) keepBases() {
	needed := map[string]string{}
	for i := range p.All {
		if d := &p.All[i]; d.Keep && d.Base != "" {
			needed[d.Base] = d.ID
		}
	}
	for i := range p.All {
		if d := &p.All[i]; !d.Keep && needed[d.ID] != "" {
			d.Keep, d.Why = true, "the base of "+needed[d.ID]
		}
	}
}

// Remove deletes what may go, and returns how many went: fewer than planned
// when others were faster, or have built on one meanwhile.
func (p *Pruning) Remove(ctx context.Context, b *store.Bucket) (int, error) {
	var entries []entry
	for _, d := range p.Going() {
		entries = append(entries, d.entry)
	}
	return remove(ctx, b, entries)
}

// String is for messages: the patterns as flags.
func (s *Selection) String() string {
	if s == nil {
		return ""
	}
	if s.All() {
		return "all groups"
	}
	var parts []string
	for _, p := range []struct {
		flag  string
		words []string
	}{{"-g", s.Groups}, {"--group-regex", s.GroupRegex}, {"--exclude-group", s.ExcludeGroups}} {
		for _, w := range p.words {
			parts = append(parts, p.flag+" "+w)
		}
	}
	return strings.Join(parts, " ")
}
