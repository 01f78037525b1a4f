package bulk_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/plan"
)

const (
	bulkGroups     = 1000
	bulkPartitions = 100
	parallel       = 16
	rounds         = 5
	// The promises: commits alone against a bare loop, the whole apply as
	// multiples of it.
	leastCommits, mostApply = 0.7, 5.0
	// toolGroups are moved with kafka-consumer-groups, one call each.
	toolGroups = 3
)

func numbered(name string, partitions int32, each int) []*kgo.Record {
	var out []*kgo.Record
	for p := range partitions {
		for i := range each {
			out = append(out, &kgo.Record{Topic: name, Partition: p, Value: strconv.AppendInt(nil, int64(i), 10)})
		}
	}
	return out
}

// timed is how long something took.
func timed(b *testing.B, do func(context.Context) error) time.Duration {
	b.Helper()
	began := time.Now()
	if err := do(b.Context()); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// BenchmarkBulk sets the whole guarded apply of 1,000 groups of 100 partitions
// beside the bare commits, and Kafka's own tool. Each round measures all of
// them, one after the other, so that what else the machine does hits all alike.
// With KFERRY_TABLE the table is written to that file too.
func BenchmarkBulk(b *testing.B) {
	w := enter(b, bulkPartitions)
	bare, mine, moved := names("bare", bulkGroups), names("mine", bulkGroups), names("moved", bulkGroups)
	for _, all := range [][]string{bare, mine, moved} { // all exist, and everything is warm
		if err := w.bare(b.Context(), all, 1, parallel); err != nil {
			b.Fatal(err)
		}
	}
	var limit, commits, applied, single []time.Duration
	var report *plan.Report
	for round := range rounds {
		offset := int64(round%recordsEach) + 2
		limit = append(limit, timed(b, func(ctx context.Context) error { return w.bare(ctx, bare, offset, parallel) }))
		if _, err := w.groups.Read(b.Context(), mine); err != nil { // as an apply has before it commits
			b.Fatal(err)
		}
		commits = append(commits, timed(b, func(ctx context.Context) error { return w.commit(ctx, mine, offset, parallel) }))
		p := w.plan(b, moved, offset)
		applied = append(applied, timed(b, func(ctx context.Context) (err error) {
			report, err = w.apply(ctx, p)
			return err
		}))
		if !report.Complete() || report.Count(plan.Applied) != bulkGroups {
			b.Fatalf("round %d: %+v", round, report.Count(plan.Applied))
		}
		single = append(single, timed(b, func(ctx context.Context) error { return w.bare(ctx, bare, offset, 1) }))
	}
	per := func(d []time.Duration) float64 { return median(d).Seconds() / median(limit).Seconds() }
	tool := w.tool(b)
	rows := [][2]string{
		{"bare OffsetCommit requests, " + strconv.Itoa(parallel) + " at a time", "1.0"},
		{"the same, one at a time", fmt.Sprintf("%.1f", per(single))},
		{"kferry's commits alone", fmt.Sprintf("%.2f", per(commits))},
		{"the whole apply: states, positions, snapshot, journal, commits, reading back", fmt.Sprintf("%.1f", per(applied))},
		{fmt.Sprintf("kafka-consumer-groups, one call per group (%d calls, scaled)", toolGroups), fmt.Sprintf("%.0f", tool.Seconds()*bulkGroups/toolGroups/median(limit).Seconds())},
	}
	text := table(rows) + fmt.Sprintf("Commits of the last apply: p50 %.1f ms, p99 %.1f ms. Most memory that the process had: %s.\n",
		report.CommitLatency.P50MS, report.CommitLatency.P99MS, peak())
	b.Logf("\n%s", text)
	if path := os.Getenv("KFERRY_TABLE"); path != "" {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	if got := 1 / per(commits); got < leastCommits {
		b.Errorf("the commits alone run at %.2f of the bare loop, less than %.1f", got, leastCommits)
	}
	if got := per(applied); got > mostApply {
		b.Errorf("the whole apply takes %.1f times the bare loop, more than %.0f", got, mostApply)
	}
}

// tool moves some groups with kafka-consumer-groups.
func (w *world) tool(b *testing.B) time.Duration {
	b.Helper()
	file := filepath.Join(b.TempDir(), "offsets.csv")
	var csv strings.Builder
	for p := range w.partitions {
		fmt.Fprintf(&csv, "%s,%d,5\n", w.topic, p)
	}
	if err := os.WriteFile(file, []byte(csv.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	for _, name := range names("tool", toolGroups) {
		r := w.k.Tool(b, "kafka-consumer-groups", "--bootstrap-server", w.k.Bootstrap(),
			"--reset-offsets", "--from-file", file, "--execute", "--group", name)
		if r.Code != 0 {
			b.Fatalf("%+v", r)
		}
	}
	took := time.Since(began)
	for name, at := range w.where(b, names("tool", toolGroups)) {
		if at[5] != int(w.partitions) {
			b.Fatalf("%s stands at %v", name, at)
		}
	}
	return took
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

func table(rows [][2]string) string {
	var out strings.Builder
	t := tabwriter.NewWriter(&out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintf(t, "%d groups x %d partitions, Apache Kafka with one broker on this machine\ttimes the bare requests\n", bulkGroups, bulkPartitions)
	for _, r := range rows {
		_, _ = fmt.Fprintf(t, "%s\t%s\n", r[0], r[1])
	}
	_ = t.Flush()
	return out.String()
}

// peak is the most memory that this process has had, where the system tells.
func peak() string {
	raw, err := os.ReadFile("/proc/self/status")
	if err == nil {
		for line := range strings.Lines(string(raw)) {
			if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				return strings.TrimSpace(v)
			}
		}
	}
	return "not told by this system"
}
