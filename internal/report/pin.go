package report

import (
	"strings"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// EventPinRefused is a Warning that a cluster could not be pinned or unpinned.
const EventPinRefused = "PinRefused"

// recordPin stores whether the cluster is pinned, if the object declares it.
func recordPin(in Input, status *v1alpha1.DatabricksClusterStatus) {
	switch {
	case !plan.ManagesPin(in.Cluster) || in.isGone():
		status.Pinned = nil
	case in.Observed.Pinned != nil:
		status.Pinned = new(*in.Observed.Pinned)
	}
}

// withNote appends the note of the plan to the message of a verdict.
func withNote(in Input, status *v1alpha1.DatabricksClusterStatus, verdict managed.Verdict) managed.Verdict {
	if in.Plan.Note == "" {
		return verdict
	}
	if verdict.Message == "" {
		verdict.Message = setter{status: status, in: in}.stateText()
	}
	verdict.Message += "; " + in.Plan.Note
	return verdict
}

// pinRefused returns the event of a refused pin when the conditions first contain it.
func pinRefused(in Input, before, after v1alpha1.DatabricksClusterStatus) (reason, note string) {
	isShown := func(status v1alpha1.DatabricksClusterStatus) bool {
		return strings.Contains(conditionOf(status, v1alpha1.ConditionReady).Message, in.Plan.Note)
	}
	if isShown(before) || !isShown(after) {
		return "", ""
	}
	return EventPinRefused, in.Plan.Note
}
