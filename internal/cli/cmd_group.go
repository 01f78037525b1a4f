package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/group"
)

func newGroupCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "group COMMAND",
		Short:   "List, look at, copy and delete consumer groups",
		GroupID: "groups",
		Args:    cobra.ArbitraryArgs,
		RunE:    runParent,

		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(newGroupListCmd(f), newGroupDescribeCmd(f), newGroupCopyCmd(f), newGroupDeleteCmd(f))
	return cmd
}

type groupListOptions struct {
	cluster clusterFlags
	sel     selectFlags
	output  choice
}

// groupListJSON is the list of groups for programs.
type groupListJSON struct {
	header
	Cluster string `json:"cluster"`
	// Complete is whether all groups that match were seen; null: not known.
	Complete *bool           `json:"complete"`
	Missing  []string        `json:"missing"`
	Groups   []groupInfoJSON `json:"groups"`
}

type groupInfoJSON struct {
	Group       string `json:"group"`
	Kind        string `json:"kind"`
	State       string `json:"state"`
	Protocol    string `json:"protocol"`
	Coordinator *int64 `json:"coordinator"`
}

func groupInfo(g group.Group) groupInfoJSON {
	return groupInfoJSON{
		Group: g.Name, Kind: string(g.Kind), State: string(g.State), Protocol: g.Protocol, Coordinator: known(int64(g.Coordinator)),
	}
}

// completeText is a completeness for JSON: true, false, or null for unknown.
func completeFlag(c group.Completeness) *bool {
	if !c.Known && len(c.Missing) == 0 {
		return nil
	}
	all := c.Known && len(c.Missing) == 0
	return &all
}

func newGroupListCmd(f *Factory) *cobra.Command {
	o := &groupListOptions{}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the groups of a cluster with kind and state",
		Example: "  kferry group list -c old\n  kferry group list -b localhost:9092 -g 'order-*' -o json",
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runGroupList(cmd.Context(), f, o) },
	}
	o.cluster.add(f, cmd)
	o.sel.addGroups(cmd.Flags())
	addOutput(cmd, &o.output, asTable, asJSON)
	completeSelection(f, cmd)
	return cmd
}

func runGroupList(ctx context.Context, f *Factory, o *groupListOptions) error {
	sel, err := o.sel.compile()
	if err != nil {
		return err
	}
	c, err := o.cluster.resolve(f)
	if err != nil {
		return err
	}
	s, err := f.open(ctx, c)
	if err != nil {
		return err
	}
	all, complete, err := s.groups.List(ctx)
	if err != nil {
		return err
	}
	doc := groupListJSON{header: head("group-list"), Cluster: c.Name, Complete: completeFlag(complete), Missing: list(complete.Missing), Groups: []groupInfoJSON{}}
	for _, g := range all {
		if sel.Group(g.Name) {
			doc.Groups = append(doc.Groups, groupInfo(g))
		}
	}
	if o.output.value == asJSON {
		return writeJSON(f.stdout(), doc)
	}
	f.sayHidden("the list", complete)
	t := newTable(f.outPaint(), "GROUP", "KIND", "STATE", "PROTOCOL", "COORDINATOR>")
	for _, g := range doc.Groups {
		coordinator := "?"
		if g.Coordinator != nil {
			coordinator = strconv.FormatInt(*g.Coordinator, 10)
		}
		t.row(g.Group, g.Kind, orUnknown(g.State), orDash(g.Protocol), coordinator)
	}
	if t.empty() {
		f.remark("No group was found.")
		return nil
	}
	return t.write(f.stdout())
}

// orUnknown shows what a broker does not tell.
func orUnknown(s string) string {
	if s == "" {
		return "?"
	}
	return s
}
