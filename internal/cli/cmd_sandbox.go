package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/sandbox/lab"
)

// sandboxOptions are the flags of "kferry sandbox".
type sandboxOptions struct {
	lab       lab.Options
	configOut string
	output    choice
}

func newSandboxCmd(f *Factory) *cobra.Command {
	o := &sandboxOptions{}
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Two filled clusters to try every command on, kept up until Ctrl-C",
		Long: "Starts two small Kafka clusters inside this process, " + lab.SourceName + " and " + lab.TargetName + ", that listen on loopback and speak the\n" +
			"real protocol. On " + lab.SourceName + " are topics of several kinds and consumer groups at all kinds of places; on " + lab.TargetName + "\n" +
			"are copies of the topics as several movers leave them: by header (Kannika Armory, OSO kafka-backup,\n" +
			"Redpanda Migrator), by MirrorMaker 2 with its offset syncs and checkpoints, and without any trace.\n" +
			"One mover is still copying, --rate records a second, so that 'plan --wait' has something to wait for.\n\n" +
			"Once everything is there, it prints the addresses, a config file that names them, and commands to\n" +
			"try from another terminal. It stays up until Ctrl-C or SIGTERM, and then leaves nothing behind: the\n" +
			"clusters are in memory, and the config file and the state of what you ran are deleted.\n" +
			"Equal --records and --seed give equal records, copies and positions.",
		Example: "  kferry sandbox\n" +
			"  kferry sandbox --records 100000 --rate 500 --config-out sandbox.yaml\n" +
			"  kferry sandbox --from-port 19092 --to-port 29092 -o json",
		GroupID: "start",
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runSandbox(cmd.Context(), f, o) },
	}
	flags := cmd.Flags()
	flags.IntVar(&o.lab.Records, "records", lab.DefaultRecords, fmt.Sprintf("`NUMBER` of records of each topic, %d to %d", lab.MinRecords, lab.MaxRecords))
	flags.Uint64Var(&o.lab.Seed, "seed", 1, "`NUMBER` from which everything random follows")
	flags.Float64Var(&o.lab.Rate, "rate", lab.DefaultRate, "`RECORDS` a second of the mover that is still copying")
	flags.IntVar(&o.lab.SourcePort, "from-port", 0, "`PORT` of cluster "+lab.SourceName+" (default: one that is free)")
	flags.IntVar(&o.lab.TargetPort, "to-port", 0, "`PORT` of cluster "+lab.TargetName+" (default: one that is free)")
	flags.StringVar(&o.configOut, "config-out", "", "write the config file to `FILE`, which must not exist (default: in a folder for temporary files)")
	addOutput(cmd, &o.output, asTable, asJSON)
	return cmd
}

func (o *sandboxOptions) validate() error {
	switch l := o.lab; {
	case l.Records < lab.MinRecords || l.Records > lab.MaxRecords:
		return &usageError{err: fmt.Errorf("--records %d: it must be %d to %d", l.Records, lab.MinRecords, lab.MaxRecords)}
	case !(l.Rate > 0 && l.Rate <= 1e6):
		return &usageError{err: fmt.Errorf("--rate %g: it must be above 0, and a million at most", l.Rate)}
	case l.SourcePort < 0 || l.SourcePort > 65535 || l.TargetPort < 0 || l.TargetPort > 65535:
		return &usageError{err: errors.New("--from-port and --to-port must be 0 (one that is free) to 65535")}
	case l.SourcePort != 0 && l.SourcePort == l.TargetPort:
		return &usageError{err: fmt.Errorf("--from-port and --to-port are both %d", l.SourcePort)}
	}
	return nil
}

// runSandbox keeps the sandbox up until it is interrupted, which is how it is
// meant to end.
func runSandbox(ctx context.Context, f *Factory, o *sandboxOptions) (err error) {
	if err := o.validate(); err != nil {
		return err
	}
	files, err := newSandboxFiles(o.configOut)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.remove()) }()
	filling := &stages{f: f}
	o.lab.Now = f.streams.now
	o.lab.Progress = func(done, total int) { filling.set("filling the sandbox", "steps", int64(done), int64(total)) }
	box, err := lab.Open(ctx, o.lab)
	filling.end()
	if err != nil {
		return fmt.Errorf("starting the sandbox: %w", err)
	}
	defer box.Close()
	if err := files.write(box); err != nil {
		return err
	}
	doc := sandboxDoc(box, files)
	if o.output.value == asJSON {
		err = writeJSON(f.stdout(), doc)
	} else {
		err = doc.show(f)
	}
	if err != nil {
		return err
	}
	return keepUp(ctx, f, box)
}

// keepUp runs the mover that goes on, and waits for the interrupt.
func keepUp(ctx context.Context, f *Factory, box *lab.Lab) error {
	copying := &stages{f: f}
	err := box.Run(ctx, func(done, total int64) { copying.set("copying "+box.Slow(), "records", done, total) })
	copying.end()
	if err != nil {
		return err
	}
	if ctx.Err() == nil {
		f.remark("The mover has copied all of %s.", box.Slow())
		<-ctx.Done()
	}
	f.remark("The sandbox has stopped; its clusters and files are gone.")
	return nil
}

// sandboxFiles are the config file and the folder that holds it, and the state
// of whatever is run with it.
type sandboxFiles struct {
	dir, config, state string
	// written: the config file is ours, and not one that was there before.
	written bool
}

func newSandboxFiles(configOut string) (*sandboxFiles, error) {
	if configOut != "" {
		if _, err := os.Lstat(configOut); err == nil {
			return nil, &usageError{err: fmt.Errorf("--config-out %s: there is such a file already", configOut), hint: "name another one, or delete it"}
		}
	}
	dir, err := os.MkdirTemp("", "kferry-sandbox-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the sandbox: %w", err)
	}
	s := &sandboxFiles{dir: dir, config: filepath.Join(dir, "kferry.yaml"), state: filepath.Join(dir, "state")}
	if configOut != "" {
		if s.config, err = filepath.Abs(configOut); err != nil {
			return nil, errors.Join(pathError("writing", configOut, err), os.RemoveAll(dir))
		}
	}
	return s, nil
}

// write makes the config file. Nobody commits on these clusters but who tries
// things, so that a short settle time is enough.
func (s *sandboxFiles) write(box *lab.Lab) error {
	text, err := yaml.Marshal(sandboxConfig(box, s.state))
	if err != nil {
		return fmt.Errorf("writing the sandbox's config file: %w", err)
	}
	text = append([]byte("# Written by kferry sandbox, which deletes it when it stops.\n"), text...)
	if err := putNew(s.config, text); err != nil {
		return pathError("writing", s.config, err)
	}
	s.written = true
	return nil
}

// putNew makes a file that is there in full as soon as its name is, for whoever
// waits for it, and that replaces no other.
func putNew(path string, text []byte) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	_, err = file.Write(text)
	if closing := file.Close(); err != nil || closing != nil {
		return errors.Join(err, closing)
	}
	if err = os.Link(file.Name(), path); err == nil || errors.Is(err, os.ErrExist) {
		return err
	}
	// A file system without hard links.
	plain, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = plain.Write(text)
	return errors.Join(err, plain.Close())
}

// sandboxYAML is the part of a config file that a sandbox needs.
type sandboxYAML struct {
	Clusters []sandboxClusterYAML `yaml:"clusters"`
	State    string               `yaml:"state"`
	Defaults map[string]string    `yaml:"defaults"`
}

type sandboxClusterYAML struct {
	Name      string   `yaml:"name"`
	Bootstrap []string `yaml:"bootstrap"`
}

func sandboxConfig(box *lab.Lab, state string) sandboxYAML {
	return sandboxYAML{
		Clusters: []sandboxClusterYAML{
			{Name: lab.SourceName, Bootstrap: []string{box.Source()}},
			{Name: lab.TargetName, Bootstrap: []string{box.Target()}},
		},
		State: state, Defaults: map[string]string{"settle": "1s"},
	}
}

// remove deletes what was written; the config file only when it is ours.
func (s *sandboxFiles) remove() error {
	err := os.RemoveAll(s.dir)
	if filepath.Dir(s.config) != s.dir && s.written {
		err = errors.Join(err, os.Remove(s.config))
	}
	if err != nil {
		return fmt.Errorf("deleting the sandbox's files: %w", err)
	}
	return nil
}
