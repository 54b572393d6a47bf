package controller_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// A host that accepts connections and never responds must not block the workers that serve
// other workspaces.
func TestAnUnresponsiveHostDelaysNoOther(t *testing.T) {
	t.Parallel()
	t.Run("[R7] [R8] fifty objects of an unresponsive host, and one of a healthy workspace", func(t *testing.T) {
		r := newRig(t)
		r.cacheOptions.RequestDeadline, r.options.ConnectDeadline = 30*time.Second, time.Minute
		unresponsive, reached := listenWithoutResponse(t)
		r.hosts = []string{unresponsive}
		r.putSecret("unresponsive", unresponsive, simulator.DefaultToken)
		r.start()
		for i := range 50 {
			r.create(r.small(fmt.Sprintf("unresponsive-%02d", i), func(s *v1alpha1.DatabricksClusterSpec) {
				s.Connection = &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: "unresponsive"}}
			}))
		}
		r.Eventually(reached).Should(BeClosed())
		healthy := r.small("healthy")
		began := time.Now()
		r.create(healthy)
		r.Eventually(func() int { return r.calls("clusters/create") }).WithTimeout(20 * time.Second).Should(Equal(1))
		t.Logf("the healthy workspace got its create after %s", time.Since(began))
		r.becomes(healthy, "Ready=Running")
		r.Expect(r.record.states("unresponsive-00")).To(BeEmpty(), "the status does not change before the deadline of the first answer")
	})

	t.Run("a late answer is reported as missing, and enqueues the object when it arrives", func(t *testing.T) {
		r := newRig(t)
		r.cacheOptions.RequestDeadline, r.options.ConnectDeadline = time.Minute, 300*time.Millisecond
		name := r.workspace.AddFault(simulator.Fault{Endpoint: "scim/me", Delay: 3 * time.Second})
		r.start()
		cluster := r.create(r.small("scratch"))
		waiting := r.becomes(cluster, "Reconciling=RetryingAfterError")
		r.Expect(message(waiting, "Ready")).To(ContainSubstring("has not answered yet"))
		r.workspace.RemoveFault(name)
		r.becomes(cluster, "Ready=Running")
	})
}

// listenWithoutResponse accepts connections without a response. It closes reached at the
// first one.
func listenWithoutResponse(t *testing.T) (url string, reached chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reached = make(chan struct{})
	var first sync.Once
	var taking sync.WaitGroup
	taking.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			first.Do(func() { close(reached) })
			t.Cleanup(func() { _ = connection.Close() })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		taking.Wait()
	})
	return "https://" + listener.Addr().String(), reached
}

// order is the order in which objects are reconciled.
type order struct {
	mu    sync.Mutex
	names []string
	// held blocks the reconciles until it is closed.
	held chan struct{}
}

// follow records the reconciles by the read of the object with which each begins.
func (o *order) follow() interceptor.Funcs {
	return interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
		if _, ok := into.(*v1alpha1.DatabricksCluster); ok {
			o.mu.Lock()
			o.names = append(o.names, key.Name)
			held := o.held
			o.mu.Unlock()
			<-held
		}
		return c.Get(ctx, key, into, options...)
	}}
}

// place returns the number of reconciles before the first one of an object.
func (o *order) place(name string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Index(o.names, name)
}

func (o *order) length() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.names)
}

// maxBefore is the number of reconciles that may precede that of an awaited object: those in
// progress, and the object's own.
const maxBefore = 10

func TestAwaitedObjectsAreReconciledFirst(t *testing.T) {
	const objects = 120
	settle := func(r *rig) {
		r.start()
		for i := range objects {
			r.create(r.small(fmt.Sprintf("old-%03d", i)))
		}
		r.Eventually(func() int { return len(r.ready()) }).WithTimeout(3 * time.Minute).Should(Equal(objects))
	}

	t.Run("[P4] a new object and one that was edited meanwhile, while a new process finds a fleet", func(t *testing.T) {
		r := newRig(t)
		settle(r)
		r.stop()
		r.edit(r.small("old-119"), func(c *v1alpha1.DatabricksCluster) { c.Spec.NumWorkers = new(int32(2)) })

		seen := &order{held: make(chan struct{})}
		r.intercept, r.options.Workers = seen.follow(), 1
		r.start()
		r.Eventually(seen.length).Should(Equal(1))
		r.create(r.small("new"))
		r.arrives("new")
		close(seen.held)
		r.Eventually(func() int { return seen.place("new") }).Should(BeNumerically(">=", 0))
		r.Eventually(seen.length).WithTimeout(time.Minute).Should(BeNumerically(">", objects))
		t.Logf("edited in place %d, new in place %d of %d", seen.place("old-119"), seen.place("new"), seen.length())
		r.Expect(seen.place("old-119")).To(BeNumerically("<", maxBefore))
		r.Expect(seen.place("new")).To(BeNumerically("<", maxBefore))
	})

	t.Run("[P4] an edit, while all clusters of a workspace changed", func(t *testing.T) {
		r := newRig(t)
		settle(r)
		r.stop()
		seen := &order{held: make(chan struct{})}
		close(seen.held)
		r.intercept, r.options.Workers = seen.follow(), 1
		r.start()
		r.Eventually(func(g Gomega) { // the operator has reconciled all of them
			before := seen.length()
			g.Expect(before).To(BeNumerically(">=", objects))
			g.Consistently(seen.length).Should(Equal(before))
		}).WithTimeout(time.Minute).Should(Succeed())

		seen.mu.Lock()
		seen.names, seen.held = nil, make(chan struct{})
		seen.mu.Unlock()
		for _, cluster := range r.live() {
			r.Expect(r.workspace.EndElsewhere(cluster.ID, simulator.TerminationReason{Code: "USER_REQUEST", Type: "SUCCESS"})).To(Succeed())
		}
		r.workspace.ClearRequests()
		r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/list")) }).Should(BeNumerically(">=", 4))
		r.edit(r.small("old-119"), func(c *v1alpha1.DatabricksCluster) { c.Spec.NumWorkers = new(int32(2)) })
		r.arrives("old-119")
		close(seen.held)
		r.Eventually(seen.length).WithTimeout(time.Minute).Should(BeNumerically(">", objects))
		t.Logf("edited in place %d of %d", seen.place("old-119"), seen.length())
		r.Expect(seen.place("old-119")).To(BeNumerically("<", maxBefore))
	})
}

// withShortTimeouts sets timeouts of calls to the workspace that an answer after lateAnswer
// exceeds.
func (r *rig) withShortTimeouts() {
	r.cacheOptions.RequestDeadline, r.options.Limits.RequestDeadline = lateAnswer/2, lateAnswer/2
}

const lateAnswer = 5 * time.Second

// ready returns the names of the objects that are Ready with a running cluster.
func (r *rig) ready() []string {
	var all v1alpha1.DatabricksClusterList
	r.Expect(r.api.List(r.t.Context(), &all, client.InNamespace(r.namespace))).To(Succeed())
	var names []string
	for i := range all.Items {
		if slices.Contains(conditions(&all.Items[i]), "Ready=Running") && all.Items[i].Status.AppliedDigest != "" {
			names = append(names, all.Items[i].Name)
		}
	}
	return names
}

// arrives waits until the test's watch delivered the current version of an object, and some
// time longer, for the operator's watch.
func (r *rig) arrives(name string) {
	r.t.Helper()
	shown := func() bool { return r.record.shows(r.get(r.small(name))) }
	r.Eventually(shown).Should(BeTrue())
	r.Consistently(shown).Should(BeTrue())
}

// traffic records the requests of the operator to the API server.
type traffic struct {
	mu sync.Mutex
	// writes are the writes, and watched the resources that are listed or watched.
	writes  []string
	watched map[string]bool
}

func (f *traffic) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes = nil
}

func (f *traffic) writeRequests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.writes)
}

func (f *traffic) kinds() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.watched))
}

type tripper func(*http.Request) (*http.Response, error)

func (t tripper) RoundTrip(request *http.Request) (*http.Response, error) { return t(request) }

// observed returns a configuration whose requests are recorded.
func (f *traffic) observed(config *rest.Config) *rest.Config {
	f.watched = map[string]bool{}
	copied := rest.CopyConfig(config)
	copied.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(request *http.Request) (*http.Response, error) {
			path := strings.Split(strings.Trim(request.URL.Path, "/"), "/")
			f.mu.Lock()
			switch {
			case request.Method != http.MethodGet:
				f.writes = append(f.writes, request.Method+" "+request.URL.Path)
			case request.URL.Query().Has("watch"), request.URL.Query().Has("limit"), request.URL.Query().Has("resourceVersion"):
				f.watched[path[len(path)-1]] = true
			}
			f.mu.Unlock()
			return next.RoundTrip(request)
		})
	})
	return copied
}

func TestARestartWithTwoHundredObjects(t *testing.T) {
	t.Parallel()
	t.Run("[P3] [P7] [S2] unchanged objects cost a new process pages, one Me and no write", func(t *testing.T) {
		const objects, pages = 200, 2
		r := newRig(t)
		r.cacheOptions.Slow = time.Minute
		// With a shorter debounce, the first objects of a slow machine are read by GET.
		r.cacheOptions.Settle = 500 * time.Millisecond
		recorded := &traffic{}
		r.kube = recorded.observed(kubernetes.Config)
		r.start()
		for i := range objects {
			r.create(r.small(fmt.Sprintf("fleet-%04d", i), everyDefault))
		}
		r.Eventually(func() int { return len(r.ready()) }).WithTimeout(3 * time.Minute).WithPolling(time.Second).Should(Equal(objects))
		r.Eventually(func(g Gomega) {
			before := r.record.total()
			g.Consistently(r.record.total).Should(Equal(before))
		}).WithTimeout(time.Minute).Should(Succeed())
		r.stop()

		recorded.reset()
		r.workspace.ClearRequests()
		seen := &order{held: make(chan struct{})}
		close(seen.held)
		r.intercept = seen.follow()
		began := time.Now()
		r.start()
		r.Eventually(func(g Gomega) {
			before := seen.length()
			g.Expect(before).To(BeNumerically(">=", objects))
			g.Expect(len(r.workspace.RequestsTo("clusters/list"))).To(BeNumerically(">=", pages))
			g.Consistently(seen.length).WithTimeout(2 * time.Second).Should(Equal(before))
		}).WithTimeout(2 * time.Minute).Should(Succeed())
		calls := map[string]int{}
		for _, request := range r.workspace.Requests() {
			calls[request.Endpoint]++
		}
		t.Logf("%d objects settled within %s: calls %v, %d passes", objects, time.Since(began), calls, seen.length())
		r.Expect(recorded.writeRequests()).To(BeEmpty(), "writes to the API server")
		r.Expect(calls).To(HaveKeyWithValue("scim/me", 1))
		// A list for the objects, one for the orphans, and Me. If few clusters are due,
		// each may be read by a GET instead.
		r.Expect(len(r.workspace.Requests())).To(BeNumerically("<=", 2*pages+1+3), "calls: %v", calls)
		r.Expect(r.writes()).To(BeEmpty())
		// Objects of other kinds are read one by one.
		r.Expect(recorded.kinds()).To(ConsistOf("databricksclusters", "databricksclusterpolicies", "databricksinstancepools"))
	})
}

func TestTheCacheHasOnlyUsedData(t *testing.T) {
	t.Parallel()
	t.Run("[P8] fields that the cache lacks stay in the object", func(t *testing.T) {
		r := newRig(t)
		foreign := map[string]string{
			corev1.LastAppliedConfigAnnotation: strings.Repeat("{}", 10_000),
			"example.com/note":                 "kept",
		}
		own := v1alpha1.AnnotationRequest
		var mu sync.Mutex
		var cached []string
		r.intercept.Get = func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
			err := c.Get(ctx, key, into, options...)
			if _, ok := into.(*v1alpha1.DatabricksCluster); ok && err == nil {
				mu.Lock()
				defer mu.Unlock()
				cached = append(cached, slices.Collect(maps.Keys(into.GetAnnotations()))...)
				if into.GetManagedFields() != nil {
					cached = append(cached, "managedFields")
				}
			}
			return err
		}
		r.start()
		cluster := r.small("scratch")
		cluster.Annotations = maps.Clone(foreign)
		cluster.Labels = map[string]string{"team": "a"}
		cluster.Finalizers = []string{"example.com/other"}
		r.create(cluster)
		r.becomes(cluster, "Ready=Running")
		r.edit(cluster, func(c *v1alpha1.DatabricksCluster) {
			c.Spec.NumWorkers = new(int32(3))
			c.Annotations[own] = "terminate@1"
		})
		r.Eventually(func() string {
			if request := r.get(cluster).Status.Request; request != nil {
				return string(request.Phase)
			}
			return ""
		}).Should(Equal(string(v1alpha1.RequestSucceeded)))
		r.becomes(cluster, "Ready=TerminatedNormally")

		now := r.get(cluster)
		wanted := maps.Clone(foreign)
		wanted[own] = "terminate@1"
		r.Expect(now.Annotations).To(Equal(wanted))
		r.Expect(now.Labels).To(Equal(map[string]string{"team": "a"}))
		r.Expect(now.Finalizers).To(ConsistOf("example.com/other", v1alpha1.FinalizerCluster))
		r.remove(cluster)
		r.Eventually(func() []string { return r.get(cluster).Finalizers }).Should(Equal([]string{"example.com/other"}))
		r.Expect(r.get(cluster).Annotations).To(Equal(wanted))
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(cached)
		r.Expect(slices.Compact(cached)).To(Equal([]string{own}))
	})
}

// shards are two operators that share a namespace by label. The patches of each are
// recorded.
type shards struct {
	*rig
	mu      sync.Mutex
	touched map[string][]string
}

func newShards(t *testing.T) *shards {
	t.Helper()
	s := &shards{rig: newRig(t), touched: map[string][]string{}}
	s.options.SeesAllNamespaces = false
	for _, shard := range []string{"a", "b"} {
		selector, err := labels.Parse("shard=" + shard)
		s.Expect(err).NotTo(HaveOccurred())
		s.options.Scope.Labels = selector
		note := func(object client.Object) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.touched[shard] = append(s.touched[shard], object.GetName())
		}
		s.intercept = interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
				note(object)
				return c.Patch(ctx, object, patch, options...)
			},
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
				note(object)
				return c.SubResource(sub).Patch(ctx, object, patch, options...)
			},
		}
		s.start()
	}
	return s
}

// touches returns the names of the objects that a shard has written.
func (s *shards) touches(shard string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(s.touched[shard])))
}

func (s *shards) of(shard, name string, change ...func(*v1alpha1.DatabricksClusterSpec)) *v1alpha1.DatabricksCluster {
	cluster := s.small(name, change...)
	cluster.Labels = map[string]string{"shard": shard}
	return s.create(cluster)
}

func TestShards(t *testing.T) {
	t.Parallel()
	t.Run("each reconciles its own objects, and none without a shard", func(t *testing.T) {
		s := newShards(t)
		unassigned := s.of("c", "unassigned")
		s.becomes(s.of("a", "first"), "Ready=Running")
		s.becomes(s.of("b", "second"), "Ready=Running")
		s.Expect(s.touches("a")).To(Equal([]string{"first"}))
		s.Expect(s.touches("b")).To(Equal([]string{"second"}))
		s.Expect(s.get(unassigned).Finalizers).To(BeEmpty())
	})

	t.Run("an object that moves to another shard is not changed, and the former shard releases it", func(t *testing.T) {
		s := newShards(t)
		cluster := s.of("a", "moving")
		s.becomes(cluster, "Ready=Running")
		id := s.get(cluster).Status.ClusterID
		s.edit(cluster, func(c *v1alpha1.DatabricksCluster) {
			c.Labels["shard"] = "b"
			c.Spec.NumWorkers = new(int32(3))
		})
		s.Eventually(func() *int32 { return s.get(cluster).Status.TargetWorkers }).Should(HaveValue(Equal(int32(3))))
		s.becomes(cluster, "Ready=Running")
		s.Expect(s.get(cluster).Status.ClusterID).To(Equal(id))
		s.Expect(s.writes()).To(Equal([]string{"create", "resize"}))
		s.Expect(s.touches("b")).To(Equal([]string{"moving"}))

		s.mu.Lock()
		s.touched["a"] = nil
		s.mu.Unlock()
		s.remove(cluster)
		s.gone(cluster)
		s.Expect(s.live()).To(BeEmpty())
		s.Expect(s.touches("a")).To(BeEmpty())
	})

	t.Run("an object that moves while the response of its create is lost has one cluster", func(t *testing.T) {
		s := newShards(t)
		s.workspace.AddFault(simulator.Fault{Endpoint: "clusters/create", When: simulator.After, Times: 1, Drop: true})
		cluster := s.of("a", "moving")
		s.Eventually(func() bool { return s.get(cluster).Status.Creation != nil }).Should(BeTrue())
		s.edit(cluster, func(c *v1alpha1.DatabricksCluster) { c.Labels["shard"] = "b" })
		s.becomes(cluster, "Ready=Running")
		s.Expect(s.calls("clusters/create")).To(Equal(1))
		s.Expect(s.live()).To(HaveLen(1))
	})

	t.Run("[case-55] two shards do not adopt one cluster", func(t *testing.T) {
		s := newShards(t)
		id := s.addForeignCluster(simulator.Seed{State: "RUNNING", Spec: map[string]any{"num_workers": 1}})
		adopt := func(spec *v1alpha1.DatabricksClusterSpec) {
			*spec = v1alpha1.DatabricksClusterSpec{}
			spec.ClusterID = id
		}
		first := s.of("a", "first", adopt)
		s.becomes(first, "Ready=Running")
		s.becomes(s.of("b", "second", adopt), "Stalled=AlreadyManaged")
		s.Expect(conditions(s.get(first))).To(ContainElement("Ready=Running"))
	})
}
