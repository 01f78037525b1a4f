package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/api"
)

func newClusterCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "cluster COMMAND",
		Short:   "List and test clusters",
		GroupID: "clusters",
		Args:    cobra.ArbitraryArgs,
		RunE:    runParent,

		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(newClusterListCmd(f), newClusterTestCmd(f))
	return cmd
}

// clusterListJSON are the clusters of the config file for programs.
type clusterListJSON struct {
	header
	Clusters []clusterJSON `json:"clusters"`
}

type clusterJSON struct {
	Name        string   `json:"name"`
	Bootstrap   []string `json:"bootstrap"`
	Login       string   `json:"login"`
	Protected   bool     `json:"protected"`
	Description string   `json:"description"`
}

func newClusterListCmd(f *Factory) *cobra.Command {
	var out choice
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the clusters of the config file",
		Args:  exactArgs(),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := f.loadConfig()
			if err != nil {
				return err
			}
			if out.value == asJSON {
				doc := clusterListJSON{header: head("cluster-list"), Clusters: []clusterJSON{}}
				for _, c := range cfg.Config.Clusters {
					doc.Clusters = append(doc.Clusters, clusterJSON{
						Name: c.Name, Bootstrap: list(c.Bootstrap), Login: loginText(c), Protected: c.Protected, Description: c.Description,
					})
				}
				return writeJSON(f.stdout(), doc)
			}
			t := newTable(f.outPaint(), "NAME", "BOOTSTRAP", "LOGIN", "PROTECTED", "DESCRIPTION")
			for _, c := range cfg.Config.Clusters {
				protected := "no"
				if c.Protected {
					protected = "yes"
				}
				t.row(c.Name, strings.Join(c.Bootstrap, ","), loginText(c), protected, c.Description)
			}
			if t.empty() {
				f.remark("No cluster is configured; 'kferry help environment' says where the config file is looked for.")
				return nil
			}
			return t.write(f.stdout())
		},
	}
	addOutput(cmd, &out, asTable, asJSON)
	return cmd
}

// loginText says in a few words how a cluster is logged in to.
func loginText(c api.Cluster) string {
	switch {
	case c.CommandConfig != "":
		return "client.properties"
	case c.Security == nil:
		return api.ProtocolPlaintext
	case c.Security.SASLMechanism != "":
		return c.Security.Protocol + " " + c.Security.SASLMechanism
	}
	return c.Security.Protocol
}
