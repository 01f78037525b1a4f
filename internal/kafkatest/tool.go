package kafkatest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// toolTimeout bounds one run of a command-line tool: a second or two of Java,
// more on a busy machine, and the waiting that its own flags ask for.
const toolTimeout = 2 * time.Minute

// tools are Kafka's commands by the names of their scripts, with the classes
// that were behind them, newest first.
var tools = map[string][]string{
	"kafka-acls":                      {"org.apache.kafka.tools.AclCommand", "kafka.admin.AclCommand"},
	"kafka-cluster":                   {"org.apache.kafka.tools.ClusterTool", "kafka.tools.ClusterTool"},
	"kafka-configs":                   {"org.apache.kafka.tools.ConfigCommand", "kafka.admin.ConfigCommand"},
	"kafka-console-consumer":          {"org.apache.kafka.tools.consumer.ConsoleConsumer", "kafka.tools.ConsoleConsumer"},
	"kafka-console-producer":          {"org.apache.kafka.tools.ConsoleProducer", "kafka.tools.ConsoleProducer"},
	"kafka-console-share-consumer":    {"org.apache.kafka.tools.consumer.ConsoleShareConsumer"},
	"kafka-consumer-groups":           {"org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "kafka.admin.ConsumerGroupCommand"},
	"kafka-delete-records":            {"org.apache.kafka.tools.DeleteRecordsCommand", "kafka.admin.DeleteRecordsCommand"},
	"kafka-dump-log":                  {"org.apache.kafka.tools.DumpLogSegments", "kafka.tools.DumpLogSegments"},
	"kafka-get-offsets":               {"org.apache.kafka.tools.GetOffsetShell", "kafka.tools.GetOffsetShell"},
	"kafka-leader-election":           {"org.apache.kafka.tools.LeaderElectionCommand", "kafka.admin.LeaderElectionCommand"},
	"kafka-reassign-partitions":       {"org.apache.kafka.tools.reassign.ReassignPartitionsCommand", "kafka.admin.ReassignPartitionsCommand"},
	"kafka-topics":                    {"org.apache.kafka.tools.TopicCommand", "kafka.admin.TopicCommand"},
	"kafka-transactions":              {"org.apache.kafka.tools.TransactionsCommand"},
	"kafka-verifiable-producer":       {"org.apache.kafka.tools.VerifiableProducer"},
	"kafka-broker-api-versions":       {"org.apache.kafka.tools.BrokerApiVersionsCommand", "kafka.admin.BrokerApiVersionsCommand"},
	"kafka-streams-groups":            {"org.apache.kafka.tools.streams.StreamsGroupCommand"},
	"kafka-share-groups":              {"org.apache.kafka.tools.consumer.group.ShareGroupCommand"},
	"kafka-streams-application-reset": {"org.apache.kafka.tools.StreamsResetter", "kafka.tools.StreamsResetter"},
}

// Result is what a command-line tool left.
type Result struct {
	// Code is its exit code; Kafka's tools are not strict about it.
	Code int
	// Stdout and Stderr are what it wrote.
	Stdout, Stderr string
}

// Tool runs one of Kafka's command-line tools with the cluster's own jars: by
// the name of its script without .sh, such as "kafka-consumer-groups", or by
// its class. Nothing is added to the arguments: --bootstrap-server is the
// caller's. The test fails if the tool cannot be run or does not end within
// two minutes; any exit code is the caller's to judge.
func (k *Kafka) Tool(t testing.TB, name string, args ...string) Result {
	t.Helper()
	in := k.install
	if in == nil {
		in = find(t, k.Version)
	}
	r, err := in.tool(t.Context(), t.TempDir(), name, args)
	if err != nil {
		t.Fatalf("running %s of Apache Kafka %s: %v", name, k.Version, err)
	}
	return r
}

func (in *Install) tool(ctx context.Context, dir, name string, args []string) (Result, error) {
	candidates := tools[name]
	if strings.Contains(name, ".") {
		candidates = []string{name}
	}
	class, err := in.class(candidates...)
	if err != nil {
		return Result{}, err
	}
	if err := writeLog4j(dir, "WARN"); err != nil {
		return Result{}, err
	}
	java := append([]string{"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", class}, args...)
	cmd := in.command(dir, "256m", java...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	p, err := spawn(cmd)
	if err != nil {
		return Result{}, fmt.Errorf("starting java: %w", err)
	}
	timer := time.NewTimer(toolTimeout)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = fmt.Errorf("no end within %s", toolTimeout)
	}
	p.kill()
	r := Result{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
	if err != nil {
		return r, fmt.Errorf("%w; it wrote:\n%s%s", err, lastLines(r.Stdout, tailLines), lastLines(r.Stderr, tailLines))
	}
	return r, nil
}

// GroupRow is one line of kafka-consumer-groups --describe.
type GroupRow struct {
	Group, Topic string
	Partition    int32
	// Current is the committed offset, End the log end, Lag their distance; -1
	// where Kafka prints a dash.
	Current, End, Lag int64
	// Consumer, Host and Client are empty where no member has the partition.
	Consumer, Host, Client string
}

// ConsumerGroupsDescribe returns what Kafka's own kafka-consumer-groups says of
// a group, sorted by topic and partition; none for a group that does not exist.
func (k *Kafka) ConsumerGroupsDescribe(t testing.TB, group string) []GroupRow {
	t.Helper()
	r := k.Tool(t, "kafka-consumer-groups", "--bootstrap-server", k.Bootstrap(), "--describe", "--group", group)
	rows, err := parseGroupRows(r.Stdout)
	if err != nil {
		t.Fatalf("reading what kafka-consumer-groups says: %v\n%s%s", err, r.Stdout, r.Stderr)
	}
	return rows
}

func parseGroupRows(out string) ([]GroupRow, error) {
	var header []string
	var rows []GroupRow
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		switch {
		case slices.Contains(fields, "CURRENT-OFFSET"):
			header = fields
			continue
		case header == nil || len(fields) == 0:
			continue // "Consumer group 'x' has no active members." and the like
		case len(fields) != len(header):
			return nil, fmt.Errorf("%d fields under %d headings: %q", len(fields), len(header), line)
		}
		var row GroupRow
		for i, name := range header {
			if err := row.set(name, fields[i]); err != nil {
				return nil, err
			}
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b GroupRow) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return int(a.Partition - b.Partition)
	})
	return rows, nil
}

func (r *GroupRow) set(heading, field string) error {
	texts := map[string]*string{"GROUP": &r.Group, "TOPIC": &r.Topic, "CONSUMER-ID": &r.Consumer, "HOST": &r.Host, "CLIENT-ID": &r.Client}
	numbers := map[string]*int64{"CURRENT-OFFSET": &r.Current, "LOG-END-OFFSET": &r.End, "LAG": &r.Lag}
	if heading == "PARTITION" {
		n, err := strconv.ParseInt(field, 10, 32)
		r.Partition = int32(n)
		return err
	}
	if text := texts[heading]; text != nil && field != "-" {
		*text = field
	}
	if number := numbers[heading]; number != nil {
		*number = -1
		if field != "-" {
			n, err := strconv.ParseInt(field, 10, 64)
			*number = n
			return err
		}
	}
	return nil
}
