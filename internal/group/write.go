package group

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// verdict is what an answer's codes say of a write as a whole.
type verdict int

const (
	// settled: the codes say what was done and what was not.
	settled verdict = iota
	// refused: nothing was done, and asking again can help.
	refused
)

// write is one request that changes a group.
type write struct {
	group string
	max   int16
	// request and harmless build the request anew for each try: the client
	// sets versions in them. harmless changes nothing wherever it arrives.
	request, harmless func() kmsg.Request
	judge             func(kmsg.Response) verdict
	// fit refuses a broker that cannot take the write; nil takes any.
	fit func(ctx context.Context, node int32) error
}

// send finds the coordinator and sends the write to it. It is sent again only
// when an answer said that nothing was done, or when it surely never left this
// process. Otherwise it is an *UnansweredError: a copy sent in the dark could
// arrive after a consumer has moved the group on.
func (c *Client) send(ctx context.Context, w write) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	// The last quarter belongs to the last try: one that is cut off while its
	// answer is on the way leaves everything open.
	p := newPatience(c.timeout - c.timeout/4)
	var last error
	node, known := c.remembered(w.group)
	for ; ; known = false {
		if !known {
			var err error
			if node, err = c.coordinator(ctx, w.group); err != nil {
				return nil, kindError(errors.Join(err, last), w.group, "DESCRIBE")
			}
		}
		resp, again, err := c.sendTo(ctx, node, w)
		last = err
		switch open := new(UnansweredError); {
		case err == nil, errors.As(err, &open), errors.Is(err, ErrNoKeep):
			return resp, err
		case known:
			// Nothing was done, and the broker may be the wrong one by now.
		case !again:
			return nil, err
		case !p.wait(ctx):
			if resp != nil {
				return resp, nil // its codes are the best that there is to say
			}
			return nil, err
		}
	}
}

// sendTo sends a write once. Unless the error is an *UnansweredError nothing was
// done when there is one; again says that sending it once more can help. An
// answer that says as much is returned beside the error.
func (c *Client) sendTo(ctx context.Context, node int32, w write) (resp kmsg.Response, again bool, err error) {
	if w.fit != nil {
		if err := w.fit(ctx, node); err != nil {
			return nil, transient(err) || unclear(err), err
		}
	}
	req := &once{Request: w.request(), harmless: w.harmless(), max: w.max}
	resp, err = c.conn.Client().Broker(int(node)).Request(ctx, req)
	switch {
	case err == nil && w.judge(resp) == settled:
		return resp, false, nil
	case err == nil:
		return resp, true, kerr.NotCoordinator
	case !req.withdraw():
		return nil, false, &UnansweredError{Group: w.group, Err: err}
	default:
		return nil, transient(err) || unclear(err), err
	}
}

// judgeCodes knows whether a write with these codes can be sent again: the
// coordinator said of something that it is not, or not yet, in charge, and of
// nothing that it was done or may have been.
//
// A broker that loses its log right after it wrote there also says
// NOT_COORDINATOR, and what it wrote may survive. Sending again is right then,
// too: the second copy comes after the first in the same log. Only a refusal
// of the second copy can hide a first one that was stored, which is why a
// caller reads back.
func judgeCodes(codes []int16) verdict {
	again := false
	for _, code := range codes {
		switch err := codeError(code); {
		case err == nil, isOpen(err):
			return settled
		case errors.Is(err, kerr.NotCoordinator), errors.Is(err, kerr.CoordinatorLoadInProgress):
			again = true
		}
	}
	if again {
		return refused
	}
	return settled
}

// isOpen knows the codes that leave open whether the write was done. The
// coordinator answers COORDINATOR_NOT_AVAILABLE also for a write that is in its
// log and was not replicated in time (GroupMetadataManager, CoordinatorRuntime).
func isOpen(err error) bool {
	for _, code := range []error{
		kerr.CoordinatorNotAvailable, kerr.RequestTimedOut, kerr.UnknownServerError,
		kerr.NotEnoughReplicasAfterAppend, kerr.KafkaStorageError, kerr.NetworkException,
	} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}
