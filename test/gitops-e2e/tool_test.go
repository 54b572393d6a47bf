package gitops

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// verdict is a tool's result for the newest commit.
type verdict string

const (
	inProgress verdict = "in progress"
	ready      verdict = "ready"
	failed     verdict = "failed"
)

// tool is a GitOps tool. It applies the directory clusters of a repository,
// waits until its objects are ready, and then applies the directory jobs.
type tool interface {
	// String returns the display name.
	String() string
	// program returns the name of the binary.
	program() string
	// startSync makes the tool apply the repository from now on.
	startSync(ctx context.Context, s *fixture) error
	// requestSync requests a sync of the newest commit and of the applied
	// objects.
	requestSync(ctx context.Context, s *fixture) error
	// verdict returns the result for the newest commit after a sync, and the
	// tool's message.
	verdict(ctx context.Context, s *fixture) (v verdict, message string)
	// stopSync removes the applied objects, and waits until they are deleted.
	stopSync(ctx context.Context, s *fixture) error
}

// condition returns a condition of an object; "" if it has none of this type.
func condition(object *unstructured.Unstructured, kind string) (status, reason, message string) {
	all, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, each := range all {
		found, _ := each.(map[string]any)
		if found["type"] == kind {
			status, _ = found["status"].(string)
			reason, _ = found["reason"].(string)
			message, _ = found["message"].(string)
		}
	}
	return status, reason, message
}

// text returns a string field of an object; "" if it has none.
func text(object *unstructured.Unstructured, path ...string) string {
	found, _, _ := unstructured.NestedString(object.Object, path...)
	return found
}

// typed returns an empty object of a kind.
func typed(kind schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	object.SetNamespace(namespace)
	object.SetName(name)
	return object
}
