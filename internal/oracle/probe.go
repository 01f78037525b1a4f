package oracle

import (
	"context"
	"fmt"

	"github.com/kferry/kferry/internal/translate"
)

// Probe is the oracle at a smaller count and without explanations, which stops
// at the first thing that is wrong: for copies of this package that ask a
// translate with a mistake in it. contents asks for copies without a header,
// where wrong is what would move a group to a wrong place.
func Probe(ctx context.Context, contents bool) error {
	run := &Run{
		Translate: translate.Translate, Loader: Memory{}, Seed: 1000, Positions: 20_000, Workers: 1,
		Topics: 6, Partitions: 8, Stop: true,
	}
	if contents {
		run.Seed, run.Positions, run.Partitions = 2000, 9000, 12
		run.Auto, run.Tame, run.Stop, run.StopHarmful = -1, true, false, true
		run.Kinds = []translate.Kind{translate.KindMM2, translate.KindContent}
	}
	tally, err := run.Do(ctx)
	if err != nil {
		return err
	}
	wrong := tally.Wrong()
	if contents {
		wrong = tally.Harmful()
	}
	if wrong > 0 {
		return fmt.Errorf("%d answers are wrong:\n%s", wrong, tally)
	}
	return nil
}
