package spec

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/position"
)

// place is where a value stands in its file.
type place struct{ line, column int }

// decoder fills a struct from a document. The library's own decoder stops at
// the first unknown key; people want to see all that is wrong at once.
type decoder struct {
	file     string
	places   map[string]place // of each value that the file has, by its path
	problems []Problem
	unread   []string // paths of what could not be read
}

// decode reads a whole file into a struct and tells where each value stands.
func decode(file string, data []byte, into any) *decoder {
	return decodeUpTo(file, data, into, MaxFileBytes)
}

// decodeUpTo is decode for a file that may have so many bytes.
func decodeUpTo(file string, data []byte, into any, most int) *decoder {
	d := &decoder{file: file, places: make(map[string]place)}
	body, problem := parseUpTo(file, data, most)
	if problem != nil {
		d.problems, d.unread = append(d.problems, *problem), append(d.unread, "")
		return d
	}
	if body != nil {
		d.value(body, reflect.ValueOf(into).Elem(), "")
	}
	return d
}

func (d *decoder) report(tk *token.Token, path, message, hint string) {
	p := at(d.file, tk, message, hint)
	p.Path = path
	d.problems, d.unread = append(d.problems, *p), append(d.unread, path)
}

// validated adds problems that were found by looking at the values. One that
// may only follow from a value that could not be read is left out: a name that
// is missing because its key is misspelt is one problem and not two.
func (d *decoder) validated(ps []api.Problem) {
	for _, p := range ps {
		if d.follows(p.Path) {
			continue
		}
		where := d.nearest(p.Path)
		d.problems = append(d.problems, Problem{
			File: d.file, Line: where.line, Column: where.column,
			Path: p.Path, Message: p.Message, Hint: p.Hint,
		})
	}
}

// follows reports whether a value, or what a missing value is missing in, has
// a part that could not be read.
func (d *decoder) follows(path string) bool {
	if _, there := d.places[path]; !there {
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return slices.ContainsFunc(d.unread, func(bad string) bool { return within(bad, path) || within(path, bad) })
}

// within reports whether a path is another one or leads below it.
func within(path, above string) bool {
	rest, ok := strings.CutPrefix(path, above)
	return ok && (above == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}

// nearest returns the place of a value; of one that is missing, the place of
// what it is missing in.
func (d *decoder) nearest(path string) place {
	for {
		if p, ok := d.places[path]; ok {
			return p
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return place{}
		}
		path = path[:i]
	}
}

func (d *decoder) record(tk *token.Token, path string) {
	if tk != nil && tk.Position != nil && path != "" {
		d.places[path] = place{tk.Position.Line, tk.Position.Column}
	}
}

var durationType = reflect.TypeFor[api.Duration]()

func (d *decoder) value(n ast.Node, v reflect.Value, path string) {
	if bad, hint := unsupported(n); bad != "" {
		d.report(n.GetToken(), path, bad, hint)
		return
	}
	if v.Kind() == reflect.Pointer {
		if isNull(n) {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.sequence(n, v, path)
	case reflect.Map:
		d.free(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

// free fills a map of texts, whose keys may be any.
func (d *decoder) free(n ast.Node, v reflect.Value, path string) {
	entries, ok := entriesOf(n)
	if !ok {
		d.report(n.GetToken(), path, "keys with values belong here, this is "+kindOf(n), "")
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(entries))
	lines := make(map[string]int)
	for _, e := range entries {
		tk := e.Key.GetToken()
		key, ok := scalarText(e.Key)
		if bad, hint := unsupported(e.Key); bad != "" || !ok {
			d.report(tk, path, cmp.Or(bad, "a key is a word"), hint)
			continue
		}
		at := path + "." + key
		if line, dup := lines[key]; dup {
			d.report(tk, at, fmt.Sprintf("key %q is there already, in line %d", key, line), "")
			continue
		}
		lines[key] = tk.Position.Line
		d.record(tk, at)
		if e.Value == nil || isNull(e.Value) {
			d.report(tk, at, "the value is missing", `delete the key, or write "" for an empty one`)
			continue
		}
		text := reflect.New(v.Type().Elem()).Elem()
		d.value(e.Value, text, at)
		out.SetMapIndex(reflect.ValueOf(key), text)
	}
	v.Set(out)
}

// entriesOf are the entries of a mapping; ok is false for what is none.
func entriesOf(n ast.Node) (entries []*ast.MappingValueNode, ok bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	return nil, false
}

// unsupported says what of YAML our files do not have. Anchors and merges make
// one line mean another, which is no gain in files of this size.
func unsupported(n ast.Node) (message, hint string) {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "anchors and aliases are not supported", "write the value where it belongs"
	case *ast.TagNode:
		return "tags are not supported", "quote a value that is to be text"
	}
	return "", ""
}

func isNull(n ast.Node) bool {
	_, null := n.(*ast.NullNode)
	return n == nil || null
}

func (d *decoder) mapping(n ast.Node, v reflect.Value, path string) {
	entries, ok := entriesOf(n)
	if !ok {
		if isNull(n) {
			return
		}
		d.report(n.GetToken(), path, "keys with values belong here, this is "+kindOf(n), "known keys: "+strings.Join(keysOf(v.Type()), ", "))
		return
	}
	seen := make(map[string]int)
	for _, e := range entries {
		d.entry(e, v, path, seen)
	}
}

func (d *decoder) entry(e *ast.MappingValueNode, v reflect.Value, path string, seen map[string]int) {
	if bad, hint := unsupported(e.Key); bad != "" || e.Key.IsMergeKey() {
		if bad == "" {
			bad, hint = unsupported(&ast.AliasNode{})
		}
		d.report(e.Key.GetToken(), path, bad, hint)
		return
	}
	key, ok := scalarText(e.Key)
	tk := e.Key.GetToken()
	if !ok {
		d.report(tk, path, "a key is a word", "")
		return
	}
	at := key
	if path != "" {
		at = path + "." + key
	}
	i := fieldOf(v.Type(), key)
	if i < 0 {
		d.report(tk, at, fmt.Sprintf("key %q is not known", key), keyHint(v.Type(), key))
		return
	}
	if line, dup := seen[key]; dup {
		d.report(tk, at, fmt.Sprintf("key %q is there already, in line %d", key, line), "")
		return
	}
	seen[key] = tk.Position.Line
	d.record(tk, at)
	if e.Value == nil || isNull(e.Value) {
		if k := v.Field(i).Kind(); k != reflect.Slice && k != reflect.Struct && k != reflect.Pointer {
			d.report(tk, at, "the value is missing", "delete the key, or quote a value that is to be text")
		}
		return
	}
	if isScalar(e.Value) {
		d.record(e.Value.GetToken(), at)
	}
	d.value(e.Value, v.Field(i), at)
}

func (d *decoder) sequence(n ast.Node, v reflect.Value, path string) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		if !isNull(n) {
			d.report(n.GetToken(), path, "a list belongs here, this is "+kindOf(n), "one item is written - ITEM, or [ITEM]")
		}
		return
	}
	for i, item := range s.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		tk := tokenOf(item)
		d.record(tk, at)
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		if isNull(item) {
			d.report(tk, at, "the item is empty", "")
			continue
		}
		d.value(item, v.Index(i), at)
	}
}

func (d *decoder) scalar(n ast.Node, v reflect.Value, path string) {
	text, ok := scalarText(n)
	if !ok {
		d.report(n.GetToken(), path, "one value belongs here, this is "+kindOf(n), "")
		return
	}
	if v.Type() == durationType {
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
			d.report(n.GetToken(), path, err.Error(), "")
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if b, isBool := n.(*ast.BoolNode); isBool {
			v.SetBool(b.Value)
			return
		}
		d.report(n.GetToken(), path, fmt.Sprintf("%q is not true or false", text), "")
	case reflect.Int:
		i, err := strconv.Atoi(text)
		if err != nil {
			d.report(n.GetToken(), path, fmt.Sprintf("%q is not a whole number", text), "")
			return
		}
		v.SetInt(int64(i))
	default:
		d.report(n.GetToken(), path, "nothing can be written here", "")
	}
}

func isScalar(n ast.Node) bool {
	_, ok := scalarText(n)
	return ok
}

// scalarText returns a scalar as it is written, so that a topic called 007 or
// 1e3 keeps its name.
func scalarText(n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.LiteralNode:
		return s.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return s.GetToken().Value, true
	}
	return "", false
}

// tokenOf returns the token at which a node begins; a mapping's own token is
// the ':' behind its first key.
func tokenOf(n ast.Node) *token.Token {
	switch m := n.(type) {
	case nil:
		return nil
	case *ast.MappingNode:
		if len(m.Values) > 0 && !m.IsFlowStyle {
			return m.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return m.Key.GetToken()
	}
	return n.GetToken()
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys with values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	}
	return "one value"
}

// fieldOf returns the field of a key, -1 if there is none.
func fieldOf(t reflect.Type, key string) int {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == key {
			return i
		}
	}
	return -1
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for f := range t.Fields() {
		if key := f.Tag.Get("yaml"); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

func keyHint(t reflect.Type, key string) string {
	keys := keysOf(t)
	if strings.EqualFold(key, "password") && fieldOf(t, "passwordFrom") >= 0 {
		return "a password never stands in a file of kferry: passwordFrom: {file: PATH}, {env: NAME} or {exec: [PROGRAM]}"
	}
	if near := position.Near(key, keys, 1); len(near) > 0 {
		return "did you mean " + near[0] + "?"
	}
	return "known keys: " + strings.Join(keys, ", ")
}
