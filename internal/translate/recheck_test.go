package translate

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
)

// claimsOf makes claims of a proof, as a plan keeps them.
func claimsOf(r *Result) []Claim {
	var out []Claim
	for i, seen := range []*Seen{r.Proof.SourceBefore, r.Proof.SourceAt, r.Proof.TargetBefore, r.Proof.TargetAt} {
		if seen != nil {
			out = append(out, Claim{OnTarget: i >= 2, Partition: part, Config: topic.Config{Known: true}, Marks: r.Marks, Seen: *seen})
		}
	}
	return out
}

func TestRecheck(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(src, tgt *memLog, claims []Claim)
		want   []Standing // source before, at, target before, at
		detail string
	}{
		"nothing has changed": {
			change: func(*memLog, *memLog, []Claim) {},
			want:   []Standing{Stands, Stands, Stands, Stands},
		},
		"both logs have gone on": {
			change: func(src, tgt *memLog, _ []Claim) {
				src.slots = append(src.slots, slot{kind: 'd'}, slot{kind: 'd'})
				tgt.slots = append(tgt.slots, slot{kind: 'd', h: 0}, slot{kind: 'd', h: 8})
			},
			want: []Standing{Stands, Stands, Stands, Stands},
		},
		"the source was trimmed up to the position": {
			change: func(src, _ *memLog, _ []Claim) { src.start = 4 },
			want:   []Standing{GoneRetention, Stands, Stands, Stands},
			detail: "begins at 4",
		},
		"all of the target is gone": {
			change: func(_, tgt *memLog, _ []Claim) { tgt.start = tgt.end() },
			want:   []Standing{Stands, Stands, GoneRetention, GoneRetention},
		},
		"compaction took one on the target": {
			change: func(_, tgt *memLog, claims []Claim) {
				tgt.slots[6].kind = '.'
				claims[3].Config.Compacted = true
			},
			want:   []Standing{Stands, Stands, Stands, GoneCompaction},
			detail: "gone by compaction",
		},
		"a hole that nobody can explain": {
			change: func(_, tgt *memLog, _ []Claim) { tgt.slots[6].kind = '.' },
			want:   []Standing{Stands, Stands, Stands, StandsOther},
			detail: "not compacted",
		},
		"a hole, and the configuration is not known": {
			change: func(_, tgt *memLog, claims []Claim) {
				tgt.slots[6].kind = '.'
				claims[3].Config = topic.Config{}
			},
			want:   []Standing{Stands, Stands, Stands, GoneCompaction},
			detail: "cannot be read",
		},
		"a marker": {
			change: func(_, tgt *memLog, _ []Claim) { tgt.slots[6].kind = 'c' },
			want:   []Standing{Stands, Stands, Stands, StandsOther},
			detail: "marker",
		},
		"another content on the source": {
			change: func(src, _ *memLog, _ []Claim) { src.salt = "x" },
			want:   []Standing{StandsOther, StandsOther, Stands, Stands},
			detail: "fingerprint ",
		},
		"a copy that names another source offset": {
			change: func(_, _ *memLog, claims []Claim) { claims[3].Seen.SourceOffset = 9 },
			want:   []Standing{Stands, Stands, Stands, StandsOther},
			detail: "source offset 4, not 9",
		},
		"the same content at another time": {
			change: func(_, _ *memLog, claims []Claim) { claims[0].Seen.Timestamp-- },
			want:   []Standing{StandsOther, Stands, Stands, Stands},
			detail: "time 1970-01-01T00:00:01.003Z, not 1970-01-01T00:00:01.002Z",
		},
		"only its content is asked for": {
			change: func(_, _ *memLog, claims []Claim) {
				claims[0].Seen.Timestamp--
				claims[0].ContentOnly = true
			},
			want: []Standing{Stands, Stands, Stands, Stands},
		},
		"the log was cut back": {
			change: func(src, _ *memLog, _ []Claim) { src.slots = src.slots[:4] },
			want:   []Standing{Stands, StandsOther, Stands, Stands},
			detail: "ends at 4",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, tgt := source("dddddddd"), target("n n 0-7")
			res := translateOne(t, src, tgt, 4, nil)
			if res.Outcome != Exact || res.T != 6 {
				t.Fatalf("before: %+v", res)
			}
			claims := claimsOf(&res)
			tc.change(src, tgt, claims)
			got, err := Recheck(t.Context(), src, tgt, claims)
			if err != nil {
				t.Fatal(err)
			}
			var standings []Standing
			var details strings.Builder
			for _, c := range got {
				standings = append(standings, c.Standing)
				details.WriteString(c.Detail + "\n")
				if (c.Standing == Stands) != (c.Detail == "") {
					t.Errorf("%s is said as %q", c.Standing, c.Detail)
				}
			}
			if d := cmp.Diff(tc.want, standings); d != "" {
				t.Errorf("(-want +got):\n%s\n%s", d, details.String())
			}
			if !strings.Contains(details.String(), tc.detail) {
				t.Errorf("details %q lack %q", details.String(), tc.detail)
			}
		})
	}
}

// The claims of many partitions go out together, and each record is read once.
func TestRecheckSharesRequests(t *testing.T) {
	t.Parallel()
	src, tgt := source("dddddddd"), target("0-7")
	res := translateOne(t, src, tgt, 4, nil)
	var claims []Claim
	for p := range int32(300) {
		for _, c := range claimsOf(&res) {
			c.Partition.Partition = p
			claims = append(claims, c)
		}
	}
	src.requests, tgt.requests = 0, 0
	got, err := Recheck(t.Context(), src, tgt, claims)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range got {
		if c.Standing != Stands {
			t.Fatalf("claim %d: %+v", i, c)
		}
	}
	if n := src.requests + tgt.requests; n > 12 {
		t.Errorf("%d requests for 300 partitions", n)
	}
}

// brokenLog cannot read one of the things that it is asked for.
type brokenLog struct {
	Log
	bounds, fetch error
}

func (b *brokenLog) Bounds(ctx context.Context, ps []topic.Partition) (map[topic.Partition]topic.Bounds, error) {
	out, err := b.Log.Bounds(ctx, ps)
	for p := range out {
		out[p] = topic.Bounds{Start: out[p].Start, End: out[p].End, Stable: out[p].Stable, Err: b.bounds}
	}
	return out, err
}

func (b *brokenLog) Fetch(ctx context.Context, asks []batch.Ask) ([]batch.Chunk, error) {
	if b.fetch != nil {
		return nil, b.fetch
	}
	return b.Log.Fetch(ctx, asks)
}

func TestRecheckSaysWhatItCannotRead(t *testing.T) {
	t.Parallel()
	src, tgt := source("dddddddd"), target("0-7")
	res := translateOne(t, src, tgt, 4, nil)
	for name, from := range map[string]Log{
		"no bounds": &brokenLog{Log: src, bounds: errors.New("not authorized")},
		"no fetch":  &brokenLog{Log: src, fetch: errors.New("broker is away")},
		"no source": nil,
	} {
		got, err := Recheck(t.Context(), from, tgt, claimsOf(&res))
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range got {
			if want := map[bool]Standing{true: Stands, false: Unread}[i >= 2]; c.Standing != want || c.Standing == Unread && c.Detail == "" {
				t.Errorf("%s: claim %d: %+v", name, i, c)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Recheck(ctx, src, tgt, claimsOf(&res)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
