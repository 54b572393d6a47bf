package managed

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// Failure is an error of the Databricks API.
type Failure struct {
	Class databricks.Class
	// Message is "error_code: message" of the API, without control characters.
	Message string
	// RetryAfter is the Retry-After of the server; 0: none.
	RetryAfter time.Duration
}

// response is the reaction to a class of failure.
type response struct {
	reason  string
	stalled bool
	// first and longest bound the pause before the step is tried again; it
	// doubles with every failure in a row.
	first, longest time.Duration
}

// responses maps each class of failure to its response. A stalled step is still retried, at
// long intervals, because the cause may be corrected in the workspace; a change of the
// spec or the Secret retries it immediately.
var responses = map[databricks.Class]response{
	databricks.ClassInvalid:         {v1alpha1.ReasonInvalidSpec, true, 30 * time.Minute, 6 * time.Hour},
	databricks.ClassForbidden:       {v1alpha1.ReasonPermissionDenied, true, 10 * time.Minute, time.Hour},
	databricks.ClassQuota:           {v1alpha1.ReasonQuotaExceeded, true, 5 * time.Minute, time.Hour},
	databricks.ClassUnauthenticated: {v1alpha1.ReasonAuthenticationFailed, true, 15 * time.Minute, time.Hour},
	databricks.ClassHost:            {v1alpha1.ReasonHostNotAllowed, true, 15 * time.Minute, time.Hour},
	databricks.ClassUnsupported:     {v1alpha1.ReasonInvalidSpec, true, 30 * time.Minute, 6 * time.Hour},
	databricks.ClassThrottled:       {v1alpha1.ReasonRateLimited, false, 2 * time.Second, 5 * time.Minute},
	databricks.ClassTransient:       {v1alpha1.ReasonRetryingAfterError, false, 2 * time.Second, 5 * time.Minute},
	databricks.ClassAmbiguous:       {v1alpha1.ReasonRetryingAfterError, false, 5 * time.Second, 5 * time.Minute},
	databricks.ClassBusy:            {v1alpha1.ReasonRetryingAfterError, false, 5 * time.Second, time.Minute},
	databricks.ClassMissing:         {v1alpha1.ReasonRetryingAfterError, false, 5 * time.Second, 5 * time.Minute},
	databricks.ClassTooLarge:        {v1alpha1.ReasonRetryingAfterError, false, time.Minute, 5 * time.Minute},
	databricks.ClassPinned:          {v1alpha1.ReasonRetryingAfterError, false, 2 * time.Second, 5 * time.Minute},
}

// FailureOf returns the failure of an error of the Databricks API. Any other error is a
// transient failure.
func FailureOf(err error) *Failure {
	if failed, ok := errors.AsType[*databricks.Error](err); ok {
		return &Failure{Class: failed.Class, Message: failed.Error(), RetryAfter: failed.RetryAfter}
	}
	return &Failure{Class: databricks.ClassTransient, Message: err.Error()}
}

// permanentReadFailures are the failures of reads that need a change by the user.
var permanentReadFailures = []databricks.Class{databricks.ClassUnauthenticated, databricks.ClassForbidden, databricks.ClassHost}

// MayPass reports whether a failure of reads needs no change by the user.
func (f *Failure) MayPass() bool { return !slices.Contains(permanentReadFailures, f.Class) }

// Verdict returns the verdict for a failure.
func (f *Failure) Verdict() Verdict {
	r := f.response()
	if f.Class == databricks.ClassInvalid && isPolicyText(f.Message) {
		r.reason = v1alpha1.ReasonPolicyViolation
	}
	return Verdict{Reason: r.reason, Message: f.Message, Stalled: r.stalled}
}

// VerdictOn returns the verdict on a failure that a field of the specification caused. The
// field is a prefix of the message, such as "spec.libraries: ".
func (f *Failure) VerdictOn(field string) Verdict {
	verdict := f.Verdict()
	verdict.Message = field + verdict.Message
	return verdict
}

// Backoff returns the time until the next attempt after a number of failures in a row, at
// least the Retry-After of the server.
func (f *Failure) Backoff(failures int) time.Duration {
	r := f.response()
	pause := r.first
	for range min(failures-1, 16) {
		pause = min(2*pause, r.longest)
	}
	return max(pause, f.RetryAfter)
}

// Stalls reports whether the failure needs a change by the user.
func (f *Failure) Stalls() bool { return f.response().stalled }

func (f *Failure) response() response {
	if r, ok := responses[f.Class]; ok {
		return r
	}
	return responses[databricks.ClassTransient]
}

// isPolicyText reports whether a message is a refusal by a cluster policy.
func isPolicyText(message string) bool {
	return strings.Contains(message, "Cluster validation error: Validation failed for")
}
