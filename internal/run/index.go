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

// planRun is the body of an object of the index of plans.
type planRun struct {
	Digest string `json:"digest"`
	Run    string `json:"run"`
}

func planFolder(digest string) string { return "plans/" + store.EscapeName(digest) + "/" }

// ByPlan returns the runs of a plan in the order in which they were begun;
// usually one. The last one is the one to go on with.
func ByPlan(ctx context.Context, b *store.Bucket, digest string) ([]string, error) {
	var ids []string
	folder := planFolder(digest)
	for o, err := range b.List(ctx, store.Query{Prefix: folder}) {
		if err != nil {
			return nil, fmt.Errorf("looking for runs of plan %s: %w", digest, err)
		}
		body, err := readPlanRun(ctx, b, o.Key, digest)
		if err != nil {
			return nil, err
		}
		ids = append(ids, body.Run)
		if want := numbered(folder, int64(len(ids))); o.Key != want {
			return nil, &DamagedError{Run: body.Run, Key: o.Key, Problem: "expected " + want + " next"}
		}
	}
	return ids, nil
}

func readPlanRun(ctx context.Context, b *store.Bucket, key, digest string) (planRun, error) {
	var body planRun
	if _, err := b.GetJSON(ctx, key, FormatPlanRun, version, &body); err != nil {
		return body, fmt.Errorf("looking for runs of plan %s: %w", digest, err)
	}
	if body.Digest != digest || !store.IsID(body.Run) {
		return body, &DamagedError{Run: body.Run, Key: key, Problem: fmt.Sprintf("it names plan %q", body.Digest)}
	}
	return body, nil
}

// nextOfPlan returns the number under which a run of a plan is to be entered,
// 0 for a run without a plan.
func nextOfPlan(ctx context.Context, b *store.Bucket, info Info) (int64, error) {
	if info.PlanDigest == "" {
		return 0, nil
	}
	ids, err := ByPlan(ctx, b, info.PlanDigest)
	if err != nil {
		return 0, err
	}
	last := ""
	if len(ids) > 0 {
		last = ids[len(ids)-1]
	}
	if last != info.After {
		return 0, &PlanTakenError{Digest: info.PlanDigest, Run: last}
	}
	return int64(len(ids)) + 1, nil
}

// claimPlan enters a run as number n of its plan. Of two processes that come
// here with the same number one gets it; the other takes its own run back,
// which nobody can know of yet, and learns of the winner's.
func claimPlan(ctx context.Context, b *store.Bucket, info Info, n int64) error {
	if n == 0 {
		return nil
	}
	key := numbered(planFolder(info.PlanDigest), n)
	data, err := store.Encode(FormatPlanRun, version, planRun{Digest: info.PlanDigest, Run: info.ID})
	if err != nil {
		return err
	}
	err = b.PutSame(ctx, key, data)
	if !errors.Is(err, store.ErrExists) {
		if err != nil {
			return fmt.Errorf("entering run %s of plan %s: %w", info.ID, info.PlanDigest, err)
		}
		return nil
	}
	winner, err := readPlanRun(ctx, b, key, info.PlanDigest)
	if err != nil {
		return err
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := b.Delete(cleanup, runKey(info.ID, "run.json")); err != nil {
		return errors.Join(&PlanTakenError{Digest: info.PlanDigest, Run: winner.Run}, err)
	}
	return &PlanTakenError{Digest: info.PlanDigest, Run: winner.Run}
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
