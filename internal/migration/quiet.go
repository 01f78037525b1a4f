package migration

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/plan"
)

// Reasons of a Return.
const (
	reasonActive = "source-active"
	reasonMoved  = "source-moved"
	reasonStale  = "stale"
	reasonTarget = "target-moved"
	// reasonForgot is none: nobody is at work, and positions are gone.
	reasonForgot = "source-forgot"
)

// reading is what some groups of one side looked like at one time.
type reading struct {
	groups map[string]group.Reading
	// sum stands for all their committed positions.
	sum   string
	count int
}

// read reads groups of a side.
func read(ctx context.Context, side *plan.Side, names []string) (*reading, error) {
	got, err := side.Read.Read(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("reading groups of %s: %w", side.Name, err)
	}
	r := &reading{groups: got}
	h := sha256.New()
	for _, name := range names {
		g, ok := got[name]
		if !ok {
			return nil, fmt.Errorf("reading groups of %s: no answer on group %q", side.Name, name)
		}
		if err := errors.Join(g.Err, g.Group.Err); err != nil {
			return nil, fmt.Errorf("reading group %q of %s: %w", name, side.Name, err)
		}
		for _, p := range sortedParts(g.Positions) {
			at := g.Positions[p]
			// Lengths stand before names and metadata, which may hold anything.
			_, _ = fmt.Fprintf(h, "%d:%s %d:%s %d %d %d:%s\n", len(name), name, len(p.Topic), p.Topic, p.Partition, at.Offset, len(at.Metadata), at.Metadata)
			r.count++
		}
	}
	r.sum = "sha256:" + hex.EncodeToString(h.Sum(nil))
	return r, nil
}

// busy says what keeps the groups from being at rest: members, or commits of a
// transaction that is still open.
func (r *reading) busy(kind WaitKind, side string, names []string, left func(group.Reading, group.Member) *time.Time) []Wait {
	var out []Wait
	for _, name := range names {
		g := r.groups[name]
		switch {
		case !g.Group.Stopped():
			w := Wait{Kind: kind, Group: name, Remedy: "stop the application on " + side}
			for _, m := range g.Group.Members {
				w.Members = append(w.Members, Member{
					ID: m.ID, ClientID: m.ClientID, Host: m.Host, InstanceID: m.InstanceID, LeavesBy: left(g, m),
				})
			}
			w.Detail = fmt.Sprintf("group %q is %s on %s with %s", name, g.Group.State, side, count(len(w.Members), "member", "members"))
			if len(w.Members) > 0 && !slices.ContainsFunc(w.Members, func(m Member) bool { return m.InstanceID == "" }) {
				w.Remedy = "static members stay until their session times out, also when they are stopped"
			}
			out = append(out, w)
		case len(g.Unstable) > 0:
			out = append(out, Wait{
				Kind: WaitUnsettled, Group: name, Topic: g.Unstable[0].Topic,
				Detail: fmt.Sprintf("group %q has commits of an open transaction, among them on %s", name, g.Unstable[0]),
				Remedy: "they settle when the transaction ends or times out (transaction.timeout.ms)",
			})
		}
	}
	return out
}

// sources and targets are the names of the groups on each side.
func (s *State) sources() []string { return s.names(func(p Pair) string { return p.Source }) }

func (s *State) targets() []string { return s.names(func(p Pair) string { return p.Target }) }

func (s *State) names(of func(Pair) string) []string {
	var out []string
	for _, p := range s.Groups {
		out = append(out, of(p))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// rest waits until groups of one side are at rest: nobody is in them, and they
// read the same twice, a settle time apart. Consumers that only assign their
// partitions are in no group; it is their commits that are noticed.
func (e *engine) rest(ctx context.Context, side *plan.Side, names []string, kind WaitKind) (*reading, []Wait, error) {
	first, err := read(ctx, side, names)
	if err != nil {
		return nil, nil, err
	}
	if w := first.busy(kind, side.Name, names, leaves(side)); len(w) > 0 {
		return nil, w, nil
	}
	if d := settle(&e.in, e.spec()); d > 0 {
		e.planProgress(plan.Event{Stage: "settling", Wait: d})
		if err := e.in.Sleep(ctx, d); err != nil {
			return nil, nil, err
		}
	}
	second, err := read(ctx, side, names)
	if err != nil {
		return nil, nil, err
	}
	if w := second.busy(kind, side.Name, names, leaves(side)); len(w) > 0 {
		return nil, w, nil
	}
	if second.sum == first.sum {
		return second, nil, nil
	}
	return nil, []Wait{{
		Kind: WaitUnsettled, Group: moved(first, second, names),
		Detail: "positions change although no group has members on " + side.Name + ": " + changes(first, second, names),
		Remedy: "stop who commits there: a consumer that only assigns its partitions, or a writer of transactions, is no member",
	}}, nil
}

// moved is the first group of which the positions differ.
func moved(a, b *reading, names []string) string {
	for _, name := range names {
		if !samePositions(a.groups[name], b.groups[name]) {
			return name
		}
	}
	return ""
}

func samePositions(a, b group.Reading) bool {
	if len(a.Positions) != len(b.Positions) {
		return false
	}
	for p, x := range a.Positions {
		if y, ok := b.Positions[p]; !ok || x.Offset != y.Offset || x.Metadata != y.Metadata {
			return false
		}
	}
	return true
}

// changes says in words which positions differ, the first three.
func changes(a, b *reading, names []string) string {
	var out []string
	for _, name := range names {
		was, is := a.groups[name].Positions, b.groups[name].Positions
		for p, now := range is {
			if before, ok := was[p]; !ok || before.Offset != now.Offset || before.Metadata != now.Metadata {
				text := "none"
				if ok {
					text = strconv.FormatInt(before.Offset, 10)
				}
				out = append(out, fmt.Sprintf("group %q on %s: %s, now %d", name, p, text, now.Offset))
			}
		}
		for p := range was {
			if _, ok := is[p]; !ok {
				out = append(out, fmt.Sprintf("group %q on %s: gone", name, p))
			}
		}
	}
	slices.Sort(out)
	const most = 3
	if len(out) > most {
		out = append(out[:most], fmt.Sprintf("and %d more", len(out)-most))
	}
	return strings.Join(out, "; ")
}

// woken says how the groups on the source are not at rest any more as they
// were when they were stopped; reason is "" when they are, and reasonForgot when
// positions are gone and nobody is at work.
func (e *engine) woken(ctx context.Context) (reason, detail string, err error) {
	reason, detail, _, err = e.wokenBy(ctx)
	return reason, detail, err
}

// wokenBy is woken with what was read.
func (e *engine) wokenBy(ctx context.Context) (reason, detail string, now *reading, err error) {
	if now, err = read(ctx, &e.in.From, e.st.sources()); err != nil {
		return "", "", nil, err
	}
	if w := now.busy(WaitMembers, e.in.From.Name, e.st.sources(), leaves(&e.in.From)); len(w) > 0 {
		return reasonActive, w[0].Detail, now, nil
	}
	if now.sum == e.st.positions {
		return "", "", now, nil
	}
	if lost, only := e.st.forgotten(now.groups); only {
		return reasonForgot, forgotText(e.in.From.Name, lost), now, nil
	}
	return reasonMoved, "positions on " + e.in.From.Name + " are not those that were final: somebody has committed since", now, nil
}
