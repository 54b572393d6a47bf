package plugin_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/plugin/varied"
)

// deploy creates the Deployment of an operator with flags, until the test ends. Nothing
// runs its pods.
func (r *rig) deploy(ready int32, args ...string) {
	r.t.Helper()
	labels := map[string]string{"app.kubernetes.io/name": "databricks-operator", "control-plane": "controller-manager"}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "databricks-operator-controller-manager", Namespace: r.namespace, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{ServiceAccountName: "controller-manager", Containers: []corev1.Container{{Name: "manager", Image: "x", Args: args}}},
			},
		},
	}
	r.create(deployment)
	deployment.Status.Replicas, deployment.Status.ReadyReplicas = ready, ready
	r.Expect(r.api.Status().Update(r.t.Context(), deployment)).To(Succeed())
	r.t.Cleanup(func() { _ = r.api.Delete(context.Background(), deployment) })
	r.allow("system:serviceaccount:"+r.namespace+":controller-manager", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}})
}

// allow gives a user rights in the first namespace.
func (r *rig) allow(user string, rules ...rbacv1.PolicyRule) {
	r.t.Helper()
	name := strings.ReplaceAll(user, ":", "-")
	r.create(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.namespace}, Rules: rules})
	r.create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
	})
}

// lines returns the lines of an output, with the wrapped ones joined.
func lines(text string) string {
	text = strings.ReplaceAll(text, "\n"+strings.Repeat(" ", 21), " ")
	return text
}

// expectNarrow checks that a text fits on a terminal of 80 columns, except commands.
func (r *rig) expectNarrow(text string) {
	r.t.Helper()
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.Contains(line, "$ ") && strings.Count(line, " ") > 22 {
			r.Expect(utf8.RuneCountInString(line)).To(BeNumerically("<=", 80), line)
		}
	}
}

func TestDoctorSaysThatAllIsWell(t *testing.T) {
	r := newRig(t, 1)
	r.deploy(1, "--allowed-hosts="+r.sim.URL, "--namespace-hosts="+r.namespace+"="+r.sim.URL)
	r.start()
	etl := r.small("etl", func(s *v1alpha1.DatabricksClusterSpec) {
		s.PolicyID, s.AutoterminationMinutes = varied.FixingPolicy, nil
	})
	r.create(etl)
	r.becomes(etl, v1alpha1.ConditionReady, "True Running")
	result := r.dbc("doctor", "etl", "--use-credential")
	r.Expect(result.code).To(Equal(0), result.out)
	text := lines(result.out)
	for _, want := range []string{
		"is Ready: Running", "ok  operator         " + r.namespace + "/databricks-operator-controller-manager runs, 1 of 1 pods are ready",
		"ok  Secret           databricks-credentials has a credential of the type pat for " + r.sim.URL,
		"ok  host rules", "ok  network", "the workspace accepts it as " + simulator.DefaultUser, "ok  cluster", "ok  rights", `ok  policy           ` + varied.FixingPolicy + ` is "fixing"`, "ok  runtime",
	} {
		r.Expect(text).To(ContainSubstring(want))
	}
	r.expectNarrow(result.out)
	r.Expect(r.ok("doctor")).To(ContainSubstring("ok  objects          all 1 are ready"))

	own := r.dbc("doctor", "etl")
	r.Expect(own.code).To(Equal(0), own.out)
	r.Expect(lines(own.out)).To(ContainSubstring("which is you and not the operator"))
}

func TestDoctorFindsTheCause(t *testing.T) {
	for name, c := range map[string]struct {
		// arrange returns the object to examine.
		arrange func(r *rig) *v1alpha1.DatabricksCluster
		args    []string
		// want are parts of the output, with a command that fixes it.
		want []string
	}{
		"no operator": {
			arrange: func(r *rig) *v1alpha1.DatabricksCluster { return r.small("etl") },
			want:    []string{"is not evaluated", "BAD operator", "there is no Deployment", "$ kubectl apply --server-side -f dist/install.yaml"},
		},
		"an operator without pods": {
			arrange: func(r *rig) *v1alpha1.DatabricksCluster { r.deploy(0); return r.small("etl") },
			want:    []string{"BAD operator", "has no pod that is ready", "$ kubectl logs -n "},
		},
		"an operator for other namespaces": {
			arrange: func(r *rig) *v1alpha1.DatabricksCluster {
				r.deploy(1, "--watch-namespaces", "elsewhere")
				return r.small("etl")
			},
			want: []string{"BAD operator", "watches only the namespaces elsewhere (--watch-namespaces)", "$ kubectl edit -n "},
		},
		"an operator for other labels": {
			arrange: func(r *rig) *v1alpha1.DatabricksCluster {
				r.deploy(1, "--watch-label-selector=shard=a")
				return r.small("etl")
			},
			want: []string{"watches only objects with the labels shard=a"},
		},
		"a missing Secret": {
			arrange: func(r *rig) *v1alpha1.DatabricksCluster {
				return r.small("etl", func(s *v1alpha1.DatabricksClusterSpec) {
					s.Connection = &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: "absent"}}
				})
			},
			want: []string{"BAD Secret", "absent does not exist", "$ kubectl create secret generic absent -n "},
		},
		"an incomplete Secret": {
			arrange: func(r *rig) *v1alpha1.DatabricksCluster {
				r.putSecret(r.namespace, "half", nil, map[string]string{"host": r.sim.URL, "client_id": "11111111-2222-3333-4444-555555555555"})
				return r.small("etl", func(s *v1alpha1.DatabricksClusterSpec) {
					s.Connection = &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: "half"}}
				})
			},
			want: []string{"BAD Secret", "lacks the key client_secret (or DATABRICKS_CLIENT_SECRET)"},
		},
		"a host that the operator may not reach": {
			arrange: func(r *rig) *v1alpha1.DatabricksCluster { r.deploy(1); return r.small("etl") },
			want:    []string{"BAD host rules", "--allowed-hosts does not have it", "$ kubectl edit -n "},
		},
		"a host that the namespace may not use": {
			arrange: func(r *rig) *v1alpha1.DatabricksCluster {
				r.deploy(1, "--allowed-hosts="+r.sim.URL, "--namespace-hosts=*=.azuredatabricks.net")
				return r.small("etl")
			},
			want: []string{"BAD host rules", "--namespace-hosts"},
		},
		"a host without DNS": {
			arrange: func(r *rig) *v1alpha1.DatabricksCluster {
				r.putSecret(r.namespace, "dns", nil, map[string]string{"host": "https://absent.invalid", "token": "dapi-1"})
				return r.small("etl", func(s *v1alpha1.DatabricksClusterSpec) {
					s.Connection = &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: "dns"}}
				})
			},
			want: []string{"BAD network", "DNS does not resolve absent.invalid", "$ nslookup absent.invalid"},
		},
		"a token that was revoked": {
			arrange: func(r *rig) *v1alpha1.DatabricksCluster {
				r.putSecret(r.namespace, "revoked", nil, map[string]string{"host": r.sim.URL, "token": "dapi-revoked"})
				return r.small("etl", func(s *v1alpha1.DatabricksClusterSpec) {
					s.Connection = &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: "revoked"}}
				})
			},
			args: []string{"--use-credential"},
			want: []string{"BAD credential", "does not accept it (wrong, expired or revoked)", "--dry-run=client -o yaml | kubectl apply -f -"},
		},
		"names that the workspace does not have": {
			arrange: func(r *rig) *v1alpha1.DatabricksCluster {
				return r.small("etl", func(s *v1alpha1.DatabricksClusterSpec) {
					s.PolicyName, s.InstancePoolID, s.NodeTypeID, s.ClusterID = "absent", varied.Pool, "", "0101-000000-aaaaaaaa"
				})
			},
			want: []string{`BAD policy           none of the 2 that this principal may use has the name "absent"`, "ok  pool", "BAD cluster", "has no cluster 0101-000000-aaaaaaaa"},
		},
		"the Secret of a container image": {
			arrange: func(r *rig) *v1alpha1.DatabricksCluster {
				r.putSecret(r.namespace, "registry", nil, map[string]string{"username": "u", "password": varied.RegistryPassword})
				return r.small("etl", func(s *v1alpha1.DatabricksClusterSpec) {
					s.DockerImage = &v1alpha1.DockerImage{URL: "a/b:1", BasicAuthSecretRef: &v1alpha1.LocalSecretReference{Name: "registry"}}
				})
			},
			want: []string{"BAD dockerImage", "lacks the label", "$ kubectl label secret -n "},
		},
		"a DatabricksWorkspace that does not exist": {
			arrange: func(r *rig) *v1alpha1.DatabricksCluster {
				return r.small("etl", func(s *v1alpha1.DatabricksClusterSpec) {
					s.Connection = &v1alpha1.Connection{WorkspaceRef: &v1alpha1.WorkspaceReference{Name: "absent"}}
				})
			},
			want: []string{"BAD workspace", "there is no DatabricksWorkspace absent"},
		},
		"a service account that does not exist": {
			arrange: func(r *rig) *v1alpha1.DatabricksCluster {
				return r.small("etl", func(s *v1alpha1.DatabricksClusterSpec) {
					s.Connection = &v1alpha1.Connection{WorkloadIdentity: &v1alpha1.WorkloadIdentity{Host: r.sim.URL, ServiceAccountName: "absent"}}
				})
			},
			want: []string{"BAD service account", "$ kubectl create serviceaccount -n "},
		},
		"suspension": {
			arrange: func(r *rig) *v1alpha1.DatabricksCluster {
				return r.small("etl", func(s *v1alpha1.DatabricksClusterSpec) { s.Suspend = true })
			},
			want: []string{"BAD suspend", "$ kubectl dbc resume -n "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			r.create(c.arrange(r))
			result := r.dbc(append([]string{"doctor", "etl"}, c.args...)...)
			r.Expect(result.code).To(Equal(1), result.out)
			for _, want := range c.want {
				r.Expect(lines(result.out)).To(ContainSubstring(want))
			}
			for _, secret := range []string{simulator.DefaultToken, "dapi-revoked", varied.RegistryPassword} {
				r.Expect(result.out + result.errOut).NotTo(ContainSubstring(secret))
			}
			r.expectNarrow(result.out)
		})
	}
}

func TestDoctorReportsWhatTheOperatorSays(t *testing.T) {
	r := newRig(t, 1)
	r.start()
	etl := r.small("etl", func(s *v1alpha1.DatabricksClusterSpec) { s.SparkVersion = "1.2.x-scala2.99" })
	r.create(etl)
	r.becomes(etl, v1alpha1.ConditionReady, "False InvalidSpec")
	text := lines(r.dbc("doctor", "etl").out)
	r.Expect(text).To(And(ContainSubstring("is not Ready: InvalidSpec"), ContainSubstring("BAD status           InvalidSpec: "),
		ContainSubstring("$ kubectl edit -n "+r.namespace+" databrickscluster etl")))
	r.Expect(text).To(ContainSubstring("?   runtime"))
	all := r.dbc("doctor")
	r.Expect(all.code).To(Equal(1))
	r.Expect(all.out).To(ContainSubstring("$ kubectl dbc doctor -n " + r.namespace + " etl\n"))
}

func TestDoctorSaysWhatItCouldNotLookAt(t *testing.T) {
	r := newRig(t, 1)
	r.create(r.small("etl"))
	r.allow("reader", rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"databricksclusters"}, Verbs: []string{"get"}})
	t.Setenv("DATABRICKS_TOKEN", "")
	r.Eventually(func() string { return r.dbc("doctor", "etl", "--as=reader").out }).Should(ContainSubstring("?   Secret"))
	text := lines(r.dbc("doctor", "etl", "--as=reader").out)
	r.Expect(text).To(And(ContainSubstring("?   operator         not looked at: "), ContainSubstring("?   events           not looked at: "),
		ContainSubstring("?   workspace        not looked at: no credential for "+r.sim.URL)))
	none := r.dbc("doctor", "etl", "--as=stranger")
	r.Expect(none.out).To(ContainSubstring("?   object           you may not read it"))
	r.Expect(none.code).To(Equal(0), "nothing was found, neither good nor bad")
}

func TestDoctorWritesJSON(t *testing.T) {
	r := newRig(t, 1)
	result := r.dbc("doctor", "absent", "-o", "json")
	r.Expect(result.code).To(Equal(1))
	var report struct {
		Object   string `json:"object"`
		Findings []struct {
			Status string `json:"status"`
		} `json:"findings"`
	}
	r.Expect(json.Unmarshal([]byte(result.out), &report)).To(Succeed())
	r.Expect(report.Object).To(Equal(r.namespace + "/absent"))
	r.Expect(report.Findings).To(HaveLen(1))
	r.Expect(report.Findings[0].Status).To(Equal("problem"))
	r.Expect(r.dbc("doctor", "absent", "-o", "xml").errOut).To(ContainSubstring("choose table, json or yaml"))
}
