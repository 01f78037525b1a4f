package position_test

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

func at(group, name string, partition int32, offset int64) position.Position {
	return position.Position{
		Group: group, Partition: topic.Partition{Topic: name, Partition: partition},
		Offset: offset, LeaderEpoch: -1,
	}
}

func TestReadCSV(t *testing.T) {
	t.Parallel()
	one := []position.Position{at("order-processor", "orders-prod", 0, 103)}
	for name, tc := range map[string]struct {
		in    string
		group string
		want  []position.Position
	}{
		"one row":              {in: "order-processor,orders-prod,0,103\n", want: one},
		"no line end":          {in: "order-processor,orders-prod,0,103", want: one},
		"CRLF":                 {in: "order-processor,orders-prod,0,103\r\n", want: one},
		"byte order mark":      {in: "\uFEFForder-processor,orders-prod,0,103\n", want: one},
		"mark before a quote":  {in: "\uFEFF\"order-processor\",orders-prod,0,103\n", want: one},
		"all quoted":           {in: `"order-processor","orders-prod","0","103"`, want: one},
		"blank lines":          {in: "\n\r\norder-processor,orders-prod,0,103\n\n\n", want: one},
		"group given":          {in: "dezka,0,381606\n", group: "app", want: []position.Position{at("app", "dezka", 0, 381606)}},
		"greatest numbers":     {in: "g,t,2147483647,9223372036854775807", want: []position.Position{at("g", "t", 1<<31-1, 1<<63-1)}},
		"zeros in front":       {in: "g,t,00,0103", want: []position.Position{at("g", "t", 0, 103)}},
		"comma, quote in name": {in: `"a,""b""",t,0,1`, want: []position.Position{at(`a,"b"`, "t", 0, 1)}},
		"lines in a name":      {in: "\"a\r\nb\nc\",t,0,1\r\n", want: []position.Position{at("a\r\nb\nc", "t", 0, 1)}},
		"a group named group":  {in: "group,topic,0,1", want: []position.Position{at("group", "topic", 0, 1)}},
		"sorted": {in: "g,t,10,1\ng,t,2,1\na,z,0,1", want: []position.Position{
			at("a", "z", 0, 1), at("g", "t", 2, 1), at("g", "t", 10, 1),
		}},
		"empty": {in: "", want: []position.Position{}},
		"mark":  {in: "\uFEFF", want: []position.Position{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// One byte at a time, so that nothing hangs on how a read is cut.
			got, err := position.ReadCSV(iotest.OneByteReader(strings.NewReader(tc.in)), &position.CSVOptions{Group: tc.group})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.All()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadCSVProblems(t *testing.T) {
	t.Parallel()
	type where struct {
		Line, Column, Field int
		Message             string
	}
	for name, tc := range map[string]struct {
		in      string
		group   string
		want    []where
		stopped bool
	}{
		"header": {in: "group,topic,partition,offset\ng,t,0,1\n", want: []where{
			{1, 1, 0, "the first row looks like a header"},
		}},
		"header of the java tool": {in: "GROUP,TOPIC,PARTITION,CURRENT-OFFSET\n", want: []where{{1, 1, 0, "the first row looks like a header"}}},
		"header further down":     {in: "g,t,0,1\ngroup,topic,partition,offset\n", want: []where{{2, 13, 3, `"partition" is not a number`}, {2, 23, 4, `"offset" is not a number`}}},
		"extra column":            {in: "g,t,0,1,meta\n", want: []where{{1, 9, 5, "5 fields where group,topic,partition,offset has 4"}}},
		"trailing comma":          {in: "g,t,0,1,\n", want: []where{{1, 9, 5, "5 fields where group,topic,partition,offset has 4"}}},
		"too few":                 {in: "g,t,0,1\nt,0,1\n", want: []where{{2, 1, 0, "3 fields where group,topic,partition,offset has 4"}}},
		"group missing":           {in: "t,0,1\n", want: []where{{1, 1, 0, "3 fields where group,topic,partition,offset has 4"}}},
		"group twice":             {in: "g,t,0,1\n", group: "g", want: []where{{1, 1, 0, "4 fields where topic,partition,offset has 3"}}},
		"semicolons":              {in: "g;t;0;1\n", want: []where{{1, 1, 0, "1 field where group,topic,partition,offset has 4"}}},
		"negative offset":         {in: "g,t,0,-1\n", want: []where{{1, 7, 4, "-1 is negative"}}},
		"negative partition":      {in: "g,t,-1,1\n", want: []where{{1, 5, 3, "-1 is negative"}}},
		"plus":                    {in: "g,t,0,+1\n", want: []where{{1, 7, 4, `"+1" is not a number`}}},
		"space":                   {in: "g,t,0, 1\n", want: []where{{1, 7, 4, `" 1" is not a number`}}},
		"fraction":                {in: "g,t,0,1.0\n", want: []where{{1, 7, 4, `"1.0" is not a number`}}},
		"exponent":                {in: "g,t,0,1e3\n", want: []where{{1, 7, 4, `"1e3" is not a number`}}},
		"underscore":              {in: "g,t,0,1_0\n", want: []where{{1, 7, 4, `"1_0" is not a number`}}},
		"foreign digits":          {in: "g,t,0,١\n", want: []where{{1, 7, 4, `"١" is not a number`}}},
		"missing number":          {in: "g,t,,1\n", want: []where{{1, 5, 3, "the number is missing"}}},
		"offset overflows":        {in: "g,t,0,9223372036854775808\n", want: []where{{1, 7, 4, "9223372036854775808 is above 9223372036854775807"}}},
		"partition overflows":     {in: "g,t,2147483648,1\n", want: []where{{1, 5, 3, "2147483648 is above 2147483647"}}},
		"empty names":             {in: ",,0,1\n", want: []where{{1, 1, 1, "the name is empty"}, {1, 2, 2, "the name is empty"}}},
		"not UTF-8":               {in: "\xff,t,0,1\n", want: []where{{1, 1, 1, "the name is not UTF-8"}}},
		"duplicate": {in: "g,t,0,1\ng,t,1,1\n\ng,t,0,1\n", want: []where{
			{4, 1, 0, `position "g" t/0 is in line 1 already`},
		}},
		"duplicate written differently": {in: "g,t,0,1\n\"g\",t,00,2\n", want: []where{{2, 1, 0, `position "g" t/0 is in line 1 already`}}},
		"every problem": {in: "g,t,x,1\ng,t,0,1\ng,t,1,-5\n", want: []where{
			{1, 5, 3, `"x" is not a number`}, {3, 7, 4, "-5 is negative"},
		}},
		"lines count within quotes": {in: "\"a\nb\",t,0,1\ng,t,0,x\n", want: []where{{3, 7, 4, `"x" is not a number`}}},
		"columns are characters":    {in: "ü€😀,t,0,x\n", want: []where{{1, 9, 4, `"x" is not a number`}}},
		"quote inside":              {in: "a\"b,t,0,1\n", want: []where{{1, 2, 0, `a '"' within a field that does not begin with one`}}, stopped: true},
		"after the quote":           {in: "\"a\"b,t,0,1\n", want: []where{{1, 4, 0, `something follows the '"' that closes the field`}}, stopped: true},
		"open quote":                {in: "g,t,0,1\n\"g,t,0,1\n", want: []where{{2, 1, 0, `the '"' that opens the field is not closed`}}, stopped: true},
		"bare CR":                   {in: "g,t,0,1\rg,t,1,1\r", want: []where{{1, 8, 0, "a carriage return without a line feed"}}, stopped: true},
		"UTF-16":                    {in: "\xff\xfeg\x00", want: []where{{1, 1, 0, "the file is UTF-16"}}, stopped: true},
		"NUL":                       {in: "g,t,0,\x001\n", want: []where{{1, 7, 4, `"\x001" is not a number`}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := position.ReadCSV(strings.NewReader(tc.in), &position.CSVOptions{Group: tc.group, Name: "in.csv"})
			var bad *position.CSVError
			if set != nil || !errors.As(err, &bad) {
				t.Fatalf("got %v, %v", set, err)
			}
			var got []where
			for _, p := range bad.Problems {
				got = append(got, where{p.Line, p.Column, p.Field, p.Message})
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if bad.Stopped != tc.stopped {
				t.Errorf("stopped = %v", bad.Stopped)
			}
		})
	}
}

func TestCSVErrorText(t *testing.T) {
	t.Parallel()
	_, err := position.ReadCSV(strings.NewReader("g,t,0,1\ng,t,1,-1\n,t,0,1,9\ng,t,0,7\n"), &position.CSVOptions{Name: "source.csv"})
	want := `source.csv: line 2, column 7, field 4 (offset): -1 is negative (a group without a position has no row)
source.csv: line 3, column 8, field 5: 5 fields where group,topic,partition,offset has 4 (a name with a comma stands in quotes)
source.csv: line 4, column 1: position "g" t/0 is in line 1 already (a group has one position on a partition: delete one of the two lines)`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestReadCSVStops(t *testing.T) {
	t.Parallel()
	_, err := position.ReadCSV(strings.NewReader(strings.Repeat("g,t,0,x\n", 1000)), nil)
	var bad *position.CSVError
	if !errors.As(err, &bad) || len(bad.Problems) != position.MaxCSVProblems || !bad.Stopped {
		t.Errorf("got %v", err)
	}
	if !strings.HasPrefix(err.Error(), "standard input: line 1,") {
		t.Errorf("got %v", err)
	}
	// Exactly as many problems as are shown: everything was read.
	_, err = position.ReadCSV(strings.NewReader(strings.Repeat("g,t,0,x\n", position.MaxCSVProblems)), nil)
	if !errors.As(err, &bad) || bad.Stopped {
		t.Errorf("got %v", err)
	}
}

// endless is a row without an end; it fails the test when it is read further
// than a row may be long.
type endless struct {
	t    *testing.T
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	if e.read > 4*position.MaxRowBytes {
		e.t.Error("the row was read without a bound")
		return 0, errors.New("too far")
	}
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

func TestReadCSVBoundsRows(t *testing.T) {
	t.Parallel()
	_, err := position.ReadCSV(&endless{t: t}, nil)
	var bad *position.CSVError
	if !errors.As(err, &bad) || !strings.Contains(bad.Problems[0].Message, "longer than any row") {
		t.Errorf("got %v", err)
	}
}

func TestReadCSVKeepsReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	set, err := position.ReadCSV(iotest.ErrReader(broken), &position.CSVOptions{Name: "x.csv"})
	if set != nil || !errors.Is(err, broken) {
		t.Errorf("got %v, %v", set, err)
	}
	// Also after good rows: half a file is no file.
	set, err = position.ReadCSV(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("g,t,0,1\n"))), nil)
	if set != nil || !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("got %v, %v", set, err)
	}
}

func TestWriteCSV(t *testing.T) {
	t.Parallel()
	set, err := position.NewSet(
		at("order-processor", "orders-qa", 0, 3), at("a,b", "t", 1, 2), at(`q"q`, "t", 0, 0),
		at("\uFEFFmark", "t", 0, 0), at(" space", "t", 0, 0), at("cr\rlf\n", "t", 0, 0),
	)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := position.WriteCSV(&b, set, nil); err != nil {
		t.Fatal(err)
	}
	want := "\" space\",t,0,0\n\"a,b\",t,1,2\n\"cr\rlf\n\",t,0,0\norder-processor,orders-qa,0,3\n\"q\"\"q\",t,0,0\n\"\uFEFFmark\",t,0,0\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestWriteCSVRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		p    position.Position
		opts *position.CSVOptions
	}{
		"group is not UTF-8": {p: at("a\xff", "t", 0, 1)},
		"topic is not UTF-8": {p: at("a", "t\xff", 0, 1)},
		"another group":      {p: at("a", "t", 0, 1), opts: &position.CSVOptions{Group: "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := position.NewSet(at("Z", "t", 0, 1), tc.p)
			if err != nil {
				t.Fatal(err)
			}
			var (
				b   strings.Builder
				bad *position.UnwritableError
			)
			if err := position.WriteCSV(&b, set, tc.opts); !errors.As(err, &bad) || b.Len() > 0 {
				t.Errorf("got %v and %q", err, b.String())
			}
		})
	}
}

func genName() *rapid.Generator[string] {
	hostile := rapid.StringOf(rapid.RuneFrom([]rune("a,\"\r\n \t'\\*=;:/é\uFEFF😀0-")))
	return rapid.OneOf(hostile, rapid.String(), rapid.StringMatching(`[a-z0-9._-]{1,12}`)).
		Filter(func(s string) bool { return s != "" })
}

func genSet(group string, metadata bool) *rapid.Generator[*position.Set] {
	return rapid.Custom(func(t *rapid.T) *position.Set {
		set := new(position.Set)
		for range rapid.IntRange(0, 8).Draw(t, "n") {
			p := at(group, genName().Draw(t, "topic"), rapid.Int32Min(0).Draw(t, "partition"), rapid.Int64Min(0).Draw(t, "offset"))
			if group == "" {
				p.Group = genName().Draw(t, "group")
			}
			if metadata {
				p.LeaderEpoch = rapid.Int32Min(-1).Draw(t, "epoch")
				p.Metadata = string(rapid.SliceOf(rapid.Byte()).Draw(t, "metadata"))
			}
			var dup *position.DuplicateError
			if err := set.Add(p); err != nil && !errors.As(err, &dup) {
				t.Fatal(err)
			}
		}
		return set
	})
}

func TestCSVRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		opts := &position.CSVOptions{Group: rapid.SampledFrom([]string{"", "g", "a,\"b\"\n"}).Draw(t, "given")}
		set := genSet(opts.Group, false).Draw(t, "set")
		var b strings.Builder
		if err := position.WriteCSV(&b, set, opts); err != nil {
			t.Fatal(err)
		}
		back, err := position.ReadCSV(strings.NewReader(b.String()), opts)
		if err != nil {
			t.Fatalf("%v\n%q", err, b.String())
		}
		if diff := cmp.Diff(set.All(), back.All()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzReadCSV(f *testing.F) {
	for _, s := range []string{
		"g,t,0,1\n", "\uFEFFg,t,0,1\r\n", "\"a\"\"b\",t,0,1", "\"", "a\"", "\r", "\n\n", "g,t,0,1\ng,t,0,1", ",,,", "\xff\xfe", "\xef\xbb",
	} {
		f.Add(s, "")
		f.Add(s, "g")
	}
	f.Fuzz(func(t *testing.T, in, group string) {
		opts := &position.CSVOptions{Group: group}
		set, err := position.ReadCSV(strings.NewReader(in), opts)
		if err != nil {
			var bad *position.CSVError
			if set != nil || !errors.As(err, &bad) || len(bad.Problems) == 0 || len(bad.Problems) > position.MaxCSVProblems {
				t.Fatalf("got %v, %v", set, err)
			}
			for _, p := range bad.Problems {
				if p.Line < 1 || p.Column < 1 || p.Message == "" {
					t.Errorf("problem without a place: %+v", p)
				}
			}
			return
		}
		var unwritable *position.UnwritableError
		var b strings.Builder
		if err := position.WriteCSV(&b, set, opts); errors.As(err, &unwritable) {
			return // a group given that is not UTF-8
		} else if err != nil {
			t.Fatal(err)
		}
		back, err := position.ReadCSV(strings.NewReader(b.String()), opts)
		if err != nil {
			t.Fatalf("%v\n%q", err, b.String())
		}
		if diff := cmp.Diff(set.All(), back.All()); diff != "" {
			t.Error(diff)
		}
	})
}
