package plan

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/translate"
)

func someFile(tb testing.TB) []byte {
	tb.Helper()
	p := &Plan{
		Kind: Move, Created: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Target: Cluster{ID: "new", Bootstrap: []string{"b:9092"}},
		Groups: []Group{{Name: "app", Verdict: VerdictApply, Positions: []Position{
			{Topic: "orders", Partition: 0, Action: New, Outcome: translate.Exact, After: &Offset{Offset: 7, LeaderEpoch: -1, Metadata: "a\xff\"}{,"}},
			{Topic: "orders", Partition: 1, Action: Same, Outcome: translate.Exact, After: &Offset{Offset: 1 << 60, LeaderEpoch: -1, Metadata: "}],{\\\"\n"}},
		}}},
	}
	p.finish()
	var out bytes.Buffer
	if err := Write(&out, p); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func TestFileKeepsEverything(t *testing.T) {
	t.Parallel()
	data := someFile(t)
	p, err := Read(bytes.NewReader(data), "plan.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Groups[0].Positions[0].After.Metadata; got != "a\xff\"}{," {
		t.Errorf("metadata: %q", got)
	}
	if got := p.Groups[0].Positions[1].After.Metadata; got != "}],{\\\"\n" {
		t.Errorf("metadata: %q", got)
	}
	var again bytes.Buffer
	if err := Write(&again, p); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(data), again.String()); d != "" {
		t.Errorf("written again (-want +got):\n%s", d)
	}
	lines := 0
	for line := range strings.SplitSeq(string(data), "\n") {
		if strings.Contains(line, `"partition":`) {
			lines++
		}
	}
	if lines != 2 || !strings.HasPrefix(p.Digest, "sha256:") {
		t.Errorf("%d lines with positions, digest %q:\n%s", lines, p.Digest, data)
	}
}

func TestFileThatWasChangedIsRefused(t *testing.T) {
	t.Parallel()
	good := string(someFile(t))
	cases := map[string]struct {
		file string
		want error
	}{
		"an offset was changed": {strings.Replace(good, `"offset":7`, `"offset":8`, 1), ErrDigest},
		"white space was added": {strings.Replace(good, `"kind":`, ` "kind":`, 1), ErrDigest},
		"a newer version":       {strings.Replace(good, `"version":1`, `"version":2`, 1), ErrVersion},
		"another format":        {strings.Replace(good, Format, "kferry-run", 1), nil},
		"cut short":             {good[:len(good)/2], nil},
		"not JSON":              {"group,topic,partition,offset", nil},
		"empty":                 {"", nil},
	}
	for name, tc := range cases {
		_, err := Read(strings.NewReader(tc.file), "plan.json")
		var typed *Error
		if !errors.As(err, &typed) || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlanThatContradictsItselfIsRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*Plan){
		"no target":      func(p *Plan) { p.Target = Cluster{} },
		"no time":        func(p *Plan) { p.Created = time.Time{} },
		"group twice":    func(p *Plan) { p.Groups = append(p.Groups, p.Groups[0]) },
		"set to nothing": func(p *Plan) { p.Groups[0].Positions[0].After = nil },
		"set, blocked":   func(p *Plan) { p.Groups[0].Positions[0].Blocked = true },
		"wrong order": func(p *Plan) {
			q := p.Groups[0].Positions
			q[0], q[1] = q[1], q[0]
		},
	}
	for name, change := range cases {
		p, err := Read(bytes.NewReader(someFile(t)), "plan.json")
		if err != nil {
			t.Fatal(err)
		}
		change(p)
		var out bytes.Buffer
		if err := Write(&out, p); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(&out, "plan.json"); !errors.Is(err, ErrNoPlan) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(someFile(f))
	f.Add([]byte(`{"format":"kferry-plan","version":1,"sha256":"","body":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Read(bytes.NewReader(data), "fuzz")
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := Write(&out, p); err != nil {
			t.Fatal(err)
		}
		again, err := Read(&out, "again")
		if err != nil {
			t.Fatal(err)
		}
		if again.Digest != p.Digest {
			t.Fatalf("digest %s became %s", p.Digest, again.Digest)
		}
	})
}

func FuzzDoneAhead(f *testing.F) {
	for _, s := range []string{"", "bAAIAg==", "bwAAAAIC", "bgABAAE=", "blue", "kferry", "KLUv/SAA"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		span, done, ok := doneAhead(s)
		if ok && (done < 0 || span <= 0 || done >= span) {
			t.Fatalf("%q: %d of %d", s, done, span)
		}
	})
}

func TestDoneAhead(t *testing.T) {
	t.Parallel()
	encode := func(letter byte, payload ...byte) string { return b64(append([]byte{letter}, payload...)) }
	cases := map[string]struct {
		metadata   string
		span, done int64
		ok         bool
	}{
		"bits":               {encode('l', 0, 10, 0b10000010, 0b10), 10, 3, true},
		"wide bits":          {encode('o', 0, 0, 0, 3, 0b110), 3, 2, true},
		"runs":               {encode('n', 0, 2, 0, 3), 5, 3, true},
		"wide runs":          {encode('e', 0, 0, 0, 1, 0, 0, 0, 9), 10, 9, true},
		"bytes":              {encode('L', 0, 1, 0, 1), 4, 2, true},
		"packed runs":        {encode('J', zstdOf(t, []byte{0, 2, 0, 3})...), 5, 3, true},
		"text":               {metadata: "hello"},
		"text that is runs":  {metadata: "blue"},
		"Kafka Streams":      {metadata: encode(2, 0, 0, 1, 0x8b, 1, 2, 3, 4)},
		"bits beyond":        {metadata: encode('l', 0, 3, 0b10000)},
		"position is done":   {metadata: encode('l', 0, 3, 0b1)},
		"negative":           {metadata: encode('n', 0xff, 0xff, 0, 1)},
		"packed and damaged": {metadata: encode('J', 1, 2, 3)},
		"nothing":            {metadata: ""},
	}
	for name, tc := range cases {
		span, done, ok := doneAhead(tc.metadata)
		if span*b2i(ok) != tc.span || done*b2i(ok) != tc.done || ok != tc.ok {
			t.Errorf("%s: %d of %d, %t", name, done, span, ok)
		}
	}
}
