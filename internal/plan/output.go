package plan

import (
	"cmp"
	"maps"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// The keys of the ConfigMap through which workloads find the cluster.
const (
	// OutputHost is the address of the workspace.
	OutputHost = "DATABRICKS_HOST"
	// OutputClusterID is the cluster's id.
	OutputClusterID = "DATABRICKS_CLUSTER_ID"
	// OutputHTTPPath is what JDBC and ODBC call HTTP path.
	OutputHTTPPath = "DATABRICKS_HTTP_PATH"
)

// foreignRecheck is how long until a conflicting ConfigMap is read again.
const foreignRecheck = time.Minute

// Output is the observed ConfigMap of the object.
type Output struct {
	// Data is its content; nil: there is no ConfigMap.
	Data map[string]string
	// Foreign reports whether the ConfigMap does not belong to this object.
	Foreign bool
	// Failure is why the ConfigMap cannot be read; nil: it was read.
	Failure *managed.Failure
}

// Published returns the content of the ConfigMap of an object; nil: none is declared, or
// there is no cluster.
func Published(cluster *v1alpha1.DatabricksCluster) map[string]string {
	status := cluster.Status
	if cluster.Spec.OutputConfigMap == nil || status.ClusterID == "" || status.Host == "" || !cluster.DeletionTimestamp.IsZero() {
		return nil
	}
	return map[string]string{
		OutputHost:      status.Host,
		OutputClusterID: status.ClusterID,
		OutputHTTPPath:  "sql/protocolv1/o/" + cmp.Or(status.WorkspaceID, "0") + "/" + status.ClusterID,
	}
}

// withOutput adds the step that writes the ConfigMap to a plan without a step.
func (in Input) withOutput(next Plan) Plan {
	wanted, output := Published(in.Cluster), in.Observed.Output
	if wanted == nil {
		return next
	}
	const field = "spec.outputConfigMap: "
	name := in.Cluster.Spec.OutputConfigMap.Name
	switch {
	case output.Failure != nil:
		next.RequeueAt = soonest(next.RequeueAt, in.Now.Add(foreignRecheck))
		return in.withVerdictIfNone(next, output.Failure.VerdictOn(field))
	case output.Foreign:
		next.RequeueAt = soonest(next.RequeueAt, in.Now.Add(foreignRecheck))
		return in.withVerdictIfNone(next, managed.Verdict{
			Reason:  v1alpha1.ReasonInvalidSpec,
			Stalled: true,
			Message: field + "ConfigMap " + name + " exists and does not belong to this object, so it is left alone; name another, or delete it",
		})
	case containsAll(output.Data, wanted):
		return next
	}
	next, held := in.sideStep(next, Publish{wanted})
	if held {
		return in.withVerdictIfNone(next, in.Attempts.Side[StepPublish].Failure.VerdictOn(field))
	}
	return next
}

// containsAll reports whether a map has all the entries of another.
func containsAll(have, wanted map[string]string) bool {
	both := maps.Clone(have)
	maps.DeleteFunc(both, func(key, value string) bool { return wanted[key] != value })
	return len(both) == len(wanted)
}
