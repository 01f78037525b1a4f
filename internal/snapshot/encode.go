package snapshot

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/topic"
)

// Snapshots have up to hundreds of thousands of positions, and one is saved
// before each run. Their groups are therefore written by hand, without
// reflection; tests hold the result against what encoding/json writes.

// sealFull returns a full snapshot as a stored object.
func (s *Snapshot) sealFull() ([]byte, error) {
	size := 0
	for i := range s.Groups {
		size += 200 + 200*len(s.Groups[i].Positions)
	}
	body, err := s.begin(size)
	if err != nil {
		return nil, err
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		body = separate(body, i)
		body = appendHead(body, g)
		body = appendPositions(append(body, `,"positions":`...), g.Positions)
		body = append(body, '}')
	}
	data, _, err := store.EncodeRaw(Format, version, append(body, "]}"...))
	return data, err
}

// begin writes the summary and the beginning of the groups.
func (s *Snapshot) begin(size int) ([]byte, error) {
	var head bytes.Buffer
	e := json.NewEncoder(&head)
	e.SetEscapeHTML(false)
	if err := e.Encode(&s.Summary); err != nil {
		return nil, err
	}
	raw := bytes.TrimSuffix(head.Bytes(), []byte("}\n"))
	out := append(make([]byte, 0, len(raw)+size+64), raw...)
	return append(out, `,"groups":[`...), nil
}

// separate writes the comma before every element but the first.
func separate(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

// appendHead writes a group up to its positions, without the last brace.
func appendHead(b []byte, g *Group) []byte {
	b = appendString(append(b, `{"name":`...), g.Name)
	b = appendString(append(b, `,"kind":`...), g.Kind)
	b = appendString(append(b, `,"state":`...), g.State)
	b = strconv.AppendBool(append(b, `,"exists":`...), g.Exists)
	b = appendString(append(b, `,"protocol":`...), g.Protocol)
	b = strconv.AppendInt(append(b, `,"members":`...), int64(g.Members), 10)
	if g.Error != "" {
		b = appendString(append(b, `,"error":`...), g.Error)
	}
	return b
}

func appendPositions(b []byte, ps []Position) []byte {
	b = append(b, '[')
	for i := range ps {
		b = appendPosition(separate(b, i), &ps[i])
	}
	return append(b, ']')
}

func appendPosition(b []byte, p *Position) []byte {
	b = appendString(append(b, `{"topic":`...), p.Topic)
	b = appendTopicID(append(b, `,"topic_id":"`...), p.TopicID)
	b = strconv.AppendInt(append(b, `","partition":`...), int64(p.Partition), 10)
	b = strconv.AppendInt(append(b, `,"offset":`...), p.Offset, 10)
	b = strconv.AppendInt(append(b, `,"leader_epoch":`...), int64(p.LeaderEpoch), 10)
	if utf8.ValidString(p.Metadata) {
		b = appendString(append(b, `,"metadata":`...), p.Metadata)
	} else {
		b = base64.StdEncoding.AppendEncode(append(b, `,"metadata_base64":"`...), []byte(p.Metadata))
		b = append(b, '"')
	}
	b = appendKnown(b, `,"log_start":`, p.LogStart)
	b = appendKnown(b, `,"log_end":`, p.LogEnd)
	b = appendKnown(b, `,"lag":`, p.Lag)
	return append(b, '}')
}

// appendTopicID writes what topic.ID.MarshalText writes.
func appendTopicID(b []byte, id topic.ID) []byte {
	if id.IsZero() {
		return b
	}
	return base64.RawURLEncoding.AppendEncode(b, id[:])
}

func appendKnown(b []byte, name string, n *int64) []byte {
	if n == nil {
		return b
	}
	return strconv.AppendInt(append(b, name...), *n, 10)
}

// appendString writes a string as encoding/json does without escaping for
// HTML. Bytes that are not UTF-8 become the six characters \ufffd, as there,
// by which store.EncodeRaw refuses them.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = appendEscape(append(b, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + n
		case r == '\u2028' || r == '\u2029': // line ends for JavaScript, not for JSON
			b = append(append(b, s[start:i]...), `\u202`...)
			b = append(b, "89"[r&1])
			start = i + n
		}
		i += n
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}
