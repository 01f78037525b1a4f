package translate

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
)

// Claim is one record of a proof, as it stood when the proof was made.
type Claim struct {
	// OnTarget: it stood on the target, else on the source.
	OnTarget  bool
	Partition topic.Partition
	// Config is that of the topic now: only compaction explains a hole where a
	// record stood.
	Config topic.Config
	// Marks are those that the proof was made with.
	Marks Marks
	Seen  Seen
	// ContentOnly compares nothing but the fingerprint: Seen is the copy of the
	// record that is looked for.
	ContentOnly bool
}

// Standing is how a record of a proof stands now.
type Standing string

// The standings.
const (
	// Stands: the same record is there.
	Stands Standing = "holds"
	// GoneRetention: the log begins above it now (retention, DeleteRecords).
	GoneRetention Standing = "retention"
	// GoneCompaction: its offset is a hole, and the topic is compacted.
	GoneCompaction Standing = "compaction"
	// StandsOther: another record stands there, or none although nothing would
	// have taken it; or the log has been cut back below it.
	StandsOther Standing = "differs"
	// Unread: the log could not be read there.
	Unread Standing = "unreadable"
)

// Checked is what became of one Claim.
type Checked struct {
	Standing Standing
	// Detail says it in words, unless the record stands as it did.
	Detail string
}

// Recheck reads the records of proofs at their offsets, whatever has come after
// them, and says of each whether it still is what it was: checked[i] is for
// claims[i]. source may be nil when no claim is of the source. It needs nothing
// of the evidence but the Marks of the claims, and no search: one fetch per
// claim and mostly fewer, those of many partitions together, as in Translate.
//
// The error is the context's, or that of a whole request for bounds; what cannot
// be read is Unread.
func Recheck(ctx context.Context, source, target Log, claims []Claim) ([]Checked, error) {
	out := make([]Checked, len(claims))
	all := gather(claims)
	logs := [2]Log{source, target}
	for of, log := range logs {
		if err := boundsOf(ctx, which(of), log, all); err != nil {
			return nil, err
		}
	}
	for some := range slices.Chunk(all, withDefaults(nil).Parallel) {
		if err := recheckSome(ctx, newRounds(source, target), some, claims, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// revisit is one partition with the claims of it, lowest offset first.
type revisit struct {
	side   *side
	claims []int
	err    error // of its bounds
}

// gather puts claims of one partition together.
func gather(claims []Claim) []*revisit {
	type place struct {
		of   which
		part topic.Partition
	}
	index := map[place]*revisit{}
	var all []*revisit
	for i := range claims {
		at := place{onSource, claims[i].Partition}
		if claims[i].OnTarget {
			at.of = onTarget
		}
		v, ok := index[at]
		if !ok {
			v = &revisit{side: &side{of: at.of, part: at.part}}
			index[at] = v
			all = append(all, v)
		}
		v.claims = append(v.claims, i)
	}
	for _, v := range all {
		slices.SortStableFunc(v.claims, func(i, j int) int { return cmp.Compare(claims[i].Seen.Offset, claims[j].Seen.Offset) })
	}
	return all
}

// boundsOf reads the bounds of all partitions on one of the logs.
func boundsOf(ctx context.Context, of which, log Log, all []*revisit) error {
	var ask []topic.Partition
	for _, v := range all {
		if v.side.of == of {
			ask = append(ask, v.side.part)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	if log == nil {
		for _, v := range all {
			if v.side.of == of {
				v.err = errors.New("there is no log to read it from")
			}
		}
		return nil
	}
	got, err := log.Bounds(ctx, ask)
	if err != nil {
		return fmt.Errorf("reading the bounds of the partitions of proofs: %w", err)
	}
	for _, v := range all {
		if v.side.of == of {
			b := got[v.side.part]
			v.side.bounds, v.side.limit, v.err = b, b.End, b.Err
		}
	}
	return nil
}

func recheckSome(ctx context.Context, r *rounds, some []*revisit, claims []Claim, out []Checked) error {
	errs := make([]error, len(some))
	for range some {
		r.join()
	}
	var wg sync.WaitGroup
	for n, v := range some {
		v.side.rounds = r
		wg.Go(func() {
			defer r.leave(ctx)
			for _, i := range v.claims {
				if out[i], errs[n] = v.check(ctx, &claims[i]); errs[n] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// check looks at one record. The error is the context's.
func (v *revisit) check(ctx context.Context, c *Claim) (Checked, error) {
	if outside := v.outside(c.Seen.Offset); outside.Standing != "" {
		return outside, nil
	}
	e, err := v.side.record(ctx, c.Seen.Offset)
	switch {
	case errors.Is(err, errUnreadable) && ctx.Err() == nil:
		return Checked{Unread, err.Error()}, nil
	case err != nil:
		return Checked{}, err
	case e != nil && e.Kind == batch.Marker:
		return Checked{StandsOther, "a transaction marker stands there now"}, nil
	case e != nil:
		return c.compare(e), nil
	case !c.Config.Known:
		return Checked{GoneCompaction, "gone by compaction, as it seems: no record stands there any more, and the configuration of the topic cannot be read"}, nil
	case c.Config.Compacted:
		return Checked{GoneCompaction, "gone by compaction: no record stands there any more"}, nil
	}
	return Checked{StandsOther, "no record stands there any more, and the topic is not compacted: the log was replaced, or the topic was compacted in the meantime"}, nil
}

// outside says of an offset that the log does not have what became of it.
func (v *revisit) outside(x int64) Checked {
	b := v.side.bounds
	switch {
	case v.err != nil:
		return Checked{Unread, v.err.Error()}
	case x < b.Start:
		return Checked{GoneRetention, fmt.Sprintf("gone by retention: the log begins at %d now", b.Start)}
	case x >= b.End:
		return Checked{StandsOther, fmt.Sprintf("the log ends at %d now, below it: it was cut back, or the topic created anew", b.End)}
	}
	return Checked{}
}

// compare sets a record beside the claim.
func (c *Claim) compare(e *batch.Entry) Checked {
	var differs []string
	fp := batch.Fingerprint(e.Key, e.Value, e.Headers, c.Marks.owns)
	if got := hex.EncodeToString(fp[:]); got != c.Seen.Fingerprint {
		differs = append(differs, fmt.Sprintf("fingerprint %.16s, not %.16s", got, c.Seen.Fingerprint))
	}
	if !c.ContentOnly {
		if e.Timestamp != c.Seen.Timestamp {
			differs = append(differs, fmt.Sprintf("time %s, not %s", stampText(e.Timestamp), stampText(c.Seen.Timestamp)))
		}
		if text := c.namesOther(e); text != "" {
			differs = append(differs, text)
		}
	}
	if len(differs) == 0 {
		return Checked{Standing: Stands}
	}
	return Checked{StandsOther, "another record stands there: " + strings.Join(differs, "; ")}
}

// namesOther says that a copy names another source offset than the proof has.
func (c *Claim) namesOther(e *batch.Entry) string {
	if !c.OnTarget || c.Marks.Header == "" {
		return ""
	}
	v, ok := lastHeader(&e.Record, c.Marks.Header)
	if !ok {
		return "no header " + c.Marks.Header
	}
	h, ok := decodeOffset(v, c.Marks.Encoding)
	switch {
	case !ok:
		return fmt.Sprintf("header %s is %s", c.Marks.Header, printable(v))
	case h != c.Seen.SourceOffset:
		return fmt.Sprintf("source offset %d, not %d", h, c.Seen.SourceOffset)
	}
	return ""
}

func stampText(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }
