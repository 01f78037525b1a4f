package run

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/store"
)

// Listed is one run in a list: Info, or what is wrong with it.
type Listed struct {
	ID   string
	Info Info
	// Err says that the run is damaged or that its information could not be
	// read; Info is then empty.
	Err error
}

// List yields all runs, the newest first. A damaged run is in the list, with
// its error; the error of the sequence says that the list itself ends early.
// Only the names are held in memory.
func List(ctx context.Context, b *store.Bucket) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		var ids []string
		for o, err := range b.List(ctx, store.Query{Prefix: "runs/", Shallow: true}) {
			if err != nil {
				yield(Listed{}, fmt.Errorf("listing runs: %w", err))
				return
			}
			ids = append(ids, strings.TrimSuffix(strings.TrimPrefix(o.Key, "runs/"), "/"))
		}
		for _, id := range slices.Backward(ids) {
			info, err := readInfo(ctx, b, id)
			if ctxErr := ctx.Err(); ctxErr != nil {
				yield(Listed{}, fmt.Errorf("listing runs: %w", ctxErr))
				return
			}
			if !yield(Listed{ID: id, Info: info, Err: err}, nil) {
				return
			}
		}
	}
}

// shelf is an index of runs that belong together, numbered from 1 in the order
// in which they were begun: those of one plan, or those of one name.
type shelf struct {
	format, folder string
	// of is for messages.
	of  string
	key indexed
}

// indexed is the body of an object of an index.
type indexed struct {
	Digest string `json:"digest,omitempty"`
	Name   string `json:"name,omitempty"`
	Run    string `json:"run"`
}

func planShelf(digest string) *shelf {
	return &shelf{
		format: FormatPlanRun, folder: "plans/" + store.EscapeName(digest) + "/", of: "plan " + digest, key: indexed{Digest: digest},
	}
}

func nameShelf(name string) *shelf {
	return &shelf{
		format: FormatNamedRun, folder: namedFolder + store.EscapeName(name) + "/", of: fmt.Sprintf("%q", name), key: indexed{Name: name},
	}
}

const namedFolder = "migrations/"

// shelf is where the run is entered, nil for a run without a plan and a name.
func (i *Info) shelf() *shelf {
	switch {
	case i.Name != "":
		return nameShelf(i.Name)
	case i.PlanDigest != "":
		return planShelf(i.PlanDigest)
	}
	return nil
}

// taken is the error of a number that another run has.
func (s *shelf) taken(run string) error {
	if s.key.Name != "" {
		return &NameTakenError{Name: s.key.Name, Run: run}
	}
	return &PlanTakenError{Digest: s.key.Digest, Run: run}
}

// ByPlan returns the runs of a plan in the order in which they were begun;
// usually one. The last one is the one to go on with.
func ByPlan(ctx context.Context, b *store.Bucket, digest string) ([]string, error) {
	return planShelf(digest).runs(ctx, b)
}

// ByName returns the runs of a name in the order in which they were begun. The
// last one is what the name means.
func ByName(ctx context.Context, b *store.Bucket, name string) ([]string, error) {
	return nameShelf(name).runs(ctx, b)
}

// Names returns all names that runs have, sorted as they are stored.
func Names(ctx context.Context, b *store.Bucket) ([]string, error) {
	var out []string
	for o, err := range b.List(ctx, store.Query{Prefix: namedFolder}) {
		if err != nil {
			return nil, fmt.Errorf("listing names: %w", err)
		}
		folder := path.Dir(o.Key)
		name, err := store.UnescapeName(strings.TrimPrefix(folder, namedFolder))
		if err != nil {
			return nil, fmt.Errorf("listing names: %w", err)
		}
		if len(out) == 0 || out[len(out)-1] != name {
			out = append(out, name)
		}
	}
	return out, nil
}

func (s *shelf) runs(ctx context.Context, b *store.Bucket) ([]string, error) {
	var ids []string
	for o, err := range b.List(ctx, store.Query{Prefix: s.folder}) {
		if err != nil {
			return nil, fmt.Errorf("looking for runs of %s: %w", s.of, err)
		}
		body, err := s.read(ctx, b, o.Key)
		if err != nil {
			return nil, err
		}
		ids = append(ids, body.Run)
		if want := numbered(s.folder, int64(len(ids))); o.Key != want {
			return nil, &DamagedError{Run: body.Run, Key: o.Key, Problem: "expected " + want + " next"}
		}
	}
	return ids, nil
}

func (s *shelf) read(ctx context.Context, b *store.Bucket, key string) (indexed, error) {
	var body indexed
	if _, err := b.GetJSON(ctx, key, s.format, version, &body); err != nil {
		return body, fmt.Errorf("looking for runs of %s: %w", s.of, err)
	}
	if want := s.key; body.Digest != want.Digest || body.Name != want.Name || !store.IsID(body.Run) {
		return body, &DamagedError{Run: body.Run, Key: key, Problem: fmt.Sprintf("it names %q", body.Digest+body.Name)}
	}
	return body, nil
}

// next returns the number under which a run is to be entered after the run
// that it names, "" for the first one.
func (s *shelf) next(ctx context.Context, b *store.Bucket, after string) (int64, error) {
	ids, err := s.runs(ctx, b)
	if err != nil {
		return 0, err
	}
	last := ""
	if len(ids) > 0 {
		last = ids[len(ids)-1]
	}
	if last != after {
		return 0, s.taken(last)
	}
	return int64(len(ids)) + 1, nil
}

// claim enters a run as number n. Of two processes that come here with the
// same number one gets it; the other takes its own run back, which nobody can
// know of yet, and learns of the winner's.
func (s *shelf) claim(ctx context.Context, b *store.Bucket, id string, n int64) error {
	key := numbered(s.folder, n)
	body := s.key
	body.Run = id
	data, err := store.Encode(s.format, version, body)
	if err != nil {
		return err
	}
	err = b.PutSame(ctx, key, data)
	if !errors.Is(err, store.ErrExists) {
		if err != nil {
			return fmt.Errorf("entering run %s of %s: %w", id, s.of, err)
		}
		return nil
	}
	winner, err := s.read(ctx, b, key)
	if err != nil {
		return err
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := b.Delete(cleanup, runKey(id, "run.json")); err != nil {
		return errors.Join(s.taken(winner.Run), err)
	}
	return s.taken(winner.Run)
}

// maxNumber is the last number of 8 digits.
const maxNumber = 99_999_999

// numbered returns the key of object n in a folder that ends in a slash.
func numbered(folder string, n int64) string { return fmt.Sprintf("%s%08d.json", folder, n) }

// numberOf is the inverse of numbered.
func numberOf(folder, key string) (int64, bool) {
	digits := strings.TrimSuffix(path.Base(key), ".json")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil && n > 0 && n <= maxNumber && key == numbered(folder, n)
}

// lastNumber returns the highest number in a folder, 0 when it is empty.
func lastNumber(ctx context.Context, b *store.Bucket, id, folder string) (int64, error) {
	var last int64
	for o, err := range b.List(ctx, store.Query{Prefix: folder}) {
		if err != nil {
			return 0, err
		}
		n, ok := numberOf(folder, o.Key)
		if !ok {
			return 0, &DamagedError{Run: id, Key: o.Key, Problem: "its name is not a number of 8 digits"}
		}
		last = n
	}
	return last, nil
}
