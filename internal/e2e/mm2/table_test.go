package mm2_test

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// The log that the table is about: tableRecords of tableBytes each that are
// there, and before them some that retention has deleted, so that offsets differ
// on the two sides.
const tableRecords, tableBytes, tableDeleted = 400_000, 100, 1_234

// row is what becomes of one group.
type row struct {
	lag           int64
	own, repeated int64
	lost          int64
	detected      string
	cost
}

// Groups that lag by 0 to 100,000 of 400,000 records: what MirrorMaker 2's own
// group sync makes them read again, and what kferry does. With KFERRY_TABLE the
// table is written to that file too.
func TestTable(t *testing.T) {
	m, orders := prepareTable(t)
	lags := []int64{0, 1, 10, 100, 1_600, 10_000, 100_000}
	groups := make([]string, len(lags))
	for i, lag := range lags {
		groups[i] = kafkatest.Name(t, "lag-"+strconv.FormatInt(lag, 10))
		m.src.commit(t, groups[i], map[topic.Partition]int64{orders: tableDeleted + tableRecords - lag})
	}
	own := m.own(t, groups, orders)
	l := m.logs(t, orders)
	var rows []row
	for i, lag := range lags {
		S := tableDeleted + tableRecords - lag
		r := row{lag: lag}
		theirs := l.judge(S, own[groups[i]][l.to])
		r.own = theirs.repeated
		if theirs.lost > 0 || theirs.disorder {
			t.Errorf("MirrorMaker 2 at lag %d: %v", lag, theirs)
		}
		r.move(t, m, l, groups[i], S)
		rows = append(rows, r)
	}
	text := fmt.Sprintf("%s records, %s bytes on the source and %s on the target; Apache Kafka %s to %s, MirrorMaker 2 %s.\nEvidence: %s.\n\n%s",
		thousands(tableRecords), thousands(m.src.size(t, l.from)), thousands(m.tgt.size(t, l.to)),
		m.src.k.Version, m.tgt.k.Version, m.mm.Version, rows[0].detected, table(rows))
	t.Logf("\n%s", text)
	if path := os.Getenv("KFERRY_TABLE"); path != "" {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// prepareTable has MirrorMaker 2 copy the log.
func prepareTable(t *testing.T) (*mirror, topic.Partition) {
	t.Helper()
	orders := part(kafkatest.Name(t, "orders"), 0)
	kafkatest.Need(t, kafkatest.Newest, kafkatest.Previous)
	src := enter(t, kafkatest.Newest)
	src.k.CreateTopic(t, orders.Topic, 1, nil)
	cl := src.producer(t, kgo.ProducerBatchMaxBytes(16<<10)) // as Java producers do by default
	kafkatest.Produce(t, cl, numbered(orders, 0, tableDeleted)...)
	src.k.Trim(t, orders.Topic, orders.Partition, tableDeleted)
	m := begin(t, kafkatest.MirrorOptions{SourceAlias: "shop", TargetAlias: "copy", Topics: orders.Topic, Groups: "lag-.*"})
	for at := 0; at < tableRecords; at += 50_000 {
		records := numbered(orders, tableDeleted+at, 50_000)
		for _, r := range records {
			r.Value = append(r.Value, bytes.Repeat([]byte{'.'}, tableBytes-len(r.Value))...)
		}
		kafkatest.Produce(t, cl, records...)
	}
	m.mm.WaitCopied(t, orders.Topic)
	return m, orders
}

// move plans, applies, and reads as the group does.
func (r *row) move(t *testing.T, m *mirror, l *logs, group string, source int64) {
	t.Helper()
	before := [2]cost{m.src.cost(), m.tgt.cost()}
	p := m.plan(t, []string{group}, l.from.Topic)
	r.cost = m.src.cost().less(before[0]).plus(m.tgt.cost().less(before[1]))
	g := p.Group(group)
	if g == nil || len(g.Positions) != 1 {
		t.Fatalf("group %s of the plan: %+v", group, g)
	}
	q := g.Positions[0]
	if q.Outcome != translate.Exact && q.Outcome != translate.AtEnd {
		t.Errorf("%s at %d: %s, %s: %s", group, source, q.Outcome, q.Reason, q.Detail)
		r.repeated, r.lost = -1, -1
		return
	}
	r.detected = p.Topics[0].Detected
	m.apply(t, p)
	met := l.compare(source, m.consume(t, group, l.from)[l.to])
	r.repeated, r.lost = met.repeated, met.lost
	if met != (verdict{}) {
		t.Errorf("%s at %d goes on at %d: %v", group, source, q.After.Offset, met)
	}
}

// size is what a partition takes on disk, in bytes.
func (n *node) size(t *testing.T, p topic.Partition) int64 {
	t.Helper()
	dirs, err := n.k.Admin(t).DescribeAllLogDirs(t.Context(), nil)
	if err != nil {
		t.Fatalf("asking for the size of %s: %v", p, err)
	}
	size := int64(0)
	dirs.Each(func(d kadm.DescribedLogDir) {
		if found, ok := d.Topics.Lookup(p.Topic, p.Partition); ok {
			size += found.Size
		}
	})
	return size
}

func table(rows []row) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "lag\tMirrorMaker 2's own sync repeats\tkferry repeats\tlost\tfetches\tbytes\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t\n", thousands(r.lag), thousands(r.own), r.repeated, r.lost, r.fetches, thousands(r.bytes))
	}
	_ = w.Flush()
	return b.String()
}

// thousands writes 1600 as 1,600.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
