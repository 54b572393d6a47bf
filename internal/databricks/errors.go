package databricks

import (
	"errors"
	"time"
)

// Class says what must happen next after a failed call. Callers branch on it
// and on nothing else: never on a status, never on a text.
type Class string

const (
	// ClassMissing: the cluster is not there. See Error.Purged.
	ClassMissing Class = "Missing"
	// ClassBusy: the cluster is in another state than the call needs. Look
	// again and decide again.
	ClassBusy Class = "Busy"
	// ClassPinned: permanent-delete of a pinned cluster. Unpin it first.
	ClassPinned Class = "Pinned"
	// ClassInvalid: the request itself is refused and will be until it changes.
	ClassInvalid Class = "Invalid"
	// ClassUnauthenticated: the credential is refused, by the API or where its
	// tokens are made.
	ClassUnauthenticated Class = "Unauthenticated"
	// ClassForbidden: the credential is known and may not do this.
	ClassForbidden Class = "Forbidden"
	// ClassQuota: a limit on resources, not on requests. It takes a person, or
	// a long while.
	ClassQuota Class = "Quota"
	// ClassThrottled: too many requests. Error.RetryAfter says when to return.
	ClassThrottled Class = "Throttled"
	// ClassUnsupported: the workspace does not know this endpoint.
	ClassUnsupported Class = "Unsupported"
	// ClassTooLarge: the answer of a read is over its bound. Ask for less.
	ClassTooLarge Class = "TooLarge"
	// ClassTransient: the call had no effect and may be made again later.
	ClassTransient Class = "Transient"
	// ClassAmbiguous: a write whose answer was lost or is no clear answer. It may
	// have had its effect.
	ClassAmbiguous Class = "Ambiguous"
	// ClassHost: what answered is no Databricks workspace, or may not be
	// reached: HTML where a read's JSON was due, a redirect, a certificate that
	// does not hold, a host or address that is refused.
	ClassHost Class = "Host"
)

// Error is every failure of this package. Its text carries no secret and no
// raw body: messages of the server are bounded and stripped of control
// characters.
type Error struct {
	Class Class
	// StatusCode is the HTTP status; 0 where no answer came.
	StatusCode int
	// Code is the API's error_code, such as INVALID_PARAMETER_VALUE; may be empty.
	Code string
	// Message is the API's message, cleaned; or our own where no answer came.
	Message string
	// RetryAfter is what the server asked for; 0 where it did not.
	RetryAfter time.Duration
	// Purged marks ClassMissing of a cluster that Databricks itself removed,
	// 30 days after it ended.
	Purged bool
	// Answered reports that the workspace itself answered with a Databricks error
	// body, whatever the status. It is false for a bare 5xx, for HTML, for an answer
	// that is not understood, for a timeout and for a failed connection. A failure
	// with Answered says nothing about the health of the host.
	Answered bool
	// Method and Path are the call that failed.
	Method, Path string
	// Endpoint is the name of the call that failed, as in Call.Endpoint.
	Endpoint string

	cause error
}

// Error is "error_code: message" as the API told it.
func (e *Error) Error() string {
	if e.Code == "" {
		return e.Message
	}
	return e.Code + ": " + e.Message
}

// Unwrap is context.DeadlineExceeded or context.Canceled where that is why, and
// else nothing of use outside: foreign errors may quote the server.
func (e *Error) Unwrap() error { return e.cause }

// ClassOf is the class of err; "" for nil, ClassTransient for an error that is
// not an *Error.
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return ClassTransient
}
