package position

import (
	"fmt"
	"io"
)

// The document of snapshot show and snapshot create with -o json.
const (
	snapshotType    = "snapshot"
	snapshotVersion = 1
)

// readSnapshot reads the JSON of kferry snapshot show. Groups that did not
// exist, that could not be read and that have no committed positions (share
// groups) are in the notes.
func readSnapshot(r io.Reader, name string) (*Set, Origin, error) {
	s := snapshotReader{scanner: newScanner(r), origin: Origin{Format: FormatSnapshot}, groups: map[string]string{}}
	err := s.object("", s.field)
	if err == nil {
		err = s.check()
	}
	if err := s.done(name, err); err != nil {
		return nil, Origin{}, err
	}
	return s.set, s.origin, nil
}

type snapshotReader struct {
	*scanner
	origin             Origin
	kind               string
	version            int64
	groupsN, positions *int64
	rows               int64
	groups             map[string]string // where each stands
	seen               bool
}

func (s *snapshotReader) field(key, path string) error {
	switch key {
	case "type":
		return s.value(path, &s.kind)
	case "format_version":
		return s.value(path, &s.version)
	case "created":
		return s.value(path, &s.origin.At)
	case "cluster_id":
		return s.value(path, &s.origin.ClusterID)
	case "cluster_name":
		return s.value(path, &s.origin.Cluster)
	case "group_count":
		return s.value(path, &s.groupsN)
	case "position_count":
		return s.value(path, &s.positions)
	case "incomplete":
		return s.list(path, func(path string) error {
			var what string
			if err := s.value(path, &what); err != nil {
				return err
			}
			s.origin.Notes = append(s.origin.Notes, "the snapshot is incomplete: "+what)
			return nil
		})
	case "groups":
		s.seen = true
		return s.list(path, s.group)
	}
	return s.skip(path)
}

// check looks at what may stand behind the groups: a file may have had its
// keys sorted.
func (s *snapshotReader) check() error {
	line := s.line()
	switch {
	case s.kind != snapshotType:
		return s.fatal(line, "type", "%q is not %q", shorten(s.kind), snapshotType)
	case s.version != snapshotVersion:
		return s.fatal(line, "format_version", "%d is not known; this kferry reads %d", s.version, snapshotVersion)
	case !s.seen:
		return s.fatal(line, "groups", "is missing")
	case len(s.problems) > 0:
		return nil
	case s.groupsN != nil && *s.groupsN != int64(len(s.groups)):
		return s.fatal(line, "group_count", "it is %d, and there are %d groups: the file was cut or changed", *s.groupsN, len(s.groups))
	case s.positions != nil && *s.positions != s.rows:
		return s.fatal(line, "position_count", "it is %d, and there are %d positions: the file was cut or changed", *s.positions, s.rows)
	}
	return nil
}

func (s *snapshotReader) group(path string) error {
	line, before := s.line(), len(s.problems)
	var group, kind, trouble *string
	var exists *bool
	var rows []kmapRow
	err := s.object(path, func(key, path string) error {
		switch key {
		case "name":
			return s.value(path, &group)
		case "kind":
			return s.value(path, &kind)
		case "error":
			return s.value(path, &trouble)
		case "exists":
			return s.value(path, &exists)
		case "positions":
			return s.list(path, func(path string) error {
				row, err := s.position(path)
				rows = append(rows, row)
				return err
			})
		}
		return s.skip(path)
	})
	switch {
	case err != nil, len(s.problems) > before:
		return err
	case group == nil || *group == "":
		return s.report(line, path, "name is missing")
	case s.groups[*group] != "":
		return s.report(line, path, "group %q is %s already", shorten(*group), s.groups[*group])
	}
	s.groups[*group] = path
	s.rows += int64(len(rows))
	name := shorten(*group)
	switch {
	case trouble != nil && *trouble != "":
		return s.note("group %q could not be read when the snapshot was taken, and is left out: %s", name, *trouble)
	case kind != nil && *kind == "share":
		return s.note("group %q is a share group without committed positions, and is left out", name)
	case exists != nil && !*exists:
		return s.note("group %q did not exist when the snapshot was taken, which no file of positions can say: kferry snapshot restore deletes such a group", name)
	}
	for _, r := range rows {
		if err := s.row(r.line, r.path, *group, r.row); err != nil {
			return err
		}
	}
	return nil
}

func (s *snapshotReader) note(format string, args ...any) error {
	s.origin.Notes = append(s.origin.Notes, fmt.Sprintf(format, args...))
	return nil
}

func (s *snapshotReader) position(path string) (kmapRow, error) {
	r := kmapRow{line: s.line(), path: path}
	before := len(s.problems)
	targets := map[string]any{
		"topic": &r.row.topic, "partition": &r.row.partition, "offset": &r.row.offset,
		"leader_epoch": &r.row.epoch, "metadata": &r.row.metadata, "metadata_base64": &r.row.base64,
	}
	err := s.object(path, func(key, path string) error {
		if to, known := targets[key]; known {
			return s.value(path, to)
		}
		return s.skip(path)
	})
	if err == nil && len(s.problems) == before && (r.row.topic == nil || r.row.partition == nil || r.row.offset == nil) {
		err = s.report(r.line, path, "topic, partition and offset are needed")
	}
	return r, err
}
