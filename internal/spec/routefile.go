package spec

import (
	"errors"
	"fmt"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/position"
)

// LoadRoute reads a route file. What is wrong with it, patterns included, is
// an *Error.
func LoadRoute(path string) (*api.Route, error) {
	data, _, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the route file: %w", err)
	}
	return ReadRoute(path, data)
}

// ReadRoute reads a route from memory; file names it in messages.
func ReadRoute(file string, data []byte) (*api.Route, error) {
	r := new(api.Route)
	d := decode(file, data, r)
	r.SetDefaults()
	d.validated(r.Validate())
	if len(d.problems) == 0 {
		d.validated(patternProblems(r))
	}
	if err := asError(d.problems); err != nil {
		return nil, err
	}
	return r, nil
}

// patternProblems reports what only building the route shows.
func patternProblems(r *api.Route) []api.Problem {
	_, err := position.NewRoute(RouteOptions(r))
	return flatten(err)
}

func flatten(err error) []api.Problem {
	if err == nil {
		return nil
	}
	var (
		bad    *position.PatternError
		joined interface{ Unwrap() []error }
	)
	if errors.As(err, &joined) {
		var ps []api.Problem
		for _, e := range joined.Unwrap() {
			ps = append(ps, flatten(e)...)
		}
		return ps
	}
	if errors.As(err, &bad) {
		return []api.Problem{{Path: bad.Option, Message: fmt.Sprintf("%q: %s", bad.Pattern, bad.Reason), Hint: bad.Hint}}
	}
	return []api.Problem{{Message: err.Error()}}
}

// RouteOptions turns a route file into what position.NewRoute takes; mappings
// of flags can be added to it.
func RouteOptions(r *api.Route) position.RouteOptions {
	var o position.RouteOptions
	for _, t := range r.Topics {
		o.Topics = append(o.Topics, position.Rename{From: t.From, To: t.To})
	}
	for _, g := range r.Groups {
		from := g.From
		if from == "" {
			from = r.From
		}
		o.Groups = append(o.Groups, position.GroupRule{
			Rename: position.Rename{From: from, To: g.To},
			Topics: g.Topics,
		})
	}
	o.Leave = append(o.Leave, r.Leave...)
	return o
}
