package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
)

// rightsAsked bounds how many groups and topics are asked about.
const rightsAsked = 1000

// clusterTestJSON is what a cluster turned out to be, for programs.
type clusterTestJSON struct {
	header
	Cluster   string        `json:"cluster"`
	ID        *string       `json:"id"`
	ConnectMS int64         `json:"connect_ms"`
	Brokers   []brokerJSON  `json:"brokers"`
	Abilities []abilityJSON `json:"abilities"`
	Rights    []rightJSON   `json:"rights"`
	Groups    int           `json:"groups"`
	Topics    int           `json:"topics"`
	Hidden    []string      `json:"hidden"`
	Complete  *bool         `json:"complete"`
}

type brokerJSON struct {
	ID      int32  `json:"id"`
	Address string `json:"address"`
}

// abilityJSON is something that brokers can or cannot do, and what that means.
type abilityJSON struct {
	Name    string `json:"name"`
	Has     bool   `json:"has"`
	Without string `json:"without"`
}

// rightJSON counts on how many of the groups or topics that can be seen a
// right is granted; Unknown are those of which the brokers do not tell.
type rightJSON struct {
	Right    string `json:"right"`
	Resource string `json:"resource"`
	Granted  int    `json:"granted"`
	Refused  int    `json:"refused"`
	Unknown  int    `json:"unknown"`
	Needed   string `json:"needed"`
}

func newClusterTestCmd(f *Factory) *cobra.Command {
	var flags clusterFlags
	var out choice
	cmd := &cobra.Command{
		Use:   "test [NAME]",
		Short: "Connect to a cluster and show what it can do and what we may do there",
		Long: "Reaches every broker, asks for the cluster's ID and what all brokers speak, and for our rights on\n" +
			"the groups and topics that can be seen. It says what a missing right means. It writes nothing.",
		Example: "  kferry cluster test old\n  kferry cluster test -b localhost:9092",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("one argument too many: %q", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if flags.given() {
					return &usageError{err: fmt.Errorf("the cluster is named twice: %q, and by a flag", args[0])}
				}
				flags.name = args[0]
			}
			return runClusterTest(cmd.Context(), f, &flags, out.value)
		},
	}
	flags.add(f, cmd)
	addOutput(cmd, &out, asTable, asJSON)
	return cmd
}

func runClusterTest(ctx context.Context, f *Factory, flags *clusterFlags, output string) error {
	c, err := flags.resolve(f)
	if err != nil {
		return err
	}
	began := f.streams.now()
	s, err := f.open(ctx, c)
	if err != nil {
		return err
	}
	doc := &clusterTestJSON{
		header: head("cluster-test"), Cluster: c.Name, ConnectMS: f.streams.now().Sub(began).Milliseconds(),
		Abilities: abilities(s.cluster.Versions()),
	}
	if id := s.cluster.ID(); id != "" {
		doc.ID = &id
	}
	if err := doc.look(ctx, s); err != nil {
		return err
	}
	if output == asJSON {
		return writeJSON(f.stdout(), doc)
	}
	return doc.show(f)
}

// abilities says what old brokers and services lack, and what follows.
func abilities(v cluster.Versions) []abilityJSON {
	return []abilityJSON{
		{"topic-ids", v.HasTopicIDs, "a topic that was deleted and created again is not told from the first one: the incarnation is not proven"},
		{"require-stable", v.HasRequireStable, "positions with pending transactional commits cannot be waited for"},
		{"offset-delete", v.HasOffsetDelete, "single positions cannot be deleted: a rollback to 'there was none' is not possible for them"},
		{"describe-producers", v.HasDescribeProducers, "a hanging transaction is seen, but not whose it is"},
		{"offset-fetch-many", v.HasOffsetFetchGroups, "groups are read one by one: slower"},
		{"consumer-groups", v.HasConsumerGroupDescribe, "the cluster has no groups of the new protocol (KIP-848)"},
		{"share-groups", v.HasShareGroupOffsets, "the cluster has no share groups (KIP-932)"},
	}
}

// look asks for brokers, groups, topics and rights.
func (d *clusterTestJSON) look(ctx context.Context, s *side) error {
	ctx, cancel := context.WithTimeout(ctx, 2*s.cluster.RequestTimeout()+time.Second)
	defer cancel()
	meta, err := s.cluster.Admin().BrokerMetadata(ctx)
	if err != nil {
		return fmt.Errorf("listing brokers of cluster %q: %w", d.Cluster, err)
	}
	d.Brokers = []brokerJSON{}
	for _, b := range meta.Brokers {
		d.Brokers = append(d.Brokers, brokerJSON{ID: b.NodeID, Address: b.Host + ":" + strconv.Itoa(int(b.Port))})
	}
	groups, complete, err := s.groups.List(ctx)
	if err != nil {
		return err
	}
	topics, err := s.cluster.Topics(ctx)
	if err != nil {
		return err
	}
	var groupNames, topicNames []string
	configs := 0
	for _, g := range groups {
		groupNames = append(groupNames, g.Name)
	}
	for name, t := range topics {
		if t.Internal || t.Err != nil {
			continue
		}
		topicNames = append(topicNames, name)
		if t.Config.Known {
			configs++
		}
	}
	d.Groups, d.Topics = len(groupNames), len(topicNames)
	d.Hidden, d.Complete = list(complete.Missing), completeFlag(complete)
	slices.Sort(topicNames)
	rights, err := s.groups.Rights(ctx, groupNames[:min(rightsAsked, len(groupNames))], topicNames[:min(rightsAsked, len(topicNames))])
	if err != nil {
		return err
	}
	d.Rights = []rightJSON{
		counted("READ", "group", rights.Groups, "to commit positions"),
		counted("DELETE", "group", rights.Groups, "to take back a group or a position that did not exist before"),
		counted("READ", "topic", rights.Topics, "to commit positions, and to read the records that prove them"),
		counted("DESCRIBE", "topic", rights.Topics, "to see the topic and the positions on it; without it they vanish without an error"),
		{
			Right: "DESCRIBE_CONFIGS", Resource: "topic", Granted: configs, Refused: d.Topics - configs,
			Needed: "to know compaction and retention; without it counting is not trusted and records are read instead",
		},
	}
	return nil
}

func counted(right, resource string, grants map[string]group.Grant, needed string) rightJSON {
	r := rightJSON{Right: right, Resource: resource, Needed: needed}
	for _, g := range grants {
		switch allowed, known := g.May(right); {
		case !known:
			r.Unknown++
		case allowed:
			r.Granted++
		default:
			r.Refused++
		}
	}
	return r
}

func (d *clusterTestJSON) show(f *Factory) error {
	w := f.stdout()
	id := "no cluster ID"
	if d.ID != nil {
		id = "cluster ID " + *d.ID
	}
	_, _ = fmt.Fprintf(w, "%s: %s, %s reached in %d ms, %s, %s\n\n", clean(d.Cluster), clean(id),
		count(len(d.Brokers), "broker", "brokers"), d.ConnectMS, count(d.Groups, "group", "groups"), count(d.Topics, "topic", "topics"))
	t := newTable(f.outPaint(), "BROKER>", "ADDRESS")
	for _, b := range d.Brokers {
		t.row(strconv.Itoa(int(b.ID)), b.Address)
	}
	if err := t.write(w); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(w)
	t = newTable(f.outPaint(), "ABILITY", "HAS", "WITHOUT IT")
	for _, a := range d.Abilities {
		without := a.Without
		if a.Has {
			without = ""
		}
		t.row(a.Name, yesNo(a.Has), without)
	}
	if err := t.write(w); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(w)
	t = newTable(f.outPaint(), "RIGHT", "ON", "GRANTED>", "REFUSED>", "UNKNOWN>", "NEEDED")
	for _, r := range d.Rights {
		t.row(r.Right, r.Resource, strconv.Itoa(r.Granted), strconv.Itoa(r.Refused), strconv.Itoa(r.Unknown), r.Needed)
	}
	for _, m := range d.Hidden {
		f.remark("warning: groups or topics may be hidden: %s", clean(m))
	}
	return t.write(w)
}
