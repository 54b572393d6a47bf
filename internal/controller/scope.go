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

// Scope is which DatabricksClusters an operator works on. The others do not
// exist for it. The zero value is all there are.
type Scope struct {
	// Namespaces are those that it works in; none: all.
	Namespaces []string
	// Labels are what its objects carry; nil: whatever they carry.
	Labels labels.Selector
}

// All tells whether nothing is out of scope.
func (s Scope) All() bool { return len(s.Namespaces) == 0 && !s.labelled() }

// labelled tells whether other operators may work in the same namespaces.
func (s Scope) labelled() bool { return s.Labels != nil && !s.Labels.Empty() }

// CacheOptions are what the manager's cache must run with: what is in scope, and
// of that no more than is used. What nobody watches is not read through it, so
// that no read of a Secret makes it watch all Secrets.
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
		options.ByObject = map[client.Object]ctrlcache.ByObject{&v1alpha1.DatabricksCluster{}: {Label: scope.Labels}}
	}
	return options
}

// slim drops from an object what the operator never looks at, and what is often
// the larger part of it: who owns which field, and annotations that are not this
// group's, such as the whole object as it was last applied. The large fields of an
// oversized specification are dropped, too. What is missing from the cache is missing
// on both sides of a patch, so that no patch touches it; to update such an object
// would delete it, which the operator has no right to. An object that was slimmed
// before stays as it is.
func slim(in any) (any, error) {
	object, err := meta.Accessor(in)
	if err != nil {
		return in, nil //nolint:nilerr // the note that an object was deleted while nobody watched
	}
	if object.GetManagedFields() != nil {
		object.SetManagedFields(nil)
	}
	if all := object.GetAnnotations(); len(all) > 0 {
		object.SetAnnotations(ownAnnotations(all))
	}
	if cluster, ok := in.(*v1alpha1.DatabricksCluster); ok {
		specsize.Trim(cluster)
	}
	return in, nil
}

// ownAnnotations returns the annotations of this group; nil for none.
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
