package topicspec

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/api"
)

func TestApply(t *testing.T) {
	t.Parallel()
	file := &api.Topics{Topics: []api.Topic{
		{Name: "prod.b", Partitions: 2, ReplicationFactor: 3, Config: map[string]string{"retention.ms": "1", "x.y": "z"}},
		{Name: "prod.a", Partitions: 1},
		{Name: "other", Partitions: 1},
	}}
	o := Options{
		Select: func(n string) bool { return strings.HasPrefix(n, "prod.") }, Rename: func(n string) string { return "qa" + n[4:] },
		Replication: 1, Set: map[string]string{"retention.ms": "2"}, Unset: []string{"x.y"},
	}
	got, err := o.Apply(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []Wanted{
		{"prod.a", api.Topic{Name: "qa.a", Partitions: 1, ReplicationFactor: 1, Config: map[string]string{"retention.ms": "2"}}},
		{"prod.b", api.Topic{Name: "qa.b", Partitions: 2, ReplicationFactor: 1, Config: map[string]string{"retention.ms": "2"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if file.Topics[0].Config["retention.ms"] != "1" {
		t.Error("the file was changed")
	}
	o.Rename = func(n string) string { return "one topic" }
	_, err = o.Apply(file)
	for _, w := range []string{`topics "prod.b" and "prod.a" would both be "one topic"`, `"one topic" is no name of a topic`} {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in %v", w, err)
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	there := There{
		Partitions: 3, Own: map[string]string{"same": "1", "other": "1", "extra": "1"},
		All: map[string]string{"same": "1", "other": "1", "extra": "1", "in.force": "7", "default": "0"},
	}
	want := api.Topic{Partitions: 4, Config: map[string]string{"same": "1", "other": "2", "in.force": "7", "default": "9", "unknown": "u"}}
	var got []string
	for _, d := range Compare(&want, there) {
		text := func(s *string) string {
			if s == nil {
				return "none"
			}
			return *s
		}
		got = append(got, d.Sign()+" "+d.Key+" "+text(d.There)+" "+text(d.Wanted))
	}
	if diff := cmp.Diff([]string{"~ partitions 3 4", "+ default 0 9", "~ other 1 2", "+ unknown none u", "- extra 1 none"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	want = api.Topic{Partitions: 3, Config: map[string]string{"same": "1", "other": "1", "extra": "1", "in.force": "7"}}
	if d := Compare(&want, there); len(d) != 0 {
		t.Errorf("equal topics differ: %v", d)
	}
}
