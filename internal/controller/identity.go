package controller

import (
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/connection"
)

// identity identifies an object to the packages that keep data for it: as the user of
// a credential, and as a subscriber of a workspace.
type identity struct{ connection.User }

// subscriber returns the object as a subscriber of a workspace.
func (i identity) subscriber() cache.Object { return cache.Object(i.User) }

// identityOf returns the identity of an object.
func identityOf(kind string, object client.Object) identity {
	named := identityOfName(kind, client.ObjectKeyFromObject(object))
	named.UID = string(object.GetUID())
	return named
}

// identityOfName returns an identity without UID, which matches any object of the name.
func identityOfName(kind string, key types.NamespacedName) identity {
	return identity{connection.User{Kind: kind, Namespace: key.Namespace, Name: key.Name}}
}
