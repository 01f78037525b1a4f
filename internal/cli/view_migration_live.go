package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/observe"
)

// migrationLive tells on stderr what happens while a migration advances: a line
// for each step, and what is waited for.
type migrationLive struct {
	f     *Factory
	st    *stages
	board *observe.Board
	look  waitView
	// steps, returns and events are how many were there before, or were said.
	steps, returns int
	events         map[int]migration.EventState
	// said is the last wait that a log was told about, without its numbers, and
	// when.
	said   string
	saidAt time.Time
}

// newMigrationLive tells what comes after a state. Only a call that waits shows
// what it waits for meanwhile: any other one says it at its end.
func newMigrationLive(f *Factory, st *migration.State, wait bool) *migrationLive {
	l := &migrationLive{
		f: f, st: &stages{f: f}, steps: len(st.Steps), returns: len(st.Returns),
		events: map[int]migration.EventState{}, look: waitView{said: map[string]bool{}},
	}
	for i, e := range st.Events {
		l.events[i] = e
	}
	if wait {
		l.board = f.progress.Board()
	}
	return l
}

// end takes everything off the screen, also before a question.
func (l *migrationLive) end() {
	l.st.end()
	l.board.End()
}

func (l *migrationLive) show(e migration.Event) {
	switch {
	case e.Plan != nil:
		l.st.event(*e.Plan)
		return
	case e.State == nil:
		return
	}
	l.st.end()
	l.reached(e.State)
	switch {
	case e.Look != nil:
		l.board.Show(l.look.block(e.Look), l.look.line(e.Look), waitDoc(e.Look))
	case len(e.Waiting) > 0:
		l.waits(e.State, e.Waiting)
	}
}

// migrationProgressJSON is a line of progress for programs: a step that was
// reached or gone back to, an event that was called, or what is waited for.
type migrationProgressJSON struct {
	Type      string           `json:"type"`
	What      string           `json:"what"`
	Migration string           `json:"migration"`
	Step      migration.Step   `json:"step"`
	At        time.Time        `json:"at"`
	Detail    string           `json:"detail,omitempty"`
	Reason    string           `json:"reason,omitempty"`
	Event     int              `json:"event,omitempty"`
	State     string           `json:"state,omitempty"`
	Waiting   []migration.Wait `json:"waiting,omitempty"`
}

// reached says which steps are new in a state.
func (l *migrationLive) reached(st *migration.State) {
	for ; l.steps < len(st.Steps); l.steps++ {
		s := st.Steps[l.steps]
		l.say(st, fmt.Sprintf("%s %s", stamp(s.At), strings.TrimSuffix(string(s.Step)+": "+s.Detail, ": ")),
			migrationProgressJSON{What: "migration-step", Step: s.Step, At: s.At, Detail: s.Detail})
	}
	for ; l.returns < len(st.Returns); l.returns++ {
		r := st.Returns[l.returns]
		l.say(st, fmt.Sprintf("%s back to %s: %s", stamp(r.At), r.To, returnText(&r)),
			migrationProgressJSON{What: "migration-return", Step: r.To, At: r.At, Detail: returnText(&r), Reason: r.Reason})
	}
	for i, e := range st.Events {
		if l.events[i] == e {
			continue
		}
		l.events[i] = e
		text := fmt.Sprintf("%s event %d of %s: %s", stamp(e.At), e.Index+1, e.Step, e.State)
		if e.Detail != "" {
			text += ": " + e.Detail
		}
		l.say(st, text, migrationProgressJSON{
			What: "migration-event", Step: e.Step, At: e.At, Detail: e.Detail, Event: e.Index + 1, State: e.State,
		})
	}
}

func (l *migrationLive) say(st *migration.State, text string, doc migrationProgressJSON) {
	if l.f.logFormat.value != "json" {
		l.f.remark("%s", clean(text))
		return
	}
	doc.Type, doc.Migration, doc.At = "progress", st.Name, doc.At.UTC()
	raw, err := json.Marshal(doc)
	if err == nil {
		l.f.remark("%s", raw)
	}
}

// sayAgain is how long a log is not told once more that nothing has changed.
const sayAgain = time.Minute

// waits shows what is waited for: live on a terminal, to programs at each look,
// and in a log when it has changed, or now and then.
func (l *migrationLive) waits(st *migration.State, ws []migration.Wait) {
	now := l.f.streams.now()
	head := fmt.Sprintf("%s since %s, %s; waiting for:", st.Step, stamp(st.Since), durationText(max(0, now.Sub(st.Since))))
	lines := []string{head}
	for _, text := range waitLines(ws[:min(len(ws), maxShown)], now) {
		lines = append(lines, "  "+text)
	}
	if n := len(ws) - maxShown; n > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more", n))
	}
	var details []string
	for i := range ws {
		if i == maxShown {
			details = append(details, fmt.Sprintf("and %d more", len(ws)-i))
			break
		}
		details = append(details, clean(ws[i].Detail))
	}
	plain := "waiting: " + strings.Join(details, "; ")
	log := !l.f.streams.ErrTTY && l.f.logFormat.value != "json"
	key := withoutNumbers(plain)
	if log && key == l.said && now.Sub(l.saidAt) < sayAgain {
		return
	}
	l.said, l.saidAt = key, now
	l.board.Show(lines, plain, migrationProgressJSON{
		Type: "progress", What: "migration-wait", Migration: st.Name, Step: st.Step, At: now.UTC(), Waiting: ws,
	})
}

// withoutNumbers is a text without its digits: how many records there are to
// read changes at each look, and is no news.
func withoutNumbers(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
}
