package script

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

//go:embed common.bash
var commonBash string

//go:embed offsets.bash
var offsetsBash string

// Head is what a script says of itself, and where it is to be run. Everything
// but Tool and Made may be empty.
type Head struct {
	// Tool is the program that wrote the script, with its version.
	Tool string
	Made time.Time
	// Of says what the script was made of, one line each: the plan and its
	// digest, or the file.
	Of []string
	// ClusterID and ClusterName are of the cluster that is written to; the
	// script refuses another cluster than that of the ID.
	ClusterID, ClusterName string
	// Bootstrap and CommandConfig are the defaults of the variables.
	Bootstrap     []string
	CommandConfig string
}

// Offsets is a script for kafka-consumer-groups.sh.
type Offsets struct {
	Head
	Groups []Group
	// Left says, one line each, what the script leaves out and why.
	Left []string
}

// Group is one group with what it is to have.
type Group struct {
	Name string
	// Delete: the group itself is deleted; Rows are then what it has.
	Delete bool
	// Notes say, one line each, what a reader should know.
	Notes []string
	Rows  []Row
}

// The values of Row.Before and Row.After that are no offset.
const (
	// None: the group has no position there, or is to have none.
	None int64 = -1
	// Unknown: it was not looked at; the script takes whatever is there.
	Unknown int64 = -2
)

// Row is one partition: the offset that the group has, and the one that it is
// to have. A row with equal ones is only checked.
type Row struct {
	Topic         string
	Partition     int32
	Before, After int64
}

// GroupError says why a group cannot be put into a script.
type GroupError struct {
	Group, Reason, Hint string
}

// Error implements error.
func (e *GroupError) Error() string { return fmt.Sprintf("group %q: %s", e.Group, e.Reason) }

// topicName is what Kafka allows (Topic.LEGAL_CHARS, MAX_NAME_LENGTH).
var topicName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)

// problem is the first thing of a group that no script can do, such as a name
// that Kafka's tools cannot take; nil when there is none.
func (g *Group) problem() *GroupError {
	switch {
	case g.Name == "":
		return &GroupError{g.Name, "Kafka's tools refuse the empty name", "use 'kferry apply' or 'kferry offset apply'"}
	case !utf8.ValidString(g.Name):
		return &GroupError{g.Name, "the name is not UTF-8, and a Java program cannot be given it", ""}
	case strings.IndexByte(g.Name, 0) >= 0:
		return &GroupError{g.Name, "no argument of a program can hold a NUL byte", "use 'kferry apply' or 'kferry offset apply'"}
	}
	for _, r := range g.Rows {
		switch {
		case !topicName.MatchString(r.Topic):
			return &GroupError{g.Name, fmt.Sprintf("Kafka allows no topic of the name %q", r.Topic), ""}
		case r.Partition < 0 || r.Before < Unknown || r.After < None:
			return &GroupError{g.Name, fmt.Sprintf("%s/%d: no partition or offset is negative", r.Topic, r.Partition), ""}
		case g.Delete && r.After != None:
			return &GroupError{g.Name, "it is deleted, and is to have positions", ""}
		}
	}
	return nil
}

// Write writes the script. A group that no script can do is a *GroupError,
// before the first byte.
func (o *Offsets) Write(w io.Writer) error {
	var errs []error
	for i := range o.Groups {
		if bad := o.Groups[i].problem(); bad != nil {
			errs = append(errs, bad)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var b strings.Builder
	if err := o.head(&b, offsetsWhat, []string{
		"TIMEOUT_MS      how long the tool waits for the brokers in milliseconds, default 30000",
	}); err != nil {
		return err
	}
	b.WriteString("TIMEOUT_MS=${TIMEOUT_MS:-30000}\n")
	b.WriteString(commonBash + offsetsBash)
	b.WriteString("\n# --- what is to be done: rows are TOPIC,PARTITION,BEFORE,AFTER; - is no position ---\n")
	b.WriteString("# It is a function, so that nothing is done of a script that was cut off.\n\nmain() {\ncheck_cluster\n")
	for _, l := range o.Left {
		b.WriteString("\n# left out: " + Comment(l) + "\n")
	}
	for i := range o.Groups {
		if err := o.Groups[i].write(&b); err != nil {
			return err
		}
	}
	b.WriteString("\nfinish\n}\n\nmain\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the script: %w", err)
	}
	return nil
}

var offsetsWhat = []string{
	"Sets committed offsets of consumer groups with kafka-consumer-groups.sh, one group after the other.",
	"Of each group it looks at what is there, refuses a group with members, one that has moved since, and",
	"offsets outside the log, sets the positions, deletes those that are to go, and reads all back. Nothing",
	"comes after a failure. It can be run again: what is as it should be is left alone.",
}

// head writes the top of a script: what it does, and its variables.
func (h *Head) head(b *strings.Builder, what, variables []string) error {
	b.WriteString("#!/usr/bin/env bash\n#\n")
	line := func(s string) { b.WriteString(strings.TrimRight("# "+Comment(s), " ") + "\n") }
	for _, s := range what {
		line(s)
	}
	line("")
	line("written by  " + h.Tool + " at " + h.Made.UTC().Format(time.RFC3339))
	for _, s := range h.Of {
		line("made of     " + s)
	}
	if h.ClusterID != "" || h.ClusterName != "" {
		line("cluster     " + strings.TrimSpace(h.ClusterName+" "+h.ClusterID))
	}
	line("")
	line("Variables of the environment:")
	for _, s := range append([]string{
		"BOOTSTRAP       HOST:PORT[,HOST:PORT] of the cluster",
		"COMMAND_CONFIG  client.properties with the login, given to the tool as --command-config",
		"KAFKA_HOME      folder of Apache Kafka; without it the tools are looked for in PATH",
		"DRY_RUN         1 checks everything and changes nothing",
		"CONTINUE        1 goes on after a failure with what is left",
		"CLUSTER_ID      the cluster that this is for; empty leaves the check out",
		"TOOL_LOCALE     a UTF-8 locale for the tool, default C.UTF-8",
	}, variables...) {
		line("  " + s)
	}
	line("")
	line("It exits with 0 when all is as it should be, 1 after a failure, 2 when it cannot begin.")
	b.WriteString("\n")
	for _, v := range [][2]string{
		{"BOOTSTRAP", strings.Join(h.Bootstrap, ",")}, {"COMMAND_CONFIG", h.CommandConfig},
	} {
		q, err := Quote(v[1])
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "DEFAULT=%s\n%s=${%s:-$DEFAULT}\n", q, v[0], v[0])
	}
	q, err := Quote(h.ClusterID)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "DEFAULT=%s\nCLUSTER_ID=${CLUSTER_ID-$DEFAULT}\n", q)
	b.WriteString("KAFKA_HOME=${KAFKA_HOME:-}\nDRY_RUN=${DRY_RUN:-0}\nCONTINUE=${CONTINUE:-0}\nTOOL_LOCALE=${TOOL_LOCALE:-C.UTF-8}\n")
	return nil
}

func (g *Group) write(b *strings.Builder) error {
	name, err := Quote(g.Name)
	if err != nil {
		return err
	}
	b.WriteString("\n")
	for _, n := range g.Notes {
		b.WriteString("# " + Comment(n) + "\n")
	}
	command := "positions"
	if g.Delete {
		command = "delete_group"
	}
	b.WriteString(command + " " + name)
	if !plain(g.Name) {
		// A terminal must not be told what a name says.
		label, err := Quote(strconv.Quote(g.Name))
		if err != nil {
			return err
		}
		b.WriteString(" " + label)
	}
	b.WriteString(" <<'ROWS'\n")
	for _, r := range g.Rows {
		fmt.Fprintf(b, "%s,%d,%s,%s\n", r.Topic, r.Partition, offset(r.Before), offset(r.After))
	}
	b.WriteString("ROWS\n")
	return nil
}

func offset(n int64) string {
	switch n {
	case None:
		return "-"
	case Unknown:
		return "*"
	}
	return strconv.FormatInt(n, 10)
}
