package histories

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// formerID is the id of the operator of a control plane that this one replaces.
const formerID = "0f0f0f0f"

// principals are the users of the tokens, by namespace.
var principals = map[string]string{"a": "a@example.com", "b": "b@example.com", "c": "b@example.com"}

// successions are the objects that took or may take the place of others.
type successions struct {
	// forcedAt is when an object was removed without its deletion policy, by uid.
	forcedAt map[string]time.Time
	// leftAt is when the cluster was left that an object of a name may adopt, by the id of
	// the cluster.
	leftAt map[string]left
	// cleared are the objects whose adoption policy was changed, by uid.
	cleared map[string]bool
	// taken are the clusters whose owner tag a later object of the name replaced by its
	// own, with the former tag: if a restore brings the former object back, it finds none.
	taken map[string]string
}

type left struct {
	at   key
	when time.Time
}

func newSuccessions() successions {
	return successions{forcedAt: map[string]time.Time{}, leftAt: map[string]left{}, cleared: map[string]bool{}, taken: map[string]string{}}
}

// isForced reports whether an object was removed without its deletion policy.
func (c *checks) isForced(uid string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, forced := c.successions.forcedAt[uid]
	return forced
}

// leave removes an object without its deletion policy, as a restore of a cluster without
// its store does. Its cluster is left.
func (w *world) leave(at key, _ string) {
	object, err := w.server.get(at)
	if err != nil || text(object, "spec", "clusterID") != "" {
		return
	}
	now, uid := time.Now(), text(object, "metadata", "uid")
	w.checks.edited(at)
	w.checks.mu.Lock()
	w.checks.successions.forcedAt[uid] = now
	for _, found := range w.workspace.Clusters() {
		if found.Exists() && (found.Owner == ownerTag(object) || found.ID == text(object, "status", "clusterID")) {
			w.checks.successions.leftAt[found.ID] = left{at, now}
		}
	}
	w.checks.mu.Unlock()
	_, _ = w.server.patch(at, "", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	_, _ = w.server.remove(at)
}

// former adds a cluster of an object of the same name in a control plane that this one
// replaces.
func (w *world) former(at key, state string) {
	uid := fmt.Sprintf("00000000-0000-4000-9000-%012d", len(w.workspace.Clusters()))
	id, err := w.workspace.AddCluster(simulator.Seed{Source: "API", Creator: principals[at.namespace], State: simulator.State(state), Spec: map[string]any{
		"cluster_name": at.name, "spark_version": "16.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": 1,
		"autotermination_minutes": 0,
		"custom_tags":             map[string]any{simulator.DefaultOwnerTag: owner.Of(formerID, uid, at.namespace, at.name).Tag()},
	}})
	if err != nil {
		w.checks.violated(err.Error())
		return
	}
	w.checks.mu.Lock()
	defer w.checks.mu.Unlock()
	w.checks.successions.leftAt[id] = left{at, time.Now()}
}

// isSuccessor reports whether an object may have a cluster with a tag: it is its own, or
// that of an earlier object of its name which does not exist any more.
func (c *checks) isSuccessor(object document, tag string) bool {
	own, of := owner.Parse(ownerTag(object)), owner.Parse(tag)
	if of.ID() == own.ID() {
		return true
	}
	_, _, lives := c.server.byUID(of.UID)
	return of.Name == own.Name && (of.Operator == own.Operator || of.Operator == formerID) && !lives
}

// adoptedByName returns the object that has adopted a cluster of an earlier object of its
// name.
func (c *checks) adoptedByName(cluster simulator.Record) (key, document, bool) {
	c.server.mu.Lock()
	all := maps.Clone(c.server.objects)
	c.server.mu.Unlock()
	for at, object := range all {
		if at.resource == clusters && text(object, "spec", "clusterID") == "" && text(object, "status", "clusterID") == cluster.ID && c.isSuccessor(object, cluster.Owner) {
			return at, object, true
		}
	}
	return key{}, nil, false
}

// takes notes that an object replaces the owner tag of an earlier object of its name.
func (c *checks) takes(update sent) {
	cluster, known := c.workspace.Cluster(update.ClusterID)
	tag := update.ownerTag()
	if !known || !cluster.Exists() || tag == "" || tag == cluster.Owner {
		return
	}
	_, object, found := c.server.byUID(owner.Parse(tag).UID)
	if !found || !c.isSuccessor(object, cluster.Owner) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.successions.taken[cluster.ID] = cluster.Owner
}

// takenFrom returns how many clusters carry the tag of another object now.
func (c *checks) takenFrom(tag string) (count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, former := range c.successions.taken {
		if former == tag {
			count++
		}
	}
	return count
}

// afterAdoption checks that no object has the cluster of a living owner, and that no two
// have the same.
func (c *checks) afterAdoption() {
	holders := map[string]string{}
	for _, object := range c.server.allOf(clusters) {
		id := text(object, "status", "clusterID")
		name := text(object, "metadata", "namespace") + "/" + text(object, "metadata", "name")
		if id == "" || text(object, "spec", "clusterID") != "" {
			continue
		}
		if other := holders[id]; other != "" && !c.server.isJustRestored() {
			c.violated(fmt.Sprintf("[R3] %s and %s have the same cluster", other, name))
		}
		holders[id] = name
		if cluster, known := c.workspace.Cluster(id); known && !c.isSuccessor(object, cluster.Owner) {
			c.violated(fmt.Sprintf("[R3] %s has a cluster with the owner tag %s", name, cluster.Owner))
		}
	}
}

// adoptionSettled checks that an object which adopts by name has not created a cluster
// beside the only one that was left for it before.
func (w *world) adoptionSettled(object document) {
	uid, id := text(object, "metadata", "uid"), text(object, "status", "clusterID")
	created, err := time.Parse(time.RFC3339, text(object, "metadata", "creationTimestamp"))
	at := key{clusters, text(object, "metadata", "namespace"), text(object, "metadata", "name")}
	w.checks.mu.Lock()
	cleared, all := w.checks.successions.cleared[uid], maps.Clone(w.checks.successions.leftAt)
	w.checks.mu.Unlock()
	if err != nil || cleared || text(object, "spec", "adoptionPolicy") != "AdoptOrCreate" || !w.server.restored().IsZero() {
		return
	}
	for _, other := range slices.Sorted(maps.Keys(all)) {
		found, known := w.workspace.Cluster(other)
		if all[other].at != at || other == id || !known || !found.Exists() || !created.After(all[other].when.Add(settling)) {
			continue
		}
		if own, _ := w.workspace.Cluster(id); strings.HasPrefix(own.Owner, owner.Parse(ownerTag(object)).ID()) && own.Created.After(created) {
			w.checks.violated(fmt.Sprintf("[R3] %s/%s created %s and did not adopt %s, which was left %s before", at.namespace, at.name, id, other, created.Sub(all[other].when)))
		}
	}
}

// restored returns when a backup was restored; zero: never.
func (s *apiServer) restored() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restoredAt
}
