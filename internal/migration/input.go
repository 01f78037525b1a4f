package migration

import (
	"context"
	"slices"
	"time"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/translate"
)

// DefaultInterval lies between two looks.
const DefaultInterval = 10 * time.Second

// Notifier calls the command or webhook of an event with the migration as JSON
// and returns what went wrong.
type Notifier interface {
	Notify(ctx context.Context, ev api.Event, body []byte) error
}

// Input is what is needed beside the migration itself.
type Input struct {
	// From and To are the clusters of the migration; both with Write, because
	// the ways back write on the source.
	From, To plan.Side
	Bucket   *store.Bucket
	// Notify calls events; nil is an error when the spec has some.
	Notify Notifier
	// Wait goes on looking while the next step needs something that can come by
	// itself, for at most Limit (0: the timeout of the spec). Without Wait the
	// migration goes as far as it can now.
	Wait  bool
	Limit time.Duration
	// SourceGone: the source cannot be reached any more and is not looked at, nor
	// kept from forgetting; From is not used. Only for a migration of which the
	// positions are applied.
	SourceGone bool
	// LeavePositions ends Abort and Stay also where positions cannot be taken
	// back, because somebody else has changed them since: they stay as they are,
	// and State.Left has them.
	LeavePositions bool
	// Until is the step at which to stop; "" is the end.
	Until Step
	// Interval overrides that of the spec; for tests.
	Interval time.Duration
	// Settle overrides that of the spec and of the config; 0 keeps it, negative
	// is none.
	Settle time.Duration
	// Accept are words of api.Accept beside those of the spec, for FailBack and
	// LookBack: what stands in the way back is not known when a migration is
	// created.
	Accept []string
	// Confirm is asked before positions are committed, with the plan of it; nil
	// agrees. Its error ends the call.
	Confirm func(ctx context.Context, p *plan.Plan) error
	// Stop, once closed, ends the call after the step that is under way.
	Stop <-chan struct{}
	// Progress is told what happens, from one goroutine; it may be nil.
	Progress func(Event)
	// Tool is name and version of the program; Command what the user called,
	// without secrets.
	Tool, Command string
	// Run are options for journals and leases; nil is the defaults.
	Run *run.Options
	// Now is the clock; nil is time.Now. Sleep waits for a time or the end of the
	// context or of Stop; nil uses a timer.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
}

// Event is progress, for people.
type Event struct {
	// State is where the migration stands; it must not be kept. Check has none.
	State *State
	// Waiting is what the next step needs, when it needs something; Look how far
	// the copy is, when that is waited for.
	Waiting []Wait
	Look    *plan.Look
	// Plan is progress of the plan room.
	Plan *plan.Event
}

func (in *Input) defaults() {
	if in.Now == nil {
		in.Now = time.Now
	}
	if in.Until == "" {
		in.Until = Across
	}
	if in.Sleep == nil {
		in.Sleep = func(ctx context.Context, d time.Duration) error {
			t := time.NewTimer(d)
			defer t.Stop()
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-in.Stop:
				return ErrInterrupted
			case <-t.C:
				return nil
			}
		}
	}
}

func (in *Input) stopped() bool {
	select {
	case <-in.Stop:
		return true
	default:
		return false
	}
}

// settle is the time between two equal readings.
func settle(in *Input, spec *api.Migration) time.Duration {
	switch {
	case in.Settle != 0:
		return max(in.Settle, 0)
	case spec.Settle != nil:
		return time.Duration(*spec.Settle)
	}
	return plan.DefaultSettle
}

func interval(in *Input, spec *api.Migration) time.Duration {
	switch {
	case in.Interval > 0:
		return in.Interval
	case spec.Interval > 0:
		return time.Duration(spec.Interval)
	}
	return DefaultInterval
}

// movers are what the words of a spec mean for translation.
var movers = map[string]translate.Options{
	api.MoverAuto:         {},
	api.MoverMirrorMaker2: {Evidence: translate.KindMM2},
	api.MoverArmory:       {Evidence: translate.KindHeader, Header: "__original_offset", Encoding: translate.EncodingDecimal},
	api.MoverKafkaBackup:  {Evidence: translate.KindHeader, Header: "x-original-offset", Encoding: translate.EncodingLittle},
	api.MoverRedpanda:     {Evidence: translate.KindHeader, Header: "redpanda-migrator-offset", Encoding: translate.EncodingBig},
	api.MoverK2K:          {Evidence: translate.KindHeader, Header: "k2k_offset"},
	api.MoverKferry:       {Evidence: translate.KindHeader},
	api.MoverNone:         {Evidence: translate.KindContent},
}

// options are the choices of a spec for translation.
func options(spec *api.Migration) translate.Options {
	o := movers[spec.Mover]
	if spec.Evidence != "" {
		o.Evidence = translate.Kind(spec.Evidence)
	}
	if spec.Header != "" {
		o.Evidence, o.Header, o.Encoding = translate.KindHeader, spec.Header, translate.EncodingAuto
	}
	if spec.Encoding != "" {
		o.Encoding = translate.Encoding(spec.Encoding)
	}
	o.Quick, o.CopyComplete = spec.Quick, spec.CopyComplete
	return o
}

// accept are the overrides of a spec.
func accept(spec *api.Migration) plan.Accept {
	var a plan.Accept
	for _, word := range spec.Accept {
		switch word {
		case api.AcceptRepeats:
			a.Repeats = true
		case api.AcceptLoss:
			a.Loss = true
		case api.AcceptRewind:
			a.Rewind = true
		case api.AcceptPartialGroup:
			a.PartialGroup = true
		}
	}
	return a
}

// acceptBack are the overrides on the way back.
func acceptBack(in *Input, spec *api.Migration) plan.Accept {
	return accept(&api.Migration{Accept: slices.Concat(spec.Accept, in.Accept)})
}

// planInput turns a spec into what package plan takes. Groups, when they are
// known already, stand in place of the patterns, so that a group that is made
// later does not come along unseen.
func planInput(in *Input, spec *api.Migration, groups []Pair) (plan.Input, error) {
	sel := position.Selector{
		Groups: spec.Groups, GroupRegex: spec.GroupRegex, ExcludeGroups: spec.ExcludeGroups,
		Topics: spec.Topics, TopicRegex: spec.TopicRegex, ExcludeTopics: spec.ExcludeTopics, Partitions: spec.Partitions,
	}
	if groups != nil {
		sel.Groups, sel.GroupRegex, sel.ExcludeGroups = nil, nil, nil
		for _, g := range groups {
			sel.Groups = append(sel.Groups, position.Literal(g.Source))
		}
	}
	selection, err := sel.Compile()
	if err != nil {
		return plan.Input{}, err
	}
	routes := position.RouteOptions{}
	for _, m := range spec.MapTopics {
		routes.Topics = append(routes.Topics, position.Rename{From: m.From, To: m.To})
	}
	for _, m := range spec.MapGroups {
		routes.Groups = append(routes.Groups, position.GroupRule{Rename: position.Rename{From: m.From, To: m.To}})
	}
	route, err := position.NewRoute(routes)
	if err != nil {
		return plan.Input{}, err
	}
	mirror := plan.MirrorMaker{}
	if m := spec.MirrorMaker; m != nil {
		mirror.Alias = m.Alias
		for _, text := range m.Syncs {
			if s, ok := plan.ParseSyncTopic(text); ok {
				mirror.Syncs = append(mirror.Syncs, s)
			}
		}
	}
	d := settle(in, spec)
	if d == 0 {
		d = -1
	}
	return plan.Input{
		From: &in.From, To: in.To, Selection: selection, Route: route, Translate: options(spec), Mirror: mirror,
		Settle: d, Accept: accept(spec), Tool: in.Tool, Asked: []string{"migration " + spec.Name}, Now: in.Now,
	}, nil
}
