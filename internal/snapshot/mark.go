package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/store"
)

// The format of a stored mark.
const (
	MarkFormat  = "kferry-snapshot-mark"
	markVersion = 1
)

// Mark says until when nothing has changed after a snapshot.
type Mark struct {
	Snapshot  string    `json:"snapshot"`
	ClusterID string    `json:"cluster_id"`
	First     time.Time `json:"first"` // the first look that found it unchanged
	Last      time.Time `json:"last"`  // the last one
	Looks     int64     `json:"looks"`
	// LongestGap is the longest time between two looks, in milliseconds; the
	// one from the snapshot to the first is among them.
	LongestGap int64 `json:"longest_gap_ms"`
}

// Gap is LongestGap as a duration.
func (m *Mark) Gap() time.Duration { return time.Duration(m.LongestGap) * time.Millisecond }

func (e entry) marks() string { return e.folder + marks + e.id + "/" }

func (e entry) markKey(at time.Time) string {
	return e.marks() + fmt.Sprintf("%020d", max(0, at.UnixMilli())) + ".json"
}

// lastMark returns the mark of a snapshot that counts, nil when there is none,
// and the keys of all. A mark that cannot be read is an error beside the keys.
func (e entry) lastMark(ctx context.Context, b *store.Bucket) (*Mark, []string, error) {
	for try := 1; ; try++ {
		var keys []string
		for o, err := range b.List(ctx, store.Query{Prefix: e.marks()}) {
			if err != nil {
				return nil, nil, fmt.Errorf("listing marks of snapshot %s: %w", e.id, err)
			}
			keys = append(keys, o.Key)
		}
		if len(keys) == 0 {
			return nil, nil, nil
		}
		m, err := e.readMark(ctx, b, keys[len(keys)-1])
		if errors.Is(err, store.ErrNotFound) && try < 5 {
			continue // a newer one has just taken its place
		}
		return m, keys, err
	}
}

func (e entry) readMark(ctx context.Context, b *store.Bucket, key string) (*Mark, error) {
	var m Mark
	if _, err := b.GetJSON(ctx, key, MarkFormat, markVersion, &m); err != nil {
		return nil, err
	}
	digits := strings.TrimSuffix(key[len(e.marks()):], ".json")
	at, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || at != m.Last.UnixMilli() || m.Snapshot != e.id || folder(m.ClusterID) != e.folder ||
		m.Looks < 1 || m.LongestGap < 0 || m.Last.Before(m.First) {
		return nil, fmt.Errorf("%w: %s holds a mark of snapshot %q of cluster %q", ErrInvalid, key, m.Snapshot, m.ClusterID)
	}
	return &m, nil
}

// look adds one look to the mark of a snapshot: the new mark is put, then those
// before it are deleted, so that a crash in between leaves one too many and
// never none. What was wrong with the mark before is said in damaged.
func (e entry) look(ctx context.Context, b *store.Bucket, clusterID string, taken, now time.Time) (m *Mark, damaged, err error) {
	before, keys, damaged := e.lastMark(ctx, b)
	if damaged != nil && keys == nil {
		return nil, nil, damaged
	}
	now = now.UTC().Truncate(time.Millisecond)
	m = &Mark{Snapshot: e.id, ClusterID: clusterID, First: now, Last: now, Looks: 1}
	since := taken
	if before != nil {
		m.First, m.Looks, m.LongestGap = before.First, before.Looks+1, before.LongestGap
		since = before.Last
	}
	m.LongestGap = max(m.LongestGap, now.Sub(since).Milliseconds())
	if m.Last.Before(since) { // a clock that goes back: the evidence stays as it was
		m.Last = since.UTC().Truncate(time.Millisecond)
		m.First = earlier(m.First, m.Last)
	}
	for try := 1; ; try++ {
		err = b.PutJSON(ctx, e.markKey(m.Last), MarkFormat, markVersion, m)
		if !errors.Is(err, store.ErrExists) || try == 8 {
			break
		}
		m.Last = m.Last.Add(time.Millisecond) // somebody else has looked at the same time
	}
	if err != nil {
		return nil, damaged, fmt.Errorf("marking snapshot %s: %w", e.id, err)
	}
	return m, damaged, removeKeys(ctx, b, keys)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func removeKeys(ctx context.Context, b *store.Bucket, keys []string) error {
	for _, k := range keys {
		if err := b.Delete(ctx, k); err != nil {
			return fmt.Errorf("deleting a mark: %w", err)
		}
	}
	return nil
}

// removeMarks deletes the marks of a snapshot; nil keys: all.
func removeMarks(ctx context.Context, b *store.Bucket, e entry, keys []string) error {
	if keys == nil {
		var err error
		if _, keys, err = e.lastMark(ctx, b); err != nil && keys == nil {
			return err
		}
	}
	return removeKeys(ctx, b, keys)
}

// LastMark returns until when nothing has changed after a snapshot, nil when
// nobody has looked.
func LastMark(ctx context.Context, b *store.Bucket, clusterID, id string) (*Mark, error) {
	m, _, err := entry{folder: folder(clusterID), id: id}.lastMark(ctx, b)
	return m, err
}
