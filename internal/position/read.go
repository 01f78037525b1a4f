package position

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Format is how positions stand in a file.
type Format string

// The formats. FormatAuto and FormatSnapshot are only read, FormatCSVTopic is
// only written: it is read as FormatCSV with a group in the options.
const (
	FormatAuto        Format = "auto"
	FormatCSV         Format = "csv"
	FormatCSVTopic    Format = "csv-topic"
	FormatJSON        Format = "json"
	FormatKmap        Format = "kmap"
	FormatKafkaBackup Format = "kafka-backup"
	FormatSnapshot    Format = "snapshot"
)

// InputFormats are those that Read takes, the default first.
func InputFormats() []Format {
	return []Format{FormatAuto, FormatCSV, FormatJSON, FormatKmap, FormatKafkaBackup, FormatSnapshot}
}

// NoGroup is the group of positions that no consumer group has committed:
// those of Flink, Spark or the table of a sink. It is for reading and showing
// them; it is never sent to a broker.
const NoGroup = "(no group)"

// ReadOptions say how a file is read. The zero value finds everything out.
type ReadOptions struct {
	// Format that the file has; "" is FormatAuto.
	Format Format
	// Group of all rows of a CSV topic,partition,offset. A file that names its
	// groups is then refused: it would be unclear which one is meant.
	Group string
	// RowGroup is the same for a CSV whose first row has three fields, and
	// means nothing for any other file. Group wins.
	RowGroup string
}

// ErrNamesGroups is the error for a Group beside a file that names its own.
var ErrNamesGroups = errors.New("a group is given, and the file names its groups")

// EmptyError says that a file has no positions at all.
type EmptyError struct {
	Name string
	// Bytes says that the file has no content whatever.
	NoBytes bool
}

// Error implements error.
func (e *EmptyError) Error() string {
	if e.NoBytes {
		return "reading positions " + e.Name + ": the file has none: it is empty"
	}
	return "reading positions " + e.Name + ": the file has none"
}

// Read reads a file of positions in any format. The name is that of messages.
// Either the whole file is right, or an error comes back and no set: a
// *CSVError with line and column, a *JSONError with line and path, an
// *EmptyError, ErrNamesGroups, or what reading has met. What was left out of
// the set by the nature of the file is in Origin.Notes.
func Read(r io.Reader, name string, o ReadOptions) (*Set, Origin, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if err := beginning(in, name); err != nil {
		return nil, Origin{}, err
	}
	var rest io.Reader = in
	if o.Format == "" || o.Format == FormatAuto {
		var err error
		if o.Format, rest, err = detect(in, name); err != nil {
			return nil, Origin{}, err
		}
	}
	set, origin, err := readAs(rest, name, o)
	if err == nil && set.Len() == 0 {
		err = &EmptyError{Name: name}
	}
	if err != nil {
		return nil, Origin{}, err
	}
	return set, origin, nil
}

func readAs(r io.Reader, name string, o ReadOptions) (*Set, Origin, error) {
	if o.Format == FormatCSV || o.Format == FormatCSVTopic {
		return readRows(r, name, o)
	}
	if o.Group != "" {
		return nil, Origin{}, fmt.Errorf("reading %s: %w", name, ErrNamesGroups)
	}
	switch o.Format {
	case FormatJSON:
		return readJSON(r, name)
	case FormatKmap:
		return readKmap(r, name)
	case FormatKafkaBackup:
		return readKafkaBackup(r, name)
	case FormatSnapshot:
		return readSnapshot(r, name)
	case FormatAuto, FormatCSV, FormatCSVTopic:
	}
	return nil, Origin{}, fmt.Errorf("reading %s: %q is no format of positions", name, o.Format)
}

// readRows reads CSV of either shape.
func readRows(r io.Reader, name string, o ReadOptions) (*Set, Origin, error) {
	last := &lastByte{r: r}
	set, err := ReadCSV(last, &CSVOptions{Group: o.Group, RowGroup: o.RowGroup, Name: name})
	if err != nil {
		return nil, Origin{}, err
	}
	origin := Origin{Format: FormatCSV}
	if last.seen && last.b != '\n' {
		origin.Notes = append(origin.Notes, "the last line has no end: a file that was cut within a number looks like this, too")
	}
	return set, origin, nil
}

// lastByte remembers the last byte that went through.
type lastByte struct {
	r    io.Reader
	b    byte
	seen bool
}

func (l *lastByte) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if n > 0 {
		l.b, l.seen = p[n-1], true
	}
	return n, err
}

// beginning skips a byte order mark and refuses what has no beginning: an
// empty file and UTF-16.
func beginning(in *bufio.Reader, name string) error {
	head, err := in.Peek(len(bom))
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	switch {
	case len(head) == 0:
		return &EmptyError{Name: name, NoBytes: true}
	case string(head) == bom:
		_, err := in.Discard(len(bom))
		return err
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return &CSVError{Name: name, Stopped: true, Problems: []CSVProblem{{Line: 1, Column: 1, Message: "the file is UTF-16", Hint: "save it as UTF-8"}}}
	}
	return nil
}

// errFound ends the look at the beginning of a file.
var errFound = errors.New("found")

// foreign are documents of kferry without positions to take as they are, by
// their format or type, and what to do with them.
var foreign = map[string]string{
	"kferry-snapshot": "this is a stored snapshot, which may hold only what differs from another one: kferry snapshot show ID -o json writes the whole",
	"kferry-plan":     "this is a plan: kferry apply FILE carries it out",
	"plan":            "this is a plan: kferry plan --out FILE writes one that kferry apply takes",
}

// detect finds the format of a file by what it begins with, and returns the
// file as it was.
func detect(in *bufio.Reader, name string) (Format, io.Reader, error) {
	var read bytes.Buffer
	for {
		c, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			return FormatCSV, &read, nil
		}
		if err != nil {
			return "", nil, fmt.Errorf("reading %s: %w", name, err)
		}
		read.WriteByte(c)
		if strings.IndexByte(" \t\r\n", c) >= 0 && read.Len() < MaxRowBytes {
			continue
		}
		if err := in.UnreadByte(); err != nil {
			return "", nil, err
		}
		read.Truncate(read.Len() - 1)
		// A row of CSV cannot begin with a brace unless a group is called so,
		// and such a name can be quoted.
		if c != '{' && c != '[' {
			return FormatCSV, io.MultiReader(&read, in), nil
		}
		break
	}
	lines := bytes.Count(read.Bytes(), []byte("\n"))
	look := newScanner(io.TeeReader(io.LimitReader(in, MaxValueBytes), &read))
	look.tap.line += lines
	format, err := look.format()
	if errors.Is(err, errFound) {
		return format, io.MultiReader(&read, in), nil
	}
	return "", nil, look.done(name, err)
}

// format reads until a key tells what the document is, and then ends with
// errFound.
func (s *scanner) format() (format Format, err error) {
	line := s.line()
	err = s.object("", func(key, path string) error {
		switch key {
		case "format", "type":
			var word string
			at := s.line()
			if err := s.value(path, &word); err != nil {
				return err
			}
			switch {
			case key == "format" && word == JSONFormat:
				format = FormatJSON
			case key == "type" && word == snapshotType:
				format = FormatSnapshot
			default:
				return s.fatal(at, path, "%q has no positions to read: %s", shorten(word),
					firstOf(foreign[word], "the formats are those of offset fetch -o json, snapshot show -o json, kmap and kafka-backup, and CSV"))
			}
			return errFound
		case "group_count", "position_count":
			format = FormatSnapshot
			return errFound
		case "consumer_groups", "captured_at":
			format = FormatKmap
			return errFound
		case "group_offsets", "snapshot_id", "snapshot_time":
			format = FormatKafkaBackup
			return errFound
		}
		return s.skip(path)
	})
	if err == nil {
		err = s.fatal(line, "", "nothing tells which format the file has: JSON of positions is that of offset fetch -o json, snapshot show -o json, kmap or kafka-backup")
	}
	return format, err
}
