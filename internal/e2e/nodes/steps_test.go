package nodes_test

import (
	"context"
	"io"
	"sync"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/driver"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
)

// steps counts what a plan or an apply does (reads of logs, requests to groups,
// writes of the journal) and disturbs it at one of them: before it, or while
// it is under way.
type steps struct {
	mu      sync.Mutex
	at      int    // the step that is disturbed, from 1; 0: none
	on      string // or: the first step with this name
	during  bool
	disturb func()
	names   []string
	done    bool // the disturbance has happened
}

func (s *steps) step(name string, do func()) {
	s.mu.Lock()
	s.names = append(s.names, name)
	now := !s.done && (s.at == len(s.names) || s.on != "" && s.on == name)
	s.done = s.done || now
	s.mu.Unlock()
	switch {
	case !now:
		do()
	case s.during:
		var wait sync.WaitGroup
		wait.Go(s.disturb)
		do()
		wait.Wait()
	default:
		s.disturb()
		do()
	}
}

// points are the steps at which a disturbance can make a difference. Between
// writes of the journal, which is in memory here, nobody asks a broker, so that
// the last of several in a row stands for all; of many fetches in a row every
// second one is taken.
func (s *steps) points() []int {
	var out []int
	for i, name := range s.names {
		next := ""
		if i+1 < len(s.names) {
			next = s.names[i+1]
		}
		if name == "journal" && (next == "journal" || next == "") || name == "fetch" && next == "fetch" && i%2 == 1 {
			continue
		}
		out = append(out, i+1)
	}
	return out
}

// where names the step that was disturbed.
func (s *steps) where() string {
	if s.on != "" {
		return s.on
	}
	if s.at > len(s.names) {
		return "nowhere"
	}
	return s.names[s.at-1]
}

// watchedLog is a cluster whose reads are steps; what else a log can do
// (leader epochs, open transactions) stays.
type watchedLog struct {
	*cluster.Cluster
	s *steps
}

func (w watchedLog) Topics(ctx context.Context, names ...string) (out map[string]topic.Topic, err error) {
	w.s.step("topics", func() { out, err = w.Cluster.Topics(ctx, names...) })
	return out, err
}

func (w watchedLog) Bounds(ctx context.Context, ps []topic.Partition) (out map[topic.Partition]topic.Bounds, err error) {
	w.s.step("bounds", func() { out, err = w.Cluster.Bounds(ctx, ps) })
	return out, err
}

func (w watchedLog) Fetch(ctx context.Context, asks []batch.Ask) (out []batch.Chunk, err error) {
	w.s.step("fetch", func() { out, err = w.Cluster.Fetch(ctx, asks) })
	return out, err
}

// watchedGroups are the groups of a cluster.
type watchedGroups struct {
	*group.Client
	s *steps
}

func (w watchedGroups) Read(ctx context.Context, names []string) (out map[string]group.Reading, err error) {
	w.s.step("read", func() { out, err = w.Client.Read(ctx, names) })
	return out, err
}

func (w watchedGroups) Commit(ctx context.Context, name string, ps []position.Position) (out map[topic.Partition]error, err error) {
	w.s.step("commit", func() { out, err = w.Client.Commit(ctx, name, ps) })
	return out, err
}

func (w watchedGroups) DeleteOffsets(ctx context.Context, name string, ps []topic.Partition) (out map[topic.Partition]error, err error) {
	w.s.step("delete offsets", func() { out, err = w.Client.DeleteOffsets(ctx, name, ps) })
	return out, err
}

func (w watchedGroups) DeleteGroup(ctx context.Context, name string) (err error) {
	w.s.step("delete group", func() { err = w.Client.DeleteGroup(ctx, name) })
	return err
}

// watchedStore is a state whose writes are steps.
type watchedStore struct {
	driver.Driver
	s *steps
}

func (w watchedStore) Put(ctx context.Context, key string, body io.ReaderAt, size int64) (err error) {
	w.s.step("journal", func() { err = w.Driver.Put(ctx, key, body, size) })
	return err
}

// side is the cluster as package plan sees it.
func (s *scene) side(w *steps) plan.Side {
	l, g := watchedLog{s.c, w}, watchedGroups{s.g, w}
	return plan.Side{ID: s.c.ID(), Name: s.c.Name(), Bootstrap: s.c.Bootstrap(), Topics: l, Log: l, Read: g, List: g, Write: g}
}

// state is where runs are kept, in memory.
type state struct{ mem driver.Driver }

func newState() *state { return &state{mem: memstore.New()} }

func (s *state) bucket(w *steps) *store.Bucket {
	return store.New(watchedStore{s.mem, w}, "mem://state", nil)
}
