package cache

import (
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// Workspace is one workspace as one object's credential reaches it, for reading: a
// holder cannot write, by type. No method waits for a call.
type Workspace struct {
	cache      *cache
	credential *credential
	object     Object
}

// Host is the workspace's URL, as in databricks.Config.
func (w *Workspace) Host() string { return w.cache.key.host }

// Principal is whom the credential authenticates as.
func (w *Workspace) Principal() databricks.Principal { return w.cache.principal }

// Subscribe states all that the object needs to know, in place of what it needed
// before, and returns what is known now. It is idempotent. The object is notified
// when something of it changes or arrives.
func (w *Workspace) Subscribe(interest Interest) View { return w.cache.subscribe(w.object, interest) }

// ClockSkew is the workspace's clock minus the operator's; 0 where it was not measured.
func (w *Workspace) ClockSkew() time.Duration { return w.credential.clockSkew() }

// Health is how the lists of the workspace fare.
func (w *Workspace) Health() Health {
	w.cache.mu.Lock()
	defer w.cache.mu.Unlock()
	return w.cache.lists.health.state()
}
