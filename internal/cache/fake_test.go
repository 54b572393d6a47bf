package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/iam"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// remote is a fake workspace.
type remote struct {
	// latency is the duration of every call.
	latency time.Duration

	mu sync.Mutex
	// fault returns the error of a call that fails without an effect; nil for none.
	fault func(made call) error
	// edit changes a page before it is returned, unless it is nil.
	edit     func(query databricks.ListQuery, page *databricks.ListPage)
	clusters map[string]compute.ClusterDetails
	// ids are the sorted ids of clusters; nil if they must be sorted again.
	ids      []string
	unlisted map[string]bool
	// items are those of each collection, by id.
	items map[*databricks.Collection]map[string]databricks.Item
	// withoutSpec has the clusters whose GETs return no spec.
	withoutSpec map[string]bool
	// specs are those that a test set.
	specs map[string]json.RawMessage
	// workspaceIDs are the ids that Me returns, by token.
	workspaceIDs map[string]string
	calls        []call
	// libraryStatus is the status of every cluster's library.
	libraryStatus compute.LibraryInstallStatus
	// violating are the clusters that violate their policy.
	violating map[string]bool
	// endlessCompliance makes the pages of the compliance of a policy never end.
	endlessCompliance bool
}

// call is one request that the remote received.
type call struct {
	kind, id, token string
	at              time.Time
	err             error
}

// errHang is the fault of a call that is not answered before its deadline.
var errHang = errors.New("no answer")

func newRemote() *remote {
	return &remote{
		latency: 20 * time.Millisecond, clusters: map[string]compute.ClusterDetails{},
		unlisted: map[string]bool{}, items: map[*databricks.Collection]map[string]databricks.Item{}, withoutSpec: map[string]bool{}, specs: map[string]json.RawMessage{}, workspaceIDs: map[string]string{},
	}
}

// failWith sets the fault of later calls.
func (r *remote) failWith(fault func(made call) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = fault
}

// refuse makes the workspace answer later calls with these tokens with 401.
func (r *remote) refuse(tokens ...string) {
	r.failWith(func(made call) error {
		if slices.Contains(tokens, made.token) {
			return errRefused
		}
		return nil
	})
}

// editPages sets the function that changes later pages.
func (r *remote) editPages(edit func(query databricks.ListQuery, page *databricks.ListPage)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.edit = edit
}

// omitSpec sets whether GETs of a cluster return its spec.
func (r *remote) omitSpec(id string, omitted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.withoutSpec[id] = omitted
}

// editSpec sets the spec that GETs of a cluster return.
func (r *remote) editSpec(id, spec string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.specs[id] = json.RawMessage(spec)
}

// log returns the calls so far.
func (r *remote) log() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// put sets the state of a cluster, which it creates if necessary.
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

// putItem adds an item, or replaces the one with its id. value is the value of a member
// that the SDK does not know.
func (r *remote) putItem(of *databricks.Collection, id, name, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.items[of] == nil {
		r.items[of] = map[string]databricks.Item{}
	}
	r.items[of][id] = databricks.Item{ID: id, Name: name, JSON: json.RawMessage(`{"name":"` + name + `","new":"` + value + `"}`)}
}

func (r *remote) removeItem(of *databricks.Collection, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.items[of], id)
}

// fill creates running clusters and returns their ids.
func (r *remote) fill(prefix string, count int) []string {
	ids := make([]string, count)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%05d", prefix, i)
		r.put(ids[i], compute.StateRunning)
	}
	return ids
}

// receive records a call and returns its fault.
func (r *remote) receive(ctx context.Context, made call) error {
	made.at = time.Now()
	r.mu.Lock()
	var err error
	if r.fault != nil {
		err = r.fault(made)
	}
	made.err = err
	r.calls = append(r.calls, made)
	r.mu.Unlock()
	answered := time.After(r.latency)
	if errors.Is(err, errHang) {
		answered = nil
	}
	select {
	case <-answered:
		return err
	case <-ctx.Done():
		return &databricks.Error{Class: databricks.ClassTransient, Message: "no answer within the deadline"}
	}
}

// calledWhere returns the number of selected calls since a time.
func (r *remote) calledWhere(since time.Time, selected func(call) bool) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, made := range r.calls {
		if !made.at.Before(since) && selected(made) {
			n++
		}
	}
	return n
}

// count returns the number of calls of a kind since a time; "" counts all kinds.
func (r *remote) count(kind string, since time.Time) int {
	return r.calledWhere(since, func(made call) bool { return kind == "" || made.kind == kind })
}

// countOf returns the number of calls for one cluster since a time.
func (r *remote) countOf(id string, since time.Time) int {
	return r.calledWhere(since, func(made call) bool { return made.kind != "list" && made.id == id })
}

// countBy returns the number of calls of a kind with a token since a time.
func (r *remote) countBy(token, kind string, since time.Time) int {
	return r.calledWhere(since, func(made call) bool { return made.token == token && (kind == "" || made.kind == kind) })
}

func (r *remote) failed(class databricks.Class, since time.Time) int {
	return r.calledWhere(since, func(made call) bool { return databricks.ClassOf(made.err) == class })
}

// session is the remote's client with one credential.
type session struct {
	*remote
	databricks.Writer
	token string
}

// LibraryStatuses returns one library for each cluster.
func (s *session) LibraryStatuses(ctx context.Context, id string) ([]compute.LibraryFullStatus, error) {
	err := s.receive(ctx, call{kind: "libraries", id: id, token: s.token})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return []compute.LibraryFullStatus{{Library: &compute.Library{Jar: "/" + id + ".jar"}, Status: s.libraryStatus}}, nil
}

func (s *session) Me(ctx context.Context) (databricks.Principal, error) {
	if err := s.receive(ctx, call{kind: "me", token: s.token}); err != nil {
		return databricks.Principal{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name, _, _ := strings.Cut(s.token, "-")
	return databricks.Principal{ID: name, UserName: name + "@example.com", WorkspaceID: s.workspaceIDs[s.token]}, nil
}

// Permissions returns no grants.
func (s *session) Permissions(ctx context.Context, id string) ([]compute.ClusterAccessControlResponse, error) {
	return nil, s.receive(ctx, call{kind: "permissions", id: id, token: s.token})
}

func (s *session) Get(ctx context.Context, id string) (databricks.Cluster, error) {
	s.mu.Lock()
	c, known := s.clusters[id]
	omitted, spec := s.withoutSpec[id], s.specs[id]
	s.mu.Unlock()
	if err := s.receive(ctx, call{kind: "get", id: id, token: s.token}); err != nil {
		return databricks.Cluster{}, err
	}
	if !known {
		return databricks.Cluster{}, &databricks.Error{Class: databricks.ClassMissing, Code: "INVALID_PARAMETER_VALUE", Message: "Cluster " + id + " does not exist", Answered: true}
	}
	got := databricks.Cluster{Details: &c}
	switch {
	case omitted:
	case spec != nil:
		got.Spec = spec
	default:
		got.Spec = json.RawMessage(fmt.Sprintf(`{"cluster_name":%q,"num_workers":%d}`, c.ClusterName, c.NumWorkers))
	}
	return got, nil
}

func (s *session) List(ctx context.Context, query databricks.ListQuery) (databricks.ListPage, error) {
	kind := "list"
	if query.PinnedOnly {
		kind = "pins"
	}
	page := s.page(query)
	err := s.receive(ctx, call{kind: kind, id: query.PageToken, token: s.token})
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
	err := s.receive(ctx, call{kind: kind, id: id, token: s.token})
	if err == nil {
		effect()
	}
	return err
}

func (s *session) SparkVersions(ctx context.Context) ([]compute.SparkVersion, error) {
	return nil, s.receive(ctx, call{kind: "spark-versions", token: s.token})
}

func (s *session) NodeTypes(ctx context.Context) ([]compute.NodeType, error) {
	return nil, s.receive(ctx, call{kind: "node-types", token: s.token})
}

// Compliances returns pages of two clusters: all clusters of the workspace, of which those
// in violating violate the policy.
func (s *session) Compliances(ctx context.Context, policyID, token string) (databricks.CompliancePage, error) {
	if err := s.receive(ctx, call{kind: "compliance", id: policyID, token: s.token}); err != nil {
		return databricks.CompliancePage{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := slices.Sorted(maps.Keys(s.clusters))
	from, _ := strconv.Atoi(token)
	to := min(from+2, len(ids))
	var page databricks.CompliancePage
	for _, id := range ids[from:to] {
		page.Clusters = append(page.Clusters, compute.ClusterCompliance{ClusterId: id, IsCompliant: !s.violating[id]})
	}
	if to < len(ids) || s.endlessCompliance {
		page.NextPageToken = strconv.Itoa(to % len(ids))
	}
	return page, nil
}

// Items returns the items that are not unlisted, in the order of their ids.
func (s *session) Items(ctx context.Context, of *databricks.Collection) ([]databricks.Item, error) {
	s.mu.Lock()
	var items []databricks.Item
	for _, id := range slices.Sorted(maps.Keys(s.items[of])) {
		if !s.unlisted[id] {
			items = append(items, s.items[of][id])
		}
	}
	s.mu.Unlock()
	return items, s.receive(ctx, call{kind: of.ListEndpoint(), token: s.token})
}

func (s *session) Item(ctx context.Context, of *databricks.Collection, id string) (databricks.Item, error) {
	s.mu.Lock()
	item, exists := s.items[of][id]
	s.mu.Unlock()
	err := s.receive(ctx, call{kind: of.GetEndpoint(), id: id, token: s.token})
	if err == nil && !exists {
		err = &databricks.Error{Class: databricks.ClassMissing, Message: "Can't find " + id, Answered: true}
	}
	return item, err
}

// ItemPermissions returns one entry with the id.
func (s *session) ItemPermissions(ctx context.Context, of *databricks.Collection, id string) ([]iam.AccessControlResponse, error) {
	return []iam.AccessControlResponse{{GroupName: id}}, s.receive(ctx, call{kind: of.PermissionsEndpoint(), id: id, token: s.token})
}

// CountClusters returns the number of clusters of the workspace.
func (s *session) CountClusters(ctx context.Context, policyID string) (databricks.ClusterCount, error) {
	s.mu.Lock()
	count := databricks.ClusterCount{Clusters: len(s.clusters)}
	s.mu.Unlock()
	return count, s.receive(ctx, call{kind: "count", id: policyID, token: s.token})
}

// fixture is a registry that runs against a remote in virtual time, with its objects.
type fixture struct {
	t *testing.T
	*Registry
	remote *remote
	// tokens are the tokens of the credentials, by fingerprint.
	tokens map[string]string
	// workspaces and interests are the last ones of each object.
	workspaces map[Object]*Workspace
	interests  map[Object]Interest
	stop       func()

	mu            sync.Mutex
	notifications map[Object]int
}

// inBubble runs a test in virtual time, as a subtest if it has tags. synctest checks
// that all its goroutines end.
func inBubble(t *testing.T, tags string, test func(t *testing.T)) {
	t.Helper()
	if tags == "" {
		synctest.Test(t, test)
		return
	}
	t.Run(tags, func(t *testing.T) { synctest.Test(t, test) })
}

// withRegistry runs a test in virtual time against one remote.
func withRegistry(t *testing.T, tags string, test func(t *testing.T, f *fixture)) {
	t.Helper()
	inBubble(t, tags, func(t *testing.T) {
		f := &fixture{
			t: t, remote: newRemote(), tokens: map[string]string{}, workspaces: map[Object]*Workspace{},
			interests: map[Object]Interest{}, notifications: map[Object]int{},
		}
		f.Registry = NewRegistry(Options{
			Dial: func(config databricks.Config) (Client, error) {
				return &session{remote: f.remote, token: f.tokens[config.Fingerprint()]}, nil
			},
			OnChange: func(objects []Object) {
				f.mu.Lock()
				defer f.mu.Unlock()
				for _, object := range objects {
					f.notifications[object]++
				}
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := f.Start(ctx); err != nil {
				t.Error(err)
			}
		}()
		f.stop = func() { cancel(); <-ended }
		defer f.stop()
		test(t, f)
	})
}

const testHost = "https://adb-1.2.azuredatabricks.net"

// secret returns the config of a Secret with these keys. The remote records its calls
// with the token.
func (f *fixture) secret(token string, keys map[string]string) databricks.Config {
	f.t.Helper()
	data := map[string][]byte{"host": []byte(testHost)}
	for key, value := range keys {
		data[key] = []byte(value)
	}
	config, err := databricks.ParseSecret(data)
	if err != nil {
		f.t.Fatal(err)
	}
	f.tokens[config.Fingerprint()] = token
	return config
}

// client returns the config of a secret of an OAuth client: name-secret. All secrets of
// a client have the same authority.
func (f *fixture) client(secret string) databricks.Config {
	f.t.Helper()
	name, _, _ := strings.Cut(secret, "-")
	return f.secret(secret, map[string]string{"client_id": name, "client_secret": secret})
}

// token returns the config of a personal access token: user-token. Each token has its
// own authority.
func (f *fixture) token(token string) databricks.Config {
	f.t.Helper()
	return f.secret(token, map[string]string{"token": token})
}

// object returns the object "namespace/name". An object without a slash has a namespace
// of its own.
func object(path string) Object {
	namespace, name, found := strings.Cut(path, "/")
	if !found {
		name = path
	}
	return Object{Kind: "Test", Namespace: namespace, Name: name, UID: path}
}

// connect connects an object with the first secret of the client alice.
func (f *fixture) connect(object Object) *Workspace { return f.connectAs(object, "alice-1") }

// connectAs connects an object with a secret of a client.
func (f *fixture) connectAs(object Object, secret string) *Workspace {
	f.t.Helper()
	return f.mustConnect(object, f.client(secret), "")
}

func (f *fixture) mustConnect(object Object, config databricks.Config, domain string) *Workspace {
	f.t.Helper()
	workspace, err := f.tryConnect(object, config, domain)
	if err != nil {
		f.t.Fatal(err)
	}
	return workspace
}

// tryConnect connects an object and retries after a WaitError.
func (f *fixture) tryConnect(object Object, config databricks.Config, domain string) (*Workspace, error) {
	f.t.Helper()
	for range 100 {
		workspace, err := f.Connect(object, config, domain)
		if wait, ok := errors.AsType[*WaitError](err); ok {
			<-time.After(time.Until(wait.At))
			continue
		}
		if err == nil {
			f.workspaces[object] = workspace
		}
		return workspace, err
	}
	f.t.Fatal("never connected")
	return nil, nil
}

// subscribe sets an object's interest and returns its view.
func (f *fixture) subscribe(object Object, interest Interest) View {
	f.t.Helper()
	f.interests[object] = interest
	return f.view(object)
}

// view returns the current view of an object.
func (f *fixture) view(object Object) View {
	f.t.Helper()
	return f.workspaces[object].Subscribe(f.interests[object])
}

// watch connects an object for each cluster, with the cluster's name, and returns the
// Workspace of the last one.
func (f *fixture) watch(ids ...string) (workspace *Workspace) {
	f.t.Helper()
	for _, id := range ids {
		workspace = f.connect(object(id))
		f.subscribe(object(id), Interest{ClusterID: id})
	}
	return workspace
}

// presence returns the presence of a cluster in the view of its object.
func (f *fixture) presence(id string) Presence { return f.view(object(id)).Cluster.Presence }

// state returns the state of a cluster in the view of its object.
func (f *fixture) state(id string) compute.State {
	if observed := f.view(object(id)).Cluster; observed.Cluster != nil {
		return observed.Cluster.State
	}
	return ""
}

// pass advances virtual time.
func (f *fixture) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// notified returns how often an object was notified since the last call for it.
func (f *fixture) notified(object Object) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.notifications[object]
	delete(f.notifications, object)
	return n
}

// notifiedObjects returns the number of objects notified since the last call.
func (f *fixture) notifiedObjects() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.notifications)
	clear(f.notifications)
	return n
}

// running returns the number of caches and limiters.
func (f *fixture) running() (caches, limiters int) {
	all, limits := f.snapshot()
	return len(all), len(limits)
}

type writeCall = func(context.Context, databricks.Writer) error

// write makes one attempt at a write.
func (f *fixture) write(workspace *Workspace, priority ratelimit.Priority, id string, call writeCall) error {
	return f.Writers().Do(f.t.Context(), workspace, Write{Priority: priority, Endpoint: "clusters/test", ClusterID: id}, call)
}

// mustWrite makes a write, retries it after a WaitError, and expects it to succeed.
func (f *fixture) mustWrite(workspace *Workspace, priority ratelimit.Priority, id string, call writeCall) {
	f.t.Helper()
	for range 1000 {
		err := f.write(workspace, priority, id, call)
		if wait, ok := errors.AsType[*WaitError](err); ok {
			<-time.After(time.Until(wait.At))
			continue
		}
		if err != nil {
			f.t.Fatal(err)
		}
		return
	}
	f.t.Fatal("the write was never permitted")
}

func start(id string) writeCall {
	return func(ctx context.Context, api databricks.Writer) error { return api.Start(ctx, id) }
}

func terminate(id string) writeCall {
	return func(ctx context.Context, api databricks.Writer) error { return api.Terminate(ctx, id) }
}

func permanentDelete(id string) writeCall {
	return func(ctx context.Context, api databricks.Writer) error { return api.PermanentDelete(ctx, id) }
}

func create(id string) writeCall {
	return func(ctx context.Context, api databricks.Writer) error {
		_, err := api.Create(ctx, databricks.CreateRequest{CreateCluster: compute.CreateCluster{ClusterName: id}})
		return err
	}
}
