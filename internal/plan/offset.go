package plan

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// Offset is what is committed for one partition.
type Offset struct {
	Offset int64
	// LeaderEpoch as committed, -1 for none.
	LeaderEpoch int32
	// Metadata may be any bytes; in JSON it is base64 when it is not UTF-8.
	Metadata string
}

type offsetJSON struct {
	Offset         int64   `json:"offset"`
	LeaderEpoch    int32   `json:"leader_epoch"`
	Metadata       *string `json:"metadata,omitempty"`
	MetadataBase64 *string `json:"metadata_base64,omitempty"`
}

// MarshalJSON writes the metadata so that it survives byte for byte.
func (o Offset) MarshalJSON() ([]byte, error) {
	out := offsetJSON{Offset: o.Offset, LeaderEpoch: o.LeaderEpoch}
	if utf8.ValidString(o.Metadata) {
		out.Metadata = &o.Metadata
	} else {
		text := base64.StdEncoding.EncodeToString([]byte(o.Metadata))
		out.MetadataBase64 = &text
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (o *Offset) UnmarshalJSON(b []byte) error {
	var in offsetJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*o = Offset{Offset: in.Offset, LeaderEpoch: in.LeaderEpoch}
	switch {
	case in.Metadata != nil && in.MetadataBase64 != nil:
		return errors.New("metadata and metadata_base64 exclude each other")
	case in.Metadata != nil:
		o.Metadata = *in.Metadata
	case in.MetadataBase64 != nil:
		raw, err := base64.StdEncoding.DecodeString(*in.MetadataBase64)
		if err != nil {
			return err
		}
		o.Metadata = string(raw)
	}
	return nil
}

// same reports whether two committed values are the same to a consumer: the
// leader epoch is left out, because brokers before 2.1 do not keep it.
func (o *Offset) same(other *Offset) bool {
	if o == nil || other == nil {
		return o == other
	}
	return o.Offset == other.Offset && o.Metadata == other.Metadata
}

// offsetOf is the value of a position.
func offsetOf(p position.Position) *Offset {
	return &Offset{Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: p.Metadata}
}

// positionOf is the position that commits o.
func positionOf(group string, p topic.Partition, o *Offset) position.Position {
	return position.Position{Group: group, Partition: p, Offset: o.Offset, LeaderEpoch: o.LeaderEpoch, Metadata: o.Metadata}
}
