package spec

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/api"
)

func someTopics() *api.Topics {
	return &api.Topics{
		Format: api.TopicsFormat, Version: api.TopicsVersion, Cluster: "prod: \"x\"", ClusterID: "abc", At: "2026-11-21T10:00:00Z",
		Topics: []api.Topic{
			{Name: "007", Partitions: 3, ReplicationFactor: 2, Config: map[string]string{
				"cleanup.policy": "compact,delete", "retention.ms": "604800000", "x: y": "a # b\n<c>", "min.cleanable.dirty.ratio": "1e-1", "empty.value": "",
			}},
			{Name: "null", Partitions: 1},
			{Name: "-", Partitions: 1},
		},
	}
}

func TestTopicsReadBack(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := WriteTopics(&b, someTopics()); err != nil {
		t.Fatal(err)
	}
	got, err := ReadTopics("t.yaml", &b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(someTopics(), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTopicsEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := ReadTopics("t.yaml", strings.NewReader(`format: kferry-plan
version: 2
topics:
  - name: a b
    partitions: 0
    replication: 3
    config:
      retention.ms: 5
      retention.ms: 6
      cleanup.policy:
      nested: {a: b}
  - name: orders
    partitions: many
    config: [x]
  - name: x
    partitions: 1
  - name: x
    partitions: 1
    replicationFactor: -1
`))
	if _, ok := errors.AsType[*Error](err); !ok {
		t.Fatalf("got %v", err)
	}
	want := []string{
		`t.yaml:1:9: format: "kferry-plan" is another kind of file (format: kferry-topics)`,
		`t.yaml:2:10: version: version 2 is not known (this kferry reads version: 1)`,
		`t.yaml:4:11: topics[0].name: "a b" is no name of a topic: letters, digits, '.', '_' and '-' only`,
		`t.yaml:5:17: topics[0].partitions: a topic has 1 partition or more, this is 0`,
		`t.yaml:6:5: topics[0].replication: key "replication" is not known`,
		`t.yaml:9:7: topics[0].config.retention.ms: key "retention.ms" is there already, in line 8`,
		`t.yaml:10:7: topics[0].config.cleanup.policy: the value is missing`,
		`t.yaml:11:`, `topics[0].config.nested: one value belongs here`,
		`t.yaml:13:17: topics[1].partitions: "many" is not a whole number`,
		`topics[1].config: keys with values belong here, this is a list`,
		`t.yaml:17:11: topics[3].name: topic "x" is there already, as topics[2]`,
		`t.yaml:19:24: topics[3].replicationFactor: -1 is no number of replicas`,
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in:\n%v", w, err)
		}
	}
}

func FuzzReadTopics(f *testing.F) {
	var b bytes.Buffer
	if err := WriteTopics(&b, someTopics()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"format":"kferry-topics","version":1,"topics":[{"name":"a","partitions":1,"config":{"a.b":"c"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ReadTopics("t.yaml", bytes.NewReader(data))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := WriteTopics(&b, got); err != nil {
			t.Fatal(err)
		}
		again, err := ReadTopics("t.yaml", &b)
		if err != nil {
			t.Fatalf("%v in what was written", err)
		}
		for i := range got.Topics {
			if len(got.Topics[i].Config) == 0 {
				got.Topics[i].Config = nil // {} is the same as none
			}
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatalf("-first +again:\n%s", diff)
		}
	})
}
