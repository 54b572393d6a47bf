package databricks

import (
	"errors"
	"time"
)

// Class is the kind of a failure, which determines the reaction of the caller. Callers
// must not depend on a status or a text.
type Class string

const (
	// ClassMissing means that the cluster or the item of a collection does not exist; see
	// Error.Purged.
	ClassMissing Class = "Missing"
	// ClassBusy means that the state of the cluster or item does not allow the call. The caller
	// must observe it again.
	ClassBusy Class = "Busy"
	// ClassPinned means that the cluster must be unpinned before a permanent-delete.
	ClassPinned Class = "Pinned"
	// ClassInvalid means that the request is refused until it changes.
	ClassInvalid Class = "Invalid"
	// ClassUnauthenticated means that the API or the token endpoint refused the
	// credential.
	ClassUnauthenticated Class = "Unauthenticated"
	// ClassForbidden means that the principal lacks a permission.
	ClassForbidden Class = "Forbidden"
	// ClassQuota means that a limit on resources, not on requests, was reached. It
	// persists until an administrator acts or resources are freed.
	ClassQuota Class = "Quota"
	// ClassThrottled means that there were too many requests; see Error.RetryAfter.
	ClassThrottled Class = "Throttled"
	// ClassUnsupported means that the workspace lacks the endpoint.
	ClassUnsupported Class = "Unsupported"
	// ClassTooLarge means that the response of a read is over its size limit.
	ClassTooLarge Class = "TooLarge"
	// ClassTransient means that the call had no effect and can be retried later.
	ClassTransient Class = "Transient"
	// ClassAmbiguous means that the response of a write was lost or is unclear. The
	// write may have had an effect.
	ClassAmbiguous Class = "Ambiguous"
	// ClassHost means that the host is not a Databricks workspace, or must not be
	// reached: HTML instead of the JSON of a read, a redirect, an invalid certificate,
	// or a refused host or address.
	ClassHost Class = "Host"
)

// Error is the type of all failures of a call. Its text contains no secret and no raw
// body: messages of the server are shortened, and have no control characters.
type Error struct {
	Class Class
	// StatusCode is the HTTP status; 0 if there was no response.
	StatusCode int
	// Code is the error_code of the API, such as INVALID_PARAMETER_VALUE; it may be empty.
	Code string
	// Message is the cleaned message of the API, or a message of this package.
	Message string
	// RetryAfter is the delay that the server requested; 0 if it requested none.
	RetryAfter time.Duration
	// Purged is set with ClassMissing if Databricks removed the cluster, 30 days after
	// its termination.
	Purged bool
	// NameTaken is set with ClassInvalid if a create or an edit of an item was refused
	// because another item has the name. Not every workspace says so.
	NameTaken bool
	// Answered is set if the workspace itself responded with a Databricks error body,
	// with any status. It is false for a 5xx without such a body, for HTML, for a
	// response that cannot be decoded, for a timeout and for a failed connection. A
	// failure with Answered is no evidence about the health of the host.
	Answered bool
	// Method and Path are those of the failed call.
	Method, Path string
	// Endpoint is that of the failed call, as in Call.Endpoint.
	Endpoint string

	cause error
}

// Error returns the code and the message of the API.
func (e *Error) Error() string {
	if e.Code == "" {
		return e.Message
	}
	return e.Code + ": " + e.Message
}

// Unwrap returns context.DeadlineExceeded or context.Canceled if that is the cause. It
// never returns an error of another package that may quote the server.
func (e *Error) Unwrap() error { return e.cause }

// ClassOf returns the class of an error: "" for nil, and ClassTransient for an error
// that is not an *Error.
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return ClassTransient
}
