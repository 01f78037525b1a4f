package position

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kferry/kferry/internal/topic"
)

// Format and version of the JSON of positions.
const (
	JSONFormat  = "kferry.positions"
	JSONVersion = 1
)

// Origin says where positions come from.
type Origin struct {
	// Cluster is its name or its addresses, ClusterID its ID; "" is unknown.
	Cluster   string
	ClusterID string
	// At is when they were read.
	At time.Time
	// Format is that of the file.
	Format Format
	// Notes say what of the file is not among the positions, or makes it
	// doubtful, one sentence each.
	Notes []string
}

type jsonHead struct {
	Format    string     `json:"format"`
	Version   int        `json:"version"`
	Cluster   string     `json:"cluster,omitempty"`
	ClusterID string     `json:"cluster_id,omitempty"`
	At        *time.Time `json:"at,omitempty"`
}

type jsonPosition struct {
	Group       string `json:"group"`
	Topic       string `json:"topic"`
	Partition   int32  `json:"partition"`
	Offset      int64  `json:"offset"`
	LeaderEpoch int32  `json:"leader_epoch"`
	Metadata    string `json:"metadata,omitempty"`
	// MetadataBase64 takes the place of Metadata that is not UTF-8, which JSON
	// would change.
	MetadataBase64 string `json:"metadata_base64,omitempty"`
}

// WriteJSON writes a set with everything that a Position has, one position to
// a line. Names that are not UTF-8 are an *UnwritableError.
func WriteJSON(w io.Writer, s *Set, from Origin) error {
	for p := range s.Each() {
		if err := writable(p); err != nil {
			return err
		}
	}
	head := jsonHead{Format: JSONFormat, Version: JSONVersion, Cluster: from.Cluster, ClusterID: from.ClusterID}
	if !from.At.IsZero() {
		at := from.At.UTC()
		head.At = &at
	}
	b, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("writing positions as JSON: %w", err)
	}
	out := bufio.NewWriter(w)
	_, _ = out.WriteString(strings.TrimSuffix(string(b), "}") + `,"positions":[`)
	sep := "\n"
	for p := range s.Each() {
		row := jsonPosition{
			Group: p.Group, Topic: p.Partition.Topic, Partition: p.Partition.Partition,
			Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: p.Metadata,
		}
		if !utf8.ValidString(p.Metadata) {
			row.Metadata, row.MetadataBase64 = "", base64.StdEncoding.EncodeToString([]byte(p.Metadata))
		}
		if b, err = json.Marshal(row); err != nil {
			return fmt.Errorf("writing position %s as JSON: %w", p.Key(), err)
		}
		_, _ = out.WriteString(sep)
		_, _ = out.Write(b)
		sep = ",\n"
	}
	_, _ = out.WriteString("\n]}\n")
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing positions as JSON: %w", err)
	}
	return nil
}

// ReadJSON reads what WriteJSON wrote. A field that is missing is an error and
// never 0; fields that are not known are passed over; another format or a
// newer version is refused. Either everything is right or a *JSONError comes
// back (an error of the stream as it is) and no set.
func ReadJSON(r io.Reader) (*Set, Origin, error) { return readJSON(r, "") }

func readJSON(r io.Reader, name string) (*Set, Origin, error) {
	j := jsonReader{scanner: newScanner(r), origin: Origin{Format: FormatJSON}}
	err := j.object("", j.field)
	if err == nil && !j.seen {
		if err = j.head(j.line()); err == nil {
			err = j.report(j.line(), "positions", "is missing")
		}
	}
	if err := j.done(name, err); err != nil {
		return nil, Origin{}, err
	}
	return j.set, j.origin, nil
}

type jsonReader struct {
	*scanner
	origin  Origin
	format  string
	version int64
	seen    bool
}

func (j *jsonReader) field(key, path string) error {
	switch key {
	case "format":
		return j.value(path, &j.format)
	case "version":
		return j.value(path, &j.version)
	case "cluster":
		return j.value(path, &j.origin.Cluster)
	case "cluster_id":
		return j.value(path, &j.origin.ClusterID)
	case "at":
		return j.value(path, &j.origin.At)
	case "positions":
		// What the rows mean stands before them in every file of ours, and
		// rows of another format would only give misleading errors.
		j.seen = true
		if err := j.head(j.line()); err != nil {
			return err
		}
		return j.list(path, j.position)
	}
	return j.skip(path)
}

func (j *jsonReader) head(line int) error {
	switch {
	case j.format != JSONFormat:
		return j.fatal(line, "format", "%q is not %q", shorten(j.format), JSONFormat)
	case j.version != JSONVersion:
		return j.fatal(line, "version", "%d is not known; this kferry reads %d", j.version, JSONVersion)
	}
	return nil
}

// jsonRow is a row of which every field may be missing.
type jsonRow struct {
	group, topic, metadata, base64 *string
	partition, epoch               *int32
	offset                         *int64
}

func (j *jsonReader) position(path string) error {
	var row jsonRow
	line, before := j.line(), len(j.problems)
	targets := map[string]any{
		"group": &row.group, "topic": &row.topic, "partition": &row.partition, "offset": &row.offset,
		"leader_epoch": &row.epoch, "metadata": &row.metadata, "metadata_base64": &row.base64,
	}
	err := j.object(path, func(key, path string) error {
		if to, known := targets[key]; known {
			return j.value(path, to)
		}
		return j.skip(path)
	})
	if err != nil || len(j.problems) > before {
		return err
	}
	if row.group == nil {
		return j.report(line, path, "group, topic, partition and offset are needed")
	}
	return j.row(line, path, *row.group, row)
}

// row adds what was read of a position of a group.
func (s *scanner) row(line int, path, group string, row jsonRow) error {
	if row.topic == nil || row.partition == nil || row.offset == nil {
		return s.report(line, path, "group, topic, partition and offset are needed")
	}
	p := Position{Group: group, Partition: topic.Partition{Topic: *row.topic, Partition: *row.partition}, Offset: *row.offset, LeaderEpoch: -1}
	if row.epoch != nil {
		p.LeaderEpoch = *row.epoch
	}
	switch {
	case row.metadata != nil && row.base64 != nil:
		return s.report(line, path, "metadata and metadata_base64 exclude each other")
	case row.metadata != nil:
		p.Metadata = *row.metadata
	case row.base64 != nil:
		b, err := base64.StdEncoding.DecodeString(*row.base64)
		if err != nil {
			return s.report(line, path+".metadata_base64", "is not base64")
		}
		p.Metadata = string(b)
	}
	return s.add(line, path, p)
}
