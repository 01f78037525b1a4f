package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/group"
)

// How long a cluster keeps positions is worth a word when it is less than its
// default, and a warning when a move that is put off to the next day would find
// them gone.
const (
	expirySoon   = 24 * time.Hour
	expiryUsual  = 7 * 24 * time.Hour
	retentionKey = "offsets.retention.minutes"
)

// noteExpiry says when what is to be committed would be forgotten again. A group
// that never had members counts from the commit, one that had from when the
// last one left, and one of KIP-848 from the commit again (OffsetExpirationCondition
// of the group coordinator; KIP-211).
func (b *builder) noteExpiry(ctx context.Context) error {
	if b.in.TranslateOnly {
		return nil
	}
	own, known, err := b.in.To.retention(ctx)
	if err != nil {
		return err
	}
	staged := false
	var used []string
	for i := range b.plan.Groups {
		g := &b.plan.Groups[i]
		if !g.Applicable() || g.share() || !slices.ContainsFunc(g.Positions, func(q Position) bool { return q.Writes() && q.Action != Delete }) {
			continue
		}
		staged = true
		if b.hadMembers(g.Name) {
			used = append(used, fmt.Sprintf("%q", g.Name))
		}
	}
	if !staged {
		return nil
	}
	if b.in.Keep > 0 {
		b.find(keptFinding(&b.in.To, b.in.Keep, own, known))
		return nil
	}
	if _, ok := b.in.To.Topics.(retainer); !ok {
		return nil
	}
	if f := expiryFinding(&b.in.To, own, known, used, b.now); f != nil {
		b.find(*f)
	}
	return nil
}

// hadMembers reports whether positions of a group expire from a time on that
// has passed already.
func (b *builder) hadMembers(name string) bool {
	g := b.target[name].Group
	return g.Kind == group.Classic && exists(g) && g.Protocol != ""
}

const keepHint = "start the consumers before, or keep the positions for longer: --keep-offsets TIME, here or with kferry apply"

// expiryFinding is what a plan says that leaves the time to the cluster; nil
// when there is nothing worth saying.
func expiryFinding(s *Side, own time.Duration, known bool, used []string, now time.Time) *Finding {
	f := &Finding{Severity: Warning, Reason: ReasonExpiry, Hint: keepHint}
	label := s.label()
	switch {
	case len(used) > 0:
		what := "group " + used[0] + " has"
		if len(used) > 1 {
			what = "groups " + listed(used) + " have"
		}
		f.Detail = fmt.Sprintf("%s had members on %s, which forgets all positions of such a group a time after the last one left", what, label)
		if known {
			f.Detail += fmt.Sprintf(", %s (%s=%d): also what is committed now, at any time until %s, unless consumers start before", lasting(own), retentionKey, int64(own/time.Minute), stamp(now.Add(own)))
		} else {
			f.Detail += fmt.Sprintf(" (%s, which it does not tell): also what is committed now, unless consumers start before", retentionKey)
		}
	case !known:
		f.Severity = Note
		f.Detail = fmt.Sprintf("%s does not tell how long it keeps the positions of a group without members (%s; Kafka's default is 7 days): consumers must start before that time", label, retentionKey)
		f.Hint = "DESCRIBE_CONFIGS on the cluster shows it; --keep-offsets TIME, here or with kferry apply, keeps the positions for a time of their own"
	case own >= expiryUsual:
		return nil
	default:
		f.Detail = fmt.Sprintf("%s keeps the positions of a group without members for %s (%s=%d): committed now, they are forgotten at %s, unless consumers start before", label, lasting(own), retentionKey, int64(own/time.Minute), stamp(now.Add(own)))
		if own >= expirySoon {
			f.Severity = Note
		}
	}
	return f
}

// keptFinding is what a plan says whose positions are kept for a time of their
// own.
func keptFinding(s *Side, keep, own time.Duration, known bool) Finding {
	f := Finding{Severity: Note, Reason: ReasonExpiry}
	if known && own >= keep {
		keep = own
		f.Detail = fmt.Sprintf("the positions are kept for %s after they are committed: %s keeps any for that long, which is more than was asked for", lasting(keep), s.label())
	} else {
		f.Detail = fmt.Sprintf("the positions are kept for %s after they are committed, also without consumers", lasting(keep))
	}
	if keep < expirySoon {
		f.Severity, f.Hint = Warning, "start the consumers before, or give a longer --keep-offsets"
	}
	return f
}

// SourceExpiry says, of groups that are about to be stopped on their cluster,
// what becomes of the positions that they leave there, which a way back would
// need: nil when there is nothing worth saying. keep is how long they are to be
// kept by commits of their own, 0 when they are not. The error is that of ctx.
func SourceExpiry(ctx context.Context, s Side, groups map[string]group.Reading, keep time.Duration) (*Finding, error) {
	if keep > 0 {
		if err := s.keeper(ctx); err != nil {
			if !errors.Is(err, group.ErrNoKeep) {
				return nil, err
			}
			return &Finding{
				Severity: Warning, Reason: ReasonExpiry, Detail: fmt.Sprintf("positions on %s cannot be kept: %v", s.label(), err),
				Hint: "leave out --keep-offsets: the way back ends when the cluster forgets them",
			}, nil
		}
		return nil, nil
	}
	own, known, err := s.retention(ctx)
	if err != nil || len(groups) == 0 {
		return nil, err
	}
	f := &Finding{Severity: Warning, Reason: ReasonExpiry, Hint: "--keep-offsets TIME keeps them for as long as the migration is advanced"}
	var quiet []string
	for _, name := range sortedKeys(groups) {
		if r := groups[name]; r.Group.Kind == group.Consumer || r.Group.Kind == group.Streams {
			quiet = append(quiet, fmt.Sprintf("%q", name))
		}
	}
	switch {
	case !known:
		f.Severity = Note
		f.Detail = fmt.Sprintf("%s does not tell how long it keeps the positions of a group without members (%s; Kafka's default is 7 days): the way back is open for that long after the application is stopped", s.label(), retentionKey)
	case own >= expiryUsual && len(quiet) == 0:
		return nil, nil
	default:
		f.Detail = fmt.Sprintf("%s keeps the positions of a group without members for %s (%s=%d): the way back is open for that long after the application is stopped", s.label(), lasting(own), retentionKey, int64(own/time.Minute))
		if own >= expirySoon {
			f.Severity = Note
		}
	}
	if len(quiet) > 0 {
		what := "of group " + quiet[0]
		if len(quiet) > 1 {
			what = "of groups " + listed(quiet)
		}
		f.Detail += "; " + what + " each position counts from its own commit, so that those of partitions without new records go first"
	}
	return f, nil
}

// lasting is a duration in words that people use.
func lasting(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == day:
		return "1 day"
	case d >= day && d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }
