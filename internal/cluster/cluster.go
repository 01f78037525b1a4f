// Package cluster is one Kafka cluster as an adapter: logging in, what the
// brokers speak, topics and their incarnations, offsets, and raw fetches of
// whole batches. It knows no domain: what the answers mean is decided above.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Options are what Open takes beside a Login; nil and zero values mean the
// defaults.
type Options struct {
	// Dial replaces the TCP dialer; TLS goes on top of what it returns.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Log gets the Kafka client's own log; the default is silence.
	Log kgo.Logger
	// FetchBytes is how many bytes one fetch request asks for at most over all
	// of its partitions; the default is 32 MiB. One request per broker runs at
	// a time, so it bounds memory (a batch that is larger by itself comes all
	// the same).
	FetchBytes int32
}

// defaultFetchBytes bounds one fetch request.
const defaultFetchBytes = 32 << 20

// maxRead is the largest answer that the client accepts, in bytes: above the
// largest message.max.bytes that anybody sets.
const maxRead = 1 << 30

// Cluster is an open connection to one Kafka cluster. All methods may be used
// at the same time.
type Cluster struct {
	login    Login
	options  Options
	id       string
	cl       *kgo.Client
	admin    *kadm.Client
	versions Versions
	meta     metadata
	settings settings
	stats    *counters
}

// Open connects, logs in, learns the cluster ID and what the brokers speak,
// and makes sure that every listener that the brokers advertise can be
// reached: all within Login.DialTimeout. An error about the connection is a
// *ConnectError. The cluster must be closed.
func Open(ctx context.Context, l Login, o *Options) (*Cluster, error) {
	l, err := l.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Cluster{login: l, stats: new(counters)}
	if o != nil {
		c.options = *o
	}
	if c.options.FetchBytes <= 0 {
		c.options.FetchBytes = defaultFetchBytes
	}
	con, err := newConnector(l, c.options)
	if err != nil {
		return nil, fmt.Errorf("preparing TLS for cluster %q: %w", l.Name, err)
	}
	opts, err := c.clientOptions(con)
	if err != nil {
		return nil, fmt.Errorf("preparing the login to cluster %q: %w", l.Name, err)
	}
	c.cl, err = kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("preparing the client of cluster %q: %w", l.Name, err)
	}
	c.admin = kadm.NewClient(c.cl)
	c.admin.SetTimeoutMillis(int32(min(l.RequestTimeout.Milliseconds(), 3_600_000))) //nolint:gosec // an hour at most
	ctx, cancel := context.WithTimeout(ctx, l.DialTimeout)
	defer cancel()
	if err := c.open(ctx, con); err != nil {
		c.cl.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) clientOptions(con *connector) ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.login.Seeds...),
		kgo.ClientID(c.login.ClientID),
		kgo.Dialer(con.connect),
		kgo.WithHooks(c.stats, con),
		kgo.BrokerMaxReadBytes(maxRead),
		kgo.RetryTimeout(c.login.RequestTimeout),
		// The default of 5 s between two metadata requests is too long after a
		// leader has moved.
		kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.DisableClientMetrics(),
	}
	if c.options.Log != nil {
		opts = append(opts, kgo.WithLogger(c.options.Log))
	}
	if s := c.login.Security.SASL; s != nil {
		m, err := s.mechanism()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(m))
	}
	return opts, nil
}

// Name is what the user calls the cluster.
func (c *Cluster) Name() string { return c.login.Name }

// ID is the cluster ID that the brokers gave; empty where they have none.
func (c *Cluster) ID() string { return c.id }

// Bootstrap are the addresses that were given.
func (c *Cluster) Bootstrap() []string { return slices.Clone(c.login.Seeds) }

// Client is the Kafka client under it, for requests that this room does not
// make. It must not be closed.
func (c *Cluster) Client() *kgo.Client { return c.cl }

// Admin is the admin client under it.
func (c *Cluster) Admin() *kadm.Client { return c.admin }

// RequestTimeout is how long a request may take, retries included.
func (c *Cluster) RequestTimeout() time.Duration { return c.login.RequestTimeout }

// Close ends all connections.
func (c *Cluster) Close() { c.cl.Close() }

// open asks all seeds at once, takes the first answer, and then asks every
// broker of that answer.
func (c *Cluster) open(ctx context.Context, con *connector) error {
	start := time.Now()
	resp, err := c.askSeeds(ctx, con, start)
	if err != nil {
		return err
	}
	if resp.ClusterID != nil {
		c.id = *resp.ClusterID
	}
	return c.askBrokers(ctx, con, resp.Brokers, start)
}

func (c *Cluster) askSeeds(ctx context.Context, con *connector, start time.Time) (*kmsg.MetadataResponse, error) {
	type answer struct {
		resp *kmsg.MetadataResponse
		err  *ConnectError
	}
	seeds := c.cl.SeedBrokers()
	answers := make(chan answer, len(seeds))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i, seed := range seeds {
		go func() {
			// An empty list of topics asks for brokers only, and needs no right.
			req := kmsg.NewPtrMetadataRequest()
			req.Topics = []kmsg.MetadataRequestTopic{}
			resp, err := req.RequestWith(ctx, seed)
			if err == nil {
				answers <- answer{resp: resp}
				return
			}
			addr := c.login.Seeds[i]
			stage, hint, cause := con.explain(addr, err)
			answers <- answer{err: &ConnectError{
				Cluster: c.login.Name, Address: addr, Broker: -1, Stage: stage,
				After: time.Since(start), Err: cause, Hint: hint,
			}}
		}()
	}
	var failed []*ConnectError
	for range seeds {
		a := <-answers
		if a.err == nil {
			return a.resp, nil
		}
		failed = append(failed, a.err)
	}
	return nil, furthest(failed)
}

// furthest makes one error of several: the one that came furthest tells most.
func furthest(failed []*ConnectError) error {
	slices.SortStableFunc(failed, func(a, b *ConnectError) int { return stageRank[b.Stage] - stageRank[a.Stage] })
	failed[0].Others = failed[1:]
	return failed[0]
}

// askBrokers reaches every broker by the address that it advertises, which
// every later request needs, and learns what it speaks.
func (c *Cluster) askBrokers(ctx context.Context, con *connector, brokers []kmsg.MetadataResponseBroker, start time.Time) error {
	all := make([]*kmsg.ApiVersionsResponse, len(brokers))
	errs := make([]*ConnectError, len(brokers))
	// The client must know the brokers before one of them can be asked.
	if err := c.cl.Ping(ctx); err != nil {
		addr := c.login.Seeds[0]
		stage, hint, cause := con.explain(addr, err)
		return &ConnectError{
			Cluster: c.login.Name, Address: addr, Broker: -1, Stage: stage,
			After: time.Since(start), Err: cause, Hint: hint,
		}
	}
	var wg sync.WaitGroup
	for i, b := range brokers {
		wg.Go(func() {
			req := kmsg.NewPtrApiVersionsRequest()
			req.ClientSoftwareName = "kferry"
			req.ClientSoftwareVersion = "1"
			resp, err := req.RequestWith(ctx, c.cl.Broker(int(b.NodeID)))
			if err == nil {
				err = kerr.ErrorForCode(resp.ErrorCode)
			}
			if err == nil {
				all[i] = resp
				return
			}
			addr := net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
			stage, hint, cause := con.explain(addr, err)
			if !errors.Is(cause, context.Canceled) {
				hint = advertisedHint(addr, hint)
			}
			errs[i] = &ConnectError{
				Cluster: c.login.Name, Address: addr, Broker: b.NodeID, Stage: StageAdvertised, Cause: stage,
				After: time.Since(start), Err: cause, Hint: hint,
			}
		})
	}
	wg.Wait()
	errs = slices.DeleteFunc(errs, func(e *ConnectError) bool { return e == nil })
	if len(errs) > 0 {
		return furthest(errs)
	}
	c.versions = newVersions(all)
	return nil
}

func advertisedHint(addr, hint string) string {
	s := "clients must reach " + addr + " too: check advertised.listeners of the broker, and names and firewalls here"
	if hint != "" {
		s += "; " + hint
	}
	return s
}

// within bounds a call that has no deadline of its own.
func (c *Cluster) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.login.RequestTimeout)
}
