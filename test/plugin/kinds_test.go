package plugin_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/cli"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/test/plugin/varied"
)

// now returns the stored state of an object.
func (r *rig) now(of managed.Resource) target.Object {
	resource := target.Of(of).Kind.New()
	if err := r.api.Get(r.t.Context(), client.ObjectKeyFromObject(of), resource); err != nil {
		return target.Object{}
	}
	return target.Of(resource)
}

// isReady waits until an object of any kind is ready, and returns it.
func (r *rig) isReady(of managed.Resource) target.Object {
	r.t.Helper()
	r.Eventually(func(g Gomega) {
		object := r.now(of)
		g.Expect(object.Resource).NotTo(BeNil())
		for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionSynced} {
			g.Expect(object.Condition(kind)).To(HaveField("Status", metav1.ConditionTrue), "%v", object.Conditions)
		}
		g.Expect(object.IsEvaluated()).To(BeTrue())
	}).Should(Succeed())
	return r.now(of)
}

// stream writes objects into one file, and returns its name.
func (r *rig) stream(objects ...managed.Resource) string {
	r.t.Helper()
	documents := make([]string, 0, len(objects))
	for _, object := range objects {
		object.GetObjectKind().SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(target.Of(object).Kind.Name))
		text, err := yaml.Marshal(object)
		r.Expect(err).NotTo(HaveOccurred())
		documents = append(documents, withoutStatus(string(text)))
	}
	file := filepath.Join(r.t.TempDir(), "stream.yaml")
	r.Expect(os.WriteFile(file, []byte(strings.Join(documents, "---\n")), 0o600)).To(Succeed())
	return file
}

// withoutStatus removes the status, which comes last, from a manifest.
func withoutStatus(manifest string) string {
	before, _, _ := strings.Cut(manifest, "\nstatus:")
	return strings.TrimSuffix(before, "\n") + "\n"
}

func TestDiffOfSeveralKindsInOneStream(t *testing.T) {
	r := newRig(t, 1)
	r.start()
	etl := r.small("etl", func(s *v1alpha1.DatabricksClusterSpec) {
		s.PolicyRef = &v1alpha1.LocalObjectReference{Name: "small-jobs"}
		s.AutoterminationMinutes = nil
	})
	file := r.stream(r.policy("small-jobs"), r.pool("small"), etl)
	result := r.dbc("diff", "-f", file)
	r.Expect(result.code).To(Equal(1), result.errOut)
	r.Expect(result.out).To(Equal(strings.ReplaceAll(`databricksclusterpolicy NS/small-jobs, no policy yet
  > policies/clusters/create, now

databricksinstancepool NS/small, no instance pool yet
  > instance-pools/create, now

databrickscluster NS/etl, no cluster yet
  > clusters/create, once what it refers to is Ready
`, "NS", r.namespace)))
	r.Expect(r.writes()).To(BeEmpty())

	policy, pool := r.policy("small-jobs"), r.pool("small")
	r.create(policy)
	r.create(pool)
	policyID, poolID := r.isReady(policy).ID, r.isReady(pool).ID
	r.sim.ClearRequests()
	changed := r.stream(
		r.policy("small-jobs", func(s *v1alpha1.DatabricksClusterPolicySpec) { s.Description = "of the team" }),
		r.pool("small", func(s *v1alpha1.DatabricksInstancePoolSpec) { s.NodeTypeID = "i3.2xlarge" }),
	)
	result = r.dbc("diff", "-f", changed)
	r.Expect(result.code).To(Equal(2), "an immutable field stalls")
	r.Expect(strings.ReplaceAll(result.out, "\n    ", " ")).To(HavePrefix(fmt.Sprintf(`databricksclusterpolicy %[1]s/small-jobs, policy %[2]s
  ~ /description: nothing -> of the team
  > policies/clusters/edit, now

databricksinstancepool %[1]s/small, instance pool %[3]s (ACTIVE)
  ~ /nodeTypeID: i3.xlarge -> i3.2xlarge
  ! ImmutableField: `, r.namespace, policyID, poolID)))
	r.Expect(r.ok("diff", "policy/small-jobs", "pool/small")).To(ContainSubstring("nothing would change"))
	r.Expect(r.writes()).To(BeEmpty())

	r.Expect(r.dbc("diff", "job/small").errOut).To(ContainSubstring(`there is no TYPE "job": choose one of cluster`))
	file = filepath.Join(t.TempDir(), "typing-error.yaml")
	r.Expect(os.WriteFile(file, []byte("apiVersion: compute.databricks-operator.io/v1alpha1\nkind: DatabricksInstancePool\nmetadata: {name: a}\nspec: {maxCapacit: 1}\n"), 0o600)).To(Succeed())
	refused := r.dbc("diff", "-f", file)
	r.Expect(refused.code).To(Equal(2))
	r.Expect(refused.errOut).To(ContainSubstring("maxCapacit"))
}

// inTheAPI replaces names of the simulator by those of the API.
var inTheAPI = strings.NewReplacer("policies/", "policies/clusters/", "/set", "")

// TestDiffPredictsTheCallsForPoliciesAndPools compares the calls that diff names with those
// that the operator then makes.
func TestDiffPredictsTheCallsForPoliciesAndPools(t *testing.T) {
	for name, object := range map[string]func(r *rig) managed.Resource{
		"a new policy": func(r *rig) managed.Resource { return r.policy("new") },
		"a new pool":   func(r *rig) managed.Resource { return r.pool("new") },
		"an adopted policy": func(r *rig) managed.Resource {
			return r.policy("plain", func(s *v1alpha1.DatabricksClusterPolicySpec) {
				s.PolicyID, s.Description = varied.PlainPolicy, "changed"
			})
		},
		"an adopted pool with permissions": func(r *rig) managed.Resource {
			return r.pool("workers", func(s *v1alpha1.DatabricksInstancePoolSpec) {
				s.PoolID = varied.Pool
				entry := v1alpha1.PoolAccessControl{PermissionLevel: "CAN_ATTACH_TO"}
				entry.GroupName = "data"
				s.AccessControlList = []v1alpha1.PoolAccessControl{entry}
			})
		},
		"a pool adopted by its name": func(r *rig) managed.Resource {
			return r.pool("workers", func(s *v1alpha1.DatabricksInstancePoolSpec) { s.InstancePoolName, s.AdoptByName = "workers", true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			resource := object(r)
			result := r.dbc("diff", "-f", r.stream(resource), "-o", "json")
			r.Expect(result.code).To(Equal(1), result.errOut)
			var predicted []struct{ Calls []struct{ Endpoint string } }
			r.Expect(yaml.Unmarshal([]byte(result.out), &predicted)).To(Succeed())
			var want []string
			for _, call := range predicted[0].Calls {
				want = append(want, call.Endpoint)
			}
			r.Expect(want).NotTo(BeEmpty())
			r.start()
			r.create(resource)
			r.isReady(resource)
			var made []string
			for _, entry := range r.sim.Requests() {
				if entry.Effect && entry.Method != http.MethodGet {
					made = append(made, inTheAPI.Replace(entry.Endpoint))
				}
			}
			r.Expect(made).To(Equal(want))
		})
	}
}

func TestDoctorTreeAndOpenOfPoliciesAndPools(t *testing.T) {
	r := newRig(t, 1)
	r.deploy(1, "--allowed-hosts="+r.sim.URL)
	r.start()
	policy, pool := r.policy("small-jobs"), r.pool("small")
	r.create(policy)
	r.create(pool)
	policyID, readyPool := r.isReady(policy).ID, r.isReady(pool)
	etl := r.small("etl", func(s *v1alpha1.DatabricksClusterSpec) {
		s.PolicyRef, s.NumWorkers = &v1alpha1.LocalObjectReference{Name: "small-jobs"}, new(int32(2))
	})
	r.create(etl)
	r.becomes(etl, v1alpha1.ConditionReady, "True Running")

	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"policy/small-jobs"}, []string{
			"databricksclusterpolicy " + r.namespace + "/small-jobs is Ready: ", "ok  operator", "ok  Secret", "ok  network", `ok  policy           ` + policyID + ` is "`,
		}},
		{[]string{"dbip/small", "--use-credential"}, []string{
			"databricksinstancepool " + r.namespace + "/small is Ready: ", "ok  node type        the workspace has i3.xlarge", "ok  pool             " + readyPool.ID, "ok  rights",
		}},
	} {
		result := r.dbc(append([]string{"doctor"}, c.args...)...)
		r.Expect(result.code).To(Equal(0), result.out)
		for _, want := range c.want {
			r.Expect(lines(result.out)).To(ContainSubstring(want))
		}
		r.expectNarrow(result.out)
	}

	r.Expect(r.ok("tree", "policy/small-jobs")).To(Equal(fmt.Sprintf(`databricksclusterpolicy/small-jobs (Ready: %s)
├─ secret/databricks-credentials %s
├─ policy %s %q
└─ databrickscluster/etl (Ready: Running)
`, r.now(policy).Condition(v1alpha1.ConditionReady).Reason, r.sim.URL, policyID, r.namespace+"-small-jobs")))
	r.Expect(r.ok("tree", "pool/small")).To(HaveSuffix(fmt.Sprintf("└─ instance pool %s %q\n   └─ owner tag: this object, operator %s\n", readyPool.ID, r.namespace+"-small", operatorID)))
	again := r.dbc("import", "--all", "--kind=pools")
	r.Expect(again.out).NotTo(ContainSubstring(readyPool.ID))
	r.Expect(strings.Join(strings.Fields(again.errOut), " ")).To(ContainSubstring("it has the tag " + v1alpha1.PoolOwnerTagKey + ": an object manages it already"))
	r.Expect(r.ok("open", "pool/small", "--print")).To(Equal(readyPool.URL + "\n"))
	r.Expect(r.dbc("events", "pool/small").errOut).To(Equal("error: pool/small: 'kubectl dbc events' is for clusters\n"))
}

func TestDoctorFindsTheCauseForPoliciesAndPools(t *testing.T) {
	r := newRig(t, 1)
	r.start()
	taken := r.policy("taken", func(s *v1alpha1.DatabricksClusterPolicySpec) { s.Name = "plain" })
	r.create(taken)
	broken := r.pool("broken", func(s *v1alpha1.DatabricksInstancePoolSpec) { s.NodeTypeID = "nothing.xlarge" })
	r.create(broken)
	r.Eventually(func() *metav1.Condition { return r.now(taken).Condition(v1alpha1.ConditionReady) }).Should(HaveField("Reason", v1alpha1.ReasonNameTaken))
	r.Eventually(func() *metav1.Condition { return r.now(broken).Condition(v1alpha1.ConditionReady) }).Should(HaveField("Reason", v1alpha1.ReasonInvalidSpec))
	for argument, want := range map[string][]string{
		"policy/taken": {
			"is not Ready: NameTaken", "BAD name             the policy " + varied.PlainPolicy, "$ kubectl edit -n " + r.namespace + " databricksclusterpolicy taken",
			"?   operator         there is no Deployment of databricks-operator in this control plane, but one evaluated the newest generation",
		},
		"pool/broken":   {"is not Ready: InvalidSpec", "BAD node type        the workspace does not have nothing.xlarge"},
		"policy/absent": {"BAD object           there is no DatabricksClusterPolicy absent", "$ kubectl get databricksclusterpolicy --all-namespaces"},
	} {
		result := r.dbc("doctor", argument)
		r.Expect(result.code).To(Equal(1), result.out)
		for _, part := range want {
			r.Expect(lines(result.out)).To(ContainSubstring(part))
		}
	}
	all := r.dbc("doctor")
	r.Expect(all.out).To(And(ContainSubstring("$ kubectl dbc doctor -n "+r.namespace+" policy/taken\n"), ContainSubstring("$ kubectl dbc doctor -n "+r.namespace+" pool/broken\n")))
	r.Expect(r.dbc("doctor", "policies/").errOut).To(ContainSubstring("write NAME for a cluster, or TYPE/NAME"))
}

func TestCompletionOffersObjectsOfEveryKind(t *testing.T) {
	r := newRig(t, 1)
	r.create(r.small("etl"))
	r.create(r.policy("small-jobs"))
	complete := func(command, begun string) string {
		var out bytes.Buffer
		streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &bytes.Buffer{}}
		r.Expect(cli.Run(t.Context(), []string{"__complete", "--namespace=" + r.namespace, command, begun}, cli.Options{Streams: streams, Version: "test"})).To(Equal(0))
		return out.String()
	}
	r.Expect(complete("doctor", "po")).To(And(ContainSubstring("policy/\n"), ContainSubstring("pool/\n")))
	r.Expect(complete("doctor", "")).To(HavePrefix("etl\n:4"))
	r.Expect(complete("tree", "policy/")).To(HavePrefix("policy/small-jobs\n"))
	r.Expect(complete("start", "policy/")).To(HavePrefix("etl\n"))
}
