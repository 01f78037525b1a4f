package spec

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kferry/kferry/api"
)

// MaxTopicsBytes bounds a topics file: a hundred thousand topics fit.
const MaxTopicsBytes = 32 << 20

// ReadTopics reads a topics file, which is YAML or JSON; file names it in
// messages. What is wrong with it is an *Error.
func ReadTopics(file string, r io.Reader) (*api.Topics, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxTopicsBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the topics file %s: %w", file, err)
	}
	t := new(api.Topics)
	d := decodeUpTo(file, data, t, MaxTopicsBytes)
	t.SetDefaults()
	d.validated(t.Validate())
	if err := asError(d.problems); err != nil {
		return nil, err
	}
	return t, nil
}

// plainKey is a key of YAML that needs no quotes.
var plainKey = regexp.MustCompile(`^[a-z][a-z0-9]*(\.[a-z0-9]+)+$`)

// WriteTopics writes a topics file as YAML that ReadTopics reads as the same.
// Names and values are always quoted, so that none is taken for a number.
func WriteTopics(w io.Writer, t *api.Topics) error {
	var b strings.Builder
	fmt.Fprintf(&b, "format: %s\nversion: %d\n", t.Format, t.Version)
	for _, kv := range [][2]string{{"cluster", t.Cluster}, {"clusterID", t.ClusterID}, {"at", t.At}} {
		if kv[1] != "" {
			b.WriteString(kv[0] + ": " + quoted(kv[1]) + "\n")
		}
	}
	b.WriteString("topics:\n")
	for i := range t.Topics {
		one := &t.Topics[i]
		fmt.Fprintf(&b, "  - name: %s\n    partitions: %d\n", quoted(one.Name), one.Partitions)
		if one.ReplicationFactor > 0 {
			fmt.Fprintf(&b, "    replicationFactor: %d\n", one.ReplicationFactor)
		}
		if len(one.Config) > 0 {
			b.WriteString("    config:\n")
		}
		for _, key := range slices.Sorted(maps.Keys(one.Config)) {
			name := key
			if !plainKey.MatchString(key) {
				name = quoted(key)
			}
			b.WriteString("      " + name + ": " + quoted(one.Config[key]) + "\n")
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing topics: %w", err)
	}
	return nil
}

// quoted writes a text as JSON does, which YAML reads as the same.
func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string and a buffer cannot fail
	return strings.TrimSuffix(b.String(), "\n")
}
