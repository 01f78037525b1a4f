package group

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// OffsetCommit carries RetentionTimeMillis from version 2 to 4 (KIP-211 took it
// out of 5). Brokers from 4.0 on take version 2 and up.
const (
	firstKeepCommit = 2
	lastKeepCommit  = 4
)

// CommitFor is Commit with a time for which the positions are kept, whatever
// offsets.retention.minutes of the broker says: the broker forgets them when
// that time has passed since the commit, and no earlier, unless they are
// committed again (GroupMetadataManager, OffsetExpirationCondition). A group
// with members keeps what it subscribes to all the same. The answer does not
// tell whether the broker heeds the time, and no request shows it.
//
// Map and error are as with Commit. ErrNoKeep, with nothing sent, when the
// coordinator takes no such version of the request; ErrInput for less than a
// millisecond.
func (c *Client) CommitFor(ctx context.Context, group string, ps []position.Position, retention time.Duration) (map[topic.Partition]error, error) {
	if retention < time.Millisecond {
		return nil, c.wrap(committing, group, fmt.Errorf("%w: to be kept for %s", ErrInput, retention))
	}
	return c.commit(ctx, ps, write{
		group: group, max: lastKeepCommit, fit: c.takesKeep,
		request: func() kmsg.Request {
			req := commitRequest(group, ps)
			req.RetentionTimeMillis = retention.Milliseconds()
			return req
		},
	})
}

// KeepReady reports whether every broker takes CommitFor: the error is ErrNoKeep
// when one does not, else that of a cluster that does not answer.
func (c *Client) KeepReady(ctx context.Context) error {
	brokers, err := c.brokers(ctx)
	if err != nil {
		return fmt.Errorf("asking what the brokers of cluster %s speak: %w", c.conn.Name(), err)
	}
	for _, b := range brokers {
		if err := c.takesKeep(ctx, b.NodeID); err != nil {
			return fmt.Errorf("asking what the brokers of cluster %s speak: %w", c.conn.Name(), err)
		}
	}
	return nil
}

func (c *Client) takesKeep(ctx context.Context, node int32) error {
	v, err := c.span(ctx, node, kmsg.OffsetCommit)
	switch {
	case err != nil:
		return err
	case v.highest < firstKeepCommit || v.lowest > lastKeepCommit:
		return fmt.Errorf("%w: broker %d speaks OffsetCommit %d to %d, and %d to %d carry one", ErrNoKeep, node, v.lowest, v.highest, firstKeepCommit, lastKeepCommit)
	}
	return nil
}
