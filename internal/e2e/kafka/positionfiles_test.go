package kafka_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// TestFilesOfConsumerGroups: what kafka-consumer-groups exports is read, and
// what is written is taken by it, in both of its shapes.
func TestFilesOfConsumerGroups(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node) {
		t.Helper()
		orders := kafkatest.Name(t, "orders")
		n.create(t, orders, 2, nil)
		kafkatest.Produce(t, n.manual(t), numbered(part(orders, 0), 0, 20)...)
		// A comma and a quote are what a name can have in a file of commas.
		one, two := kafkatest.Name(t, "one"), kafkatest.Name(t, "two")+`,"x"`
		n.commit(t, one, map[topic.Partition]int64{part(orders, 0): 7, part(orders, 1): 0})
		n.commit(t, two, map[topic.Partition]int64{part(orders, 0): 20})
		reset := func(args ...string) string {
			args = append([]string{"--bootstrap-server", n.k.Bootstrap(), "--reset-offsets"}, args...)
			r := n.k.Tool(t, "kafka-consumer-groups", args...)
			if r.Code != 0 {
				t.Fatalf("%v: exit code %d\n%s%s", args, r.Code, r.Stdout, r.Stderr)
			}
			return r.Stdout
		}
		exported := func(o position.ReadOptions, args ...string) *position.Set {
			text := reset(append(args, "--topic", orders, "--to-current", "--dry-run", "--export")...)
			set, _, err := position.Read(strings.NewReader(strings.TrimLeft(text, "\n")), "export", o)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			return set
		}
		if diff := cmp.Diff(n.offsets(t, one), offsetsOf(exported(position.ReadOptions{RowGroup: one}, "--group", one), one)); diff != "" {
			t.Errorf("one group (-committed +exported):\n%s", diff)
		}
		both := exported(position.ReadOptions{}, "--group", one, "--group", two)
		for _, name := range []string{one, two} {
			want, got := n.offsets(t, name), offsetsOf(both, name)
			if len(got) < len(want) {
				t.Errorf("%s: %d positions exported of %d", name, len(got), len(want))
			}
			for tp, offset := range got {
				if offset != want[tp] {
					t.Errorf("%s %s: exported %d, committed %d", name, tp, offset, want[tp])
				}
			}
		}

		// What we write, it takes.
		set, err := position.NewSet(
			position.Position{Group: one, Partition: part(orders, 0), Offset: 3, LeaderEpoch: -1},
			position.Position{Group: two, Partition: part(orders, 0), Offset: 4, LeaderEpoch: -1},
		)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "positions.csv")
		var b strings.Builder
		if err := position.Write(&b, position.FormatCSV, set, position.Origin{}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		reset("--group", one, "--group", two, "--from-file", file, "--execute")
		for name, want := range map[string]int64{one: 3, two: 4} {
			if got := n.offsets(t, name)[part(orders, 0)]; got != want {
				t.Errorf("%s is at %d, the file says %d", name, got, want)
			}
		}
	})
}

func offsetsOf(set *position.Set, group string) map[topic.Partition]int64 {
	out := map[topic.Partition]int64{}
	for _, p := range set.ByGroup(group) {
		out[p.Partition] = p.Offset
	}
	return out
}
