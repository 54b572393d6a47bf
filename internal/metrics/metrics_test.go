package metrics

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

const host = "https://adb-1.1.azuredatabricks.net"

// inMemory is a fake informer cache.
type inMemory struct {
	client.Reader
	clusters   []v1alpha1.DatabricksCluster
	policies   []v1alpha1.DatabricksClusterPolicy
	pools      []v1alpha1.DatabricksInstancePool
	workspaces []v1alpha1.DatabricksWorkspace
	err        error
}

func (m *inMemory) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	switch list := list.(type) {
	case *v1alpha1.DatabricksClusterList:
		list.Items = slices.Clone(m.clusters)
	case *v1alpha1.DatabricksClusterPolicyList:
		list.Items = slices.Clone(m.policies)
	case *v1alpha1.DatabricksInstancePoolList:
		list.Items = slices.Clone(m.pools)
	case *v1alpha1.DatabricksWorkspaceList:
		list.Items = slices.Clone(m.workspaces)
	}
	return m.err
}

// fixedWorkspaces returns a fixed state.
type fixedWorkspaces struct {
	limiters []ratelimit.State
	caches   []cache.State
}

func (k *fixedWorkspaces) Limiters() []ratelimit.State { return k.limiters }
func (k *fixedWorkspaces) Caches() []cache.State       { return k.caches }

// everything returns a state that has every metric.
func everything() (*State, *inMemory, *fixedWorkspaces) {
	objects := &inMemory{
		clusters:   []v1alpha1.DatabricksCluster{cluster("RUNNING"), cluster("RUNNING"), cluster("QUIESCING"), cluster("")},
		policies:   make([]v1alpha1.DatabricksClusterPolicy, 2),
		pools:      make([]v1alpha1.DatabricksInstancePool, 4),
		workspaces: []v1alpha1.DatabricksWorkspace{{}},
	}
	objects.policies[0].Status.Host = host
	objects.policies[0].Status.Drift = make([]v1alpha1.DriftedField, 2)
	objects.policies[0].Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "True", Reason: "Available"}}
	objects.policies[1].Generation = 1
	objects.policies[1].Status.Host = host
	objects.policies[1].Status.Creation = &v1alpha1.CreationIntent{Token: "p", NotAfter: new(metav1.Unix(1500, 0))}
	for i, state := range []string{"ACTIVE", "STOPPED", "PAUSED", ""} {
		objects.pools[i].Status.Host, objects.pools[i].Status.State = host, state
	}
	objects.pools[0].Status.Stats = &v1alpha1.PoolStats{Used: 1, Idle: 2, PendingUsed: 3, PendingIdle: 4}
	objects.pools[1].Status.Stats = &v1alpha1.PoolStats{Used: 10}
	objects.pools[1].Status.Drift = make([]v1alpha1.DriftedField, 1)
	objects.pools[2].DeletionTimestamp = new(metav1.Unix(950, 0))
	objects.pools[3].Status.Creation = &v1alpha1.CreationIntent{Incarnation: 1}
	busy := &objects.clusters[0]
	busy.Generation = 2
	busy.DeletionTimestamp = new(metav1.Unix(1000, 0))
	busy.Status.Drift = make([]v1alpha1.DriftedField, 3)
	busy.Status.PendingChanges = []string{"/spec/sparkVersion"}
	busy.Status.Creation = &v1alpha1.CreationIntent{Token: "t", NotAfter: new(metav1.Unix(3000, 0))}
	objects.clusters[1].Status.Creation = &v1alpha1.CreationIntent{Token: "u", NotAfter: new(metav1.Unix(2000, 0))}
	objects.clusters[1].DeletionTimestamp = new(metav1.Unix(900, 0))
	objects.clusters[3].Status.Host = ""
	objects.workspaces[0].Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "True", Reason: "Connected"}}
	workspaces := &fixedWorkspaces{
		limiters: []ratelimit.State{{
			Name: host, Rate: 8, Learned: 10, HostUnavailable: true,
			UnavailableEndpoints: []string{"clusters/edit"}, Waits: map[ratelimit.Reason]int64{ratelimit.ReasonRateLimited: 6},
			Priorities: map[string]ratelimit.PriorityState{
				"change": {Granted: 5, Refused: 4, Throttled: 3, PausedUntil: time.Now().Add(time.Hour)},
				"deep":   {PausedUntil: time.Now().Add(-time.Hour)},
			},
		}},
		caches: []cache.State{{
			Host: host, Principal: "robot", Objects: 4, Watched: 3, Listed: 120, Pages: 2, ListedAt: time.Unix(500, 0),
			Health: cache.Health{Err: errors.New("no answer"), LastSuccess: time.Unix(600, 0)}, FailingClusters: 2, RejectedCredentials: 1,
		}, {
			Host: host, Principal: "robot", Objects: 1, Watched: 1, Listed: 100, ListedAt: time.Unix(550, 0), ClockSkew: -time.Minute,
		}},
	}
	orphans, calls := &Orphans{}, NewCalls()
	orphans.Found(map[string]int{host: 7})
	calls.Observer(host)(databricks.Call{Method: "GET", Endpoint: "clusters/get", StatusCode: 200, Duration: time.Second})
	return &State{Reader: objects, SharedWorkspaces: true, Workspaces: workspaces, Orphans: orphans, Calls: calls}, objects, workspaces
}

func cluster(state string) v1alpha1.DatabricksCluster {
	object := v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Generation: 1}}
	object.Status.ObservedGeneration = 1
	object.Status.Host, object.Status.State, object.Status.NumWorkers = host, state, new(int32(2))
	object.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "True", Reason: "Running"}}
	return object
}

// gather returns the values of all series of a scrape.
func gather(t *testing.T, state *State) map[string]float64 {
	t.Helper()
	series := map[string]float64{}
	families, err := registryOf(t, state).Gather()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetValue())
			}
			name := fmt.Sprint(strings.TrimPrefix(family.GetName(), namespace+"_"), labels)
			series[name] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return series
}

// registryOf returns a pedantic registry with the state.
func registryOf(t *testing.T, state *State) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	NewWithT(t).Expect(registry.Register(state)).To(Succeed())
	return registry
}

func TestTheSeriesOfAScrape(t *testing.T) {
	g := NewWithT(t)
	state, _, _ := everything()
	series := gather(t, state)
	left := series["gate_paused_seconds[change "+host+"]"]
	g.Expect(left).To(BeNumerically("~", 3600, 60))
	delete(series, "gate_paused_seconds[change "+host+"]")
	g.Expect(series).To(Equal(map[string]float64{
		"requests_total[200 clusters/get " + host + " GET]":         1,
		"request_duration_seconds[clusters/get " + host + "]":       1,
		"gate_allowed_requests_per_second[" + host + "]":            8,
		"gate_learned_requests_per_second[" + host + "]":            10,
		"gate_breaker_open[" + host + "]":                           1,
		"gate_granted_total[change " + host + "]":                   5,
		"gate_refused_total[change " + host + "]":                   4,
		"gate_throttled_total[change " + host + "]":                 3,
		"gate_granted_total[deep " + host + "]":                     0,
		"gate_refused_total[deep " + host + "]":                     0,
		"gate_throttled_total[deep " + host + "]":                   0,
		"gate_paused_seconds[deep " + host + "]":                    0,
		"gate_endpoint_unavailable[clusters/edit " + host + "]":     1,
		"gate_waits_total[" + host + " RateLimited]":                6,
		"mirror_objects[" + host + " robot]":                        5,
		"mirror_watched_clusters[" + host + " robot]":               4,
		"mirror_failing_clusters[" + host + " robot]":               2,
		"mirror_rejected_credentials[" + host + " robot]":           1,
		"mirror_clock_skew_seconds[" + host + " robot]":             -60,
		"mirror_listed_clusters[" + host + " robot]":                120,
		"mirror_list_pages[" + host + " robot]":                     2,
		"mirror_listed_timestamp_seconds[" + host + " robot]":       500,
		"mirror_read_timestamp_seconds[" + host + " robot]":         600,
		"mirror_failing[" + host + " robot]":                        1,
		"clusters[" + host + " RUNNING]":                            2,
		"clusters[" + host + " OTHER]":                              1,
		"clusters[ NONE]":                                           1,
		"cluster_workers[" + host + "]":                             6,
		"cluster_workers[]":                                         2,
		"drifted_clusters[" + host + "]":                            1,
		"drifted_clusters[]":                                        0,
		"drifted_fields[" + host + "]":                              3,
		"drifted_fields[]":                                          0,
		"deferred_clusters[" + host + "]":                           1,
		"deferred_clusters[]":                                       0,
		"open_creations[]":                                          3,
		"oldest_creation_deadline_timestamp_seconds[]":              1500,
		"cluster_policies[" + host + "]":                            2,
		"instance_pools[" + host + " ACTIVE]":                       1,
		"instance_pools[" + host + " STOPPED]":                      1,
		"instance_pools[" + host + " OTHER]":                        1,
		"instance_pools[" + host + " NONE]":                         1,
		"instance_pool_instances[" + host + " used]":                11,
		"instance_pool_instances[" + host + " idle]":                2,
		"instance_pool_instances[" + host + " pending_used]":        3,
		"instance_pool_instances[" + host + " pending_idle]":        4,
		"drifted_objects[" + host + " DatabricksClusterPolicy]":     1,
		"drifted_objects[" + host + " DatabricksInstancePool]":      1,
		"conditions[DatabricksClusterPolicy Available True Ready]":  1,
		"unobserved_objects[DatabricksClusterPolicy]":               1,
		"unobserved_objects[DatabricksInstancePool]":                0,
		"deleting_objects[DatabricksClusterPolicy]":                 0,
		"deleting_objects[DatabricksInstancePool]":                  1,
		"oldest_deletion_timestamp_seconds[DatabricksInstancePool]": 950,
		"conditions[DatabricksCluster Running True Ready]":          4,
		"conditions[DatabricksWorkspace Connected True Ready]":      1,
		"unobserved_objects[DatabricksCluster]":                     1,
		"unobserved_objects[DatabricksWorkspace]":                   0,
		"deleting_objects[DatabricksCluster]":                       2,
		"deleting_objects[DatabricksWorkspace]":                     0,
		"oldest_deletion_timestamp_seconds[DatabricksCluster]":      900,
		"orphaned_clusters[" + host + "]":                           7,
	}))
}

func TestAbsentObjectsHaveNoSeries(t *testing.T) {
	g := NewWithT(t)
	state, objects, workspaces := everything()
	*objects, *workspaces = inMemory{}, fixedWorkspaces{}
	state.Orphans.Found(nil)
	state.SharedWorkspaces = false
	series := gather(t, state)
	g.Expect(series).To(Equal(map[string]float64{
		"open_creations[]":                            0,
		"unobserved_objects[DatabricksCluster]":       0,
		"unobserved_objects[DatabricksClusterPolicy]": 0,
		"unobserved_objects[DatabricksInstancePool]":  0,
		"deleting_objects[DatabricksCluster]":         0,
		"deleting_objects[DatabricksClusterPolicy]":   0,
		"deleting_objects[DatabricksInstancePool]":    0,
	}))
}

func TestAScrapeWithoutTheInformerCacheHasTheOtherMetrics(t *testing.T) {
	g := NewWithT(t)
	state, objects, _ := everything()
	objects.err = errors.New("the cache is not started")
	series := gather(t, state)
	g.Expect(series).To(HaveKey("gate_breaker_open[" + host + "]"))
	g.Expect(series).NotTo(HaveKey("open_creations[]"))
}

func TestALabelHasFewValues(t *testing.T) {
	g := NewWithT(t)
	state, _, workspaces := everything()
	for _, status := range []int{0, 429, 777} {
		state.Calls.Observer(host)(databricks.Call{Method: "GET", Endpoint: "clusters/list", StatusCode: status})
	}
	second := workspaces.caches[0]
	workspaces.caches = append(workspaces.caches, second) // another principal of the same name
	second.Principal = "robot\xff"
	workspaces.caches = append(workspaces.caches, second)
	series := gather(t, state)
	for _, name := range []string{"none", "429", "other"} {
		g.Expect(series).To(HaveKeyWithValue("requests_total["+name+" clusters/list "+host+" GET]", 1.0))
	}
	g.Expect(series).To(HaveKey("mirror_objects[" + host + " robot?]"))
}

func TestCountersOfAnUnusedWorkspaceAreRemoved(t *testing.T) {
	g := NewWithT(t)
	state, _, workspaces := everything()
	limiters := workspaces.limiters
	workspaces.limiters = nil
	series := gather(t, state)
	g.Expect(series).NotTo(HaveKey(ContainSubstring("request")))
	workspaces.limiters = limiters
	state.Calls.Observer(host)(databricks.Call{Method: "GET", Endpoint: "clusters/get", StatusCode: 200})
	series = gather(t, state)
	g.Expect(series).To(HaveKeyWithValue("requests_total[200 clusters/get "+host+" GET]", 1.0))
}

func TestNamesFollowPrometheusConventions(t *testing.T) {
	g := NewWithT(t)
	state, _, _ := everything()
	families, err := registryOf(t, state).Gather()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(promlint.NewWithMetricFamilies(families).Lint()).To(BeEmpty())
}

func TestOneProcessRunsOneManagerAfterAnother(t *testing.T) {
	g := NewWithT(t)
	registry := prometheus.NewRegistry()
	for range 2 {
		state, _, _ := everything()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- (&exporter{registry: registry, collector: state, leader: true}).Start(ctx) }()
		g.Eventually(registry.Gather).WithTimeout(30 * time.Second).ShouldNot(BeEmpty())
		cancel()
		g.Expect(<-ended).To(Succeed())
		g.Expect(registry.Gather()).To(BeEmpty())
	}
}

var described = regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{(.*)\}\}$`)

func TestEveryMetricIsDocumentedAndEveryDocumentedOneExists(t *testing.T) {
	g := NewWithT(t)
	state, _, _ := everything()
	all := make(chan *prometheus.Desc, 100)
	state.Describe(all)
	close(all)
	have := map[string]string{namespace + "_build_info": "version"}
	for desc := range all {
		parts := described.FindStringSubmatch(desc.String())
		g.Expect(parts).NotTo(BeNil(), desc.String())
		have[parts[1]] = parts[2]
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "monitoring.md"))
	g.Expect(err).NotTo(HaveOccurred())
	documented := map[string]string{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if name := strings.Trim(cells[0], " `"); strings.HasPrefix(name, namespace) {
			documented[name] = strings.NewReplacer("`", "", " ", "").Replace(cells[2])
		}
	}
	g.Expect(documented).To(Equal(have))
}

// A scrape of many objects must be cheap.
func BenchmarkScrape(b *testing.B) {
	state, objects, _ := everything()
	for i := range 10_000 {
		object := cluster(knownStates[i%len(knownStates)])
		object.Status.Conditions = append(object.Status.Conditions,
			metav1.Condition{Type: "Synced", Status: "True", Reason: "InSync"}, metav1.Condition{Type: "Running", Status: "True", Reason: "Running"})
		objects.clusters = append(objects.clusters, object)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(state)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := registry.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
