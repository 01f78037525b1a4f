package cloudstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"syscall"

	"github.com/kferry/kferry/internal/store/driver"
)

// answer is what a store said to a request that it refused: the status of
// HTTP, the store's own code, which says more, and a sentence.
type answer struct {
	status  int
	code    string
	message string
}

// exists: an object is there, which the put was to be without.
func (a answer) exists() bool {
	return a.status == http.StatusPreconditionFailed ||
		a.is("BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet")
}

// conflict: another put of the same object is under way; S3 does not say which
// of them will have won.
func (a answer) conflict() bool { return a.is("ConditionalRequestConflict") }

// objectMissing: the bucket is there, the object is not. A HEAD request has no
// body, and so no code but the one the SDK makes up for the status.
func (a answer) objectMissing() bool {
	return a.status == http.StatusNotFound && !a.bucketMissing()
}

func (a answer) bucketMissing() bool {
	return a.is("NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled")
}

// beyond: the range begins behind the end.
func (a answer) beyond() bool { return a.status == http.StatusRequestedRangeNotSatisfiable }

func (a answer) is(codes ...string) bool { return slices.Contains(codes, a.code) }

func (a answer) String() string {
	text := fmt.Sprintf("the store answered %d", a.status)
	if a.code != "" {
		text += " " + a.code
	}
	if a.message != "" {
		text += ": " + a.message
	}
	return text
}

// Error is an error of a cloud in words without addresses, which may hold a
// token.
type Error struct {
	text string
	err  error
}

// Error returns what the store said, or why there was no answer.
func (e *Error) Error() string { return e.text }

// Unwrap returns the error of the SDK.
func (e *Error) Unwrap() error { return e.err }

// explain returns an error of an operation under ctx as a user can read it,
// with a hint for what a user can mend.
func (s *Store) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		// The SDKs do not all wrap it.
		return fmt.Errorf("%w; whether it took effect is not known", ctx.Err())
	}
	if a := s.status(err); a.status != 0 {
		return &driver.HintError{Err: &Error{text: a.String(), err: err}, Hint: s.hint(a)}
	}
	text, hint := silent(err)
	return &driver.HintError{Err: &Error{text: text, err: err}, Hint: hint}
}

func (s *Store) hintNoBucket() string {
	return fmt.Sprintf("create the %s first, or mend its name, account or endpoint in the address", s.noun)
}

// hint says what a user can do about an answer.
func (s *Store) hint(a answer) string {
	switch {
	case a.bucketMissing(), a.status == http.StatusNotFound:
		return s.hintNoBucket()
	case a.is("RequestTimeTooSkewed"):
		return "the clock of this machine is wrong: set it, best by NTP"
	case a.is("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "TemporaryRedirect"),
		a.status == http.StatusMovedPermanently, a.status == http.StatusTemporaryRedirect:
		return "the bucket is in another region: name it with ?region=NAME"
	case a.is("XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "InsufficientCapacity", "AccountSizeLimitExceeded"),
		a.status == http.StatusInsufficientStorage:
		return "the store or its quota is full; free some space and call again, nothing half-written is visible"
	case a.is("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired", "AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation"),
		a.status == http.StatusUnauthorized:
		return "the store does not accept these credentials: look which ones are used (environment, profile, machine) and whether they have expired; a clock that is wrong has the same effect"
	case a.status == http.StatusMethodNotAllowed, a.is("BlobImmutableDueToPolicy", "AccountIsReadOnly"):
		return "the store is read-only, or keeps objects from being changed; choose another place with --state"
	case a.status == http.StatusForbidden:
		return "these credentials lack the right to do this, or the store is read-only for them; docs/state.md lists the rights that are needed"
	case a.status == http.StatusNotImplemented:
		return "the store does not know this kind of request; conditional writes (If-None-Match: *) are needed"
	case a.status == http.StatusTooManyRequests, a.status >= http.StatusInternalServerError:
		return "the store is overloaded or broken, and stayed so over several attempts; call again later"
	default:
		return ""
	}
}

// silent describes an error without an answer of the store.
func silent(err error) (text, hint string) {
	const maybe = "; whether a write took effect is not known, calling again is safe"
	if _, ok := errors.AsType[*stallError](err); ok {
		return err2text(err), "the store is slow, or something on the way holds back its answers" + maybe
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Error(), "no server has this name: mend the account or the endpoint in the address, or the network"
	}
	_, unknownCA := errors.AsType[x509.UnknownAuthorityError](err)
	_, badCert := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case unknownCA || badCert:
		return err2text(err), "the certificate of the server cannot be trusted; add its authority to those of the system"
	case errors.Is(err, syscall.ECONNREFUSED):
		return err2text(err), "nothing listens there: mend the endpoint in the address, or start the store"
	case errors.Is(err, context.DeadlineExceeded):
		return "the store did not finish in time", "the store is slow or overloaded" + maybe
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return "the connection was cut off: " + err2text(err), "the network or something on the way broke the connection" + maybe
	default:
		return err2text(err), ""
	}
}

// err2text returns the text of an error without the address of a request.
func err2text(err error) string {
	if stall, ok := errors.AsType[*stallError](err); ok {
		return stall.Error()
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Error()
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err.Error()
	}
	return err.Error()
}
