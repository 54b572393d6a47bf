package controller_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// stage is a workspace in which everything has the ids of that workspace.
func stage(name, token string) simulator.Workspace {
	return simulator.Workspace{
		Name: name, Policies: []simulator.Policy{{ID: "policy-of-" + name, Name: "small", Definition: "{}"}},
		Pools: []simulator.Pool{
			{ID: "pool-of-" + name, Name: "workers", NodeTypeID: "i3.xlarge"},
			{ID: "driver-pool-of-" + name, Name: "drivers", NodeTypeID: "i3.2xlarge"},
		},
		Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{token}}},
	}
}

// byNames declares no id.
func byNames(s *v1alpha1.DatabricksClusterSpec) {
	s.SparkVersion, s.SparkVersionSelector = "", &v1alpha1.SparkVersionSelector{LongTermSupport: true}
	s.NodeTypeID, s.NodeTypeSelector = "", &v1alpha1.NodeTypeSelector{MinCores: 4, MinMemoryGB: 30}
	s.PolicyName = "small"
}

func withPoolNames(s *v1alpha1.DatabricksClusterSpec) {
	s.NodeTypeSelector = nil
	s.InstancePoolName, s.DriverInstancePoolName = "workers", "drivers"
}

func TestNamesInPlaceOfIDs(t *testing.T) {
	t.Parallel()
	t.Run("[R18] one set of manifests settles in two workspaces with other ids, and a restart changes nothing", func(t *testing.T) {
		r := newRig(t, simulator.Options{Workspaces: []simulator.Workspace{stage("dev", simulator.DefaultToken), stage("prod", tenantToken)}})
		r.takes(func(t *simulator.Timings) { t.Launch = 0 })
		namespaces := map[string]string{r.namespace: "dev", r.newNamespace(): "prod", r.newNamespace(): "dev"}
		var all []*v1alpha1.DatabricksCluster
		for namespace, stage := range namespaces {
			token := map[string]string{"dev": simulator.DefaultToken, "prod": tenantToken}[stage]
			r.putSecretIn(namespace, defaultSecret, r.workspace.URL, token)
			if namespace != r.namespace {
				r.tenants = append(r.tenants, namespace)
			}
			for i := range 2 {
				all = append(all, r.small(fmt.Sprintf("by-selector-%d", i), byNames), r.small(fmt.Sprintf("by-pool-%d", i), byNames, withPoolNames))
				for _, cluster := range all[len(all)-2:] {
					cluster.Namespace = namespace
				}
			}
		}
		r.start()
		for _, cluster := range all {
			r.create(cluster)
		}
		settled := func() {
			for _, cluster := range all {
				now := r.becomes(cluster, "Ready=Running")
				r.becomes(cluster, "Synced=InSync")
				stage := namespaces[cluster.Namespace]
				record, _ := r.workspace.Cluster(now.Status.ClusterID)
				r.Expect(record.Spec).To(HaveKeyWithValue("policy_id", "policy-of-"+stage))
				r.Expect(record.Spec).To(HaveKeyWithValue("spark_version", "18.x-scala2.13"))
				resolved := now.Status.Resolved
				r.Expect(resolved).To(HaveField("PolicyID", "policy-of-"+stage))
				if now.Spec.InstancePoolName != "" {
					r.Expect(record.Spec).To(And(HaveKeyWithValue("instance_pool_id", "pool-of-"+stage), HaveKeyWithValue("driver_instance_pool_id", "driver-pool-of-"+stage)))
					r.Expect(resolved.NodeTypeID).To(BeEmpty())
				} else {
					r.Expect(record.Spec).To(HaveKeyWithValue("node_type_id", "i3.xlarge"))
					r.Expect(resolved.NodeTypeID).To(Equal("i3.xlarge"))
				}
			}
		}
		settled()
		r.stop()
		r.workspace.ClearRequests()
		r.start()
		r.lists(3)
		settled()
		r.Expect(r.writes()).To(BeEmpty())
		for _, list := range []string{"policies/list", "instance-pools/list", "clusters/spark-versions", "clusters/list-node-types"} {
			r.Eventually(func() []simulator.Entry { return r.workspace.RequestsTo(list) }).Should(HaveLen(2), "one %s for each workspace", list)
		}
	})

	for name, restart := range map[string]func(*rig, *v1alpha1.DatabricksCluster){
		"an edit": func(r *rig, cluster *v1alpha1.DatabricksCluster) { r.editSpec(cluster, sparkConf("spark.x", "y")) },
		"a request": func(r *rig, cluster *v1alpha1.DatabricksCluster) {
			r.edit(cluster, func(now *v1alpha1.DatabricksCluster) {
				now.Annotations = map[string]string{v1alpha1.AnnotationRequest: "restart@1"}
			})
		},
	} {
		eachSize(t, "a newer runtime waits while the cluster runs, and is taken with a restart for "+name, func(t *testing.T, size size) {
			r := size.rig(t, simulator.Options{Workspaces: []simulator.Workspace{stage("", simulator.DefaultToken)}})
			r.workspace.SetUnreleased("18.x-scala2.13")
			cluster := r.running(byNames)
			r.inSync(cluster)
			version := func() any {
				record, _ := r.workspace.Cluster(cluster.Status.ClusterID)
				return record.Spec["spark_version"]
			}
			r.Expect(version()).To(Equal("17.3.x-scala2.13"))
			r.stop()
			r.workspace.SetUnreleased()
			r.start()
			r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/spark-versions")) }).Should(BeNumerically(">=", 1))
			r.Expect(r.quietWrites()).To(BeEmpty())
			r.editSpec(cluster, fixed(2))
			r.inSync(cluster)
			r.Expect(r.quietWrites()).To(Equal([]string{"resize"}), "a size restarts nothing")
			restart(r, cluster)
			r.Eventually(version).Should(Equal("18.x-scala2.13"))
			now := r.becomes(cluster, "Ready=Running")
			r.Expect(now.Status.Resolved.SparkVersion).To(Equal("18.x-scala2.13"))
			r.inSync(cluster)
			r.Expect(r.quietWrites()).To(Equal([]string{"resize", "update"}), "one restart")
		})
	}

	eachSize(t, "a name that the workspace does not have is reported with the nearest one, and found once it is there", func(t *testing.T, size size) {
		r := size.rig(t, simulator.Options{Workspaces: []simulator.Workspace{stage("", simulator.DefaultToken)}})
		r.start()
		cluster := r.create(r.small("scratch", func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyName = "smal" }))
		stalled := r.becomes(cluster, "Stalled=ReferenceNotFound")
		r.Expect(message(stalled, v1alpha1.ConditionStalled)).To(And(ContainSubstring(`spec.policyName "smal"`), ContainSubstring(`"small"`)))
		r.Expect(r.live()).To(BeEmpty())
		_, err := r.workspace.AddPolicy("", simulator.Policy{ID: "late", Name: "smal", Definition: "{}"})
		r.Expect(err).NotTo(HaveOccurred())
		r.edit(cluster, func(now *v1alpha1.DatabricksCluster) {
			now.Annotations = map[string]string{v1alpha1.AnnotationRequest: "reconcile@1"}
		})
		settled := r.becomes(cluster, "Ready=Running")
		r.Expect(settled.Status.Resolved.PolicyID).To(Equal("late"))
		r.Expect(r.writes()).To(Equal([]string{"create"}))
	})

	t.Run("a name that leads to another id is a changed spec, and one that is gone stops no deletion", func(t *testing.T) {
		r := inFleet.rig(t, simulator.Options{Workspaces: []simulator.Workspace{stage("", simulator.DefaultToken)}})
		r.start()
		cluster := r.create(r.small("scratch", byNames))
		settled := r.becomes(cluster, "Ready=Running")
		r.becomes(cluster, "Synced=InSync")
		r.stop()
		_, err := r.workspace.AddPolicy("", simulator.Policy{ID: "another", Name: "small", Definition: "{}"})
		r.Expect(err).NotTo(HaveOccurred())
		_, err = r.workspace.AddPolicy("", simulator.Policy{ID: "policy-of-", Name: "former", Definition: "{}"})
		r.Expect(err).NotTo(HaveOccurred())
		r.start()
		r.Eventually(func() any {
			record, _ := r.workspace.Cluster(settled.Status.ClusterID)
			return record.Spec["policy_id"]
		}).Should(Equal("another"))
		r.becomes(cluster, "Ready=Running")
		r.stop()
		r.Expect(r.workspace.RemovePolicy("", "another")).To(Succeed())
		r.start()
		r.becomes(cluster, "Stalled=ReferenceNotFound")
		r.remove(cluster)
		r.gone(cluster)
		r.Expect(r.live()).To(BeEmpty())
	})

	t.Run("a selector that nothing matches is reported with what is near, until it is relaxed", func(t *testing.T) {
		r := inFleet.rig(t)
		r.start()
		cluster := r.create(r.small("scratch", func(s *v1alpha1.DatabricksClusterSpec) {
			s.NodeTypeID, s.NodeTypeSelector = "", &v1alpha1.NodeTypeSelector{MinCores: 4, Category: "Storage Optimized"}
		}))
		stalled := r.becomes(cluster, "Stalled=NoMatch")
		r.Expect(message(stalled, v1alpha1.ConditionStalled)).To(And(ContainSubstring(`spec.nodeTypeSelector {"minCores":4,"category":"Storage Optimized"}`), ContainSubstring("spec.nodeTypeID")))
		r.edit(cluster, func(now *v1alpha1.DatabricksCluster) { now.Spec.NodeTypeSelector.Category = "" })
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.writes()).To(Equal([]string{"create"}))
	})

	t.Run("a list that the credential may not read stops only the objects that need it, and says so", func(t *testing.T) {
		r := inFleet.rig(t, simulator.Options{Workspaces: []simulator.Workspace{stage("", simulator.DefaultToken)}})
		r.workspace.AddFault(simulator.Fault{Name: "no right", Endpoint: "policies/list", Status: 403, ErrorCode: "PERMISSION_DENIED", Message: "no right to list"})
		r.start()
		plain := r.create(r.small("plain"))
		named := r.create(r.small("named", byNames))
		r.becomes(plain, "Ready=Running")
		waiting := r.becomes(named, "Reconciling=RetryingAfterError")
		r.Expect(message(waiting, v1alpha1.ConditionReconciling)).To(And(ContainSubstring("spec.policyName"), ContainSubstring("no right to list")))
		r.workspace.RemoveFault("no right")
		r.edit(named, func(now *v1alpha1.DatabricksCluster) {
			now.Annotations = map[string]string{v1alpha1.AnnotationRequest: "reconcile@1"}
		})
		r.becomes(named, "Ready=Running")
	})

	t.Run("an observing object may have a name that leads nowhere", func(t *testing.T) {
		r := inFleet.rig(t)
		id := r.addForeignCluster(simulator.Seed{State: "RUNNING"})
		r.start()
		r.becomes(r.create(r.adopting("watcher", id, func(s *v1alpha1.DatabricksClusterSpec) {
			s.ManagementPolicy, s.PolicyName = v1alpha1.ManagementPolicyObserve, "nowhere"
		})), "Ready=Observed")
	})

	t.Run("[S12] the policies that a DatabricksWorkspace allows are compared with the id of a name", func(t *testing.T) {
		r := platform(t)
		for _, name := range []string{"small", "large"} {
			_, err := r.workspace.AddPolicy("", simulator.Policy{ID: "policy-" + name, Name: name, Definition: "{}"})
			r.Expect(err).NotTo(HaveOccurred())
		}
		r.start()
		shared := r.share(func(s *v1alpha1.DatabricksWorkspaceSpec) {
			s.RequirePolicy, s.AllowedPolicyIDs = true, []string{"policy-small"}
		})
		cluster := r.create(r.small("scratch", usesWorkspace(shared.Name), func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyName = "large" }))
		r.becomes(cluster, "Stalled=PolicyViolation")
		r.Expect(r.writes()).To(BeEmpty())
		r.edit(cluster, func(now *v1alpha1.DatabricksCluster) { now.Spec.PolicyName = "small" })
		r.becomes(cluster, "Ready=Running")
	})
}
