package controller

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/controller/queue"
)

// EventSource enqueues objects when something outside Kubernetes changed.
type EventSource struct{ clusters, workspaces, policies, pools queue.Feed }

// Changed enqueues the objects whose view of their workspace changed.
func (s *EventSource) Changed(objects []cache.Object) {
	for _, object := range objects {
		s.add(object.Kind, types.NamespacedName{Namespace: object.Namespace, Name: object.Name})
	}
}

// credentialChanged enqueues an object whose credential changed.
func (s *EventSource) credentialChanged(user connection.User) {
	s.add(user.Kind, user.NamespacedName())
}

// add enqueues an object of a kind. Other kinds have no controller.
func (s *EventSource) add(kind string, key types.NamespacedName) {
	switch kind {
	case v1alpha1.ClusterKind:
		s.clusters.Add(key)
	case v1alpha1.WorkspaceKind:
		s.workspaces.Add(key)
	case v1alpha1.PolicyKind:
		s.policies.Add(key)
	case v1alpha1.PoolKind:
		s.pools.Add(key)
	}
}
