package report

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// maxDrift bounds how many differences a status shows.
const maxDrift = 20

// recordOwnership stores the fields that the object has set. A removed field stays in the
// status until a read confirms the removal.
func recordOwnership(in Input, status *v1alpha1.DatabricksClusterStatus) {
	if in.Cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve {
		return
	}
	recordNormalized(in, status)
	recordSecrets(in, status)
	owned := drift.Owned(in.Observed.Desired)
	// A change that a start must follow is being applied until the start is sent.
	starts := in.Plan.Kind() == plan.StepStart && status.AppliedDigest == plan.Applying && !succeeded(in.Outcome)
	switch {
	case starts:
	case in.isInPlace():
		if !in.Observed.SpecKnown {
			// Only the spec of a GET shows that a removed field is cleared.
			owned = union(status.OwnedFields, owned)
		}
		status.OwnedFields = owned
		status.AppliedDigest = drift.Digest(in.Observed.Desired)
	case in.Plan.Kind() == plan.StepPersistOwnership:
		status.OwnedFields = union(status.OwnedFields, owned)
		if plan.UserChanged(in.Cluster, in.Observed) {
			status.AppliedDigest = plan.Applying
		}
	}
}

// recordNormalized stores the normalized fields. The digest of the create is not needed
// after the first comparison of its cluster.
func recordNormalized(in Input, status *v1alpha1.DatabricksClusterStatus) {
	if !in.Observed.Compared {
		return
	}
	status.NormalizedFields = plan.NormalizedFields(in.Cluster, in.Observed)
	complete := in.Observed.SpecKnown || in.isInPlace()
	if complete && status.Creation != nil && status.Creation.Token == "" {
		status.Creation.Digest = ""
	}
}

// recordSecrets stores the digest of the write-only values in effect. Before new values are
// sent it stores that neither the old nor the new ones are known to be in effect.
func recordSecrets(in Input, status *v1alpha1.DatabricksClusterStatus) {
	sent := in.Plan.Kind() == plan.StepUpdate && succeeded(in.Outcome)
	switch {
	case in.isInPlace(), sent:
		status.SecretsDigest = in.Observed.SecretsDigest
	case in.Plan.Kind() == plan.StepPersistOwnership && in.Observed.SecretsRotated:
		status.SecretsDigest = plan.Applying
	}
}

// isInPlace reports whether the cluster was compared, and nothing differs that an update
// would change.
func (in Input) isInPlace() bool { return in.Observed.Compared && len(in.Observed.Differences) == 0 }

// succeeded reports whether the step was carried out without a failure.
func succeeded(outcome Outcome) bool { return outcome.Ran && outcome.Failure == nil }

// union returns the distinct strings of two lists, sorted.
func union(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}

// recordRequest stores the state of the request annotation.
func recordRequest(in Input, status *v1alpha1.DatabricksClusterStatus) {
	if request := in.Plan.RequestAfter(); request != nil && succeeded(in.Outcome) {
		status.Request = request.DeepCopy()
		if isFinished(request.Phase) {
			status.Request.Finished = request.Value
		}
	}
}

// isFinished reports whether a phase is the last one of a request.
func isFinished(phase v1alpha1.RequestPhase) bool {
	return phase == v1alpha1.RequestSucceeded || phase == v1alpha1.RequestRefused || phase == v1alpha1.RequestFailed
}

// recordDifferences stores the differences, and since when a change waits.
func recordDifferences(in Input, status *v1alpha1.DatabricksClusterStatus, verdict managed.Verdict) {
	if in.Observed.Compared {
		status.Drift = shownDrift(slices.Concat(in.Observed.Differences, in.Observed.Normalized))
	}
	if verdict.Reason != v1alpha1.ReasonChangesDeferred {
		// A resize or a transition in between does not reset the time.
		if in.isInPlace() {
			status.PendingChanges, status.PendingSince = nil, nil
		}
		return
	}
	status.PendingChanges = nil
	for _, difference := range in.Observed.Differences {
		status.PendingChanges = append(status.PendingChanges, difference.SpecPath())
	}
	if in.Plan.LibrariesWait {
		status.PendingChanges = append(status.PendingChanges, librariesPath)
	}
	if status.PendingSince == nil {
		status.PendingSince = new(metav1.NewTime(in.Now.UTC().Truncate(0)))
	}
}

func shownDrift(differences []drift.Difference) []v1alpha1.DriftedField {
	var shown []v1alpha1.DriftedField
	for i, difference := range differences {
		if i == maxDrift {
			break
		}
		shown = append(shown, v1alpha1.DriftedField{
			Path:    difference.SpecPath(),
			Desired: shownValue(difference, difference.Desired),
			Actual:  shownValue(difference, difference.Actual),
		})
	}
	return shown
}

// shownValue returns the text of a value, redacted if it may contain a secret; "": the value
// is absent.
func shownValue(difference drift.Difference, value any) string {
	if value == nil {
		return ""
	}
	if difference.Secret() {
		return "[redacted]"
	}
	return managed.ValueText(value)
}

// normalizedMessage returns the message with the desired and actual values of normalized
// fields.
func normalizedMessage(normalized []drift.Difference) string {
	const shown, longest = 10, 100
	var places []string
	for i, difference := range normalized {
		if i == shown {
			places = append(places, fmt.Sprintf("and %d more", len(normalized)-shown))
			break
		}
		desired, actual := shownValue(difference, difference.Desired), shownValue(difference, difference.Actual)
		if actual == "" {
			actual = "nothing"
		}
		places = append(places, fmt.Sprintf("%s (desired %s, actual %s)", difference.SpecPath(), shortened(desired, longest), shortened(actual, longest)))
	}
	return "the workspace keeps other values than it was asked for: " + strings.Join(places, ", ")
}

// shortened returns the first characters of a text that is longer than longest.
func shortened(text string, longest int) string {
	runes := []rune(text)
	if len(runes) <= longest {
		return text
	}
	return string(runes[:longest]) + "…"
}
