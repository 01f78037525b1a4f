package cli

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/position"
)

// inputFlags name a file of positions.
type inputFlags struct {
	file    string
	group   string
	noGroup bool
	format  choice
}

func (i *inputFlags) add(cmd *cobra.Command) {
	i.addFile(cmd)
	cmd.Flags().StringVarP(&i.group, "group", "g", "", "the rows are topic,partition,offset of this group `NAME`")
}

// addNoGroup is for commands that need no group: offsets that a program keeps
// itself.
func (i *inputFlags) addNoGroup(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&i.noGroup, "no-group", false, "the rows are topic,partition,offset of no group, as Flink, Spark or a sink keeps them: written back in the same shape")
}

// addFile is for commands whose --group means something else.
func (i *inputFlags) addFile(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&i.file, "input", "i", "", "`FILE` of positions, - for stdin: CSV, JSON of offset fetch or snapshot show, kmap's or kafka-backup's")
	_ = cmd.MarkFlagFilename("input", "csv", "json") // the flag was added just above
	i.addFormat(cmd)
}

// addFormat is for commands that name the file themselves.
func (i *inputFlags) addFormat(cmd *cobra.Command) {
	words := make([]string, 0, len(position.InputFormats()))
	for _, f := range position.InputFormats() {
		words = append(words, string(f))
	}
	addChoice(cmd, &i.format, "input-format", "", "format of the file of positions", words...)
}

// read reads the positions; nothing is used of a file with a mistake in it.
func (i *inputFlags) read(f *Factory) (*position.Set, error) {
	o := position.ReadOptions{Group: i.group}
	if i.noGroup {
		if i.group != "" {
			return nil, &usageError{err: errors.New("--group and --no-group exclude each other")}
		}
		o.Group = position.NoGroup
	}
	set, _, err := i.readAs(f, o)
	return set, err
}

// readAs reads the positions and where they come from, and says what the file
// has that is none.
func (i *inputFlags) readAs(f *Factory, o position.ReadOptions) (*position.Set, position.Origin, error) {
	if i.file == "" {
		return nil, position.Origin{}, &usageError{err: errors.New("-i/--input is missing"), hint: "-i FILE, or -i - for stdin"}
	}
	name := i.file
	r := f.streams.In
	if i.file == "-" {
		name = "stdin"
	} else {
		file, err := os.Open(i.file)
		if err != nil {
			return nil, position.Origin{}, unchanged(pathError("reading positions", i.file, err))
		}
		defer func() { _ = file.Close() }() // only read
		r = file
	}
	o.Format = position.Format(i.format.value)
	set, origin, err := position.Read(r, name, o)
	if errors.Is(err, position.ErrNamesGroups) {
		flag := "--group"
		if i.noGroup {
			flag = "--no-group"
		}
		return nil, position.Origin{}, &usageError{err: errors.New(flag + " is for CSV of three columns, and " + name + " names its groups")}
	}
	if err != nil {
		return nil, position.Origin{}, unchanged(err)
	}
	for _, note := range origin.Notes {
		f.remark("warning: %s: %s", name, clean(note))
	}
	return set, origin, nil
}
