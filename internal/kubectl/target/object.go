package target

import (
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// Object is an object of any kind, with what all kinds have. It is a view: a change of the
// resource needs a new one.
type Object struct {
	managed.Resource

	Kind *Kind
	// Cluster is the object if it is a DatabricksCluster, else nil.
	Cluster *v1alpha1.DatabricksCluster

	Connection       *v1alpha1.Connection
	ManagementPolicy v1alpha1.ManagementPolicy
	Suspended        bool

	Conditions         []metav1.Condition
	ObservedGeneration int64
	Request            *v1alpha1.RequestStatus
	// Host is the workspace that the object is bound to, and URL the page of what it stands
	// for; empty: not known yet.
	Host, URL string
	// ID is the id in the status, and NamedID the one that the specification names; empty:
	// there is none.
	ID, NamedID string
	// State is the state that the status has, such as RUNNING; empty: there is none, as
	// always for policies.
	State string
}

// Of returns a resource as an object. The kind of the resource is one of Kinds.
func Of(resource managed.Resource) Object {
	switch resource := resource.(type) {
	case *v1alpha1.DatabricksCluster:
		spec, status := &resource.Spec, &resource.Status
		return Object{
			Resource: resource, Kind: Cluster, Cluster: resource,
			Connection: spec.Connection, ManagementPolicy: spec.ManagementPolicy, Suspended: spec.Suspend,
			Conditions: status.Conditions, ObservedGeneration: status.ObservedGeneration, Request: status.Request,
			Host: status.Host, URL: status.URL, ID: status.ClusterID, NamedID: spec.ClusterID, State: status.State,
		}
	case *v1alpha1.DatabricksInstancePool:
		object := listed(Pool, resource)
		object.State = resource.Status.State
		return object
	default:
		return listed(Policy, resource)
	}
}

func listed(kind *Kind, resource managed.Resource) Object {
	view := kind.Listed.View(resource)
	return Object{
		Resource: resource, Kind: kind,
		Connection: view.Spec.Connection, ManagementPolicy: view.Spec.ManagementPolicy, Suspended: view.Spec.Suspend,
		Conditions: view.Status.Conditions, ObservedGeneration: view.Status.ObservedGeneration, Request: view.Status.Request,
		Host: view.Status.Host, URL: view.Status.URL, ID: *view.ID, NamedID: view.NamedID,
	}
}

// Reference returns the object as kubectl prints it: databrickscluster/etl.
func (o Object) Reference() string { return o.Kind.Type + "/" + o.GetName() }

// Argument returns the shortest argument that names the object: etl, or policy/small.
func (o Object) Argument() string {
	if o.Kind == Cluster {
		return o.GetName()
	}
	return o.Kind.Short + "/" + o.GetName()
}

// CurrentID returns the id in the status, else the one that the specification names; empty:
// there is neither.
func (o Object) CurrentID() string {
	if o.ID != "" {
		return o.ID
	}
	return o.NamedID
}

// IsObserving reports whether the object only observes.
func (o Object) IsObserving() bool {
	return o.ManagementPolicy == v1alpha1.ManagementPolicyObserve
}

// IsDeleting reports whether the object is being deleted.
func (o Object) IsDeleting() bool { return !o.GetDeletionTimestamp().IsZero() }

// IsEvaluated reports whether the status describes the newest generation.
func (o Object) IsEvaluated() bool { return o.ObservedGeneration == o.GetGeneration() }

// Condition returns a condition; nil: the object does not have it.
func (o Object) Condition(kind string) *metav1.Condition {
	return meta.FindStatusCondition(o.Conditions, kind)
}

// ReplaceSpec replaces the specification of an object by that of another of the same kind,
// and reports whether that changed it.
func ReplaceSpec(of, by managed.Resource) (changed bool) {
	before := of.DeepCopyObject()
	switch of := of.(type) {
	case *v1alpha1.DatabricksCluster:
		if by, isSame := by.(*v1alpha1.DatabricksCluster); isSame {
			of.Spec = *by.Spec.DeepCopy()
		}
	case *v1alpha1.DatabricksClusterPolicy:
		if by, isSame := by.(*v1alpha1.DatabricksClusterPolicy); isSame {
			of.Spec = *by.Spec.DeepCopy()
		}
	case *v1alpha1.DatabricksInstancePool:
		if by, isSame := by.(*v1alpha1.DatabricksInstancePool); isSame {
			of.Spec = *by.Spec.DeepCopy()
		}
	}
	return !equality.Semantic.DeepEqual(before, of)
}
