package translate

import "context"

// Recognised is the evidence that Translate takes for a pair of topics.
type Recognised struct {
	// Kind is "" where nothing tells copies; Why says so then, and Hint what to
	// do.
	Kind Kind
	// Detected says in words what the evidence is, as in Result.
	Detected  string
	Why, Hint string
	// Header and Encoding of the source offset, of KindHeader.
	Header   string
	Encoding Encoding
}

// Recognise chooses the evidence for one pair of topics just as Translate does
// for the same requests and options; Offsets and Epochs of the requests do not
// matter. It is nil where no partition can be read. The error is the context's
// or that of a whole request to a log.
func Recognise(ctx context.Context, source, target Log, reqs []Request, opts *Options) (*Recognised, error) {
	if len(reqs) == 0 {
		return nil, nil
	}
	opt := withDefaults(opts)
	w := &work{source: source, target: target, opt: &opt, chosen: map[[2]string]evidence{}, topics: map[string]bool{reqs[0].Source.Topic: true}}
	w.budget.left.Store(int64(opt.MaxStretches))
	asked := make([]Request, min(len(reqs), opt.Parallel))
	for i := range asked {
		asked[i] = reqs[i]
		asked[i].Offsets, asked[i].Epochs = []int64{0}, nil
	}
	solvers, err := w.solvers(ctx, asked)
	if err != nil {
		return nil, err
	}
	if err := w.choose(ctx, solvers); err != nil {
		return nil, err
	}
	ev := w.chosen[solvers[0].pair()]
	if ev == nil {
		return nil, nil
	}
	out := &Recognised{}
	switch ev := ev.(type) {
	case *none:
		out.Why, out.Hint = ev.why, ev.hint
		return out, nil
	case *header:
		out.Header, out.Encoding = ev.name, ev.encoding
	}
	out.Kind, out.Detected = ev.what()
	return out, nil
}
