package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNoExclusivePut says that a store overwrites where it must refuse, or does
// not keep what was put. Two processes could both believe that a journal entry
// is theirs, so such a store is not used.
var ErrNoExclusivePut = errors.New("the store does not honour put-if-absent")

// formatProbe is the format of the object that Probe puts.
const formatProbe = "kferry-probe"

// probeBody tells the two puts of a probe apart.
type probeBody struct {
	Put int `json:"put"`
}

// Probe finds out whether the store honours put-if-absent, by two puts under a
// fresh key, and whether it can be written at all. Whatever writes calls it
// first; a bucket that has passed is not asked again. An object that a crash
// leaves behind under probe/ does no harm.
func (b *Bucket) Probe(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.probed {
		return nil
	}
	key := "probe/" + NewID(time.Now()) + ".json"
	err := b.probe(ctx, key)
	// Cleaned up even when ctx has ended meanwhile.
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if delErr := b.Delete(cleanup, key); err == nil {
		err = delErr
	}
	if errors.Is(err, ErrNoExclusivePut) {
		return &Error{
			Op: "probing", Bucket: b.url, Key: key, Err: err,
			Hint: "use a folder, or an object store with conditional writes; overlays and old gateways often ignore the condition",
		}
	}
	b.probed = err == nil
	return err
}

func (b *Bucket) probe(ctx context.Context, key string) error {
	first, err := Encode(formatProbe, 1, probeBody{Put: 1})
	if err != nil {
		return err
	}
	second, err := Encode(formatProbe, 1, probeBody{Put: 2})
	if err != nil {
		return err
	}
	if err := b.Put(ctx, key, first); err != nil {
		return err
	}
	switch err := b.Put(ctx, key, second); {
	case err == nil:
		return fmt.Errorf("%w: it took two objects under one key", ErrNoExclusivePut)
	case !errors.Is(err, ErrExists):
		return err
	}
	got, err := b.read(ctx, key)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, first) {
		return fmt.Errorf("%w: it refused the second object and kept it all the same", ErrNoExclusivePut)
	}
	return nil
}
