package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/inspect"
	"github.com/kferry/kferry/internal/translate"
)

// inspectView shows to people what was found out about topics.
type inspectView struct {
	w     io.Writer
	paint paint
}

func (v inspectView) linef(format string, args ...any) {
	_, _ = fmt.Fprintf(v.w, format+"\n", args...) // a closed pipe shows when a table is written
}

func (v inspectView) show(r *inspect.Report) error {
	for i := range r.Topics {
		if i > 0 {
			v.linef("")
		}
		t := &r.Topics[i]
		v.head(t)
		if table := v.table(t); !table.empty() && !t.OwnTopic() {
			v.linef("")
			if err := table.write(v.w); err != nil {
				return err
			}
		}
		v.findings(t)
	}
	return nil
}

// head says in a few lines what copied a topic and how that is known.
func (v inspectView) head(t *inspect.Topic) {
	by := "no mover was recognised"
	if t.Mover != "" {
		by = "copied by " + t.Mover
	}
	if t.OwnTopic() {
		by = "a topic of " + t.Mover
	}
	v.linef("%s: %s", v.paint.bold(clean(t.Name)), by)
	for _, how := range t.How {
		v.linef("  %s", clean(how))
	}
	if t.PartitionHeader != "" {
		v.linef("  they carry the source partition in %s, %s", t.PartitionHeader, inspect.EncodingWords(t.PartitionEncoding))
	}
	switch {
	case t.Evidence != "":
		v.linef("  evidence of positions: %s", t.Evidence)
	case !t.OwnTopic():
		v.linef("  evidence of positions: none")
	}
	if from := origins(t); from != "" {
		v.linef("  the records name %s", from)
	}
	if t.Source != "" {
		v.linef("  compared with %s on the source", clean(t.Source))
	}
	if t.Evidence != "" {
		v.linef("  partitions: %s", mappingText(t.Mapping))
	}
	v.linef("  %s", readText(t))
}

// origins is what the headers say of the source.
func origins(t *inspect.Topic) string {
	var parts []string
	for _, p := range []struct {
		one, many string
		names     []string
	}{{"cluster", "clusters", t.Clusters}, {"topic", "topics", t.Topics}, {"pipeline", "pipelines", t.Pipelines}} {
		if len(p.names) == 0 {
			continue
		}
		word := p.one
		if len(p.names) > 1 {
			word = p.many
		}
		cleaned := make([]string, len(p.names))
		for i, n := range p.names {
			cleaned[i] = clean(n)
		}
		parts = append(parts, word+" "+strings.Join(cleaned, ", "))
	}
	return strings.Join(parts, "; ")
}

func mappingText(m inspect.Mapping) string {
	switch m {
	case inspect.OneToOne:
		return "one to one"
	case inspect.Renumbered:
		return "one to one, with other numbers"
	case inspect.Merged:
		return "several source partitions in one"
	case inspect.Split:
		return "one source partition in several"
	case inspect.MergedSplit:
		return "several source partitions in one, and one in several"
	case inspect.Assumed:
		return "nothing speaks against one to one, and nothing shows it"
	case inspect.Unknown:
	}
	return "unknown"
}

// readText says what was looked at, and what it cost.
func readText(t *inspect.Topic) string {
	cost := fmt.Sprintf("%s in %s", bytesText(t.Bytes), count(t.Fetches, "read", "reads"))
	if t.Full {
		return fmt.Sprintf("every record was read: %s (%s)", count(t.Records, "record", "records"), cost)
	}
	return fmt.Sprintf("samples of each partition: %s of %s (%s); --full reads all", count(t.Records, "record", "records"), count(t.Offsets, "offset", "offsets"), cost)
}

// bytesText writes a number of bytes short.
func bytesText(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	value, i := float64(n), 0
	for value >= 1024 && i < len(units)-1 {
		value, i = value/1024, i+1
	}
	if i == 0 {
		return count(n, "byte", "bytes")
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + " " + units[i]
}

// table has a row for each source partition in each partition.
func (v inspectView) table(t *inspect.Topic) *table {
	columns := []string{"PARTITION>", "START>", "END>"}
	// Where partitions map one to one, the number says it all.
	sources := slices.ContainsFunc(t.Partitions, func(p inspect.Partition) bool {
		return slices.ContainsFunc(p.Tracks, func(x inspect.Track) bool { return x.Origin.Partition >= 0 && x.Origin.Partition != p.Partition })
	})
	if sources {
		columns = append(columns, "SOURCE>")
	}
	columns = append(columns, "COPIED-THROUGH>", "SOURCE-END>", "LAG>", "EQUAL>")
	if t.Full {
		columns = append(columns, "COPIES>", "PASSES>", "REPEATS>", "HOLES>", "FOREIGN>", "ABORTED>")
	}
	out := newTable(v.paint, columns...)
	for i := range t.Partitions {
		p := &t.Partitions[i]
		tracks := p.Tracks
		if len(tracks) == 0 {
			tracks = []inspect.Track{inspect.NoTrack()}
		}
		for j := range tracks {
			out.row(v.row(t, p, &tracks[j], sources, j == 0)...)
		}
	}
	return out
}

func (v inspectView) row(t *inspect.Topic, p *inspect.Partition, x *inspect.Track, sources, first bool) []string {
	row := []string{strconv.Itoa(int(p.Partition)), offsetText(p.Start), offsetText(p.End)}
	equal, foreign := "-", "-"
	if p.Compared > 0 {
		equal = fmt.Sprintf("%d of %d", p.Equal, p.Compared)
	}
	if p.Natives >= 0 {
		foreign = strconv.FormatInt(p.Natives, 10)
	}
	if !first {
		row, equal, foreign = []string{"", "", ""}, "", ""
	}
	if sources {
		row = append(row, dashText(int64(x.Origin.Partition)))
	}
	through, lag := dashText(x.CopiedThrough), dashText(x.Lag)
	if x.AtLeast {
		through += "+"
	}
	if x.Lag > 0 && !x.LagExact {
		lag = "~" + lag
	}
	row = append(row, through, dashText(x.SourceEnd), lag, equal)
	if t.Full {
		passes := dashText(x.Passes)
		switch {
		case x.Copies >= 0:
		case x.Passes > 1:
			passes += "+" // samples tell no more
		default:
			passes = "-"
		}
		row = append(row, dashText(x.Copies), passes, dashText(x.Repeats), dashText(x.Holes), foreign, dashText(x.Aborted))
	}
	return row
}

// dashText shows a number, or that there is none.
func dashText(n int64) string {
	if n < 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

// findings lists what people should know, and how to go on.
func (v inspectView) findings(t *inspect.Topic) {
	if len(t.Findings) > 0 {
		v.linef("")
	}
	for _, f := range t.Findings {
		at := ""
		if f.Partition >= 0 {
			at = fmt.Sprintf(" of partition %d", f.Partition)
		}
		v.linef("%s%s: %s (%s)", v.severity(f.Severity), at, clean(f.Detail), f.Reason)
		if f.Hint != "" {
			v.linef("    hint: %s", clean(f.Hint))
		}
	}
	switch {
	case t.OwnTopic(), t.Evidence == "":
	case t.Obstacles():
		v.linef("\nPositions cannot be exact on it as it stands.")
	case t.Evidence == translate.KindHeader || t.Source != "":
		v.linef("\nNothing was found that stands in the way of exact positions.")
	}
}

func (v inspectView) severity(s inspect.Severity) string {
	switch s {
	case inspect.Obstacle:
		return v.paint.red(string(s))
	case inspect.Warning:
		return v.paint.yellow(string(s))
	case inspect.Note:
	}
	return string(s)
}
