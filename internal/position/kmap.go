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
// groups. Names that are not UTF-8 are an *UnwritableError. The file is built in memory, as kmap's readers take it.
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
