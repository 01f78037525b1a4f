package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/position"
)

// LoadMigrations reads a file with one migration, or with a fleet of them; one
// is a fleet of one. What is wrong with it, patterns included, is an *Error.
//
// What comes back is ready: the fleet's defaults have been merged into its
// migrations and are gone, and paths of programs and token files are absolute
// (relative ones are relative to the file).
func LoadMigrations(path string) (*api.Fleet, error) {
	data, mode, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the migration file: %w", err)
	}
	return readMigrations(path, data, writable(mode))
}

// ReadMigrations reads migrations from memory; file names it in messages, and
// relative paths are relative to its folder.
func ReadMigrations(file string, data []byte) (*api.Fleet, error) {
	return readMigrations(file, data, false)
}

func readMigrations(file string, data []byte, others bool) (*api.Fleet, error) {
	var (
		f *api.Fleet
		d *decoder
	)
	if isFleet(file, data) {
		f, d = readFleet(file, data)
	} else {
		f, d = readOne(file, data)
	}
	if len(d.problems) == 0 {
		d.validated(d.ofMigrations(f, migrationPatterns))
	}
	if others {
		d.validated(d.ofMigrations(f, programsIn))
	}
	for i := range d.problems {
		if d.problems[i].Message == secondDocument {
			d.problems[i].Hint = "several migrations stand in one document: migrations: [{name: ...}, {name: ...}]"
		}
	}
	if err := asError(d.problems); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("finding the folder of %s: %w", file, err)
	}
	r := resolver{dir: dir, home: os.Getenv("HOME")}
	for i := range f.Migrations {
		r.migration(&f.Migrations[i])
	}
	return f, nil
}

// isFleet looks at the keys at the top, for what only a fleet has. What is
// wrong with the file is found when it is read.
func isFleet(file string, data []byte) bool {
	body, problem := parse(file, data)
	if problem != nil {
		return false
	}
	var entries []*ast.MappingValueNode
	switch n := body.(type) {
	case *ast.SequenceNode:
		return true // a list of migrations without its key
	case *ast.MappingNode:
		entries = n.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{n}
	}
	return slices.ContainsFunc(entries, func(e *ast.MappingValueNode) bool {
		key, _ := scalarText(e.Key)
		kind, _ := scalarText(e.Value)
		return key == "migrations" || key == "defaults" || key == "kind" && kind == api.KindFleet
	})
}

// readOne reads a file with one migration.
func readOne(file string, data []byte) (*api.Fleet, *decoder) {
	m, before := new(api.Migration), new(api.Migration)
	d := decode(file, data, m)
	decode(file, data, before)
	m.SetDefaults()
	d.validated(overridden(reflect.ValueOf(*before), reflect.ValueOf(*m), d.places))
	d.validated(m.Validate())
	f := &api.Fleet{Migrations: []api.Migration{*m}}
	f.SetDefaults()
	return f, d
}

// readFleet reads a file with several migrations. What a migration writes stands,
// also when it is nothing: "accept: []" must not accept what the defaults do.
func readFleet(file string, data []byte) (*api.Fleet, *decoder) {
	f, before := new(api.Fleet), new(api.Fleet)
	d := decode(file, data, f)
	decode(file, data, before)
	f.Merge(func(path string) bool {
		_, ok := d.places[path]
		return ok
	})
	// From here on nothing may be merged once more: that would take what is
	// written and empty for left out.
	defaults := f.Defaults
	f.Defaults = nil
	f.SetDefaults()
	d.validated(overridden(reflect.ValueOf(*before), reflect.ValueOf(*f), d.places))
	f.Defaults = defaults
	d.validated(f.Validate())
	f.Defaults = nil
	return f, d
}

// ofMigrations calls find for each migration and says where in the file its
// problems are: those of a value that a migration has from the defaults are
// reported there, once.
func (d *decoder) ofMigrations(f *api.Fleet, find func(*api.Migration) []api.Problem) []api.Problem {
	var out []api.Problem
	for i := range f.Migrations {
		at := fmt.Sprintf("migrations[%d]", i)
		if _, there := d.places[at]; !there {
			at = "" // the file is one migration
		}
		for _, p := range find(&f.Migrations[i]) {
			own, shared := strings.TrimPrefix(at+"."+p.Path, "."), "defaults."+p.Path
			_, written := d.places[own]
			_, inherited := d.places[shared]
			p.Path = own
			if !written && inherited {
				p.Path = shared
			}
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// migrationPatterns reports what only compiling the patterns shows.
func migrationPatterns(m *api.Migration) []api.Problem {
	_, err := migrationSelector(m).Compile()
	ps := flatten(err)
	for i := range ps {
		ps[i].Path = selectorPath(m, ps[i])
	}
	_, err = position.NewRoute(migrationRoute(m))
	for _, p := range flatten(err) {
		for _, kind := range [][2]string{{"topics", "mapTopics"}, {"groups", "mapGroups"}} {
			if rest, ok := strings.CutPrefix(p.Path, kind[0]+"["); ok {
				p.Path = kind[1] + "[" + rest
				// The other one of two that contradict each other.
				p.Message = strings.Replace(p.Message, ": "+kind[0]+"[", ": "+kind[1]+"[", 1)
			}
		}
		ps = append(ps, p)
	}
	return ps
}

// migrationSelector is the selection of a migration.
func migrationSelector(m *api.Migration) position.Selector {
	return position.Selector{
		Groups: m.Groups, GroupRegex: m.GroupRegex, ExcludeGroups: m.ExcludeGroups,
		Topics: m.Topics, TopicRegex: m.TopicRegex, ExcludeTopics: m.ExcludeTopics, Partitions: m.Partitions,
	}
}

// migrationRoute are the mappings of a migration.
func migrationRoute(m *api.Migration) position.RouteOptions {
	var o position.RouteOptions
	for _, n := range m.MapTopics {
		o.Topics = append(o.Topics, position.Rename{From: n.From, To: n.To})
	}
	for _, n := range m.MapGroups {
		o.Groups = append(o.Groups, position.GroupRule{Rename: position.Rename{From: n.From, To: n.To}})
	}
	return o
}

// selectorPath finds the pattern that a problem names by its flag.
func selectorPath(m *api.Migration, p api.Problem) string {
	for _, l := range []struct {
		flag, path string
		items      []string
	}{
		{"--group", "groups", m.Groups},
		{"--group-regex", "groupRegex", m.GroupRegex},
		{"--exclude-group", "excludeGroups", m.ExcludeGroups},
		{"--topic", "topics", m.Topics},
		{"--topic-regex", "topicRegex", m.TopicRegex},
		{"--exclude-topic", "excludeTopics", m.ExcludeTopics},
		{"--partition", "partitions", m.Partitions},
	} {
		if l.flag != p.Path {
			continue
		}
		for i, item := range l.items {
			if strings.HasPrefix(p.Message, strconv.Quote(item)+": ") {
				return fmt.Sprintf("%s[%d]", l.path, i)
			}
		}
		return l.path
	}
	return p.Path
}

// programsIn refuses programs in a file that others can change: whoever can
// write it could run anything as whoever reads it.
func programsIn(m *api.Migration) []api.Problem {
	var ps []api.Problem
	for i, e := range m.Events {
		path := ""
		switch {
		case len(e.Command) > 0:
			path = fmt.Sprintf("events[%d].command", i)
		case e.Webhook != nil && e.Webhook.TokenFrom != nil && len(e.Webhook.TokenFrom.Exec) > 0:
			path = fmt.Sprintf("events[%d].webhook.tokenFrom.exec", i)
		default:
			continue
		}
		ps = append(ps, api.Problem{
			Path:    path,
			Message: "a program is not run from a file that others can write",
			Hint:    "chmod go-w the migration file",
		})
	}
	return ps
}
