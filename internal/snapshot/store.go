package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kferry/kferry/internal/store"
)

// BaseError says that a delta cannot be read because of the snapshot that it
// builds on.
type BaseError struct {
	ID, Base string
	Err      error
}

// Error names both snapshots.
func (e *BaseError) Error() string {
	if errors.Is(e.Err, store.ErrNotFound) {
		return fmt.Sprintf("loading snapshot %s: the snapshot that it builds on, %s, is gone", e.ID, e.Base)
	}
	return fmt.Sprintf("loading snapshot %s: the snapshot that it builds on: %v", e.ID, e.Err)
}

// Unwrap returns what is wrong with the base, unless it is gone: then the
// snapshot itself is still there, which store.ErrNotFound would deny.
func (e *BaseError) Unwrap() error {
	if errors.Is(e.Err, store.ErrNotFound) {
		return ErrBase
	}
	return errors.Join(ErrBase, e.Err)
}

// ErrBase is the kind of every *BaseError.
var ErrBase = errors.New("the base of a snapshot cannot be used")

// Save stores a snapshot, all of it, and returns its ID. It sets what Summary
// says that Save sets, in a copy; s itself is not changed. A snapshot that
// contradicts itself is ErrInvalid.
func Save(ctx context.Context, b *store.Bucket, s *Snapshot) (string, error) {
	c, err := ready(ctx, b, s)
	if err != nil {
		return "", err
	}
	id, _, err := c.put(ctx, b, nil)
	return id, err
}

// ready is a copy that can be put, in a bucket that can be trusted.
func ready(ctx context.Context, b *store.Bucket, s *Snapshot) (*Snapshot, error) {
	c := *s
	if c.Created.IsZero() {
		c.Created = time.Now()
	}
	c.normalize()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("saving a snapshot: %w", err)
	}
	if err := b.Probe(ctx); err != nil {
		return nil, fmt.Errorf("saving a snapshot: %w", err)
	}
	return &c, nil
}

// put stores the snapshot under a new ID, as a delta where there is a base and
// the delta is no longer than a quarter of the whole. It returns the ID and the
// number of bytes.
func (s *Snapshot) put(ctx context.Context, b *store.Bucket, base *Snapshot) (string, int, error) {
	for try := 1; ; try++ {
		s.ID = store.NewID(s.Created)
		data, err := s.seal(base)
		if err == nil {
			err = b.Put(ctx, keyOf(s.ClusterID, s.ID, s.Base), data)
		}
		switch {
		case err == nil:
			return s.ID, len(data), nil
		case !errors.Is(err, store.ErrExists) || try == 8:
			return "", 0, fmt.Errorf("saving a snapshot: %w", err)
		}
	}
}

// deltaShare is what part of a full snapshot its deltas may be.
const deltaShare = 4

func (s *Snapshot) seal(base *Snapshot) ([]byte, error) {
	s.Kind, s.Base = KindFull, ""
	full, err := s.sealFull()
	if err != nil || base == nil {
		return full, err
	}
	s.Kind, s.Base = KindDelta, base.ID
	delta, err := s.sealDelta(base)
	if err != nil || len(delta) <= len(full)/deltaShare {
		return delta, err
	}
	s.Kind, s.Base = KindFull, ""
	return full, nil
}

// Load returns the snapshot with this ID, whichever cluster it is of, whole
// whatever its kind, after checking all of it. An unknown one is
// store.ErrNotFound; one that cannot be read because of its base a *BaseError.
func Load(ctx context.Context, b *store.Bucket, id string) (*Snapshot, error) {
	e, err := find(ctx, b, id)
	if err != nil {
		return nil, fmt.Errorf("loading snapshot %q: %w", id, err)
	}
	return e.load(ctx, b)
}

// load reads what an entry names, with its base.
func (e entry) load(ctx context.Context, b *store.Bucket) (*Snapshot, error) {
	s, _, err := e.loadBoth(ctx, b)
	return s, err
}

// loadBoth returns also the full snapshot that the entry is or builds on.
func (e entry) loadBoth(ctx context.Context, b *store.Bucket) (s, base *Snapshot, err error) {
	body, err := e.read(ctx, b)
	if err != nil {
		return nil, nil, fmt.Errorf("loading snapshot %q: %w", e.id, err)
	}
	if e.base == "" {
		s, err = body.full()
		base = s
	} else {
		if base, err = (entry{folder: e.folder, id: e.base}).load(ctx, b); err != nil {
			return nil, nil, &BaseError{ID: e.id, Base: e.base, Err: err}
		}
		s, err = body.onto(base)
	}
	if err == nil {
		err = s.validate()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("loading snapshot %q: %w", e.id, err)
	}
	return s, base, nil
}

// read decodes the object of an entry and checks that it is what its key says.
func (e entry) read(ctx context.Context, b *store.Bucket) (*stored, error) {
	var body stored
	v, err := b.GetJSON(ctx, e.key(), Format, version, &body)
	if err != nil {
		return nil, err
	}
	kind := KindFull
	if e.base != "" {
		kind = KindDelta
	}
	if body.ID != e.id || body.Base != e.base || body.Kind != kind || e.folder != folder(body.ClusterID) || v == 1 && kind != KindFull {
		return nil, fmt.Errorf("%w: %s holds %s snapshot %q of cluster %q", ErrInvalid, e.key(), body.Kind, body.ID, body.ClusterID)
	}
	return &body, nil
}

// summary reads the beginning of an entry.
func (e entry) summary(ctx context.Context, b *store.Bucket) (s Summary, err error) {
	r, err := b.Get(ctx, e.key(), 0, -1)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	s, err = decodeSummary(r, e.key())
	if err == nil && (s.ID != e.id || s.Base != e.base || folder(s.ClusterID) != e.folder) {
		err = fmt.Errorf("%w: %s holds snapshot %q of cluster %q", ErrInvalid, e.key(), s.ID, s.ClusterID)
	}
	return s, err
}

// UsedError says that a snapshot is the base of others.
type UsedError struct {
	ID string
	By []string // oldest first
}

// Error names the first of those that need it.
func (e *UsedError) Error() string {
	if len(e.By) == 1 {
		return fmt.Sprintf("snapshot %s is the base of %s", e.ID, e.By[0])
	}
	return fmt.Sprintf("snapshot %s is the base of %s and %d more", e.ID, e.By[0], len(e.By)-1)
}

// Delete removes snapshots with their marks, those that build on others first.
// Nothing is removed when one of them is unknown (store.ErrNotFound), or needed
// by one that stays (*UsedError).
func Delete(ctx context.Context, b *store.Bucket, ids ...string) error {
	going := map[string]bool{}
	var entries []entry
	for _, id := range ids {
		e, err := find(ctx, b, id)
		if err != nil {
			return fmt.Errorf("deleting snapshot %q: %w", id, err)
		}
		if !going[id] {
			entries = append(entries, e)
		}
		going[id] = true
	}
	for _, e := range entries {
		by, err := e.users(ctx, b)
		if err != nil {
			return fmt.Errorf("deleting snapshot %q: %w", e.id, err)
		}
		used := &UsedError{ID: e.id}
		for _, u := range by {
			if !going[u] {
				used.By = append(used.By, u)
			}
		}
		if len(used.By) > 0 {
			return used
		}
	}
	_, err := remove(ctx, b, entries)
	return err
}

// users are the snapshots that build on one.
func (e entry) users(ctx context.Context, b *store.Bucket) ([]string, error) {
	if e.base != "" {
		return nil, nil
	}
	var out []string
	for u, err := range entriesIn(ctx, b, e.folder, "") {
		if err != nil {
			return nil, err
		}
		if u.base == e.id {
			out = append(out, u.id)
		}
	}
	return out, nil
}

// remove deletes entries, deltas first, and returns how many went. A base on
// which somebody has built meanwhile is put back: see docs/formats.md.
func remove(ctx context.Context, b *store.Bucket, entries []entry) (int, error) {
	n := 0
	for _, bases := range []bool{false, true} {
		for _, e := range entries {
			if (e.base == "") != bases {
				continue
			}
			gone, err := e.remove(ctx, b)
			if err != nil {
				return n, fmt.Errorf("deleting snapshot %q: %w", e.id, err)
			}
			if gone {
				n++
			}
		}
	}
	return n, nil
}

func (e entry) remove(ctx context.Context, b *store.Bucket) (bool, error) {
	if e.base != "" {
		return true, errors.Join(removeMarks(ctx, b, e, nil), b.Delete(ctx, e.key()))
	}
	data, err := readAll(ctx, b, e.key())
	if errors.Is(err, store.ErrNotFound) {
		return false, nil // another process was faster
	}
	if err != nil {
		return false, err
	}
	if used, err := e.users(ctx, b); err != nil || len(used) > 0 {
		return false, err
	}
	if err := b.Delete(ctx, e.key()); err != nil {
		return false, err
	}
	// From here on whoever puts a delta finds that its base is gone. One that
	// was put before is seen now.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	used, err := e.users(after, b)
	if err != nil || len(used) > 0 {
		return false, errors.Join(err, b.PutSame(after, e.key(), data))
	}
	return true, removeMarks(after, b, e, nil)
}

func readAll(ctx context.Context, b *store.Bucket, key string) (data []byte, err error) {
	r, err := b.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.ReadAll(r)
}
