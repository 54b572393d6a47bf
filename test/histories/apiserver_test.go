package histories

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// apiServer is a model of the API server: resource versions, generations, optimistic
// locks, the status subresource, tests of JSON patches, finalizers and watches. It
// admits every object, so that users of the model must send valid ones.
type apiServer struct {
	// mu guards all fields.
	mu      sync.Mutex
	version int64
	objects map[key]document
	// encoded are the objects as JSON, as far as they were read since their last write.
	encoded map[key]json.RawMessage
	// changes are all writes, for watches, in the order of their versions. Watches from
	// before forgotten are refused.
	changes   []change
	forgotten int64
	// written is closed by the next write, and replaced.
	written chan struct{}
	uids    int
	// unwritten are the objects that were not written since their creation: the default of
	// their status is not stored yet, so that the next write changes them whatever it is.
	unwritten map[key]bool
	// writes counts the writes of each object in a minute, for onWrites.
	writes   map[key]int
	minute   int64
	onWrites func(key, int)
	// dropped are the last versions of deleted objects, by uid.
	dropped map[string]document
	// saved is the newest backup. lost are the uids of the objects that were created after
	// a backup that was restored, or got their cluster after it, and restoredAt is when that
	// was.
	saved      *backup
	lost       map[string]bool
	restoredAt time.Time
	// noticedBy is when the operator has noticed the last restore.
	noticedBy time.Time
	// raisedAt is when the version was raised last by what others write.
	raisedAt time.Time
	// retained are the ids of remote objects of listed kinds that a deleted object left.
	retained map[string]bool
}

// backup is the store at a moment, without the Secrets.
type backup struct {
	version int64
	objects map[key]document
}

// key identifies an object. The resource is the plural name in an address.
type key struct{ resource, namespace, name string }

// document is an object as decoded JSON. It is never changed, only replaced.
type document map[string]any

// change is one event of a watch.
type change struct {
	version int64
	kind    string
	key     key
	object  json.RawMessage
}

// The resources of the objects that a history changes.
const (
	clusters = "databricksclusters"
	policies = "databricksclusterpolicies"
	pools    = "databricksinstancepools"
)

// kinds are the kinds of these resources. Lists of others have the kind of clusters, which
// nothing reads.
var kinds = map[string]string{clusters: v1alpha1.ClusterKind, policies: v1alpha1.PolicyKind, pools: v1alpha1.PoolKind}

func newAPIServer() *apiServer {
	return &apiServer{version: 100, raisedAt: time.Now(), objects: map[key]document{}, encoded: map[key]json.RawMessage{}, unwritten: map[key]bool{}, onWrites: func(key, int) {}, dropped: map[string]document{}, lost: map[string]bool{}, retained: map[string]bool{}, written: make(chan struct{})}
}

// clusterResource is the resource of the errors about objects.
var clusterResource = schema.GroupResource{Group: v1alpha1.GroupName, Resource: clusters}

// patchTypes apply the body of a patch to an object.
var patchTypes = map[types.PatchType]func(before document, encoded, patch []byte) (document, error){
	types.MergePatchType: func(before document, _, patch []byte) (document, error) {
		var changes map[string]any
		if err := json.Unmarshal(patch, &changes); err != nil {
			return nil, err
		}
		return merge(before, changes), nil
	},
	types.JSONPatchType: func(_ document, encoded, patch []byte) (document, error) {
		decoded, err := jsonpatch.DecodePatch(patch)
		if err != nil {
			return nil, err
		}
		patched, err := decoded.Apply(encoded)
		if err != nil {
			return nil, err
		}
		return parse(patched), nil
	},
}

// merge returns an object with the changes of a merge patch (RFC 7396). Members that do
// not change are shared with the object before.
func merge(before, changes map[string]any) map[string]any {
	after := maps.Clone(before)
	if after == nil {
		after = map[string]any{}
	}
	for name, change := range changes {
		inner, isObject := change.(map[string]any)
		switch {
		case change == nil:
			delete(after, name)
		case isObject:
			members, _ := after[name].(map[string]any)
			after[name] = merge(members, inner)
		default:
			after[name] = change
		}
	}
	return after
}

// serve answers one request that is not a watch.
func (s *apiServer) serve(r *http.Request) *http.Response {
	where, subresource := parsePath(r.URL.Path)
	if where.resource == "events" {
		return s.accept(r)
	}
	switch {
	case r.Method == http.MethodGet && where.name == "":
		return s.list(r, where)
	case r.Method == http.MethodGet:
		return s.read(r, where)
	case r.Method == http.MethodPatch:
		patch, err := io.ReadAll(r.Body)
		if err != nil {
			return answer(r, 0, nil, apierrors.NewBadRequest(err.Error()))
		}
		found, err := s.patch(where, subresource, types.PatchType(r.Header.Get("Content-Type")), patch)
		return answer(r, http.StatusOK, found, err)
	case r.Method == http.MethodPost:
		var sent document
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			return answer(r, 0, nil, apierrors.NewBadRequest(err.Error()))
		}
		where.name = text(sent, "metadata", "name")
		made, err := s.create(where, sent)
		return answer(r, http.StatusCreated, made, err)
	case r.Method == http.MethodDelete:
		removed, err := s.remove(where)
		return answer(r, http.StatusOK, removed, err)
	default:
		return answer(r, 0, nil, apierrors.NewMethodNotSupported(clusterResource, r.Method))
	}
}

// parsePath splits an address such as /apis/GROUP/VERSION/namespaces/NS/RESOURCE/NAME/SUB.
func parsePath(path string) (where key, subresource string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if parts[0] == "api" {
		parts = parts[2:]
	} else {
		parts = parts[3:]
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		where.namespace, parts = parts[1], parts[2:]
	}
	parts = append(parts, "", "", "")
	where.resource, where.name, subresource = parts[0], parts[1], parts[2]
	return where, subresource
}

// accept answers a write of an event, which nothing reads.
func (s *apiServer) accept(r *http.Request) *http.Response {
	var sent document
	if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
		return answer(r, 0, nil, apierrors.NewBadRequest(err.Error()))
	}
	return answer(r, http.StatusCreated, sent, nil)
}

// list answers a GET of a collection. A limit shortens the list; nothing asks for the rest
// of a list of metadata, and no other list has as many objects.
func (s *apiServer) list(r *http.Request, where key) *http.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raise()
	keys, more := s.keys(where), ""
	if limit, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil && 0 < limit && limit < len(keys) {
		keys, more = keys[:limit], `,"continue":"`+keys[limit].namespace+"/"+keys[limit].name+`"`
	}
	version, kind, represent := v1alpha1.GroupVersion.String(), kinds[where.resource]+"List", s.json
	if isOfMetadata(r) {
		version, kind, represent = metav1.SchemeGroupVersion.String(), "PartialObjectMetadataList", s.metadataOf
	}
	var items [][]byte
	for _, at := range keys {
		items = append(items, represent(at))
	}
	return response(r, http.StatusOK, io.NopCloser(strings.NewReader(fmt.Sprintf(
		`{"apiVersion":%q,"kind":%q,"metadata":{"resourceVersion":"%d"%s},"items":[%s]}`,
		version, kind, s.version, more, bytes.Join(items, []byte(","))))))
}

// read answers a GET.
func (s *apiServer) read(r *http.Request, where key) *http.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.objects[where]; !ok {
		return answer(r, 0, nil, notFound(where))
	}
	represent := s.json
	if isOfMetadata(r) {
		represent = s.metadataOf
	}
	return response(r, http.StatusOK, io.NopCloser(bytes.NewReader(represent(where))))
}

// isOfMetadata reports whether a request asks for the metadata of objects alone.
func isOfMetadata(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata")
}

// metadataOf returns the metadata of an object as JSON.
func (s *apiServer) metadataOf(at key) json.RawMessage {
	return document{
		"apiVersion": metav1.SchemeGroupVersion.String(), "kind": "PartialObjectMetadata",
		"metadata": s.objects[at].metadata(),
	}.json()
}

func notFound(where key) error {
	return apierrors.NewNotFound(schema.GroupResource{Group: clusterResource.Group, Resource: where.resource}, where.name)
}

// json returns an object as JSON.
func (s *apiServer) json(at key) json.RawMessage {
	if s.encoded[at] == nil {
		s.encoded[at] = s.objects[at].json()
	}
	return s.encoded[at]
}

// keys returns the sorted keys of the objects of a resource, in one or all namespaces.
func (s *apiServer) keys(where key) []key {
	var all []key
	for at := range s.objects {
		if at.resource == where.resource && (where.namespace == "" || at.namespace == where.namespace) {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, func(a, b key) int { return strings.Compare(a.namespace+"/"+a.name, b.namespace+"/"+b.name) })
	return all
}

func (s *apiServer) get(where key) (document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.objects[where]
	if !ok {
		return nil, notFound(where)
	}
	return found, nil
}

// create stores a new object, as a user does.
func (s *apiServer) create(where key, object document) (document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.objects[where]; exists {
		return nil, apierrors.NewAlreadyExists(clusterResource, where.name)
	}
	object = object.clone()
	object["status"] = map[string]any{"observedGeneration": float64(-1)} // the default of the CRD
	s.uids++
	metadata := object.metadata()
	metadata["uid"] = fmt.Sprintf("%08x-0000-4000-8000-000000000000", s.uids)
	metadata["creationTimestamp"] = timestamp()
	metadata["generation"] = float64(1)
	s.store(where, object, "ADDED")
	s.unwritten[where] = true
	return object, nil
}

// patch changes an object, or its status. The optimistic lock is a resource version in
// the patch.
func (s *apiServer) patch(where key, subresource string, kind types.PatchType, patch []byte) (document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, ok := s.objects[where]
	if !ok {
		return nil, apierrors.NewNotFound(clusterResource, where.name)
	}
	apply, known := patchTypes[kind]
	if !known {
		return nil, apierrors.NewBadRequest("unknown patch type " + string(kind))
	}
	after, err := apply(before.copy(), s.json(where), patch)
	if err != nil {
		return nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false)
	}
	// A uid is a precondition of writes to the object only.
	preconditions := []string{"resourceVersion", "uid"}
	if subresource == "status" {
		preconditions = preconditions[:1]
	}
	for _, locked := range preconditions {
		if asked := after.metadata()[locked]; asked != before.metadata()[locked] {
			return nil, apierrors.NewConflict(clusterResource, where.name, fmt.Errorf("%s is %v, not %v", locked, before.metadata()[locked], asked))
		}
	}
	return s.update(where, before, after, subresource)
}

// update stores what a write may change of an object: of the status only that, of the
// object everything else. A write that changes nothing has no version of its own.
func (s *apiServer) update(where key, before, after document, subresource string) (document, error) {
	if subresource == "status" {
		status := after["status"]
		after = before.copy()
		after["status"] = status
	} else {
		after["status"] = before["status"]
		for _, own := range []string{"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "name", "namespace"} {
			after.metadata()[own] = before.metadata()[own]
			if before.metadata()[own] == nil {
				delete(after.metadata(), own)
			}
		}
		if !reflect.DeepEqual(before["spec"], after["spec"]) {
			after.nextGeneration()
		}
		if before.metadata()["deletionTimestamp"] != nil && len(after.finalizers()) > len(before.finalizers()) {
			return nil, apierrors.NewInvalid(schema.GroupKind{Group: v1alpha1.GroupName, Kind: v1alpha1.ClusterKind}, where.name, nil)
		}
	}
	if after["status"] == nil {
		delete(after, "status")
	}
	for name, value := range after.metadata() {
		if value == nil || reflect.ValueOf(value).Kind() == reflect.Map && reflect.ValueOf(value).Len() == 0 ||
			reflect.ValueOf(value).Kind() == reflect.Slice && reflect.ValueOf(value).Len() == 0 {
			delete(after.metadata(), name)
		}
	}
	if reflect.DeepEqual(before, after) && !s.unwritten[where] {
		return before, nil
	}
	if after.metadata()["deletionTimestamp"] != nil && !after.hasFinalizers() {
		s.drop(where, before.copy()) // its event has the object as it was
		return after, nil
	}
	s.store(where, after, "MODIFIED")
	return after, nil
}

// remove deletes an object, as a user does: with finalizers it is only marked.
func (s *apiServer) remove(where key) (document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, ok := s.objects[where]
	if !ok {
		return nil, apierrors.NewNotFound(clusterResource, where.name)
	}
	after := before.copy()
	switch {
	case !before.hasFinalizers():
		s.drop(where, after)
	case before.metadata()["deletionTimestamp"] == nil:
		after.metadata()["deletionTimestamp"] = timestamp()
		after.metadata()["deletionGracePeriodSeconds"] = float64(0)
		after.nextGeneration()
		s.store(where, after, "MODIFIED")
	}
	return after, nil
}

// store writes an object with the next version, and tells the watches.
func (s *apiServer) store(where key, object document, kind string) {
	s.raise()
	s.version++
	object.metadata()["resourceVersion"] = strconv.FormatInt(s.version, 10)
	s.objects[where] = object
	s.encoded[where] = object.json()
	delete(s.unwritten, where)
	s.publish(where, s.encoded[where], kind)
}

// drop removes an object. Its last event has a version of its own.
func (s *apiServer) drop(where key, object document) {
	s.raise()
	s.version++
	object.metadata()["resourceVersion"] = strconv.FormatInt(s.version, 10)
	delete(s.objects, where)
	delete(s.encoded, where)
	s.dropped[text(object, "metadata", "uid")] = object
	s.publish(where, object.json(), "DELETED")
}

// raise raises the version by what others wrote since the last time.
func (s *apiServer) raise() {
	s.version += int64(time.Since(s.raisedAt).Seconds() * othersWritePerSecond)
	s.raisedAt = time.Now()
}

func (s *apiServer) publish(where key, object json.RawMessage, kind string) {
	if minute := time.Now().Unix() / 60; s.minute != minute {
		s.minute, s.writes = minute, map[key]int{}
	}
	s.writes[where]++
	s.onWrites(where, s.writes[where])
	s.changes = append(s.changes, change{version: s.version, kind: kind, key: where, object: object})
	close(s.written)
	s.written = make(chan struct{})
}

// trim forgets what no watch and no check needs any more: old changes, and the last
// versions of deleted objects.
func (s *apiServer) trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := len(s.changes) - 1000; old > 0 {
		s.forgotten = s.changes[old-1].version
		s.changes = append([]change{}, s.changes[old:]...)
	}
	clear(s.dropped)
}

// forget makes every watch that begins at an older version fail, as after a compaction.
func (s *apiServer) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgotten, s.changes = s.version, nil
}

// backup keeps the objects of the history as they are, unless the store was just restored.
func (s *apiServer) backup() {
	if s.isJustRestored() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = &backup{version: s.version, objects: map[key]document{}}
	for _, at := range s.ofHistory() {
		s.saved.objects[at] = s.objects[at]
	}
	s.version += othersWrite
}

// ofHistory returns the keys of the objects that a history changes.
func (s *apiServer) ofHistory() []key {
	return slices.Concat(s.keys(key{resource: clusters}), s.keys(key{resource: policies}), s.keys(key{resource: pools}))
}

// Others raise the version of the store by othersWrite between a backup and its restore, so
// that a backup of a moment ago counts as an old one, and by othersWritePerSecond at any time.
// A restore takes longer than the operator needs to notice the one before. So the version does
// not rise above those that a restore took back before the operator looks at it.
const (
	othersWrite          = 10_000
	othersWritePerSecond = 100
)

// watches is what a restore does to the watches that are open.
type watches int

const (
	// resumed watches go on after a version that the store does not have yet, as after a
	// plain restore of etcd.
	resumed watches = iota
	// revoked watches begin again, as after a restore that raises the revision.
	revoked
)

// raised is by how much a restore raises the version of the store.
const raised = 1_000_000

// restore sets the store back to the newest backup, if there is one, unless it was just
// restored.
func (s *apiServer) restore(open watches) {
	if s.isJustRestored() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.saved == nil {
		return
	}
	for _, at := range s.ofHistory() {
		uid, id := text(s.objects[at], "metadata", "uid"), text(s.objects[at], "status", "clusterID")
		kept, ok := s.saved.objects[at]
		isKept := ok && text(kept, "metadata", "uid") == uid && text(kept, "status", "clusterID") == id
		// An earlier restore may have lost the cluster of an object that has no id.
		s.lost[uid] = !isKept || id == "" && s.lost[uid]
		delete(s.objects, at)
	}
	maps.Copy(s.objects, s.saved.objects)
	clear(s.encoded)
	s.restoredAt, s.raisedAt = time.Now(), time.Now()
	s.noticedBy = s.restoredAt.Add(unnoticed)
	switch open {
	case revoked:
		s.version += raised
		s.forgotten, s.changes = s.version, nil
	case resumed:
		s.version = s.saved.version
		s.changes = slices.DeleteFunc(s.changes, func(c change) bool { return c.version > s.version })
		s.forgotten = min(s.forgotten, s.version)
	}
	close(s.written)
	s.written = make(chan struct{})
}

// isLost reports whether an object, or its cluster, was created after the backup that was
// restored. If it is gone, its cluster is left for the orphan report.
func (s *apiServer) isLost(uid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost[uid]
}

// unnoticed is how long after a restore the operator may still follow what it read before,
// while it reaches the API server.
const unnoticed = 70 * time.Second

// isJustRestored reports whether the operator may not have noticed a restore yet.
func (s *apiServer) isJustRestored() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.noticedBy)
}

// away delays when a restore is noticed by the time for which no process reaches the API
// server.
func (s *apiServer) away(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noticedBy = s.noticedBy.Add(d)
}

func timestamp() string { return time.Now().UTC().Format(time.RFC3339) }

func parse(raw []byte) document {
	var parsed document
	if err := json.Unmarshal(raw, &parsed); err != nil {
		panic(err)
	}
	return parsed
}

func (d document) json() []byte {
	raw, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return raw
}

func (d document) clone() document { return parse(d.json()) }

// copy returns an object whose own members and metadata may be replaced.
func (d document) copy() document {
	copied := maps.Clone(d)
	copied["metadata"] = maps.Clone(d.metadata())
	return copied
}

func (d document) metadata() map[string]any {
	metadata, ok := d["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
		d["metadata"] = metadata
	}
	return metadata
}

func (d document) finalizers() []any {
	finalizers, _ := d.metadata()["finalizers"].([]any)
	return finalizers
}

func (d document) hasFinalizers() bool { return len(d.finalizers()) > 0 }

func (d document) nextGeneration() {
	generation, _ := d.metadata()["generation"].(float64)
	d.metadata()["generation"] = generation + 1
}

// answer returns a response with an object, or with the Status of an error.
func answer(r *http.Request, code int, object document, err error) *http.Response {
	var raw []byte
	if err == nil {
		raw = object.json()
	} else {
		status := statusOf(err)
		code = int(status.Code)
		encoded, marshalErr := json.Marshal(status)
		if marshalErr != nil {
			panic(marshalErr)
		}
		raw = encoded
	}
	return response(r, code, io.NopCloser(strings.NewReader(string(raw))))
}

// add stores an object as it is, without a write that a watch would see.
func (s *apiServer) add(where key, object document) {
	s.mu.Lock()
	defer s.mu.Unlock()
	object.metadata()["resourceVersion"] = "1"
	s.objects[where] = object
	delete(s.encoded, where)
}

// all returns the DatabricksClusters, sorted by name.
func (s *apiServer) all() []document {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []document
	for _, at := range s.keys(key{resource: clusters}) {
		all = append(all, s.objects[at])
	}
	return all
}

// lastOf returns the last version of a deleted object.
func (s *apiServer) lastOf(uid string) (document, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.dropped[uid]
	return last, known
}

// lastVersion returns the version of the last write.
func (s *apiServer) lastVersion() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// stalled returns the objects that wait for a change by their user.
func (s *apiServer) stalled() map[key]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[key]bool{}
	for _, at := range s.ofHistory() {
		if conditionsOf(s.objects[at])["Stalled"] != "" {
			all[at] = true
		}
	}
	return all
}

// writesSince counts the writes after a version, by object.
func (s *apiServer) writesSince(version int64) map[key]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[key]int{}
	for _, written := range s.changes {
		if written.version > version {
			counts[written.key]++
		}
	}
	return counts
}

// lastChange returns the last written object, and the version before.
func (s *apiServer) lastChange() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.changes) == 0 {
		return ""
	}
	last := s.changes[len(s.changes)-1]
	for _, before := range slices.Backward(s.changes[:len(s.changes)-1]) {
		if before.key == last.key {
			return fmt.Sprintf("%s, which was %s", last.object, before.object)
		}
	}
	return string(last.object)
}
