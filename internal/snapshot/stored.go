package snapshot

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/kferry/kferry/internal/topic"
)

// stored is the body of a stored snapshot of any version and kind, for
// reading. encode.go writes it.
type stored struct {
	Summary
	Groups []storedGroup `json:"groups"`
	Gone   []string      `json:"gone,omitempty"`
}

// storedGroup is a group of a full snapshot (Positions) or of a delta.
type storedGroup struct {
	Name      string           `json:"name"`
	Kind      string           `json:"kind"`
	State     string           `json:"state"`
	Exists    bool             `json:"exists"`
	Protocol  string           `json:"protocol"`
	Members   int              `json:"members"`
	Error     string           `json:"error,omitempty"`
	Positions []storedPosition `json:"positions,omitempty"`
	// Same: all of the above is as in the base.
	Same    bool             `json:"same,omitempty"`
	Set     []storedPosition `json:"set,omitempty"`
	Moved   []storedRows     `json:"moved,omitempty"`
	Removed []storedRows     `json:"removed,omitempty"`
}

// storedRows are rows of numbers about partitions of one topic, each beginning
// with the partition.
type storedRows struct {
	Topic      string    `json:"topic"`
	Partitions [][]int64 `json:"partitions"`
}

// storedPosition is a Position in JSON, whose strings cannot hold all bytes.
type storedPosition struct {
	Topic          string   `json:"topic"`
	TopicID        topic.ID `json:"topic_id"`
	Partition      int32    `json:"partition"`
	Offset         int64    `json:"offset"`
	LeaderEpoch    int32    `json:"leader_epoch"`
	Metadata       *string  `json:"metadata,omitempty"`
	MetadataBase64 []byte   `json:"metadata_base64,omitempty"`
	LogStart       *int64   `json:"log_start,omitempty"`
	LogEnd         *int64   `json:"log_end,omitempty"`
	Lag            *int64   `json:"lag,omitempty"`
}

func (p *Position) stored() storedPosition {
	s := storedPosition{
		Topic: p.Topic, TopicID: p.TopicID, Partition: p.Partition, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch,
		LogStart: p.LogStart, LogEnd: p.LogEnd, Lag: p.Lag,
	}
	if utf8.ValidString(p.Metadata) {
		s.Metadata = &p.Metadata
	} else {
		s.MetadataBase64 = []byte(p.Metadata)
	}
	return s
}

// position is refused without metadata in exactly one of its two forms.
func (s *storedPosition) position() (Position, error) {
	p := Position{
		Topic: s.Topic, TopicID: s.TopicID, Partition: s.Partition, Offset: s.Offset, LeaderEpoch: s.LeaderEpoch,
		LogStart: s.LogStart, LogEnd: s.LogEnd, Lag: s.Lag,
	}
	switch {
	case s.Metadata != nil && s.MetadataBase64 == nil:
		p.Metadata = *s.Metadata
	case s.Metadata == nil && s.MetadataBase64 != nil:
		p.Metadata = string(s.MetadataBase64)
	default:
		return p, fmt.Errorf("position of %s/%d: one of metadata and metadata_base64 is needed", s.Topic, s.Partition)
	}
	return p, nil
}

// MarshalJSON writes the stored form.
func (p Position) MarshalJSON() ([]byte, error) { return json.Marshal(p.stored()) }

// UnmarshalJSON reads the stored form; a position without metadata in exactly
// one of its two forms is refused.
func (p *Position) UnmarshalJSON(data []byte) error {
	var s storedPosition
	err := json.Unmarshal(data, &s)
	if err == nil {
		*p, err = s.position()
	}
	return err
}

// head is the group without its positions.
func (g *storedGroup) head() Group {
	return Group{
		Name: g.Name, Kind: g.Kind, State: g.State, Exists: g.Exists, Protocol: g.Protocol, Members: g.Members, Error: g.Error,
		Positions: []Position{},
	}
}

// positions reads a list of complete positions.
func positions(in []storedPosition) ([]Position, error) {
	out := make([]Position, 0, len(in))
	for i := range in {
		p, err := in[i].position()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// full is the snapshot that a stored full one holds.
func (s *stored) full() (*Snapshot, error) {
	out := &Snapshot{Summary: s.Summary, Groups: make([]Group, 0, len(s.Groups))}
	if len(s.Gone) > 0 {
		return nil, fmt.Errorf("%w: a full snapshot with groups that are gone", ErrInvalid)
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		if g.Same || len(g.Set)+len(g.Moved)+len(g.Removed) > 0 {
			return nil, fmt.Errorf("%w: group %q of a full snapshot has changes", ErrInvalid, g.Name)
		}
		h := g.head()
		ps, err := positions(g.Positions)
		if err != nil {
			return nil, err
		}
		h.Positions = ps
		out.Groups = append(out.Groups, h)
	}
	return out, nil
}
