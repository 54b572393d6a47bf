package instancepool

import (
	"encoding/json"
	"math"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// observed are the members of a pool that tell its state.
type observed struct {
	State compute.InstancePoolState `json:"state"`
	Stats struct {
		Used        float64 `json:"used_count"`
		Idle        float64 `json:"idle_count"`
		PendingUsed float64 `json:"pending_used_count"`
		PendingIdle float64 `json:"pending_idle_count"`
	} `json:"stats"`
	Status struct {
		Errors []struct {
			Message string `json:"message"`
		} `json:"pending_instance_errors"`
	} `json:"status"`
}

// stateOf returns the state of a pool. Members of another type are left out.
func stateOf(remote diff.Tree) observed {
	var found observed
	for member, target := range map[string]any{"state": &found.State, "stats": &found.Stats, "status": &found.Status} {
		raw, err := json.Marshal(remote[member])
		if err == nil {
			_ = json.Unmarshal(raw, target) // an unknown form is no state
		}
	}
	return found
}

// usability returns the verdict on a pool that clusters get no instances from.
func usability(remote diff.Tree) managed.Verdict {
	if stateOf(remote).State != compute.InstancePoolStateStopped {
		return managed.Verdict{}
	}
	return managed.Verdict{
		Reason: v1alpha1.ReasonPoolStopped, Stalled: true,
		Message: "Databricks stopped the instance pool, so that clusters get no instances from it; ask Databricks, or create another pool",
	}
}

// users returns how many instances clusters use or wait for.
func users(remote diff.Tree) managed.Users {
	stats := stateOf(remote).Stats
	return managed.Users{Known: true, Count: int(count(stats.Used)) + int(count(stats.PendingUsed))}
}

// show writes the state and the counts of a pool to a status; the remote pool is nil if
// there is none.
func show(resource managed.Resource, remote diff.Tree) {
	pool, ok := resource.(*v1alpha1.DatabricksInstancePool)
	if !ok {
		return
	}
	status := &pool.Status
	status.Selector = v1alpha1.PoolSelectorFor(pool.Name)
	if remote == nil {
		status.State, status.Stats, status.PendingInstanceError = "", nil, ""
		return
	}
	found := stateOf(remote)
	status.State = databricks.PlainText(string(found.State))
	status.Stats = &v1alpha1.PoolStats{
		Used: count(found.Stats.Used), Idle: count(found.Stats.Idle),
		PendingUsed: count(found.Stats.PendingUsed), PendingIdle: count(found.Stats.PendingIdle),
	}
	status.PendingInstanceError = ""
	if len(found.Status.Errors) > 0 {
		status.PendingInstanceError = databricks.PlainText(found.Status.Errors[0].Message)
	}
}

// count returns a number for the status, within the bounds of its type.
func count(n float64) int32 { return int32(max(0, min(n, math.MaxInt32))) }
