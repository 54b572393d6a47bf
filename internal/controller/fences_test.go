package controller_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

const anotherOwner = "deadbeef-11111111-2222-3333-4444-555555555555"

// retag changes the owner tag of a cluster, as the adoption by another operator does.
func (r *rig) retag(id, owner string) {
	r.t.Helper()
	r.Expect(r.workspace.EditElsewhere(id, map[string]any{"custom_tags": map[string]any{v1alpha1.OwnerTagKey: owner}})).To(Succeed())
}

// patchStatus changes a status, as an administrator can if no admission policy refuses it.
func (r *rig) patchStatus(cluster *v1alpha1.DatabricksCluster, merge string) {
	r.t.Helper()
	r.Expect(r.api.Status().Patch(r.t.Context(), cluster.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(merge)))).To(Succeed())
}

func TestTheOwnerTagStopsEveryWrite(t *testing.T) {
	t.Parallel()
	for name, tags := range map[string]bool{"tags": true, "does not tag": false} {
		t.Run("[case-82] a former owner writes nothing, and its deletion does not change the cluster; the operator "+name, func(t *testing.T) {
			r := newRig(t)
			r.options.OwnerTag = tags
			cluster := r.running(fixed(2))
			r.retag(cluster.Status.ClusterID, anotherOwner)
			stalled := r.becomes(cluster, "Stalled=AlreadyManaged")
			r.Expect(message(stalled, "Stalled")).To(ContainSubstring(anotherOwner))
			r.editSpec(cluster, fixed(5))
			r.Eventually(func() int64 { return r.get(cluster).Status.ObservedGeneration }).Should(Equal(r.get(cluster).Generation))
			r.Consistently(r.writes).Should(BeEmpty())
			r.remove(cluster)
			r.gone(cluster)
			r.Expect(r.writes()).To(BeEmpty())
			r.Expect(r.live()).To(HaveLen(1))
			r.Eventually(func() []string { return r.events(cluster) }).Should(ContainElement("Retained"))
		})
	}

	t.Run("[case-82] the tag changes while the object is deleted, and the cluster stays", func(t *testing.T) {
		r := newRig(t)
		r.cacheOptions.Slow = time.Hour
		cluster := r.running()
		r.retag(cluster.Status.ClusterID, anotherOwner)
		r.remove(cluster)
		r.gone(cluster)
		r.Expect(r.writes()).To(BeEmpty())
		r.Expect(r.live()).To(HaveLen(1))
	})

	t.Run("[case-74] the tag prevents writes to a cluster with a forged id", func(t *testing.T) {
		r := newRig(t)
		victim := r.running(fixed(2))
		forger := r.becomes(r.create(r.small("forger", fixed(7))), "Ready=Running")
		r.workspace.ClearRequests()
		r.patchStatus(forger, fmt.Sprintf(`{"status": {"clusterID": %q}}`, victim.Status.ClusterID))
		r.becomes(forger, "Stalled=AlreadyManaged")
		r.remove(forger)
		r.gone(forger)
		r.Expect(r.writes()).To(BeEmpty())
		r.Expect(conditions(r.get(victim))).To(ContainElements("Ready=Running", "Synced=InSync"))
	})
}

func TestAHolderReleasesItsCluster(t *testing.T) {
	t.Parallel()
	holders := map[string]func(*rig, *v1alpha1.DatabricksCluster){
		"is deleted": func(r *rig, holder *v1alpha1.DatabricksCluster) { r.remove(holder) },
		"only observes": func(r *rig, holder *v1alpha1.DatabricksCluster) {
			r.editSpec(holder, func(s *v1alpha1.DatabricksClusterSpec) { s.ManagementPolicy = v1alpha1.ManagementPolicyObserve })
		},
	}
	for name, goes := range holders {
		t.Run("[case-83] the holder "+name+", and the other object adopts the cluster at once", func(t *testing.T) {
			r := newRig(t)
			r.cacheOptions.Slow = time.Hour
			id := r.addForeignCluster(simulator.Seed{State: "RUNNING"})
			r.start()
			first := r.create(r.adopting("first", id, fixed(1)))
			r.becomes(first, "Ready=Running")
			second := r.create(r.adopting("second", id, fixed(1)))
			r.becomes(second, "Stalled=AlreadyManaged")
			goes(r, first)
			r.Eventually(func() []string { return conditions(r.get(second)) }).WithTimeout(5 * time.Second).Should(ContainElement("Ready=Running"))
			r.Expect(r.writes()).To(BeEmpty())
		})
	}
}

// outdatedReads makes the operator read the old version of every object that it read before,
// between the calls of begin and end, as if its watch hung.
func (r *rig) outdatedReads() (begin, end func()) {
	var mu sync.Mutex
	var isOutdated bool
	seen := map[client.ObjectKey]*v1alpha1.DatabricksCluster{}
	r.intercept.Get = func(ctx context.Context, inner client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
		err := inner.Get(ctx, key, object, options...)
		cluster, ok := object.(*v1alpha1.DatabricksCluster)
		if !ok || err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if old := seen[key]; isOutdated && old != nil {
			old.DeepCopyInto(cluster)
			return nil
		}
		seen[key] = cluster.DeepCopy()
		return nil
	}
	set := func(value bool) func() {
		return func() {
			mu.Lock()
			defer mu.Unlock()
			isOutdated = value
		}
	}
	return set(true), set(false)
}

func TestIrreversibleWritesNeedTheNewestObject(t *testing.T) {
	t.Parallel()
	refused := simulator.Fault{Name: "failing", Status: http.StatusServiceUnavailable, ErrorCode: "TEMPORARILY_UNAVAILABLE"}
	for name, row := range map[string]struct {
		policy   v1alpha1.DeletionPolicy
		endpoint string
		change   specChange
	}{
		"[case-92] Retain, before a permanent-delete":     {"", "clusters/permanent-delete", func(s *v1alpha1.DatabricksClusterSpec) { s.DeletionPolicy = v1alpha1.DeletionPolicyRetain }},
		"[case-92] protection, before a permanent-delete": {"", "clusters/permanent-delete", func(s *v1alpha1.DatabricksClusterSpec) { s.DeletionProtection = true }},
		"[case-92] Retain, before a terminate":            {v1alpha1.DeletionPolicyTerminate, "clusters/delete", func(s *v1alpha1.DatabricksClusterSpec) { s.DeletionPolicy = v1alpha1.DeletionPolicyRetain }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			begin, end := r.outdatedReads()
			cluster := r.running(func(s *v1alpha1.DatabricksClusterSpec) { s.DeletionPolicy = row.policy })
			fault := refused
			fault.Endpoint = row.endpoint
			r.workspace.AddFault(fault)
			r.remove(cluster)
			r.Eventually(func() int { return len(r.workspace.RequestsTo(row.endpoint)) }).Should(BeNumerically(">=", 1))
			begin()
			r.editSpec(cluster, row.change)
			r.workspace.ClearFaults()
			r.Consistently(func() int { return r.calls(row.endpoint) }).WithTimeout(6 * time.Second).Should(BeZero())
			r.Expect(string(r.live()[0].State)).To(Equal("RUNNING"))
			end()
			if r.get(cluster).Spec.DeletionProtection {
				r.becomes(cluster, "Stalled=DeletionBlocked")
				return
			}
			r.gone(cluster)
			r.Expect(r.calls(row.endpoint)).To(BeZero())
		})
	}
}

// holdFirstID blocks the first patch that stores a cluster's id until release is closed,
// and closes storing when the patch begins.
func (r *rig) holdFirstID() (storing, release chan struct{}) {
	storing, release = make(chan struct{}), make(chan struct{})
	var once sync.Once
	r.intercept.SubResourcePatch = func(ctx context.Context, inner client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
		if cluster, ok := object.(*v1alpha1.DatabricksCluster); ok && cluster.Status.ClusterID != "" {
			once.Do(func() {
				close(storing)
				<-release
			})
		}
		return inner.SubResource(sub).Patch(ctx, object, patch, options...)
	}
	return storing, release
}

func TestAnIDThatIsStoredLate(t *testing.T) {
	t.Parallel()
	t.Run("[case-89] is never stored in another object of the same name", func(t *testing.T) {
		r := newRig(t)
		storing, release := r.holdFirstID()
		r.start()
		first := r.create(r.small("scratch", func(s *v1alpha1.DatabricksClusterSpec) { s.DeletionPolicy = v1alpha1.DeletionPolicyRetain }))
		<-storing
		lost := r.live()[0].ID
		r.remove(first)
		r.edit(first, func(c *v1alpha1.DatabricksCluster) { c.Finalizers = nil })
		r.gone(first)
		second := r.create(r.small("scratch", fixed(4)))
		// The second object has a creation of another leader in progress.
		r.patchStatus(second, fmt.Sprintf(`{"status": {"creation": {"token": "%s-1", "incarnation": 1, "attempt": 1, "notAfter": %q}}}`,
			r.get(second).UID, time.Now().Add(time.Second).UTC().Format(time.RFC3339)))
		close(release)
		ready := r.becomes(second, "Ready=Running")
		r.Expect(ready.Status.ClusterID).NotTo(Equal(lost))
		r.Expect(ready.UID).NotTo(Equal(first.UID))
		r.Expect(r.calls("clusters/resize")).To(BeZero())
		r.Eventually(func() []string { return r.events(first) }).Should(ContainElement("ClusterNotStored"))
		r.Expect(r.live()).To(HaveLen(2))
	})

	t.Run("[case-89] is stored although its object was edited meanwhile", func(t *testing.T) {
		r := newRig(t)
		storing, release := r.holdFirstID()
		r.start()
		cluster := r.create(r.small("scratch"))
		<-storing
		r.editSpec(cluster, fixed(3))
		close(release)
		r.becomes(cluster, "Ready=Running")
		r.inSync(cluster)
		r.Expect(r.live()).To(HaveLen(1))
		r.Expect(r.workspace.RequestsTo("clusters/create")).To(HaveLen(1))
	})
}

func TestAnIntentThatCannotBePersisted(t *testing.T) {
	t.Parallel()
	resource := schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "databricksclusters"}
	for name, refusal := range map[string]error{
		"[case-91] the API server fails":          apierrors.NewServiceUnavailable("no etcd"),
		"[case-91] the API server refuses":        apierrors.NewForbidden(resource, "x", fmt.Errorf("a policy")),
		"[case-91] admission answers a conflict":  apierrors.NewConflict(resource, "x", fmt.Errorf("a policy")),
		"[case-91] the API server is not reached": fmt.Errorf("dial tcp: connection refused"),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.options.WriteBackoff = 2 * time.Second
			var attempts atomic.Int64
			var well atomic.Bool
			r.intercept.SubResourcePatch = func(ctx context.Context, inner client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
				cluster, ok := object.(*v1alpha1.DatabricksCluster)
				if ok && cluster.Status.Creation != nil && cluster.Status.Creation.Token != "" && !well.Load() {
					attempts.Add(1)
					return refusal
				}
				return inner.SubResource(sub).Patch(ctx, object, patch, options...)
			}
			r.start()
			const objects = 12
			for i := range objects {
				r.create(r.small(fmt.Sprint("held-", i)))
			}
			r.Eventually(attempts.Load).Should(BeNumerically(">=", 1))
			r.Consistently(attempts.Load).WithTimeout(8 * time.Second).Should(BeNumerically("<=", 10))
			r.Expect(r.workspace.RequestsTo("clusters/create")).To(BeEmpty())
			well.Store(true)
			for i := range objects {
				r.becomes(r.small(fmt.Sprint("held-", i)), "Ready=Running")
			}
			r.Expect(r.live()).To(HaveLen(objects))
		})
	}

	t.Run("[case-91] the API server does not store the intent, and no cluster is created", func(t *testing.T) {
		r := newRig(t)
		var well atomic.Bool
		r.intercept.SubResourcePatch = func(ctx context.Context, inner client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			cluster, ok := object.(*v1alpha1.DatabricksCluster)
			if ok && cluster.Status.Creation != nil && cluster.Status.Creation.Token != "" && !well.Load() {
				return inner.Get(ctx, client.ObjectKeyFromObject(cluster), cluster)
			}
			return inner.SubResource(sub).Patch(ctx, object, patch, options...)
		}
		r.options.WriteBackoff = time.Second
		r.start()
		cluster := r.create(r.small("scratch"))
		r.Consistently(func() int { return len(r.workspace.RequestsTo("clusters/create")) }).WithTimeout(2 * time.Second).Should(BeZero())
		well.Store(true)
		r.becomes(cluster, "Ready=Running")
	})
}

func TestContention(t *testing.T) {
	t.Parallel()
	t.Run("[case-90] [R13] a size that another actor reverts is corrected three times, then slowly, also after a restart, until the object is edited", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running(fixed(2))
		id := cluster.Status.ClusterID
		for reversal := range 4 {
			r.Eventually(func() string { return string(r.live()[0].State) }).Should(Equal("RUNNING"))
			r.call(http.MethodPost, "/api/2.1/clusters/resize", `{"cluster_id": "`+id+`", "num_workers": 7}`)
			if reversal < 3 {
				r.Eventually(func() int { return r.calls("clusters/resize") }).Should(Equal(2 * (reversal + 1)))
			}
		}
		contended := r.becomes(cluster, "Synced!=Contended")
		r.Expect(conditions(contended)).To(ContainElement("Ready=Running"))
		r.Expect(message(contended, "Synced")).To(And(ContainSubstring("/numWorkers"), ContainSubstring(`"2"`), ContainSubstring(`"7"`)))
		r.Expect(contended.Status.Corrections).To(HaveLen(1))
		r.Expect(contended.Status.Corrections[0].Count).To(BeEquivalentTo(4))
		r.Eventually(func() []string { return r.events(cluster) }).Should(ContainElement("Contended"))
		r.stop()
		r.start()
		r.Consistently(func() int { return r.calls("clusters/resize") }).WithTimeout(2 * time.Second).Should(Equal(7))
		r.Expect(conditions(r.get(cluster))).To(ContainElement("Synced!=Contended"))

		r.editSpec(cluster, fixed(3))
		settled := r.inSync(cluster)
		r.Expect(settled.Status.Corrections).To(BeEmpty())
		r.Expect(r.calls("clusters/resize")).To(Equal(8))
	})

	t.Run("[case-90] [R13] a conf key under CorrectWithRestart restarts the cluster at most three times", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running(sparkConf("spark.speculation", "true"), func(s *v1alpha1.DatabricksClusterSpec) { s.DriftPolicy = v1alpha1.DriftPolicyCorrectWithRestart })
		for reversal := range 4 {
			r.Eventually(func() string { return string(r.live()[0].State) }).Should(Equal("RUNNING"))
			r.Expect(r.workspace.EditElsewhere(cluster.Status.ClusterID, map[string]any{"spark_conf": map[string]any{"spark.speculation": "false"}})).To(Succeed())
			r.Eventually(func() int { return r.calls("clusters/update") }).Should(Equal(min(reversal+1, 3)))
		}
		contended := r.becomes(cluster, "Synced!=Contended")
		r.Expect(message(contended, "Synced")).To(And(ContainSubstring("/sparkConf/spark.speculation"), ContainSubstring("[redacted]")))
		r.becomes(cluster, "Ready=Running")
		r.Consistently(func() int { return r.calls("clusters/update") }).WithTimeout(time.Second).Should(Equal(3))
	})

	t.Run("[case-90] [R13] a cluster that is stopped against runPolicy Running is started three times at once and then with backoff", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running(runs(v1alpha1.RunPolicyRunning))
		for reversal := range 4 {
			r.Eventually(func() string { return string(r.live()[0].State) }).Should(Equal("RUNNING"))
			r.becomes(cluster, "Running=Running")
			r.end(cluster.Status.ClusterID, "USER_REQUEST", "SUCCESS")
			r.Eventually(func() int { return r.calls("clusters/start") }).Should(Equal(min(reversal+1, 3)))
		}
		r.becomes(cluster, "Reconciling=Contended")
		r.becomes(cluster, "Synced!=Contended")
		r.Consistently(func() int { return r.calls("clusters/start") }).WithTimeout(time.Second).Should(Equal(3))
	})

	t.Run("[case-90] [R13] a cluster that is deleted elsewhere is created again three times at once and then with backoff", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running()
		for reversal := range 4 {
			r.becomes(cluster, "Ready=Running")
			id := r.get(cluster).Status.ClusterID
			r.Expect(r.workspace.DeleteElsewhere(id)).To(Succeed())
			if reversal < 3 {
				r.Eventually(func() string { return r.get(cluster).Status.ClusterID }).ShouldNot(BeElementOf("", id))
			}
		}
		r.becomes(cluster, "Synced!=Contended")
		r.Consistently(func() int { return r.calls("clusters/create") }).WithTimeout(time.Second).Should(Equal(3))
	})
}

func TestALostIDIsFoundByTag(t *testing.T) {
	t.Parallel()
	for name, merge := range map[string]string{
		"[case-93] a lost status":           `{"status": {"clusterID": null, "creation": null, "host": null, "state": null}}`,
		"[case-93] the id of an older time": `{"status": {"clusterID": "0101-000000-gone1234", "creation": {"incarnation": 1}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			cluster := r.running()
			r.stop()
			r.Eventually(time.Now).Should(BeTemporally(">=", cluster.CreationTimestamp.Add(time.Second)))
			r.patchStatus(cluster, merge)
			r.start()
			r.Eventually(func() string { return r.get(cluster).Status.ClusterID }).Should(Equal(cluster.Status.ClusterID))
			r.becomes(cluster, "Ready=Running")
			r.Expect(r.live()).To(HaveLen(1))
			r.Expect(r.calls("clusters/create")).To(BeZero())
		})
	}
}

func TestASecondClusterOfAnExistingObjectIsReported(t *testing.T) {
	t.Parallel()
	t.Run("[case-93]", func(t *testing.T) {
		r := newRig(t)
		var orphans atomic.Int64
		r.options.OnOrphans = func(byHost map[string]int) { orphans.Store(int64(byHost[r.workspace.URL])) }
		cluster := r.running()
		r.Consistently(orphans.Load).Should(BeZero())
		twin := r.addForeignCluster(simulator.Seed{Source: "API", State: "RUNNING", Spec: map[string]any{"custom_tags": map[string]any{v1alpha1.OwnerTagKey: tagOf(cluster)}}})
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/get", Status: http.StatusServiceUnavailable})
		r.Eventually(orphans.Load).Should(Equal(int64(1)))
		r.Expect(r.workspace.DeleteElsewhere(twin)).To(Succeed())
		r.Eventually(orphans.Load).Should(BeZero())
	})
}

func TestAHeldStepReportsItsReason(t *testing.T) {
	t.Parallel()
	t.Run("[case-73] within ten seconds, by its reason", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running()
		r.workspace.AddFault(simulator.Fault{
			Endpoint: "clusters/create", Times: 1, Status: http.StatusTooManyRequests,
			ErrorCode: "RESOURCE_EXHAUSTED", Message: "Too many requests", Header: map[string]string{"Retry-After": "40"},
		})
		r.create(r.small("throttled"))
		r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/create")) }).Should(Equal(1))
		held := r.create(r.small("held"))
		r.Eventually(func() []string { return conditions(r.get(held)) }).WithTimeout(10 * time.Second).Should(ContainElement("Reconciling=RateLimited"))
		r.Expect(message(r.get(held), "Reconciling")).To(ContainSubstring("waiting for the workspace's request limit"))
		r.Expect(conditions(r.get(cluster))).To(ContainElement("Ready=Running"))
	})
}

func TestALongNameHasASelector(t *testing.T) {
	r := newRig(t)
	r.start()
	name := strings.Repeat("long-", 20) + "name"
	ready := r.becomes(r.create(r.small(name)), "Ready=Running")
	r.Expect(ready.Status.Selector).To(Equal(v1alpha1.SelectorFor(name)))
}
