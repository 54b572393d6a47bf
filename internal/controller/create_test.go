package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func TestCreateOnce(t *testing.T) {
	t.Parallel()
	eachSize(t, "[case-01] a new object is one create, with token and owner tag, and its id is stored before the object waits for anything", func(t *testing.T, size size) {
		r := size.rig(t)
		r.takes(func(t *simulator.Timings) { t.Launch = time.Hour })
		r.start()
		cluster := r.create(r.small("scratch"))
		r.Eventually(func() []string { return r.record.states("scratch") }).Should(Equal([]string{"PENDING"}))
		r.takes(func(t *simulator.Timings) { t.Launch = 0 })
		ready := r.becomes(cluster, "Ready=Running")

		creates := r.workspace.RequestsTo("clusters/create")
		r.Expect(creates).To(HaveLen(1))
		r.Expect(creates[0].Owner).To(Equal(tagOf(ready)))
		r.Expect(creates[0].IdempotencyToken).To(Equal(string(ready.UID) + "-1"))
		r.Expect(ready.Status.ClusterID).To(Equal(creates[0].ClusterID))
		r.Expect(ready.Status.Host).To(Equal(r.workspace.URL))
		r.Expect(ready.Status.Creation.Token).To(BeEmpty())
		r.Expect(conditions(ready)).To(ConsistOf("Ready=Running", "Synced=InSync", "Running=Running"))
		r.Eventually(func() []string { return r.record.states("scratch") }).Should(Equal([]string{"PENDING", "RUNNING"}))
		r.Eventually(func() []string { return r.events(cluster) }).Should(ConsistOf("Created", "Started"))
	})

	lostAnswers := map[string]simulator.Fault{
		"a dropped connection":   {Drop: true},
		"a 503":                  {Status: http.StatusServiceUnavailable, ErrorCode: "TEMPORARILY_UNAVAILABLE"},
		"a 500":                  {Status: http.StatusInternalServerError, ErrorCode: "INTERNAL_ERROR"},
		"a truncated answer":     {Truncate: true},
		"a page of a proxy":      {HTML: true},
		"an answer that is late": {Delay: lateAnswer},
	}
	for what, fault := range lostAnswers {
		eachSize(t, "[case-02] [R2] the response of the create is lost by "+what, func(t *testing.T, size size) {
			r := size.rig(t)
			if fault.Delay > 0 {
				r.withShortTimeouts()
			}
			fault := fault
			fault.Endpoint, fault.When, fault.Times = "clusters/create", simulator.After, 1
			r.workspace.AddFault(fault)
			r.start()
			cluster := r.create(r.small("scratch"))
			ready := r.becomes(cluster, "Ready=Running")
			r.Expect(r.live()).To(HaveLen(1))
			r.Expect(ready.Status.ClusterID).To(Equal(r.live()[0].ID))
			r.Expect(r.calls("clusters/create")).To(Equal(1))
		})
	}

	eachSize(t, "[case-02] a create that never arrived is repeated with the same token", func(t *testing.T, size size) {
		r := size.rig(t)
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/create", Times: 1, Drop: true})
		r.start()
		r.becomes(r.create(r.small("scratch")), "Ready=Running")
		creates := r.workspace.RequestsTo("clusters/create")
		r.Expect(creates).To(HaveLen(2))
		r.Expect(creates[0].IdempotencyToken).To(Equal(creates[1].IdempotencyToken))
		r.Expect(r.live()).To(HaveLen(1))
	})

	eachSize(t, "[case-02] [R3] the operator dies between the create and the storing of its id", func(t *testing.T, size size) {
		r := size.rig(t)
		reached := r.killBefore(func(cluster *v1alpha1.DatabricksCluster) bool { return cluster.Status.ClusterID != "" })
		r.start()
		cluster := r.create(r.small("scratch"))
		r.Eventually(reached).Should(BeTrue())
		r.kill()
		r.Expect(r.get(cluster).Status.ClusterID).To(BeEmpty())
		r.Expect(r.live()).To(HaveLen(1))

		r.intercept = interceptor.Funcs{}
		r.start()
		ready := r.becomes(cluster, "Ready=Running")
		r.Expect(r.calls("clusters/create")).To(Equal(1))
		r.Expect(ready.Status.ClusterID).To(Equal(r.live()[0].ID))
	})

	eachSize(t, "[case-02] [R3] another actor terminated its cluster before the restart", func(t *testing.T, size size) {
		r := size.rig(t)
		reached := r.killBefore(func(cluster *v1alpha1.DatabricksCluster) bool { return cluster.Status.ClusterID != "" })
		r.start()
		cluster := r.create(r.small("scratch"))
		r.Eventually(reached).Should(BeTrue())
		r.kill()
		r.Expect(r.workspace.EndElsewhere(r.live()[0].ID, simulator.TerminationReason{Code: "USER_REQUEST", Type: "SUCCESS"})).To(Succeed())

		r.intercept = interceptor.Funcs{}
		r.start()
		r.becomes(cluster, "Ready=TerminatedNormally")
		r.Expect(r.live()).To(HaveLen(1))
		r.Expect(r.calls("clusters/create")).To(Equal(1))
	})

	eachSize(t, "[case-02] without an owner tag the token resolves a lost response", func(t *testing.T, size size) {
		r := size.rig(t)
		r.options.OwnerTag = false
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/create", When: simulator.After, Times: 1, Drop: true})
		r.start()
		r.becomes(r.create(r.small("scratch")), "Ready=Running")
		r.Expect(r.live()).To(HaveLen(1))
		r.Expect(r.live()[0].Owner).To(BeEmpty())
	})

	t.Run("[R4] a stale cache does not create a second time", func(t *testing.T) {
		r := newRig(t)
		var seen, frozen atomic.Pointer[v1alpha1.DatabricksCluster]
		r.intercept.Get = func(ctx context.Context, inner client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			err := inner.Get(ctx, key, object, options...)
			if cluster, ok := object.(*v1alpha1.DatabricksCluster); ok && err == nil {
				if old := frozen.Load(); old != nil {
					old.DeepCopyInto(cluster)
				}
				seen.Store(cluster.DeepCopy())
			}
			return err
		}
		r.intercept.SubResourcePatch = func(ctx context.Context, inner client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			cluster, ok := object.(*v1alpha1.DatabricksCluster)
			declares := ok && cluster.Status.Creation != nil && cluster.Status.Creation.Token != ""
			err := inner.SubResource(sub).Patch(ctx, object, patch, options...)
			if declares && err == nil {
				frozen.CompareAndSwap(nil, seen.Load())
			}
			return err
		}
		r.start()
		cluster := r.create(r.small("scratch"))
		r.Eventually(func() string { return r.get(cluster).Status.ClusterID }).ShouldNot(BeEmpty())
		r.Consistently(func() int { return len(r.live()) }).Should(Equal(1))
		r.stop()
		r.intercept = interceptor.Funcs{}
		r.start()
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.live()).To(HaveLen(1))
	})

	t.Run("two clusters with the owner tag are reported and not changed, until a user deletes one", func(t *testing.T) {
		r := newRig(t)
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/create", When: simulator.After, Times: 1, Drop: true})
		r.start()
		cluster := r.create(r.small("scratch"))
		r.Eventually(func() int { return len(r.live()) }).Should(Equal(1))
		twin := r.live()[0]
		_, err := r.workspace.AddCluster(simulator.Seed{Source: "API", State: "RUNNING", Spec: map[string]any{"custom_tags": map[string]any{v1alpha1.OwnerTagKey: twin.Owner}}})
		r.Expect(err).NotTo(HaveOccurred())
		stalled := r.becomes(cluster, "Stalled=DuplicateClusters")
		r.Expect(message(stalled, "Stalled")).To(ContainSubstring(twin.ID))
		r.lists(3)
		r.Expect(r.writes()).To(Equal([]string{"create"}))
		r.Expect(r.workspace.CallElsewhere("clusters/permanent-delete", twin.ID, nil)).To(Succeed())
		r.Expect(r.becomes(cluster, "Ready=Running").Status.ClusterID).NotTo(Equal(twin.ID))
		r.Expect(r.writes()).To(Equal([]string{"create"}))
	})

	t.Run("a cluster of another principal with a forged tag is not adopted", func(t *testing.T) {
		r := newRig(t)
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/create", Times: 1, Drop: true})
		r.start()
		cluster := r.create(r.small("scratch"))
		r.Eventually(func() string { return string(r.get(cluster).UID) }).ShouldNot(BeEmpty())
		forged, err := r.workspace.AddCluster(simulator.Seed{
			Creator: "mallory@example.com", Source: "API", State: "RUNNING",
			Spec: map[string]any{"custom_tags": map[string]any{v1alpha1.OwnerTagKey: tagOf(r.get(cluster))}},
		})
		r.Expect(err).NotTo(HaveOccurred())
		ready := r.becomes(cluster, "Ready=Running")
		r.Expect(ready.Status.ClusterID).NotTo(Equal(forged))
	})
}

var errKilled = errors.New("the operator was killed")

// killBefore blocks the operator before it writes a status of a cluster that matches, as if
// it were killed there. The returned function reports whether it was blocked.
func (r *rig) killBefore(match func(*v1alpha1.DatabricksCluster) bool) func() bool {
	return r.killBeforeStatus(func(object client.Object) bool {
		cluster, ok := object.(*v1alpha1.DatabricksCluster)
		return ok && match(cluster)
	})
}

// killBeforeStatus is killBefore for objects of any kind.
func (r *rig) killBeforeStatus(match func(client.Object) bool) func() bool {
	var reached atomic.Bool
	r.intercept.SubResourcePatch = func(ctx context.Context, inner client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
		if match(object) {
			reached.Store(true)
			<-r.killed
			return errKilled
		}
		return inner.SubResource(sub).Patch(ctx, object, patch, options...)
	}
	return reached.Load
}

func TestCreateOnTheWire(t *testing.T) {
	t.Parallel()
	pool := simulator.Pool{ID: "0101-120000-pool1", NodeTypeID: "i3.xlarge"}
	policy := simulator.Policy{ID: "P1", Definition: `{"num_workers": {"type": "fixed", "value": 3}, "autotermination_minutes": {"type": "fixed", "value": 30}}`}
	runtime := simulator.Policy{ID: "P2", Definition: `{"spark_version": {"type": "fixed", "value": "16.4.x-scala2.12"}}`}
	workspaceWith := simulator.Options{Workspaces: []simulator.Workspace{{
		Pools: []simulator.Pool{pool}, Policies: []simulator.Policy{policy, runtime},
		Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{simulator.DefaultToken}}},
	}}}
	cases := []struct {
		name   string
		change func(*v1alpha1.DatabricksClusterSpec)
		has    map[string]any
		lacks  []string
	}{
		{
			"[case-03] a fixed size of 0 is sent", func(s *v1alpha1.DatabricksClusterSpec) { s.NumWorkers = new(int32(0)) },
			map[string]any{"num_workers": 0.0},
			[]string{"autoscale"},
		},
		{"[case-03] autoscale is the only size sent", func(s *v1alpha1.DatabricksClusterSpec) {
			s.NumWorkers, s.Autoscale = nil, &v1alpha1.Autoscale{MinWorkers: new(int32(0)), MaxWorkers: new(int32(2))}
		}, map[string]any{"autoscale": map[string]any{"min_workers": 0.0, "max_workers": 2.0}}, []string{"num_workers"}},
		{"[case-04] with policy defaults and no size neither is sent", func(s *v1alpha1.DatabricksClusterSpec) {
			s.NumWorkers, s.PolicyID, s.ApplyPolicyDefaultValues, s.AutoterminationMinutes = nil, "P1", new(true), nil
		}, map[string]any{"policy_id": "P1", "apply_policy_default_values": true}, []string{"num_workers", "autoscale", "autotermination_minutes"}},
		{"[case-04] a runtime that the policy supplies is not sent", func(s *v1alpha1.DatabricksClusterSpec) {
			s.SparkVersion, s.PolicyID = "", "P2"
		}, map[string]any{"policy_id": "P2"}, []string{"spark_version"}},
		{"[case-05] a pool goes without node types", func(s *v1alpha1.DatabricksClusterSpec) {
			s.NodeTypeID, s.InstancePoolID, s.EnableElasticDisk = "", pool.ID, new(true)
		}, map[string]any{"instance_pool_id": pool.ID}, []string{"node_type_id", "driver_node_type_id", "enable_elastic_disk"}},
		{"[case-23] an explicit 0 and false are sent", func(s *v1alpha1.DatabricksClusterSpec) {
			s.AutoterminationMinutes, s.EnableElasticDisk = new(int32(0)), new(false)
		}, map[string]any{"autotermination_minutes": 0.0, "enable_elastic_disk": false}, nil},
	}
	for _, c := range cases {
		eachSize(t, c.name, func(t *testing.T, size size) {
			r := size.rig(t, workspaceWith)
			r.start()
			ready := r.becomes(r.create(r.small("scratch", c.change)), "Ready=Running")
			sent := body(t, r.workspace.RequestsTo("clusters/create")[0].Body)
			for field, value := range c.has {
				r.Expect(sent).To(HaveKeyWithValue(field, value))
			}
			for _, field := range c.lacks {
				r.Expect(sent).NotTo(HaveKey(field))
			}
			r.Expect(sent).To(HaveKeyWithValue("cluster_name", r.namespace+"/scratch"))
			r.Expect(conditions(ready)).To(ContainElement("Synced=InSync"))
		})
	}
}

func body(t *testing.T, raw json.RawMessage) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}
