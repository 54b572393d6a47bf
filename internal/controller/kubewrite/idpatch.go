package kubewrite

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// operation is one operation of a JSON Patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// IDPatch returns the status patch that stores the id of what was created for an object.
// It tests the UID and the creation in operations of its own, because a UID in metadata
// is no precondition of a patch to /status. Its other operations succeed for any status
// that the object may have by then.
func IDPatch(creation *v1alpha1.CreationIntent, before, after client.Object) (client.Patch, error) {
	old, err := statusOf(before)
	if err != nil {
		return nil, err
	}
	stored, err := statusOf(after)
	if err != nil {
		return nil, err
	}
	operations := []operation{
		{"test", "/metadata/uid", before.GetUID()},
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

// statusOf returns the fields of the status of an object as they are in JSON.
func statusOf(object client.Object) (map[string]any, error) {
	raw, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode the status: %w", err)
	}
	var fields struct {
		Status map[string]any `json:"status"`
	}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("decode the status: %w", err)
	}
	return fields.Status, nil
}
