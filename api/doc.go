// Package api has the files that people write for kferry, as plain structs:
// the config file (Config), the route file (Route) and the migration file
// (Migration, Fleet).
//
// Every node has SetDefaults, which fills what was left out, and Validate,
// which reports everything that is wrong at once and changes nothing. Nothing
// here reads a file, opens a connection or decides anything: package spec
// reads YAML into these structs, and the rooms of the program use them.
package api

import (
	"fmt"
	"time"
)

// Version is the only version of the files so far. A file without apiVersion
// is of this version, now and later.
const Version = "kferry/v1"

// Problem is one thing that is wrong in a file.
type Problem struct {
	// Path names the value, as in "clusters[1].bootstrap[0]"; "" is the whole
	// file. It may name a key that is missing.
	Path string `json:"path"`
	// Message says what is wrong: lower case, without a period.
	Message string `json:"message"`
	// Hint says what to do about it; "" if there is nothing to say.
	Hint string `json:"hint,omitempty"`
}

// Duration is a time span that is written as Go writes it: "10s", "1m30s".
type Duration time.Duration

// String writes the duration as it would be written in a file.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. A number without a unit
// is an error, since nobody can tell seconds from milliseconds; 0 needs none.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 500ms, 10s or 1m30s", b)
	}
	*d = Duration(v)
	return nil
}

// join prefixes the paths of problems found further down.
func join(prefix string, ps []Problem) []Problem {
	for i := range ps {
		switch {
		case ps[i].Path == "":
			ps[i].Path = prefix
		case ps[i].Path[0] == '[':
			ps[i].Path = prefix + ps[i].Path
		default:
			ps[i].Path = prefix + "." + ps[i].Path
		}
	}
	return ps
}

func checkVersion(v string) []Problem {
	if v == Version {
		return nil
	}
	return []Problem{{
		Path:    "apiVersion",
		Message: fmt.Sprintf("version %q is not known", v),
		Hint:    "this kferry reads " + Version,
	}}
}
