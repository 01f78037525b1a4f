package spec

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/kferry/kferry/api"
)

// Value is one value of a config, for people to look at.
type Value struct {
	// Path names it: "clusters[0].bootstrap[1]".
	Path string `json:"path"`
	// Text is the value. Secrets are not in a config, only where they are.
	Text string `json:"value"`
	// Origin is where the value comes from.
	Origin Origin `json:"origin"`
}

// Origin is where a value comes from: a place in a file, or the defaults.
type Origin struct {
	// File is "" for a default.
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String returns "FILE:LINE:COLUMN" or "default".
func (o Origin) String() string {
	if o.File == "" {
		return "default"
	}
	return fmt.Sprintf("%s:%d:%d", o.File, o.Line, o.Column)
}

// Origin returns where the value of a path comes from.
func (l *Loaded) Origin(path string) Origin {
	if p, ok := l.places[path]; ok {
		return Origin{File: l.File, Line: p.line, Column: p.column}
	}
	return Origin{}
}

// Values returns every value of the config that is written or has a default,
// in the order of package api.
func (l *Loaded) Values() []Value {
	var out []Value
	leaves(reflect.ValueOf(l.Config), "", func(path, text string, zero bool) {
		if _, written := l.places[path]; written || !zero {
			out = append(out, Value{Path: path, Text: text, Origin: l.Origin(path)})
		}
	})
	return out
}

// leaves calls each for every scalar below v.
func leaves(v reflect.Value, path string, each func(path, text string, zero bool)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			leaves(v.Elem(), path, each)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			leaves(v.Field(i), strings.TrimPrefix(path+"."+v.Type().Field(i).Tag.Get("yaml"), "."), each)
		}
	case reflect.Slice:
		for i := range v.Len() {
			leaves(v.Index(i), fmt.Sprintf("%s[%d]", path, i), each)
		}
	default:
		each(path, fmt.Sprint(v.Interface()), v.IsZero())
	}
}

// overridden reports values that are written and that SetDefaults replaced:
// what cannot be told from a value left out must not be ignored silently.
func overridden(before, after reflect.Value, written map[string]place) []api.Problem {
	was := make(map[string]string)
	leaves(before, "", func(path, text string, _ bool) { was[path] = text })
	var ps []api.Problem
	leaves(after, "", func(path, text string, _ bool) {
		if _, ok := written[path]; ok && was[path] != text {
			ps = append(ps, api.Problem{
				Path:    path,
				Message: fmt.Sprintf("%q cannot be set here", was[path]),
				Hint:    "without this line it is " + text,
			})
		}
	})
	return ps
}
