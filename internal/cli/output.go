package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The output formats.
const (
	asTable = "table"
	asWide  = "wide"
	asJSON  = "json"
	asCSV   = "csv"
	asKmap  = "kmap"
	asYAML  = "yaml"
)

// choice is a flag that takes one of a few words.
type choice struct {
	value string
	words []string
}

var _ pflag.Value = (*choice)(nil)

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return strings.Join(c.words, "|") }

func (c *choice) Set(s string) error {
	if !slices.Contains(c.words, s) {
		return fmt.Errorf("it must be one of %s", strings.Join(c.words, ", "))
	}
	c.value = s
	return nil
}

// addChoice adds a flag of a few words, the first of which is the default,
// and completes them.
func addChoice(cmd *cobra.Command, c *choice, name, short, usage string, words ...string) {
	c.words = words
	if c.value == "" {
		c.value = words[0]
	}
	cmd.Flags().VarP(c, name, short, usage)
	completeWords(cmd, name, words)
}

func completeWords(cmd *cobra.Command, flag string, words []string) {
	// The only error is an unknown flag or a second registration, both of
	// which the tests of the command tree would meet.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// addOutput adds -o with the formats of this command, the first the default.
func addOutput(cmd *cobra.Command, c *choice, words ...string) {
	addChoice(cmd, c, "output", "o", "format of the result", words...)
}

// writeJSON writes one document, indented, with a line end. Nothing in it is
// escaped for HTML: names are shown as they are.
func writeJSON(w io.Writer, doc any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// header begins every JSON document: what it is, and the version of its
// fields. Fields are only added within a version.
type header struct {
	Type          string `json:"type"`
	FormatVersion int    `json:"format_version"`
}

func head(kind string) header { return header{Type: kind, FormatVersion: 1} }

// list makes JSON show an empty list instead of null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// known is a number that may be unknown: null in JSON, never -1 and never 0.
func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}
