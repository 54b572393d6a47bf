package controller_test

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

type specChange = func(*v1alpha1.DatabricksClusterSpec)

// running returns an object whose cluster runs, after which the request log is cleared.
func (r *rig) running(change ...specChange) *v1alpha1.DatabricksCluster {
	r.t.Helper()
	r.start()
	cluster := r.create(r.small("scratch", change...))
	ready := r.becomes(cluster, "Ready=Running")
	r.Eventually(func() string { return r.get(cluster).Status.AppliedDigest }).ShouldNot(BeEmpty())
	r.restartInFleet()
	r.workspace.ClearRequests()
	return ready
}

func (r *rig) editSpec(cluster *v1alpha1.DatabricksCluster, change specChange) {
	r.t.Helper()
	r.edit(cluster, func(c *v1alpha1.DatabricksCluster) { change(&c.Spec) })
}

// inSync waits until the current generation is applied and Ready.
func (r *rig) inSync(cluster *v1alpha1.DatabricksCluster) *v1alpha1.DatabricksCluster {
	r.t.Helper()
	want := r.get(cluster).Generation
	r.Eventually(func(g Gomega) {
		now := r.get(cluster)
		g.Expect(now.Status.ObservedGeneration).To(BeNumerically(">=", want))
		g.Expect(conditions(now)).To(ContainElement("Synced=InSync"))
		g.Expect(conditions(now)).To(ContainElement(HavePrefix("Ready=")))
	}).Should(Succeed())
	return r.get(cluster)
}

func (r *rig) end(id, code, kind string) {
	r.t.Helper()
	r.Expect(r.workspace.EndElsewhere(id, simulator.TerminationReason{Code: code, Type: kind})).To(Succeed())
}

func autoscale(low, high int32) specChange {
	return func(s *v1alpha1.DatabricksClusterSpec) {
		s.NumWorkers, s.Autoscale = nil, &v1alpha1.Autoscale{MinWorkers: new(low), MaxWorkers: new(high)}
	}
}

func fixed(workers int32) specChange {
	return func(s *v1alpha1.DatabricksClusterSpec) { s.NumWorkers, s.Autoscale = new(workers), nil }
}

func sparkConf(pairs ...string) specChange {
	return func(s *v1alpha1.DatabricksClusterSpec) {
		s.SparkConf = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			s.SparkConf[pairs[i]] = pairs[i+1]
		}
	}
}

func TestResizes(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name         string
		before, then specChange
		body         map[string]any
	}{
		{"[case-11] a new number of workers", fixed(2), fixed(4), map[string]any{"num_workers": 4.0}},
		{"[case-11] down to none", fixed(2), fixed(0), map[string]any{"num_workers": 0.0}},
		{"[case-12] new bounds", autoscale(1, 3), autoscale(2, 6), map[string]any{"autoscale": map[string]any{"min_workers": 2.0, "max_workers": 6.0}}},
		{"[case-13] fixed to autoscale", fixed(2), autoscale(1, 3), map[string]any{"autoscale": map[string]any{"min_workers": 1.0, "max_workers": 3.0}}},
		{"[case-13] autoscale to fixed", autoscale(1, 3), fixed(2), map[string]any{"num_workers": 2.0}},
	}
	for _, c := range cases {
		eachSize(t, c.name+" on RUNNING is one resize with the desired kind only", func(t *testing.T, size size) {
			r := size.rig(t)
			cluster := r.running(c.before)
			r.editSpec(cluster, c.then)
			r.inSync(cluster)
			r.Expect(r.writes()).To(Equal([]string{"resize"}))
			sent := body(t, r.workspace.RequestsTo("clusters/resize")[0].Body)
			delete(sent, "cluster_id")
			r.Expect(sent).To(Equal(c.body))
			r.Eventually(func() []string { return r.events(cluster) }).Should(ContainElement("Resized"))
		})
	}

	eachSize(t, "[case-14] the autoscaling of the platform is no difference", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(autoscale(1, 5))
		r.Expect(r.workspace.Autoscale(cluster.Status.ClusterID, 4)).To(Succeed())
		r.Eventually(func() int32 { return *r.get(cluster).Status.NumWorkers }).Should(BeEquivalentTo(4))
		r.Expect(r.writes()).To(BeEmpty())
		r.inSync(cluster)
	})

	eachSize(t, "[case-15] a size changed on TERMINATED is one update, and the cluster stays terminated", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(fixed(2))
		r.end(cluster.Status.ClusterID, "INACTIVITY", "SUCCESS")
		r.becomes(cluster, "Ready=TerminatedNormally")
		r.editSpec(cluster, fixed(5))
		r.inSync(cluster)
		r.becomes(cluster, "Ready=TerminatedNormally")
		r.Expect(r.writes()).To(Equal([]string{"update"}))
		r.Expect(r.workspace.RequestsTo("clusters/update")[0].Body).To(ContainSubstring(`"num_workers":5`))
	})

	eachSize(t, "[case-16] a resize that fails with INVALID_STATE is replaced by an update after another read", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(fixed(2))
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/resize", Status: http.StatusBadRequest, ErrorCode: "INVALID_STATE", Message: "Cluster is not running"})
		r.editSpec(cluster, fixed(4))
		r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/resize")) }).Should(Equal(1))
		r.end(cluster.Status.ClusterID, "INACTIVITY", "SUCCESS")
		r.inSync(cluster)
		r.Expect(r.writes()).To(Equal([]string{"update"}))
	})

	eachSize(t, "[case-17] size and configuration together are one update", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(fixed(2))
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) {
			fixed(3)(s)
			sparkConf("spark.speculation", "true")(s)
		})
		r.inSync(cluster)
		r.Expect(r.writes()).To(Equal([]string{"update"}))
	})
}

func TestUpdates(t *testing.T) {
	t.Parallel()
	eachSize(t, "[case-10] a mode that the server returns by its old name is no difference; a change of it is one update", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(func(s *v1alpha1.DatabricksClusterSpec) { s.DataSecurityMode = "DATA_SECURITY_MODE_STANDARD" })
		r.Expect(r.get(cluster).Status.Effective.DataSecurityMode).To(Equal("USER_ISOLATION"))
		r.Expect(r.writes()).To(BeEmpty())
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) { s.DataSecurityMode = "DATA_SECURITY_MODE_DEDICATED" })
		r.inSync(cluster)
		r.Expect(r.writes()).To(Equal([]string{"update"}))
	})

	t.Run("a difference in a list is corrected only after a GET confirms it", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running()
		for _, name := range []string{"one", "two", "three"} {
			r.becomes(r.create(r.small(name)), "Ready=Running")
		}
		r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/list")) }).Should(BeNumerically(">", 2))
		r.editSpec(cluster, sparkConf("spark.speculation", "true"))
		r.inSync(cluster)
		r.Expect(r.record.firstOf("scratch", r.get(cluster).Generation)).To(ContainElement("Reconciling=Updating"))
	})

	t.Run("a restart of the operator does not change the conditions of a deferred change", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running(onTermination)
		for _, name := range []string{"one", "two", "three"} {
			r.becomes(r.create(r.small(name)), "Ready=Running")
		}
		r.editSpec(cluster, sparkConf("spark.speculation", "true"))
		waiting := r.becomes(cluster, "Ready=ChangesDeferred")
		r.stop()
		r.workspace.ClearRequests()
		r.start()
		r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/list")) }).Should(BeNumerically(">", 2))
		r.Expect(r.get(cluster).ResourceVersion).To(Equal(waiting.ResourceVersion))
		r.Expect(r.workspace.RequestsTo("clusters/get")).NotTo(BeEmpty(), "the difference in the list was confirmed")
	})

	t.Run("a failing GET of one cluster hides neither its termination nor its deferred change", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running()
		for _, name := range []string{"one", "two", "three"} {
			r.becomes(r.create(r.small(name)), "Ready=Running")
		}
		r.workspace.AddFault(simulator.Fault{Name: "failing", Endpoint: "clusters/get", ClusterID: cluster.Status.ClusterID, Status: http.StatusInternalServerError})
		r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/list")) }).Should(BeNumerically(">", 2))
		r.editSpec(cluster, sparkConf("spark.speculation", "true"))
		r.becomes(cluster, "Reconciling=Updating")
		r.end(cluster.Status.ClusterID, "INACTIVITY", "SUCCESS")
		r.Eventually(func() string { return r.get(cluster).Status.State }).Should(Equal("TERMINATED"))
		r.Expect(conditions(r.get(cluster))).To(ContainElement("Reconciling=Updating"))
		r.workspace.RemoveFault("failing")
		r.inSync(cluster)
		r.Expect(r.get(cluster).Status.State).To(Equal("TERMINATED"))
	})

	eachSize(t, "[case-18] a change in a busy state is applied once, when the cluster is stable", func(t *testing.T, size size) {
		r := size.rig(t)
		r.takes(func(t *simulator.Timings) { t.Launch = time.Hour })
		r.start()
		cluster := r.create(r.small("scratch"))
		r.Eventually(func() string { return r.get(cluster).Status.State }).Should(Equal("PENDING"))
		r.editSpec(cluster, sparkConf("spark.speculation", "true"))
		r.becomes(cluster, "Synced!=PendingRestart")
		r.Consistently(r.writes).Should(Equal([]string{"create"}))
		r.takes(func(t *simulator.Timings) { t.Launch = 0 })
		r.inSync(cluster)
		r.Expect(r.writes()).To(Equal([]string{"create", "update"}))
	})

	eachSize(t, "[case-19] a cluster that terminates while an update is deferred gets the update", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(func(s *v1alpha1.DatabricksClusterSpec) {
			s.UpdateStrategy = &v1alpha1.UpdateStrategy{Type: v1alpha1.UpdateStrategyOnTermination}
		})
		r.editSpec(cluster, sparkConf("spark.speculation", "true"))
		r.becomes(cluster, "Ready=ChangesDeferred")
		r.end(cluster.Status.ClusterID, "INACTIVITY", "SUCCESS")
		r.inSync(cluster)
		r.Expect(r.writes()).To(Equal([]string{"update"}))
	})

	eachSize(t, "[case-20] OnTermination defers a change and reports it; a size is changed at once", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(func(s *v1alpha1.DatabricksClusterSpec) {
			s.UpdateStrategy = &v1alpha1.UpdateStrategy{Type: v1alpha1.UpdateStrategyOnTermination}
		})
		r.editSpec(cluster, sparkConf("spark.speculation", "true"))
		deferred := r.becomes(cluster, "Ready=ChangesDeferred")
		r.Expect(conditions(deferred)).To(ContainElement("Synced!=PendingRestart"))
		r.Expect(deferred.Status.PendingChanges).To(Equal([]string{"/sparkConf/spark.speculation"}))
		r.Expect(deferred.Status.PendingSince).NotTo(BeNil())
		r.Eventually(func() []string { return r.events(cluster) }).Should(ContainElement("RestartDeferred"))
		r.Consistently(r.writes).Should(BeEmpty())

		r.editSpec(cluster, fixed(3))
		r.Eventually(r.writes).Should(Equal([]string{"resize"}))
		r.becomes(cluster, "Ready=ChangesDeferred")
	})

	eachSize(t, "[case-22] a removed key and a removed block are cleared once; the keys of other actors stay", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(sparkConf("spark.speculation", "true", "spark.ui.enabled", "false"), func(s *v1alpha1.DatabricksClusterSpec) {
			s.ClusterLogConf = &v1alpha1.ClusterLogConf{Volumes: &v1alpha1.StorageDestination{Destination: "/Volumes/a/b/c"}}
		})
		id := cluster.Status.ClusterID
		r.Expect(r.workspace.EditElsewhere(id, map[string]any{"spark_conf": map[string]any{"spark.speculation": "true", "spark.ui.enabled": "false", "foreign": "1"}})).To(Succeed())
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) {
			sparkConf("spark.speculation", "true")(s)
			s.ClusterLogConf = nil
		})
		now := r.inSync(cluster)
		record, _ := r.workspace.Cluster(id)
		r.Expect(record.Spec["spark_conf"]).To(BeEquivalentTo(map[string]any{"spark.speculation": "true", "foreign": "1"}))
		r.Expect(record.Spec).NotTo(HaveKey("cluster_log_conf"))
		r.Eventually(func() []string { return r.get(cluster).Status.OwnedFields }).ShouldNot(ContainElement("/sparkConf/spark.ui.enabled"))
		r.Expect(now.Status.ClusterID).To(Equal(id))
		r.Expect(r.writes()).To(Equal([]string{"update"}))
	})

	eachSize(t, "[case-23] a change to an explicit false is applied and causes no drift", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(func(s *v1alpha1.DatabricksClusterSpec) { s.EnableElasticDisk = new(true) })
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) { s.EnableElasticDisk = new(false) })
		r.inSync(cluster)
		r.Expect(r.workspace.RequestsTo("clusters/update")[0].Body).To(ContainSubstring(`"enable_elastic_disk":false`))
		r.Expect(r.writes()).To(Equal([]string{"update"}))
	})

	eachSize(t, "[case-24] another pool also applies to the driver; a node type clears both pools", func(t *testing.T, size size) {
		r := size.rig(t, simulator.Options{Workspaces: []simulator.Workspace{{
			Pools:      []simulator.Pool{{ID: "pool-a", NodeTypeID: "i3.xlarge"}, {ID: "pool-b", NodeTypeID: "i3.2xlarge"}},
			Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{simulator.DefaultToken}}},
		}}})
		inPool := func(id string) specChange {
			return func(s *v1alpha1.DatabricksClusterSpec) { s.NodeTypeID, s.InstancePoolID = "", id }
		}
		cluster := r.running(inPool("pool-a"))
		r.editSpec(cluster, inPool("pool-b"))
		r.inSync(cluster)
		record, _ := r.workspace.Cluster(cluster.Status.ClusterID)
		r.Expect(record.Settings).To(HaveKeyWithValue("driver_instance_pool_id", "pool-b"))
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) { s.NodeTypeID, s.InstancePoolID = "i3.xlarge", "" })
		r.inSync(cluster)
		record, _ = r.workspace.Cluster(cluster.Status.ClusterID)
		r.Expect(record.Settings).NotTo(HaveKey("instance_pool_id"))
		r.Expect(record.Settings).NotTo(HaveKey("driver_instance_pool_id"))
		r.Expect(r.writes()).To(Equal([]string{"update", "update"}))
	})

	eachSize(t, "[case-25] an update under a policy keeps the fields of the policy, and does not own them", func(t *testing.T, size size) {
		r := size.rig(t, simulator.Options{Workspaces: []simulator.Workspace{{
			Policies:   []simulator.Policy{{ID: "P1", Definition: `{"spark_conf.spark.injected": {"type": "fixed", "value": "yes"}}`}},
			Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{simulator.DefaultToken}}},
		}}})
		cluster := r.running(func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyID = "P1" })
		r.editSpec(cluster, sparkConf("spark.speculation", "true"))
		r.inSync(cluster)
		record, _ := r.workspace.Cluster(cluster.Status.ClusterID)
		r.Expect(record.Settings["spark_conf"]).To(HaveKeyWithValue("spark.injected", "yes"))
		r.Expect(record.Spec["spark_conf"]).NotTo(HaveKey("spark.injected"))
	})

	eachSize(t, "[case-26] a change and its reversal restore the first state", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(sparkConf("spark.speculation", "true"))
		r.editSpec(cluster, sparkConf("spark.speculation", "false"))
		r.editSpec(cluster, sparkConf("spark.speculation", "true"))
		r.inSync(cluster)
		record, _ := r.workspace.Cluster(cluster.Status.ClusterID)
		r.Expect(record.Spec["spark_conf"]).To(HaveKeyWithValue("spark.speculation", "true"))
		r.Consistently(func() int { return len(r.writes()) }).Should(BeNumerically("<=", 2))
	})

	t.Run("a workspace without clusters/update gets the whole specification, and later updates do not try again", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running()
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/update", Status: http.StatusNotFound, ErrorCode: "ENDPOINT_NOT_FOUND", Message: "No API found for 'POST /clusters/update'"})
		r.editSpec(cluster, sparkConf("spark.speculation", "true"))
		r.inSync(cluster)
		r.editSpec(cluster, sparkConf("spark.speculation", "false"))
		r.inSync(cluster)
		r.Expect(r.writes()).To(Equal([]string{"edit", "edit"}))
		r.Expect(r.workspace.RequestsTo("clusters/update")).To(HaveLen(1))
		record, _ := r.workspace.Cluster(cluster.Status.ClusterID)
		r.Expect(record.Owner).NotTo(BeEmpty())
	})

	t.Run("a refused update is reported, does not change the cluster, and is not repeated", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running()
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/update", Status: http.StatusBadRequest, ErrorCode: "INVALID_PARAMETER_VALUE", Message: "Unknown property"})
		r.editSpec(cluster, sparkConf("spark.speculation", "true"))
		stalled := r.becomes(cluster, "Stalled=InvalidSpec")
		r.Expect(conditions(stalled)).To(ContainElement("Synced!=UpdateFailed"))
		r.Consistently(func() int { return len(r.workspace.RequestsTo("clusters/update")) }).Should(Equal(1))
	})

	t.Run("a change without effect is reported and not repeated", func(t *testing.T) {
		r := newRig(t)
		behaviour := r.workspace.Behaviour()
		behaviour.FirstOnDemandIsFixed = true
		r.workspace.SetBehaviour(behaviour)
		cluster := r.running(func(s *v1alpha1.DatabricksClusterSpec) {
			s.AWSAttributes = &v1alpha1.AWSAttributes{FirstOnDemand: new(int32(1))}
		})
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) { s.AWSAttributes.FirstOnDemand = new(int32(2)) })
		stalled := r.becomes(cluster, "Stalled=ImmutableField")
		r.Expect(message(stalled, "Stalled")).To(ContainSubstring("/awsAttributes/firstOnDemand"))
		r.stop()
		r.start()
		r.Consistently(r.writes).Should(Equal([]string{"update"}))
	})
}

func TestDrift(t *testing.T) {
	t.Parallel()
	policies := []struct {
		policy v1alpha1.DriftPolicy
		ready  string
		writes []string
	}{
		{"", "Ready=DriftTolerated", nil},
		{v1alpha1.DriftPolicyWarn, "Ready=DriftTolerated", nil},
		{v1alpha1.DriftPolicyCorrectWithRestart, "Ready=Running", []string{"update"}},
	}
	for _, p := range policies {
		eachSize(t, "[case-21] [R13] an owned field edited elsewhere on RUNNING, by policy "+string(p.policy), func(t *testing.T, size size) {
			r := size.rig(t)
			cluster := r.running(sparkConf("spark.speculation", "true"), func(s *v1alpha1.DatabricksClusterSpec) { s.DriftPolicy = p.policy })
			r.Expect(r.workspace.EditElsewhere(cluster.Status.ClusterID, map[string]any{"spark_conf": map[string]any{"spark.speculation": "false"}})).To(Succeed())
			if p.writes == nil {
				reported := r.becomes(cluster, p.ready)
				r.Expect(conditions(reported)).To(ContainElement("Synced!=DriftDetected"))
				r.Expect(reported.Status.Drift[0].Path).To(Equal("/sparkConf/spark.speculation"))
				r.Expect(reported.Status.Drift[0].Actual).To(Equal("[redacted]"))
				r.Consistently(r.writes).Should(BeEmpty())
				return
			}
			r.Eventually(r.writes).Should(Equal(p.writes))
			r.inSync(cluster)
			r.Eventually(func() []string { return r.events(cluster) }).Should(ContainElement("DriftCorrected"))

			r.Expect(r.workspace.EditElsewhere(cluster.Status.ClusterID, map[string]any{"spark_conf": map[string]any{"spark.speculation": "false"}})).To(Succeed())
			r.Eventually(r.writes).Should(Equal(append(p.writes, p.writes...)), "the same drift is corrected again")
			r.inSync(cluster)
		})
	}

	eachSize(t, "[case-21] drift of a size is corrected without a restart; with Warn it is only reported", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(fixed(2))
		r.call(http.MethodPost, "/api/2.1/clusters/resize", `{"cluster_id": "`+cluster.Status.ClusterID+`", "num_workers": 7}`)
		r.Eventually(r.writes).Should(Equal([]string{"resize", "resize"}))
		r.inSync(cluster)
	})

	eachSize(t, "[case-21] deferred drift is corrected when the cluster is terminated", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(sparkConf("spark.speculation", "true"))
		r.Expect(r.workspace.EditElsewhere(cluster.Status.ClusterID, map[string]any{"spark_conf": map[string]any{"spark.speculation": "false"}})).To(Succeed())
		r.becomes(cluster, "Ready=DriftTolerated")
		r.end(cluster.Status.ClusterID, "INACTIVITY", "SUCCESS")
		r.Eventually(r.writes).Should(Equal([]string{"update"}))
		r.inSync(cluster)
	})

	eachSize(t, "[case-21] a field that the operator does not own is not changed", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running()
		r.Expect(r.workspace.EditElsewhere(cluster.Status.ClusterID, map[string]any{"spark_env_vars": map[string]any{"FOREIGN": "1"}})).To(Succeed())
		r.Consistently(r.writes).Should(BeEmpty())
		r.inSync(cluster)
	})
}
