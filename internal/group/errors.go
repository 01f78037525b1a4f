package group

import (
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kferry/kferry/internal/topic"
)

// Kinds of error, for errors.Is. The broker's own code stays reachable too
// (errors.Is with the kerr value).
var (
	// ErrActive: the group has members, or consumers subscribe to the topic.
	ErrActive = errors.New("group has members")
	// ErrAuth: a right is missing; the error is an *AuthError.
	ErrAuth = errors.New("not authorized")
	// ErrUnanswered: the write may or may not have happened. Read the group
	// again before concluding anything. The error is an *UnansweredError.
	ErrUnanswered = errors.New("the broker's answer is missing: the request may or may not have been carried out")
	// ErrAbsent: there is no such group.
	ErrAbsent = errors.New("group does not exist")
	// ErrUnstable: the group has transactional commits that are not decided.
	ErrUnstable = errors.New("pending transactional commits")
	// ErrNoShare: the brokers do not know share groups, or have them off.
	ErrNoShare = errors.New("share groups are not known")
	// ErrNoKeep: a broker takes no commit that says for how long it is kept.
	ErrNoKeep = errors.New("the brokers take no commit with a time of its own")
	// ErrInput: what was to be written contradicts itself; nothing was sent.
	ErrInput = errors.New("contradictory positions")
)

// Error says what failed on which group, and on which partition when it is
// about one.
type Error struct {
	// Op is a gerund ("committing offsets").
	Op      string
	Cluster string
	Group   string
	// Partition is nil when the whole group is meant.
	Partition *topic.Partition
	Err       error
	Hint      string
}

// Error names operation, object, cluster and cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if strings.Contains(e.Op, " ") { // "committing offsets" of a group, "describing" a group
		b.WriteString(" of")
	}
	fmt.Fprintf(&b, " group %q", e.Group)
	if e.Partition != nil {
		fmt.Fprintf(&b, " on %s", e.Partition)
	}
	if e.Cluster != "" {
		fmt.Fprintf(&b, " on cluster %s", e.Cluster)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ActiveError says that a group cannot be written because it is in use.
type ActiveError struct {
	Group string
	// Members are those seen right after the refusal; empty when they had
	// left again or could not be read.
	Members []Member
	// Topic is set when only this topic is in use (GROUP_SUBSCRIBED_TO_TOPIC).
	Topic string
	Err   error
}

// Error names the group and some of its members.
func (e *ActiveError) Error() string {
	what := fmt.Sprintf("group %q is in use", e.Group)
	if e.Topic != "" {
		what = fmt.Sprintf("group %q is subscribed to topic %q", e.Group, e.Topic)
	}
	const most = 3
	who := make([]string, 0, most)
	for _, m := range e.Members[:min(most, len(e.Members))] {
		name := m.ClientID
		if m.InstanceID != "" {
			// A static member (group.instance.id, KIP-345) is known by it, and
			// keeps the group in use until its session ends.
			name += fmt.Sprintf(" (static member %s)", m.InstanceID)
		}
		who = append(who, name+" from "+m.Host)
	}
	if n := len(e.Members); n > most {
		who = append(who, fmt.Sprintf("%d more", n-most))
	}
	if len(who) > 0 {
		what += " by " + strings.Join(who, ", ")
	}
	return fmt.Sprintf("%s: %v", what, e.Err)
}

// Is makes errors.Is(err, ErrActive) true.
func (e *ActiveError) Is(target error) bool { return target == ErrActive }

// Unwrap returns the broker's code.
func (e *ActiveError) Unwrap() error { return e.Err }

// AuthError names the right that is missing.
type AuthError struct {
	// Right in Kafka's words: "READ", "DELETE", "DESCRIBE".
	Right string
	// Resource is "group", "topic" or "cluster"; Name is empty for the cluster.
	Resource, Name string
	Err            error
}

// Error names the right and the resource.
func (e *AuthError) Error() string {
	on := e.Resource
	if e.Name != "" {
		on = fmt.Sprintf("%s %q", e.Resource, e.Name)
	}
	return fmt.Sprintf("right %s on %s is missing: %v", e.Right, on, e.Err)
}

// Is makes errors.Is(err, ErrAuth) true.
func (e *AuthError) Is(target error) bool { return target == ErrAuth }

// Unwrap returns the broker's code.
func (e *AuthError) Unwrap() error { return e.Err }

// UnansweredError is a write of which nobody knows whether it happened: the
// answer did not come back, or its code leaves it open.
type UnansweredError struct {
	Group string
	Err   error
}

// Error names the group and why the answer is missing.
func (e *UnansweredError) Error() string {
	return fmt.Sprintf("%v: group %q: %v", ErrUnanswered, e.Group, e.Err)
}

// Is makes errors.Is(err, ErrUnanswered) true.
func (e *UnansweredError) Is(target error) bool { return target == ErrUnanswered }

// Unwrap returns what happened instead of an answer.
func (e *UnansweredError) Unwrap() error { return e.Err }

// codeError turns a broker's code into an error; 0 is nil, and a code that
// this client does not know is still one.
func codeError(code int16) error {
	if code == 0 {
		return nil
	}
	if err := kerr.ErrorForCode(code); err != nil {
		return err
	}
	return fmt.Errorf("error code %d", code)
}

// kindError gives a broker's error on a group its kind. The right is the one
// that the operation needs on the group.
func kindError(err error, group, right string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return &AuthError{Right: right, Resource: "group", Name: group, Err: err}
	case errors.Is(err, kerr.GroupIDNotFound):
		return fmt.Errorf("%w (%w)", ErrAbsent, err)
	case errors.Is(err, kerr.UnsupportedVersion):
		// Only requests of share groups are answered so, where they are off.
		return fmt.Errorf("%w (%w)", ErrNoShare, err)
	case errors.Is(err, kerr.UnstableOffsetCommit):
		return fmt.Errorf("%w (%w)", ErrUnstable, err)
	case isActive(err):
		return &ActiveError{Group: group, Err: err}
	}
	return err
}

// isActive knows the codes with which a coordinator says that a write without
// a member meets members.
func isActive(err error) bool {
	for _, code := range []error{
		kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.RebalanceInProgress,
		kerr.FencedInstanceID, kerr.NonEmptyGroup, kerr.StaleMemberEpoch,
		kerr.FencedMemberEpoch, kerr.MemberIDRequired,
	} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}
