package cli

import (
	"fmt"
	"io"
	"slices"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/translate"
)

// remarks gather what is worth knowing about positions that are used, each text
// once, in the order in which they came.
type remarks struct {
	texts []string
	about map[string][]string
}

func (r *remarks) add(about, text string) {
	if r.about == nil {
		r.about = map[string][]string{}
	}
	if r.about[text] == nil {
		r.texts = append(r.texts, text)
	}
	r.about[text] = append(r.about[text], about)
}

// position gathers what one position repeats or loses, what is unproven of it,
// and its notes.
func (r *remarks) position(group string, q *plan.Position) {
	about := group + " " + q.Target().String()
	switch {
	case q.Outcome == translate.Repeats:
		r.add(about, repeatsText(q.Repeats)+" will be read again, accepted")
	case slices.Contains(q.Accepted, "loss"):
		r.add(about, lostText(q.Lost)+", accepted")
	}
	for _, text := range q.Unproven {
		r.add(about, "unproven: "+text)
	}
	for _, text := range q.Notes {
		r.add(about, "note: "+text)
	}
}

// repeatsText is how many records are met again, -1 unknown.
func repeatsText(n int64) string {
	if n < 0 {
		return "records that are done, nobody can tell how many,"
	}
	return count(n, "record", "records")
}

// write shows every text with the first position that it is about.
func (r *remarks) write(w io.Writer) {
	for _, text := range r.texts {
		about := r.about[text]
		more := ""
		if n := len(about) - 1; n > 0 {
			more = fmt.Sprintf(" (and %d more)", n)
		}
		_, _ = fmt.Fprintf(w, "%s%s: %s\n", clean(about[0]), more, clean(text))
	}
}
