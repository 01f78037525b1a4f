package group

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Highest versions that are spoken. From the next one on OffsetCommit and
// OffsetFetch name topics by ID only (KIP-848, KAFKA-19186), and a position of
// a deleted topic would come without a name. DescribeGroups 6 (KIP-1043)
// answers for absent groups with an error instead of their rights.
const (
	maxOffsetCommit   = 9
	maxOffsetFetch    = 9
	maxDescribeGroups = 5
	maxDeleteGroups   = 2
	// batchedOffsetFetch is the first OffsetFetch with several groups (KIP-709).
	batchedOffsetFetch = 8
	// clusterOperations is the last Metadata that tells cluster rights; newer
	// brokers have DescribeCluster (KIP-700).
	clusterOperations = 10
)

// capped holds a request at or below a version.
type capped struct {
	kmsg.Request
	max int16
}

// MaxVersion is the lower of the cap and what is known of the request.
func (r *capped) MaxVersion() int16 { return min(r.max, r.Request.MaxVersion()) }

// ask sends one request to one broker, once, with a deadline.
func ask[R kmsg.Response](ctx context.Context, c *Client, node int32, req kmsg.Request) (R, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var none R
	resp, err := c.conn.Client().Broker(int(node)).Request(ctx, req)
	if err != nil {
		return none, err
	}
	typed, ok := resp.(R)
	if !ok {
		return none, fmt.Errorf("broker %d answered a %s request with %T", node, kmsg.NameForKey(req.Key()), resp)
	}
	return typed, nil
}

// The life of a write: it leaves idle once, either way.
const (
	idle int32 = iota
	// written: the request was put into wire form; its bytes may be anywhere.
	written
	// withdrawn: we gave up before that; whoever still holds the request may
	// only send the harmless form.
	withdrawn
)

// once is a write that knows whether it can have left this process. The Kafka
// client gives a request up when its context ends, but the goroutine that was
// about to send it goes on: without the hand-over between AppendTo and withdraw
// a commit could leave after its caller was told that it never did.
type once struct {
	kmsg.Request
	max      int16
	harmless kmsg.Request
	state    atomic.Int32
}

// MaxVersion is the lower of the cap and what is known of the request.
func (r *once) MaxVersion() int16 { return min(r.max, r.Request.MaxVersion()) }

// AppendTo writes the request, or after a withdrawal its harmless form. It may
// be called again for the same request when nothing of it was written, and
// then gives the same bytes.
func (r *once) AppendTo(dst []byte) []byte {
	if !r.state.CompareAndSwap(idle, written) && r.state.Load() == withdrawn {
		r.harmless.SetVersion(r.GetVersion())
		return r.harmless.AppendTo(dst)
	}
	return r.Request.AppendTo(dst)
}

// withdraw reports whether the request surely has not left and never will.
func (r *once) withdraw() bool {
	return r.state.CompareAndSwap(idle, withdrawn) || r.state.Load() == withdrawn
}

// transient reports whether asking again can help: the coordinator moves or
// loads, a connection broke, a broker restarts.
func transient(err error) bool {
	if kgo.IsRetryableBrokerErr(err) {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		dns, ok := errors.AsType[*net.DNSError](err)
		return !ok || !dns.IsNotFound
	}
	if _, answered := errors.AsType[*kerr.Error](err); answered {
		switch {
		case errors.Is(err, kerr.NotCoordinator), errors.Is(err, kerr.CoordinatorLoadInProgress),
			errors.Is(err, kerr.CoordinatorNotAvailable), errors.Is(err, kerr.RequestTimedOut):
			return true
		}
		return false
	}
	return errors.Is(err, context.DeadlineExceeded)
}

// unclear reports errors of the connection that have no name here; the one
// that matters is a broker that left between being named and being asked.
func unclear(err error) bool {
	_, answered := errors.AsType[*kerr.Error](err)
	return !answered && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// patience is how long an operation goes on asking: until a whole request
// time-out has passed in which nothing got further.
type patience struct {
	limit time.Duration
	until time.Time
	pause time.Duration
}

const (
	firstPause = 25 * time.Millisecond
	mostPause  = time.Second
)

func newPatience(limit time.Duration) *patience {
	return &patience{limit: limit, until: time.Now().Add(limit), pause: firstPause}
}

// further notes that something got further.
func (p *patience) further() {
	p.until = time.Now().Add(p.limit)
	p.pause = firstPause
}

// wait pauses before the next try; false when the time is up or ctx ended.
func (p *patience) wait(ctx context.Context) bool {
	left := time.Until(p.until)
	if left <= 0 {
		return false
	}
	timer := time.NewTimer(min(p.pause, left))
	defer timer.Stop()
	p.pause = min(2*p.pause, mostPause)
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
