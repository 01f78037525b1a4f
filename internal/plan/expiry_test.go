package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
)

func faultOf(code *kerr.Error, only string) kfake.Fault {
	return kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: only, Err: code}
}

// onOne plans a given position on a cluster with a setting.
func onOne(t *testing.T, n *node, change func(*Input)) []Finding {
	t.Helper()
	in := Input{
		To: n.side(), AsGiven: true, Tool: "kferry test",
		Given: []position.Position{{Group: "app", Partition: part("orders", 0), Offset: 1, LeaderEpoch: -1}},
		Now:   func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC) },
	}
	if change != nil {
		change(&in)
	}
	p, err := Build(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	var out []Finding
	for _, f := range p.Findings {
		if f.Reason == ReasonExpiry {
			out = append(out, f)
		}
	}
	return out
}

func one(t *testing.T, minutes string) *node {
	t.Helper()
	n := newNode(t, "new", kfake.BrokerConfigs(map[string]string{"offsets.retention.minutes": minutes}))
	w := &world{t: t, target: n}
	w.create(n, "orders", 1)
	w.produce(n, &kgo.Record{Topic: "orders", Value: []byte("a")})
	return n
}

func TestAPlanSaysWhenStagedPositionsExpire(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		minutes string
		keep    time.Duration
		want    Severity // "" for no finding
		texts   []string
	}{
		"soon":               {"90", 0, Warning, []string{"for 1h30m (offsets.retention.minutes=90)", "2026-01-02T04:34:05Z", "--keep-offsets"}},
		"in days":            {"2880", 0, Note, []string{"for 2 days", "2026-01-04T03:04:05Z"}},
		"as usual":           {"10080", 0, "", nil},
		"kept":               {"90", 48 * time.Hour, Note, []string{"kept for 2 days"}},
		"kept shortly":       {"90", 2 * time.Hour, Warning, []string{"kept for 2h after", "longer --keep-offsets"}},
		"kept for less":      {"2880", time.Hour, Note, []string{"kept for 2 days", "more than was asked for"}},
		"kept for less soon": {"90", time.Hour, Warning, []string{"kept for 1h30m"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := onOne(t, one(t, tc.minutes), func(in *Input) { in.Keep = tc.keep })
			check(t, got, tc.want, tc.texts...)
		})
	}
}

func check(t *testing.T, got []Finding, want Severity, texts ...string) {
	t.Helper()
	if want == "" {
		if len(got) > 0 {
			t.Errorf("findings: %+v, want none", got)
		}
		return
	}
	if len(got) != 1 || got[0].Severity != want {
		t.Fatalf("findings: %+v, want one %s", got, want)
	}
	for _, text := range texts {
		if !strings.Contains(got[0].Detail+" "+got[0].Hint, text) {
			t.Errorf("%q is not in: %s (%s)", text, got[0].Detail, got[0].Hint)
		}
	}
}

func TestAPlanSaysThatTheTimeIsNotKnown(t *testing.T) {
	t.Parallel()
	n := one(t, "10080")
	n.Fake.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.DescribeConfigs}, Resource: "0", Err: kerr.ClusterAuthorizationFailed, Count: -1,
	})
	check(t, onOne(t, n, nil), Note, "does not tell", "DESCRIBE_CONFIGS")
}

// Positions of a group that had members count from when these left: what is
// committed now can be gone at once.
func TestAPlanWarnsOfGroupsThatHadMembers(t *testing.T) {
	t.Parallel()
	n := one(t, "10080")
	cl, err := kgo.NewClient(kgo.SeedBrokers(n.Fake.ListenAddrs()...), kgo.ConsumerGroup("app"), kgo.ConsumeTopics("orders"))
	if err != nil {
		t.Fatal(err)
	}
	if f := cl.PollRecords(t.Context(), 1); f.NumRecords() != 1 {
		t.Fatal(f.Errors())
	}
	if err := cl.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	cl.Close()
	empty := func() bool {
		r, err := n.Groups.Read(t.Context(), []string{"app"})
		return err == nil && r["app"].Group.State == group.Empty
	}
	for !empty() {
		if t.Context().Err() != nil {
			t.Fatal("the group is never empty")
		}
	}
	other := func(in *Input) { in.Given[0].Offset, in.Accept.Rewind = 0, true }
	check(t, onOne(t, n, other), Warning, `group "app" has had members`, "7 days", "2026-01-09T03:04:05Z", "--keep-offsets")
	check(t, onOne(t, n, func(in *Input) { other(in); in.Keep = month }), Note, "kept for 30 days")
}

func TestWhatTheWayBackNeedsExpires(t *testing.T) {
	t.Parallel()
	classic := map[string]group.Reading{"app": {Group: group.Group{Name: "app", Kind: group.Classic}}}
	modern := map[string]group.Reading{"app": {Group: group.Group{Name: "app", Kind: group.Consumer}}}
	for name, tc := range map[string]struct {
		minutes string
		groups  map[string]group.Reading
		keep    time.Duration
		write   Committer
		want    Severity
		texts   []string
	}{
		"soon":        {"60", classic, 0, nil, Warning, []string{"for 1h (offsets.retention.minutes=60)", "--keep-offsets"}},
		"in days":     {"2880", classic, 0, nil, Note, []string{"2 days"}},
		"as usual":    {"10080", classic, 0, nil, "", nil},
		"new groups":  {"10080", modern, 0, nil, Note, []string{`of group "app" each position counts from its own commit`}},
		"kept":        {"60", classic, time.Hour, nil, "", nil},
		"cannot keep": {"60", classic, time.Hour, &plain{}, Warning, []string{"cannot be kept"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := one(t, tc.minutes).side()
			if tc.write != nil {
				s.Write = tc.write
			}
			f, err := SourceExpiry(t.Context(), s, tc.groups, tc.keep)
			if err != nil {
				t.Fatal(err)
			}
			var got []Finding
			if f != nil {
				got = append(got, *f)
			}
			check(t, got, tc.want, tc.texts...)
		})
	}
}

func TestLasting(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		24 * time.Hour: "1 day", 168 * time.Hour: "7 days", 90 * time.Minute: "1h30m", 2 * time.Hour: "2h",
		36 * time.Hour: "36h", time.Minute: "1m", 90 * time.Second: "1m30s", 30 * time.Second: "30s", 20 * time.Minute: "20m",
	} {
		if got := lasting(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
