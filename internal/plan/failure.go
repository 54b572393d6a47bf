package plan

import (
	"errors"
	"strings"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// response is what follows from a class of failure.
type response struct {
	reason  string
	stalled bool
	// first and longest bound the pause before the step is tried again; it
	// doubles with every failure in a row.
	first, longest time.Duration
}

// responses is the one place that turns a class of failure into what happens
// next. A stalled step is still tried again, slowly, because the other side may
// have been mended; a changed spec or Secret tries it at once.
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

// FailureOf returns an error of the Databricks API as a fact. Another error is a
// transient failure.
func FailureOf(err error) *Failure {
	if failed, ok := errors.AsType[*databricks.Error](err); ok {
		return &Failure{Class: failed.Class, Message: failed.Error(), RetryAfter: failed.RetryAfter}
	}
	return &Failure{Class: databricks.ClassTransient, Message: err.Error()}
}

// Verdict is what to tell of a failure.
func (f *Failure) Verdict() Verdict {
	r := f.response()
	if f.Class == databricks.ClassInvalid && isPolicyText(f.Message) {
		r.reason = v1alpha1.ReasonPolicyViolation
	}
	return Verdict{Reason: r.reason, Message: f.Message, Stalled: r.stalled}
}

// verdictOn is the verdict of a failure that a field of the specification led to.
func (f *Failure) verdictOn(field string) Verdict {
	verdict := f.Verdict()
	verdict.Message = field + verdict.Message
	return verdict
}

// VerdictOn is what to tell of a step of an object that failed, now and while the
// step is held back. What keeps an object from being deleted says the way out.
func VerdictOn(cluster *v1alpha1.DatabricksCluster, failure *Failure) Verdict {
	verdict := failure.Verdict()
	if cluster.DeletionTimestamp.IsZero() {
		return verdict
	}
	if failure.Class == databricks.ClassPinned {
		return deleting()
	}
	if verdict.Stalled {
		verdict.Reason = v1alpha1.ReasonDeletionBlocked
	}
	return Input{Cluster: cluster}.withRemedy(verdict)
}

// Hold is what keeps a step from being sent, in the conditions' own reasons.
type Hold struct{ Reason, Message string }

// Verdict is what to report while the step waits. A deletion names the remedy where
// the workspace's request limit is not the only thing that it waits for.
func (h Hold) Verdict(cluster *v1alpha1.DatabricksCluster) Verdict {
	verdict := Verdict{Reason: h.Reason, Message: h.Message}
	if h.Reason == v1alpha1.ReasonRateLimited {
		return verdict
	}
	return Input{Cluster: cluster}.withRemedy(verdict)
}

// backoff is how long to hold back after so many failures in a row. What the
// server asked for is the least.
func (f *Failure) backoff(failures int) time.Duration {
	r := f.response()
	pause := r.first
	for range min(failures-1, 16) {
		pause = min(2*pause, r.longest)
	}
	return max(pause, f.RetryAfter)
}

func (f *Failure) response() response {
	if r, ok := responses[f.Class]; ok {
		return r
	}
	return responses[databricks.ClassTransient]
}

// isPolicyText tells a refusal by a cluster policy from a refusal of a value.
func isPolicyText(message string) bool {
	return strings.Contains(message, "Cluster validation error: Validation failed for")
}

// withBackoff carries out a step now, or holds it back while its last failure is still
// in force. While it waits, the verdict is the failure's.
func (in Input) withBackoff(next Plan) Plan {
	last := in.Attempts.Last
	if last.Step != next.Kind() || last.Failure == nil {
		return next
	}
	again := in.backoffUntil(last)
	if again.IsZero() {
		return next
	}
	return Plan{Verdict: VerdictOn(in.Cluster, last.Failure), RequeueAt: again}
}

// succeeded tells that the last thing done was this step and that it went well.
func (in Input) succeeded(step StepKind) bool {
	return in.Attempts.Last.Step == step && in.Attempts.Last.Failure == nil
}
