package connector

import (
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/connection"
)

// Identity identifies an object to the packages that keep data for it: as the user of
// a credential, and as a subscriber of a workspace.
type Identity struct{ connection.User }

// Subscriber returns the object as a subscriber of a workspace.
func (i Identity) Subscriber() cache.Object { return cache.Object(i.User) }

// IdentityOf returns the identity of an object.
func IdentityOf(kind string, object client.Object) Identity {
	identity := IdentityOfName(kind, client.ObjectKeyFromObject(object))
	identity.UID = string(object.GetUID())
	return identity
}

// IdentityOfName returns an identity without UID, which matches any object of the name.
func IdentityOfName(kind string, key types.NamespacedName) Identity {
	return Identity{connection.User{Kind: kind, Namespace: key.Namespace, Name: key.Name}}
}
