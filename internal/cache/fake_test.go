package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// remote is a workspace that a test programs.
type remote struct {
	// latency is how long every call takes.
	latency time.Duration

	mu sync.Mutex
	// fault decides about a call before it has its effect; nil lets it pass.
	fault func(made call) error
	// edit changes a page before it is handed out; nil leaves it.
	edit     func(query databricks.ListQuery, page *databricks.ListPage)
	clusters map[string]compute.ClusterDetails
	// ids are those of clusters in order; nil: to be sorted anew.
	ids      []string
	unlisted map[string]bool
	calls    []call
	clients  map[string]bool
	// libraryStatus is that of every cluster's library.
	libraryStatus compute.LibraryInstallStatus
}

// call is what the remote saw.
type call struct {
	kind, id, token string
	at              time.Time
	err             error
}

func newRemote() *remote {
	return &remote{
		latency: 20 * time.Millisecond, clusters: map[string]compute.ClusterDetails{},
		unlisted: map[string]bool{}, clients: map[string]bool{},
	}
}

// breakWith sets what decides about calls from now on.
func (r *remote) breakWith(fault func(made call) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = fault
}

// doctor sets what changes pages from now on.
func (r *remote) doctor(edit func(query databricks.ListQuery, page *databricks.ListPage)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.edit = edit
}

// log is what was called so far.
func (r *remote) log() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// put sets a cluster's state, and makes the cluster if there is none.
func (r *remote) put(id string, state compute.State) {
	r.change(id, func(c *compute.ClusterDetails) { c.State = state })
}

func (r *remote) change(id string, change func(*compute.ClusterDetails)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, known := r.clusters[id]
	if !known {
		c = compute.ClusterDetails{ClusterId: id, ClusterName: id, State: compute.StateRunning, ClusterSource: compute.ClusterSourceApi}
	}
	change(&c)
	r.clusters[id] = c
	if !known {
		r.ids = nil
	}
}

func (r *remote) remove(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clusters, id)
	r.ids = nil
}

// fill makes many running clusters.
func (r *remote) fill(prefix string, count int) []string {
	ids := make([]string, count)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%05d", prefix, i)
		r.put(ids[i], compute.StateRunning)
	}
	return ids
}

// take records a call and lets the fault decide.
func (r *remote) take(ctx context.Context, made call) error {
	made.at = time.Now()
	r.mu.Lock()
	var err error
	if r.fault != nil {
		err = r.fault(made)
	}
	made.err = err
	r.calls = append(r.calls, made)
	r.mu.Unlock()
	select {
	case <-time.After(r.latency):
	case <-ctx.Done():
		return &databricks.Error{Class: databricks.ClassAmbiguous, Message: "timed out"}
	}
	return err
}

// count is how many calls of a kind were made since a time; "" counts all.
func (r *remote) count(kind string, since time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, made := range r.calls {
		if (kind == "" || made.kind == kind) && !made.at.Before(since) {
			n++
		}
	}
	return n
}

// countOf is how many calls about one cluster were made since a time.
func (r *remote) countOf(id string, since time.Time) (n int) {
	for _, made := range r.log() {
		if made.kind != "list" && made.id == id && !made.at.Before(since) {
			n++
		}
	}
	return n
}

func (r *remote) failed(class databricks.Class, since time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, made := range r.calls {
		if databricks.ClassOf(made.err) == class && !made.at.Before(since) {
			n++
		}
	}
	return n
}

// session is the remote as one credential reaches it.
type session struct {
	*remote
	databricks.Writer
	token string
}

// LibraryStatuses tells one library of the cluster's own.
func (s *session) LibraryStatuses(ctx context.Context, id string) ([]compute.LibraryFullStatus, error) {
	err := s.take(ctx, call{kind: "libraries", id: id, token: s.token})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return []compute.LibraryFullStatus{{Library: &compute.Library{Jar: "/" + id + ".jar"}, Status: s.libraryStatus}}, nil
}

func (s *session) Me(ctx context.Context) (databricks.Principal, error) {
	if err := s.take(ctx, call{kind: "me", token: s.token}); err != nil {
		return databricks.Principal{}, err
	}
	name, _, _ := strings.Cut(s.token, "-")
	return databricks.Principal{ID: name, UserName: name + "@example.com"}, nil
}

// Permissions tells that nobody has a grant.
func (s *session) Permissions(ctx context.Context, id string) ([]compute.ClusterAccessControlResponse, error) {
	return nil, s.take(ctx, call{kind: "permissions", id: id, token: s.token})
}

func (s *session) Get(ctx context.Context, id string) (databricks.Cluster, error) {
	s.mu.Lock()
	c, known := s.clusters[id]
	s.mu.Unlock()
	if err := s.take(ctx, call{kind: "get", id: id, token: s.token}); err != nil {
		return databricks.Cluster{}, err
	}
	if !known {
		return databricks.Cluster{}, &databricks.Error{Class: databricks.ClassMissing, Code: "INVALID_PARAMETER_VALUE", Message: "Cluster " + id + " does not exist"}
	}
	spec, err := json.Marshal(compute.ClusterSpec{ClusterName: c.ClusterName, NumWorkers: c.NumWorkers})
	return databricks.Cluster{Details: &c, Spec: spec}, err
}

func (s *session) List(ctx context.Context, query databricks.ListQuery) (databricks.ListPage, error) {
	page := s.page(query)
	err := s.take(ctx, call{kind: "list", id: query.PageToken, token: s.token})
	return page, err
}

func (s *session) page(query databricks.ListQuery) databricks.ListPage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = slices.Sorted(maps.Keys(s.clusters))
		s.ids = slices.DeleteFunc(s.ids, func(id string) bool { return s.unlisted[id] })
	}
	ids := s.ids
	from, _ := slices.BinarySearch(ids, query.PageToken)
	to := min(from+query.PageSize, len(ids))
	var page databricks.ListPage
	for _, id := range ids[from:to] {
		page.Clusters = append(page.Clusters, s.clusters[id])
	}
	if to < len(ids) {
		page.NextPageToken = ids[to]
	}
	if s.edit != nil {
		s.edit(query, &page)
	}
	return page
}

func (s *session) Terminate(ctx context.Context, id string) error {
	return s.write(ctx, "terminate", id, func() { s.put(id, compute.StateTerminating) })
}

func (s *session) Start(ctx context.Context, id string) error {
	return s.write(ctx, "start", id, func() { s.put(id, compute.StatePending) })
}

func (s *session) PermanentDelete(ctx context.Context, id string) error {
	return s.write(ctx, "permanent-delete", id, func() { s.remove(id) })
}

func (s *session) Create(ctx context.Context, request databricks.CreateRequest) (string, error) {
	return request.ClusterName, s.write(ctx, "create", request.ClusterName, func() {
		s.change(request.ClusterName, func(c *compute.ClusterDetails) {
			c.State, c.CustomTags = compute.StatePending, request.CustomTags
		})
	})
}

func (s *session) write(ctx context.Context, kind, id string, effect func()) error {
	err := s.take(ctx, call{kind: kind, id: id, token: s.token})
	if err == nil {
		effect()
	}
	return err
}

// world is a registry that runs against remotes, in virtual time.
type world struct {
	t *testing.T
	*Registry
	remote *remote
	// tokens are those dialled, by fingerprint.
	tokens map[string]string
	end    func()

	mu   sync.Mutex
	told map[Object]int
}

// inBubble runs a test in virtual time, under the tags of what it proves. That
// all goroutines end with it is synctest's own rule.
func inBubble(t *testing.T, tags string, test func(t *testing.T)) {
	t.Helper()
	if tags == "" {
		synctest.Test(t, test)
		return
	}
	t.Run(tags, func(t *testing.T) { synctest.Test(t, test) })
}

// inWorld runs a test in virtual time against one remote.
func inWorld(t *testing.T, tags string, options Options, test func(t *testing.T, w *world)) {
	t.Helper()
	inBubble(t, tags, func(t *testing.T) {
		w := &world{t: t, remote: newRemote(), tokens: map[string]string{}, told: map[Object]int{}}
		options.Dial = func(config databricks.Config) (Client, error) {
			return &session{remote: w.remote, token: w.tokens[config.Fingerprint()]}, nil
		}
		options.OnChange = func(objects []Object) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, object := range objects {
				w.told[object]++
			}
		}
		w.Registry = NewRegistry(options)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := w.Start(ctx); err != nil {
				t.Error(err)
			}
		}()
		w.end = func() { cancel(); <-ended }
		defer w.end()
		test(t, w)
	})
}

// config is a credential: principal-anything.
func (w *world) config(host, token string) databricks.Config {
	w.t.Helper()
	config, err := databricks.ParseSecret(map[string][]byte{"host": []byte(host), "token": []byte(token)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.tokens[config.Fingerprint()] = token
	return config
}

const testHost = "https://adb-1.2.azuredatabricks.net"

// connect connects an object as alice and fails the test where that fails.
func (w *world) connect(object Object) *Workspace { return w.connectAs(object, "alice-1") }

func (w *world) connectAs(object Object, token string) *Workspace {
	w.t.Helper()
	workspace, err := w.connectTo(object, testHost, token)
	if err != nil {
		w.t.Fatal(err)
	}
	return workspace
}

// connectTo connects an object, and waits as long as it is told to.
func (w *world) connectTo(object Object, host, token string) (*Workspace, error) {
	w.t.Helper()
	for range 100 {
		workspace, err := w.Connect(object, w.config(host, token))
		wait, ok := errors.AsType[*WaitError](err)
		if !ok {
			return workspace, err
		}
		<-time.After(time.Until(wait.At))
	}
	w.t.Fatal("never connected")
	return nil, nil
}

// watchAll connects an object per cluster, named as it is.
func (w *world) watchAll(ids []string) *Workspace {
	var workspace *Workspace
	for _, id := range ids {
		workspace = w.connect(Object(id))
		workspace.Watch(Object(id), id)
	}
	return workspace
}

// pass lets virtual time go by.
func (w *world) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// news is how often an object was told since the last time that was asked.
func (w *world) news(object Object) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.told[object]
	delete(w.told, object)
	return n
}

// newsOfAll is how many objects were told since the last time, which is
// forgotten.
func (w *world) newsOfAll() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.told)
	clear(w.told)
	return n
}

// do makes a write that is expected to be let through and to succeed.
func (w *world) do(workspace *Workspace, class WriteClass, id string, call func(context.Context, databricks.Writer) error) {
	w.t.Helper()
	for range 1000 {
		err := w.Writers().Do(w.t.Context(), workspace, class, id, call)
		if wait, ok := errors.AsType[*WaitError](err); ok {
			<-time.After(time.Until(wait.At))
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		return
	}
	w.t.Fatal("never let through")
}

func start(id string) func(context.Context, databricks.Writer) error {
	return func(ctx context.Context, api databricks.Writer) error { return api.Start(ctx, id) }
}

func terminate(id string) func(context.Context, databricks.Writer) error {
	return func(ctx context.Context, api databricks.Writer) error { return api.Terminate(ctx, id) }
}

func permanentDelete(id string) func(context.Context, databricks.Writer) error {
	return func(ctx context.Context, api databricks.Writer) error { return api.PermanentDelete(ctx, id) }
}

// state is a cluster's state as the mirror tells it.
func state(w *Workspace, id string) compute.State {
	if seen := w.Observe(id); seen.Cluster != nil {
		return seen.Cluster.State
	}
	return ""
}

func (s *session) SparkVersions(ctx context.Context) ([]compute.SparkVersion, error) {
	return nil, s.take(ctx, call{kind: "spark-versions", token: s.token})
}

func (s *session) NodeTypes(ctx context.Context) ([]compute.NodeType, error) {
	return nil, s.take(ctx, call{kind: "node-types", token: s.token})
}

func (s *session) Policies(ctx context.Context) (map[string]string, error) {
	return nil, s.take(ctx, call{kind: "policies", token: s.token})
}

func (s *session) InstancePools(ctx context.Context) (map[string]string, error) {
	return nil, s.take(ctx, call{kind: "instance-pools", token: s.token})
}
