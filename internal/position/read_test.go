package position_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kferry/kferry/internal/position"
)

const (
	kmapDoc = `{
  "timestamp": "2026-03-01T12:00:00Z",
  "cluster": "localhost:9092",
  "consumer_groups": [
    {
      "group": "app",
      "topics": {
        "orders": [
          {"partition": 0, "offset": 12345},
          {"partition": 1, "offset": 67890}
        ]
      },
      "timestamp": "2026-03-01T12:00:00Z"
    }
  ]
}
`
	backupDoc = `{
  "snapshot_id": "6f9b1c9a-0000-4000-8000-000000000001",
  "created_at": "2026-03-01T12:00:00Z",
  "group_offsets": {
    "app": {
      "group_id": "app",
      "offsets": {
        "orders": {
          "1": {"offset": 67890, "metadata": null, "timestamp": null},
          "0": {"offset": 12345, "metadata": "m", "timestamp": 1700000000000}
        }
      },
      "partition_count": 2
    }
  },
  "restore_id": null,
  "cluster_id": "abc",
  "bootstrap_servers": ["localhost:9092"],
  "description": "before"
}
`
	backupGroupsDoc = `{
  "snapshot_time": 1772366400000,
  "groups": [
    {"group_id": "app", "offsets": {"orders": {"0": 12345, "1": 67890}}}
  ]
}
`
	snapshotDoc = `{
  "type": "snapshot",
  "format_version": 1,
  "id": "20260301T120000Z-000000",
  "kind": "full",
  "created": "2026-03-01T12:00:00Z",
  "cluster_id": "abc",
  "cluster_name": "prod",
  "complete": false,
  "incomplete": ["group z: not authorized"],
  "group_count": 4,
  "position_count": 2,
  "groups": [
    {"name": "app", "kind": "classic", "state": "Empty", "exists": true, "positions": [
      {"topic": "orders", "topic_id": "x", "partition": 0, "offset": 12345, "leader_epoch": 4, "metadata": "m", "log_end": 20000},
      {"topic": "orders", "partition": 1, "offset": 67890, "leader_epoch": -1, "metadata_base64": "/w=="}
    ]},
    {"name": "gone", "kind": "unknown", "exists": false, "positions": []},
    {"name": "mine", "kind": "share", "exists": true, "positions": []},
    {"name": "z", "exists": true, "error": "not authorized", "positions": []}
  ]
}
`
)

// read reads one byte at a time, so that nothing hangs on how a read is cut.
func read(in string, o position.ReadOptions) (*position.Set, position.Origin, error) {
	return position.Read(iotest.OneByteReader(strings.NewReader(in)), "in", o)
}

func TestReadFindsTheFormat(t *testing.T) {
	t.Parallel()
	plain := []position.Position{at("app", "orders", 0, 12345), at("app", "orders", 1, 67890)}
	with := func(first, second string, epoch int32) []position.Position {
		ps := append([]position.Position(nil), plain...)
		ps[0].Metadata, ps[1].Metadata, ps[0].LeaderEpoch = first, second, epoch
		return ps
	}
	backupNotes := []string(nil)
	for name, tc := range map[string]struct {
		in     string
		o      position.ReadOptions
		want   []position.Position
		origin position.Origin
	}{
		"csv":             {in: "app,orders,0,12345\napp,orders,1,67890\n", want: plain, origin: position.Origin{Format: "csv"}},
		"csv of a topic":  {in: "orders,0,12345\norders,1,67890\n", o: position.ReadOptions{Group: "app"}, want: plain, origin: position.Origin{Format: "csv"}},
		"csv by its rows": {in: "orders,0,12345\norders,1,67890\n", o: position.ReadOptions{RowGroup: "app"}, want: plain, origin: position.Origin{Format: "csv"}},
		"row group is not looked at": {
			in: "\uFEFFapp,orders,0,12345\r\napp,orders,1,67890\r\n", o: position.ReadOptions{RowGroup: "other"},
			want: plain, origin: position.Origin{Format: "csv"},
		},
		"a line without an end": {in: "app,orders,0,12345\napp,orders,1,67890", want: plain, origin: position.Origin{
			Format: "csv", Notes: []string{"the last line has no end: a file that was cut within a number looks like this, too"},
		}},
		"a group that begins with a brace": {in: "{app},orders,0,1\n", o: position.ReadOptions{Format: "csv"}, want: []position.Position{at("{app}", "orders", 0, 1)}, origin: position.Origin{Format: "csv"}},
		"kmap":                             {in: kmapDoc, want: plain, origin: position.Origin{Format: "kmap", Cluster: "localhost:9092", At: noon}},
		"kmap, captured_at": {
			in: strings.ReplaceAll(kmapDoc, "timestamp", "captured_at"), want: plain,
			origin: position.Origin{Format: "kmap", Cluster: "localhost:9092", At: noon},
		},
		"kmap with CRLF and a mark": {
			in: "\uFEFF" + strings.ReplaceAll(kmapDoc, "\n", "\r\n"), want: plain,
			origin: position.Origin{Format: "kmap", Cluster: "localhost:9092", At: noon},
		},
		"kmap, the group behind its topics": {
			in:   `{"consumer_groups":[{"topics":{"orders":[{"offset":12345,"partition":0},{"offset":67890,"partition":1}]},"group":"app"},{"group":"idle","topics":{}}]}`,
			want: plain, origin: position.Origin{Format: "kmap", Notes: []string{`group "idle" has no positions in the file`}},
		},
		"kafka-backup": {in: backupDoc, want: with("m", "", -1), origin: position.Origin{Format: "kafka-backup", ClusterID: "abc", At: noon, Notes: backupNotes}},
		"kafka-backup, groups of a backup": {
			in: backupGroupsDoc, want: plain, origin: position.Origin{Format: "kafka-backup", At: noon},
		},
		"snapshot": {in: snapshotDoc, want: with("m", "\xff", 4), origin: position.Origin{
			Format: "snapshot", Cluster: "prod", ClusterID: "abc", At: noon,
			Notes: []string{
				"the snapshot is incomplete: group z: not authorized",
				`group "gone" did not exist when the snapshot was taken, which no file of positions can say: kferry snapshot restore deletes such a group`,
				`group "mine" is a share group without committed positions, and is left out`,
				`group "z" could not be read when the snapshot was taken, and is left out: not authorized`,
			},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, origin, err := read(tc.in, tc.o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, set.All()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.origin, origin); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2*position.MaxValueBytes)
	group := func(body string) string { return `{"consumer_groups":[` + "\n" + body + `]}` }
	for name, tc := range map[string]struct {
		in, want string
		o        position.ReadOptions
	}{
		"0 bytes":             {"", "reading positions in: the file has none: it is empty", position.ReadOptions{}},
		"a mark only":         {"\uFEFF", "reading positions in: the file has none", position.ReadOptions{}},
		"blank lines":         {"\n \n", `in: line 2, column 1: 1 field where`, position.ReadOptions{}},
		"no positions":        {`{"consumer_groups":[]}`, "reading positions in: the file has none", position.ReadOptions{}},
		"UTF-16":              {"\xff\xfe{\x00", "the file is UTF-16", position.ReadOptions{}},
		"a list":              {`[{"group":"g"}]`, "in: line 1: found [ where an object belongs", position.ReadOptions{}},
		"cut in the head":     {"{\n\"timestamp\": \"20", "in: line 2, timestamp: the file ends in the middle", position.ReadOptions{}},
		"nothing tells":       {`{"a":1}`, "in: line 1: nothing tells which format the file has", position.ReadOptions{}},
		"a plan":              {`{"format":"kferry-plan"}`, "this is a plan: kferry apply", position.ReadOptions{}},
		"a stored snapshot":   {`{"format":"kferry-snapshot","version":1}`, "kferry snapshot show ID -o json", position.ReadOptions{}},
		"another document":    {`{"type":"group-list"}`, `in: line 1, type: "group-list" has no positions to read`, position.ReadOptions{}},
		"too long a value":    {`{"x":"` + long + `"}`, "in: line 1, x: the value is longer than", position.ReadOptions{Format: "kmap"}},
		"too long a head":     {`{"x":"` + long + `"}`, "in: line 1, x: ", position.ReadOptions{}},
		"no such format":      {"x", `"xml" is no format of positions`, position.ReadOptions{Format: "xml"}},
		"told kmap, and csv":  {"g,t,0,1\n", "in: line 1: invalid character", position.ReadOptions{Format: "kmap"}},
		"told csv, and JSON":  {kmapDoc, "in: line 1, column 1: 1 field", position.ReadOptions{Format: "csv"}},
		"told kmap, and ours": {`{"format":"kferry.positions","version":1,"positions":[]}`, "consumer_groups: is missing", position.ReadOptions{Format: "kmap"}},
		"group beside JSON":   {kmapDoc, "the file names its groups", position.ReadOptions{Group: "g"}},
		"group beside csv":    {"g,t,0,1\n", "4 fields where topic,partition,offset has 3", position.ReadOptions{Group: "g"}},
		"shapes mixed":        {"t,0,1\ng,t,0,1\n", "line 2, column 7, field 4: 4 fields", position.ReadOptions{RowGroup: "g"}},

		"kmap: cut":                  {kmapDoc[:len(kmapDoc)/2], "in: line 9, consumer_groups[0].topics.orders: the file ends in the middle", position.ReadOptions{}},
		"kmap: a newer version":      {`{"version":2,"consumer_groups":[]}`, "version: is not known here", position.ReadOptions{}},
		"kmap: something after":      {kmapDoc + "{}", "something follows the end", position.ReadOptions{}},
		"kmap: group twice":          {group("{\"group\":\"g\",\"topics\":{}},\n{\"group\":\"g\",\"topics\":{}}"), `in: line 3, consumer_groups[1]: group "g" is consumer_groups[0] already`, position.ReadOptions{}},
		"kmap: topic twice":          {group(`{"group":"g","topics":{"t":[],"t":[]}}`), `line 2, consumer_groups[0].topics.t: key "t" is there twice`, position.ReadOptions{}},
		"kmap: partition twice":      {group(`{"group":"g","topics":{"t":[{"partition":0,"offset":1},{"partition":0,"offset":2}]}}`), `consumer_groups[0].topics.t[1]: position "g" t/0 is consumer_groups[0].topics.t[0] already`, position.ReadOptions{}},
		"kmap: no commit":            {group(`{"group":"g","topics":{"t":[{"partition":0,"offset":-1}]}}`), "offset -1 is negative (a partition without a position has no entry: delete it)", position.ReadOptions{}},
		"kmap: negative partition":   {group(`{"group":"g","topics":{"t":[{"partition":-1,"offset":1}]}}`), "the partition is negative", position.ReadOptions{}},
		"kmap: offset missing":       {group(`{"group":"g","topics":{"t":[{"partition":0}]}}`), "consumer_groups[0].topics.t[0]: partition and offset are needed", position.ReadOptions{}},
		"kmap: offset as text":       {group(`{"group":"g","topics":{"t":[{"partition":0,"offset":"1"}]}}`), "line 2, consumer_groups[0].topics.t[0].offset: string is not a whole number of 64 bits", position.ReadOptions{}},
		"kmap: offset overflows":     {group(`{"group":"g","topics":{"t":[{"partition":0,"offset":9223372036854775808}]}}`), "offset: number 9223372036854775808 is not a whole number", position.ReadOptions{}},
		"kmap: another field":        {group(`{"group":"g","topics":{"t":[{"partition":0,"offset":1,"lag":3}]}}`), "consumer_groups[0].topics.t[0].lag: is not known here", position.ReadOptions{}},
		"kmap: other case":           {group(`{"group":"g","topics":{"t":[{"Partition":0,"offset":1}]}}`), "Partition: is not known here", position.ReadOptions{}},
		"kmap: no group":             {group(`{"topics":{}}`), "consumer_groups[0]: group is missing", position.ReadOptions{}},
		"kmap: empty group":          {group(`{"group":"","topics":{}}`), "group is missing", position.ReadOptions{}},
		"kmap: no topics":            {group(`{"group":"g"}`), "topics is missing", position.ReadOptions{}},
		"kmap: empty topic":          {group(`{"group":"g","topics":{"":[{"partition":0,"offset":1}]}}`), "the topic has no name", position.ReadOptions{}},
		"kmap: topic not UTF-8":      {group(`{"group":"g","topics":{"` + "\xff" + `":[]}}`), "the name is not UTF-8", position.ReadOptions{}},
		"kmap: half a surrogate":     {group(`{"group":"g","topics":{"\ud800":[]}}`), "the name is not UTF-8", position.ReadOptions{}},
		"kmap: group not UTF-8":      {group(`{"group":"` + "\xff" + `","topics":{}}`), "consumer_groups[0].group: is not UTF-8", position.ReadOptions{}},
		"kmap: topics are a list":    {group(`{"group":"g","topics":[]}`), "found [ where an object belongs", position.ReadOptions{}},
		"kmap: null":                 {group(`null`), "found <nil> where an object belongs", position.ReadOptions{}},
		"kmap: a time that is none":  {`{"captured_at":"yesterday","consumer_groups":[]}`, "captured_at: ", position.ReadOptions{}},
		"backup: cut":                {backupDoc[:len(backupDoc)-30], "the file ends in the middle", position.ReadOptions{}},
		"backup: count":              {strings.Replace(backupDoc, `count": 2`, `count": 3`, 1), "line 5, group_offsets.app: partition_count is 3, and there are 2 positions", position.ReadOptions{}},
		"backup: other name":         {strings.Replace(backupDoc, `"group_id": "app"`, `"group_id": "b"`, 1), `group_id is "b", and the group stands under "app"`, position.ReadOptions{}},
		"backup: partition":          {strings.Replace(backupDoc, `"1": {`, `"-1": {`, 1), `"-1" is no number of a partition`, position.ReadOptions{}},
		"backup: the same partition": {strings.Replace(backupDoc, `"1": {`, `"00": {`, 1), `position "app" orders/0 is group_offsets.app.offsets.orders.00 already`, position.ReadOptions{}},
		"backup: negative":           {strings.Replace(backupDoc, "67890", "-1", 1), "offset -1 is negative", position.ReadOptions{}},
		"backup: another field":      {strings.Replace(backupDoc, `"metadata": null`, `"leader_epoch": 3`, 1), "leader_epoch: is not known here", position.ReadOptions{}},
		"backup: offset missing":     {strings.Replace(backupDoc, `"offset": 67890, `, ``, 1), "offset is missing", position.ReadOptions{}},
		"backup: groups twice":       {strings.Replace(backupGroupsDoc, `}}}`, `}}},{"group_id": "app", "offsets": {}}`, 1), `groups[1]: group "app" is groups[0] already`, position.ReadOptions{}},
		"backup: no groups":          {`{"snapshot_id":"x"}`, "group_offsets: is missing", position.ReadOptions{}},
		"backup: a newer version":    {`{"snapshot_id":"x","version":3,"group_offsets":{}}`, "version: is not known here", position.ReadOptions{}},
		"snapshot: cut":              {snapshotDoc[:len(snapshotDoc)-20], "the file ends in the middle", position.ReadOptions{}},
		"snapshot: a newer version":  {strings.Replace(snapshotDoc, `format_version": 1`, `format_version": 2`, 1), "format_version: 2 is not known; this kferry reads 1", position.ReadOptions{}},
		"snapshot: a group cut out":  {strings.Replace(snapshotDoc, `group_count": 4`, `group_count": 5`, 1), "group_count: it is 5, and there are 4 groups", position.ReadOptions{}},
		"snapshot: a row cut out":    {strings.Replace(snapshotDoc, `position_count": 2`, `position_count": 3`, 1), "position_count: it is 3, and there are 2 positions", position.ReadOptions{}},
		"snapshot: group twice":      {strings.Replace(snapshotDoc, `"name": "gone"`, `"name": "app"`, 1), `group "app" is groups[0] already`, position.ReadOptions{}},
		"snapshot: offset missing":   {strings.Replace(snapshotDoc, `"offset": 67890, `, ``, 1), "line 16, groups[0].positions[1]: topic, partition and offset are needed", position.ReadOptions{}},
		"snapshot: no groups":        {`{"type":"snapshot","format_version":1}`, "groups: is missing", position.ReadOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, _, err := position.Read(strings.NewReader(tc.in), "in", tc.o)
			if set != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, %.300v; want %q", set, err, tc.want)
			}
		})
	}
}

// A file with very many mistakes is not read to its end, and says so.
func TestReadJSONStops(t *testing.T) {
	t.Parallel()
	row := `{"partition":0,"offset":-1},`
	in := `{"consumer_groups":[{"group":"g","topics":{"t":[` + strings.TrimSuffix(strings.Repeat(row, 100), ",") + `]}}]}`
	_, _, err := position.Read(strings.NewReader(in), "in", position.ReadOptions{})
	var bad *position.JSONError
	if !errors.As(err, &bad) || len(bad.Problems) != position.MaxCSVProblems || !bad.Stopped || !strings.HasSuffix(err.Error(), "in: the rest was not read") {
		t.Errorf("got %v", err)
	}
}

func TestReadKeepsReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	for _, head := range []string{"", "g,t,0,1\n", `{"consumer_groups":[`, kmapDoc} {
		in := iotest.ErrReader(broken)
		if head != "" {
			in = &after{head: head, err: broken}
		}
		set, _, err := position.Read(in, "in", position.ReadOptions{})
		if set != nil || !errors.Is(err, broken) {
			t.Errorf("after %.20q: got %v, %v", head, set, err)
		}
	}
}

// after gives a text and then an error.
type after struct {
	head string
	err  error
}

func (a *after) Read(p []byte) (int, error) {
	if a.head == "" {
		return 0, a.err
	}
	n := copy(p, a.head)
	a.head = a.head[n:]
	return n, nil
}

// write writes a set in a format.
func write(f position.Format, set *position.Set) (string, error) {
	var b bytes.Buffer
	err := position.Write(&b, f, set, position.Origin{Cluster: "prod", ClusterID: "abc", At: noon})
	return b.String(), err
}

// What a format can hold comes back, whatever the names are, and the format is
// found by itself; what it cannot is counted.
func TestFormatsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, f := range position.OutputFormats() {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				o := position.ReadOptions{}
				if f == position.FormatCSVTopic {
					o.Group = "g"
				}
				set := genSet(o.Group, true).Draw(t, "set")
				text, err := write(f, set)
				if err != nil {
					t.Fatal(err)
				}
				back, origin, err := position.Read(strings.NewReader(text), "in", o)
				var none *position.EmptyError
				if set.Len() == 0 && errors.As(err, &none) {
					return
				}
				if err != nil {
					t.Fatalf("%v\n%q", err, text)
				}
				if origin.Format != f && f != position.FormatCSVTopic {
					t.Fatalf("found %s", origin.Format)
				}
				kept := new(position.Set)
				var lost position.Loss
				for p := range set.Each() {
					if f != position.FormatJSON && p.LeaderEpoch >= 0 {
						p.LeaderEpoch, lost.Epochs = -1, lost.Epochs+1
					}
					if p.Metadata != "" && f != position.FormatJSON && (f != position.FormatKafkaBackup || !utf8.ValidString(p.Metadata)) {
						p.Metadata, lost.Metadata = "", lost.Metadata+1
					}
					if err := kept.Add(p); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(kept.All(), back.All()); diff != "" {
					t.Fatal(diff)
				}
				if got := position.LossOf(f, set); got != lost {
					t.Fatalf("loss %+v, want %+v", got, lost)
				}
			})
		})
	}
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	topic249 := strings.Repeat("t", 249)
	set, err := position.NewSet(
		at("a,\"b\"\r\nc", topic249, 0, 1), at("\x00\x1b[31m", "t", 0, 1), at("  spaces ", "t", 0, 1), at("{", "t", 0, 1),
		at("\uFEFFmark", "t", 0, 1), at("\uFFFD", "t", 0, 1), at("=cmd()", "t", 0, 1), at(strings.Repeat("g", 32767), "t", 0, 1<<63-1),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []position.Format{position.FormatCSV, position.FormatJSON, position.FormatKmap, position.FormatKafkaBackup} {
		text, err := write(f, set)
		if err != nil {
			t.Fatal(err)
		}
		back, _, err := position.Read(strings.NewReader(text), "in", position.ReadOptions{})
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if diff := cmp.Diff(set.All(), back.All()); diff != "" {
			t.Errorf("%s: %s", f, diff)
		}
	}
	bad, err := position.NewSet(at("g\xff", "t", 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range position.OutputFormats() {
		text, err := write(f, bad)
		var unwritable *position.UnwritableError
		if !errors.As(err, &unwritable) || text != "" {
			t.Errorf("%s: wrote %q, %v", f, text, err)
		}
	}
}

func TestWriteSeveralGroupsAsOne(t *testing.T) {
	t.Parallel()
	set, err := position.NewSet(at("a", "t", 0, 1), at("b", "t", 0, 2))
	if err != nil {
		t.Fatal(err)
	}
	text, err := write(position.FormatCSVTopic, set)
	var unwritable *position.UnwritableError
	if !errors.As(err, &unwritable) || text != "" {
		t.Errorf("wrote %q, %v", text, err)
	}
}

// FuzzRead: whatever comes in, what is read can be written and read again.
func FuzzRead(f *testing.F) {
	for _, in := range []string{"g,t,0,1\n", kmapDoc, backupDoc, backupGroupsDoc, snapshotDoc, `{"format":"kferry.positions","version":1,"positions":[]}`, "\uFEFF{\n", " [", "{\"x\":{}}"} {
		for i := range position.InputFormats() {
			f.Add(in, uint8(i))
		}
	}
	formats := position.InputFormats()
	f.Fuzz(func(t *testing.T, in string, n uint8) {
		o := position.ReadOptions{Format: formats[int(n)%len(formats)]}
		set, _, err := position.Read(strings.NewReader(in), "in", o)
		if err != nil {
			if set != nil {
				t.Error("an error and a set")
			}
			return
		}
		text, err := write(position.FormatJSON, set)
		if err != nil {
			t.Fatal(err)
		}
		back, _, err := position.Read(strings.NewReader(text), "in", position.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(set.All(), back.All()); diff != "" {
			t.Error(diff)
		}
	})
}
