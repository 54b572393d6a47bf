package cluster

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/controller/kubewrite"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// stage has an actor for one object, without the rest of a reconcile, so that each of its
// checks is tested without those before it.
type stage struct {
	Gomega
	api       client.Client
	workspace *simulator.Service
	actor     *actor
	observed  observation
	// read is the version of the object that the steps are decided for.
	read *v1alpha1.DatabricksCluster
}

func newStage(t *testing.T) *stage {
	t.Helper()
	g := NewWithT(t)
	scheme := runtime.NewScheme()
	g.Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	object := &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team-a", Name: "scratch", UID: "uid", Generation: 1, Finalizers: []string{v1alpha1.FinalizerCluster},
	}}
	api := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(object).WithObjects(object).Build()
	workspace, err := simulator.Start(t.Context(), simulator.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(workspace.Close()).To(Succeed()) })
	s := &stage{Gomega: g, api: api, workspace: workspace, read: &v1alpha1.DatabricksCluster{}}
	s.Expect(api.Get(t.Context(), client.ObjectKeyFromObject(object), s.read)).To(Succeed())
	s.connect(t)
	return s
}

// connect connects the object to the workspace.
func (s *stage) connect(t *testing.T) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.workspace.CAPEM)
	allowed, err := databricks.ParseAllowList([]string{s.workspace.URL})
	s.Expect(err).NotTo(HaveOccurred())
	transport := databricks.NewTransport(allowed, roots, nil)
	registry := cache.NewRegistry(cache.Options{
		Dial: func(config databricks.Config) (cache.Client, error) {
			return databricks.New(config, databricks.Options{Transport: transport, Version: "test"})
		},
		OnChange: func([]cache.Object) {},
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Expect(registry.Start(ctx)).To(Succeed()) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		transport.CloseIdleConnections()
	})
	config, err := databricks.ParseSecret(map[string][]byte{
		"DATABRICKS_HOST": []byte(s.workspace.URL), "DATABRICKS_TOKEN": []byte(simulator.DefaultToken),
	})
	s.Expect(err).NotTo(HaveOccurred())
	s.observed.Host = s.workspace.URL
	s.Eventually(func() (err error) {
		s.observed.workspace, err = registry.Connect(cache.Object{Namespace: "team-a", Name: "scratch", UID: "uid"}, config, "")
		return err
	}).WithTimeout(time.Minute).Should(Succeed())
	s.actor = &actor{
		client: s.api, uncached: s.api, kube: kubewrite.New(time.Second),
		writers: registry.Writers(), attempts: newAttemptStore(), options: Options{},
	}
}

// declares sets the specification that the steps send.
func (s *stage) declares(tree drift.Tree) { s.observed.Desired = tree }

// runs sets the specification of the cluster, which is running.
func (s *stage) runs(spec string) {
	s.observed.Details = &compute.ClusterDetails{State: compute.StateRunning}
	base, err := drift.Observe(s.observed.Details, json.RawMessage(spec))
	s.Expect(err).NotTo(HaveOccurred())
	s.observed.base = base
}

// stored returns the object in the API server.
func (s *stage) stored(t *testing.T) *v1alpha1.DatabricksCluster {
	t.Helper()
	stored := &v1alpha1.DatabricksCluster{}
	s.Expect(s.api.Get(t.Context(), client.ObjectKeyFromObject(s.read), stored)).To(Succeed())
	return stored
}

// elsewhere changes the object in the API server, so that the version that was read is
// outdated.
func (s *stage) elsewhere(t *testing.T, change func(*v1alpha1.DatabricksCluster)) {
	t.Helper()
	changed := s.stored(t)
	before := changed.DeepCopy()
	change(changed)
	s.Expect(s.api.Patch(t.Context(), changed.DeepCopy(), client.MergeFrom(before))).To(Succeed())
	s.Expect(s.api.Status().Patch(t.Context(), changed, client.MergeFrom(before))).To(Succeed())
}

// creation returns a create until a time.
func creation(notAfter time.Time) plan.Create {
	return plan.Create{Intent: managed.Intent{Token: "token", Incarnation: 1, Attempt: 1, NotAfter: notAfter}}
}

// small is a specification that a workspace accepts.
var small = drift.Tree{"node_type_id": "i3.xlarge", "spark_version": "16.4.x-scala2.12", "num_workers": float64(1)}

// Each of these creates is stopped by one check alone; the first one by none.
func TestACreateNeedsItsIntent(t *testing.T) {
	later := func() time.Time { return time.Now().Add(time.Minute) }

	t.Run("[R20] the create of a persisted intent is sent", func(t *testing.T) {
		s := newStage(t)
		s.declares(small)
		done := s.actor.create(t.Context(), s.read, s.observed, creation(later()))
		s.Expect(done.err).NotTo(HaveOccurred())
		s.Expect(done.Failure).To(BeNil())
		s.Expect(done.Created).NotTo(BeEmpty())
		s.Expect(s.stored(t).Status.Creation.Token).To(Equal("token"))
		s.Expect(s.workspace.RequestsTo("clusters/create")).To(HaveLen(1))
	})

	t.Run("[R20] [case-02] an intent of another process is not overwritten", func(t *testing.T) {
		s := newStage(t)
		s.declares(small)
		s.elsewhere(t, func(c *v1alpha1.DatabricksCluster) {
			c.Status.Creation = &v1alpha1.CreationIntent{Token: "other", Incarnation: 1, Attempt: 1}
		})
		done := s.actor.create(t.Context(), s.read, s.observed, creation(later()))
		s.Expect(done.err).To(HaveOccurred())
		s.Expect(s.stored(t).Status.Creation.Token).To(Equal("other"))
		s.Expect(s.workspace.RequestsTo("clusters/create")).To(BeEmpty())
	})

	t.Run("[R20] a process that was delayed after its intent creates nothing", func(t *testing.T) {
		s := newStage(t)
		s.declares(small)
		done := s.actor.create(t.Context(), s.read, s.observed, creation(time.Now()))
		s.Expect(done.err).To(MatchError(errTooLate))
		s.Expect(s.stored(t).Status.Creation.Token).To(Equal("token"), "the intent was persisted")
		s.Expect(s.workspace.RequestsTo("clusters/create")).To(BeEmpty())
	})

	t.Run("[R20] an intent takes the place of the former cluster", func(t *testing.T) {
		s := newStage(t)
		s.declares(small)
		s.elsewhere(t, func(c *v1alpha1.DatabricksCluster) { c.Status.ClusterID = "0101-000000-former" })
		s.read = s.stored(t)
		s.Expect(s.actor.declare(t.Context(), s.read, s.observed, creation(later()).Intent)).To(Succeed())
		s.Expect(s.stored(t).Status.ClusterID).To(BeEmpty())
		s.Expect(s.stored(t).Status.Creation.Token).To(Equal("token"))
	})
}

// A step that cannot be undone is not sent for an outdated version of its object, whatever
// decided it.
func TestEveryIrreversibleStepIsFenced(t *testing.T) {
	const id = "0101-000000-cluster"
	larger := []drift.Difference{{
		Path: "/node_type_id", Field: "node_type_id", Desired: "i3.xlarge", Actual: "i3.large", Requested: "i3.large",
	}}
	for endpoint, step := range map[string]plan.Step{
		"clusters/restart":            plan.Restart{ClusterID: id},
		"clusters/delete":             plan.Terminate{ClusterID: id},
		"clusters/permanent-delete":   plan.PermanentDelete{ClusterID: id},
		"clusters/unpin":              plan.Unpin{ClusterID: id},
		"clusters/update":             plan.Update{ClusterID: id, Method: plan.UpdateWithMask, Differences: larger},
		"clusters/edit":               plan.Update{ClusterID: id, Method: plan.EditWhole, Differences: larger},
		"policies/enforce-compliance": plan.EnforceCompliance{ClusterID: id},
	} {
		for name, row := range map[string]struct {
			change   func(*v1alpha1.DatabricksCluster)
			requests int
		}{
			"the newest object":   {func(*v1alpha1.DatabricksCluster) {}, 1},
			"an outdated object":  {func(c *v1alpha1.DatabricksCluster) { c.Spec.DeletionProtection = true }, 0},
			"an object that left": {func(c *v1alpha1.DatabricksCluster) { c.Finalizers = nil }, 0},
		} {
			t.Run("[R20] [case-92] "+endpoint+" of "+name, func(t *testing.T) {
				s := newStage(t)
				s.declares(small)
				s.runs(`{"node_type_id": "i3.large", "spark_version": "16.4.x-scala2.12", "num_workers": 1}`)
				s.elsewhere(t, row.change)
				done := s.actor.carryOut(t.Context(), s.read, s.observed, plan.Plan{Step: step})
				s.Expect(s.workspace.RequestsTo(endpoint)).To(HaveLen(row.requests))
				if row.requests == 0 {
					s.Expect(done.err).To(MatchError(errChanged))
				}
			})
		}
	}
}
