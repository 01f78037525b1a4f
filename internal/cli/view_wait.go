package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/plan"
)

// waitView shows how far the copy is that a plan waits for.
type waitView struct {
	limit time.Duration
	// said are the troubles that a line was written about.
	said map[string]bool
}

// maxShown is how many topics, and how many troubles, one look shows: more
// would not fit on a screen.
const maxShown = 8

// block is a look for a terminal.
func (v *waitView) block(l *plan.Look) []string {
	head := waitHead(l)
	if v.limit > 0 {
		head += " of " + durationText(v.limit)
	}
	if l.Err != nil {
		head += "; this look saw nothing: " + clean(l.Err.Error())
	}
	lines := []string{head}
	for _, t := range topicTexts(l) {
		lines = append(lines, "  "+t)
	}
	for i := range l.Troubles {
		if i == maxShown {
			lines = append(lines, fmt.Sprintf("  and %d more that may not end", len(l.Troubles)-i))
			break
		}
		lines = append(lines, "  "+troubleText(&l.Troubles[i]))
	}
	return lines
}

// line is a look for a log; a trouble is said in the first look that has it.
func (v *waitView) line(l *plan.Look) string {
	var b strings.Builder
	b.WriteString(waitHead(l))
	for _, t := range topicTexts(l) {
		b.WriteString("; " + t)
	}
	if l.Err != nil {
		b.WriteString("\nwarning: this look saw nothing: " + clean(l.Err.Error()))
	}
	for i := range l.Troubles {
		t := &l.Troubles[i]
		key := fmt.Sprint(t.Kind, t.Partition, t.Since)
		if !v.said[key] {
			v.said[key] = true
			b.WriteString("\nwarning: " + troubleText(t))
		}
	}
	return b.String()
}

func waitHead(l *plan.Look) string {
	if l.Positions == 0 {
		return "waiting: nothing is held any more, " + durationText(l.Elapsed)
	}
	return "waiting: " + heldText(l) + " held, " + durationText(l.Elapsed)
}

// heldText is "3 positions of 2 groups".
func heldText(l *plan.Look) string {
	return count(l.Positions, "position", "positions") + " of " + count(l.Groups, "group", "groups")
}

// topicTexts are the topics of a look, each as "orders 500 of 1000 (50%), 12/s,
// about 42s left".
func topicTexts(l *plan.Look) []string {
	var out []string
	for i := range l.Topics {
		if i == maxShown {
			return append(out, fmt.Sprintf("and %d more topics", len(l.Topics)-i))
		}
		out = append(out, topicText(&l.Topics[i]))
	}
	return out
}

func topicText(t *plan.TopicProgress) string {
	name := clean(t.Topic)
	if t.Source != "" && t.Source != t.Topic {
		name = clean(t.Source) + " → " + name
	}
	if t.Held == 0 {
		return name + " done"
	}
	text := fmt.Sprintf("%s %d of %d", name, t.Copied, t.Wanted)
	if t.Wanted > 0 {
		text += fmt.Sprintf(" (%d%%)", t.Copied*100/t.Wanted)
	}
	if t.Rate >= 0 {
		text += ", " + rateText(t.Rate) + "/s"
	}
	if t.Left >= time.Second {
		text += ", about " + durationText(t.Left) + " left"
	}
	return text
}

// troubleText is one trouble in words.
func troubleText(t *plan.Trouble) string {
	where := clean(t.Partition.String())
	detail := clean(t.Detail)
	switch t.Kind {
	case plan.StandsStill:
		return fmt.Sprintf("%s stands still since %s: %s", where, stamp(t.Since), detail)
	case plan.PassNeverEnds:
		return fmt.Sprintf("%s does not get on since %s: %s", where, stamp(t.Since), detail)
	case plan.OpenTransaction:
		return fmt.Sprintf("%s waits for a transaction: %s", where, detail)
	case plan.Unreachable:
		return fmt.Sprintf("%s cannot be read: %s", where, detail)
	}
	return where + ": " + detail
}

func rateText(r float64) string {
	if r >= 10 {
		return strconv.FormatFloat(r, 'f', 0, 64)
	}
	return strconv.FormatFloat(r, 'f', 1, 64)
}

// durationText is a time in seconds, or finer where it is short.
func durationText(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// waitJSON is one look for programs, a line of progress.
type waitJSON struct {
	Type      string            `json:"type"`
	What      string            `json:"what"`
	Look      int               `json:"look"`
	Elapsed   float64           `json:"elapsed_seconds"`
	Next      float64           `json:"next_seconds"`
	Positions int               `json:"positions"`
	Groups    int               `json:"groups"`
	Topics    []waitTopicJSON   `json:"topics"`
	Troubles  []waitTroubleJSON `json:"troubles"`
	Error     string            `json:"error,omitempty"`
}

type waitTopicJSON struct {
	Topic       string   `json:"topic"`
	SourceTopic string   `json:"source_topic"`
	Held        int      `json:"held"`
	Copied      int64    `json:"copied"`
	Wanted      int64    `json:"wanted"`
	Rate        *float64 `json:"rate_per_second"`
	Left        *float64 `json:"left_seconds"`
}

type waitTroubleJSON struct {
	Kind      plan.TroubleKind `json:"kind"`
	Topic     string           `json:"topic"`
	Partition int32            `json:"partition"`
	Since     time.Time        `json:"since"`
	Copied    int64            `json:"copied"`
	Wanted    int64            `json:"wanted"`
	Detail    string           `json:"detail"`
}

func waitDoc(l *plan.Look) waitJSON {
	out := waitJSON{
		Type: "progress", What: "waiting", Look: l.Number, Elapsed: l.Elapsed.Seconds(), Next: l.Next.Seconds(),
		Positions: l.Positions, Groups: l.Groups, Topics: []waitTopicJSON{}, Troubles: []waitTroubleJSON{},
	}
	if l.Err != nil {
		out.Error = l.Err.Error()
	}
	for _, t := range l.Topics {
		j := waitTopicJSON{Topic: t.Topic, SourceTopic: t.Source, Held: t.Held, Copied: t.Copied, Wanted: t.Wanted}
		if t.Rate >= 0 {
			j.Rate = &t.Rate
		}
		if t.Left >= 0 {
			left := t.Left.Seconds()
			j.Left = &left
		}
		out.Topics = append(out.Topics, j)
	}
	for _, t := range l.Troubles {
		out.Troubles = append(out.Troubles, waitTroubleJSON{
			Kind: t.Kind, Topic: t.Partition.Topic, Partition: t.Partition.Partition, Since: t.Since.UTC(),
			Copied: t.Copied, Wanted: t.Wanted, Detail: t.Detail,
		})
	}
	return out
}
