package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/report"
)

// errSuperseded means that the object does not expect the id that was to be stored.
var errSuperseded = errors.New("the object expects another creation")

// operation is one operation of a JSON Patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// idPatch returns the status patch that stores the id of a new cluster. It tests the UID
// and the creation in operations of its own, because a UID in metadata is no
// precondition of a patch to /status. Its other operations succeed for any status that
// the object may have by then.
func idPatch(before *v1alpha1.DatabricksCluster, status v1alpha1.DatabricksClusterStatus) (client.Patch, error) {
	old, err := members(before.Status)
	if err != nil {
		return nil, err
	}
	stored, err := members(status)
	if err != nil {
		return nil, err
	}
	creation := before.Status.Creation
	operations := []operation{
		{"test", "/metadata/uid", before.UID},
		{"test", "/status/creation/token", creation.Token},
		{"test", "/status/creation/attempt", creation.Attempt},
	}
	for _, name := range slices.Sorted(maps.Keys(stored)) {
		if !reflect.DeepEqual(old[name], stored[name]) {
			operations = append(operations, operation{"add", "/status/" + name, stored[name]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, kept := stored[name]; !kept {
			// The removal of a missing member fails, so the member is added first.
			operations = append(operations, operation{"add", "/status/" + name, old[name]}, operation{Op: "remove", Path: "/status/" + name})
		}
	}
	raw, err := json.Marshal(operations)
	if err != nil {
		return nil, fmt.Errorf("encode the patch of the status: %w", err)
	}
	return client.RawPatch(types.JSONPatchType, raw), nil
}

// members returns the fields of a status as they are in JSON.
func members(status v1alpha1.DatabricksClusterStatus) (map[string]any, error) {
	raw, err := json.Marshal(status)
	if err != nil {
		return nil, fmt.Errorf("encode the status: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("decode the status: %w", err)
	}
	return fields, nil
}

// isSuperseded reports whether an id could not be stored because the object does not
// exist, is another one of the same name, or expects another creation.
func (r *Reconciler) isSuperseded(ctx context.Context, before *v1alpha1.DatabricksCluster, err error) bool {
	if apierrors.IsNotFound(err) {
		return true
	}
	if !apierrors.IsInvalid(err) {
		return false
	}
	var now v1alpha1.DatabricksCluster
	if err := r.actor.uncached.Get(ctx, client.ObjectKeyFromObject(before), &now); err != nil {
		return apierrors.IsNotFound(err)
	}
	was, is := before.Status.Creation, now.Status.Creation
	return now.UID != before.UID || is == nil || is.Token != was.Token || is.Attempt != was.Attempt
}

// reportNotStored records in the log and in an event that a cluster was created whose
// id no object has. It carries the owner tag, so the orphan report finds it.
func (r *Reconciler) reportNotStored(ctx context.Context, cluster *v1alpha1.DatabricksCluster, id string) {
	log.FromContext(ctx).Info("the id of a created cluster could not be stored: the object has been replaced or expects another creation",
		"clusterID", id, "uid", cluster.UID, "token", cluster.Status.Creation.Token)
	r.recorder.Eventf(cluster, nil, corev1.EventTypeWarning, report.EventClusterNotStored, "Create",
		"cluster %s was created for uid %s, which has been replaced or expects another creation; "+
			"its id is stored nowhere: delete it in the workspace unless another object has it", id, cluster.UID)
}
