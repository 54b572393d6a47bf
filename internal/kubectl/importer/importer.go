package importer

import (
	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// Options are what is imported and how the manifests look.
type Options struct {
	// Kinds are what is imported; empty: clusters.
	Kinds []Kind
	// IDs are the ids of clusters, policies and pools; empty: all that the filters below
	// select.
	IDs []string
	// Name is a pattern of names, in which * stands for any characters and ? for
	// one; empty: any.
	Name string
	// Tags are custom tags that clusters and pools must have; policies have none.
	Tags map[string]string
	// Policy is the name or the id of a policy, or of the one that clusters must have; empty:
	// any.
	Policy string

	// Namespace is the namespace in the manifests; empty: none, as kustomize expects.
	Namespace string
	// Connection is spec.connection of the objects; nil: the default Secret.
	Connection *v1alpha1.Connection
	// Management is spec.managementPolicy of the objects; empty: the default.
	Management v1alpha1.ManagementPolicy
	// References is how policies and pools are named.
	References References
	// Owned is what happens to clusters with an owner tag.
	Owned Owned
	// Also are the parts of clusters that are imported beside their specification.
	Also []Part
}

// Kind is what is imported.
type Kind string

// The kinds.
const (
	Clusters Kind = "clusters"
	Policies Kind = "policies"
	Pools    Kind = "pools"
)

// Kinds returns all kinds, in the order in which they are best applied.
func Kinds() []Kind { return []Kind{Policies, Pools, Clusters} }

// References is how a manifest names policies and pools.
type References int

// The forms of references. Names are the same in every workspace, and ids are not. ByObject
// refers to the objects of policies and pools that are imported, too, and names others by
// their ids.
const (
	ByID References = iota
	ByName
	ByObject
)

// Owned is what happens to a cluster whose tag names an owner.
type Owned int

// The treatments. TakeOver adds the annotation that takes the cluster over from its owner,
// which must not exist any more.
const (
	LeaveOut Owned = iota
	TakeOver
)

// Part is a part of a cluster that is not in its specification. Each costs one request for
// each cluster, except pins.
type Part string

// The parts.
const (
	Libraries   Part = "libraries"
	Permissions Part = "permissions"
	Pins        Part = "pins"
)

// Parts returns all parts, for the help of a flag.
func Parts() []Part { return []Part{Libraries, Permissions, Pins} }

// Result is the manifests of an import. It is the same for the same workspace.
type Result struct {
	// Host is the URL of the workspace.
	Host string
	// Objects are sorted by name.
	Objects []Object
	// LeftOut are the clusters that were selected and cannot be imported, sorted by id.
	LeftOut []LeftOut
}

// Object is the manifest of one cluster, policy or pool.
type Object struct {
	// Resource is the object, and Kind its kind.
	Resource managed.Resource
	Kind     Kind
	// Cluster is Resource if that is a cluster, else nil.
	Cluster *v1alpha1.DatabricksCluster
	// Title is the name in the workspace.
	Title string
	// Secrets are the Secrets that must exist before the object is applied.
	Secrets []Secret
	// Notes are the requested values that the manifest does not claim, sorted by path.
	Notes []Note
}

// LeftOut is a cluster, policy or pool without a manifest.
type LeftOut struct {
	ID, Name, Reason string
}

// Note is why a manifest does not claim a requested value. It contains no value that may be
// secret.
type Note struct {
	// Path is a JSON Pointer into spec, or the name in the Clusters API of a field that
	// the resource does not have.
	Path string
	Text string
}

// Secret is a Secret that a manifest refers to.
type Secret struct {
	// Name is its name, and Use the value of the label that permits its use.
	Name, Use string
	// Keys are its keys.
	Keys []string
	// Path is the field that refers to it, as a JSON Pointer into spec.
	Path string
}
