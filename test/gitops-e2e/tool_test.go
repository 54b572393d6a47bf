package gitops

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// verdict is what a tool says about the newest commit.
type verdict string

const (
	inProgress verdict = "in progress"
	ready      verdict = "ready"
	failed     verdict = "failed"
)

// tool is a GitOps tool. In a repository, it applies what is beneath clusters,
// waits until that is usable, and then applies what is beneath jobs.
type tool interface {
	// String is what people call it.
	String() string
	// program is its binary.
	program() string
	// follow has it apply what is in the repository from now on.
	follow(ctx context.Context, s *stage) error
	// look has it look now, at the newest commit and at what it applied.
	look(ctx context.Context, s *stage) error
	// verdict is about the newest commit, once it has looked; and in its words.
	verdict(ctx context.Context, s *stage) (v verdict, said string)
	// unfollow removes what it applied, and waits for that.
	unfollow(ctx context.Context, s *stage) error
}

// condition is one of an object's; "" if it has none of this type.
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

// text is a field of an object; "" if it has none.
func text(object *unstructured.Unstructured, path ...string) string {
	found, _, _ := unstructured.NestedString(object.Object, path...)
	return found
}

// typed is an empty object of a kind.
func typed(kind schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	object.SetNamespace(namespace)
	object.SetName(name)
	return object
}
