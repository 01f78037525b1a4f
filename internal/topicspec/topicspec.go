// Package topicspec decides what a topics file (package api) means on another
// cluster: which topics, under which names, with which settings, and how they
// differ from what is there. It is pure.
package topicspec

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/kferry/kferry/api"
)

// Options change what a file says. Nil functions change nothing.
type Options struct {
	// Select chooses topics by the name in the file.
	Select func(name string) bool
	// Rename gives the name on the target.
	Rename func(name string) string
	// Replication, if not 0, is the replication factor of all topics.
	Replication int
	// Set are settings of all topics, instead of those in the file; Unset are
	// keys that are left out.
	Set   map[string]string
	Unset []string
}

// Wanted is a topic as it is to be on the target.
type Wanted struct {
	// Source is its name in the file.
	Source string
	api.Topic
}

// Apply returns the chosen topics as they are to be, by name. Two topics that
// get one name, and a name that Kafka does not allow, are errors, all at once.
func (o *Options) Apply(t *api.Topics) ([]Wanted, error) {
	var out []Wanted
	var errs []error
	sources := map[string]string{}
	for _, one := range t.Topics {
		if o.Select != nil && !o.Select(one.Name) {
			continue
		}
		w := Wanted{Source: one.Name, Topic: one}
		if o.Rename != nil {
			w.Name = o.Rename(one.Name)
		}
		if problem := api.TopicNameProblem(w.Name); problem != "" {
			errs = append(errs, fmt.Errorf("topic %q on the target: %s", one.Name, problem))
		}
		if other, there := sources[w.Name]; there {
			errs = append(errs, fmt.Errorf("topics %q and %q would both be %q", other, one.Name, w.Name))
		}
		sources[w.Name] = one.Name
		if o.Replication > 0 {
			w.ReplicationFactor = o.Replication
		}
		w.Config = make(map[string]string, len(one.Config)+len(o.Set))
		maps.Copy(w.Config, one.Config)
		maps.Copy(w.Config, o.Set)
		for _, key := range o.Unset {
			delete(w.Config, key)
		}
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b Wanted) int {
		if a.Name < b.Name {
			return -1
		}
		return 1 // names differ, or this is an error anyway
	})
	return out, errors.Join(errs...)
}

// There is a topic as it is on the target.
type There struct {
	Partitions int
	// Own is what was set on the topic itself, All what is in force.
	Own, All map[string]string
}

// Partitions is the key of a Difference in the number of partitions. No
// setting of Kafka has this name.
const Partitions = "partitions"

// Difference is one thing in which a topic is not as it is to be. What is not
// there, or is not to be there, is nil.
type Difference struct {
	Key           string
	There, Wanted *string
	// Default: what is there is not set on the topic, but in force.
	Default bool
}

// Sign is + for what would have to be set, ~ for what would have to change and
// - for what would have to go.
func (d *Difference) Sign() string {
	switch {
	case d.Wanted == nil:
		return "-"
	case d.There == nil || d.Default:
		return "+"
	}
	return "~"
}

// Compare returns the differences by key, the partitions first. A setting that
// is in force without being set on the topic is as it is to be.
func Compare(want *api.Topic, there There) []Difference {
	var out []Difference
	if want.Partitions != there.Partitions {
		is, to := strconv.Itoa(there.Partitions), strconv.Itoa(want.Partitions)
		out = append(out, Difference{Key: Partitions, There: &is, Wanted: &to})
	}
	for _, key := range slices.Sorted(maps.Keys(want.Config)) {
		to := want.Config[key]
		is, known := there.All[key]
		switch _, own := there.Own[key]; {
		case !known:
			out = append(out, Difference{Key: key, Wanted: &to})
		case is != to:
			out = append(out, Difference{Key: key, There: &is, Wanted: &to, Default: !own})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(there.Own)) {
		if _, wanted := want.Config[key]; !wanted {
			is := there.Own[key]
			out = append(out, Difference{Key: key, There: &is})
		}
	}
	return out
}
