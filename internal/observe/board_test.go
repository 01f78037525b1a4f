package observe

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBoard(t *testing.T) {
	t.Parallel()
	type look struct {
		Type string `json:"type"`
		N    int    `json:"n"`
	}
	const wipe1, wipe2 = "\r\x1b[K", "\r\x1b[K\x1b[A\x1b[K"
	cases := map[string]struct {
		o    Options
		want string
	}{
		"terminal": {
			Options{TTY: true, Width: func() int { return 8 }},
			wipe1 + "waiting\na 1" + // the line is cut
				wipe2 + "waiting\na 2" +
				wipe2 + "a warning\n" + wipe1 + "waiting\na 2" +
				wipe2, // End
		},
		"low terminal": {
			Options{TTY: true, Height: func() int { return 2 }},
			wipe1 + "... 2 more lines" + wipe1 + "... 2 more lines" + wipe1 + "a warning\n" + wipe1 + "... 2 more lines" + wipe1,
		},
		"plain":  {Options{}, "look 1\nlook 2\na warning\n"},
		"JSON":   {Options{TTY: true, JSON: true}, `{"type":"progress","n":1}` + "\n" + `{"type":"progress","n":2}` + "\na warning\n"},
		"nobody": {Options{Mode: None}, "a warning\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out sink
			p := New(&out, tc.o)
			b := p.Board()
			b.Show([]string{"waiting for it", "a 1"}, "look 1", look{"progress", 1})
			b.Show([]string{"waiting for it", "a 2"}, "look 2", look{"progress", 2})
			if _, err := p.Write([]byte("a warning\n")); err != nil {
				t.Fatal(err)
			}
			b.End()
			if d := cmp.Diff(tc.want, out.String()); d != "" {
				t.Error(d)
			}
		})
	}
}

// A task takes the place of the board, and gives it back.
func TestBoardBehindATask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out sink
		p := New(&out, Options{TTY: true})
		b := p.Board()
		b.Show([]string{"one", "two"}, "", 1)
		task := p.Begin("translating", "partitions", 0)
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		b.Show([]string{"three", "four"}, "", 2)
		task.End()
		got := out.String()
		b.End()
		if !strings.Contains(got, "\r\x1b[K\x1b[A\x1b[Ktranslating, 1s") || !strings.HasSuffix(got, "\r\x1b[Kthree\nfour") {
			t.Errorf("%q", got)
		}
	})
}

func TestBoardOnDemand(t *testing.T) {
	t.Parallel()
	var out sink
	p := New(&out, Options{Mode: None})
	b := p.Board()
	p.Print()
	b.Show([]string{"one"}, "look 1", 1)
	p.Print()
	b.End()
	p.Print()
	if out.String() != "look 1\n" {
		t.Errorf("%q", out.String())
	}
	(*Board)(nil).Show(nil, "", nil)
	(*Progress)(nil).Board().End()
}
