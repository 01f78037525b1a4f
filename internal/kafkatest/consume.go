package kafkatest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// How the console consumer separates what it prints: characters that no test
// has in a record, so that keys and values may have lines and tabs.
const (
	fieldSeparator = "\x01"
	lineSeparator  = "\x02"
	nullLiteral    = "\x03"
)

// Idle times of the console consumer in milliseconds. A read of a known number
// ends when it has them; one to the end can only wait for silence, which must
// be longer than a join of the group on a busy machine.
const (
	consumeIdle      = 30000
	consumeUntilIdle = 8000
)

// Record is one record as Kafka's Java console consumer printed it.
type Record struct {
	Partition int32
	Offset    int64
	// Key and Value are text; a null is empty with NullKey or NullValue set.
	Key, Value         string
	NullKey, NullValue bool
}

// ConsoleConsume runs Kafka's Java console consumer as a member of the group,
// from the group's committed offsets on, and returns what it read in its order.
// It ends after most records, and the test fails if fewer come; most = 0 reads
// until none has come for eight seconds. What was returned is committed when
// it ends. A partition without a committed offset is read from its beginning:
// a commit that is missing shows as records too many, never as silence. More
// arguments go to the console consumer, such as "--isolation-level",
// "read_committed".
func (k *Kafka) ConsoleConsume(t testing.TB, group, topic string, most int, args ...string) []Record {
	t.Helper()
	formatter := "--property"
	if atLeast(k.Version, 4, 2) {
		formatter = "--formatter-property" // KIP-1147
	}
	all := []string{"--bootstrap-server", k.Bootstrap(), "--topic", topic, "--group", group, "--from-beginning"}
	for _, p := range []string{
		"print.partition=true", "print.offset=true", "print.key=true",
		"key.separator=" + fieldSeparator, "line.separator=" + lineSeparator, "null.literal=" + nullLiteral,
	} {
		all = append(all, formatter, p)
	}
	if most > 0 {
		all = append(all, "--max-messages", strconv.Itoa(most), "--timeout-ms", strconv.Itoa(consumeIdle))
	} else {
		all = append(all, "--timeout-ms", strconv.Itoa(consumeUntilIdle))
	}
	r := k.Tool(t, "kafka-console-consumer", append(all, args...)...)
	records, err := parseRecords(r.Stdout)
	if err != nil || len(records) < most {
		t.Fatalf("the console consumer read %d of %d records of %s (%v):\n%s", len(records), most, topic, err, r.Stderr)
	}
	return records
}

// parseRecords reads lines of the default formatter: Partition:0, Offset:7,
// key and value, in this order since KIP-431 (2.7).
func parseRecords(out string) ([]Record, error) {
	var records []Record
	for line := range strings.SplitSeq(out, lineSeparator) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		fields := strings.Split(line, fieldSeparator)
		if len(fields) != 4 {
			return nil, fmt.Errorf("%d fields, want partition, offset, key, value: %q", len(fields), line)
		}
		partition, err := numberAfter(fields[0], "Partition:", 32)
		if err != nil {
			return nil, err
		}
		offset, err := numberAfter(fields[1], "Offset:", 64)
		if err != nil {
			return nil, err
		}
		r := Record{Partition: int32(partition), Offset: offset, Key: fields[2], Value: fields[3]}
		if r.NullKey = r.Key == nullLiteral; r.NullKey {
			r.Key = ""
		}
		if r.NullValue = r.Value == nullLiteral; r.NullValue {
			r.Value = ""
		}
		records = append(records, r)
	}
	return records, nil
}

func numberAfter(field, prefix string, bits int) (int64, error) {
	digits, ok := strings.CutPrefix(field, prefix)
	if !ok {
		return 0, fmt.Errorf("%q does not begin with %s", field, prefix)
	}
	return strconv.ParseInt(digits, 10, bits)
}
