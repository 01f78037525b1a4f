package plan

import (
	"context"
	"testing"
	"time"
)

// TestAwaitLooksAtLeast has a first look that takes longer than the limit: one
// look shows no rate, and so another one follows where that is asked for.
func TestAwaitLooksAtLeast(t *testing.T) {
	t.Parallel()
	for looks, want := range map[int]int{0: 1, 1: 1, 2: 2, 3: 3} {
		s := newSlow(t, "slow")
		s.commit(s.source, "app", at{part("slow", 0): "50"})
		in := s.input()
		in.Now = func() time.Time {
			s.now = s.now.Add(time.Minute)
			return s.now
		}
		_, last, err := Await(t.Context(), in, WaitInput{
			Limit: time.Second, Looks: looks,
			Sleep: func(context.Context, time.Duration) error {
				s.copy("slow", 0, 10*(len(s.looks)-1), 10*len(s.looks))
				return nil
			},
			Look: func(l *Look) { s.looks = append(s.looks, l) },
		})
		if err != nil || len(s.looks) != want || !last.Over || (last.Topics[0].Rate > 0) != (want > 1) {
			t.Errorf("looks %d: had %d, %+v %v", looks, len(s.looks), last, err)
		}
	}
}
