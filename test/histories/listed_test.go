package histories

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// listedKind is a kind whose remote objects the workspace lists in one call.
type listedKind struct {
	resource string
	// path is the prefix of the calls, and endpoint that of their names in the simulator.
	path, endpoint string
	// list, id and name are members in the API, statusID and nameField in the resource.
	list, id, name      string
	statusID, nameField string
	// number is the field that a history changes, and member its name in the API.
	number, member string
	// spec is the specification of every object.
	spec string
}

var listedKinds = []listedKind{
	{
		resource: policies, path: "/api/2.0/policies/clusters/", endpoint: "policies/",
		list: "policies", id: "policy_id", name: "name", statusID: "policyID", nameField: "name",
		number: "maxClustersPerUser", member: "max_clusters_per_user",
		spec: `{"definition":{"num_workers":{"type":"unlimited"}},"maxClustersPerUser":3}`,
	},
	{
		resource: pools, path: "/api/2.0/instance-pools/", endpoint: "instance-pools/",
		list: "instance_pools", id: "instance_pool_id", name: "instance_pool_name", statusID: "poolID", nameField: "instancePoolName",
		number: "maxCapacity", member: "max_capacity",
		spec: `{"nodeTypeID":"i3.xlarge","maxCapacity":3}`,
	},
}

// listedKindOf returns the kind of a resource; nil: it is of no listed kind.
func listedKindOf(resource string) *listedKind {
	for i := range listedKinds {
		if listedKinds[i].resource == resource {
			return &listedKinds[i]
		}
	}
	return nil
}

// listedVerbs are the steps about objects of listed kinds. The name of their object is that
// of an object of the kind.
func listedVerbs() []verb {
	var all []verb
	for i := range listedKinds {
		kind := &listedKinds[i]
		noun := strings.TrimSuffix(kind.endpoint, "/")
		of := func(do func(w *world, at key, argument string)) func(*world, key, string) {
			return func(w *world, at key, argument string) {
				at.resource = kind.resource
				do(w, at, argument)
			}
		}
		number := func(value string) string { return fmt.Sprintf(`{%q:%s}`, kind.number, value) }
		name := func(value string) string { return fmt.Sprintf(`{%q:%s}`, kind.nameField, value) }
		all = append(all,
			verb{noun + "-create", 3, anObject, []string{
				`{}`, `{}`, `{"driftPolicy":"Warn"}`, `{"deletionPolicy":"Retain"}`, name(`"shared"`), `{"adoptByName":true}`,
			}, of(func(w *world, at key, change string) { w.createListed(kind, at, change) })},
			verb{noun + "-edit", 4, anObject, []string{
				number("2"), number("5"), number("null"), `{"suspend":true}`, `{"suspend":null}`, `{"suspend":null}`,
				`{"driftPolicy":"Warn"}`, `{"driftPolicy":null}`, `{"deletionPolicy":"Retain"}`, `{"deletionPolicy":"Delete"}`,
				name(`"shared"`), `{"adoptByName":true}`, `{"accessControlList":[]}`, `{"accessControlList":null}`,
			}, of((*world).edit)},
			verb{noun + "-delete", 3, anObject, nil, of(func(w *world, at key, _ string) { _, _ = w.server.remove(at); w.checks.edited(at) })},
			verb{noun + "-reconcile", 1, anObject, []string{"reconcile@1", "reconcile@2"}, of((*world).request)},
			verb{noun + "-elsewhere", 3, anObject, []string{"edit", "delete"}, of(func(w *world, at key, what string) { w.listedElsewhere(kind, at, what) })},
		)
	}
	return all
}

// listedFaults are the faults of the calls about listed kinds.
func listedFaults() map[string]simulator.Fault {
	all := map[string]simulator.Fault{}
	for _, kind := range listedKinds {
		for name, fault := range map[string]simulator.Fault{
			"create-lost":    {Endpoint: "create", Times: 1, When: simulator.After, Drop: true},
			"create-late":    {Endpoint: "create", Times: 1, When: simulator.Late, Delay: 25 * time.Second},
			"create-refused": {Endpoint: "create", Times: 1, Status: 400, ErrorCode: "INVALID_PARAMETER_VALUE", Message: "injected"},
			"create-500":     {Endpoint: "create", Times: 2, Status: 500, ErrorCode: "INTERNAL_ERROR", Message: "injected"},
			"edit-lost":      {Endpoint: "edit", Times: 1, When: simulator.After, Drop: true},
			"edit-late":      {Endpoint: "edit", Times: 1, When: simulator.Late, Delay: 25 * time.Second},
			"delete-lost":    {Endpoint: "delete", Times: 1, When: simulator.After, Drop: true},
			"get-500":        {Endpoint: "get", Times: 3, Status: 500, ErrorCode: "INTERNAL_ERROR", Message: "injected"},
			"list-500":       {Endpoint: "list", Times: 3, Status: 500, ErrorCode: "INTERNAL_ERROR", Message: "injected"},
			"list-empty":     {Endpoint: "list", Times: 1, Body: "{}"},
		} {
			fault.Endpoint = kind.endpoint + fault.Endpoint
			all[kind.endpoint+name] = fault
		}
	}
	return all
}

// createListed creates an object with the specification of the kind and a change.
func (w *world) createListed(kind *listedKind, at key, change string) {
	spec := parse([]byte(kind.spec))
	maps.Copy(spec, parse([]byte(change)))
	_, _ = w.server.create(at, document{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": kinds[kind.resource],
		"metadata": map[string]any{"namespace": at.namespace, "name": at.name}, "spec": map[string]any(spec),
	})
}

// listedElsewhere edits or deletes the remote object of an object, as another tool does.
func (w *world) listedElsewhere(kind *listedKind, at key, what string) {
	object, err := w.server.get(at)
	if err != nil {
		return
	}
	remote, exists := w.listed(kind)[text(object, "status", kind.statusID)]
	if !exists {
		return
	}
	remote[kind.member] = float64(9)
	_, _ = w.call(http.MethodPost, kind.path+what, remote)
}

// listed returns the remote objects of a kind, by id; none if a fault hides them.
func (w *world) listed(kind *listedKind) map[string]document {
	found := map[string]document{}
	raw, err := w.call(http.MethodGet, kind.path+"list", nil)
	if err != nil || !json.Valid(raw) {
		return found
	}
	items, _ := parse(raw)[kind.list].([]any)
	for _, item := range items {
		if members, ok := item.(map[string]any); ok {
			found[fmt.Sprint(members[kind.id])] = members
		}
	}
	return found
}

// call makes a call of another tool.
func (w *world) call(method, path string, body document) ([]byte, error) {
	var sent io.Reader = http.NoBody
	if body != nil {
		sent = bytes.NewReader(body.json())
	}
	request, err := http.NewRequestWithContext(context.Background(), method, workspaceHost+path, sent)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer dapi-tool")
	response, err := w.workspace.Transport().RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return io.ReadAll(response.Body)
}

// listedArrives checks a write of a listed kind when it arrives at the workspace.
func (c *checks) listedArrives(r *http.Request, kind *listedKind, operation string, raw []byte) {
	var body document
	if err := json.Unmarshal(raw, &body); err != nil {
		c.violated(fmt.Sprintf("[R8] %s%s has a body that is no JSON: %v", kind.endpoint, operation, err))
		return
	}
	at, object, found := c.server.listedObject(kind, body, r.Header.Get("Authorization"))
	name := fmt.Sprintf("%s %s/%s", kind.resource, at.namespace, at.name)
	deleting := found && object.metadata()["deletionTimestamp"] != nil
	switch {
	case !found:
		c.violated(fmt.Sprintf("[S12] %s%s for no object: %s", kind.endpoint, operation, raw))
	case r.Header.Get("Authorization") != "Bearer "+tokens[at.namespace]:
		c.violated(fmt.Sprintf("[S1] %s for %s with a foreign credential", operation, name))
	case operation == "create" && !object.hasFinalizers():
		c.violated(fmt.Sprintf("[R1] create for %s without a finalizer", name))
	case operation == "create" && text(object, "status", "creation", "token") == "":
		c.violated(fmt.Sprintf("[R1] create for %s without an intent", name))
	case operation == "delete" && !deleting:
		c.violated(fmt.Sprintf("[R6] %s is not being deleted, and its remote object is", name))
	case operation == "delete" && text(object, "spec", "deletionPolicy") == "Retain" && c.since(at) > time.Second:
		c.violated(fmt.Sprintf("[R11] %s with deletionPolicy Retain lost its remote object", name))
	case c.unedited(at) && !deleting && isSet(object, "spec", "suspend"):
		c.violated(fmt.Sprintf("[R13] %s for %s, which is suspended", operation, name))
	}
}

// listedObject returns the object that a write is about: the one with the id, or the one
// that declared to create the name. Of several with one name, of which the workspace accepts
// one, it is one with the credential of the request.
func (s *apiServer) listedObject(kind *listedKind, body document, credential string) (at key, object document, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, isChange := body[kind.id]
	for candidate, declared := range s.objects {
		current, name := text(declared, "status", kind.statusID), text(declared, "status", "name")
		switch {
		case candidate.resource != kind.resource:
		case isChange && current == id:
			return candidate, declared, true
		case isChange || current != "" || name != body[kind.name]:
		case !found || "Bearer "+tokens[candidate.namespace] == credential:
			at, object, found = candidate, declared, true
		}
	}
	return at, object, found
}

// listedSettled checks the objects of the listed kinds after a quiet time: each is as
// declared or says why not, and nothing is left of a deleted one.
func (w *world) listedSettled() {
	for i := range listedKinds {
		kind := &listedKinds[i]
		remotes := w.listed(kind)
		left := maps.Clone(remotes)
		delete(left, teamPolicy)
		managing := map[string]string{}
		for _, object := range w.server.allOf(kind.resource) {
			id, uid := text(object, "status", kind.statusID), text(object, "metadata", "uid")
			w.listedObjectSettled(kind, object, remotes[id])
			delete(left, id)
			if !strings.HasPrefix(conditionsOf(object)["Ready"], "True") || isSet(object, "spec", "suspend") {
				continue
			}
			if other := managing[id]; other != "" {
				w.checks.violated(fmt.Sprintf("[R2] %s %s is managed by two objects: %s and %s", kind.resource, id, other, uid))
			}
			managing[id] = uid
		}
		for _, id := range slices.Sorted(maps.Keys(left)) {
			if !w.server.mayLeave(kind, id, text(left[id], kind.name)) {
				w.checks.violated(fmt.Sprintf("[R11] %s %s is left of no object: %s", kind.resource, id, left[id].json()))
			}
		}
	}
}

func (w *world) listedObjectSettled(kind *listedKind, object, remote document) {
	name := kind.resource + " " + text(object, "metadata", "namespace") + "/" + text(object, "metadata", "name")
	conditions := conditionsOf(object)
	complain := func(what string) {
		w.checks.violated(fmt.Sprintf("%s %s; conditions %v, %s", name, what, conditions, document{"status": object["status"], "spec": object["spec"], "remote": remote}.json()))
	}
	want, declared := object.at("spec", kind.number).(float64)
	have, _ := remote.at(kind.member).(float64)
	switch {
	case object.metadata()["deletionTimestamp"] != nil:
		complain("[R11] is still being deleted")
	case object.at("status", "observedGeneration") != object.at("metadata", "generation"):
		complain("[P7] was not evaluated")
	case isSet(object, "spec", "suspend") || conditions["Stalled"] != "":
	case conditions["Reconciling"] != "":
		complain("[R12] does not settle")
	case !strings.HasPrefix(conditions["Ready"], "True"):
		complain("[R12] is not Ready and says not why")
	case remote == nil:
		complain("[R2] has no remote object, and is Ready")
	case declared && want != have && !strings.HasPrefix(conditions["Synced"], "False"):
		complain("[R14] is InSync and differs")
	}
}

// listedOwners checks that no object made two remote objects: the owner tag of pools names
// their object.
func (w *world) listedOwners() {
	kind := listedKindOf(pools)
	counts := map[string]int{}
	for _, remote := range w.listed(kind) {
		if tag := text(remote, "custom_tags", v1alpha1.PoolOwnerTagKey); tag != "" {
			if counts[tag]++; counts[tag] > 1 {
				w.checks.violated(fmt.Sprintf("[R2] two pools of the owner %s", tag))
			}
		}
	}
}

// allOf returns the objects of a resource, sorted by name.
func (s *apiServer) allOf(resource string) []document {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []document
	for _, at := range s.keys(key{resource: resource}) {
		all = append(all, s.objects[at])
	}
	return all
}

// mayLeave reports whether a remote object may be left in the workspace: its object was
// deleted with deletionPolicy Retain, also before its id was known, or had adopted it, or
// the store was set back.
func (s *apiServer) mayLeave(kind *listedKind, id, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.restoredAt.IsZero() || s.retained[id] {
		return true
	}
	for _, last := range s.dropped {
		isCreating := text(last, "status", "creation", "token") != "" && text(last, "status", "name") == name
		if !isCreating && text(last, "status", kind.statusID) != id {
			continue
		}
		policy := text(last, "spec", "deletionPolicy")
		if policy == "Retain" || isSet(last, "status", "adopted") && policy == "" {
			s.retained[id] = true
			return true
		}
	}
	return false
}
