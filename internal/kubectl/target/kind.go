package target

import (
	"fmt"
	"slices"
	"strings"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/clusterpolicy"
	"github.com/databricks-operator/databricks-operator/internal/instancepool"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// Kind is a kind of objects. It is a value without state.
type Kind struct {
	// Name is the kind in manifests, such as DatabricksCluster.
	Name string
	// Type is the word of kubectl for one object, such as databrickscluster.
	Type string
	// Noun is the word for what it stands for in a workspace, such as cluster.
	Noun string
	// Short is the shortest TYPE that says what it means, such as policy.
	Short string
	// Finalizer is the operator's finalizer of the objects.
	Finalizer string
	// Listed describes a kind that a workspace lists in one call; nil for clusters.
	Listed *managed.Kind

	// others are the other forms of TYPE.
	others  []string
	new     func() managed.Resource
	newList func() managed.ListResource
}

// The kinds.
var (
	Cluster = &Kind{
		Name: v1alpha1.ClusterKind, Type: "databrickscluster", Noun: "cluster", Short: "cluster", Finalizer: v1alpha1.FinalizerCluster,
		others:  []string{"databricksclusters", "dbc", "clusters"},
		new:     func() managed.Resource { return &v1alpha1.DatabricksCluster{} },
		newList: func() managed.ListResource { return &v1alpha1.DatabricksClusterList{} },
	}
	Policy = &Kind{
		Name: v1alpha1.PolicyKind, Type: "databricksclusterpolicy", Noun: clusterpolicy.Kind.Noun, Short: "policy",
		Finalizer: clusterpolicy.Kind.Finalizer, Listed: clusterpolicy.Kind,
		others: []string{"databricksclusterpolicies", "dbcp", "policies"},
		new:    clusterpolicy.Kind.New, newList: clusterpolicy.Kind.NewList,
	}
	Pool = &Kind{
		Name: v1alpha1.PoolKind, Type: "databricksinstancepool", Noun: instancepool.Kind.Noun, Short: "pool",
		Finalizer: instancepool.Kind.Finalizer, Listed: instancepool.Kind,
		others: []string{"databricksinstancepools", "dbip", "pools"},
		new:    instancepool.Kind.New, newList: instancepool.Kind.NewList,
	}
)

// Kinds returns all kinds.
func Kinds() []*Kind { return []*Kind{Cluster, Policy, Pool} }

// New returns an empty object of the kind.
func (k *Kind) New() managed.Resource { return k.new() }

// NewList returns an empty list of objects of the kind.
func (k *Kind) NewList() managed.ListResource { return k.newList() }

// KindNamed returns the kind with a name, such as DatabricksCluster; nil: there is none.
func KindNamed(name string) *Kind {
	for _, kind := range Kinds() {
		if kind.Name == name {
			return kind
		}
	}
	return nil
}

// Reference names an object of a namespace.
type Reference struct {
	Kind *Kind
	Name string
}

// Parse returns the object that an argument names: TYPE/NAME, or NAME for a cluster. TYPE
// is what kubectl accepts or prints, without regard to case.
func Parse(argument string) (Reference, error) {
	typ, name, isQualified := strings.Cut(argument, "/")
	if !isQualified {
		typ, name = Cluster.Type, argument
	}
	if name == "" || strings.Contains(name, "/") {
		return Reference{}, fmt.Errorf("%q does not name an object: write NAME for a cluster, or TYPE/NAME with one of these types: %s", argument, types())
	}
	typ = strings.ToLower(typ)
	typ = strings.TrimSuffix(strings.TrimSuffix(typ, "."+v1alpha1.GroupName), "."+v1alpha1.GroupVersion.Version)
	for _, kind := range Kinds() {
		if typ == kind.Type || typ == kind.Short || slices.Contains(kind.others, typ) {
			return Reference{Kind: kind, Name: name}, nil
		}
	}
	return Reference{}, fmt.Errorf("%q: there is no TYPE %q: choose one of %s", argument, typ, types())
}

// types returns the types for a message, each with its short names.
func types() string {
	texts := make([]string, 0, len(Kinds()))
	for _, kind := range Kinds() {
		texts = append(texts, fmt.Sprintf("%s (%s, %s)", kind.Short, kind.Type, kind.others[1]))
	}
	return strings.Join(texts, ", ")
}
