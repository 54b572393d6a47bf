package plugin_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/clusterpolicy"
	"github.com/databricks-operator/databricks-operator/internal/instancepool"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/plugin/varied"
)

func TestApplyingAnImportOfPoliciesAndPoolsChangesNothing(t *testing.T) {
	r := newRig(t, 1)
	r.Expect(varied.AddPoliciesAndPools(t.Context(), r.sim)).To(Succeed())
	r.sim.ClearRequests()
	directory := filepath.Join(t.TempDir(), "workspace")
	args := []string{"import", "--all", "--kind=policies,pools", "--with=permissions", "-o", directory}
	result := r.dbcIn(t.Context(), "", args...)
	r.Expect(result.code).To(Equal(0), result.errOut)
	r.Expect(result.errOut).To(ContainSubstring("10 manifests from"))
	r.start()
	var applied []managed.Resource
	for kind, pattern := range map[*managed.Kind]string{clusterpolicy.Kind: "*.policy.yaml", instancepool.Kind: "*.pool.yaml"} {
		files, err := filepath.Glob(filepath.Join(directory, pattern))
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(files).To(HaveLen(5))
		for _, file := range files {
			content, err := os.ReadFile(file)
			r.Expect(err).NotTo(HaveOccurred())
			r.Expect(string(content)).NotTo(ContainSubstring(varied.RegistryPassword))
			resource := kind.New()
			r.Expect(yaml.UnmarshalStrict(content, resource)).To(Succeed(), file)
			resource.SetNamespace(r.namespace)
			if pool, isPool := resource.(*v1alpha1.DatabricksInstancePool); isPool {
				for _, image := range pool.Spec.PreloadedDockerImages {
					if image.BasicAuthSecretRef != nil {
						r.putSecret(r.namespace, image.BasicAuthSecretRef.Name, map[string]string{v1alpha1.LabelUse: v1alpha1.UseRegistry},
							map[string]string{"username": "puller", "password": varied.RegistryPassword})
					}
				}
			}
			r.Expect(r.api.Create(t.Context(), resource)).To(Succeed(), string(content))
			applied = append(applied, resource)
		}
	}
	for _, resource := range applied {
		kind := clusterpolicy.Kind
		if _, isPool := resource.(*v1alpha1.DatabricksInstancePool); isPool {
			kind = instancepool.Kind
		}
		r.Eventually(func(g Gomega) {
			now := kind.New()
			g.Expect(r.api.Get(t.Context(), client.ObjectKeyFromObject(resource), now)).To(Succeed())
			view := kind.View(now)
			states := map[string]metav1.ConditionStatus{}
			for _, condition := range view.Status.Conditions {
				states[condition.Type] = condition.Status
			}
			g.Expect(states).To(And(HaveKeyWithValue(v1alpha1.ConditionReady, metav1.ConditionTrue), HaveKeyWithValue(v1alpha1.ConditionSynced, metav1.ConditionTrue)),
				"%s: %v", resource.GetName(), view.Status.Conditions)
			g.Expect(view.Status.Drift).To(BeEmpty())
		}).Should(Succeed())
	}
	r.Expect(r.writes()).To(BeEmpty(), "an applied import writes nothing")

	again := r.dbcIn(t.Context(), "", args...)
	r.Expect(again.errOut).To(ContainSubstring(fmt.Sprintf("0 files written, %d unchanged", len(applied)+1)))
}

func TestPoliciesAndPoolsAreImportedWithWhatTheyHave(t *testing.T) {
	r := newRig(t, 1)
	r.Expect(varied.AddPoliciesAndPools(t.Context(), r.sim)).To(Succeed())
	text := r.ok("import", "--all", "--kind", "policies,pools", "--workspace-ref", "shared")
	for _, want := range []string{
		"kind: DatabricksClusterPolicy\n", "name: small-jobs-team-a\n", "num_workers:\n      maxValue: 4\n      type: range\n", "value: 1.5",
		"coordinates: a:b:1\n", "policyFamilyID: job-cluster\n", "policyFamilyDefinitionOverrides:\n    node_type_id:\n",
		"kind: DatabricksInstancePool\n", "name: aws-spot\n", "ebsVolumeType: GENERAL_PURPOSE_SSD\n", `spotBidMaxPrice: "0.25"`, "gcpAvailability: PREEMPTIBLE_GCP\n",
		"basicAuthSecretRef:\n      name: aws-spot-registry\n", "workspaceRef:\n      name: shared\n",
	} {
		r.Expect(text).To(ContainSubstring(want))
	}
	r.Expect(strings.Count(text, "\n---\n")).To(Equal(9))
	r.Expect(strings.Index(text, "DatabricksClusterPolicy")).To(BeNumerically("<", strings.Index(text, "DatabricksInstancePool")), "policies first")
	r.Expect(r.ok("import", varied.Pool, "--kind=pools,policies")).To(And(ContainSubstring("poolID: "+varied.Pool), Not(ContainSubstring("---"))))
	r.Expect(r.ok("import", "--policy=fixing", "--kind=policies")).To(ContainSubstring("policyID: " + varied.FixingPolicy))
	r.Expect(r.ok("import", "--tag=team=a", "--kind=policies,pools")).To(And(ContainSubstring("aws-spot"), Not(ContainSubstring("DatabricksClusterPolicy"))))
}

func TestAnImportWithReferencesChangesNothing(t *testing.T) {
	r := newRig(t, 1)
	id, err := r.sim.AddCluster(simulator.Seed{State: "RUNNING", Spec: map[string]any{
		"cluster_name": "etl", "policy_id": varied.PlainPolicy, "instance_pool_id": varied.Pool, "driver_instance_pool_id": varied.DriverPool, "num_workers": 1,
	}})
	r.Expect(err).NotTo(HaveOccurred())
	text := r.ok("import", "--all", "--kind=policies,pools,clusters", "--use-refs")
	r.Expect(text).To(And(ContainSubstring("policyRef:\n    name: plain\n"), ContainSubstring("instancePoolRef:\n    name: workers\n"), ContainSubstring("driverInstancePoolRef:\n    name: drivers\n")))
	r.start()
	for document := range strings.SplitSeq(text, "\n---\n") {
		resource := &unstructured.Unstructured{}
		r.Expect(yaml.Unmarshal([]byte(document), &resource.Object)).To(Succeed())
		r.create(resource)
	}
	etl := &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Name: "etl", Namespace: r.namespace}}
	r.becomes(etl, v1alpha1.ConditionReady, "True Running")
	r.Expect(condition(r.get(client.ObjectKeyFromObject(etl)), v1alpha1.ConditionSynced)).To(Equal("True InSync"))
	r.Expect(r.get(client.ObjectKeyFromObject(etl)).Status.ClusterID).To(Equal(id))
	r.Expect(r.writes()).To(BeEmpty())
	r.Expect(r.ok("diff", "etl")).To(ContainSubstring("nothing would change"))
	r.Expect(r.ok("tree", "etl")).To(And(ContainSubstring("├─ databricksclusterpolicy/plain\n"), ContainSubstring("databricksinstancepool/workers\n")))
	r.Expect(lines(r.dbc("doctor", "etl").out)).To(ContainSubstring("ok  policy           databricksclusterpolicy/plain is Ready"))
}

func TestAReferenceToNothingIsExplained(t *testing.T) {
	r := newRig(t, 1)
	waiting := r.small("waiting", func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyRef = &v1alpha1.LocalObjectReference{Name: "absent"} })
	result := r.dbc("diff", "-f", r.manifest(waiting))
	r.Expect(result.code).To(Equal(1), result.errOut)
	r.Expect(result.out).To(ContainSubstring("  > clusters/create, once what it refers to is Ready\n"))
	r.create(waiting)
	r.Expect(lines(r.dbc("doctor", "waiting").out)).To(ContainSubstring("BAD policy           databricksclusterpolicy/absent does not exist in namespace"))
	r.Expect(r.ok("tree", "waiting")).To(ContainSubstring("databricksclusterpolicy/absent (does not exist)"))
}
