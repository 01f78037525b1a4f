package position

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

type kmapFile struct {
	Timestamp string      `json:"timestamp"`
	Cluster   string      `json:"cluster"`
	Groups    []kmapGroup `json:"consumer_groups"`
}

type kmapGroup struct {
	Group     string                  `json:"group"`
	Topics    map[string][]kmapOffset `json:"topics"`
	Timestamp string                  `json:"timestamp"`
}

type kmapOffset struct {
	Partition int32 `json:"partition"`
	Offset    int64 `json:"offset"`
}

// WriteKmap writes a set as the JSON of kmap's -save-offsets. Leader epochs and
// metadata are not in it. The time is RFC 3339 in UTC, the same for all
// groups. Names that are not UTF-8 are an *UnwritableError. The file is built
// in memory, as kmap's readers take it.
func WriteKmap(w io.Writer, s *Set, from Origin) error {
	for p := range s.Each() {
		if err := writable(p); err != nil {
			return err
		}
	}
	at := from.At.UTC().Format(time.RFC3339)
	file := kmapFile{Timestamp: at, Cluster: from.Cluster, Groups: []kmapGroup{}}
	for _, name := range s.Groups() {
		g := kmapGroup{Group: name, Topics: make(map[string][]kmapOffset), Timestamp: at}
		for _, p := range s.ByGroup(name) {
			t := p.Partition.Topic
			g.Topics[t] = append(g.Topics[t], kmapOffset{Partition: p.Partition.Partition, Offset: p.Offset})
		}
		file.Groups = append(file.Groups, g)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(file); err != nil {
		return fmt.Errorf("writing positions as kmap does: %w", err)
	}
	return nil
}

// readKmap reads the JSON of kmap's -save-offsets, also in the variant that
// calls the time captured_at. Groups without topics are in none of kmap's own
// files, and are passed over with a note.
func readKmap(r io.Reader, name string) (*Set, Origin, error) {
	k := kmapReader{scanner: newScanner(r), origin: Origin{Format: FormatKmap}, groups: map[string]string{}}
	err := k.object("", k.field)
	if err == nil && !k.seen {
		err = k.report(k.line(), "consumer_groups", "is missing")
	}
	if err := k.done(name, err); err != nil {
		return nil, Origin{}, err
	}
	return k.set, k.origin, nil
}

type kmapReader struct {
	*scanner
	origin Origin
	groups map[string]string // where each stands
	seen   bool
}

func (k *kmapReader) field(key, path string) error {
	switch key {
	case "timestamp", "captured_at":
		var at *time.Time
		if err := k.value(path, &at); err != nil || at == nil {
			return err
		}
		k.origin.At = *at
		return nil
	case "cluster":
		return k.value(path, &k.origin.Cluster)
	case "consumer_groups":
		k.seen = true
		return k.list(path, k.group)
	case "version", "format_version":
		return k.unknown(path)
	}
	return k.skip(path)
}

// kmapRow is a position whose group may stand behind it.
type kmapRow struct {
	line int
	path string
	row  jsonRow
}

func (k *kmapReader) group(path string) error {
	line, before := k.line(), len(k.problems)
	var group *string
	var rows []kmapRow
	topics := false
	err := k.object(path, func(key, path string) error {
		switch key {
		case "group":
			return k.value(path, &group)
		case "topics":
			topics = true
			return k.object(path, func(name, path string) error {
				return k.list(path, func(path string) error {
					row, err := k.position(path)
					row.row.topic = &name
					rows = append(rows, row)
					return err
				})
			})
		}
		return k.skip(path)
	})
	switch {
	case err != nil, len(k.problems) > before:
		return err
	case group == nil || *group == "":
		return k.report(line, path, "group is missing")
	case !topics:
		return k.report(line, path, "topics is missing")
	case k.groups[*group] != "":
		return k.report(line, path, "group %q is %s already", shorten(*group), k.groups[*group])
	}
	k.groups[*group] = path
	if len(rows) == 0 {
		k.origin.Notes = append(k.origin.Notes, fmt.Sprintf("group %q has no positions in the file", shorten(*group)))
	}
	for _, r := range rows {
		if err := k.row(r.line, r.path, *group, r.row); err != nil {
			return err
		}
	}
	return nil
}

func (k *kmapReader) position(path string) (kmapRow, error) {
	r := kmapRow{line: k.line(), path: path}
	before := len(k.problems)
	err := k.object(path, func(key, path string) error {
		switch key {
		case "partition":
			return k.value(path, &r.row.partition)
		case "offset":
			return k.value(path, &r.row.offset)
		}
		return k.unknown(path)
	})
	if err == nil && len(k.problems) == before && (r.row.partition == nil || r.row.offset == nil) {
		err = k.report(r.line, path, "partition and offset are needed")
	}
	return r, err
}
