package position

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"
)

// What kafka-backup keeps as offset-snapshots/ID/snapshot.json: its structs
// OffsetSnapshot, GroupOffsetState and PartitionOffsetState.
type backupFile struct {
	SnapshotID  string                 `json:"snapshot_id"`
	CreatedAt   string                 `json:"created_at"`
	Groups      map[string]backupGroup `json:"group_offsets"`
	RestoreID   *string                `json:"restore_id"`
	ClusterID   *string                `json:"cluster_id"`
	Bootstrap   []string               `json:"bootstrap_servers"`
	Description *string                `json:"description"`
}

type backupGroup struct {
	GroupID string                             `json:"group_id"`
	Offsets map[string]map[string]backupOffset `json:"offsets"`
	Count   int                                `json:"partition_count"`
}

type backupOffset struct {
	Offset    int64   `json:"offset"`
	Metadata  *string `json:"metadata"`
	Timestamp *int64  `json:"timestamp"`
}

// WriteKafkaBackup writes a set as a snapshot of offsets of OSO kafka-backup,
// to be put where it looks for one: offset-snapshots/SNAPSHOT_ID/snapshot.json.
// Leader epochs are not in it, and metadata that is not UTF-8 is left out.
// Names that are not UTF-8 are an *UnwritableError. The file is built in memory,
// as its reader takes it.
func WriteKafkaBackup(w io.Writer, s *Set, from Origin) error {
	for p := range s.Each() {
		if err := writable(p); err != nil {
			return err
		}
	}
	at := from.At.UTC()
	file := backupFile{
		SnapshotID: "kferry-" + at.Format("20060102T150405Z"), CreatedAt: at.Format(time.RFC3339Nano),
		Groups: map[string]backupGroup{}, Bootstrap: []string{},
	}
	if from.ClusterID != "" {
		file.ClusterID = &from.ClusterID
	}
	for _, name := range s.Groups() {
		g := backupGroup{GroupID: name, Offsets: map[string]map[string]backupOffset{}}
		for _, p := range s.ByGroup(name) {
			o := backupOffset{Offset: p.Offset}
			if p.Metadata != "" && utf8.ValidString(p.Metadata) {
				o.Metadata = &p.Metadata
			}
			if g.Offsets[p.Partition.Topic] == nil {
				g.Offsets[p.Partition.Topic] = map[string]backupOffset{}
			}
			g.Offsets[p.Partition.Topic][strconv.Itoa(int(p.Partition.Partition))] = o
			g.Count++
		}
		file.Groups[name] = g
	}
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(file); err != nil {
		return fmt.Errorf("writing positions as kafka-backup does: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing positions as kafka-backup does: %w", err)
	}
	return nil
}

// readKafkaBackup reads both files with offsets of OSO kafka-backup: the
// snapshot.json of its offset-rollback, and the consumer-groups-snapshot.json
// of its snapshot-groups, which has numbers in place of objects and a list of
// groups.
func readKafkaBackup(r io.Reader, name string) (*Set, Origin, error) {
	b := backupReader{scanner: newScanner(r), origin: Origin{Format: FormatKafkaBackup}, groups: map[string]string{}}
	err := b.object("", b.field)
	if err == nil && !b.seen {
		err = b.report(b.line(), "group_offsets", "is missing")
	}
	if err := b.done(name, err); err != nil {
		return nil, Origin{}, err
	}
	return b.set, b.origin, nil
}

type backupReader struct {
	*scanner
	origin Origin
	groups map[string]string // where each stands
	seen   bool
}

func (b *backupReader) field(key, path string) error {
	switch key {
	case "created_at":
		return b.value(path, &b.origin.At)
	case "cluster_id":
		var id *string
		if err := b.value(path, &id); err != nil || id == nil {
			return err
		}
		b.origin.ClusterID = *id
		return nil
	case "snapshot_time":
		var ms *int64
		if err := b.value(path, &ms); err != nil || ms == nil {
			return err
		}
		b.origin.At = time.UnixMilli(*ms).UTC()
		return nil
	case "group_offsets":
		b.seen = true
		return b.object(path, func(name, path string) error { return b.group(path, &name) })
	case "groups":
		b.seen = true
		return b.list(path, func(path string) error { return b.group(path, nil) })
	case "version", "format_version":
		return b.unknown(path)
	}
	return b.skip(path)
}

// group reads one group, which has the name of its key when it has one.
func (b *backupReader) group(path string, named *string) error {
	line, before := b.line(), len(b.problems)
	var group *string
	var count *int64
	var rows []kmapRow
	offsets := false
	err := b.object(path, func(key, path string) error {
		switch key {
		case "group_id":
			return b.value(path, &group)
		case "partition_count":
			return b.value(path, &count)
		case "offsets":
			offsets = true
			return b.object(path, func(topicName, path string) error {
				return b.object(path, func(number, path string) error {
					row, err := b.position(path, topicName, number, named == nil)
					rows = append(rows, row)
					return err
				})
			})
		}
		return b.skip(path)
	})
	switch {
	case err != nil, len(b.problems) > before:
		return err
	case group == nil || *group == "":
		return b.report(line, path, "group_id is missing")
	case named != nil && *named != *group:
		return b.report(line, path, "group_id is %q, and the group stands under %q", shorten(*group), shorten(*named))
	case !offsets:
		return b.report(line, path, "offsets is missing")
	case b.groups[*group] != "":
		return b.report(line, path, "group %q is %s already", shorten(*group), b.groups[*group])
	case count != nil && *count != int64(len(rows)):
		return b.report(line, path, "partition_count is %d, and there are %d positions", *count, len(rows))
	}
	b.groups[*group] = path
	if len(rows) == 0 {
		b.origin.Notes = append(b.origin.Notes, fmt.Sprintf("group %q has no positions in the file, which is also what kafka-backup writes of a group that it could not read", shorten(*group)))
	}
	for _, r := range rows {
		if err := b.row(r.line, r.path, *group, r.row); err != nil {
			return err
		}
	}
	return nil
}

// position reads one offset, a bare number or an object.
func (b *backupReader) position(path, topicName, number string, bare bool) (kmapRow, error) {
	r := kmapRow{line: b.line(), path: path, row: jsonRow{topic: &topicName}}
	before := len(b.problems)
	n, ok := parseDigits(number, 32)
	if !ok {
		if err := b.report(r.line, path, "%s is no number of a partition", quoted(number)); err != nil {
			return r, err
		}
	}
	partition := int32(n) //nolint:gosec // parseDigits keeps it within 31 bits
	r.row.partition = &partition
	var err error
	if bare {
		err = b.value(path, &r.row.offset)
	} else {
		err = b.object(path, func(key, path string) error {
			switch key {
			case "offset":
				return b.value(path, &r.row.offset)
			case "metadata":
				return b.value(path, &r.row.metadata)
			case "timestamp":
				return b.skip(path)
			}
			return b.unknown(path)
		})
	}
	if err == nil && len(b.problems) == before && r.row.offset == nil {
		err = b.report(r.line, path, "offset is missing")
	}
	return r, err
}
