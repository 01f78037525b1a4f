package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/topic"
)

type groupDescribeOptions struct {
	cluster clusterFlags
	output  choice
}

// groupDescribeJSON is one group for programs.
type groupDescribeJSON struct {
	header
	Cluster string `json:"cluster"`
	groupInfoJSON
	ReadAt time.Time `json:"read_at"`
	// Operations are our rights on the group; null when the broker is silent.
	Operations []string       `json:"operations"`
	Members    []memberJSON   `json:"members"`
	Positions  []positionJSON `json:"positions"`
	// Pending are partitions with transactional commits that are not decided.
	Pending  []topic.Partition `json:"pending"`
	Complete *bool             `json:"complete"`
	Missing  []string          `json:"missing"`
}

type memberJSON struct {
	ID         string            `json:"id"`
	InstanceID string            `json:"instance_id"`
	ClientID   string            `json:"client_id"`
	Host       string            `json:"host"`
	Assigned   []topic.Partition `json:"assigned"`
}

type positionJSON struct {
	Topic       string `json:"topic"`
	Partition   int32  `json:"partition"`
	Offset      int64  `json:"offset"`
	LeaderEpoch int32  `json:"leader_epoch"`
	// Metadata, or MetadataBase64 when it is not UTF-8.
	Metadata       string `json:"metadata"`
	MetadataBase64 []byte `json:"metadata_base64,omitempty"`
	LogStart       *int64 `json:"log_start"`
	LogEnd         *int64 `json:"log_end"`
	Lag            *int64 `json:"lag"`
	// Open are, in a share group, the records from Offset on that are not done.
	Open *int64 `json:"open"`
}

func newGroupDescribeCmd(f *Factory) *cobra.Command {
	o := &groupDescribeOptions{}
	cmd := &cobra.Command{
		Use:               "describe GROUP",
		Short:             "Show a group's state, members, positions and lag",
		Example:           "  kferry group describe order-processor -c old",
		Args:              exactArgs("GROUP"),
		RunE:              func(cmd *cobra.Command, args []string) error { return runGroupDescribe(cmd.Context(), f, o, args[0]) },
		ValidArgsFunction: completeGroups(f),
	}
	o.cluster.add(f, cmd)
	addOutput(cmd, &o.output, asTable, asWide, asJSON)
	return cmd
}

func runGroupDescribe(ctx context.Context, f *Factory, o *groupDescribeOptions, name string) error {
	c, err := o.cluster.resolve(f)
	if err != nil {
		return err
	}
	s, err := f.open(ctx, c)
	if err != nil {
		return err
	}
	readings, err := f.read(ctx, s, []string{name})
	if err != nil {
		return err
	}
	r := readings[name]
	if err := f.exists(ctx, s, r); err != nil {
		return err
	}
	bounds, err := f.bounds(ctx, s, readings)
	if err != nil {
		return err
	}
	doc := describeDoc(c.Name, r, bounds)
	if o.output.value == asJSON {
		return writeJSON(f.stdout(), doc)
	}
	return doc.show(f, o.output.value == asWide)
}

func describeDoc(cluster string, r group.Reading, bounds map[topic.Partition]topic.Bounds) groupDescribeJSON {
	doc := groupDescribeJSON{
		header: head("group"), Cluster: cluster, groupInfoJSON: groupInfo(r.Group), ReadAt: r.At.UTC(),
		Operations: r.Group.Operations, Members: []memberJSON{}, Positions: []positionJSON{},
		Pending: list(r.Unstable), Complete: completeFlag(r.Complete), Missing: list(r.Complete.Missing),
	}
	for _, m := range r.Group.Members {
		doc.Members = append(doc.Members, memberJSON{
			ID: m.ID, InstanceID: m.InstanceID, ClientID: m.ClientID, Host: m.Host, Assigned: list(m.Assigned),
		})
	}
	for _, p := range sortedPositions(r) {
		b, ok := bounds[p.Partition]
		q := positionJSON{
			Topic: p.Partition.Topic, Partition: p.Partition.Partition, Offset: p.Offset,
			LeaderEpoch: p.LeaderEpoch, Metadata: p.Metadata, Lag: known(lagOf(p, b, ok)),
		}
		if !utf8.ValidString(p.Metadata) {
			q.Metadata, q.MetadataBase64 = "", []byte(p.Metadata)
		}
		if ok && b.Err == nil {
			q.LogStart, q.LogEnd = &b.Start, &b.End
		}
		if open, told := r.Open[p.Partition]; told {
			q.Open = &open
		}
		doc.Positions = append(doc.Positions, q)
	}
	return doc
}

func (d groupDescribeJSON) show(f *Factory, wide bool) error {
	w := f.stdout()
	_, _ = fmt.Fprintf(w, "%s: %s group, %s, %s\n", clean(d.Group), d.Kind, orUnknown(d.State), count(len(d.Members), "member", "members"))
	if len(d.Members) > 0 {
		_, _ = fmt.Fprintln(w)
		t := newTable(f.outPaint(), "MEMBER", "CLIENT", "HOST", "INSTANCE", "PARTITIONS")
		for _, m := range d.Members {
			t.row(m.ID, m.ClientID, strings.TrimPrefix(m.Host, "/"), orDash(m.InstanceID), assignedText(m.Assigned))
		}
		if err := t.write(w); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintln(w)
	if len(d.Positions) > 0 {
		if err := d.table(f.outPaint(), wide).write(w); err != nil {
			return err
		}
	} else {
		_, _ = fmt.Fprintf(w, "No %s.\n", d.positionsAre())
	}
	for _, p := range d.Pending {
		f.remark("warning: %s has transactional commits that are not decided", clean(p.String()))
	}
	for _, m := range d.Missing {
		f.remark("warning: groups or positions may be hidden: %s", clean(m))
	}
	return nil
}

// positionsAre names what a group of this kind keeps for each partition.
func (d groupDescribeJSON) positionsAre() string {
	if d.Kind == string(group.Share) {
		return "start offsets"
	}
	return "committed positions"
}

func (d groupDescribeJSON) table(p paint, wide bool) *table {
	columns := []string{"TOPIC", "PARTITION>", "OFFSET>", "LOG-END>", "LAG>"}
	share := d.Kind == string(group.Share)
	if share {
		columns = append(columns, "OPEN>")
	}
	if wide {
		columns = append(columns, "LOG-START>", "EPOCH>", "METADATA")
	}
	t := newTable(p, columns...)
	for _, q := range d.Positions {
		row := []string{
			q.Topic, strconv.Itoa(int(q.Partition)), strconv.FormatInt(q.Offset, 10), maybe(q.LogEnd), maybe(q.Lag),
		}
		if share {
			row = append(row, maybe(q.Open))
		}
		if wide {
			row = append(row, maybe(q.LogStart), strconv.Itoa(int(q.LeaderEpoch)), q.Metadata+string(q.MetadataBase64))
		}
		t.row(row...)
	}
	return t
}

// maybe shows a number that may be unknown.
func maybe(n *int64) string {
	if n == nil {
		return "?"
	}
	return strconv.FormatInt(*n, 10)
}

// assignedText writes assignments as "orders:0-3 payments:0".
func assignedText(ps []topic.Partition) string {
	byTopic := map[string][]int32{}
	var order []string
	for _, p := range ps {
		if byTopic[p.Topic] == nil {
			order = append(order, p.Topic)
		}
		byTopic[p.Topic] = append(byTopic[p.Topic], p.Partition)
	}
	var parts []string
	for _, t := range order {
		parts = append(parts, t+":"+partitionsText(byTopic[t]))
	}
	return orDash(strings.Join(parts, " "))
}
