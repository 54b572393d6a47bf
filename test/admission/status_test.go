package admission

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// impersonated returns a client that impersonates a user with all permissions.
func impersonated(t *testing.T, user string) client.Client {
	t.Helper()
	as := rest.CopyConfig(config)
	as.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:masters", "system:authenticated"}}
	other, err := client.New(as, client.Options{Scheme: api.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return other
}

func TestOnlyTheOperatorWritesTheStatus(t *testing.T) {
	const namespace, operator = "status-owner", "system:serviceaccount:operators:controller-manager"
	g := NewWithT(t)
	ctx := t.Context()
	created := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{"status": "owned"}}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "manager-rolebinding"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "manager-role"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "operators", Name: "controller-manager"}},
		},
	}
	for _, manifest := range manifests(t, repository+"/config/admission/status_owner.yaml") {
		if manifest.GetKind() == "ValidatingAdmissionPolicyBinding" {
			// Other tests of this package write statuses.
			g.Expect(unstructured.SetNestedStringMap(manifest.Object, map[string]string{"status": "owned"}, "spec", "matchResources", "namespaceSelector", "matchLabels")).To(Succeed())
		}
		created = append(created, manifest)
	}
	for _, one := range created {
		g.Expect(api.Create(ctx, one)).To(Succeed())
	}
	t.Cleanup(func() {
		for _, one := range created[1:] {
			if err := api.Delete(context.Background(), one); err != nil {
				t.Error(err)
			}
		}
	})
	cluster := object("owned", changedSpec(t, minimalSpec, "{}"))
	cluster.SetNamespace(namespace)
	g.Expect(api.Create(ctx, cluster)).To(Succeed())
	attempts := 0
	forge := func(by client.Client) error {
		// Another change each time: one that changes nothing could be allowed.
		attempts++
		patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"status": {"clusterID": "0101-000000-forged%d"}}`, attempts))
		return by.Status().Patch(ctx, cluster.DeepCopy(), patch)
	}

	// A policy takes effect with a delay.
	g.Eventually(func() error { return forge(api) }).WithTimeout(30*time.Second).Should(MatchError(ContainSubstring("the status is written by the operator alone")), "[case-74] [S16]")
	for _, other := range []string{"admin", "system:serviceaccount:operators:default", "system:serviceaccount:tenant:controller-manager"} {
		g.Expect(forge(impersonated(t, other))).To(MatchError(ContainSubstring(other)), "[case-74] [S16]")
	}
	for _, kind := range listedKinds {
		other := kind.object(t, "owned", `{}`)
		other.SetNamespace(namespace)
		g.Expect(api.Create(ctx, other)).To(Succeed())
		forged := merge(`{"status": {"` + kind.idField + `": "forged"}}`)
		g.Expect(api.Status().Patch(ctx, other.DeepCopy(), forged)).To(MatchError(ContainSubstring("the status is written by the operator alone")), kind.kind)
		g.Expect(impersonated(t, operator).Status().Patch(ctx, other.DeepCopy(), forged)).To(Succeed(), kind.kind)
	}
	g.Expect(forge(impersonated(t, operator))).To(Succeed())
	g.Expect(api.Patch(ctx, cluster.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"spec": {"suspend": true}}`)))).To(Succeed(), "the rest of the object is its user's")
}
