package controller_test

import (
	"context"
	"os"
	"strings"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// asShippedAccount makes the operator run as a service account of the test's namespace
// with the shipped ClusterRole of the manager, no other right, and the shipped policies.
func (r *rig) asShippedAccount() {
	r.t.Helper()
	subject := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: r.namespace, Name: "operator"}
	role := r.shippedRole("role.yaml")
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{subject},
	}
	r.Expect(r.api.Create(r.t.Context(), binding)).To(Succeed())
	r.t.Cleanup(func() { r.Expect(r.api.Delete(context.Background(), binding)).To(Succeed()) })
	r.boundAccount(binding.Name)
	r.kube.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + subject.Namespace + ":" + subject.Name}
}

// boundAccount installs the shipped policies on the subjects of a ClusterRoleBinding.
func (r *rig) boundAccount(binding string) {
	r.t.Helper()
	content, err := os.ReadFile("../../config/admission/operator_account.yaml")
	r.Expect(err).NotTo(HaveOccurred())
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		policy := &unstructured.Unstructured{}
		r.Expect(yaml.UnmarshalStrict([]byte(document), &policy.Object)).To(Succeed())
		if spec, bound := policy.Object["spec"].(map[string]any), policy.GetKind() == "ValidatingAdmissionPolicyBinding"; bound {
			spec["policyName"] = policy.GetName() + "-" + r.namespace
			r.Expect(unstructured.SetNestedField(spec, binding, "paramRef", "name")).To(Succeed())
		}
		policy.SetName(policy.GetName() + "-" + r.namespace)
		r.Expect(r.api.Create(r.t.Context(), policy)).To(Succeed())
		r.t.Cleanup(func() { r.Expect(r.api.Delete(context.Background(), policy)).To(Succeed()) })
	}
}

// asOperator returns a client of the operator's account.
func (r *rig) asOperator() client.Client {
	r.t.Helper()
	own, err := client.New(r.kube, client.Options{Scheme: kubernetes.Scheme})
	r.Expect(err).NotTo(HaveOccurred())
	return own
}

// bindToOperator lets the operator's account use a shipped ClusterRole in the test's
// namespace.
func (r *rig) bindToOperator(file string) {
	r.t.Helper()
	role := r.shippedRole(file)
	r.Expect(r.api.Create(r.t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: r.namespace, Name: "operator"}},
	})).To(Succeed())
}

// shippedRole creates the ClusterRole of a file of config/rbac, under a name of the
// test's own.
func (r *rig) shippedRole(file string) *rbacv1.ClusterRole {
	r.t.Helper()
	content, err := os.ReadFile("../../config/rbac/" + file)
	r.Expect(err).NotTo(HaveOccurred())
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		role := &rbacv1.ClusterRole{}
		r.Expect(yaml.UnmarshalStrict([]byte(document), role)).To(Succeed())
		if role.Kind != "ClusterRole" {
			continue
		}
		role.Name += "-" + r.namespace
		r.Expect(r.api.Create(r.t.Context(), role)).To(Succeed())
		r.t.Cleanup(func() { r.Expect(client.IgnoreNotFound(r.api.Delete(context.Background(), role))).To(Succeed()) })
		return role
	}
	r.t.Fatalf("%s has no ClusterRole", file)
	return nil
}
