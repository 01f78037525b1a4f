package spec

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/position"
)

// EnvConfig is the environment variable that names the config file.
const EnvConfig = "KFERRY_CONFIG"

// The names of config files.
const (
	fileHere   = "kferry.yaml"
	fileInXDG  = "kferry/config.yaml"
	fileSystem = "/etc/kferry/config.yaml"
)

// LoadOptions say where the config file is looked for. Nil is the zero value.
type LoadOptions struct {
	// Path is the value of --config; "" if it was not given.
	Path string
	// Getenv reads the environment; nil means os.Getenv.
	Getenv func(string) string
	// Dir is the working directory; "" means that of the process.
	Dir string
	// System is the file that is looked for last; "" means
	// /etc/kferry/config.yaml.
	System string
}

// How a config file was found.
const (
	FoundByFlag   = "--config"
	FoundByEnv    = "$" + EnvConfig
	FoundHere     = "working directory"
	FoundInXDG    = "user configuration"
	FoundInSystem = "system configuration"
)

// Loaded is a config that was read and checked.
type Loaded struct {
	// Config has its defaults set and its paths made absolute: relative ones
	// are relative to the config file.
	Config api.Config
	// File is the path of the config file; "" if there is none.
	File string
	// Found says how it was found: one of the Found constants, or "".
	Found string
	// Warnings are to be shown and stop nothing.
	Warnings []Problem

	places map[string]place
}

// UnknownClusterError says that no cluster of the config has this name.
type UnknownClusterError struct {
	Name string
	// File is the config file, "" if there is none.
	File string
	// Near are names that may have been meant, the nearest first.
	Near []string
	// Known is the number of clusters that the config has.
	Known int
}

// Error implements error.
func (e *UnknownClusterError) Error() string {
	s := fmt.Sprintf("cluster %q is not in %s", e.Name, e.File)
	switch {
	case e.File == "":
		return fmt.Sprintf("cluster %q is not known: there is no config file (an address is written HOST:PORT)", e.Name)
	case len(e.Near) > 0:
		return s + fmt.Sprintf(" (did you mean %s?)", quotedOr(e.Near))
	}
	return s + fmt.Sprintf(", which has %d (an address is written HOST:PORT)", e.Known)
}

// Cluster returns the cluster of a name, or an *UnknownClusterError.
func (l *Loaded) Cluster(name string) (api.Cluster, error) {
	names := make([]string, 0, len(l.Config.Clusters))
	for _, c := range l.Config.Clusters {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return api.Cluster{}, &UnknownClusterError{
		Name: name, File: l.File, Known: len(names), Near: position.Near(name, names, 3),
	}
}

func quotedOr(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = strconv.Quote(n)
	}
	return strings.Join(quoted, " or ")
}

// Load finds the config file and reads it. The first of these that is there
// counts: the path of --config, that of $KFERRY_CONFIG (these two have to be
// there), ./kferry.yaml, kferry/config.yaml in $XDG_CONFIG_HOME or ~/.config,
// /etc/kferry/config.yaml. No file is no error: the config then has its
// defaults and no clusters. What is wrong with a file is an *Error.
func Load(opts *LoadOptions) (*Loaded, error) {
	o := LoadOptions{}
	if opts != nil {
		o = *opts
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	file, found, err := o.find()
	if err != nil {
		return nil, err
	}
	if file == "" {
		return ReadConfig("", nil)
	}
	data, mode, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the config file (%s): %w", found, err)
	}
	l, err := readConfig(file, data, o.Getenv("HOME"), mode)
	if err != nil {
		return nil, err
	}
	l.Found = found
	return l, nil
}

// find returns the config file and how it was found, "" if there is none.
func (o LoadOptions) find() (file, found string, err error) {
	here := func(p string) string {
		if o.Dir == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(o.Dir, p)
	}
	if o.Path != "" {
		return here(o.Path), FoundByFlag, nil
	}
	if p := o.Getenv(EnvConfig); p != "" {
		return here(p), FoundByEnv, nil
	}
	type candidate struct{ file, found string }
	list := []candidate{{here(fileHere), FoundHere}}
	if dir := o.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		list = append(list, candidate{filepath.Join(dir, fileInXDG), FoundInXDG})
	} else if home := o.Getenv("HOME"); home != "" {
		list = append(list, candidate{filepath.Join(home, ".config", fileInXDG), FoundInXDG})
	}
	system := o.System
	if system == "" {
		system = fileSystem
	}
	list = append(list, candidate{system, FoundInSystem})
	for _, c := range list {
		_, err := os.Stat(c.file)
		if err == nil {
			return c.file, c.found, nil
		}
		// A file that is there and cannot be seen must not make another one
		// count in its place.
		if !errors.Is(err, fs.ErrNotExist) {
			return "", "", fmt.Errorf("looking for the config file (%s): %w", c.found, err)
		}
	}
	return "", "", nil
}

// readFile reads a file of bounded size.
func readFile(path string) (data []byte, mode fs.FileMode, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	data, err = io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	return data, info.Mode(), err
}

// ReadConfig reads a config from memory; file names it in messages, and
// relative paths are relative to its folder.
func ReadConfig(file string, data []byte) (*Loaded, error) {
	return readConfig(file, data, os.Getenv("HOME"), 0)
}

func readConfig(file string, data []byte, home string, mode fs.FileMode) (*Loaded, error) {
	l := &Loaded{File: file}
	d := decode(file, data, &l.Config)
	l.places = d.places
	before := clone(l.Config)
	l.Config.SetDefaults()
	d.validated(overridden(reflect.ValueOf(before), reflect.ValueOf(l.Config), d.places))
	d.validated(l.Config.Validate())
	if writable(mode) {
		d.validated(execsIn(&l.Config))
	}
	if err := asError(d.problems); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("finding the folder of %s: %w", file, err)
	}
	resolver{dir: dir, home: home}.config(&l.Config)
	return l, nil
}

// clone copies as deep as SetDefaults writes.
func clone(c api.Config) api.Config {
	c.Clusters = slices.Clone(c.Clusters)
	for i := range c.Clusters {
		s := c.Clusters[i].Security
		if s == nil {
			continue
		}
		copied := *s
		if s.PasswordFrom != nil {
			ref := *s.PasswordFrom
			copied.PasswordFrom = &ref
		}
		c.Clusters[i].Security = &copied
	}
	return c
}

// writable reports whether others than its owner can change a file.
func writable(mode fs.FileMode) bool { return runtime.GOOS != "windows" && mode&0o022 != 0 }

// execsIn refuses programs in a file that others can change: whoever can write
// it could run anything as whoever reads it.
func execsIn(c *api.Config) []api.Problem {
	var ps []api.Problem
	for i, cl := range c.Clusters {
		if cl.Security == nil || cl.Security.PasswordFrom == nil || len(cl.Security.PasswordFrom.Exec) == 0 {
			continue
		}
		ps = append(ps, api.Problem{
			Path:    fmt.Sprintf("clusters[%d].security.passwordFrom.exec", i),
			Message: "a program is not run from a file that others can write",
			Hint:    "chmod go-w the config file",
		})
	}
	return ps
}
