package controller_test

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func runs(policy v1alpha1.RunPolicy) specChange {
	return func(s *v1alpha1.DatabricksClusterSpec) {
		s.RunPolicy = policy
		if policy == v1alpha1.RunPolicyRunning {
			s.AutoterminationMinutes = new(int32(0))
		}
	}
}

func TestRunPolicy(t *testing.T) {
	t.Parallel()
	eachSize(t, "[case-28] Terminated on a new object: created, then terminated, without other writes", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		cluster := r.create(r.small("scratch", runs(v1alpha1.RunPolicyTerminated)))
		r.becomes(cluster, "Ready=TerminatedByRunPolicy")
		r.Consistently(r.writes).Should(Equal([]string{"create", "delete"}))
	})

	eachSize(t, "[case-29] a change of only the run policy is one start or terminate", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(func(s *v1alpha1.DatabricksClusterSpec) { s.AutoterminationMinutes = new(int32(0)) })
		r.editSpec(cluster, runs(v1alpha1.RunPolicyTerminated))
		r.becomes(cluster, "Ready=TerminatedByRunPolicy")
		r.editSpec(cluster, runs(v1alpha1.RunPolicyRunning))
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.writes()).To(Equal([]string{"delete", "start"}))
	})

	eachSize(t, "[case-30] a start of a starting cluster counts as done", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(runs(v1alpha1.RunPolicyRunning))
		r.workspace.AddFault(simulator.Fault{
			Endpoint: "clusters/start", When: simulator.After, Times: 1, Status: http.StatusBadRequest,
			ErrorCode: "INVALID_STATE", Message: "Cluster " + cluster.Status.ClusterID + " is in unexpected state Pending.",
		})
		r.end(cluster.Status.ClusterID, "USER_REQUEST", "SUCCESS")
		r.Eventually(r.writes).Should(Equal([]string{"start"}))
		r.becomes(cluster, "Ready=Running")
		r.Consistently(r.writes).Should(Equal([]string{"start"}))
	})

	eachSize(t, "[case-31] an update on RUNNING needs no start", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(runs(v1alpha1.RunPolicyRunning))
		r.editSpec(cluster, sparkConf("spark.speculation", "true"))
		r.inSync(cluster)
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.writes()).To(Equal([]string{"update"}))
	})

	eachSize(t, "[case-32] after a stockout the same id is started again, with backoff", func(t *testing.T, size size) {
		r := size.rig(t)
		r.options.Limits.LaunchBackoff = 300 * time.Millisecond
		cluster := r.running(runs(v1alpha1.RunPolicyRunning))
		stockout := &simulator.TerminationReason{Code: "CLOUD_PROVIDER_RESOURCE_STOCKOUT", Type: "CLOUD_FAILURE"}
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/start", Times: 2, Launch: stockout})
		r.end(cluster.Status.ClusterID, stockout.Code, stockout.Type)
		r.Eventually(r.writes).Should(Equal([]string{"start", "start", "start"}))
		ready := r.becomes(cluster, "Ready=Running")
		r.Expect(ready.Status.ClusterID).To(Equal(cluster.Status.ClusterID))
	})

	eachSize(t, "[case-32] an init script that fails stalls with code and parameters, without a loop", func(t *testing.T, size size) {
		r := size.rig(t)
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/create", Launch: &simulator.TerminationReason{
			Code: "INIT_SCRIPT_FAILURE", Type: "CLIENT_ERROR", Parameters: map[string]string{"instance_id": "i-1"},
		}})
		r.start()
		cluster := r.create(r.small("scratch", runs(v1alpha1.RunPolicyRunning)))
		stalled := r.becomes(cluster, "Stalled=StartFailed")
		r.Expect(stalled.Status.TerminationReason.Parameters).To(HaveKeyWithValue("instance_id", "i-1"))
		r.Consistently(r.writes).Should(Equal([]string{"create"}))
		r.stop()
		r.start()
		r.Consistently(r.writes).Should(Equal([]string{"create"}))
	})

	for _, policy := range []v1alpha1.RunPolicy{v1alpha1.RunPolicyManual, v1alpha1.RunPolicyRunning} {
		eachSize(t, "[case-33] the fix of a failed launch is an update and a start on the same id, under "+string(policy), func(t *testing.T, size size) {
			r := size.rig(t)
			r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/create", Launch: &simulator.TerminationReason{Code: "INIT_SCRIPT_FAILURE", Type: "CLIENT_ERROR"}})
			r.start()
			cluster := r.create(r.small("scratch", runs(policy)))
			failed := r.becomes(cluster, "Stalled=StartFailed")
			r.editSpec(cluster, sparkConf("spark.speculation", "true"))
			ready := r.becomes(cluster, "Ready=Running")
			r.Expect(ready.Status.ClusterID).To(Equal(failed.Status.ClusterID))
			r.Expect(r.writes()).To(Equal([]string{"create", "update", "start"}))
		})
	}

	t.Run("a policy's autotermination and runPolicy Running are reported as contradictory after the first termination", func(t *testing.T) {
		r := newRig(t, simulator.Options{Workspaces: []simulator.Workspace{{
			Policies:   []simulator.Policy{{ID: "P1", Definition: `{"autotermination_minutes": {"type": "fixed", "value": 30}}`}},
			Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{simulator.DefaultToken}}},
		}}})
		cluster := r.running(func(s *v1alpha1.DatabricksClusterSpec) {
			s.RunPolicy, s.PolicyID, s.AutoterminationMinutes = v1alpha1.RunPolicyRunning, "P1", nil
		})
		r.end(cluster.Status.ClusterID, "INACTIVITY", "SUCCESS")
		r.becomes(cluster, "Stalled=AutoterminationConflict")
		r.Expect(r.writes()).To(BeEmpty())
	})
}

func TestRequests(t *testing.T) {
	t.Parallel()
	request := func(r *rig, cluster *v1alpha1.DatabricksCluster, value string) {
		r.edit(cluster, func(c *v1alpha1.DatabricksCluster) {
			c.Annotations = map[string]string{v1alpha1.AnnotationRequest: value}
		})
	}
	answered := func(r *rig, cluster *v1alpha1.DatabricksCluster, value string, phase v1alpha1.RequestPhase) {
		r.t.Helper()
		r.Eventually(func() v1alpha1.RequestStatus {
			if now := r.get(cluster).Status.Request; now != nil {
				return v1alpha1.RequestStatus{Value: now.Value, Phase: now.Phase}
			}
			return v1alpha1.RequestStatus{}
		}).Should(Equal(v1alpha1.RequestStatus{Value: value, Phase: phase}))
	}

	eachSize(t, "[case-35] restart, terminate and start are made once each, and acknowledged; the same token again has no effect", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running()
		// A restart is distinguished from the one before by the second of its time.
		first := r.get(cluster).Status.LastRestartedTime
		r.Eventually(func() bool { return first == nil || time.Since(first.Time) > time.Second }).Should(BeTrue())
		request(r, cluster, "restart@1")
		answered(r, cluster, "restart@1", v1alpha1.RequestSucceeded)
		request(r, cluster, "terminate@2")
		answered(r, cluster, "terminate@2", v1alpha1.RequestSucceeded)
		request(r, cluster, "start@3")
		answered(r, cluster, "start@3", v1alpha1.RequestSucceeded)
		r.becomes(cluster, "Ready=Running")
		r.stop()
		r.start()
		r.Consistently(r.writes).Should(Equal([]string{"restart", "delete", "start"}))
	})

	eachSize(t, "[case-35] a restart with pending changes is one update", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(func(s *v1alpha1.DatabricksClusterSpec) {
			s.UpdateStrategy = &v1alpha1.UpdateStrategy{Type: v1alpha1.UpdateStrategyOnTermination}
		})
		r.editSpec(cluster, sparkConf("spark.speculation", "true"))
		r.becomes(cluster, "Ready=ChangesDeferred")
		request(r, cluster, "restart@now")
		r.inSync(cluster)
		r.Expect(r.writes()).To(Equal([]string{"update"}))
	})

	eachSize(t, "[case-35] a request of a copied manifest is refused, and so is a request that contradicts the run policy", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		copied := r.small("copied", runs(v1alpha1.RunPolicyRunning))
		copied.Annotations = map[string]string{v1alpha1.AnnotationRequest: "restart@old"}
		r.create(copied)
		answered(r, copied, "restart@old", v1alpha1.RequestRefused)
		r.becomes(copied, "Ready=Running")
		r.Eventually(func() string { return r.get(copied).Status.AppliedDigest }).ShouldNot(BeEmpty())
		request(r, copied, "terminate@1")
		answered(r, copied, "terminate@1", v1alpha1.RequestRefused)
		request(r, copied, "explode@1")
		answered(r, copied, "explode@1", v1alpha1.RequestRefused)
		r.Expect(r.get(copied).Status.Request.Message).To(ContainSubstring("start, terminate, restart"))
		r.Expect(r.writes()).To(Equal([]string{"create"}))
	})

	eachSize(t, "[case-35] reconcile ends the backoff after a refused create", func(t *testing.T, size size) {
		r := size.rig(t)
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/create", Times: 1, Status: http.StatusForbidden, ErrorCode: "PERMISSION_DENIED", Message: "no"})
		r.start()
		cluster := r.create(r.small("scratch"))
		r.becomes(cluster, "Stalled=PermissionDenied")
		request(r, cluster, "reconcile@1")
		answered(r, cluster, "reconcile@1", v1alpha1.RequestSucceeded)
		r.becomes(cluster, "Ready=Running")
	})

	eachSize(t, "[case-36] while suspended changes are not applied and the state is reported; resuming applies the last change; deletion works", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running()
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) { s.Suspend = true })
		r.becomes(cluster, "Suspended=Suspended")
		r.editSpec(cluster, sparkConf("spark.speculation", "false"))
		r.editSpec(cluster, sparkConf("spark.speculation", "true"))
		r.end(cluster.Status.ClusterID, "INACTIVITY", "SUCCESS")
		r.Eventually(func() string { return r.get(cluster).Status.State }).Should(Equal("TERMINATED"))
		r.Expect(r.writes()).To(BeEmpty())
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) { s.Suspend = false })
		r.inSync(cluster)
		r.Expect(r.writes()).To(Equal([]string{"update"}))
		r.Eventually(func() []string { return r.events(cluster) }).Should(ContainElements("Suspended", "Resumed"))

		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) { s.Suspend = true })
		r.becomes(cluster, "Suspended=Suspended")
		r.remove(cluster)
		r.gone(cluster)
		r.Expect(r.live()).To(BeEmpty())
	})
}
