package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/topic"
)

// journal is where a writer says what it is about to do. A *run.Run is one.
type journal interface {
	Append(ctx context.Context, typ string, body any) error
}

// lease is the right to write in the name of a run. A *run.Lease is one.
type lease interface {
	Confirm(ctx context.Context, need time.Duration) error
}

// writer is the one committer of the program: nothing else calls a Committer.
// It may be used by many goroutines, each with another group.
type writer struct {
	to, from  *Side
	journal   journal
	lease     lease
	timeout   time.Duration // of one request
	maxCommit int
	stop      <-chan struct{}
	// slots holds one token for each group whose requests are under way.
	slots   chan struct{}
	commits *stopwatch
}

// newWriter returns a writer to one cluster without journal and lease. Of the
// groups that it works on, parallel ones at a time send requests.
func newWriter(to *Side, parallel, maxCommit int, stop <-chan struct{}) writer {
	return writer{
		to: to, timeout: to.requestTimeout(), maxCommit: orDefault(maxCommit, defaultMaxCommit), stop: stop,
		slots: make(chan struct{}, orDefault(parallel, defaultParallel)), commits: &stopwatch{},
	}
}

// fatal is an error after which nothing more may be done in the name of the
// run: the journal cannot be written, or the lease is lost.
type fatal struct{ err error }

func (e *fatal) Error() string { return e.err.Error() }
func (e *fatal) Unwrap() error { return e.err }

// journalTimeout bounds a journal entry that is written although the caller has
// given up.
const journalTimeout = 30 * time.Second

// note writes a journal entry. What has been done is journalled also when the
// caller's context has ended.
func (w *writer) note(ctx context.Context, typ string, body any) error {
	if typ != entryBegin && typ != entryUndo {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), journalTimeout)
		defer cancel()
	}
	if err := w.journal.Append(ctx, typ, body); err != nil {
		return &fatal{err}
	}
	return nil
}

// read reads one group of the target.
func (w *writer) read(ctx context.Context, name string) (group.Reading, error) {
	return readOne(ctx, w.to, name)
}

// readOne reads one group; what cannot be read in full is an error.
func readOne(ctx context.Context, s *Side, name string) (group.Reading, error) {
	all, err := s.Read.Read(ctx, []string{name})
	if err != nil {
		return group.Reading{}, fmt.Errorf("reading group %q of %s: %w", name, s.label(), err)
	}
	r, ok := all[name]
	if !ok {
		return absent(name), nil
	}
	if err := errors.Join(r.Err, r.Group.Err); err != nil {
		return r, fmt.Errorf("reading group %q of %s: %w", name, s.label(), err)
	}
	return r, nil
}

// do makes the change of one group: journal, commit, read back, and then what
// was seen decides. A report without error is what became of the group; with an
// error the group is left open in the journal, and a later call decides.
func (w *writer) do(ctx context.Context, t task, now group.Reading) (GroupReport, error) {
	t.RequestTimeoutMS = w.timeout.Milliseconds()
	t.Attempt++
	if err := w.note(ctx, entryBegin, t.beginBody); err != nil {
		return GroupReport{}, err
	}
	sent, err := w.send(ctx, &t.beginBody, now)
	if err != nil {
		return GroupReport{}, err
	}
	r, st, problems, err := w.readBack(ctx, &t.beginBody, sent)
	if err != nil {
		return w.unknown(&t, sent, err), nil
	}
	switch st {
	case asBoth:
		if sent.err != nil {
			return w.notTaken(ctx, &t, sent)
		}
		return w.after(ctx, t, r)
	case asAfter:
		if sent.err != nil && (len(sent.problems) > 0 || t.unseen(w.maxCommit)) && t.keepsSome() {
			detail := fmt.Sprintf("the broker took only a part of the change: %v", sent.cause())
			return w.takeBack(ctx, t, ReasonPartTaken, detail, sent.problems)
		}
		return w.after(ctx, t, r)
	case asBefore:
		return w.notTaken(ctx, &t, sent)
	case mixed:
		detail := fmt.Sprintf("the broker took only a part of the change: %v", sent.cause())
		return w.takeBack(ctx, t, ReasonPartTaken, detail, sent.problems)
	default:
		return w.leave(ctx, &t, problems, "somebody else committed at the same time; left alone")
	}
}

// sent is what is known of requests right after they were sent.
type sent struct {
	at        time.Time
	ambiguous bool // some request may still be carried out
	err       error
	problems  []Problem
}

func (s *sent) cause() error {
	if s.err == nil {
		return errors.New("the answers named no error")
	}
	return s.err
}

func (s *sent) fail(err error, ambiguous bool) {
	s.err = errors.Join(s.err, err)
	s.ambiguous = s.ambiguous || ambiguous
}

func (s *sent) codes(answers map[topic.Partition]error) {
	for _, p := range sortedPartitions(answers) {
		if err := answers[p]; err != nil {
			s.err = errors.Join(s.err, err)
			if len(s.problems) < maxJournalProblems {
				s.problems = append(s.problems, Problem{Topic: p.Topic, Partition: p.Partition, Reason: ReasonPartTaken, Detail: err.Error()})
			}
			s.ambiguous = s.ambiguous || errors.Is(err, group.ErrUnanswered)
		}
	}
}

// take notes an answer; false when something in it went wrong.
func (s *sent) take(answers map[topic.Partition]error, err error) bool {
	s.codes(answers)
	if err != nil {
		s.err = nil // what the codes say is in err
		s.fail(err, ambiguous(err))
	}
	return s.err == nil
}

// send sends the commits and deletions of one group, and stops at the first
// thing that goes wrong. The error is fatal; all else is in sent.
func (w *writer) send(ctx context.Context, b *beginBody, now group.Reading) (*sent, error) {
	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	case <-ctx.Done():
		return nil, &fatal{context.Cause(ctx)}
	}
	// The lease must outlive the requests: whoever takes the run over waits
	// only for those that were sent before.
	if err := w.lease.Confirm(ctx, w.timeout); err != nil {
		return nil, &fatal{err}
	}
	s := &sent{at: time.Now()}
	for i, chunk := range slices.Collect(slices.Chunk(b.sets(), w.maxCommit)) {
		if i > 0 && !w.stillStopped(ctx, b.Group, s) {
			return s, nil
		}
		began := time.Now()
		answers, err := w.commit(ctx, b, chunk)
		s.at = time.Now()
		w.commits.add(s.at.Sub(began))
		if !s.take(answers, err) {
			return s, nil
		}
	}
	deletes := b.deletes()
	if b.DeleteGroup && !hasOthers(b, now) {
		// Deleting the group takes its positions along, in one step.
		if err := w.to.Write.DeleteGroup(ctx, b.Group); err != nil && !errors.Is(err, group.ErrAbsent) {
			s.fail(err, ambiguous(err))
		}
		s.at = time.Now()
		return s, nil
	}
	if len(deletes) > 0 {
		answers, err := w.forget(ctx, b, now)
		s.at = time.Now()
		if !errors.Is(err, group.ErrAbsent) {
			s.take(answers, err)
		}
	}
	return s, nil
}

// stillStopped looks at the group between two parts of a large commit.
func (w *writer) stillStopped(ctx context.Context, name string, s *sent) bool {
	r, err := w.read(ctx, name)
	if err == nil && !r.Group.Stopped() {
		err = &Error{Op: "committing", Object: fmt.Sprintf("group %q", name), Err: group.ErrActive}
	}
	if err != nil {
		s.fail(err, false)
	}
	return err == nil
}

// ambiguous reports whether a request may still be carried out after this
// answer. An error that is not known for certain to be a refusal is.
func ambiguous(err error) bool {
	for _, certain := range []error{group.ErrActive, group.ErrAuth, group.ErrAbsent, group.ErrInput, group.ErrUnstable, group.ErrNoShare, group.ErrNoKeep} {
		if errors.Is(err, certain) {
			return false
		}
	}
	return true
}

// readBack reads everything of the group after requests were sent. What is not
// as it was to be, after an answer that leaves it open, is read again when no
// request can be on its way any more.
func (w *writer) readBack(ctx context.Context, b *beginBody, s *sent) (group.Reading, standing, []Problem, error) {
	r, err := w.read(ctx, b.Group)
	if err == nil {
		if st, problems := b.stands(r); st == asAfter || !s.ambiguous {
			return r, st, problems, nil
		}
	}
	if s.ambiguous {
		if err := sleep(ctx, w.late(s.at, w.timeout), nil); err != nil {
			return r, mixed, nil, err
		}
	}
	if r, err = w.read(ctx, b.Group); err != nil {
		return r, mixed, nil, err
	}
	st, problems := b.stands(r)
	return r, st, problems, nil
}

// late is the time that is left until a request of that time can no longer be
// carried out.
func (w *writer) late(at time.Time, timeout time.Duration) time.Duration {
	return time.Until(at.Add(timeout + min(commitAllowance, timeout)))
}

// after ends an attempt that was read back as planned: the source positions
// are read again, because consumers that are no members can commit any time.
func (w *writer) after(ctx context.Context, t task, r group.Reading) (GroupReport, error) {
	if t.undo {
		return w.finished(ctx, &t, r)
	}
	moved, err := w.sourceMoved(ctx, t.plan)
	if err != nil {
		return w.unknown(&t, &sent{}, fmt.Errorf("written; reading the source again: %w", err)), nil
	}
	if len(moved) == 0 {
		return w.finished(ctx, &t, r)
	}
	if r, err = w.read(ctx, t.Group); err != nil {
		return w.unknown(&t, &sent{}, err), nil
	}
	if st, _ := t.stands(r); st == asAfter && r.Group.Stopped() {
		return w.takeBack(ctx, t, ReasonSourceMoved, "the source group committed while its positions were written: an application that is no member of the group is still at work there", moved)
	}
	return w.leave(ctx, &t, moved, "the source group committed meanwhile, and an application already reads on the target; left alone")
}

func (w *writer) finished(ctx context.Context, t *task, r group.Reading) (GroupReport, error) {
	rep := GroupReport{Name: t.Group, Result: Applied, Set: len(t.sets()), Deleted: len(t.deletes())}
	rep.DeletedGroup = t.DeleteGroup && !exists(r.Group)
	err := w.note(ctx, entryDone, endBody{Group: t.Group, Attempt: t.Attempt, Set: rep.Set, Deleted: rep.Deleted, DeletedGroup: rep.DeletedGroup})
	return rep, err
}

// notTaken ends an attempt of which nothing is there.
func (w *writer) notTaken(ctx context.Context, t *task, s *sent) (GroupReport, error) {
	rep := GroupReport{
		Name: t.Group, Result: Refused, Reason: ReasonNotTaken, Detail: fmt.Sprintf("nothing was changed: %v", s.cause()),
		Problems: s.problems, Err: s.err,
	}
	if s.ambiguous && t.keepsSome() {
		rep.Detail = fmt.Sprintf("the positions are as they were; whether the cluster keeps them now is not known: %v", s.cause())
		rep.Hint = "run the same command again: it commits them once more"
	}
	switch {
	case errors.Is(s.err, group.ErrActive):
		rep.Reason, rep.Hint = ReasonGroupActive, "stop the application on the target, and apply again"
	case errors.Is(s.err, group.ErrAuth):
		rep.Reason, rep.Hint = ReasonRights, "grant the right that is named, and apply again"
	}
	return rep, w.note(ctx, entryFailed, endBody{Group: t.Group, Attempt: t.Attempt, Reason: rep.Reason, Detail: rep.Detail})
}

// leave ends an attempt because somebody else has committed: the group is
// theirs now.
func (w *writer) leave(ctx context.Context, t *task, problems []Problem, detail string) (GroupReport, error) {
	rep := GroupReport{
		Name: t.Group, Result: TakenOver, Reason: ReasonTakenOver, Detail: detail, Problems: problems,
		Hint: "kferry verify shows where the group is; look at it before anything else",
	}
	return rep, w.note(ctx, entryTakenOver, endBody{Group: t.Group, Attempt: t.Attempt, Reason: rep.Reason, Detail: detail})
}

// unknown leaves a group open: a later call reads it and decides.
func (w *writer) unknown(t *task, s *sent, err error) GroupReport {
	return GroupReport{
		Name: t.Group, Result: Failed, Reason: ReasonUnknownEnd, Problems: s.problems, Err: errors.Join(err, s.err),
		Detail: fmt.Sprintf("what the group has now is not known: %v", errors.Join(err, s.err)),
		Hint:   "run the same command again: it looks at the group and finishes the change or takes it back",
	}
}

// takeBack restores what was before an attempt.
func (w *writer) takeBack(ctx context.Context, t task, reason Reason, detail string, problems []Problem) (GroupReport, error) {
	// Taking back is not given up when the caller is asked to stop.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*(w.timeout+commitAllowance))
	defer cancel()
	if err := w.note(ctx, entryUndo, endBody{
		Group: t.Group, Attempt: t.Attempt, Reason: reason, Detail: detail, RequestTimeoutMS: w.timeout.Milliseconds(),
	}); err != nil {
		return GroupReport{}, err
	}
	back := t.reverse()
	r, err := w.read(ctx, t.Group)
	if err != nil {
		return w.unknown(&t, &sent{}, err), nil
	}
	st, odd := back.stands(r)
	if st == asBoth {
		st = asAfter
	}
	switch {
	case st == strange || st != asAfter && !r.Group.Stopped():
		return w.leave(ctx, &t, slices.Concat(problems, odd), detail+"; it could not be taken back, because the group is in use by now")
	case st != asAfter:
		s, err := w.send(ctx, back, r)
		if err != nil {
			return GroupReport{}, err
		}
		if _, st, odd, err = w.readBack(ctx, back, s); err != nil || st == mixed || st == asBefore {
			return w.unknown(&t, s, errors.Join(err, errors.New("taking back what was written"))), nil
		}
		if st == strange {
			return w.leave(ctx, &t, slices.Concat(problems, odd), detail+"; somebody else committed before it was taken back")
		}
	}
	rep := GroupReport{
		Name: t.Group, Result: TakenBack, Reason: reason, Detail: detail + "; everything was restored", Problems: problems,
		Hint: "remove the cause and plan again",
	}
	return rep, w.note(ctx, entryTakenBack, endBody{Group: t.Group, Attempt: t.Attempt, Reason: reason, Detail: detail})
}

// sleep waits, unless ctx ends or stop is closed before.
func sleep(ctx context.Context, d time.Duration, stop <-chan struct{}) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-stop:
		return ErrInterrupted
	}
}
