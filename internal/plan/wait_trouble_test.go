package plan

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestAwaitNamesWhatKeepsIt(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		at     string
		before func(s *slow)
		step   func(s *slow, look int)
		kind   TroubleKind
		from   int // first look at which it is named
		since  time.Duration
		copied int64
		detail []string
	}{
		"a mover that stands still": {
			at: "60",
			step: func(s *slow, look int) {
				if look <= 3 {
					s.copy("slow", 0, 20*(look-2), 20*(look-1))
				}
			},
			kind: StandsStill, from: 6, since: 20 * time.Second, copied: 40,
			detail: []string{"nothing was copied over 3 looks: it is at source offset 40 of 60", "source offset 40 is not on the target", "Look whether the mover runs"},
		},
		"a mover that never began": {
			at: "60", step: func(*slow, int) {},
			kind: StandsStill, from: 4, copied: 0, detail: []string{"at source offset 0 of 60", "is empty"},
		},
		"somebody else writes": {
			at:     "60",
			before: func(s *slow) { s.copy("slow", 0, 0, 40) },
			step: func(s *slow, _ int) {
				s.produce(s.target, &kgo.Record{Topic: "slow", Value: []byte("of another program")})
			},
			kind: StandsStill, from: 4, copied: 40, detail: []string{"although the target has grown by 3 offsets"},
		},
		"a mover that begins again and again": {
			at:     "60",
			before: func(s *slow) { s.copy("slow", 0, 0, 40) },
			step: func(s *slow, look int) {
				half := 20 * (look % 2)
				s.copy("slow", 0, half, half+20)
			},
			kind: PassNeverEnds, from: 4, copied: 20, detail: []string{"has not come above source offset 40", "went back again 2 times", "it goes round"},
		},
		"a pass that has stopped short": {
			at: "20",
			before: func(s *slow) {
				s.copy("slow", 0, 0, 100)
				s.copy("slow", 0, 0, 30)
			},
			step: func(*slow, int) {},
			kind: PassNeverEnds, from: 4, copied: 30, detail: []string{"at 30 of 100", "stopped short"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSlow(t, "slow")
			s.commit(s.source, "app", at{part("slow", 0): tc.at})
			if tc.before != nil {
				tc.before(s)
			}
			p, last, err := s.await(t.Context(), 75*time.Second, func(look int) error {
				tc.step(s, look)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if !last.Over || last.Positions != 1 || last.Groups != 1 || last.Elapsed != 75*time.Second {
				t.Errorf("the last look: %+v", last)
			}
			if g := p.Group("app"); g.Verdict != VerdictHeld {
				t.Errorf("verdict %s: %s", g.Verdict, g.Detail)
			}
			for _, l := range s.looks {
				if (len(l.Troubles) > 0) != (l.Number >= tc.from) {
					t.Fatalf("look %d: %+v", l.Number, l.Troubles)
				}
			}
			got := s.looks[tc.from-1].Troubles[0]
			if got.Kind != tc.kind || got.Partition != part("slow", 0) || got.Copied != tc.copied || !got.Since.Equal(waitBegan.Add(tc.since)) {
				t.Errorf("trouble: %+v", got)
			}
			for _, d := range tc.detail {
				if !strings.Contains(got.Detail, d) {
					t.Errorf("%q lacks %q", got.Detail, d)
				}
			}
		})
	}
}

func TestAwaitOnePartitionStandsStill(t *testing.T) {
	t.Parallel()
	s := newSlow(t, "slow")
	s.commit(s.source, "app", at{part("slow", 0): "100", part("slow", 1): "100"})
	_, last, err := s.await(t.Context(), 60*time.Second, func(look int) error {
		s.copy("slow", 1, 10*(look-2), 10*(look-1))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(last.Troubles) != 1 || last.Troubles[0].Partition != part("slow", 0) || !strings.Contains(last.Troubles[0].Detail, "Other partitions go on") {
		t.Errorf("%+v", last.Troubles)
	}
}

func TestAwaitAPassThatComesBack(t *testing.T) {
	t.Parallel()
	s := newSlow(t, "slow")
	s.commit(s.source, "app", at{part("slow", 0): "20"})
	s.copy("slow", 0, 0, 100)
	s.copy("slow", 0, 0, 30)
	p, last, err := s.await(t.Context(), 0, func(look int) error {
		s.copy("slow", 0, 30*(look-1), min(100, 30*look))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if q := p.Group("app").positionOf(part("slow", 0)); last.Over || q.After == nil || q.After.Offset != 120 {
		t.Errorf("%+v", q)
	}
	if first := s.looks[0].Topics[0]; first.Copied != 30 || first.Wanted != 100 {
		t.Errorf("the first look: %+v", first)
	}
}

func TestAwaitNamesAHangingTransaction(t *testing.T) {
	t.Parallel()
	for name, committed := range map[string]int{"after other copies": 30, "nothing is committed at all": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSlow(t, "slow")
			s.commit(s.source, "app", at{part("slow", 0): "60"})
			s.copy("slow", 0, 0, committed)
			cl, err := kgo.NewClient(kgo.SeedBrokers(s.target.Fake.ListenAddrs()...), kgo.TransactionalID("mover"),
				kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic("slow"))
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			if err := cl.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := cl.ProduceSync(t.Context(), copies("slow", 0, committed, 60)...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			p, last, err := s.await(t.Context(), 0, func(look int) error {
				if look == 6 {
					return cl.EndTransaction(context.WithoutCancel(t.Context()), kgo.TryCommit)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if last.Over || !p.Applicable("app") {
				t.Errorf("at the end: %+v", p.Group("app"))
			}
			for _, l := range s.looks[:5] {
				want := []string{"producer ", "transaction open on slow/0 since offset " + strconv.Itoa(committed), "silent for"}
				if d := cmp.Diff([]TroubleKind{OpenTransaction}, troubleKinds(l)); d != "" {
					t.Fatalf("look %d: %s", l.Number, d)
				}
				for _, text := range want {
					if got := l.Troubles[0]; !strings.Contains(got.Detail, text) || !got.Since.Equal(waitBegan) {
						t.Errorf("look %d: %+v lacks %q", l.Number, got, text)
					}
				}
			}
		})
	}
}
