package cache

import (
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// Workspace is the read-only view of a workspace for one object and its credential.
// No method waits for a call.
type Workspace struct {
	cache      *cache
	credential *credential
	object     Object
}

// Host returns the workspace's URL, as in databricks.Config.
func (w *Workspace) Host() string { return w.cache.key.host }

// Principal returns the user or service principal that the credential authenticates
// as.
func (w *Workspace) Principal() databricks.Principal { return w.cache.principal }

// Subscribe replaces the object's Interest and returns the cached data for it. It is
// idempotent. The object is notified when the data changes or becomes available.
func (w *Workspace) Subscribe(interest Interest) View { return w.cache.subscribe(w.object, interest) }

// ClockSkew returns the workspace's clock minus the operator's; 0 if it was not
// measured.
func (w *Workspace) ClockSkew() time.Duration { return w.credential.clockSkew() }

// Health returns the health of the lists of the workspace.
func (w *Workspace) Health() Health {
	w.cache.mu.Lock()
	defer w.cache.mu.Unlock()
	return w.cache.lists.health.state()
}
