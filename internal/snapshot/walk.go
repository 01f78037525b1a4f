package snapshot

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/store"
)

const (
	root  = "snapshots/"
	marks = "marks/"
)

func folder(clusterID string) string { return root + store.EscapeName(clusterID) + "/" }

// entry is a stored snapshot as its key names it. A delta says in its key what
// it builds on, so that who needs whom is known from a listing.
type entry struct {
	folder, id, base string
}

func (e entry) key() string {
	if e.base != "" {
		return e.folder + e.id + "." + e.base + ".json"
	}
	return e.folder + e.id + ".json"
}

func keyOf(clusterID, id, base string) string {
	return entry{folder: folder(clusterID), id: id, base: base}.key()
}

// entryOf reads a key. What is no snapshot, a mark for one, is false.
func entryOf(key string) (entry, bool) {
	cut := strings.LastIndexByte(key, '/') + 1
	name, isJSON := strings.CutSuffix(key[cut:], ".json")
	e := entry{folder: key[:cut]}
	e.id, e.base, _ = strings.Cut(name, ".")
	return e, isJSON && store.IsID(e.id) && (e.base == "" || store.IsID(e.base)) && e.key() == key
}

// isMark reports whether a key is that of a mark.
func isMark(key string) bool {
	parts := strings.Split(key, "/")
	n := len(parts)
	return n >= 4 && parts[n-3]+"/" == marks && store.IsID(parts[n-2])
}

// idTime is when a snapshot was taken, to a 4096th of a second.
func idTime(id string) time.Time {
	const layout = "20060102T150405Z"
	t, err := time.Parse(layout, id[:len(layout)])
	if err != nil {
		return time.Time{} // store.IsID has excluded it
	}
	fraction, err := strconv.ParseInt(id[len(layout)+1:len(layout)+4], 16, 64)
	if err != nil {
		return t
	}
	return t.Add(time.Duration(fraction) * time.Second / 4096)
}

// from is the beginning of the IDs of a time and later.
func from(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("20060102T150405Z")
}

// find returns the entry of a snapshot. IDs do not say of which cluster, so all
// keys are listed.
func find(ctx context.Context, b *store.Bucket, id string) (entry, error) {
	if !store.IsID(id) {
		return entry{}, fmt.Errorf("%w: a snapshot is named like 20261121T114527Z-7f3a9c", store.ErrNotFound)
	}
	for o, err := range b.List(ctx, store.Query{Prefix: root}) {
		if err != nil {
			return entry{}, err
		}
		if e, ok := entryOf(o.Key); ok && e.id == id {
			return e, nil
		}
	}
	return entry{}, store.ErrNotFound
}

// entriesIn yields the snapshots of a folder from a beginning of an ID on,
// oldest first.
func entriesIn(ctx context.Context, b *store.Bucket, in, since string) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		q := store.Query{Prefix: in}
		if since != "" {
			q.After = in + since
		}
		for o, err := range b.List(ctx, q) {
			if err != nil {
				yield(entry{}, fmt.Errorf("listing snapshots: %w", err))
				return
			}
			e, ok := entryOf(o.Key)
			if strings.HasPrefix(o.Key, in+marks) {
				return // marks come after all IDs
			}
			if ok && e.folder == in && !yield(e, nil) {
				return
			}
		}
	}
}

// newestFirst yields the snapshots of a cluster up to and including a time (the
// zero time: all), the newest first. It looks at ever longer stretches of time,
// so that finding the last of many years costs a short listing.
func newestFirst(ctx context.Context, b *store.Bucket, clusterID string, now, until time.Time) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		in, upper := folder(clusterID), ""
		for _, back := range []time.Duration{time.Hour, 24 * time.Hour, 31 * 24 * time.Hour, 0} {
			lower := ""
			if back > 0 {
				lower = from(now.Add(-back))
			}
			var found []entry
			for e, err := range entriesIn(ctx, b, in, lower) {
				if err != nil {
					yield(entry{}, err)
					return
				}
				if upper != "" && e.id >= upper || !until.IsZero() && idTime(e.id).After(until) {
					break
				}
				found = append(found, e)
			}
			for _, e := range slices.Backward(found) {
				if !yield(e, nil) {
					return
				}
			}
			upper = lower
		}
	}
}

// series finds out to which series entries belong, from the full ones.
type series struct {
	bucket *store.Bucket
	fulls  map[string]Summary
	errs   map[string]error
}

func newSeries(b *store.Bucket) *series {
	return &series{bucket: b, fulls: map[string]Summary{}, errs: map[string]error{}}
}

// of is the summary of the full snapshot that an entry is or builds on: cluster,
// trigger and selection are those of both.
func (s *series) of(ctx context.Context, e entry) (Summary, error) {
	if e.base != "" {
		e.id, e.base = e.base, ""
	}
	if found, ok := s.fulls[e.id]; ok {
		return found, nil
	}
	if err := s.errs[e.id]; err != nil {
		return Summary{}, err
	}
	sum, err := e.summary(ctx, s.bucket)
	if ctx.Err() != nil {
		return sum, context.Cause(ctx)
	}
	if err != nil {
		s.errs[e.id] = err
		return sum, err
	}
	s.fulls[e.id] = sum
	return sum, nil
}

// Listed is one snapshot in a list.
type Listed struct {
	Summary
	Key string
	// Err says why the summary could not be read; it is then empty but for ID.
	Err error
}

// List yields the snapshots of all clusters, cluster by cluster, oldest first.
// Only the beginning of each is read, so the checksum is not checked. A damaged
// one is in the list, with its error.
func List(ctx context.Context, b *store.Bucket) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		for o, err := range b.List(ctx, store.Query{Prefix: root}) {
			if err != nil {
				yield(Listed{}, fmt.Errorf("listing snapshots: %w", err))
				return
			}
			if isMark(o.Key) {
				continue
			}
			e, ok := entryOf(o.Key)
			if !ok {
				name := strings.TrimSuffix(o.Key[strings.LastIndexByte(o.Key, '/')+1:], ".json")
				err := fmt.Errorf("%w: %s is not named as a snapshot is", ErrInvalid, o.Key)
				if !yield(Listed{Summary: Summary{ID: name}, Key: o.Key, Err: err}, nil) {
					return
				}
				continue
			}
			if !yield(e.listed(ctx, b), nil) {
				return
			}
		}
	}
}

// ListCluster yields the snapshots of one cluster from a time on (zero: all),
// oldest first, as List does.
func ListCluster(ctx context.Context, b *store.Bucket, clusterID string, since time.Time) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		for e, err := range entriesIn(ctx, b, folder(clusterID), from(since)) {
			if err != nil {
				yield(Listed{}, err)
				return
			}
			if !since.IsZero() && idTime(e.id).Add(time.Second/4096).Before(since) {
				continue
			}
			if !yield(e.listed(ctx, b), nil) {
				return
			}
		}
	}
}

func (e entry) listed(ctx context.Context, b *store.Bucket) Listed {
	s, err := e.summary(ctx, b)
	if err != nil {
		return Listed{Summary: Summary{ID: e.id, Base: e.base}, Key: e.key(), Err: err}
	}
	return Listed{Summary: s, Key: e.key()}
}

// Clusters returns the IDs of the clusters that have snapshots.
func Clusters(ctx context.Context, b *store.Bucket) ([]string, error) {
	var out []string
	var errs []error
	var walk func(prefix string) error
	walk = func(prefix string) error {
		for o, err := range b.List(ctx, store.Query{Prefix: prefix, Shallow: true}) {
			if err != nil {
				return fmt.Errorf("listing snapshots: %w", err)
			}
			if !o.Folder {
				continue
			}
			name := strings.TrimSuffix(strings.TrimPrefix(o.Key, root), "/")
			// A long ID goes on in another segment; the empty one is "=".
			if strings.HasSuffix(name, "=") && name != "=" {
				if err := walk(o.Key); err != nil {
					return err
				}
				continue
			}
			id, err := store.UnescapeName(name)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			out = append(out, id)
		}
		return nil
	}
	if err := walk(root); err != nil {
		return nil, err
	}
	return out, errors.Join(errs...)
}

// Latest returns the newest snapshot of a cluster, false when there is none.
func Latest(ctx context.Context, b *store.Bucket, clusterID string, now time.Time) (Listed, bool, error) {
	for e, err := range newestFirst(ctx, b, clusterID, now, noTime) {
		if err != nil {
			return Listed{}, false, err
		}
		return e.listed(ctx, b), true, nil
	}
	return Listed{}, false, nil
}
