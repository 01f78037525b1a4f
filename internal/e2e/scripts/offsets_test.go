package scripts_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/script"
)

type at = map[string]map[int32]int64

// made writes a script for a cluster.
func made(t *testing.T, k *kafkatest.Kafka, groups ...script.Group) string {
	t.Helper()
	s := script.Offsets{
		Head:   script.Head{Tool: "kferry test", Made: time.Unix(1, 0), ClusterID: k.ID(), Bootstrap: []string{k.Bootstrap()}},
		Groups: groups,
	}
	var b bytes.Buffer
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// hostile begins a name that is unlike any other and hard on scripts: blanks,
// quotes, line ends, what bash and Java's options would expand or split.
func hostile(t *testing.T) string {
	t.Helper()
	return kafkatest.Name(t, "h") + " a'b\"c$HOME`id`$(id)\\\n-x * é注文=1,2 & ; %s\r end "
}

// TestOffsets sets positions on each version with its own tool: names that break
// scripts, a topic whose name the tool quotes, a dry run, running it again, and
// positions and groups that go.
func TestOffsets(t *testing.T) {
	t.Parallel()
	for _, version := range kafkatest.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			kafkatest.Need(t, version)
			k := kafkatest.Shared(t, version)
			long := kafkatest.Name(t, "a-name-that-is-longer-than-24-characters.x_y")
			short := "s" + kafkatest.Name(t, "")[:6]
			filled(t, k, long, 20)
			filled(t, k, short, 5)
			group, gone := hostile(t), "--"+kafkatest.Name(t, "gone")
			commit(t, k, group, at{short: {0: 1, 1: 2}, long: {2: 0}})
			commit(t, k, gone, at{short: {1: 4}})
			home := k.Home(t, "kafka-consumer-groups", "kafka-cluster")
			text := made(t, k,
				script.Group{Name: group, Rows: []script.Row{
					{Topic: long, Partition: 0, Before: script.None, After: 20},
					{Topic: long, Partition: 1, Before: script.Unknown, After: 7},
					{Topic: long, Partition: 2, Before: 0, After: 0},
					{Topic: short, Partition: 0, Before: 1, After: 5},
					{Topic: short, Partition: 1, Before: 2, After: script.None},
				}},
				script.Group{Name: gone, Delete: true, Rows: []script.Row{{Topic: short, Partition: 1, Before: 4, After: script.None}}},
			)
			out := bash(t, 0, text, "KAFKA_HOME="+home, "DRY_RUN=1")
			contains(t, out, short+",1: 2 -> -", long+",0: - -> 20", "2 would be changed, 0 already as they should be, 0 failed")
			if diff := cmp.Diff(at{short: {0: 1, 1: 2}, long: {2: 0}}, positions(t, k, group)); diff != "" {
				t.Fatalf("the dry run changed something (-want +got):\n%s", diff)
			}
			contains(t, bash(t, 0, text, "KAFKA_HOME="+home), "2 changed, 0 already as they should be, 0 failed")
			want := at{long: {0: 20, 1: 7, 2: 0}, short: {0: 5}}
			if diff := cmp.Diff(want, positions(t, k, group)); diff != "" {
				t.Fatalf("positions (-want +got):\n%s", diff)
			}
			if left := positions(t, k, gone); len(left) > 0 {
				t.Errorf("the deleted group has %v", left)
			}
			if version != kafkatest.Newest {
				return
			}
			contains(t, bash(t, 0, text, "KAFKA_HOME="+home, "LC_ALL=C"), "0 changed, 2 already as they should be, 0 failed")
		})
	}
}

// TestOffsetsRefused is about everything after which Kafka's tool ends with 0:
// each is a failure of the script that moves no group.
func TestOffsetsRefused(t *testing.T) {
	t.Parallel()
	kafkatest.Need(t)
	k := kafkatest.Shared(t, kafkatest.Newest)
	topic := kafkatest.Name(t, "orders")
	filled(t, k, topic, 10)
	k.Trim(t, topic, 1, 4)
	home := k.Home(t, "kafka-consumer-groups")
	for name, c := range map[string]struct {
		row  script.Row
		want []string
	}{
		"above the end":     {script.Row{Topic: topic, Before: 3, After: 11}, []string{"out of range", "< " + topic + ",0,11", "> " + topic + ",0,10"}},
		"below the start":   {script.Row{Topic: topic, Partition: 1, Before: script.None, After: 3}, []string{"out of range", "< " + topic + ",1,3", "> " + topic + ",1,4"}},
		"no such topic":     {script.Row{Topic: topic + "x", Before: script.None, After: 0}, []string{"UnknownTopicOrPartition", "refused"}},
		"no such partition": {script.Row{Topic: topic, Partition: 7, Before: script.None, After: 0}, []string{"refused"}},
		"moved since":       {script.Row{Topic: topic, Before: 2, After: 5}, []string{topic + ",0 is at 3; when this script was made it was at 2", "moved since"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			group, next := kafkatest.Name(t, "g"), kafkatest.Name(t, "next")
			commit(t, k, group, at{topic: {0: 3}})
			other := script.Row{Topic: topic, Partition: 2, Before: script.None, After: 0}
			text := made(t, k, script.Group{Name: group, Rows: []script.Row{c.row, other}}, script.Group{Name: next, Rows: []script.Row{other}})
			contains(t, bash(t, 1, text, "KAFKA_HOME="+home, "TIMEOUT_MS=4000"), append(c.want, "was not tried")...)
			if diff := cmp.Diff(at{topic: {0: 3}}, positions(t, k, group)); diff != "" {
				t.Errorf("the group was moved (-want +got):\n%s", diff)
			}
			if got := positions(t, k, next); len(got) > 0 {
				t.Errorf("the next group was moved: %v", got)
			}
		})
	}
}

// TestOffsetsActive: a group with members is left alone, and with CONTINUE=1 the
// groups after it are not.
func TestOffsetsActive(t *testing.T) {
	t.Parallel()
	kafkatest.Need(t)
	k := kafkatest.Shared(t, kafkatest.Newest)
	topic, group, next := kafkatest.Name(t, "orders"), kafkatest.Name(t, "busy"), kafkatest.Name(t, "next")
	filled(t, k, topic, 10)
	member := k.Client(t, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if fetched := member.PollFetches(t.Context()); fetched.Err() != nil {
		t.Fatal(fetched.Err())
	}
	row := []script.Row{{Topic: topic, Before: script.Unknown, After: 3}}
	text := made(t, k, script.Group{Name: group, Rows: row}, script.Group{Name: next, Rows: row})
	out := bash(t, 1, text, "KAFKA_HOME="+k.Home(t, "kafka-consumer-groups"), "CONTINUE=1")
	contains(t, out, "the group has members", "1 changed, 0 already as they should be, 1 failed")
	if got := positions(t, k, group); len(got) > 0 {
		t.Errorf("the active group was moved: %v", got)
	}
	if diff := cmp.Diff(at{topic: {0: 3}}, positions(t, k, next)); diff != "" {
		t.Errorf("the next group (-want +got):\n%s", diff)
	}
}

// TestOffsetsElsewhere: another cluster, a tool that is missing, a cluster that
// does not answer, a locale that garbles the name, and a script that was cut off.
func TestOffsetsElsewhere(t *testing.T) {
	t.Parallel()
	kafkatest.Need(t)
	k := kafkatest.Shared(t, kafkatest.Newest)
	topic, group := kafkatest.Name(t, "orders"), kafkatest.Name(t, "café")+" é"
	filled(t, k, topic, 5)
	text := made(t, k, script.Group{Name: group, Rows: []script.Row{{Topic: topic, Before: script.None, After: 3}}})
	home := k.Home(t, "kafka-consumer-groups", "kafka-cluster")
	contains(t, bash(t, 2, text, "KAFKA_HOME="+home, "CLUSTER_ID=another"), "is not cluster another", "nothing was changed")
	contains(t, bash(t, 2, text, "KAFKA_HOME="+t.TempDir()), "kafka-consumer-groups.sh was not found")
	contains(t, bash(t, 1, text, "KAFKA_HOME="+home, "CLUSTER_ID=", "TIMEOUT_MS=1000", "BOOTSTRAP=127.0.0.1:1"), "could not be read")
	contains(t, bash(t, 1, text, "KAFKA_HOME="+home, "CLUSTER_ID=", "TOOL_LOCALE=C"), "did not understand the name")
	contains(t, bash(t, 2, text, "KAFKA_HOME="+home, "DRY_RUN=yes"), "DRY_RUN")
	bash(t, 2, text[:strings.LastIndex(text, "ROWS")-3], "KAFKA_HOME="+home)
	if got := positions(t, k, group); len(got) > 0 {
		t.Errorf("the group was moved: %v", got)
	}
}

// TestOffsetsKilled kills the script when half of a group is done, and runs it
// again: it goes on, and does not take its own work for a group that has moved.
func TestOffsetsKilled(t *testing.T) {
	t.Parallel()
	kafkatest.Need(t)
	k := kafkatest.Shared(t, kafkatest.Newest)
	topic := kafkatest.Name(t, "orders")
	filled(t, k, topic, 10)
	home := k.Home(t, "kafka-consumer-groups")
	for _, call := range []int{3, 4} { // set, then deleted
		t.Run(fmt.Sprint(call), func(t *testing.T) {
			t.Parallel()
			group := kafkatest.Name(t, "g")
			commit(t, k, group, at{topic: {0: 1, 1: 1}})
			text := made(t, k, script.Group{Name: group, Rows: []script.Row{
				{Topic: topic, Before: 1, After: 9}, {Topic: topic, Partition: 1, Before: 1, After: script.None},
			}})
			// The script is killed when the tool has done its work of that call.
			cut := strings.Replace(text, "\nmain() {", fmt.Sprintf("\nCALLS=0\ngroups_tool() {\n"+
				"run_tool \"$CONSUMER_GROUPS\" --bootstrap-server \"$BOOTSTRAP\" --timeout 30000 \"$@\"\n"+
				"CALLS=$((CALLS + 1))\nif [[ $CALLS == %d ]]; then rm -rf \"$WORK\"; kill -KILL $$; fi\n}\nmain() {", call), 1)
			bash(t, -1, cut, "KAFKA_HOME="+home, "CLUSTER_ID=")
			got := positions(t, k, group)[topic]
			if len(got) != 5-call || got[0] != 9 {
				t.Errorf("after the kill the group is at %v", got)
			}
			bash(t, 0, text, "KAFKA_HOME="+home, "CLUSTER_ID=")
			if diff := cmp.Diff(at{topic: {0: 9}}, positions(t, k, group)); diff != "" {
				t.Errorf("positions (-want +got):\n%s", diff)
			}
		})
	}
}
