package plan

import (
	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// VerdictOn returns the verdict for a failed step of an object, now and during the backoff.
// The message of a blocked deletion contains the remedy.
func VerdictOn(cluster *v1alpha1.DatabricksCluster, failure *managed.Failure) managed.Verdict {
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

// VerdictOnHold returns the verdict while a step of an object waits. The message of a
// deletion contains the remedy, unless the step only waits for the request limit of the
// workspace.
func VerdictOnHold(cluster *v1alpha1.DatabricksCluster, hold managed.Hold) managed.Verdict {
	if hold.IsOfLimit() {
		return hold.Verdict()
	}
	return Input{Cluster: cluster}.withRemedy(hold.Verdict())
}

// withBackoff returns the plan, or a plan without its step during the backoff of the step.
// The verdict is then that of the failure.
func (in Input) withBackoff(next Plan) Plan {
	last := in.Attempts.Last
	again := in.backoffUntil(last)
	if last.Step != next.Kind() || again.IsZero() {
		return next
	}
	return Plan{Verdict: VerdictOn(in.Cluster, last.Failure), RequeueAt: again}
}

// succeeded reports whether the last step was of this kind and succeeded.
func (in Input) succeeded(step StepKind) bool {
	return in.Attempts.Last.Step == step && in.Attempts.Last.Failure == nil
}
