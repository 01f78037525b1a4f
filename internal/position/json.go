package position

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
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

// JSONProblem is one thing that is wrong in a JSON file of positions.
type JSONProblem struct {
	// Path names the value: "positions[3].offset".
	Path    string
	Message string
}

// String returns "PATH: MESSAGE".
func (p JSONProblem) String() string { return p.Path + ": " + p.Message }

// JSONError has everything that is wrong with a JSON file of positions, up to
// MaxCSVProblems.
type JSONError struct{ Problems []JSONProblem }

// Error implements error: one line for each problem.
func (e *JSONError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// ReadJSON reads what WriteJSON wrote. A field that is missing is an error and
// never 0; fields that are not known are passed over; another format or a
// newer version is refused. Either everything is right or a *JSONError (or the
// error of the syntax) comes back and no set.
func ReadJSON(r io.Reader) (*Set, Origin, error) {
	j := jsonReader{set: new(Set), at: make(map[Key]int)}
	dec := json.NewDecoder(r)
	err := object(dec, func(key string) error {
		switch key {
		case "format":
			return dec.Decode(&j.format)
		case "version":
			return dec.Decode(&j.version)
		case "cluster":
			return dec.Decode(&j.origin.Cluster)
		case "cluster_id":
			return dec.Decode(&j.origin.ClusterID)
		case "at":
			return dec.Decode(&j.origin.At)
		case "positions":
			// What the rows mean stands before them in every file of ours, and
			// rows of another format would only give misleading errors.
			if err := j.head(); err != nil {
				return err
			}
			return j.positions(dec)
		}
		return skip(dec)
	})
	if err == nil {
		err = end(dec)
	}
	if err == nil && !j.seen {
		if err = j.head(); err == nil {
			err = &JSONError{Problems: []JSONProblem{{Path: "positions", Message: "is missing"}}}
		}
	}
	if err == nil && len(j.problems) > 0 {
		err = &JSONError{Problems: j.problems}
	}
	if err != nil {
		return nil, Origin{}, fmt.Errorf("reading positions as JSON: %w", err)
	}
	return j.set, j.origin, nil
}

type jsonReader struct {
	set      *Set
	at       map[Key]int
	origin   Origin
	format   string
	version  int
	seen     bool
	problems []JSONProblem
}

func (j *jsonReader) head() error {
	switch {
	case j.format != JSONFormat:
		return &JSONError{Problems: []JSONProblem{{Path: "format", Message: fmt.Sprintf("%q is not %q", j.format, JSONFormat)}}}
	case j.version != JSONVersion:
		return &JSONError{Problems: []JSONProblem{{Path: "version", Message: fmt.Sprintf("%d is not known; this kferry reads %d", j.version, JSONVersion)}}}
	}
	return nil
}

func (j *jsonReader) positions(dec *json.Decoder) error {
	j.seen = true
	if err := delim(dec, '['); err != nil {
		return err
	}
	for i := 0; dec.More(); i++ {
		if len(j.problems) >= MaxCSVProblems {
			return &JSONError{Problems: j.problems}
		}
		if err := j.position(dec, i); err != nil {
			return err
		}
	}
	return delim(dec, ']')
}

func (j *jsonReader) report(i int, key, format string, args ...any) {
	path := fmt.Sprintf("positions[%d]", i)
	if key != "" {
		path += "." + key
	}
	j.problems = append(j.problems, JSONProblem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// jsonRow is a row of which every field may be missing.
type jsonRow struct {
	group, topic, metadata, base64 *string
	partition, epoch               *int32
	offset                         *int64
}

func (j *jsonReader) position(dec *json.Decoder, i int) error {
	before := len(j.problems)
	var row jsonRow
	targets := map[string]any{
		"group": &row.group, "topic": &row.topic, "partition": &row.partition, "offset": &row.offset,
		"leader_epoch": &row.epoch, "metadata": &row.metadata, "metadata_base64": &row.base64,
	}
	err := object(dec, func(key string) error {
		to, known := targets[key]
		if !known {
			return skip(dec)
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		// encoding/json would put U+FFFD in place of what is no character, and
		// make it another name.
		if !unchanged(raw) {
			j.report(i, key, "is not UTF-8")
			return nil
		}
		err := json.Unmarshal(raw, to)
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			j.report(i, key, "%s is not a %s of this size", wrong.Value, wrong.Type)
			return nil
		}
		return err
	})
	if err != nil || len(j.problems) > before {
		return err
	}
	j.add(i, row)
	return nil
}

func (j *jsonReader) add(i int, row jsonRow) {
	if row.group == nil || row.topic == nil || row.partition == nil || row.offset == nil {
		j.report(i, "", "group, topic, partition and offset are needed")
		return
	}
	p := Position{Group: *row.group, Partition: topic.Partition{Topic: *row.topic, Partition: *row.partition}, Offset: *row.offset, LeaderEpoch: -1}
	if row.epoch != nil {
		p.LeaderEpoch = *row.epoch
	}
	if row.metadata != nil {
		p.Metadata = *row.metadata
	}
	if row.base64 != nil {
		b, err := base64.StdEncoding.DecodeString(*row.base64)
		if err != nil {
			j.report(i, "metadata_base64", "is not base64")
			return
		}
		p.Metadata = string(b)
	}
	if first, dup := j.at[p.Key()]; dup {
		j.report(i, "", "position %s is positions[%d] already", p.Key(), first)
		return
	}
	if err := j.set.Add(p); err != nil {
		j.report(i, "", "%s", err)
		return
	}
	j.at[p.Key()] = i
}

// object reads a JSON object and calls each for every key, which then reads
// the value. A key that is there twice is an error: one reader takes the first
// and another one the last. Keys are exact, unlike those of json.Unmarshal.
func object(dec *json.Decoder, each func(key string) error) error {
	if err := delim(dec, '{'); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		key, _ := tok.(string)
		if seen[key] {
			return fmt.Errorf("byte %d: key %q is there twice", dec.InputOffset(), key)
		}
		seen[key] = true
		if err := each(key); err != nil {
			return err
		}
	}
	return delim(dec, '}')
}

// unchanged reports whether every character of a string value is one: no
// broken UTF-8 and no half of a surrogate pair.
func unchanged(raw json.RawMessage) bool {
	if !utf8.Valid(raw) {
		return false
	}
	for i := 0; i+6 <= len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		unit, isUnit := escaped(raw[i:])
		if !isUnit {
			i++ // the character behind the backslash is not one itself
			continue
		}
		i += 5
		if !utf16.IsSurrogate(unit) {
			continue
		}
		low, _ := escaped(raw[i+1:])
		if utf16.DecodeRune(unit, low) == utf8.RuneError {
			return false
		}
		i += 6
	}
	return true
}

// escaped reads \uXXXX.
func escaped(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(n), err == nil
}

func delim(dec *json.Decoder, want json.Delim) error {
	tok, err := dec.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if tok != want {
		return fmt.Errorf("byte %d: found %v where %v belongs", dec.InputOffset(), tok, want)
	}
	return nil
}

func skip(dec *json.Decoder) error {
	var raw json.RawMessage
	return dec.Decode(&raw)
}

func end(dec *json.Decoder) error {
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("byte %d: something follows the end", dec.InputOffset())
	}
	return nil
}
