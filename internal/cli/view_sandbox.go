package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/sandbox/lab"
)

// sandboxJSON is what stands in a sandbox, for programs.
type sandboxJSON struct {
	header
	// PID is the process to send SIGTERM to.
	PID      int                  `json:"pid"`
	Clusters []sandboxClusterJSON `json:"clusters"`
	Config   string               `json:"config"`
	State    string               `json:"state"`
	Topics   []sandboxTopicJSON   `json:"topics"`
	Groups   []sandboxGroupJSON   `json:"groups"`
	Commands []sandboxCommandJSON `json:"commands"`
}

type sandboxClusterJSON struct {
	Name      string   `json:"name"`
	ID        string   `json:"id"`
	Bootstrap []string `json:"bootstrap"`
}

type sandboxTopicJSON struct {
	Source     string `json:"source"`
	Target     string `json:"target"`
	Partitions int32  `json:"partitions"`
	Kind       string `json:"kind"`
	Mover      string `json:"mover"`
	Trace      string `json:"trace"`
}

type sandboxGroupJSON struct {
	Group    string   `json:"group"`
	Protocol string   `json:"protocol"`
	Topics   []string `json:"topics"`
	Lag      int64    `json:"lag"`
	Live     bool     `json:"live"`
	Note     string   `json:"note"`
}

// sandboxCommandJSON is a command to try; its exit code is part of what there
// is to see.
type sandboxCommandJSON struct {
	Command string `json:"command"`
	Shows   string `json:"shows"`
}

func sandboxDoc(box *lab.Lab, files *sandboxFiles) sandboxJSON {
	doc := sandboxJSON{
		header: head("sandbox"), PID: os.Getpid(), Config: files.config, State: files.state, Commands: sandboxCommands(),
		Clusters: []sandboxClusterJSON{
			{Name: lab.SourceName, ID: box.SourceID(), Bootstrap: []string{box.Source()}},
			{Name: lab.TargetName, ID: box.TargetID(), Bootstrap: []string{box.Target()}},
		},
	}
	for _, t := range box.Topics() {
		doc.Topics = append(doc.Topics, sandboxTopicJSON(t))
	}
	for _, g := range box.Groups() {
		doc.Groups = append(doc.Groups, sandboxGroupJSON{
			Group: g.Name, Protocol: string(g.Protocol), Topics: g.Topics, Lag: g.Lag, Live: g.Live, Note: g.Note,
		})
	}
	return doc
}

// sandboxCommands are what to try, in the order of a first visit.
func sandboxCommands() []sandboxCommandJSON {
	plan := "kferry plan --from " + lab.SourceName + " --to " + lab.TargetName
	return []sandboxCommandJSON{
		{"kferry group list -c " + lab.SourceName, "the groups, their kinds and states"},
		{"kferry group describe billing -c " + lab.SourceName, "where one of them is, and its lag"},
		{"kferry topic inspect orders customers payments old.invoices clicks -c " + lab.TargetName + " --from " + lab.SourceName, "what copied the topics, and how far the copies are"},
		{plan + " -g billing -g search -g crm --explain --out plan.json", "copies by header: exact, with the records either side"},
		{"kferry apply plan.json", "writes the positions, and journals each step"},
		{"kferry verify plan.json", "reads them back, with their proof"},
		{"kferry rollback RUN", "with the run that apply has named: as if it had never been"},
		{plan + " -g ledger", "a copy by MirrorMaker 2, beside its own checkpoint"},
		{plan + " -g web-stats", "a copy that has left no trace: found by its contents"},
		{plan + " -g returns-desk", "a copy at equal offsets"},
		{plan + " -g tracking", "held: the mover has not come by yet"},
		{plan + " -g tracking --wait", "waits until it has"},
		{plan + " -g dashboard", "refused: a consumer is running"},
	}
}

// show tells people what there is and what to type.
func (d sandboxJSON) show(f *Factory) error {
	w, p := f.stdout(), f.outPaint()
	for _, c := range d.Clusters {
		_, _ = fmt.Fprintf(w, "%-4s %s\n", c.Name, strings.Join(c.Bootstrap, ","))
	}
	_, _ = fmt.Fprintln(w)
	topics := newTable(p, "TOPIC", "COPY", "PARTITIONS>", "RECORDS", "COPIED BY", "TRACE OF THE COPY")
	for _, t := range d.Topics {
		topics.row(t.Source, t.Target, strconv.Itoa(int(t.Partitions)), t.Kind, t.Mover, t.Trace)
	}
	groups := newTable(p, "GROUP", "PROTOCOL", "TOPICS", "LAG>", "NOTE")
	for _, g := range d.Groups {
		groups.row(g.Group, g.Protocol, strings.Join(g.Topics, ","), strconv.FormatInt(g.Lag, 10), g.Note)
	}
	for _, t := range []*table{topics, groups} {
		if err := t.write(w); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(w)
	}
	return d.showCommands(w, p)
}

func (d sandboxJSON) showCommands(w io.Writer, p paint) error {
	_, _ = fmt.Fprintf(w, "In another terminal:\n\n  %s\n\n", p.bold("export KFERRY_CONFIG="+quoteArg(d.Config)))
	for _, c := range d.Commands {
		_, _ = fmt.Fprintf(w, "  %s\n", p.dim("# "+c.Shows))
		_, _ = fmt.Fprintf(w, "  %s\n", c.Command)
	}
	_, err := fmt.Fprintf(w, "\nCtrl-C stops the sandbox and deletes everything in it.\n")
	return err
}
