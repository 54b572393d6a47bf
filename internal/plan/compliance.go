package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// enforcementRetryInterval is how long a policy is not enforced again after an enforcement
// that left violations, because the workspace cannot correct them.
const enforcementRetryInterval = 6 * time.Hour

// Compliance is the observed compliance of the cluster with its policy.
type Compliance struct {
	// PolicyID is the policy of the cluster; empty: it has none, or it is not known.
	PolicyID string
	// Seen reports whether the workspace told the compliance since the last own write.
	Seen bool
	// Violations are the values that violate the policy, sorted by path; none: the cluster
	// complies with it.
	Violations []Violation
	// Failure is why the compliance cannot be read; nil: it was read, or will be.
	Failure *managed.Failure
}

// Violation is a value of the cluster that its policy does not permit.
type Violation struct {
	// Path is a path of the policy language.
	Path string
	// Message is that of Databricks, without a value that may be secret.
	Message string
}

// AsksCompliance reports whether an object declares spec.policyCompliance.
func AsksCompliance(cluster *v1alpha1.DatabricksCluster) bool {
	return cluster.Spec.PolicyCompliance != "" && cluster.DeletionTimestamp.IsZero()
}

// ComplianceLookup returns how the compliance of a cluster is read, and its policy: at a
// slow interval, and after an enforcement. An answer from before the last own write is
// outdated. While the cluster is not known, the policy is that of the status.
func ComplianceLookup(
	cluster *v1alpha1.DatabricksCluster, presence managed.Presence, details *compute.ClusterDetails, attempts Attempts,
) (lookup cache.Lookup, policyID string) {
	if !AsksCompliance(cluster) {
		return cache.Lookup{}, ""
	}
	switch {
	case presence == managed.Present:
		policyID = details.PolicyId
	case presence == managed.Unknown && cluster.Status.Effective != nil:
		policyID = cluster.Status.Effective.PolicyID
	}
	if policyID == "" {
		return cache.Lookup{}, ""
	}
	return cache.Lookup{
		Cadence:        cache.WhileQuiet,
		After:          attempts.enforced().At,
		OutdatedBefore: attempts.Last.At,
	}, policyID
}

// enforced returns the last enforcement that had or may have had an effect.
func (a Attempts) enforced() Attempt {
	if attempt := a.Side[StepEnforceCompliance]; attempt.Failure == nil || attempt.Failure.Class == databricks.ClassAmbiguous {
		return attempt
	}
	return Attempt{}
}

// ComplianceRead returns the observed compliance of an existing cluster after a lookup.
func ComplianceRead(
	cluster *v1alpha1.DatabricksCluster, details *compute.ClusterDetails, look cache.Look[map[string]compute.ClusterCompliance],
) (known Compliance) {
	if !AsksCompliance(cluster) {
		return Compliance{}
	}
	known.PolicyID = details.PolicyId
	if look.Err != nil {
		known.Failure = managed.FailureOf(look.Err)
	}
	told, isListed := look.Value[details.ClusterId]
	if !isListed {
		return known
	}
	known.Seen = true
	if told.IsCompliant {
		return known
	}
	for _, path := range slices.Sorted(maps.Keys(told.Violations)) {
		known.Violations = append(known.Violations, violationOf(path, told.Violations[path]))
	}
	if len(known.Violations) == 0 {
		known.Violations = []Violation{{Path: "*", Message: "the workspace does not tell which values"}}
	}
	return known
}

func violationOf(path, message string) Violation {
	told := Violation{Path: databricks.PlainText(path), Message: databricks.PlainText(message)}
	if drift.MayBeSecret(drift.PolicyPath(path)) {
		told.Message = "the value is not permitted; it may be secret, so the message is not shown"
	}
	return told
}

// enforces reports whether the policy is to be enforced on the cluster, now or later: it is
// violated, and no declared value violates it.
func (in Input) enforces() bool {
	return in.Cluster.Spec.PolicyCompliance == v1alpha1.PolicyComplianceEnforce && !in.isObserving() &&
		in.Observed.Compared && len(in.Observed.Compliance.Violations) > 0 && len(in.contradictions()) == 0
}

// contradictions are the violations by values that the object declares and that are in
// effect. The workspace would change them, and the operator would change them back.
func (in Input) contradictions() []Violation {
	if in.Cluster.Spec.PolicyCompliance != v1alpha1.PolicyComplianceEnforce || in.isObserving() || !in.Observed.Compared {
		return nil
	}
	var all []Violation
	for _, violation := range in.Observed.Compliance.Violations {
		path := drift.PolicyPath(violation.Path)
		isPending := slices.ContainsFunc(in.Observed.Differences, func(d drift.Difference) bool { return d.Touches(path) })
		if in.Observed.Desired.Declares(path) && !isPending {
			all = append(all, violation)
		}
	}
	return all
}

// whenPolicyViolated: the cluster violates its policy, and the workspace may correct that
// now. It changes no declared value.
func whenPolicyViolated(in Input) (Plan, bool) {
	if !in.enforcesNow() {
		return Plan{}, false
	}
	next, _ := in.sideStep(Plan{}, EnforceCompliance{ClusterID: in.Observed.Details.ClusterId})
	if in.Observed.Details.State == compute.StateRunning {
		next.Request = in.restartRequest()
	}
	return next, true
}

// enforcesNow reports whether the policy is enforced in the present state of the cluster.
func (in Input) enforcesNow() bool {
	if !in.enforces() || !in.enforcementDelayedUntil().IsZero() || !in.backoffUntil(in.Attempts.Side[StepEnforceCompliance]).IsZero() {
		return false
	}
	switch in.Observed.Details.State {
	case compute.StateTerminated:
		return true
	case compute.StateRunning:
		return in.mayRestartToEnforce()
	default:
		return false
	}
}

// mayRestartToEnforce reports whether the policy may be enforced on a running cluster.
func (in Input) mayRestartToEnforce() bool {
	return in.strategyRestarts() || in.hasOpenRequest(v1alpha1.RequestRestart)
}

// enforcementDelayedUntil returns until when the policy is not enforced again, because the
// last enforcement left violations; zero: it may be enforced.
func (in Input) enforcementDelayedUntil() time.Time {
	last := in.Attempts.Side[StepEnforceCompliance]
	again := last.At.Add(enforcementRetryInterval)
	if last.Failure != nil || last.Generation != in.Cluster.Generation || !in.Now.Before(again) {
		return time.Time{}
	}
	return again
}

// withCompliance adds to a plan without a step when the policy is enforced, or why it
// cannot be.
func (in Input) withCompliance(next Plan) Plan {
	if contradictions := in.contradictions(); len(contradictions) > 0 {
		return in.withVerdictIfNone(next, managed.Verdict{
			Reason:  v1alpha1.ReasonPolicyViolation,
			Stalled: true,
			Message: fmt.Sprintf("policyCompliance Enforce would change values of the spec: %s; correct them, or the policy", violationsOf(contradictions)),
		})
	}
	if in.enforces() {
		next.RequeueAt = soonest(next.RequeueAt, in.enforcementRequeue())
	}
	return next
}

// enforcementRequeue returns when the policy may be enforced without a new fact; zero: not
// before that.
func (in Input) enforcementRequeue() time.Time {
	until := latest(in.enforcementDelayedUntil(), in.backoffUntil(in.Attempts.Side[StepEnforceCompliance]))
	if until.IsZero() {
		return in.nextWindow()
	}
	return until
}

// enforcementNote returns how the enforcement of the violated policy stands; "": the object
// does not declare it, or values of its specification prevent it.
func (in Input) enforcementNote() string {
	last := in.Attempts.Side[StepEnforceCompliance]
	switch {
	case !in.enforces(), in.Cluster.Spec.Suspend:
		return ""
	case !in.enforcementDelayedUntil().IsZero():
		return "the workspace enforced the policy and left them: change the spec or the policy"
	case last.Failure != nil && last.Failure.Stalls():
		return "the policy is not enforced: " + last.Failure.Message
	case isRunning(in.Observed.Details.State) && !in.mayRestartToEnforce():
		return "the policy is enforced " + in.deferredUntil()
	default:
		return "the policy is being enforced"
	}
}

// violationsOf returns violations for a message: the path in the spec, and the message of
// Databricks.
func violationsOf(violations []Violation) string {
	const shown = 3
	var all []string
	for i, violation := range violations {
		if i == shown {
			all = append(all, fmt.Sprintf("and %d more", len(violations)-shown))
			break
		}
		all = append(all, fmt.Sprintf("%s (%s)", drift.SpecPointer(drift.PolicyPath(violation.Path)), violation.Message))
	}
	return strings.Join(all, ", ")
}
