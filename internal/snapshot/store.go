package snapshot

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/store"
)

const root = "snapshots/"

func key(clusterID, id string) string { return folder(clusterID) + id + ".json" }

func folder(clusterID string) string { return root + store.EscapeName(clusterID) + "/" }

// Save stores a snapshot and returns its ID. It sets what Summary says that
// Save sets, in a copy; s itself is not changed. A snapshot that contradicts
// itself is ErrInvalid.
func Save(ctx context.Context, b *store.Bucket, s *Snapshot) (string, error) {
	c := *s
	if c.Created.IsZero() {
		c.Created = time.Now()
	}
	c.normalize()
	if err := c.validate(); err != nil {
		return "", fmt.Errorf("saving a snapshot: %w", err)
	}
	if err := b.Probe(ctx); err != nil {
		return "", fmt.Errorf("saving a snapshot: %w", err)
	}
	for try := 1; ; try++ {
		c.ID = store.NewID(c.Created)
		err := b.PutJSON(ctx, key(c.ClusterID, c.ID), Format, version, &c)
		switch {
		case err == nil:
			return c.ID, nil
		case !errors.Is(err, store.ErrExists) || try == 8:
			return "", fmt.Errorf("saving a snapshot: %w", err)
		}
	}
}

// Load returns the snapshot with this ID, whichever cluster it is of, after
// checking all of it. An unknown one is store.ErrNotFound.
func Load(ctx context.Context, b *store.Bucket, id string) (*Snapshot, error) {
	k, err := find(ctx, b, id)
	if err != nil {
		return nil, fmt.Errorf("loading snapshot %q: %w", id, err)
	}
	var s Snapshot
	if _, err := b.GetJSON(ctx, k, Format, version, &s); err != nil {
		return nil, fmt.Errorf("loading snapshot %q: %w", id, err)
	}
	if s.ID != id || k != key(s.ClusterID, id) || s.Kind != KindFull || s.Base != "" {
		return nil, fmt.Errorf("loading snapshot %q: %w: %s holds %s snapshot %q of cluster %q", id, ErrInvalid, k, s.Kind, s.ID, s.ClusterID)
	}
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("loading snapshot %q: %w", id, err)
	}
	return &s, nil
}

// find returns the key of a snapshot. IDs do not say of which cluster, so all
// keys are listed.
func find(ctx context.Context, b *store.Bucket, id string) (string, error) {
	if !store.IsID(id) {
		return "", fmt.Errorf("%w: a snapshot is named like 20261121T114527Z-7f3a9c", store.ErrNotFound)
	}
	for o, err := range b.List(ctx, store.Query{Prefix: root}) {
		if err != nil {
			return "", err
		}
		if strings.HasSuffix(o.Key, "/"+id+".json") {
			return o.Key, nil
		}
	}
	return "", store.ErrNotFound
}

// Delete removes a snapshot. An unknown one is store.ErrNotFound.
func Delete(ctx context.Context, b *store.Bucket, id string) error {
	k, err := find(ctx, b, id)
	if err == nil {
		err = b.Delete(ctx, k)
	}
	if err != nil {
		return fmt.Errorf("deleting snapshot %q: %w", id, err)
	}
	return nil
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
	return list(ctx, b, root)
}

// ListCluster yields the snapshots of one cluster, oldest first, as List does.
func ListCluster(ctx context.Context, b *store.Bucket, clusterID string) iter.Seq2[Listed, error] {
	return list(ctx, b, folder(clusterID))
}

func list(ctx context.Context, b *store.Bucket, prefix string) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		for o, err := range b.List(ctx, store.Query{Prefix: prefix}) {
			if err != nil {
				yield(Listed{}, fmt.Errorf("listing snapshots: %w", err))
				return
			}
			if !yield(summarize(ctx, b, o.Key), nil) {
				return
			}
		}
	}
}

// summarize reads the summary of one snapshot.
func summarize(ctx context.Context, b *store.Bucket, k string) Listed {
	id := strings.TrimSuffix(k[strings.LastIndexByte(k, '/')+1:], ".json")
	s, err := readSummary(ctx, b, k)
	if err == nil && (s.ID != id || key(s.ClusterID, s.ID) != k) {
		err = fmt.Errorf("%w: %s holds snapshot %q of cluster %q", ErrInvalid, k, s.ID, s.ClusterID)
	}
	if err != nil {
		return Listed{Summary: Summary{ID: id}, Key: k, Err: err}
	}
	return Listed{Summary: s, Key: k}
}

func readSummary(ctx context.Context, b *store.Bucket, k string) (s Summary, err error) {
	r, err := b.Get(ctx, k, 0, -1)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	s, err = decodeSummary(r, k)
	return s, err
}
