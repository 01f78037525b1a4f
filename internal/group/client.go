// Package group reads and writes the consumer groups of one cluster: which
// there are, in which state, with which members and committed positions. It
// asks each coordinator once for all its groups rather than once per group,
// says what a missing right may have hidden, and sends a write at most once.
package group

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Connection is what this package needs of a cluster.
type Connection interface {
	Client() *kgo.Client
	Admin() *kadm.Client
	// Name is what the user calls the cluster; it stands in errors.
	Name() string
}

// Options tune a Client. Nil and the zero value mean the defaults.
type Options struct {
	// RequestTimeout bounds every request, and how long an operation goes on
	// asking without getting any further; 30 seconds by default.
	RequestTimeout time.Duration
	// UnstableWait is how long Read asks again for positions with pending
	// transactional commits before it reports them; 400 ms by default.
	UnstableWait time.Duration
	// Batch is the number of groups in one request; 1,000 by default.
	Batch int
}

const (
	defaultRequestTimeout = 30 * time.Second
	defaultUnstableWait   = 400 * time.Millisecond
	defaultBatch          = 1000
)

// Client reads and writes the groups of one cluster. It is safe for
// concurrent use, keeps no goroutine and needs no closing.
type Client struct {
	conn         Connection
	timeout      time.Duration
	unstableWait time.Duration
	batch        int

	mu       sync.Mutex
	versions map[int32]map[int16]span // per broker and request key
	topics   *Completeness            // what positions() may have left out, once known
	nodes    map[string]int32         // coordinators as last looked up, for writes only
}

// New returns a client for the groups of the cluster behind conn, which stays
// the caller's to close. Options may be nil.
func New(conn Connection, opts *Options) *Client {
	c := &Client{
		conn:         conn,
		timeout:      defaultRequestTimeout,
		unstableWait: defaultUnstableWait,
		batch:        defaultBatch,
		versions:     make(map[int32]map[int16]span),
		nodes:        make(map[string]int32),
	}
	if opts == nil {
		return c
	}
	if opts.RequestTimeout > 0 {
		c.timeout = opts.RequestTimeout
	}
	if opts.UnstableWait > 0 {
		c.unstableWait = opts.UnstableWait
	}
	if opts.Batch > 0 {
		c.batch = opts.Batch
	}
	return c
}

// RequestTimeout is how long a request may be on its way. A write of a process
// that died is waited out that long before anything is undone.
func (c *Client) RequestTimeout() time.Duration { return c.timeout }

// span are the versions of a request that a broker takes.
type span struct{ lowest, highest int16 }

// speaks returns the highest version of a request that a broker knows, -1 if
// none.
func (c *Client) speaks(ctx context.Context, node int32, key kmsg.Key) (int16, error) {
	v, err := c.span(ctx, node, key)
	return v.highest, err
}

// span returns the versions of a request that a broker takes, both -1 if it
// does not know the request. A broker is asked once (ApiVersions, KIP-35).
func (c *Client) span(ctx context.Context, node int32, key kmsg.Key) (span, error) {
	none := span{-1, -1}
	c.mu.Lock()
	known, ok := c.versions[node]
	c.mu.Unlock()
	if !ok {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = "kferry", "unknown"
		resp, err := ask[*kmsg.ApiVersionsResponse](ctx, c, node, req)
		if err != nil {
			return none, err
		}
		if err := codeError(resp.ErrorCode); err != nil {
			return none, err
		}
		known = make(map[int16]span, len(resp.ApiKeys))
		for _, k := range resp.ApiKeys {
			known[k.ApiKey] = span{k.MinVersion, k.MaxVersion}
		}
		c.mu.Lock()
		c.versions[node] = known
		c.mu.Unlock()
	}
	if v, ok := known[key.Int16()]; ok {
		return v, nil
	}
	return none, nil
}

// forget drops what is known of a broker's versions: it was replaced.
func (c *Client) forget(node int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.versions, node)
}
