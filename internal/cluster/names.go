package cluster

import (
	"context"
	"maps"
	"slices"
)

// Names lists all topics that we may see, internal ones included, in order:
// one Metadata request, without their configuration.
func (c *Cluster) Names(ctx context.Context) ([]string, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	meta, err := c.loadMetadata(ctx, nil)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(meta)), nil
}
