package run

import (
	"context"
	"fmt"
)

// AttachEncoded is Attach for a body that store.Encode has encoded already.
func (r *Run) AttachEncoded(ctx context.Context, name string, data []byte) error {
	key, err := attachmentKey(r.info.ID, name)
	if err == nil {
		err = r.bucket.PutSame(ctx, key, data)
	}
	if err != nil {
		return fmt.Errorf("attaching %s to run %s: %w", name, r.info.ID, err)
	}
	return nil
}
