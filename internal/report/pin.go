package report

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// EventPinRefused warns that a cluster could not be pinned or unpinned.
const EventPinRefused = "PinRefused"

// recordPin shows whether the cluster is pinned, where the object cares.
func recordPin(in Input, status *v1alpha1.DatabricksClusterStatus) {
	gone := in.Observed.Presence == plan.Missing || in.Observed.Presence == plan.Purged
	switch {
	case !plan.ManagesPin(in.Cluster) || gone:
		status.Pinned = nil
	case in.Observed.Pinned != nil:
		status.Pinned = new(*in.Observed.Pinned)
	}
}

// noted adds to a verdict what is to be told beside it.
func noted(in Input, status *v1alpha1.DatabricksClusterStatus, verdict plan.Verdict) plan.Verdict {
	if in.Plan.Note == "" || verdict.Reason == "" {
		return verdict
	}
	if verdict.Message == "" {
		verdict.Message = setter{status: status, in: in}.stateInWords()
	}
	verdict.Message += "; " + in.Plan.Note
	return verdict
}

// pinRefused warns of a pin that was refused, once it is told.
func pinRefused(in Input, before, after v1alpha1.DatabricksClusterStatus) (reason, note string) {
	tells := func(status v1alpha1.DatabricksClusterStatus) bool {
		ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && strings.Contains(ready.Message, in.Plan.Note)
	}
	if in.Plan.Note == "" || tells(before) || !tells(after) {
		return "", ""
	}
	return EventPinRefused, in.Plan.Note
}
