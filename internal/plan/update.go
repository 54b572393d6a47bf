package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// changed reports whether the user changed the declared fields since they were last in
// effect, so that a difference is a change of the user and not drift.
func (in Input) changed() bool { return UserChanged(in.Cluster, in.Observed) }

// UserChanged reports whether the user changed the object's fields, or the secrets
// that they name, since they were last in effect.
func UserChanged(cluster *v1alpha1.DatabricksCluster, observed Observation) bool {
	return observed.SecretsRotated || Changed(cluster.Status.AppliedDigest, observed.Desired)
}

// needsCorrection reports whether the differences must be corrected, now or later.
func (in Input) needsCorrection() bool {
	if len(in.Observed.Differences) == 0 || in.isObserving() {
		return false
	}
	if in.isAdopted() && in.Cluster.Status.AppliedDigest == "" && in.Cluster.Spec.DriftPolicy == v1alpha1.DriftPolicyWarn {
		return false
	}
	return in.changed() || in.Cluster.Spec.DriftPolicy != v1alpha1.DriftPolicyWarn
}

// isObserving reports whether the object only observes its cluster.
func (in Input) isObserving() bool {
	return in.Cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve
}

// mayRestart reports whether a running cluster may be restarted for its differences: for a
// change of the user by the update strategy, for drift only with CorrectWithRestart.
func (in Input) mayRestart() bool {
	if in.hasOpenRequest(v1alpha1.RequestRestart) {
		return true
	}
	if !in.changed() && in.Cluster.Spec.DriftPolicy != v1alpha1.DriftPolicyCorrectWithRestart {
		return false
	}
	return in.strategyRestarts()
}

// strategyRestarts reports whether the update strategy allows a restart for a change of the
// user.
func (in Input) strategyRestarts() bool {
	strategy := in.Cluster.Spec.UpdateStrategy
	switch {
	case strategy == nil, strategy.Type != v1alpha1.UpdateStrategyOnTermination && strategy.Type != v1alpha1.UpdateStrategyWindow:
		return true
	case strategy.Type == v1alpha1.UpdateStrategyWindow && in.windowsAt().Open:
		return true
	}
	deadline := in.maxWaitUntil()
	return !deadline.IsZero() && !in.Now.Before(deadline)
}

// maxWaitUntil returns when deferred changes are applied at the latest; zero: never.
func (in Input) maxWaitUntil() time.Time {
	strategy, since := in.Cluster.Spec.UpdateStrategy, in.Cluster.Status.PendingSince
	if strategy == nil || strategy.MaxWaitMinutes == nil || since == nil {
		return time.Time{}
	}
	return since.Add(time.Duration(*strategy.MaxWaitMinutes) * time.Minute)
}

// appliedFrom returns when deferred changes are applied at the latest, or may be for the
// first time: the deadline of the strategy or the next of its windows; zero: never.
func (in Input) appliedFrom() time.Time {
	at := in.maxWaitUntil()
	if next := in.nextWindow(); !next.IsZero() {
		at = soonest(at, next)
	}
	return at
}

// Applying is the value of status.appliedDigest while a changed specification is applied:
// neither the old nor the new one is known to be in effect. status.secretsDigest uses it in
// the same way. It has no colon, so that it is not a digest of any version.
const Applying = "applying"

// correct returns the plan of a change once the status has the names of the fields that it
// sets and not the digest of the former specification; before, a plan that writes these.
func (in Input) correct(next Plan) Plan {
	status := in.Cluster.Status
	prepared := contains(status.OwnedFields, drift.Owned(in.Observed.Desired)) && (!in.changed() || status.AppliedDigest == Applying)
	if !prepared {
		next.Step, next.Request = PersistOwnership{}, nil
		return next
	}
	return in.withBackoff(next)
}

// correctWithBase returns the plan of an update that is based on a GET for this update. The
// API has no other protection against a concurrent change.
func (in Input) correctWithBase(next Plan) Plan {
	plan := in.correct(next)
	update, updates := plan.Step.(Update)
	hasBase := in.Observed.SpecKnown && in.Attempts.hasBase(update.Differences, in.Observed.SpecAt)
	if updates && !hasBase {
		plan.Step = ReadSpec{update.Differences}
	}
	return plan
}

// whenDiffPending: the object was changed and not compared with its cluster yet, so no other
// step is taken. An unconfirmed difference delays the next step of an unchanged object.
func whenDiffPending(in Input) (Plan, bool) {
	if in.Observed.Compared || in.Observed.Desired == nil {
		return Plan{}, false
	}
	if HistoryOf(in.Cluster).WasCompared {
		return Plan{}, in.Observed.UnconfirmedDiff
	}
	return Plan{Verdict: notYetCompared()}, true
}

// notYetCompared returns the verdict for an object that will be compared.
func notYetCompared() managed.Verdict {
	return managed.Verdict{Reason: v1alpha1.ReasonUpdating, Message: "comparing the changed object with its cluster"}
}

// whenChangeHadNoEffect: the workspace accepted a change that had no effect. It is not sent
// again, because every update may restart the cluster.
func whenChangeHadNoEffect(in Input) (Plan, bool) {
	if !in.needsCorrection() || len(in.dueDifferences()) > 0 {
		return Plan{}, false
	}
	var hadNoEffect []drift.Difference
	for _, difference := range in.Observed.Differences {
		if in.hadNoEffect(difference) {
			hadNoEffect = append(hadNoEffect, difference)
		}
	}
	if len(hadNoEffect) == 0 {
		return Plan{}, false
	}
	return Plan{Verdict: managed.Verdict{
		Reason:  v1alpha1.ReasonImmutableField,
		Stalled: true,
		Message: DiffPaths(hadNoEffect) + ": the workspace accepted the change and did not apply it; change it back, or create another cluster",
	}}, true
}

// hadNoEffect reports whether a GET that began after the update shows that the declared
// value was requested and another one is in effect. If another value was requested,
// another actor has set it back. The result is kept until a GET shows otherwise.
func (in Input) hadNoEffect(difference drift.Difference) bool {
	if HistoryOf(in.Cluster).ChangeHadNoEffect {
		return in.Observed.SpecAt.IsZero() || difference.RequestedAsDesired()
	}
	tried := in.succeeded(StepUpdate) && in.Attempts.Last.Generation == in.Cluster.Generation && in.Observed.SpecAt.After(in.Attempts.Last.At)
	return tried && difference.RequestedAsDesired()
}

// whenSizeDiffers: the size differs, which is corrected without a restart.
func whenSizeDiffers(in Input) (Plan, bool) {
	due := in.dueDifferences()
	sizes := sizesOf(due)
	alone := drift.OnlySize(due) || !in.mayRestart()
	if len(sizes) == 0 || in.Observed.Details.State != compute.StateRunning || !alone {
		return Plan{}, false
	}
	return in.correct(Plan{
		Step:    Resize{ClusterID: in.Observed.Details.ClusterId, Differences: sizes},
		Verdict: managed.Verdict{Reason: v1alpha1.ReasonResizing, Message: DiffPaths(sizes)},
	}), true
}

// whenUpdateNeeded: fields differ that an update corrects, and the cluster is terminated or
// may be restarted.
func whenUpdateNeeded(in Input) (Plan, bool) {
	due := in.dueDifferences()
	if len(due) == 0 {
		return Plan{}, false
	}
	verdict := managed.Verdict{Reason: v1alpha1.ReasonUpdating, Message: DiffPaths(due)}
	update := Plan{Step: Update{ClusterID: in.Observed.Details.ClusterId, Differences: due, Method: in.updateMethod(due)}, Verdict: verdict}
	state := in.Observed.Details.State
	switch {
	case state == compute.StateTerminated:
		return in.correctWithBase(update), true
	case state == compute.StateRunning && in.mayRestart():
		update.Request = in.restartRequest()
		return in.correctWithBase(update), true
	case state == compute.StateResizing && (in.mayRestart() || drift.OnlySize(due)):
		verdict.Message += "; waiting until the cluster has its size"
		return Plan{Verdict: verdict}, true
	default:
		return Plan{}, false
	}
}

// updateMethod returns the call that corrects differences: clusters/edit where the
// workspace does not know clusters/update, or where a mask cannot express them.
func (in Input) updateMethod(differences []drift.Difference) UpdateMethod {
	if in.Observed.LacksUpdate || drift.NeedsEdit(in.Observed.Desired, differences) {
		return EditWhole
	}
	return UpdateWithMask
}

// whenDeferred: fields of a running cluster differ, and it is not restarted for them.
func whenDeferred(in Input) (Plan, bool) {
	librariesWait, differences := in.librariesWait(), in.withoutDelayed()
	if len(differences) == 0 && !librariesWait || in.isObserving() || !isRunning(in.Observed.Details.State) {
		return Plan{}, false
	}
	if in.changed() && in.needsCorrection() || librariesWait {
		waiting := DiffPaths(differences)
		if librariesWait {
			waiting = strings.TrimPrefix(waiting+", /libraries", ", ")
		}
		return Plan{
			Verdict:       managed.Verdict{Reason: v1alpha1.ReasonChangesDeferred, Message: waiting + ": applied " + in.deferredUntil()},
			LibrariesWait: librariesWait,
			RequeueAt:     in.appliedFrom(),
		}, true
	}
	return Plan{Verdict: managed.Verdict{
		Reason:  v1alpha1.ReasonDriftTolerated,
		Message: DiffPaths(differences) + ": changed elsewhere, and left by driftPolicy while the cluster runs",
	}}, true
}

// deferredUntil returns what deferred changes wait for.
func (in Input) deferredUntil() string {
	if strategy := in.Cluster.Spec.UpdateStrategy; strategy != nil && strategy.Type == v1alpha1.UpdateStrategyWindow {
		return "in the next window, or when the cluster is down or restarted"
	}
	return "when the cluster is down or restarted"
}

// DiffPaths returns the paths of differences for messages, at most ten.
func DiffPaths(differences []drift.Difference) string {
	const shown = 10
	var places []string
	for i, difference := range differences {
		if i == shown {
			places = append(places, fmt.Sprintf("and %d more", len(differences)-shown))
			break
		}
		places = append(places, difference.SpecPath())
	}
	return strings.Join(places, ", ")
}

func sizesOf(differences []drift.Difference) []drift.Difference {
	var sizes []drift.Difference
	for _, difference := range differences {
		if difference.Size {
			sizes = append(sizes, difference)
		}
	}
	return sizes
}

// contains reports whether a list has every wanted string.
func contains(have, wanted []string) bool {
	known := map[string]bool{}
	for _, item := range have {
		known[item] = true
	}
	for _, item := range wanted {
		if !known[item] {
			return false
		}
	}
	return true
}

// DiffDigest returns a key that is equal for equal differences.
func DiffDigest(differences []drift.Difference) string {
	var all strings.Builder
	for _, difference := range differences {
		fmt.Fprintf(&all, "%q %#v %#v\n", difference.Path, difference.Desired, difference.Actual)
	}
	return all.String()
}
