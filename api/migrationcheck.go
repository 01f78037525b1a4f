package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Words that only Migration has; they are those of the flags of 'kferry plan'.
var (
	moverWords    = []string{MoverAuto, MoverMirrorMaker2, MoverArmory, MoverKafkaBackup, MoverRedpanda, MoverK2K, MoverKferry, MoverNone}
	evidenceWords = []string{"auto", "header", "mm2", "identity", "content"}
	encodingWords = []string{"decimal", "int64be", "int64le", "int32be"}
	acceptWords   = []string{AcceptRepeats, AcceptLoss, AcceptRewind, AcceptPartialGroup, AcceptOverwrite}
)

// moverEvidence is the one kind of evidence that a mover leaves.
var moverEvidence = map[string]string{
	MoverMirrorMaker2: "mm2",
	MoverArmory:       "header",
	MoverKafkaBackup:  "header",
	MoverRedpanda:     "header",
	MoverK2K:          "header",
	MoverKferry:       "header",
	MoverNone:         "content",
}

// moverNames are what else people call the movers.
var moverNames = map[string]string{
	"mm2": MoverMirrorMaker2, "mirrormaker": MoverMirrorMaker2, "mirrorsourceconnector": MoverMirrorMaker2,
	"kannika": MoverArmory, "kannikaarmory": MoverArmory, "oso": MoverKafkaBackup, "osokafkabackup": MoverKafkaBackup,
	"redpanda": MoverRedpanda, "migrator": MoverRedpanda, "lenses": MoverK2K, "lensesk2k": MoverK2K,
	"content": MoverNone, "other": MoverNone,
}

// Validate reports everything that is wrong with the shape of a migration. It
// expects SetDefaults to have run. What the patterns mean is judged where they
// are compiled, and whether clusters and groups exist where they are looked up.
func (m *Migration) Validate() []Problem {
	ps := append(checkVersion(m.APIVersion), checkKind(m.Kind, KindMigration)...)
	switch {
	case m.Name == "":
		ps = append(ps, Problem{Path: "name", Message: "the migration has no name", Hint: "name: orders"})
	case !nameOK(m.Name):
		ps = append(ps, Problem{
			Path:    "name",
			Message: fmt.Sprintf("%q cannot be the name of a migration", m.Name),
			Hint:    "letters, digits, '.', '_' and '-', at most 100, beginning with a letter or a digit",
		})
	}
	ps = append(ps, checkCluster("from", m.From)...)
	ps = append(ps, checkCluster("to", m.To)...)
	if m.From != "" && m.From == m.To {
		ps = append(ps, Problem{
			Path:    "to",
			Message: fmt.Sprintf("source and target are both %q", m.From),
			Hint:    "an application moves from one cluster to another one",
		})
	}
	if len(m.Groups) == 0 && len(m.GroupRegex) == 0 {
		ps = append(ps, Problem{
			Path:    "groups",
			Message: "no group is named",
			Hint:    `groups: [orders-app], or ["*"] if every group of the source is meant`,
		})
	}
	return append(ps, m.validateChoices()...)
}

// validateChoices reports what is wrong with all that is not the application
// and its clusters.
func (m *Migration) validateChoices() []Problem {
	var ps []Problem
	for _, l := range []struct {
		path, message string
		items         []string
	}{
		{"groups", "the pattern is empty", m.Groups},
		{"groupRegex", "the expression is empty", m.GroupRegex},
		{"excludeGroups", "the pattern is empty", m.ExcludeGroups},
		{"topics", "the pattern is empty", m.Topics},
		{"topicRegex", "the expression is empty", m.TopicRegex},
		{"excludeTopics", "the pattern is empty", m.ExcludeTopics},
		{"partitions", "the list of partitions is empty", m.Partitions},
	} {
		for i, item := range l.items {
			if item == "" {
				ps = append(ps, Problem{Path: fmt.Sprintf("%s[%d]", l.path, i), Message: l.message})
			}
		}
	}
	for i := range m.MapTopics {
		ps = append(ps, join(fmt.Sprintf("mapTopics[%d]", i), m.MapTopics[i].Validate())...)
	}
	for i := range m.MapGroups {
		ps = append(ps, join(fmt.Sprintf("mapGroups[%d]", i), m.MapGroups[i].Validate())...)
	}
	ps = append(ps, m.validateEvidence()...)
	if m.MirrorMaker != nil {
		ps = append(ps, join("mirrorMaker", m.MirrorMaker.Validate())...)
	}
	for i, word := range m.Accept {
		ps = append(ps, checkAccept(fmt.Sprintf("accept[%d]", i), word)...)
	}
	ps = append(ps, m.validateTimes()...)
	for i := range m.Events {
		ps = append(ps, join(fmt.Sprintf("events[%d]", i), m.Events[i].Validate())...)
	}
	return ps
}

func checkAccept(path, word string) []Problem {
	if word == "active-source" {
		return []Problem{{
			Path:    path,
			Message: "a migration does not move positions of an application that still runs",
			Hint:    "it waits until the application has stopped; 'kferry plan --accept-active-source' is for the rest",
		}}
	}
	return checkWord(path, word, acceptWords...)
}

// validateEvidence reports words that are not known and choices that
// contradict each other.
func (m *Migration) validateEvidence() []Problem {
	var ps []Problem
	for _, p := range checkWord("mover", m.Mover, moverWords...) {
		if known, ok := moverNames[folded(m.Mover)]; ok {
			p.Hint = "did you mean " + known + "?"
		}
		ps = append(ps, p)
	}
	if m.Evidence != "" {
		ps = append(ps, checkWord("evidence", m.Evidence, evidenceWords...)...)
	}
	if m.Encoding != "" {
		ps = append(ps, checkWord("encoding", m.Encoding, encodingWords...)...)
	}
	leaves := moverEvidence[m.Mover]
	if leaves != "" && m.Evidence != "" && slices.Contains(evidenceWords, m.Evidence) && m.Evidence != leaves {
		ps = append(ps, Problem{
			Path:    "evidence",
			Message: fmt.Sprintf("mover %s means evidence %s, not %s", m.Mover, leaves, m.Evidence),
			Hint:    "leave one of the two out",
		})
	}
	if m.Header != "" {
		ps = append(ps, m.validateHeader(leaves)...)
	}
	if m.Encoding != "" && m.Header == "" && leaves != "header" {
		ps = append(ps, Problem{
			Path:    "encoding",
			Message: "encoding is that of a header, and none is named",
			Hint:    "give header, or a mover that writes one: armory, kafka-backup, redpanda-migrator, k2k, kferry",
		})
	}
	return ps
}

func (m *Migration) validateHeader(leaves string) []Problem {
	var ps []Problem
	switch {
	case leaves != "" && leaves != "header":
		ps = append(ps, Problem{
			Path:    "header",
			Message: fmt.Sprintf("mover %s writes no header", m.Mover),
			Hint:    "leave one of the two out",
		})
	case m.Evidence != "" && m.Evidence != "auto" && m.Evidence != "header" && slices.Contains(evidenceWords, m.Evidence):
		ps = append(ps, Problem{
			Path:    "header",
			Message: fmt.Sprintf("evidence %s uses no header", m.Evidence),
			Hint:    "leave one of the two out",
		})
	}
	if name, encoding, ok := strings.Cut(m.Header, ":"); ok && (slices.Contains(encodingWords, encoding) || encoding == "auto") {
		ps = append(ps, Problem{
			Path:    "header",
			Message: "the encoding has a key of its own",
			Hint:    fmt.Sprintf("header: %s, encoding: %s", name, encoding),
		})
	}
	return ps
}

// validateTimes: what goes to a broker is in whole milliseconds, so that a
// shorter span would be none.
func (m *Migration) validateTimes() []Problem {
	var ps []Problem
	if m.Settle != nil && *m.Settle < 0 {
		ps = append(ps, Problem{Path: "settle", Message: fmt.Sprintf("%s is negative", *m.Settle)})
	}
	if m.Interval <= 0 {
		ps = append(ps, Problem{Path: "interval", Message: fmt.Sprintf("%s is no time between two looks", m.Interval), Hint: "such as 10s"})
	}
	if m.Timeout < 0 {
		ps = append(ps, Problem{Path: "timeout", Message: fmt.Sprintf("%s is negative", m.Timeout), Hint: "0s is no limit"})
	}
	switch keep := time.Duration(m.KeepOffsets); {
	case keep < 0:
		ps = append(ps, Problem{Path: "keepOffsets", Message: fmt.Sprintf("%s is negative", keep), Hint: "0s leaves them alone"})
	case keep > 0 && keep < time.Second:
		ps = append(ps, Problem{Path: "keepOffsets", Message: fmt.Sprintf("%s is too short to keep anything", keep), Hint: "such as 336h, two weeks"})
	}
	return ps
}

// Validate reports everything that is wrong.
func (m *MirrorMaker) Validate() []Problem {
	var ps []Problem
	for i, s := range m.Syncs {
		side, name, _ := strings.Cut(s, ":")
		if name == "" || side != "source" && side != "target" {
			ps = append(ps, Problem{
				Path:    fmt.Sprintf("syncs[%d]", i),
				Message: fmt.Sprintf("%q names no side and topic", s),
				Hint:    "source:TOPIC or target:TOPIC, such as source:mm2-offset-syncs.backup.internal",
			})
		}
	}
	return ps
}

// Validate reports everything that is wrong.
func (e *Event) Validate() []Problem {
	var ps []Problem
	if len(e.On) == 0 {
		ps = append(ps, Problem{Path: "on", Message: "no step is named", Hint: `on: [stopping, moved], or ["*"] for every step`})
	}
	for i, step := range e.On {
		if step != EveryStep {
			ps = append(ps, checkWord(fmt.Sprintf("on[%d]", i), step, EventSteps()...)...)
		}
	}
	switch {
	case len(e.Command) > 0 && e.Webhook != nil:
		ps = append(ps, Problem{
			Path:    "webhook",
			Message: "command and webhook exclude each other",
			Hint:    "make it two events",
		})
	case len(e.Command) == 0 && e.Webhook == nil:
		ps = append(ps, Problem{
			Message: "neither command nor webhook is given",
			Hint:    "command: [PROGRAM, ARGUMENT], or webhook: {url: https://...}",
		})
	case len(e.Command) > 0 && e.Command[0] == "":
		ps = append(ps, Problem{Path: "command[0]", Message: "the program has no name"})
	}
	for i, arg := range e.Command {
		if strings.ContainsRune(arg, 0) {
			ps = append(ps, Problem{Path: fmt.Sprintf("command[%d]", i), Message: "no program takes an argument with a zero byte"})
		}
	}
	if e.Webhook != nil {
		ps = append(ps, join("webhook", e.Webhook.Validate())...)
	}
	if e.Timeout <= 0 {
		ps = append(ps, Problem{Path: "timeout", Message: fmt.Sprintf("%s is no time limit", e.Timeout), Hint: "such as 60s"})
	}
	return append(ps, checkWord("onFailure", e.OnFailure, OnFailureStop, OnFailureContinue)...)
}

// Validate reports everything that is wrong. What it says never has any part
// of the URL but its scheme: a password may stand anywhere in it.
func (w *Webhook) Validate() []Problem {
	var ps []Problem
	bad := func(message, hint string) { ps = append(ps, Problem{Path: "url", Message: message, Hint: hint}) }
	const example = "such as https://deploy.example.com/hooks/kferry"
	u, err := url.Parse(w.URL)
	switch {
	case w.URL == "":
		bad("the address is missing", example)
	case err != nil:
		bad("this is not a URL", example)
	case u.Scheme != "http" && u.Scheme != "https":
		bad("the address does not begin with https:// or http://", example)
	case u.Hostname() == "":
		bad("the address has no host", example)
	default:
		const secret = "a secret never stands in a file of kferry: tokenFrom: {file: PATH}, {env: NAME} or {exec: [PROGRAM]} is sent as a bearer token"
		if u.User != nil {
			bad("the address has a user or a password in it", secret)
		}
		for _, key := range secretKeys(u) {
			bad("the address has a secret in it: "+key, secret)
		}
		if u.Fragment != "" {
			bad("what stands behind # is never sent", "leave it out")
		}
	}
	if w.TokenFrom != nil {
		ps = append(ps, join("tokenFrom", w.TokenFrom.Validate())...)
	}
	return ps
}

// secretKeys are the keys of a query whose names say that their values are
// secrets.
func secretKeys(u *url.URL) []string {
	var keys []string
	for key := range u.Query() {
		name := folded(key)
		inside := func(part string) bool { return strings.Contains(name, part) }
		if slices.Contains([]string{"pass", "auth", "sig", "code", "jwt"}, name) || strings.HasSuffix(name, "key") || strings.HasSuffix(name, "pwd") ||
			slices.ContainsFunc([]string{"token", "secret", "passw", "passphrase", "credential", "signature", "authorization"}, inside) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// checkCluster takes a name of the config file, or addresses.
func checkCluster(path, text string) []Problem {
	const hint = "a NAME of the config file, or HOST:PORT[,HOST:PORT]"
	switch {
	case text == "":
		return []Problem{{Path: path, Message: path + " is missing", Hint: hint}}
	case strings.ContainsAny(text, ":,"):
		for address := range strings.SplitSeq(text, ",") {
			if msg, hint := checkAddress(address); msg != "" {
				return []Problem{{Path: path, Message: msg, Hint: hint}}
			}
		}
	case !nameOK(text):
		return []Problem{{Path: path, Message: fmt.Sprintf("%q cannot be the name of a cluster", text), Hint: hint}}
	}
	return nil
}

// checkWord reports a word that is none of those, with the one that is near.
func checkWord(path, got string, want ...string) []Problem {
	if slices.Contains(want, got) {
		return nil
	}
	p := notOneOf(path, got, want)
	for _, w := range want {
		a, b := folded(got), folded(w)
		if p.Hint == "" && len(a) > 2 && (strings.HasPrefix(b, a) || strings.HasPrefix(a, b)) {
			p.Hint = "did you mean " + w + "?"
		}
	}
	return []Problem{p}
}

// folded drops case and the separators that people mix up in words.
func folded(s string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if strings.ContainsRune("-_. ", r) {
			return -1
		}
		return r
	}, s))
}
