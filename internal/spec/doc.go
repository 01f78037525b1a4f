// Package spec reads the files that people write for kferry (package api):
// YAML, strictly. A key that is not known, a value of another kind, a key that
// is there twice and whatever api.Validate refuses are reported all at once,
// each with file, line, column and a hint, and then nothing is returned. It
// also finds the config file, says where each value comes from, and fetches
// secrets from where the config says that they are.
package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Limits of a file that people write.
const (
	// MaxFileBytes bounds its size: a thousand clusters fit.
	MaxFileBytes = 256 << 10
	// MaxProblems is how many problems are reported.
	MaxProblems = 50
)

// Problem is one thing that is wrong in a file, or a warning about it.
type Problem struct {
	// File is the path of the file, as it was given or found.
	File string `json:"file"`
	// Line and Column are counted from 1, columns in characters; 0 is the
	// whole file.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Path names the value: "clusters[1].bootstrap[0]"; "" is the whole file.
	Path string `json:"path,omitempty"`
	// Message says what is wrong, Hint what to do; Hint may be "".
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// String returns the problem in one line: "FILE:LINE:COLUMN: PATH: MESSAGE (HINT)".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	if p.Path != "" {
		b.WriteString(": " + p.Path)
	}
	b.WriteString(": " + p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Error has everything that is wrong with a file, in the order of the file.
type Error struct {
	// Problems are the first MaxProblems of them.
	Problems []Problem
	// More is how many there are besides.
	More int
}

// Error implements error: one line for each problem.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.More))
	}
	return strings.Join(lines, "\n")
}

func asError(ps []Problem) error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	more := max(len(ps)-MaxProblems, 0)
	return &Error{Problems: ps[:len(ps)-more], More: more}
}
