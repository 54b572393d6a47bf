package report

import (
	"fmt"
	"sort"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// maxDrift bounds how many differences a status shows.
const maxDrift = 20

// recordOwnership names what the object has set. What was set once stays named
// until its removal has been seen to be in place.
func recordOwnership(in Input, status *v1alpha1.DatabricksClusterStatus) {
	if in.World.Desired == nil || in.Cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve {
		return
	}
	owned := drift.Owned(in.World.Desired)
	inPlace := in.World.Compared && len(in.World.Differences) == 0
	// A change that is to be followed by a start is being applied until that is sent.
	starts := in.Plan.Step == plan.StepStart && status.AppliedDigest == plan.Applying && !started(in.Outcome)
	switch {
	case inPlace && starts:
	case inPlace:
		status.OwnedFields = owned
		status.AppliedDigest = drift.Digest(in.World.Desired)
	case in.Plan.Step == plan.StepOwn:
		status.OwnedFields = union(status.OwnedFields, owned)
		if status.AppliedDigest != drift.Digest(in.World.Desired) {
			status.AppliedDigest = plan.Applying
		}
	}
}

func started(outcome Outcome) bool { return outcome.Ran && outcome.Failure == nil }

func union(a, b []string) []string {
	all := map[string]bool{}
	for _, item := range append(append([]string{}, a...), b...) {
		all[item] = true
	}
	out := make([]string, 0, len(all))
	for item := range all {
		out = append(out, item)
	}
	sort.Strings(out)
	return out
}

// recordRequest answers the request annotation.
func recordRequest(in Input, status *v1alpha1.DatabricksClusterStatus) {
	if in.Plan.Request != nil && in.Outcome.Ran && in.Outcome.Failure == nil {
		status.Request = in.Plan.Request.DeepCopy()
	}
}

// recordDifferences shows what differs, and since when a change waits.
func recordDifferences(in Input, status *v1alpha1.DatabricksClusterStatus, verdict plan.Verdict) {
	if in.World.Compared {
		status.Drift = shownDrift(in.World.Differences)
	}
	if verdict.Reason != v1alpha1.ReasonChangesDeferred {
		// A resize or a transition between does not begin the waiting anew.
		if in.World.Compared && len(in.World.Differences) == 0 {
			status.PendingChanges, status.PendingSince = nil, nil
		}
		return
	}
	status.PendingChanges = nil
	for _, difference := range in.World.Differences {
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

// shownValue is a value as it may be shown. Whatever may hold a secret is not:
// properties and variables are where people put them.
func shownValue(difference drift.Difference, value any) string {
	secret := difference.Field == "spark_conf" || difference.Field == "spark_env_vars" || strings.HasPrefix(difference.Field, "docker_image")
	switch {
	case value == nil:
		return ""
	case secret || strings.Contains(difference.Path, "primary_key"):
		return "[redacted]"
	default:
		return databricks.PlainText(fmt.Sprint(value))
	}
}
