package histories

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// checks holds the invariants that are checked at every request, and what they need to
// know of the past.
type checks struct {
	server    *apiServer
	workspace *simulator.Server

	// mu guards the fields below.
	mu sync.Mutex
	// violations are the broken invariants, in order. abort ends all processes with the
	// first one, because a loop could keep virtual time from going on.
	violations []string
	abort      func()
	// editedAt is when a user last changed an object.
	editedAt map[key]time.Time
	// powers are by the id of a cluster, acted by the uid of an object.
	powers      map[string]power
	acted       map[string]acted
	successions successions
	// writes counts the requests that change the workspace.
	writes int
}

func newChecks(server *apiServer, workspace *simulator.Server) *checks {
	c := &checks{server: server, workspace: workspace, editedAt: map[key]time.Time{}, powers: map[string]power{}, acted: map[string]acted{}, successions: newSuccessions()}
	server.onWrites = c.written
	return c
}

// maxWrites is the number of writes of one object in a minute that no history needs, also
// with two processes that report something else.
const maxWrites = 80

// written is called after a write of an object, with the number of its writes in the current
// minute and under the lock of the API server.
func (c *checks) written(at key, count int) {
	c.noteEdge(c.server.objects[at])
	if count == maxWrites {
		c.violated(fmt.Sprintf("[R12] %d writes of %s/%s in a minute", count, at.namespace, at.name))
	}
}

func (c *checks) violated(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.violations) == 0 {
		go c.abort()
	}
	c.violations = append(c.violations, time.Now().UTC().Format("15:04:05.000 ")+what)
}

// broken returns the first violation; "" if there is none.
func (c *checks) broken() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.violations) == 0 {
		return ""
	}
	return c.violations[0]
}

func (c *checks) edited(at key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.editedAt[at] = time.Now()
}

// settling is how long after a user's change a request may still follow the spec before
// it: the time in which a watch may be frozen.
const settling = 70 * time.Second

// unedited reports whether an object was not edited for long enough to know that a
// request follows its spec as it is.
func (c *checks) unedited(at key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.editedAt[at]) > settling
}

// sent are the fields of a request that the invariants are about.
type sent struct {
	ClusterID        string            `json:"cluster_id"`
	IdempotencyToken string            `json:"idempotency_token"`
	CustomTags       map[string]string `json:"custom_tags"`
	// Cluster has the members of clusters/update.
	Cluster struct {
		CustomTags map[string]string `json:"custom_tags"`
	} `json:"cluster"`
}

// ownerTag returns the owner tag that an update sets; "" if it sets none.
func (s *sent) ownerTag() string {
	return s.CustomTags[simulator.DefaultOwnerTag] + s.Cluster.CustomTags[simulator.DefaultOwnerTag]
}

// arrives checks a request when it arrives at the workspace, before its effect.
func (c *checks) arrives(r *http.Request) {
	if r.Method == http.MethodGet {
		return
	}
	endpoint := r.URL.Path[strings.LastIndex(r.URL.Path, "/2.")+1:]
	endpoint = endpoint[strings.Index(endpoint, "/")+1:]
	c.mu.Lock()
	c.writes++
	c.mu.Unlock()
	if c.server.isJustRestored() {
		return
	}
	var body sent
	if r.Body != nil {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(raw))
		for i := range listedKinds {
			if operation, of := strings.CutPrefix(r.URL.Path, listedKinds[i].path); of && operation != "enforce-compliance" {
				c.listedArrives(r, &listedKinds[i], operation, raw)
				return
			}
		}
		if strings.Contains(r.URL.Path, "/permissions/") && !strings.Contains(r.URL.Path, "/permissions/clusters/") {
			return
		}
		if err := json.Unmarshal(raw, &body); err != nil {
			c.violated(fmt.Sprintf("[R8] %s has a body that is no JSON: %v", endpoint, err))
			return
		}
	}
	if endpoint == "clusters/create" {
		c.creates(r, body)
		return
	}
	if id, found := strings.CutPrefix(endpoint, "permissions/clusters/"); found {
		body.ClusterID = id
	}
	c.takes(body)
	c.changes(r, endpoint, body.ClusterID)
}

// creates checks a create: its object has a finalizer and the intent, and the request
// carries the object's credential.
func (c *checks) creates(r *http.Request, body sent) {
	uid := owner.Parse(body.CustomTags[simulator.DefaultOwnerTag]).UID
	at, object, found := c.server.byUID(uid)
	switch {
	case !found && c.isForced(uid):
		// It was removed while its create was in flight.
	case !found:
		c.violated(fmt.Sprintf("[R1] create for the object %q, which does not exist", uid))
	case !object.hasFinalizers():
		c.violated(fmt.Sprintf("[R1] create for %s/%s without a finalizer", at.namespace, at.name))
	case text(object, "status", "creation", "token") != body.IdempotencyToken:
		c.violated(fmt.Sprintf("[R1] create for %s/%s with another token than the persisted one", at.namespace, at.name))
	case r.Header.Get("Authorization") != "Bearer "+tokens[at.namespace]:
		c.violated(fmt.Sprintf("[S1] create for %s/%s with a foreign credential", at.namespace, at.name))
	}
}

// changes checks every other write: the cluster belongs to an object that wants it. A
// write to a cluster that does not exist any more has no effect: the second of two leaders
// may repeat a permanent-delete after the first one has released the object.
func (c *checks) changes(r *http.Request, endpoint, id string) {
	cluster, known := c.workspace.Cluster(id)
	if !known || !cluster.Exists() {
		return
	}
	at, object, found := c.server.byUID(owner.Parse(cluster.Owner).UID)
	if !found {
		at, object, found = c.server.adopting(id)
	}
	if !found {
		at, object, found = c.adoptedByName(cluster)
	}
	if !found && c.isForced(owner.Parse(cluster.Owner).UID) {
		return // it was removed while the request was in flight
	}
	if !found {
		c.violated(fmt.Sprintf("[S12] %s for a cluster whose object does not exist", endpoint))
		return
	}
	name := at.namespace + "/" + at.name
	if r.Header.Get("Authorization") != "Bearer "+tokens[at.namespace] {
		c.violated(fmt.Sprintf("[S1] %s for %s with a foreign credential", endpoint, name))
	}
	deleting := object.metadata()["deletionTimestamp"] != nil
	policy, run := deletionPolicy(object), text(object, "spec", "runPolicy")
	switch {
	case endpoint == "clusters/permanent-delete" && !deleting:
		c.violated(fmt.Sprintf("[R6] %s, which is not being deleted, lost its cluster", name))
	case endpoint == "clusters/permanent-delete" && policy != "Delete" && c.since(at) > time.Second:
		c.violated(fmt.Sprintf("[R11] %s with deletionPolicy %s lost its cluster", name, policy))
	case !c.unedited(at):
	case deleting && slices.Contains([]string{"clusters/start", "clusters/restart", "clusters/resize", "clusters/update", "clusters/edit"}, endpoint):
		c.violated(fmt.Sprintf("[R11] %s for %s, which is being deleted", endpoint, name))
	case !deleting && isSet(object, "spec", "suspend"):
		c.violated(fmt.Sprintf("[R13] %s for %s, which is suspended", endpoint, name))
	case !deleting && c.powerArrives(endpoint, name, object, cluster):
	case endpoint == "clusters/start" && run == "Terminated":
		c.violated(fmt.Sprintf("[R13] start of %s with runPolicy Terminated", name))
	case endpoint == "clusters/delete" && run == "Running" && !deleting:
		c.violated(fmt.Sprintf("[R13] terminate of %s with runPolicy Running", name))
	}
}

// since returns how long ago a user last changed an object.
func (c *checks) since(at key) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.editedAt[at])
}

// afterStep checks what must hold at any time.
func (c *checks) afterStep() {
	for owner, most := range c.workspace.MaxClustersByOwner() {
		if owner != "" && owner != foreignOwner && most > 1+c.takenFrom(owner) {
			c.violated(fmt.Sprintf("[R2] %d clusters at a time of the owner %s", most, owner))
		}
	}
	c.observePower()
	c.afterAdoption()
}

// byUID returns the object with a uid.
func (s *apiServer) byUID(uid string) (key, document, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, object := range s.objects {
		if at.resource == clusters && object.metadata()["uid"] == uid {
			return at, object, true
		}
	}
	return key{}, nil, false
}

// adopting returns the object that has adopted a cluster.
func (s *apiServer) adopting(id string) (key, document, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, object := range s.objects {
		if at.resource == clusters && text(object, "spec", "clusterID") == id && text(object, "status", "clusterID") == id {
			return at, object, true
		}
	}
	return key{}, nil, false
}

// deletionPolicy returns the effective deletion policy of an object.
func deletionPolicy(object document) string {
	switch policy := text(object, "spec", "deletionPolicy"); {
	case policy != "":
		return policy
	case text(object, "spec", "clusterID") != "":
		return "Retain"
	default:
		return "Delete"
	}
}

// at returns a value within an object; nil if there is none.
func (d document) at(path ...string) any {
	value := any(map[string]any(d))
	for _, name := range path {
		members, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = members[name]
	}
	return value
}

func text(object document, path ...string) string {
	value, _ := object.at(path...).(string)
	return value
}

func isSet(object document, path ...string) bool {
	value, _ := object.at(path...).(bool)
	return value
}

// writesSoFar returns the number of requests that changed the workspace.
func (c *checks) writesSoFar() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}
