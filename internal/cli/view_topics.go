package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/topicspec"
)

// What becomes of one topic.
const (
	topicCreate  = "create"
	topicEqual   = "equal"   // there already, and as it is to be
	topicDiffers = "differs" // there already, and otherwise
	topicRefused = "refused" // not there, and not to be had as asked
	topicCreated = "created"
	topicFailed  = "failed"
)

// topicCreateJSON is what topic create would do or has done, for programs.
type topicCreateJSON struct {
	header
	Cluster string            `json:"cluster"`
	DryRun  bool              `json:"dry_run"`
	Topics  []topicResultJSON `json:"topics"`
}

type topicResultJSON struct {
	Topic string `json:"topic"`
	// Source is the name in the file.
	Source            string                `json:"source"`
	Action            string                `json:"action"`
	Partitions        int                   `json:"partitions"`
	ReplicationFactor *int64                `json:"replication_factor"`
	Config            map[string]string     `json:"config"`
	Differences       []topicDifferenceJSON `json:"differences"`
	Problems          []string              `json:"problems"`
}

type topicDifferenceJSON struct {
	Sign   string  `json:"sign"`
	Key    string  `json:"key"`
	There  *string `json:"there"`
	Wanted *string `json:"wanted"`
}

// topicJob is one run of topic create.
type topicJob struct {
	cluster *cluster.Cluster
	wanted  []topicspec.Wanted
	topics  []topicResultJSON // as wanted
	notes   []string
	created bool
}

func (j *topicJob) names() []string {
	names := make([]string, len(j.wanted))
	for i, w := range j.wanted {
		names[i] = w.Name
	}
	return names
}

// missing are the topics that are to be created.
func (j *topicJob) missing() []cluster.Creation {
	var out []cluster.Creation
	for i, w := range j.wanted {
		if j.topics[i].Action == topicCreate {
			out = append(out, creationOf(w))
		}
	}
	return out
}

func creationOf(w topicspec.Wanted) cluster.Creation {
	return cluster.Creation{
		Name: w.Name, Partitions: int32(w.Partitions), //nolint:gosec // checked when the file was read
		Replication: int16(w.ReplicationFactor), Config: w.Config, //nolint:gosec // likewise
	}
}

func (j *topicJob) refused() bool {
	return slices.ContainsFunc(j.topics, func(t topicResultJSON) bool { return t.Action == topicDiffers || t.Action == topicRefused })
}

// look compares with what is there, and has the brokers check the rest.
func (j *topicJob) look(ctx context.Context) error {
	brokers, err := j.cluster.Brokers(ctx)
	if err != nil {
		return err
	}
	there, err := j.cluster.Layouts(ctx, j.names()...)
	if err != nil {
		return err
	}
	for _, w := range j.wanted {
		r := topicResultJSON{
			Topic: w.Name, Source: w.Source, Action: topicCreate, Partitions: w.Partitions, ReplicationFactor: known(int64(w.ReplicationFactor)),
			Config: w.Config, Differences: []topicDifferenceJSON{}, Problems: []string{},
		}
		if w.ReplicationFactor == 0 {
			r.ReplicationFactor = nil
		}
		switch l := there[w.Name]; {
		case l.Err == nil:
			j.compare(&r, w, l)
		case !errors.Is(l.Err, cluster.ErrNoTopic):
			r.Action, r.Problems = topicRefused, append(r.Problems, "it is there and cannot be compared: "+l.Err.Error())
		case w.ReplicationFactor > brokers:
			r.Action = topicRefused
			r.Problems = append(r.Problems, fmt.Sprintf("%d replicas on %s: --replication-factor %d", w.ReplicationFactor, count(brokers, "broker", "brokers"), brokers))
		}
		j.topics = append(j.topics, r)
	}
	return j.validate(ctx)
}

// compare judges a topic that is there.
func (j *topicJob) compare(r *topicResultJSON, w topicspec.Wanted, l cluster.Layout) {
	r.Action = topicEqual
	for _, d := range topicspec.Compare(&w.Topic, topicspec.There{Partitions: int(l.Partitions), Own: l.Own, All: l.All}) {
		r.Action = topicDiffers
		r.Differences = append(r.Differences, topicDifferenceJSON{Sign: d.Sign(), Key: d.Key, There: d.There, Wanted: d.Wanted})
	}
	if w.ReplicationFactor > 0 && int(l.Replication) != w.ReplicationFactor {
		j.notes = append(j.notes, fmt.Sprintf("topic %q is there with %d replicas, the file has %d: it stays as it is", w.Name, l.Replication, w.ReplicationFactor))
	}
}

// validate asks the brokers whether what is missing can be created. They name
// only the first setting of a topic that is wrong, so each one is asked about.
func (j *topicJob) validate(ctx context.Context) error {
	failed, err := j.cluster.CreateTopics(ctx, j.missing(), true)
	if err != nil {
		return err
	}
	asked := map[string]string{}
	for _, bad := range failed {
		i := slices.IndexFunc(j.wanted, func(w topicspec.Wanted) bool { return w.Name == bad.Topic })
		if i < 0 {
			continue
		}
		r := &j.topics[i]
		r.Action = topicRefused
		if errors.Is(bad.Err, kerr.InvalidConfig) {
			for _, key := range slices.Sorted(maps.Keys(r.Config)) {
				problem, err := j.setting(ctx, asked, j.wanted[i], key)
				if err != nil {
					return err
				}
				if problem != "" {
					r.Problems = append(r.Problems, fmt.Sprintf("%s=%s: %s (--unset %s leaves it out)", key, r.Config[key], problem, key))
				}
			}
		}
		if len(r.Problems) == 0 {
			r.Problems = append(r.Problems, bad.Error())
		}
	}
	return nil
}

// setting asks whether the cluster takes one setting by itself; "" if it does.
func (j *topicJob) setting(ctx context.Context, asked map[string]string, w topicspec.Wanted, key string) (string, error) {
	id := key + "=" + w.Config[key]
	if answer, known := asked[id]; known {
		return answer, nil
	}
	one := creationOf(w)
	one.Config = map[string]string{key: w.Config[key]}
	failed, err := j.cluster.CreateTopics(ctx, []cluster.Creation{one}, true)
	if err != nil {
		return "", err
	}
	answer := ""
	if len(failed) > 0 && errors.Is(failed[0].Err, kerr.InvalidConfig) {
		answer = firstOf(failed[0].Message, failed[0].Err.Error())
	}
	asked[id] = answer
	return answer, nil
}

// seenWithin is how long the brokers may take to show a topic that was created.
const seenWithin = 10 * time.Second

// create creates what is missing and says what came of each: what counts is
// what is there afterwards.
func (j *topicJob) create(ctx context.Context) error {
	j.created = true
	failed, err := j.cluster.CreateTopics(ctx, j.missing(), false)
	why := map[string]string{}
	for _, bad := range failed {
		why[bad.Topic] = bad.Error()
	}
	// Also when we were told to stop: what was created has to be known.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), seenWithin)
	defer cancel()
	broken := err != nil || len(failed) > 0
	there, seen := j.await(ctx, broken)
	if seen != nil {
		return withState(errors.Join(err, seen), "topics may have been created; the same command looks again and goes on")
	}
	done, missing := 0, 0
	for i, w := range j.wanted {
		r := &j.topics[i]
		if r.Action != topicCreate {
			continue
		}
		if l := there[w.Name]; l.Err == nil {
			j.compare(r, w, l)
			if r.Action == topicEqual {
				r.Action = topicCreated
				done++
				continue
			}
			r.Problems = append(r.Problems, "it was created, and is not as asked")
		} else {
			r.Problems = append(r.Problems, firstOf(why[w.Name], "it was not created"))
		}
		r.Action = topicFailed
		missing++
	}
	if missing == 0 {
		return nil
	}
	return &failure{
		err: errors.Join(fmt.Errorf("%s not created as asked", count(missing, "topic was", "topics were")), err),
		// No topic is taken back: an empty topic harms nobody, and one that is
		// there may be written to already.
		state: count(done, "topic was", "topics were") + " created and stay",
		hint:  "the same command goes on with those that are missing",
	}
}

// await reads the topics back until all are there, or for a while when
// something failed.
func (j *topicJob) await(ctx context.Context, broken bool) (map[string]cluster.Layout, error) {
	for {
		there, err := j.cluster.Layouts(ctx, j.names()...)
		if err != nil {
			return nil, err
		}
		all := true
		for _, l := range there {
			all = all && l.Err == nil
		}
		if all || broken {
			return there, nil
		}
		select {
		case <-ctx.Done():
			return there, nil // what is missing by now is said of each topic
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (j *topicJob) doc(dryRun bool) *topicCreateJSON {
	return &topicCreateJSON{header: head("topic-create"), Cluster: j.cluster.Name(), DryRun: dryRun, Topics: list(j.topics)}
}

// table shows each topic, and under it what differs or stands in the way.
func (j *topicJob) table(p paint) *table {
	t := newTable(p, "", "TOPIC", "PARTITIONS>", "REPLICAS>", "WHAT")
	sign := map[string]string{topicCreate: "+", topicCreated: "+", topicEqual: "=", topicDiffers: "~", topicRefused: "!", topicFailed: "!"}
	for i := range j.topics {
		r := &j.topics[i]
		replicas := "-"
		if r.ReplicationFactor != nil {
			replicas = strconv.FormatInt(*r.ReplicationFactor, 10)
		}
		t.row(sign[r.Action], r.Topic, strconv.Itoa(r.Partitions), replicas, r.Action)
		for _, d := range r.Differences {
			t.row("", "", "", "", fmt.Sprintf("%s %s: %s -> %s", d.Sign, d.Key, orNone(d.There), orNone(d.Wanted)))
		}
		for _, text := range r.Problems {
			t.row("", "", "", "", "! "+text)
		}
	}
	return t
}

func orNone(s *string) string {
	if s == nil {
		return "none"
	}
	return *s
}
