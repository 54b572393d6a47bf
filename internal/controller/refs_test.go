package controller_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// refRig is a rig for policies and instance pools, and clusters that refer to them.
type refRig struct {
	*rig

	policies, pools *listedRig
}

func newRefRig(t *testing.T, simulated ...simulator.Options) *refRig {
	t.Helper()
	r := newRig(t, simulated...)
	if len(simulated) == 0 {
		r.Expect(r.workspace.AddToken("", simulator.DefaultUser, otherToken)).To(Succeed())
	}
	return &refRig{rig: r, policies: &listedRig{rig: r, kind: policyKind}, pools: &listedRig{rig: r, kind: poolKind}}
}

// tenant adds a namespace to the operator's.
func (r *refRig) tenant() string {
	r.t.Helper()
	namespace := r.newNamespace()
	r.tenants = append(r.tenants, namespace)
	r.putSecretIn(namespace, defaultSecret, r.workspace.URL, simulator.DefaultToken)
	watchStatuses(r.rig, r.record, namespace)
	return namespace
}

// stack is a policy, a pool, and clusters that refer to both.
type stack struct {
	policy, pool managed.Resource
	clusters     []*v1alpha1.DatabricksCluster
}

func (r *refRig) stackIn(namespace string, clusters int) stack {
	made := stack{policy: r.policy(namespace), pool: poolKind.sample(namespace, "workers")}
	made.pool.(*v1alpha1.DatabricksInstancePool).Spec.MaxCapacity = nil
	for i := range clusters {
		cluster := r.small(fmt.Sprintf("x%d", i), byPolicyRef, byPoolRefs)
		cluster.Namespace = namespace
		made.clusters = append(made.clusters, cluster)
	}
	return made
}

// policy returns a policy that limits no number of clusters.
func (r *refRig) policy(namespace string) managed.Resource {
	policy := policyKind.sample(namespace, "team")
	policy.(*v1alpha1.DatabricksClusterPolicy).Spec.MaxClustersPerUser = nil
	return policy
}

func byPolicyRef(s *v1alpha1.DatabricksClusterSpec) {
	s.PolicyRef = &v1alpha1.LocalObjectReference{Name: "team"}
}

func byPoolRefs(s *v1alpha1.DatabricksClusterSpec) {
	s.NodeTypeID = ""
	s.InstancePoolRef = &v1alpha1.LocalObjectReference{Name: "workers"}
	s.DriverInstancePoolRef = &v1alpha1.LocalObjectReference{Name: "workers"}
}

// bases returns the objects that the clusters refer to.
func (s stack) bases() []client.Object { return []client.Object{s.policy, s.pool} }

func (s stack) dependents() []client.Object {
	var all []client.Object
	for _, cluster := range s.clusters {
		all = append(all, cluster)
	}
	return all
}

func (r *refRig) apply(objects ...client.Object) {
	r.t.Helper()
	for _, object := range objects {
		r.Expect(r.api.Create(r.t.Context(), object)).To(Succeed())
	}
}

func (r *refRig) delete(objects ...client.Object) {
	r.t.Helper()
	for _, object := range objects {
		r.Expect(r.api.Delete(r.t.Context(), object)).To(Succeed())
	}
}

// settles waits until a stack is in the workspace as declared.
func (r *refRig) settles(s stack) {
	r.t.Helper()
	policy, pool := r.policies.is(s.policy, "Ready=Available"), r.pools.is(s.pool, "Ready=Available")
	for _, cluster := range s.clusters {
		r.becomes(cluster, "Ready=Running")
		now := r.becomes(cluster, "Synced=InSync")
		r.Expect(now.Status.Resolved).To(Equal(&v1alpha1.ResolvedStatus{
			PolicyID: *policy.ID, InstancePoolID: *pool.ID, DriverInstancePoolID: *pool.ID,
			For: map[string]string{"policyRef": "team", "instancePoolRef": "workers", "driverInstancePoolRef": "workers"},
		}))
		r.Expect(r.specOf(now)).To(And(HaveKeyWithValue("policy_id", *policy.ID), HaveKeyWithValue("instance_pool_id", *pool.ID)))
	}
}

// specOf returns the specification of the cluster of an object in the workspace.
func (r *refRig) specOf(cluster *v1alpha1.DatabricksCluster) map[string]any {
	record, _ := r.workspace.Cluster(r.get(cluster).Status.ClusterID)
	return record.Spec
}

// allWrites returns the operations of the operator that changed the workspace.
func (r *refRig) allWrites() []string {
	return slices.Concat(r.writes(), r.policies.sent(), r.pools.sent())
}

// waits returns why a cluster waits for an object, as soon as it does.
func (r *refRig) waits(cluster *v1alpha1.DatabricksCluster) string {
	r.t.Helper()
	return message(r.becomes(cluster, "Reconciling=DependencyNotReady"), v1alpha1.ConditionReady)
}

// refuse makes the workspace refuse an operation until the returned function is called.
func (r *refRig) refuse(endpoint string) (stop func()) {
	r.workspace.AddFault(simulator.Fault{Name: endpoint, Endpoint: endpoint, Status: http.StatusForbidden, ErrorCode: "PERMISSION_DENIED", Message: "no right to change policies"})
	return func() { r.workspace.RemoveFault(endpoint) }
}

// retried requests that a policy or pool is reconciled now.
func retried(now managed.Object) {
	now.SetAnnotations(map[string]string{v1alpha1.AnnotationRequest: "reconcile@" + now.GetResourceVersion()})
}

func TestRefsInAnyOrder(t *testing.T) {
	t.Parallel()
	t.Run("[case-140] policies, pools and twelve clusters of three namespaces are applied in any order, and a restart writes nothing", func(t *testing.T) {
		r := newRefRig(t)
		basesFirst, clustersFirst, mixed := r.stackIn(r.namespace, 4), r.stackIn(r.tenant(), 4), r.stackIn(r.tenant(), 4)
		r.start()
		r.apply(clustersFirst.dependents()...)
		for _, cluster := range clustersFirst.clusters {
			r.Expect(r.waits(cluster)).To(HavePrefix(`spec.policyRef waits for DatabricksClusterPolicy "team", which the operator does not find`))
		}
		r.Expect(r.allWrites()).To(BeEmpty())
		r.apply(basesFirst.bases()...)
		r.apply(basesFirst.dependents()...)
		r.apply(mixed.clusters[0], mixed.pool, mixed.clusters[1], mixed.policy, mixed.clusters[2], mixed.clusters[3])
		r.apply(clustersFirst.pool)
		r.pools.is(clustersFirst.pool, "Ready=Available")
		r.Expect(r.waits(clustersFirst.clusters[0])).To(ContainSubstring("spec.policyRef"))
		r.apply(clustersFirst.policy)
		all := []stack{basesFirst, clustersFirst, mixed}
		for _, one := range all {
			r.settles(one)
		}
		r.Expect(r.quietWrites()).To(HaveLen(12))
		r.Expect(r.allWrites()).To(HaveEach("create"))
		r.Expect(r.allWrites()).To(HaveLen(18))

		written := r.record.total()
		r.stop()
		r.workspace.ClearRequests()
		r.start()
		r.lists(3)
		for _, one := range all {
			r.settles(one)
		}
		r.Expect(r.quietWrites()).To(BeEmpty())
		r.Expect(r.allWrites()).To(BeEmpty())
		r.Expect(r.record.total()).To(Equal(written), "no status is written")
	})
}

func TestRefsWaitAndFollow(t *testing.T) {
	t.Parallel()
	t.Run("[case-140] a cluster waits for a policy that is refused, and tells its message", func(t *testing.T) {
		r := newRefRig(t)
		permit := r.refuse("policies/create")
		policy, cluster := r.policy(r.namespace), r.small("scratch", byPolicyRef)
		r.start()
		r.apply(policy, cluster)
		r.policies.is(policy, "Ready!=PermissionDenied")
		r.Eventually(func() string { return message(r.get(cluster), v1alpha1.ConditionReady) }).Should(And(
			HavePrefix(`spec.policyRef waits for DatabricksClusterPolicy "team": PermissionDenied: `), ContainSubstring("no right to change policies")))
		r.Expect(r.live()).To(BeEmpty())
		permit()
		r.policies.change(policy, retried)
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.writes()).To(Equal([]string{"create"}))
	})

	t.Run("[case-140] a cluster keeps its policy while an edit of the policy is refused, also over a restart, and follows its own edits", func(t *testing.T) {
		r := newRefRig(t)
		policy, cluster := r.policy(r.namespace), r.small("scratch", byPolicyRef)
		r.start()
		r.apply(policy, cluster)
		r.becomes(cluster, "Ready=Running")
		r.becomes(cluster, "Synced=InSync")
		id := r.specOf(cluster)["policy_id"]
		permit := r.refuse("policies/edit")
		r.policies.change(policy, func(now managed.Object) { policyKind.edit(now.Resource, 7) })
		r.policies.is(policy, "Ready!=PermissionDenied")
		late := r.create(r.small("late", byPolicyRef))
		r.Expect(r.waits(late)).To(ContainSubstring("no right to change policies"))
		r.stop()
		r.workspace.ClearRequests()
		r.start()
		r.editSpec(cluster, fixed(2))
		r.inSync(cluster)
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.quietWrites()).To(Equal([]string{"resize"}))
		r.Expect(r.specOf(cluster)).To(HaveKeyWithValue("policy_id", id))
		r.waits(late)
		permit()
		r.policies.change(policy, retried)
		r.becomes(late, "Ready=Running")
		r.Expect(r.quietWrites()).To(Equal([]string{"resize", "create"}), "an edit of the policy changes no cluster")
	})

	t.Run("[case-140] a cluster keeps running without its policy, and takes the id of a new one as a changed spec", func(t *testing.T) {
		r := newRefRig(t)
		policy, cluster := r.policy(r.namespace), r.small("scratch", byPolicyRef)
		r.start()
		r.apply(policy, cluster)
		running := r.becomes(cluster, "Ready=Running")
		r.becomes(cluster, "Synced=InSync")
		r.delete(policy)
		r.policies.isGone(policy)
		r.Expect(r.waits(cluster)).To(ContainSubstring("does not find"))
		r.Expect(r.get(cluster).Status.Resolved).To(HaveField("PolicyID", running.Status.Resolved.PolicyID))
		record, _ := r.workspace.Cluster(running.Status.ClusterID)
		r.Expect(record.State).To(BeEquivalentTo("RUNNING"))
		r.apply(r.policy(r.namespace))
		made := r.policies.is(policy, "Ready=Available")
		r.Expect(*made.ID).NotTo(Equal(running.Status.Resolved.PolicyID))
		r.Eventually(func() any { return r.specOf(cluster)["policy_id"] }).Should(Equal(*made.ID))
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.becomes(cluster, "Synced=InSync").Status.Resolved).To(HaveField("PolicyID", *made.ID))
		r.Expect(r.quietWrites()).To(Equal([]string{"create", "update"}))
	})

	t.Run("[case-140] [S12] the policies that a DatabricksWorkspace allows are compared with the id of a reference", func(t *testing.T) {
		r := platform(t)
		r.start()
		shared := r.share(func(s *v1alpha1.DatabricksWorkspaceSpec) {
			s.RequirePolicy, s.AllowedPolicyIDs = true, []string{"another"}
			s.AllowedKinds = []v1alpha1.AllowedKind{v1alpha1.ClusterKind, v1alpha1.PolicyKind}
		})
		policy := policyKind.sample(r.namespace, "team")
		policy.(*v1alpha1.DatabricksClusterPolicy).Spec.Connection = &v1alpha1.Connection{WorkspaceRef: &v1alpha1.WorkspaceReference{Name: shared.Name}}
		r.Expect(r.api.Create(t.Context(), policy)).To(Succeed())
		cluster := r.create(r.small("scratch", usesWorkspace(shared.Name), byPolicyRef))
		made := (&listedRig{rig: r, kind: policyKind}).is(policy, "Ready=Available")
		r.Expect(message(r.becomes(cluster, "Stalled=PolicyViolation"), "Stalled")).To(ContainSubstring(`spec.policyID "` + *made.ID + `"`))
		r.Expect(r.writes()).To(BeEmpty())
		r.editWorkspace(shared, func(spec *v1alpha1.DatabricksWorkspaceSpec) { spec.AllowedPolicyIDs = []string{*made.ID} })
		r.becomes(cluster, "Ready=Running")
	})

	t.Run("[case-140] a policy that leaves the labels of the operator is not found, and is used again when it has them again", func(t *testing.T) {
		r := newRefRig(t)
		shard := map[string]string{"shard": "a"}
		r.options.Scope.Labels = labels.SelectorFromSet(shard)
		policy, cluster := r.policy(r.namespace), r.small("scratch", byPolicyRef)
		policy.SetLabels(shard)
		cluster.SetLabels(shard)
		r.start()
		r.apply(policy, cluster)
		r.becomes(cluster, "Ready=Running")
		r.becomes(cluster, "Synced=InSync")
		r.policies.change(policy, func(now managed.Object) { now.SetLabels(nil) })
		r.Expect(r.waits(cluster)).To(ContainSubstring("does not find"))
		r.policies.change(policy, func(now managed.Object) { now.SetLabels(shard) })
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.allWrites()).To(Equal([]string{"create", "create"}))
	})

	t.Run("[case-140] the id of a pool that another credential created after the lists were read is not doubted", func(t *testing.T) {
		r := newRefRig(t, simulator.Options{Workspaces: []simulator.Workspace{stage("", simulator.DefaultToken)}})
		r.Expect(r.workspace.AddToken("", simulator.DefaultUser, otherToken)).To(Succeed())
		r.putSecret("other", r.workspace.URL, otherToken)
		r.start()
		r.becomes(r.create(r.small("named", byNames, withPoolNames)), "Ready=Running")
		pool, cluster := poolKind.sample(r.namespace, "workers"), r.small("scratch", byPoolRefs, func(s *v1alpha1.DatabricksClusterSpec) {
			s.InstancePoolRef, s.InstancePoolName = nil, "workers"
		})
		pool.(*v1alpha1.DatabricksInstancePool).Spec.Connection = &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: "other"}}
		r.apply(pool, cluster)
		r.becomes(cluster, "Ready=Running")
		r.becomes(cluster, "Synced=InSync")
		r.Consistently(func() []string { return r.notes(cluster, "SpecDoubtful") }).Should(BeEmpty())
	})

	t.Run("[case-140] an observing object may refer to nothing", func(t *testing.T) {
		r := newRefRig(t)
		id := r.addForeignCluster(simulator.Seed{State: "RUNNING"})
		r.start()
		r.becomes(r.create(r.adopting("watcher", id, byPolicyRef, func(s *v1alpha1.DatabricksClusterSpec) {
			s.ManagementPolicy = v1alpha1.ManagementPolicyObserve
		})), "Ready=Observed")
	})
}

func TestRefsToOtherWorkspaces(t *testing.T) {
	t.Parallel()
	t.Run("[case-140] a reference to an object of another workspace of the same host is reported with both, and corrected", func(t *testing.T) {
		r := newRefRig(t, simulator.Options{Workspaces: []simulator.Workspace{stage("dev", simulator.DefaultToken), stage("prod", tenantToken)}})
		r.putSecret("prod", r.workspace.URL, tenantToken)
		policy, cluster := r.policy(r.namespace), r.small("scratch", byPolicyRef)
		policy.(*v1alpha1.DatabricksClusterPolicy).Spec.Connection = &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: "prod"}}
		r.start()
		r.apply(policy, cluster)
		made := r.policies.is(policy, "Ready=Available")
		stalled := r.becomes(cluster, "Stalled=ReferenceNotFound")
		r.Expect(message(stalled, "Stalled")).To(And(
			HavePrefix(fmt.Sprintf(`spec.policyRef: DatabricksClusterPolicy "team" is in the workspace %s (%s), and this object in %s (`, r.workspace.URL, made.Status.WorkspaceID, r.workspace.URL)),
			ContainSubstring("refer to one of the same workspace")))
		r.Expect(strings.Count(message(stalled, "Stalled"), made.Status.WorkspaceID)).To(Equal(1))
		r.Expect(r.writes()).To(BeEmpty())
		near := policyKind.sample(r.namespace, "near")
		r.apply(near)
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyRef.Name = "near" })
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.specOf(cluster)).To(HaveKeyWithValue("policy_id", *r.policies.is(near, "Ready=Available").ID))
	})

	t.Run("[case-140] a reference to an object of another host is reported with both", func(t *testing.T) {
		r := newRefRig(t)
		other := r.newWorkspace(simulator.Options{})
		r.hosts = append(r.hosts, other.URL)
		r.putSecret("elsewhere", other.URL, simulator.DefaultToken)
		pool, cluster := poolKind.sample(r.namespace, "workers"), r.small("scratch", byPoolRefs, usesSecret("elsewhere"))
		r.start()
		r.apply(pool)
		r.pools.is(pool, "Ready=Available")
		r.apply(cluster)
		r.Expect(message(r.becomes(cluster, "Stalled=ReferenceNotFound"), "Stalled")).To(And(
			HavePrefix(`spec.instancePoolRef: DatabricksInstancePool "workers" is in the workspace `+r.workspace.URL), ContainSubstring("and this object in "+other.URL)))
		r.Expect(other.RequestsTo("clusters/create")).To(BeEmpty())
	})
}

func TestRefsDeletedAtOnce(t *testing.T) {
	t.Parallel()
	t.Run("[case-140] policies, pools and twelve clusters of three namespaces are deleted in any order, with a restart between", func(t *testing.T) {
		r := newRefRig(t)
		basesFirst, clustersFirst, atOnce := r.stackIn(r.namespace, 4), r.stackIn(r.tenant(), 4), r.stackIn(r.tenant(), 4)
		all := []stack{basesFirst, clustersFirst, atOnce}
		r.start()
		for _, one := range all {
			r.apply(one.bases()...)
			r.apply(one.dependents()...)
		}
		for _, one := range all {
			r.settles(one)
		}
		r.delete(basesFirst.bases()...)
		r.policies.isGone(basesFirst.policy)
		r.pools.isGone(basesFirst.pool)
		for _, cluster := range basesFirst.clusters {
			r.waits(cluster)
			record, _ := r.workspace.Cluster(r.get(cluster).Status.ClusterID)
			r.Expect(record.State).To(BeEquivalentTo("RUNNING"))
		}
		r.delete(clustersFirst.dependents()...)
		r.delete(clustersFirst.bases()...)
		r.Eventually(r.writes).Should(ContainElement("permanent-delete"))
		r.kill()
		r.delete(atOnce.pool, atOnce.clusters[0], atOnce.policy, atOnce.clusters[1], atOnce.clusters[2], atOnce.clusters[3])
		r.delete(basesFirst.dependents()...)
		r.start()
		for _, one := range all {
			for _, cluster := range one.clusters {
				r.gone(cluster)
			}
			r.policies.isGone(one.policy)
			r.pools.isGone(one.pool)
		}
		r.Expect(r.live()).To(BeEmpty())
		r.Expect(r.policies.remotes()).To(BeEmpty())
		r.Expect(r.pools.remotes()).To(BeEmpty())
	})
}
