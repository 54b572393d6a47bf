package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// changed tells that the object's own fields are other than those that were
// last in place: what differs is what its user asks for. Otherwise what differs
// was changed elsewhere.
func (in Input) changed() bool { return UserChanged(in.Cluster, in.Observed) }

// UserChanged reports whether the user changed the object's fields, or the secrets
// that they name, since they were last in place.
func UserChanged(cluster *v1alpha1.DatabricksCluster, observed Observation) bool {
	return observed.SecretsRotated || Changed(cluster.Status.AppliedDigest, observed.Desired)
}

// needsCorrection tells differences that are to be mended at all, sooner or later.
func (in Input) needsCorrection() bool {
	if len(in.Observed.Differences) == 0 || in.observes() {
		return false
	}
	if in.adopted() && in.Cluster.Status.AppliedDigest == "" && in.Cluster.Spec.DriftPolicy == v1alpha1.DriftPolicyWarn {
		return false
	}
	return in.changed() || in.Cluster.Spec.DriftPolicy != v1alpha1.DriftPolicyWarn
}

func (in Input) observes() bool {
	return in.Cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve
}

// mayRestart tells that a running cluster may be restarted for its differences:
// a changed object by its update strategy, others' changes only where that was
// asked for.
func (in Input) mayRestart() bool {
	if in.requests(v1alpha1.RequestRestart) {
		return true
	}
	if !in.changed() && in.Cluster.Spec.DriftPolicy != v1alpha1.DriftPolicyCorrectWithRestart {
		return false
	}
	return in.strategyRestarts()
}

// strategyRestarts tells that a running cluster may be restarted for what its
// user changed.
func (in Input) strategyRestarts() bool {
	strategy := in.Cluster.Spec.UpdateStrategy
	if strategy == nil || strategy.Type != v1alpha1.UpdateStrategyOnTermination {
		return true
	}
	deadline := in.waitsUntil()
	return !deadline.IsZero() && !in.Now.Before(deadline)
}

// waitsUntil is when deferred changes are applied at the latest; zero: never.
func (in Input) waitsUntil() time.Time {
	strategy, since := in.Cluster.Spec.UpdateStrategy, in.Cluster.Status.PendingSince
	if strategy == nil || strategy.MaxWaitMinutes == nil || since == nil {
		return time.Time{}
	}
	return since.Add(time.Duration(*strategy.MaxWaitMinutes) * time.Minute)
}

// Applying stands in status.appliedDigest while a changed specification is being
// applied: neither the old nor the new one is known to be in place. It stands in
// status.secretsDigest likewise. It has no colon, so it is no version of a digest.
const Applying = "applying"

// correct carries out a change, once the status names the fields that it sets and no
// longer the specification that was in place.
func (in Input) correct(next Plan) Plan {
	status := in.Cluster.Status
	prepared := contains(status.OwnedFields, drift.Owned(in.Observed.Desired)) && (!in.changed() || status.AppliedDigest == Applying)
	if !prepared {
		next.Step, next.Request = PersistOwnership{}, nil
		return next
	}
	return in.withBackoff(next)
}

// correctWithBase carries out an update, based on a GET that was made for it: there is
// no other guard against what was changed elsewhere meanwhile.
func (in Input) correctWithBase(next Plan) Plan {
	plan := in.correct(next)
	update, updates := plan.Step.(Update)
	if updates && !(in.Observed.SpecKnown && in.Attempts.hasBase(update.Differences, in.Observed.SpecAt)) {
		plan.Step = ReadSpec{update.Differences}
	}
	return plan
}

// whenDiffPending: a changed object is not done, and nothing else is done for it,
// before it was held against its cluster. What is only suspected of an unchanged
// one holds its next step back until it is known.
func whenDiffPending(in Input) (Plan, bool) {
	if in.Observed.Compared || in.Observed.Desired == nil {
		return Plan{}, false
	}
	if HistoryOf(in.Cluster).WasCompared {
		return Plan{}, in.Observed.UnconfirmedDiff
	}
	return Plan{Verdict: notYetCompared()}, true
}

// notYetCompared is the verdict on an object that is about to be compared.
func notYetCompared() Verdict {
	return Verdict{Reason: v1alpha1.ReasonUpdating, Message: "comparing the changed object with its cluster"}
}

// whenChangeHadNoEffect: a change was accepted before and did not take effect. It is not
// sent again: every time might restart the cluster.
func whenChangeHadNoEffect(in Input) (Plan, bool) {
	if !in.needsCorrection() || len(in.due()) > 0 {
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
	return Plan{Verdict: Verdict{
		Reason:  v1alpha1.ReasonImmutableField,
		Stalled: true,
		Message: DiffPaths(hadNoEffect) + ": the workspace accepted the change and did not apply it; change it back, or create another cluster",
	}}, true
}

// hadNoEffect reports that a GET which began after the update shows that the
// declared value was asked for and another one is in effect. Where the GET shows
// that another value was asked for, others have set it back. What was found once
// stays so until a GET shows otherwise.
func (in Input) hadNoEffect(difference drift.Difference) bool {
	if HistoryOf(in.Cluster).ChangeHadNoEffect {
		return in.Observed.SpecAt.IsZero() || difference.RequestedAsDesired()
	}
	tried := in.succeeded(StepUpdate) && in.Attempts.Last.Generation == in.Cluster.Generation && in.Observed.SpecAt.After(in.Attempts.Last.At)
	return tried && difference.RequestedAsDesired()
}

// whenSizeDiffers: a size is changed without a restart, and waits for nothing.
func whenSizeDiffers(in Input) (Plan, bool) {
	due := in.due()
	sizes := sizesOf(due)
	alone := drift.OnlySize(due) || !in.mayRestart()
	if len(sizes) == 0 || in.Observed.Details.State != compute.StateRunning || !alone {
		return Plan{}, false
	}
	return in.correct(Plan{
		Step:    Resize{ClusterID: in.Observed.Details.ClusterId, Differences: sizes},
		Verdict: Verdict{Reason: v1alpha1.ReasonResizing, Message: DiffPaths(sizes)},
	}), true
}

// whenDifferent: everything else is an update, of a cluster that is down, or of
// one that may be restarted for it.
func whenDifferent(in Input) (Plan, bool) {
	due := in.due()
	if len(due) == 0 {
		return Plan{}, false
	}
	verdict := Verdict{Reason: v1alpha1.ReasonUpdating, Message: DiffPaths(due)}
	update := Plan{Step: Update{ClusterID: in.Observed.Details.ClusterId, Differences: due, Method: in.updateMethod(due)}, Verdict: verdict}
	state := in.Observed.Details.State
	switch {
	case state == compute.StateTerminated:
		return in.correctWithBase(update), true
	case state == compute.StateRunning && in.mayRestart():
		update.Request = in.restarting()
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

// whenDeferred: a running cluster is not restarted for what differs, and works.
func whenDeferred(in Input) (Plan, bool) {
	librariesWait, differences := in.librariesWait(), in.withoutHeld()
	if len(differences) == 0 && !librariesWait || in.observes() || !isUp(in.Observed.Details.State) {
		return Plan{}, false
	}
	if in.changed() && in.needsCorrection() || librariesWait {
		waiting := DiffPaths(differences)
		if librariesWait {
			waiting = strings.TrimPrefix(waiting+", /libraries", ", ")
		}
		return Plan{
			Verdict:       Verdict{Reason: v1alpha1.ReasonChangesDeferred, Message: waiting + ": applied when the cluster is down or restarted"},
			LibrariesWait: librariesWait,
			RequeueAt:     in.waitsUntil(),
		}, true
	}
	return Plan{Verdict: Verdict{
		Reason:  v1alpha1.ReasonDriftTolerated,
		Message: DiffPaths(differences) + ": changed elsewhere, and left by driftPolicy while the cluster runs",
	}}, true
}

// DiffPaths names where a cluster is not as declared, for people.
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

// DiffDigest tells one set of differences from another.
func DiffDigest(differences []drift.Difference) string {
	var all strings.Builder
	for _, difference := range differences {
		fmt.Fprintf(&all, "%q %#v %#v\n", difference.Path, difference.Desired, difference.Actual)
	}
	return all.String()
}
