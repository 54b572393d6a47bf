package controller_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func TestRefusedCreates(t *testing.T) {
	t.Parallel()
	t.Run("[case-06] a refused specification is never sent", func(t *testing.T) {
		r := newRig(t)
		r.start()
		bad := r.small("bad", func(s *v1alpha1.DatabricksClusterSpec) { s.AutoterminationMinutes = new(int32(5)) })
		r.Expect(r.api.Create(t.Context(), bad)).To(MatchError(ContainSubstring("autoterminationMinutes")))
		r.Consistently(r.workspace.Requests).Should(BeEmpty())
	})

	eachSize(t, "[case-07] a 400 stalls with the API's text, without a hot loop, until the spec changes", func(t *testing.T, size size) {
		r := size.rig(t)
		r.workspace.AddFault(simulator.Fault{
			Name: "refuse", Endpoint: "clusters/create", Status: http.StatusBadRequest,
			ErrorCode: "INVALID_PARAMETER_VALUE", Message: "Node type i3.xlarge is not supported.",
		})
		r.start()
		cluster := r.create(r.small("scratch"))
		stalled := r.becomes(cluster, "Stalled=InvalidSpec")
		r.Expect(message(stalled, "Stalled")).To(Equal("INVALID_PARAMETER_VALUE: Node type i3.xlarge is not supported."))
		r.Expect(stalled.Status.Creation.Token).To(BeEmpty())
		r.Expect(stalled.Status.Host).To(BeEmpty(), "an object without a cluster is bound to no workspace")
		r.Consistently(func() int { return len(r.workspace.RequestsTo("clusters/create")) }).Should(Equal(1))
		r.Eventually(func() []string { return r.events(cluster) }).Should(ConsistOf("InvalidSpec"))

		r.workspace.RemoveFault("refuse")
		r.edit(cluster, func(c *v1alpha1.DatabricksCluster) { c.Spec.NodeTypeID = "i3.2xlarge" })
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.live()).To(HaveLen(1))
	})

	eachSize(t, "[case-07] the refusal of a policy has a reason of its own", func(t *testing.T, size size) {
		r := size.rig(t)
		r.workspace.AddFault(simulator.Fault{
			Endpoint: "clusters/create", Status: http.StatusBadRequest,
			ErrorCode: "INVALID_PARAMETER_VALUE", Message: "Cluster validation error: Validation failed for num_workers, must be fixed",
		})
		r.start()
		r.becomes(r.create(r.small("scratch")), "Stalled=PolicyViolation")
	})

	t.Run("[case-08] a 403 stalls with the API's text", func(t *testing.T) {
		r := newRig(t, simulator.Options{Workspaces: []simulator.Workspace{{Principals: []simulator.Principal{
			{UserName: "reader@example.com", Tokens: []string{simulator.DefaultToken}, NotAdmin: true, MayNotCreate: true},
		}}}})
		r.start()
		stalled := r.becomes(r.create(r.small("scratch")), "Stalled=PermissionDenied")
		r.Expect(message(stalled, "Stalled")).To(HavePrefix("PERMISSION_DENIED: "))
		r.Consistently(func() int { return len(r.workspace.RequestsTo("clusters/create")) }).Should(Equal(1))
	})

	eachSize(t, "[case-08] all objects of the host wait for the Retry-After of a 429", func(t *testing.T, size size) {
		r := size.rig(t)
		r.workspace.AddFault(simulator.Fault{
			Endpoint: "clusters/create", Times: 1, Status: http.StatusTooManyRequests,
			ErrorCode: "RESOURCE_EXHAUSTED", Message: "Too many requests", Header: map[string]string{"Retry-After": "3"},
		})
		r.start()
		first := r.create(r.small("a"))
		r.Eventually(func() []string { return conditions(r.get(first)) }).Should(ContainElement(ContainSubstring(v1alpha1.ReasonRateLimited)))
		for _, name := range []string{"b", "c", "d"} {
			r.create(r.small(name))
		}
		for _, name := range []string{"a", "b", "c", "d"} {
			r.becomes(r.small(name), "Ready=Running")
		}
		r.Expect(r.live()).To(HaveLen(4))
		var refused simulator.Entry
		for _, entry := range r.workspace.RequestsTo("clusters/create") {
			switch {
			case entry.Status == http.StatusTooManyRequests:
				refused = entry
			case refused.Sequence > 0:
				r.Expect(entry.Time.Sub(refused.Time).Seconds()).To(BeNumerically(">=", 2.9))
			}
		}
		r.Expect(refused.Sequence).NotTo(BeZero())
	})
}

func TestEndsAndStates(t *testing.T) {
	t.Parallel()
	eachSize(t, "[case-27] a cluster that terminated by inactivity is Ready under Manual, and not started", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		cluster := r.create(r.small("scratch"))
		running := r.becomes(cluster, "Ready=Running")
		r.Expect(r.workspace.EndElsewhere(running.Status.ClusterID, simulator.TerminationReason{
			Code: "INACTIVITY", Type: "SUCCESS", Parameters: map[string]string{"inactivity_duration_min": "60"},
		})).To(Succeed())
		ended := r.becomes(cluster, "Ready=TerminatedNormally")
		r.Expect(ended.Status.State).To(Equal("TERMINATED"))
		r.Expect(ended.Status.TerminationReason.Code).To(Equal("INACTIVITY"))
		r.Expect(ended.Status.TerminationReason.Parameters).To(HaveKeyWithValue("inactivity_duration_min", "60"))
		r.Expect(ended.Status.TerminatedTime).NotTo(BeNil())
		r.Expect(conditions(ended)).To(ConsistOf("Ready=TerminatedNormally", "Synced=InSync", "Running!=NotRunning"))
		r.Eventually(func() []string { return r.events(cluster) }).Should(ConsistOf("Created", "Started", "AutoTerminated"))
		r.Consistently(r.writes).Should(Equal([]string{"create"}))
	})

	t.Run("a failed launch is Stalled with code, type and text", func(t *testing.T) {
		r := newRig(t)
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/create", Launch: &simulator.TerminationReason{
			Code: "INIT_SCRIPT_FAILURE", Type: "CLIENT_ERROR", Parameters: map[string]string{"databricks_error_message": "exit code 3"},
		}})
		r.start()
		stalled := r.becomes(r.create(r.small("scratch")), "Stalled=StartFailed")
		r.Expect(message(stalled, "Ready")).To(HavePrefix("INIT_SCRIPT_FAILURE (CLIENT_ERROR)"))
		r.Expect(stalled.Status.TerminationReason.Parameters).To(HaveKeyWithValue("databricks_error_message", "exit code 3"))
		r.Consistently(r.writes).Should(Equal([]string{"create"}))
	})

	t.Run("a cluster that fails later is Stalled with another reason", func(t *testing.T) {
		r := newRig(t)
		r.start()
		cluster := r.create(r.small("scratch"))
		running := r.becomes(cluster, "Ready=Running")
		r.Expect(r.workspace.EndElsewhere(running.Status.ClusterID, simulator.TerminationReason{Code: "SPOT_INSTANCE_TERMINATION", Type: "CLOUD_FAILURE"})).To(Succeed())
		r.becomes(cluster, "Stalled=TerminatedUnexpectedly")
	})

	eachSize(t, "[case-34] an unknown state and an unknown termination code are reported and cause no failure", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		cluster := r.create(r.small("scratch"))
		running := r.becomes(cluster, "Ready=Running")
		r.Expect(r.workspace.SetState(running.Status.ClusterID, "HIBERNATING", "sleeping deeply")).To(Succeed())
		odd := r.becomes(cluster, "Reconciling=UnknownState")
		r.Expect(odd.Status.State).To(Equal("HIBERNATING"))
		r.Expect(odd.Status.StateMessage).To(Equal("sleeping deeply"))
		r.Expect(r.workspace.SetState(running.Status.ClusterID, "RUNNING", "")).To(Succeed())
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.workspace.EndElsewhere(running.Status.ClusterID, simulator.TerminationReason{Code: "METEOR_STRIKE", Type: "ACT_OF_GOD"})).To(Succeed())
		ended := r.becomes(cluster, "Stalled=TerminatedUnexpectedly")
		r.Expect(ended.Status.TerminationReason.Code).To(Equal("METEOR_STRIKE"))
		r.Expect(message(ended, "Ready")).To(ContainSubstring("METEOR_STRIKE (ACT_OF_GOD)"))
		r.Expect(r.writes()).To(Equal([]string{"create"}))
	})
}

func TestMissing(t *testing.T) {
	t.Parallel()
	eachSize(t, "[case-38] just after a create the operator waits for a missing cluster", func(t *testing.T, size size) {
		r := size.rig(t)
		behaviour := r.workspace.Behaviour()
		behaviour.UnseenByGet, behaviour.UnseenByList = 600_000_000, 600_000_000
		r.workspace.SetBehaviour(behaviour)
		r.start()
		r.becomes(r.create(r.small("scratch")), "Ready=Running")
		r.Expect(r.writes()).To(Equal([]string{"create"}))
	})

	eachSize(t, "[case-39] a list without the cluster causes no create and no removal of the id", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		cluster := r.create(r.small("scratch"))
		r.becomes(cluster, "Ready=Running")
		r.workspace.ClearRequests()
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/list", List: &simulator.ListFault{Empty: true}})
		r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/get")) }).Should(BeNumerically(">=", 1))
		r.Consistently(func() []string { return conditions(r.get(cluster)) }).Should(ContainElement("Ready=Running"))
		r.Expect(r.writes()).To(BeEmpty())
	})

	eachSize(t, "[case-37] a cluster that another actor deleted is created again, with a new incarnation", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		cluster := r.create(r.small("scratch"))
		first := r.becomes(cluster, "Ready=Running")
		r.Expect(r.workspace.DeleteElsewhere(first.Status.ClusterID)).To(Succeed())
		r.Eventually(func() string { return r.get(cluster).Status.ClusterID }).ShouldNot(BeElementOf("", first.Status.ClusterID))
		second := r.becomes(cluster, "Ready=Running")
		r.Expect(second.Status.Creation.Incarnation).To(BeEquivalentTo(2))
		r.Expect(r.live()).To(HaveLen(1))
	})

	eachSize(t, "[case-37] an object whose cluster Databricks purged is Ready, and no cluster is created", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		cluster := r.create(r.small("scratch"))
		first := r.becomes(cluster, "Ready=Running")
		r.Expect(r.workspace.Purge(first.Status.ClusterID)).To(Succeed())
		r.becomes(cluster, "Ready=Purged")
		r.Consistently(r.writes).Should(Equal([]string{"create"}))
	})
}

func TestQuiet(t *testing.T) {
	t.Parallel()
	eachSize(t, "[case-09] reconciles of an unchanged cluster write nothing", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		cluster := r.create(r.small("scratch"))
		ready := r.becomes(cluster, "Ready=Running")
		r.workspace.ClearRequests()
		r.Eventually(func() int {
			return len(r.workspace.RequestsTo("clusters/list")) + len(r.workspace.RequestsTo("clusters/get"))
		}).Should(BeNumerically(">=", 5))
		r.Expect(r.writes()).To(BeEmpty())
		r.Expect(r.get(cluster).ResourceVersion).To(Equal(ready.ResourceVersion))
	})

	t.Run("[P7] a whole create to Ready is five writes: finalizer, intent, id, PENDING, RUNNING", func(t *testing.T) {
		r := newRig(t)
		r.options.Coalesce = time.Minute
		r.takes(func(t *simulator.Timings) { t.Launch = time.Hour })
		r.start()
		cluster := r.create(r.small("scratch"))
		r.Eventually(func() string { return r.get(cluster).Status.State }).Should(Equal("PENDING"))
		r.takes(func(t *simulator.Timings) { t.Launch = 0 })
		r.becomes(cluster, "Ready=Running")
		// The user wrote the first version.
		r.Eventually(func() int { return r.record.writesTo("scratch") - 1 }).Should(Equal(5))
	})

	t.Run("[P7] the operator's own writes never cause a conflict", func(t *testing.T) {
		r := newRig(t)
		var conflicts atomic.Int64
		r.intercept.Patch = func(ctx context.Context, inner client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return countConflict(&conflicts, inner.Patch(ctx, object, patch, options...))
		}
		r.intercept.SubResourcePatch = func(ctx context.Context, inner client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			return countConflict(&conflicts, inner.SubResource(sub).Patch(ctx, object, patch, options...))
		}
		r.start()
		const many = 40
		for i := range many {
			r.create(r.small(fmt.Sprint("many-", i)))
		}
		for i := range many {
			r.becomes(r.small(fmt.Sprint("many-", i)), "Ready=Running")
		}
		r.Expect(conflicts.Load()).To(BeZero())
	})
}

// countConflict counts an error that is a conflict, and returns it.
func countConflict(conflicts *atomic.Int64, err error) error {
	if apierrors.IsConflict(err) {
		conflicts.Add(1)
	}
	return err
}

func TestANewObjectOfTheSameName(t *testing.T) {
	t.Parallel()
	eachSize(t, "[case-59] [R5] a new object of the same name has its own cluster", func(t *testing.T, size size) {
		r := size.rig(t)
		var orphans atomic.Int64
		r.options.OnOrphans = func(byHost map[string]int) { orphans.Store(int64(byHost[r.workspace.URL])) }
		r.start()
		old := r.becomes(r.create(r.small("scratch")), "Ready=Running")
		r.stop()
		r.remove(old)
		r.edit(old, func(c *v1alpha1.DatabricksCluster) { c.Finalizers = nil })
		r.gone(old)
		r.create(r.small("scratch"))
		r.start()
		fresh := r.becomes(r.small("scratch"), "Ready=Running")
		r.Expect(fresh.UID).NotTo(Equal(old.UID))
		r.Expect(fresh.Status.ClusterID).NotTo(Equal(old.Status.ClusterID))
		r.Expect(r.live()).To(HaveLen(2), "the old cluster stays for the orphan report")
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/get", Status: http.StatusServiceUnavailable})
		r.Eventually(orphans.Load).Should(Equal(int64(1)))
		r.Expect(r.workspace.DeleteElsewhere(old.Status.ClusterID)).To(Succeed())
		r.Eventually(orphans.Load).Should(BeZero())
	})
}
