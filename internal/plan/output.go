package plan

import (
	"cmp"
	"maps"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
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

// foreignRecheck is how soon a ConfigMap that is in the way is looked at again.
const foreignRecheck = time.Minute

// Output is what is known of the object's ConfigMap.
type Output struct {
	// Data is what it holds; nil: there is none.
	Data map[string]string
	// Foreign tells that one is there which is not this object's.
	Foreign bool
	// Failure is why nobody can look; nil: somebody did.
	Failure *Failure
}

// Published is what an object's ConfigMap is to say; nil: there is to be none, or
// no cluster to speak of.
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

// withOutput publishes where the cluster is, beside what is planned.
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
		return in.unlessReported(next, output.Failure.verdictOn(field))
	case output.Foreign:
		next.RequeueAt = soonest(next.RequeueAt, in.Now.Add(foreignRecheck))
		return in.unlessReported(next, Verdict{
			Reason:  v1alpha1.ReasonInvalidSpec,
			Stalled: true,
			Message: field + "ConfigMap " + name + " exists and does not belong to this object, so it is left alone; name another, or delete it",
		})
	case containsAll(output.Data, wanted):
		return next
	}
	next, held := in.sideStep(next, Publish{wanted})
	if held {
		return in.unlessReported(next, in.Attempts.Side[StepPublish].Failure.verdictOn(field))
	}
	return next
}

// containsAll tells that a map has all the entries of another.
func containsAll(have, wanted map[string]string) bool {
	both := maps.Clone(have)
	maps.DeleteFunc(both, func(key, value string) bool { return wanted[key] != value })
	return len(both) == len(wanted)
}
