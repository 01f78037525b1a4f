package oracle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// trim moves the log starts.
func (k *realWriter) trim(ctx context.Context, all []side) error {
	var at kadm.Offsets
	for _, s := range all {
		for p, l := range s.logs {
			if l.Start > 0 {
				at.AddOffset(s.name, int32(p), l.Start, -1)
			}
		}
	}
	if len(at) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := until(ctx, 200*time.Millisecond, func() (bool, error) {
		got, err := k.admin.DeleteRecords(ctx, at)
		if err == nil {
			err = got.Error()
		}
		// A broker hears of a changed policy from the controller's log, after
		// the controller has answered: until then it goes by the old one.
		if errors.Is(err, kerr.PolicyViolation) {
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return fmt.Errorf("deleting records: %w", err)
	}
	return nil
}

// trimCleaned is trim where some of the topics are compacted already:
// DeleteRecords is refused where the policy is compact alone.
func (k *realWriter) trimCleaned(ctx context.Context, all, cleaned []side) error {
	if err := k.alter(ctx, cleaned, policyKey, "delete"); err != nil {
		return err
	}
	if err := k.trim(ctx, all); err != nil {
		return err
	}
	return k.alter(ctx, cleaned, policyKey, "compact")
}

// clean makes the topics compacted ones, waits until the cleaner finds nothing
// more to do, and tells it to leave them alone from then on.
func (k *realWriter) clean(ctx context.Context, all []side) error {
	if len(all) == 0 {
		return nil
	}
	if err := k.alter(ctx, all, policyKey, "compact"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	before, same := -1, 0
	if err := until(ctx, time.Second, func() (bool, error) {
		found, err := k.count(ctx, all)
		if err != nil {
			return false, err
		}
		if same++; found != before {
			before, same = found, 0
		}
		holes := 0
		for _, s := range all {
			for _, l := range s.logs {
				holes += int(l.End() - l.Start)
			}
		}
		holes -= found
		return same >= 4 && holes*3 > found, nil
	}); err != nil {
		return fmt.Errorf("waiting for the cleaner (%d records left): %w", before, err)
	}
	if err := k.alter(ctx, all, "min.compaction.lag.ms", "9000000000000"); err != nil {
		return err
	}
	// A round that had begun may still end.
	if err := until(ctx, time.Second, func() (bool, error) {
		found, err := k.count(ctx, all)
		done := found == before
		before = found
		return done, err
	}); err != nil {
		return fmt.Errorf("waiting for the cleaner to stop: %w", err)
	}
	return k.match(ctx, all)
}

// policyKey is the configuration that says whether the cleaner takes a topic.
const policyKey = "cleanup.policy"

func (k *realWriter) alter(ctx context.Context, all []side, key, value string) error {
	if len(all) == 0 {
		return nil
	}
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.name
	}
	got, err := k.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}, names...)
	if err != nil {
		return fmt.Errorf("setting %s: %w", key, err)
	}
	for _, one := range got {
		if one.Err != nil {
			return fmt.Errorf("setting %s of %s: %w", key, one.Name, one.Err)
		}
	}
	return nil
}

// count is how many records and markers are there.
func (k *realWriter) count(ctx context.Context, all []side) (int, error) {
	parts, err := k.read(ctx, all, false)
	n := 0
	for _, p := range parts {
		n += len(p.records)
	}
	return n, err
}

// readPart is what was found in one partition.
type readPart struct {
	log                *Log
	topic              string
	number             int32
	next               int64
	start, stable, end int64
	records            []*kgo.Record
}

// done says whether everything has been read that there is to read.
func (p *readPart) done(committed bool) bool {
	if committed {
		return p.next >= p.stable
	}
	return p.next >= p.end
}

// read reads topics from start to end, by requests made by hand.
func (k *realWriter) read(ctx context.Context, all []side, committed bool) ([]*readPart, error) {
	var parts []*readPart
	index := map[string][]*readPart{}
	for _, s := range all {
		for i, l := range s.logs {
			p := &readPart{log: l, topic: s.name, number: int32(i), next: l.Start, end: l.End(), stable: l.End()}
			parts = append(parts, p)
			index[s.name] = append(index[s.name], p)
		}
	}
	for first := true; ; first = false {
		req := kmsg.NewFetchRequest()
		req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 100, 0, 64<<20
		if committed {
			req.IsolationLevel = 1
		}
		left := 0
		for _, s := range all {
			t := kmsg.NewFetchRequestTopic()
			t.Topic = s.name
			for _, p := range index[s.name] {
				// The first answer says where log start and end are.
				if !first && p.done(committed) {
					continue
				}
				part := kmsg.NewFetchRequestTopicPartition()
				part.Partition, part.FetchOffset, part.PartitionMaxBytes, part.CurrentLeaderEpoch = p.number, p.next, 1<<20, -1
				t.Partitions = append(t.Partitions, part)
				left++
			}
			if len(t.Partitions) > 0 {
				req.Topics = append(req.Topics, t)
			}
		}
		if left == 0 {
			return parts, nil
		}
		if err := k.fetch(ctx, &req, index, committed); err != nil {
			return nil, fmt.Errorf("reading the log: %w", err)
		}
	}
}

// fetch makes one request and adds what it brings.
func (k *realWriter) fetch(ctx context.Context, req *kmsg.FetchRequest, index map[string][]*readPart, committed bool) error {
	answer, err := k.broker.RetriableRequest(ctx, req)
	if err != nil {
		return err
	}
	resp, ok := answer.(*kmsg.FetchResponse)
	if !ok {
		return errors.New("the broker answered something else")
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return err
	}
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			rp := &t.Partitions[j]
			p := index[t.Topic][rp.Partition]
			o := kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, Offset: p.next, Topic: t.Topic, Partition: rp.Partition}
			if committed {
				o.IsolationLevel = kgo.ReadCommitted()
			}
			got, next := kgo.ProcessFetchPartition(o, rp, kgo.DefaultDecompressor(), nil)
			if got.Err != nil {
				return fmt.Errorf("%s/%d at %d: %w", t.Topic, rp.Partition, p.next, got.Err)
			}
			p.start, p.stable, p.end = got.LogStartOffset, got.LastStableOffset, got.HighWatermark
			p.records = append(p.records, got.Records...)
			p.next = max(p.next, next)
		}
	}
	return nil
}

// match reads the topics, notes which records are gone, and checks that
// everything else is as it was meant to be.
func (k *realWriter) match(ctx context.Context, all []side) error {
	everything, err := k.read(ctx, all, false)
	if err != nil {
		return err
	}
	committed, err := k.read(ctx, all, true)
	if err != nil {
		return err
	}
	for i, p := range everything {
		if err := p.match(committed[i].records); err != nil {
			return fmt.Errorf("%s/%d is not as it was written: %w", p.topic, p.number, err)
		}
	}
	return nil
}

func (p *readPart) match(committed []*kgo.Record) error {
	l := p.log
	fates := l.Fates()
	// A broker leaves the last stable offset below the log start where
	// DeleteRecords has gone past the first record of an open transaction.
	if stable := l.Stable(fates); p.start != l.Start || p.end != l.End() || max(p.stable, p.start) != stable {
		return fmt.Errorf("it is %d to %d, stable %d, and not %d to %d, stable %d", p.start, p.end, p.stable, l.Start, l.End(), stable)
	}
	present := map[int64]bool{}
	for _, r := range p.records {
		if err := l.same(r); err != nil {
			return fmt.Errorf("offset %d: %w", r.Offset, err)
		}
		present[r.Offset] = true
	}
	seen := map[int64]bool{}
	for _, r := range committed {
		seen[r.Offset] = !r.Attrs.IsControl()
	}
	for i := range l.Slots {
		off := int64(i)
		if off < l.Start || l.Slots[i].Kind != Data {
			continue
		}
		l.Slots[i].Gone = !present[off]
		if want := present[off] && off < p.stable && fates[i] != Aborted; seen[off] != want {
			return fmt.Errorf("offset %d is committed: %s, but it should be: %s", off, strconv.FormatBool(seen[off]), strconv.FormatBool(want))
		}
	}
	return nil
}

// same compares a record that was found with its slot.
func (l *Log) same(r *kgo.Record) error {
	if r.Offset < l.Start || r.Offset >= l.End() {
		return errors.New("nothing was written there")
	}
	s := &l.Slots[r.Offset-l.Base]
	switch want := keyOf(*s); {
	case r.Attrs.IsControl() != (s.Kind != Data) || r.Attrs.IsTransactional() != (s.Producer != 0):
		return errors.New("it is of another kind")
	case s.Kind == Data && !bytes.Equal(r.Key, want):
		return fmt.Errorf("the key is %q and not %q", r.Key, want)
	case s.Kind != Data && (len(r.Key) < 4 || (r.Key[3] == 1) != (s.Kind == Commit)):
		return errors.New("it is the other marker") // EndTransactionMarker: version, type
	case s.Gone:
		return errors.New("it has come back")
	}
	return nil
}
