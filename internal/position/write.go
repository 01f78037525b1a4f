package position

import (
	"fmt"
	"io"
	"unicode/utf8"
)

// OutputFormats are those that Write takes.
func OutputFormats() []Format {
	return []Format{FormatCSV, FormatCSVTopic, FormatJSON, FormatKmap, FormatKafkaBackup}
}

// Loss counts what a format has no place for.
type Loss struct {
	// Metadata and Epochs are the positions whose metadata and whose leader
	// epoch are not in the file.
	Metadata, Epochs int
}

// LossOf is what Write leaves out of a file.
func LossOf(f Format, s *Set) (l Loss) {
	if f == FormatJSON {
		return l
	}
	for p := range s.Each() {
		if p.LeaderEpoch >= 0 {
			l.Epochs++
		}
		if p.Metadata != "" && (f != FormatKafkaBackup || !utf8.ValidString(p.Metadata)) {
			l.Metadata++
		}
	}
	return l
}

// Write writes a set in a format. FormatCSVTopic takes the positions of one
// group only: several, and names that the format cannot hold, are an
// *UnwritableError before the first byte is written.
func Write(w io.Writer, f Format, s *Set, from Origin) error {
	switch f {
	case FormatCSV:
		return WriteCSV(w, s, nil)
	case FormatCSVTopic:
		o := &CSVOptions{}
		if names := s.Groups(); len(names) > 0 {
			o.Group = names[0]
		}
		return WriteCSV(w, s, o)
	case FormatJSON:
		return WriteJSON(w, s, from)
	case FormatKmap:
		return WriteKmap(w, s, from)
	case FormatKafkaBackup:
		return WriteKafkaBackup(w, s, from)
	case FormatAuto, FormatSnapshot:
	}
	return fmt.Errorf("writing positions: %q is no format to write", f)
}
