package script

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kferry/kferry/api"
)

//go:embed topics.bash
var topicsBash string

// Topics is a script for kafka-topics.sh.
type Topics struct {
	Head
	Topics []api.Topic
}

var topicsWhat = []string{
	"Creates topics with kafka-topics.sh. It looks at all topics that are there before the first is created,",
	"and refuses to begin when one is there with other partitions or settings. Topics that are there and equal",
	"are left alone, so it can be run again; existing topics are never changed. It reads all back at the end.",
}

// settingKey and settingValue are what kafka-topics.sh takes: it splits KEY=VALUE
// at every '=', and drops what is empty.
var (
	settingKey   = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	settingValue = regexp.MustCompile(`^[\x21-\x3c\x3e-\x7e]([\x20-\x3c\x3e-\x7e]*[\x21-\x3c\x3e-\x7e])?$`)
)

// SettingError says that kafka-topics.sh cannot set a value.
type SettingError struct {
	Topic, Key, Value string
}

// Error implements error.
func (e *SettingError) Error() string {
	return fmt.Sprintf("topic %q: kafka-topics.sh cannot set %s=%q: the value is empty, or has '=', a blank at an end, or what is not ASCII", e.Topic, e.Key, e.Value)
}

// Write writes the script. Settings that the tool cannot take are each a
// *SettingError, before the first byte.
func (o *Topics) Write(w io.Writer) error {
	var errs []error
	for _, t := range o.Topics {
		if problem := api.TopicNameProblem(t.Name); problem != "" {
			errs = append(errs, errors.New(problem))
		}
		for _, key := range slices.Sorted(maps.Keys(t.Config)) {
			if !settingKey.MatchString(key) || !settingValue.MatchString(t.Config[key]) {
				errs = append(errs, &SettingError{Topic: t.Name, Key: key, Value: t.Config[key]})
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var b strings.Builder
	if err := o.head(&b, topicsWhat, nil); err != nil {
		return err
	}
	b.WriteString(commonBash + topicsBash)
	b.WriteString("\n# --- what is to be done: topic NAME PARTITIONS REPLICAS (0: the cluster's own), and its settings ---\n")
	b.WriteString("# It is a function, so that nothing is done of a script that was cut off.\n\nmain() {\ncheck_cluster\n")
	for _, t := range o.Topics {
		fmt.Fprintf(&b, "\ntopic '%s' %d %d <<'SETTINGS'\n", t.Name, t.Partitions, t.ReplicationFactor)
		for _, key := range slices.Sorted(maps.Keys(t.Config)) {
			b.WriteString(key + "=" + t.Config[key] + "\n")
		}
		b.WriteString("SETTINGS\n")
	}
	b.WriteString("\ncreate_all\nfinish\n}\n\nmain\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the script: %w", err)
	}
	return nil
}
