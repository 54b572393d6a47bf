package controller_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

const (
	platformToken = "dapi-platform-canary-0123456789"
	sharedSecret  = "shared-workspace"
)

// platform returns a rig in which a platform team shares its workspace. The operator has a
// namespace of its own with the credential.
func platform(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.Expect(r.workspace.AddToken("", simulator.DefaultUser, platformToken)).To(Succeed())
	r.options.Workspaces = true
	r.options.OperatorNamespace = r.newNamespace()
	r.options.OperatorServiceAccount = "operator"
	r.options.Usage = 50 * time.Millisecond
	r.putSecretIn(r.options.OperatorNamespace, sharedSecret, r.workspace.URL, platformToken)
	return r
}

// share creates a DatabricksWorkspace for this test.
func (r *rig) share(change ...func(*v1alpha1.DatabricksWorkspaceSpec)) *v1alpha1.DatabricksWorkspace {
	r.t.Helper()
	shared := &v1alpha1.DatabricksWorkspace{ObjectMeta: metav1.ObjectMeta{
		Name: "shared-" + r.namespace, Labels: map[string]string{labelCase: r.namespace},
	}}
	shared.Spec = v1alpha1.DatabricksWorkspaceSpec{
		Host:              r.workspace.URL,
		SecretRef:         &v1alpha1.OperatorSecretReference{Name: sharedSecret},
		AllowedNamespaces: &v1alpha1.AllowedNamespaces{Names: []string{r.namespace}},
	}
	for _, apply := range change {
		apply(&shared.Spec)
	}
	r.Expect(r.api.Create(r.t.Context(), shared)).To(Succeed())
	return shared
}

func (r *rig) editWorkspace(shared *v1alpha1.DatabricksWorkspace, change func(*v1alpha1.DatabricksWorkspaceSpec)) {
	r.t.Helper()
	r.Eventually(func() error {
		now := r.getWorkspace(shared)
		change(&now.Spec)
		return r.api.Update(r.t.Context(), now)
	}).Should(Succeed())
}

func (r *rig) getWorkspace(shared *v1alpha1.DatabricksWorkspace) *v1alpha1.DatabricksWorkspace {
	now := &v1alpha1.DatabricksWorkspace{}
	if err := r.api.Get(r.t.Context(), client.ObjectKeyFromObject(shared), now); err != nil {
		return &v1alpha1.DatabricksWorkspace{}
	}
	return now
}

// workspaceBecomes waits for a condition with its reason, such as Ready=Connected.
func (r *rig) workspaceBecomes(shared *v1alpha1.DatabricksWorkspace, want string) *v1alpha1.DatabricksWorkspace {
	r.t.Helper()
	texts := func(w *v1alpha1.DatabricksWorkspace) []string {
		return conditions(&v1alpha1.DatabricksCluster{Status: v1alpha1.DatabricksClusterStatus{Conditions: w.Status.Conditions}})
	}
	r.Eventually(func() []string { return texts(r.getWorkspace(shared)) }).Should(ContainElement(want))
	return r.getWorkspace(shared)
}

func usesWorkspace(name string) specChange {
	return func(s *v1alpha1.DatabricksClusterSpec) {
		s.Connection = &v1alpha1.Connection{WorkspaceRef: &v1alpha1.WorkspaceReference{Name: name}}
	}
}

// label sets or removes a label of a namespace.
func (r *rig) label(namespace, key string, value any) {
	r.t.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]any{key: value}}})
	r.Expect(err).NotTo(HaveOccurred())
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	r.Expect(r.api.Patch(r.t.Context(), object, client.RawPatch("application/merge-patch+json", patch))).To(Succeed())
}

func TestSharedWorkspaces(t *testing.T) {
	t.Parallel()
	t.Run("[S1] [S12] forty tenants use one workspace, with one credential that none of them can read", func(t *testing.T) {
		const tenants = 40
		r := platform(t)
		for range tenants {
			tenant := r.newNamespace()
			r.label(tenant, "databricks", r.namespace)
			r.tenants = append(r.tenants, tenant)
		}
		r.start()
		shared := r.share(func(s *v1alpha1.DatabricksWorkspaceSpec) {
			s.AllowedNamespaces = &v1alpha1.AllowedNamespaces{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"databricks": r.namespace}}}
		})
		all := make([]*v1alpha1.DatabricksCluster, 0, tenants)
		for _, tenant := range r.tenants {
			cluster := r.small("scratch", usesWorkspace(shared.Name))
			cluster.Namespace = tenant
			all = append(all, r.create(cluster))
		}
		outsider := r.create(r.small("outsider", usesWorkspace(shared.Name)))
		for _, cluster := range all {
			r.becomes(cluster, "Ready=Running")
		}
		r.becomes(outsider, "Stalled=PermissionDenied")
		r.Expect(r.live()).To(HaveLen(tenants))
		r.Expect(r.workspace.RequestsTo("scim/me")).To(HaveLen(1), "one credential, one cache")
		r.Eventually(func() *int32 { return r.getWorkspace(shared).Status.Clusters }).Should(HaveValue(BeEquivalentTo(tenants + 1)))

		seen, err := json.Marshal([]any{r.get(all[0]), r.get(outsider), r.getWorkspace(shared)})
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(string(seen)).NotTo(ContainSubstring("canary"), "[S7]")
	})

	t.Run("the number of clusters is correct even after a conflict", func(t *testing.T) {
		r := platform(t)
		var writes atomic.Int64
		r.intercept.SubResourcePatch = func(ctx context.Context, inner client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			shared, ok := object.(*v1alpha1.DatabricksWorkspace)
			if ok && shared.Status.Clusters != nil && *shared.Status.Clusters == 2 && writes.Add(1) == 1 {
				return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("databricksworkspaces").GroupResource(), shared.Name, nil)
			}
			return inner.SubResource(sub).Patch(ctx, object, patch, options...)
		}
		r.start()
		shared := r.share()
		r.workspaceBecomes(shared, "Ready=Connected")
		clusters := func() *int32 { return r.getWorkspace(shared).Status.Clusters }
		r.becomes(r.create(r.small("scratch", usesWorkspace(shared.Name))), "Ready=Running")
		r.Eventually(clusters).Should(HaveValue(BeEquivalentTo(1)))
		// A suspended object makes no calls to the workspace.
		r.create(r.small("idle", usesWorkspace(shared.Name), func(s *v1alpha1.DatabricksClusterSpec) { s.Suspend = true }))
		r.Eventually(clusters).Should(HaveValue(BeEquivalentTo(2)))
		r.Expect(writes.Load()).To(BeNumerically(">", 1))
	})

	t.Run("[S1] a tenant's Secret is never read for a workspace, and the operator's never for a tenant", func(t *testing.T) {
		r := platform(t)
		r.Expect(r.workspace.AddToken("", simulator.DefaultUser, "dapi-tenant")).To(Succeed())
		r.putSecret(sharedSecret, "https://evil.cloud.databricks.com", "dapi-tenant")
		r.putSecretIn(r.options.OperatorNamespace, "only-here", r.workspace.URL, platformToken)
		r.start()
		shared := r.share()
		r.becomes(r.create(r.small("through", usesWorkspace(shared.Name))), "Ready=Running")
		waiting := r.becomes(r.create(r.small("direct", usesSecret("only-here"))), "Reconciling=CredentialsNotReady")
		r.Expect(message(waiting, "Ready")).To(ContainSubstring(r.namespace))
		r.Expect(r.live()).To(HaveLen(1))

		r.editWorkspace(shared, func(s *v1alpha1.DatabricksWorkspaceSpec) { s.SecretRef.Name = defaultSecret })
		r.workspaceBecomes(shared, "Reconciling=CredentialsNotReady")
		r.becomes(r.small("through"), "Reconciling=CredentialsNotReady")
	})

	t.Run("[case-86] while a namespace is deleted and its Secret is gone, the message names remedies that work there", func(t *testing.T) {
		r := platform(t)
		r.withShortGrace()
		r.kubernetesFails = true // it refuses events in such a namespace
		r.putSecret(defaultSecret, r.workspace.URL, platformToken)
		r.start()
		var clusters []*v1alpha1.DatabricksCluster
		for i := range 3 {
			clusters = append(clusters, r.becomes(r.create(r.small(fmt.Sprintf("scratch-%d", i))), "Ready=Running"))
		}
		shared := r.share()
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.namespace}}
		r.Expect(r.api.Delete(t.Context(), namespace)).To(Succeed())
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: defaultSecret, Namespace: r.namespace}}
		r.Expect(r.api.Delete(t.Context(), secret)).To(Succeed())
		for _, cluster := range clusters {
			r.Eventually(func() []string { return conditions(r.get(cluster)) }).Should(ContainElement(HavePrefix("Ready!=Credentials")))
			r.remove(cluster)
			stalled := r.becomes(cluster, "Stalled=CredentialsInvalid")
			r.Expect(message(stalled, "Stalled")).To(And(
				ContainSubstring("deletionPolicy: Retain"), ContainSubstring("spec.connection.workspaceRef"), Not(ContainSubstring("create it"))))
		}
		secret.ResourceVersion, secret.UID = "", ""
		r.Expect(r.api.Create(t.Context(), secret)).NotTo(Succeed(), "Kubernetes accepts a Secret, so the message could name it")

		r.edit(clusters[0], func(c *v1alpha1.DatabricksCluster) { usesWorkspace(shared.Name)(&c.Spec) })
		r.edit(clusters[1], func(c *v1alpha1.DatabricksCluster) { c.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
		r.gone(clusters[0])
		r.gone(clusters[1])
		r.Expect(r.live()).To(HaveLen(2))
		r.edit(clusters[2], func(c *v1alpha1.DatabricksCluster) { usesWorkspace(shared.Name)(&c.Spec) })
		r.gone(clusters[2])
		r.Expect(r.live()).To(HaveLen(1))
	})

	t.Run("[case-58] a missing workspace is awaited, then reported, and detected when it is created", func(t *testing.T) {
		r := platform(t)
		r.withShortGrace()
		r.start()
		cluster := r.create(r.small("scratch", usesWorkspace("shared-"+r.namespace)))
		waiting := r.becomes(cluster, "Reconciling=CredentialsNotReady")
		r.Expect(message(waiting, "Ready")).To(ContainSubstring(`"shared-` + r.namespace + `"`))
		r.becomes(cluster, "Stalled=CredentialsInvalid")
		shared := r.share()
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.api.Delete(t.Context(), shared)).To(Succeed())
		r.becomes(cluster, "Reconciling=CredentialsNotReady")
		r.Expect(r.writes()).To(Equal([]string{"create"}))
	})

	t.Run("a namespace that is not allowed by name or by label is reported, and a change is detected", func(t *testing.T) {
		r := platform(t)
		r.start()
		shared := r.share(func(s *v1alpha1.DatabricksWorkspaceSpec) { s.AllowedNamespaces = nil })
		cluster := r.create(r.small("scratch", usesWorkspace(shared.Name)))
		stalled := r.becomes(cluster, "Stalled=PermissionDenied")
		r.Expect(message(stalled, "Stalled")).To(And(ContainSubstring(shared.Name), ContainSubstring(r.namespace), ContainSubstring("allowedNamespaces")))
		r.Expect(r.workspace.RequestsTo("clusters/create")).To(BeEmpty())

		r.editWorkspace(shared, func(s *v1alpha1.DatabricksWorkspaceSpec) {
			s.AllowedNamespaces = &v1alpha1.AllowedNamespaces{Names: []string{r.namespace}}
		})
		r.becomes(cluster, "Ready=Running")
		r.editWorkspace(shared, func(s *v1alpha1.DatabricksWorkspaceSpec) {
			s.AllowedNamespaces = &v1alpha1.AllowedNamespaces{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}}
		})
		r.becomes(cluster, "Stalled=PermissionDenied")
		r.label(r.namespace, "team", "a")
		r.becomes(cluster, "Ready=Running")
		r.label(r.namespace, "team", nil)
		r.becomes(cluster, "Stalled=PermissionDenied")
		r.Expect(r.writes()).To(Equal([]string{"create"}))
	})

	t.Run("a fault of its credential is reported by the workspace and by its objects, until it is corrected", func(t *testing.T) {
		r := platform(t)
		r.withShortGrace()
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: r.options.OperatorNamespace, Name: sharedSecret}}
		r.Expect(r.api.Delete(t.Context(), secret)).To(Succeed())
		r.start()
		shared := r.share()
		cluster := r.create(r.small("scratch", usesWorkspace(shared.Name)))
		r.workspaceBecomes(shared, "Reconciling=CredentialsNotReady")
		waiting := r.becomes(cluster, "Reconciling=CredentialsNotReady")
		r.Expect(message(waiting, "Ready")).To(And(ContainSubstring("is not ready"), ContainSubstring(shared.Name)))
		r.workspaceBecomes(shared, "Stalled=CredentialsInvalid")
		r.becomes(cluster, "Stalled=CredentialsInvalid")

		r.putSecretIn(r.options.OperatorNamespace, sharedSecret, r.workspace.URL, "dapi-wrong")
		r.workspaceBecomes(shared, "Stalled=AuthenticationFailed")
		r.becomes(cluster, "Stalled=AuthenticationFailed")
		r.putSecretIn(r.options.OperatorNamespace, sharedSecret, r.workspace.URL, platformToken)
		r.workspaceBecomes(shared, "Ready=Connected")
		r.becomes(cluster, "Ready=Running")
	})

	t.Run("[S4] its credential is only sent to the host in the same Secret", func(t *testing.T) {
		r := platform(t)
		other := r.newWorkspace(simulator.Options{})
		r.start()
		shared := r.share(func(s *v1alpha1.DatabricksWorkspaceSpec) { s.Host = other.URL })
		stalled := r.workspaceBecomes(shared, "Stalled=CredentialsInvalid")
		r.Expect(stalled.Status.Conditions[0].Message).To(And(ContainSubstring(other.URL), ContainSubstring(r.workspace.URL)))
		r.becomes(r.create(r.small("scratch", usesWorkspace(shared.Name))), "Stalled=CredentialsInvalid")
		r.Expect(other.Requests()).To(BeEmpty())
		r.Expect(r.workspace.Requests()).To(BeEmpty())
	})

	t.Run("the operator's own service account needs no Secret", func(t *testing.T) {
		r := platform(t)
		r.options.AllowedTokenAudiences = []string{"databricks"}
		subject := "system:serviceaccount:" + r.options.OperatorNamespace + ":operator"
		r.workspace = r.newWorkspace(federated(subject, "databricks"))
		r.account(r.options.OperatorNamespace, "operator")
		r.account(r.namespace, "operator")
		r.start()
		shared := r.share(func(s *v1alpha1.DatabricksWorkspaceSpec) {
			s.SecretRef = nil
			s.WorkloadIdentity = &v1alpha1.OperatorIdentity{ClientID: "6f7c-app", Audience: "databricks"}
		})
		r.Expect(r.workspaceBecomes(shared, "Ready=Connected").Status.Principal).To(Equal("6f7c-app"))
		r.becomes(r.create(r.small("scratch", usesWorkspace(shared.Name))), "Ready=Running")
	})

	t.Run("[S12] a tenant does not adopt another's cluster with a shared credential, unless the workspace allows adoption", func(t *testing.T) {
		r := platform(t)
		id := r.addForeignCluster(simulator.Seed{State: "RUNNING"})
		r.start()
		shared := r.share()
		adopted := r.create(r.adopting("adopted", id, fixed(1), usesWorkspace(shared.Name)))
		observed := r.create(r.adopting("observed", id, usesWorkspace(shared.Name), func(s *v1alpha1.DatabricksClusterSpec) {
			s.ManagementPolicy = v1alpha1.ManagementPolicyObserve
		}))
		for _, cluster := range []*v1alpha1.DatabricksCluster{adopted, observed} {
			stalled := r.becomes(cluster, "Stalled=PermissionDenied")
			r.Expect(message(stalled, "Stalled")).To(ContainSubstring("allowAdoption"))
			r.Expect(stalled.Status.State).To(BeEmpty())
		}
		r.Expect(r.writes()).To(BeEmpty())
		r.editWorkspace(shared, func(s *v1alpha1.DatabricksWorkspaceSpec) { s.AllowAdoption = true })
		r.becomes(observed, "Ready=Observed")
		r.becomes(adopted, "Ready=Running")
		r.editWorkspace(shared, func(s *v1alpha1.DatabricksWorkspaceSpec) { s.AllowAdoption = false })
		r.becomes(adopted, "Stalled=PermissionDenied")
	})

	t.Run("an object may name its own cluster", func(t *testing.T) {
		r := platform(t)
		r.start()
		shared := r.share()
		cluster := r.create(r.small("scratch", usesWorkspace(shared.Name)))
		ready := r.becomes(cluster, "Ready=Running")
		r.edit(cluster, func(c *v1alpha1.DatabricksCluster) { c.Spec.ClusterID = ready.Status.ClusterID })
		r.Eventually(func() int64 { return r.get(cluster).Status.ObservedGeneration }).Should(Equal(r.get(cluster).Generation))
		r.becomes(cluster, "Ready=Running")
	})

	t.Run("an operator without DatabricksWorkspaces reports that", func(t *testing.T) {
		r := newRig(t)
		r.start()
		stalled := r.becomes(r.create(r.small("scratch", usesWorkspace("prod"))), "Stalled=CredentialsInvalid")
		r.Expect(message(stalled, "Stalled")).To(ContainSubstring("--workspaces"))
	})
}

func TestTheStatusOfAWorkspace(t *testing.T) {
	t.Parallel()
	t.Run("it has the principal, the workspace and the number of clusters, and no write without a change", func(t *testing.T) {
		r := platform(t)
		r.start()
		shared := r.share()
		ready := r.workspaceBecomes(shared, "Ready=Connected")
		r.Expect(ready.Status.ObservedGeneration).To(Equal(ready.Generation))
		r.Expect(ready.Status.Principal).To(Equal(simulator.DefaultUser))
		r.Expect(ready.Status.WorkspaceID).NotTo(BeEmpty())
		r.Expect(ready.Status.Cloud).To(BeEmpty(), "the host of the simulator is not a host of Databricks")
		r.Expect(ready.Status.Clusters).To(HaveValue(BeZero()))
		r.Expect(ready.Status.MirrorAgeMinutes).To(BeNil(), "no cluster is watched")

		cluster := r.create(r.small("scratch", usesWorkspace(shared.Name)))
		r.becomes(cluster, "Ready=Running")
		r.Eventually(func() *int32 { return r.getWorkspace(shared).Status.Clusters }).Should(HaveValue(BeEquivalentTo(1)))
		r.Eventually(func() *int32 { return r.getWorkspace(shared).Status.MirrorAgeMinutes }).Should(HaveValue(BeZero()))
		settled := r.getWorkspace(shared)
		r.Consistently(func() string { return r.getWorkspace(shared).ResourceVersion }, "1s").Should(Equal(settled.ResourceVersion))

		r.edit(cluster, func(c *v1alpha1.DatabricksCluster) { c.Spec.Connection = nil })
		r.Eventually(func() *int32 { return r.getWorkspace(shared).Status.Clusters }).Should(HaveValue(BeZero()))
	})

	t.Run("changes of the number of clusters are not written one by one", func(t *testing.T) {
		r := platform(t)
		r.options.Usage = 500 * time.Millisecond
		r.start()
		shared := r.share()
		r.workspaceBecomes(shared, "Ready=Connected")
		begin := time.Now()
		versions := map[string]bool{}
		for i := range 20 {
			r.create(r.small(fmt.Sprint("scratch-", i), usesWorkspace(shared.Name), func(s *v1alpha1.DatabricksClusterSpec) { s.Suspend = true }))
			versions[r.getWorkspace(shared).ResourceVersion] = true
		}
		r.Eventually(func() *int32 {
			now := r.getWorkspace(shared)
			versions[now.ResourceVersion] = true
			return now.Status.Clusters
		}).Should(HaveValue(BeEquivalentTo(20)))
		most := 2 + int(time.Since(begin)/r.options.Usage)
		r.Expect(len(versions)).To(BeNumerically("<=", most))
	})

	t.Run("a token that the workspace refuses is reported without an object that uses it", func(t *testing.T) {
		r := platform(t)
		r.start()
		shared := r.share()
		r.becomes(r.create(r.small("scratch", usesWorkspace(shared.Name))), "Ready=Running")
		r.workspace.RevokeToken(platformToken)
		r.workspaceBecomes(shared, "Stalled=AuthenticationFailed")
		r.Expect(r.workspace.AddToken("", simulator.DefaultUser, "dapi-next")).To(Succeed())
		r.putSecretIn(r.options.OperatorNamespace, sharedSecret, r.workspace.URL, "dapi-next")
		r.workspaceBecomes(shared, "Ready=Connected")
	})
}

func TestRulesOfASharedWorkspace(t *testing.T) {
	t.Parallel()
	t.Run("[S12] an object that breaks a rule writes nothing, until it is corrected", func(t *testing.T) {
		r := platform(t)
		r.start()
		shared := r.share(func(s *v1alpha1.DatabricksWorkspaceSpec) { s.ForbiddenFields = []string{"sparkConf"} })
		cluster := r.create(r.small("scratch", usesWorkspace(shared.Name), func(s *v1alpha1.DatabricksClusterSpec) {
			s.SparkConf = map[string]string{"spark.a": "1"}
		}))
		stalled := r.becomes(cluster, "Stalled=PolicyViolation")
		r.Expect(message(stalled, v1alpha1.ConditionStalled)).To(And(ContainSubstring("spec.sparkConf"), ContainSubstring(shared.Name)))
		r.Expect(r.writes()).To(BeEmpty())
		r.edit(cluster, func(now *v1alpha1.DatabricksCluster) { now.Spec.SparkConf = nil })
		r.becomes(cluster, "Ready=Running")
	})

	t.Run("[S12] a new rule stops the writes of a running cluster's object, and not its deletion", func(t *testing.T) {
		r := platform(t)
		r.start()
		shared := r.share()
		cluster := r.becomes(r.create(r.small("scratch", usesWorkspace(shared.Name))), "Ready=Running")
		r.editWorkspace(shared, func(s *v1alpha1.DatabricksWorkspaceSpec) {
			s.RequirePolicy, s.AllowedPolicyIDs = true, []string{"P1"}
		})
		r.edit(cluster, func(now *v1alpha1.DatabricksCluster) { now.Spec.NumWorkers = new(int32(3)) })
		stalled := r.becomes(cluster, "Stalled=PolicyViolation")
		r.Expect(message(stalled, v1alpha1.ConditionStalled)).To(ContainSubstring("set it to one of P1"))
		r.Expect(r.writes()).To(Equal([]string{"create"}))
		r.remove(cluster)
		r.gone(cluster)
		r.Expect(r.live()).To(BeEmpty())
	})

	t.Run("[S12] an observing object may declare anything", func(t *testing.T) {
		r := platform(t)
		id := r.addForeignCluster(simulator.Seed{State: "RUNNING"})
		r.start()
		shared := r.share(func(s *v1alpha1.DatabricksWorkspaceSpec) { s.AllowAdoption, s.RequirePolicy = true, true })
		r.becomes(r.create(r.adopting("watcher", id, usesWorkspace(shared.Name), func(s *v1alpha1.DatabricksClusterSpec) {
			s.ManagementPolicy = v1alpha1.ManagementPolicyObserve
		})), "Ready=Observed")
	})

	t.Run("a forbidden field that does not exist forbids everything until it is corrected", func(t *testing.T) {
		r := platform(t)
		r.start()
		shared := r.share(func(s *v1alpha1.DatabricksWorkspaceSpec) { s.ForbiddenFields = []string{"initscripts"} })
		stalled := r.workspaceBecomes(shared, "Stalled=InvalidSpec")
		r.Expect(stalled.Status.Conditions[0].Message).To(ContainSubstring(`"initscripts" is no field`))
		cluster := r.create(r.small("scratch", usesWorkspace(shared.Name)))
		r.becomes(cluster, "Stalled=InvalidSpec")
		r.Expect(r.writes()).To(BeEmpty())
		r.editWorkspace(shared, func(s *v1alpha1.DatabricksWorkspaceSpec) { s.ForbiddenFields = []string{"initScripts"} })
		r.becomes(cluster, "Ready=Running")
	})
}
