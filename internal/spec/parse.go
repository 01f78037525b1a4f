package spec

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxDepth bounds nesting in the parser, which calls itself. Our files nest
// five deep.
const maxDepth = 64

// secondDocument is the message about more than one document in a file.
const secondDocument = "a second document begins here"

// parse returns the one document of a file; nil for an empty one.
func parse(file string, data []byte) (body ast.Node, problem *Problem) {
	return parseUpTo(file, data, MaxFileBytes)
}

// parseUpTo is parse for a file that may have so many bytes.
func parseUpTo(file string, data []byte, most int) (body ast.Node, problem *Problem) {
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if len(data) > most {
		return nil, &Problem{File: file, Message: fmt.Sprintf("the file is larger than %d bytes", most)}
	}
	if at := firstInvalid(data); at >= 0 {
		line := 1 + bytes.Count(data[:at], []byte("\n"))
		column := 1 + utf8.RuneCount(data[bytes.LastIndexByte(data[:at], '\n')+1:at])
		return nil, &Problem{File: file, Line: line, Column: column, Message: "the file is not UTF-8"}
	}
	// A file must not be able to end the program, whatever the parser makes of
	// it.
	defer func() {
		if r := recover(); r != nil {
			body, problem = nil, &Problem{File: file, Message: "the file is not YAML that can be read"}
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if tk := tooDeep(tokens); tk != nil {
		return nil, at(file, tk, "nested too deeply", "")
	}
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxProblem(file, err)
	}
	body, problem = oneDocument(file, f)
	if body == nil && problem == nil {
		return nil, dropped(file, data)
	}
	return body, problem
}

// dropped reports what the parser passed over, such as a tag without a value:
// a file that is not empty must not count as one that is. The lexer drops such
// things too, so that only the text has them.
func dropped(file string, data []byte) *Problem {
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		text := strings.TrimSpace(line)
		for _, marker := range []string{"---", "..."} {
			text = strings.TrimSpace(strings.TrimPrefix(text, marker))
		}
		if text != "" && text[0] != '#' {
			return &Problem{File: file, Line: number, Column: 1, Message: "this line is not YAML that can be read"}
		}
	}
	return nil
}

func oneDocument(file string, f *ast.File) (ast.Node, *Problem) {
	var docs []*ast.DocumentNode
	for _, d := range f.Docs {
		if directive, ok := d.Body.(*ast.DirectiveNode); ok {
			return nil, at(file, directive.GetToken(), "directives are not supported", "delete the line")
		}
		if d.Body != nil || d.Start != nil {
			docs = append(docs, d)
		}
	}
	// "---" before the first document begins it, and is no document of its own.
	if len(docs) > 1 && docs[0].Body == nil {
		docs = docs[1:]
	}
	if len(docs) == 0 {
		return nil, nil
	}
	if len(docs) > 1 {
		tk := docs[1].Start
		if tk == nil {
			tk = docs[1].Body.GetToken()
		}
		return nil, at(file, tk, secondDocument, "one file has one document: delete the ---, or make it a file of its own")
	}
	return docs[0].Body, nil
}

func syntaxProblem(file string, err error) *Problem {
	var known yaml.Error
	if errors.As(err, &known) && known.GetToken() != nil {
		return at(file, known.GetToken(), "this is not YAML: "+known.GetMessage(), "")
	}
	return &Problem{File: file, Message: "this is not YAML: " + firstLine(err.Error())}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// tooDeep returns the token at which nesting exceeds maxDepth. Block nesting
// cannot be deeper than its column.
func tooDeep(tokens token.Tokens) *token.Token {
	flow, run := 0, 0
	for _, tk := range tokens {
		switch tk.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
			run = 0
		case token.SequenceEndType, token.MappingEndType:
			flow--
			run = 0
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType, token.TagType, token.AnchorType:
			run++
		default:
			run = 0
		}
		if flow > maxDepth || run > maxDepth || tk.Type == token.SequenceEntryType && tk.Position != nil && tk.Position.Column > 8*maxDepth {
			return tk
		}
	}
	return nil
}

func firstInvalid(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func at(file string, tk *token.Token, message, hint string) *Problem {
	p := &Problem{File: file, Message: message, Hint: hint}
	if tk != nil && tk.Position != nil {
		p.Line, p.Column = tk.Position.Line, tk.Position.Column
	}
	return p
}
