package cache

import (
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// Workspace is one workspace as one principal sees it, for reading: what is
// known, and what is to be looked at. Whoever holds it cannot write, by type.
// No method waits for a call.
type Workspace struct{ mirror *mirror }

// Host is the workspace's URL, as in databricks.Config.
func (w *Workspace) Host() string { return w.mirror.host }

// Principal is whom the workspace takes the credential for.
func (w *Workspace) Principal() databricks.Principal { return w.mirror.principal }

// Health is how the workspace's reads fare. All its objects hear of a change.
func (w *Workspace) Health() Health {
	w.mirror.mu.Lock()
	defer w.mirror.mu.Unlock()
	return w.mirror.health.shown()
}

// Watch makes a cluster the object's: it is kept fresh, and the object hears of
// its changes. An object has one cluster at most; an empty id means none. It is
// idempotent.
func (w *Workspace) Watch(object Object, clusterID string) { w.mirror.watch(object, clusterID) }

// Observe is the newest of what is known of a cluster and may be believed: it
// began after the last own write to the cluster was over. Else it is Unknown.
func (w *Workspace) Observe(clusterID string) Observation { return w.mirror.observe(clusterID) }

// Spec is the newest specification that a GET returned, and when that GET
// began; nil if there was none. Nobody may change what it points to.
func (w *Workspace) Spec(clusterID string) (*compute.ClusterSpec, time.Time) {
	return w.mirror.spec(clusterID)
}

// Refresh asks for a look at a cluster that began after a time, and for a GET
// where deep. The object hears when it is there, also where it was there
// already, but once for each time asked for.
func (w *Workspace) Refresh(object Object, clusterID string, after time.Time, deep bool) {
	w.mirror.refresh(object, clusterID, after, deep)
}

// Search looks for clusters that carry a custom tag, in complete lists that
// began after a time, until two have come. The object
// hears of each. It returns what is known now, and is idempotent; other
// arguments begin a new search.
func (w *Workspace) Search(object Object, tag, value string, after time.Time) Search {
	return w.mirror.search(object, query{tag, value, after})
}

// EndSearch forgets the object's search.
func (w *Workspace) EndSearch(object Object) { w.mirror.endSearch(object) }
