package admission

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// asOperator installs the policies on the operator's account and returns a client of that
// account, which RBAC permits everything: the policies are the only bound.
func asOperator(t *testing.T, namespace string) client.Client {
	t.Helper()
	g := NewWithT(t)
	created := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "manager-rolebinding"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "manager-role"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "operators", Name: "controller-manager"}},
		},
	}
	for _, manifest := range manifests(t, repository+"/config/admission/operator_account.yaml") {
		created = append(created, manifest)
	}
	for _, one := range created {
		g.Expect(api.Create(t.Context(), one)).To(Succeed())
	}
	t.Cleanup(func() {
		for _, one := range created[1:] {
			if err := api.Delete(context.Background(), one); err != nil {
				t.Error(err)
			}
		}
	})
	return impersonated(t, "system:serviceaccount:operators:controller-manager")
}

// controlled returns a ConfigMap that a DatabricksCluster controls.
func controlled(namespace, name string, by *unstructured.Unstructured) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, OwnerReferences: []metav1.OwnerReference{{
			APIVersion: by.GetAPIVersion(), Kind: by.GetKind(), Name: by.GetName(), UID: by.GetUID(),
			Controller: new(true), BlockOwnerDeletion: new(true),
		}}},
		Data: map[string]string{"DATABRICKS_HOST": "https://x", "DATABRICKS_CLUSTER_ID": "1", "DATABRICKS_HTTP_PATH": "p"},
	}
}

func merge(text string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(text)) }

func TestTheOperatorWritesOnlyWhatItNeeds(t *testing.T) {
	const namespace = "operator-account"
	g := NewWithT(t)
	ctx := t.Context()
	operator := asOperator(t, namespace)
	cluster := object("bounded", changedSpec(t, minimalSpec, "{}"))
	cluster.SetNamespace(namespace)
	cluster.SetLabels(map[string]string{"team": "a"})
	cluster.SetFinalizers([]string{"example.com/other"})
	g.Expect(api.Create(ctx, cluster)).To(Succeed())
	t.Cleanup(func() { // the namespace stays; its objects must not hold up the CRD
		if err := api.Patch(context.Background(), cluster.DeepCopy(), merge(`{"metadata": {"finalizers": null}}`)); err != nil {
			t.Error(err)
		}
	})
	patch := func(by client.Client, text string) error {
		return by.Patch(ctx, cluster.DeepCopy(), merge(text))
	}

	// A policy takes effect with a delay. Until then each attempt changes the object, so the
	// next one has to be another change.
	attempts := 0
	g.Eventually(func() error {
		attempts++
		return patch(operator, fmt.Sprintf(`{"metadata": {"labels": {"attempt": "%d"}}}`, attempts))
	}).WithTimeout(30*time.Second).
		Should(MatchError(ContainSubstring("the operator may change only its finalizer and the status of bounded")), "[S16]")
	for _, forbidden := range []string{
		`{"spec": {"suspend": true}}`,
		`{"metadata": {"labels": {"team": "b"}}}`,
		`{"metadata": {"annotations": {"compute.databricks-operator.io/request": "start-1"}}}`,
		`{"metadata": {"finalizers": null}}`,
		`{"metadata": {"finalizers": ["example.com/other", "example.com/third"]}}`,
		`{"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "b"}]}}`,
	} {
		g.Expect(patch(operator, forbidden)).To(MatchError(ContainSubstring("the operator may change only")), "[S16] %s", forbidden)
	}
	g.Expect(operator.Delete(ctx, cluster.DeepCopy())).To(MatchError(apierrors.IsForbidden, "IsForbidden"), "[S16] deletes an object")
	g.Expect(operator.Create(ctx, object("another", changedSpec(t, minimalSpec, "{}")))).To(MatchError(apierrors.IsForbidden, "IsForbidden"), "[S16] creates an object")
	g.Expect(operator.SubResource("scale").Patch(ctx, cluster.DeepCopy(), merge(`{"spec": {"replicas": 9}}`))).
		To(MatchError(apierrors.IsForbidden, "IsForbidden"), "[S16] scales an object")
	g.Expect(patch(operator, `{"metadata": {"finalizers": ["example.com/other", "compute.databricks-operator.io/cluster"]}}`)).To(Succeed())
	g.Expect(operator.Status().Patch(ctx, cluster.DeepCopy(), merge(`{"status": {"clusterID": "0101-000000-mine"}}`))).To(Succeed())
	g.Expect(patch(operator, `{"metadata": {"finalizers": ["example.com/other"]}}`)).To(Succeed())
	g.Expect(patch(api, `{"spec": {"suspend": true}, "metadata": {"labels": {"team": "c"}}}`)).To(Succeed(), "others may write")

	t.Run("ConfigMaps", func(t *testing.T) { theOperatorWritesOnlyItsConfigMaps(t, operator, cluster) })
	t.Run("tokens", func(t *testing.T) { theOperatorRequestsNoTokenOfTheAPI(t, operator, namespace) })
}

func theOperatorWritesOnlyItsConfigMaps(t *testing.T, operator client.Client, cluster *unstructured.Unstructured) {
	g := NewWithT(t)
	ctx, namespace := t.Context(), cluster.GetNamespace()
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "aws-auth"}}
	g.Eventually(func() error { return operator.Create(ctx, foreign.DeepCopy(), client.DryRunAll) }).WithTimeout(30*time.Second).
		Should(MatchError(ContainSubstring("only a ConfigMap that a DatabricksCluster controls, not "+namespace+"/aws-auth")), "[S16]")

	labelled, wider, binary := controlled(namespace, "out", cluster), controlled(namespace, "out", cluster), controlled(namespace, "out", cluster)
	labelled.Labels = map[string]string{"grafana_dashboard": "1"}
	wider.Data["mapRoles"] = "x"
	binary.BinaryData = map[string][]byte{"a": {1}}
	for _, forbidden := range []*corev1.ConfigMap{labelled, wider, binary} {
		g.Expect(operator.Create(ctx, forbidden)).To(MatchError(ContainSubstring("may write only DATABRICKS_HOST")), "[S16] %v", forbidden)
	}

	made := controlled(namespace, "out", cluster)
	g.Expect(operator.Create(ctx, made)).To(Succeed())
	g.Expect(api.Patch(ctx, made.DeepCopy(), merge(`{"data": {"theirs": "1"}}`))).To(Succeed())
	for _, forbidden := range []string{
		`{"data": {"theirs": "2"}}`, `{"data": {"theirs": null}}`, `{"data": {"new": "1"}}`, `{"binaryData": {"a": "AQ=="}}`,
		`{"metadata": {"labels": {"a": "b"}}}`, `{"metadata": {"annotations": {"a": "b"}}}`, `{"metadata": {"ownerReferences": null}}`,
	} {
		g.Expect(operator.Patch(ctx, made.DeepCopy(), merge(forbidden))).To(MatchError(apierrors.IsForbidden, "IsForbidden"), "[S16] %s", forbidden)
	}
	g.Expect(operator.Patch(ctx, made.DeepCopy(), merge(`{"data": {"DATABRICKS_CLUSTER_ID": "2"}}`))).To(Succeed())
	g.Expect(operator.Delete(ctx, made.DeepCopy())).To(MatchError(apierrors.IsForbidden, "IsForbidden"), "[S16] deletes it")

	g.Expect(api.Create(ctx, foreign)).To(Succeed(), "others may write")
	for _, forbidden := range []string{`{"data": {"DATABRICKS_HOST": "x"}}`, `{"data": {"mapRoles": "x"}}`} {
		g.Expect(operator.Patch(ctx, foreign.DeepCopy(), merge(forbidden))).To(MatchError(apierrors.IsForbidden, "IsForbidden"), "[S16] %s", forbidden)
	}
}

func theOperatorRequestsNoTokenOfTheAPI(t *testing.T, operator client.Client, namespace string) {
	g := NewWithT(t)
	ctx := t.Context()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "etl"}}
	g.Expect(api.Create(ctx, account)).To(Succeed())
	request := func(by client.Client, seconds int64, audiences ...string) error {
		return by.SubResource("token").Create(ctx, account, &authenticationv1.TokenRequest{
			Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, ExpirationSeconds: &seconds},
		})
	}
	g.Eventually(func() error { return request(operator, 600, "https://kubernetes.default.svc") }).WithTimeout(30*time.Second).
		Should(MatchError(ContainSubstring("only for one audience that is not the Kubernetes API")), "[S16]")
	for _, forbidden := range [][]string{
		{"https://kubernetes.default.svc.cluster.local"},
		{"https://KUBERNETES.default.svc/"},
		{"kubernetes"},
		{"https://oidc.eks.eu-west-1.amazonaws.com/id/ABC"},
		{"https://container.googleapis.com/v1/projects/p/locations/l/clusters/c"},
		{"https://westeurope.oic.prod-aks.azure.com/t/c/"},
		{"https://x.cloud.databricks.com/oidc/v1/token", "https://kubernetes.default.svc"},
	} {
		g.Expect(request(operator, 600, forbidden...)).To(MatchError(apierrors.IsForbidden, "IsForbidden"), "[S16] %v", forbidden)
	}
	g.Expect(request(operator, 3600, "https://x.cloud.databricks.com")).To(MatchError(ContainSubstring("for ten minutes at most")), "[S16]")
	g.Expect(request(operator, 600, "https://x.cloud.databricks.com/oidc/v1/token")).To(Succeed())
	g.Expect(request(api, 3600)).To(Succeed(), "others may request tokens")
}
