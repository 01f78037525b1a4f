package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/script"
)

// scriptFlags say for which cluster a script is, where nothing connects to it.
type scriptFlags struct {
	cluster clusterFlags
	out     string
}

func (s *scriptFlags) add(f *Factory, cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&s.cluster.bootstrap, "bootstrap-server", "b", "", "default of BOOTSTRAP in the script, `HOST:PORT[,...]`")
	fs.StringVarP(&s.cluster.name, "cluster", "c", "", "the same, as a `NAME` of the config file")
	fs.StringVar(&s.cluster.login.commandConfig, "command-config", "", "default of COMMAND_CONFIG in the script, a client.properties `FILE` where it is run")
	completeClusters(f, cmd, "cluster")
	s.addOut(cmd)
}

func (s *scriptFlags) addOut(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.out, "out", "", "write to `FILE`, which must not exist yet, instead of stdout")
}

// headOf is the top of a script for a cluster. What the config file says of a
// login by itself is not in a script.
func (f *Factory) headOf(c api.Cluster) script.Head {
	if c.Security != nil && c.CommandConfig == "" {
		f.remark("the login of cluster %q is in the config file and not in the script: run it with COMMAND_CONFIG=client.properties", c.Name)
	}
	return script.Head{
		Tool: toolName(), Made: f.streams.now(), ClusterName: c.Name, Bootstrap: c.Bootstrap, CommandConfig: c.CommandConfig,
	}
}

type offsetScriptOptions struct {
	scriptFlags
	input   inputFlags
	choices script.Choices
}

func newOffsetScriptCmd(f *Factory) *cobra.Command {
	o := &offsetScriptOptions{}
	cmd := &cobra.Command{
		Use:   "script PLAN | script -i FILE",
		Short: "Write a bash script that sets the positions with Kafka's own tool",
		Long: "Writes a script for kafka-consumer-groups.sh, to be reviewed and run where kferry is not. Of each group\n" +
			"the script refuses members, positions that have moved since the plan, and offsets outside the log;\n" +
			"it sets and deletes what the plan says, reads all back, and stops at the first failure. DRY_RUN=1\n" +
			"changes nothing. What is left to 'kferry apply' alone is in docs/scripts.md. This command connects to\n" +
			"no cluster.\n\n" +
			"The exit code is 3 when groups of the plan are not in the script; each is named.",
		Example: "  kferry offset script plan.json --out move.sh\n" +
			"  kferry offset script -i target.csv -b localhost:9093 > move.sh && DRY_RUN=1 bash move.sh",
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return exactArgs("PLAN")(cmd, args)
			case len(args) == 1 && o.input.file != "":
				return errors.New("PLAN and -i/--input exclude each other")
			case len(args) == 0 && o.input.file == "":
				return fmt.Errorf("%s: argument PLAN is missing, or -i FILE", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return runOffsetScript(f, o, args) },
	}
	o.add(f, cmd)
	o.input.add(cmd)
	cmd.Flags().BoolVar(&o.choices.DropMetadata, "drop-metadata", false, "write groups whose positions carry metadata, too: the tool commits them without it")
	return cmd
}

func runOffsetScript(f *Factory, o *offsetScriptOptions, args []string) error {
	var (
		s       *script.Offsets
		refused []script.Refused
		err     error
	)
	if len(args) == 1 {
		s, refused, err = o.ofPlan(f, args[0])
	} else {
		s, refused, err = o.ofFile(f)
	}
	if err != nil {
		return err
	}
	for _, r := range refused {
		f.remark("group %q is not in the script: %s", r.Group, r.Reason)
		if r.Hint != "" {
			f.remark("  %s", r.Hint)
		}
	}
	if len(s.Groups) == 0 {
		if len(refused) == 0 {
			return &failure{err: errors.New("the plan changes nothing: no script was written")}
		}
		return &failure{code: ExitPartial, err: errors.New("no group can be put into a script: none was written")}
	}
	var text bytes.Buffer
	if err := s.Write(&text); err != nil {
		return err
	}
	if err := o.write(f, text.Bytes()); err != nil {
		return err
	}
	if len(refused) > 0 {
		return &failure{code: ExitPartial, err: fmt.Errorf("%d of %s are not in the script", len(refused), count(len(refused)+len(s.Groups), "group", "groups"))}
	}
	return nil
}

func (o *offsetScriptOptions) ofPlan(f *Factory, path string) (*script.Offsets, []script.Refused, error) {
	if o.input.group != "" {
		return nil, nil, &usageError{err: errors.New("--group is for -i/--input with three columns, and this is a plan")}
	}
	p, err := readPlan(f, path)
	if err != nil {
		return nil, nil, err
	}
	flag, value := "--bootstrap-server", o.cluster.bootstrap
	if o.cluster.name != "" {
		if value != "" {
			_, err := o.cluster.resolve(f) // refuses both
			return nil, nil, err
		}
		flag, value = "--cluster", o.cluster.name
	}
	c, err := f.planCluster(p.Target, flag, value, o.cluster.login.commandConfig)
	if err != nil {
		return nil, nil, err
	}
	s := &script.Offsets{Head: f.headOf(c)}
	s.ClusterID, s.ClusterName = p.Target.ID, p.Target.Name
	s.Of = []string{
		fmt.Sprintf("plan %s (%s), made at %s by %s", path, p.Kind, p.Created.UTC().Format(timeLayout), p.Tool),
		"plan digest " + p.Digest,
	}
	for _, a := range p.Asked {
		s.Of = append(s.Of, "asked for "+a)
	}
	refused := s.FromPlan(p, o.choices)
	return s, refused, nil
}

func (o *offsetScriptOptions) ofFile(f *Factory) (*script.Offsets, []script.Refused, error) {
	set, err := o.input.read(f)
	if err != nil {
		return nil, nil, err
	}
	var c api.Cluster
	if o.cluster.given() {
		if c, err = o.cluster.resolve(f); err != nil {
			return nil, nil, err
		}
	} else {
		c.CommandConfig = o.cluster.login.commandConfig
		f.remark("no cluster is named: the script wants BOOTSTRAP=HOST:PORT when it is run")
	}
	s := &script.Offsets{Head: f.headOf(c)}
	s.Of = []string{"positions of " + o.input.file + "; what the groups had was not looked at"}
	refused := s.FromPositions(set, o.choices)
	return s, refused, nil
}

const timeLayout = "2006-01-02T15:04:05Z"

// write writes a result to stdout, or whole to a file that was not there.
func (s *scriptFlags) write(f *Factory, text []byte) error {
	if s.out == "" {
		if _, err := f.stdout().Write(text); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
		return nil
	}
	mode := fs.FileMode(0o644)
	if bytes.HasPrefix(text, []byte("#!")) {
		mode = 0o755
	}
	return writeNew(s.out, text, mode)
}

// writeNew writes a file whole or not at all, and never over another one.
func writeNew(path string, text []byte, mode fs.FileMode) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return &usageError{err: fmt.Errorf("--out %s: the file exists", path), hint: "choose another name, or remove it first"}
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".kferry-out-*")
	if err != nil {
		return pathError("writing", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(pathError("writing", path, err), os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
