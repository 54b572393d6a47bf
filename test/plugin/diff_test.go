package plugin_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// manifest writes an object into a file, and returns its name.
func (r *rig) manifest(object *v1alpha1.DatabricksCluster) string {
	r.t.Helper()
	content, err := yaml.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": v1alpha1.ClusterKind,
		"metadata": map[string]any{"name": object.Name, "namespace": object.Namespace}, "spec": object.Spec,
	})
	r.Expect(err).NotTo(HaveOccurred())
	file := filepath.Join(r.t.TempDir(), object.Name+".yaml")
	r.Expect(os.WriteFile(file, content, 0o600)).To(Succeed())
	return file
}

func TestDiffShowsWhatTheOperatorWouldDo(t *testing.T) {
	r := newRig(t, 1)
	r.start()
	etl := r.small("etl")
	r.Expect(r.dbc("diff", "-f", r.manifest(etl))).To(Equal(output{code: 1, out: fmt.Sprintf(
		"databrickscluster %s/etl, no cluster yet\n  > clusters/create, now\n", r.namespace,
	)}))
	r.create(etl)
	r.becomes(etl, v1alpha1.ConditionReady, "True Running")
	r.Eventually(func() string { return r.get(client.ObjectKeyFromObject(etl)).Status.AppliedDigest }).ShouldNot(BeEmpty())
	now := r.get(client.ObjectKeyFromObject(etl))
	head := fmt.Sprintf("databrickscluster %s/etl, cluster %s (RUNNING)\n", r.namespace, now.Status.ClusterID)
	r.sim.ClearRequests()
	for name, c := range map[string]struct {
		change func(s *v1alpha1.DatabricksClusterSpec)
		code   int
		want   string
	}{
		"nothing": {func(*v1alpha1.DatabricksClusterSpec) {}, 0, "  nothing would change\n"},
		"a size":  {func(s *v1alpha1.DatabricksClusterSpec) { s.NumWorkers = new(int32(3)) }, 1, "  ~ /numWorkers: 1 -> 3\n  > clusters/resize, now\n"},
		"a restart": {
			func(s *v1alpha1.DatabricksClusterSpec) { s.SparkConf = map[string]string{"a": "1"} }, 1,
			"  ~ /sparkConf/a: nothing -> [redacted]\n  > clusters/update, RESTARTS the running cluster, now\n",
		},
		"a deferred restart": {
			func(s *v1alpha1.DatabricksClusterSpec) {
				s.SparkVersion = "17.3.x-scala2.13"
				s.UpdateStrategy = &v1alpha1.UpdateStrategy{Type: v1alpha1.UpdateStrategyOnTermination}
			}, 1,
			"  ~ /sparkVersion: 16.4.x-scala2.12 -> 17.3.x-scala2.13\n  > clusters/update, when the cluster is down or restarted\n",
		},
		"permissions, libraries and a pin": {
			func(s *v1alpha1.DatabricksClusterSpec) {
				s.AccessControlList = []v1alpha1.AccessControl{{GroupName: "data", PermissionLevel: v1alpha1.PermissionLevelCanRestart}}
				s.Libraries = []v1alpha1.Library{{PyPI: &v1alpha1.PyPILibrary{Package: "numpy"}}}
				s.Pinned = new(true)
			}, 1,
			"  ~ /libraries: nothing -> numpy\n  ~ /accessControlList: nothing -> data CAN_RESTART\n" +
				"  > libraries/install, now\n  > permissions/clusters, now\n  > clusters/pin, now\n",
		},
		"suspension": {
			func(s *v1alpha1.DatabricksClusterSpec) { s.Suspend, s.NumWorkers = true, new(int32(2)) }, 1,
			"  ~ /numWorkers: 1 -> 2\n  > clusters/update, when the object is resumed (spec.suspend)\n",
		},
	} {
		t.Run(name, func(*testing.T) {
			changed := r.small("etl")
			c.change(&changed.Spec)
			result := r.dbc("diff", "-f", r.manifest(changed))
			r.Expect(result.errOut).To(BeEmpty())
			r.Expect(result.out).To(Equal(head + c.want))
			r.Expect(result.code).To(Equal(c.code))
			r.Expect(r.writes()).To(BeEmpty())
		})
	}

	t.Run("drift of an existing object", func(*testing.T) {
		r.Expect(r.sim.EditElsewhere(now.Status.ClusterID, map[string]any{"num_workers": 4})).To(Succeed())
		r.stop()
		result := r.dbc("diff", "etl")
		r.Expect(result.code).To(BeElementOf(0, 1))
		r.Expect(result.out).To(HavePrefix(head))
	})
}

// TestDiffPredictsTheCalls compares the calls that diff names with those that the operator
// then makes.
func TestDiffPredictsTheCalls(t *testing.T) {
	for name, change := range map[string]func(s *v1alpha1.DatabricksClusterSpec){
		"update": func(s *v1alpha1.DatabricksClusterSpec) { s.SparkEnvVars = map[string]string{"A": "1"} },
		"resize": func(s *v1alpha1.DatabricksClusterSpec) { s.NumWorkers = new(int32(5)) },
		"install": func(s *v1alpha1.DatabricksClusterSpec) {
			s.Libraries = []v1alpha1.Library{{Jar: "/Volumes/main/default/jars/a.jar"}}
		},
		"terminate": func(s *v1alpha1.DatabricksClusterSpec) { s.RunPolicy = v1alpha1.RunPolicyTerminated },
		"pin":       func(s *v1alpha1.DatabricksClusterSpec) { s.Pinned = new(true) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			id, err := r.sim.AddCluster(simulator.Seed{State: "RUNNING", Spec: map[string]any{"num_workers": 2, "autotermination_minutes": 0}})
			r.Expect(err).NotTo(HaveOccurred())
			object := &v1alpha1.DatabricksCluster{}
			object.Name, object.Namespace, object.Spec.ClusterID = "adopted", r.namespace, id
			change(&object.Spec)
			result := r.dbc("diff", "-f", r.manifest(object), "-o", "json")
			r.Expect(result.code).To(Equal(1), result.errOut)
			var predicted []struct{ Calls []struct{ Endpoint string } }
			r.Expect(yaml.Unmarshal([]byte(result.out), &predicted)).To(Succeed())
			var want []string
			for _, call := range predicted[0].Calls {
				want = append(want, call.Endpoint)
			}
			r.Expect(want).NotTo(BeEmpty())
			r.start()
			r.create(object)
			r.Eventually(func() []string {
				var made []string
				for _, entry := range r.sim.Requests() {
					if entry.Effect && entry.Method != http.MethodGet {
						made = append(made, entry.Endpoint)
					}
				}
				return made
			}).Should(Equal(want))
			r.Eventually(func() string { return condition(r.get(client.ObjectKeyFromObject(object)), v1alpha1.ConditionReady) }).Should(HavePrefix("True"))
		})
	}
}

// TestDiffOfWhatAnotherObjectManages asks for a second object of one cluster and of one
// policy, as a user who sees all namespaces and as one who sees only their own.
func TestDiffOfWhatAnotherObjectManages(t *testing.T) {
	r := newRig(t, 2)
	id, err := r.sim.AddCluster(simulator.Seed{State: "RUNNING", Spec: map[string]any{"num_workers": 2, "autotermination_minutes": 0}})
	r.Expect(err).NotTo(HaveOccurred())
	adopting := func(namespace, name string) *v1alpha1.DatabricksCluster {
		object := &v1alpha1.DatabricksCluster{}
		object.Name, object.Namespace, object.Spec.ClusterID = name, namespace, id
		object.Spec.NumWorkers = new(int32(2))
		return object
	}
	first, small := adopting(r.namespace, "first"), r.policy("small")
	r.start()
	r.create(first)
	r.becomes(first, v1alpha1.ConditionReady, "True Running")
	r.create(small)
	r.isReady(small)

	beside := r.dbc("diff", "-f", r.stream(adopting(r.namespace, "second"), r.policy("second", func(s *v1alpha1.DatabricksClusterPolicySpec) {
		s.Name, s.AdoptByName = r.namespace+"-small", true
	})))
	r.Expect(beside.code).To(Equal(2), beside.errOut)
	r.Expect(joined(beside.out)).To(And(
		ContainSubstring("! AlreadyManaged: cluster "+id+" is already managed by DatabricksCluster "+r.namespace+"/first"),
		ContainSubstring("is already managed by DatabricksClusterPolicy "+r.namespace+"/small"),
	))
	r.Expect(r.ok("diff", "first", "policy/small")).NotTo(ContainSubstring("AlreadyManaged"))

	elsewhere := r.stream(adopting(r.namespaces[1], "third"))
	r.Expect(joined(r.dbc("diff", "-f", elsewhere).out)).To(ContainSubstring("is already managed by an object of another namespace"))
	r.allow("tenant", rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"databricksclusters"}, Verbs: []string{"get", "list"}})
	within := r.stream(adopting(r.namespace, "second"))
	r.Eventually(func() string { return joined(r.dbc("diff", "-f", within, "--as=tenant").out) }).Should(ContainSubstring(r.namespace + "/first"))
	r.Expect(joined(r.dbc("diff", "-f", within, "--as=tenant").errOut)).To(ContainSubstring("note: you may not list all namespaces"))
}

func TestDiffFailsWithItsOwnExitCode(t *testing.T) {
	r := newRig(t, 1)
	broken := r.small("broken", func(s *v1alpha1.DatabricksClusterSpec) { s.NumWorkers = nil })
	file := filepath.Join(t.TempDir(), "typing-error.yaml")
	r.Expect(os.WriteFile(file, []byte("apiVersion: compute.databricks-operator.io/v1alpha1\nkind: DatabricksCluster\nmetadata: {name: a}\nspec: {sparkVersio: a}\n"), 0o600)).To(Succeed())
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"an invalid manifest":         {[]string{"-f", r.manifest(broken)}, "a size is needed"},
		"a typing error":              {[]string{"-f", file}, "sparkVersio"},
		"an absent file":              {[]string{"-f", "absent.yaml"}, "absent.yaml"},
		"an absent object":            {[]string{"absent"}, "not found"},
		"neither file nor name":       {nil, "choose manifests with -f"},
		"an unknown name of a policy": {[]string{"-f", r.manifest(r.small("named", func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyName = "absent" }))}, ""},
	} {
		t.Run(name, func(*testing.T) {
			result := r.dbc(append([]string{"diff"}, c.args...)...)
			r.Expect(result.code).To(Equal(2))
			if c.want == "" {
				r.Expect(result.out).To(ContainSubstring("  ! ReferenceNotFound: "))
				return
			}
			r.Expect(result.errOut).To(And(HavePrefix("error: "), ContainSubstring(c.want)))
		})
	}
}
