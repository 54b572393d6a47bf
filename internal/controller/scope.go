package controller

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/specsize"
)

// Scope selects the DatabricksClusters of an operator. The zero value selects all of
// them.
type Scope struct {
	// Namespaces are the namespaces of the objects; empty for all.
	Namespaces []string
	// Labels select the objects by their labels; nil selects all.
	Labels labels.Selector
}

// All reports whether the scope selects all objects.
func (s Scope) All() bool { return len(s.Namespaces) == 0 && !s.labelled() }

// labelled reports whether other operators may work in the same namespaces.
func (s Scope) labelled() bool { return s.Labels != nil && !s.Labels.Empty() }

// CacheOptions returns the required options of the manager's cache. The cache has only
// the objects in scope, without unused fields. It fails reads of objects that no
// controller watches, so that a read of a Secret does not make it watch all Secrets.
func CacheOptions(scope Scope) ctrlcache.Options {
	options := ctrlcache.Options{
		DefaultTransform:            slim,
		ReaderFailOnMissingInformer: true,
	}
	for _, namespace := range scope.Namespaces {
		if options.DefaultNamespaces == nil {
			options.DefaultNamespaces = map[string]ctrlcache.Config{}
		}
		options.DefaultNamespaces[namespace] = ctrlcache.Config{}
	}
	if scope.labelled() {
		options.ByObject = map[client.Object]ctrlcache.ByObject{}
		for _, kind := range []client.Object{&v1alpha1.DatabricksCluster{}, &v1alpha1.DatabricksClusterPolicy{}, &v1alpha1.DatabricksInstancePool{}} {
			options.ByObject[kind] = ctrlcache.ByObject{Label: scope.Labels}
		}
	}
	return options
}

// slim removes the fields that the operator does not use and that are often the larger
// part of an object: managed fields, the annotations of other groups, such as the last
// applied object, and the large fields of an oversized specification. A patch does not
// change a removed field, because it is missing on both sides of the comparison. An
// update would delete it, but the operator has no permission to update objects. slim is
// idempotent.
func slim(in any) (any, error) {
	object, err := meta.Accessor(in)
	if err != nil {
		return in, nil //nolint:nilerr // a tombstone of an object that was deleted during a gap of the watch
	}
	if object.GetManagedFields() != nil {
		object.SetManagedFields(nil)
	}
	if all := object.GetAnnotations(); len(all) > 0 {
		object.SetAnnotations(ownAnnotations(all))
	}
	switch object := in.(type) {
	case *v1alpha1.DatabricksCluster:
		specsize.Trim(object)
	case *v1alpha1.DatabricksClusterPolicy:
		specsize.Trim(object)
	case *v1alpha1.DatabricksInstancePool:
		specsize.Trim(object)
	}
	return in, nil
}

// ownAnnotations returns the annotations of this group; nil if there are none.
func ownAnnotations(all map[string]string) map[string]string {
	var own map[string]string
	for key, value := range all {
		if !strings.HasPrefix(key, v1alpha1.GroupName+"/") {
			continue
		}
		if own == nil {
			own = map[string]string{}
		}
		own[key] = value
	}
	return own
}

var _ toolscache.TransformFunc = slim
