package controller_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// refuse creates an admission policy for updates of a resource in this namespace, and
// returns a function that removes it.
func (r *rig) refuse(resource, expression, message string) (permit func()) {
	r.t.Helper()
	name := "refuse-" + r.namespace
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: r.namespace}},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Update},
					Rule: admissionv1.Rule{
						APIGroups: []string{v1alpha1.GroupVersion.Group}, APIVersions: []string{"*"}, Resources: []string{resource},
					},
				}}},
			},
			Validations: []admissionv1.Validation{{Expression: expression, Message: message}},
		},
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}
	r.Expect(r.api.Create(r.t.Context(), policy)).To(Succeed())
	r.Expect(r.api.Create(r.t.Context(), binding)).To(Succeed())
	permit = func() {
		r.Expect(client.IgnoreNotFound(r.api.Delete(r.t.Context(), binding))).To(Succeed())
		r.Expect(client.IgnoreNotFound(r.api.Delete(r.t.Context(), policy))).To(Succeed())
	}
	r.t.Cleanup(func() {
		// The context of the test has ended.
		_ = r.api.Delete(context.Background(), binding)
		_ = r.api.Delete(context.Background(), policy)
	})
	return permit
}

func TestAnAdmissionPolicyOfTheUser(t *testing.T) {
	t.Parallel()
	t.Run("[case-84] a finalizer that is kept is reported with the answer of the API server", func(t *testing.T) {
		r := newRig(t)
		r.options.WriteBackoff = time.Second
		r.start()
		var clusters []*v1alpha1.DatabricksCluster
		for i := range 4 {
			clusters = append(clusters, r.becomes(r.create(r.small(fmt.Sprintf("kept-%d", i))), "Ready=Running"))
		}
		permit := r.refuse("databricksclusters",
			"object.metadata.?finalizers.orValue([]).size() >= oldObject.metadata.?finalizers.orValue([]).size()", "finalizers stay in this namespace")
		r.Eventually(func() error {
			changed := r.get(clusters[3])
			changed.Finalizers = nil
			return r.api.Update(t.Context(), changed, client.DryRunAll)
		}).Should(MatchError(ContainSubstring("finalizers stay in this namespace")), "the API server applies a new policy with a delay")
		for _, cluster := range clusters[:3] {
			r.remove(cluster)
		}
		for _, cluster := range clusters[:3] {
			stalled := r.becomes(cluster, "Stalled=WriteRefused")
			r.Expect(message(stalled, "Stalled")).To(And(ContainSubstring("finalizers stay in this namespace"), ContainSubstring("refuse-"+r.namespace)))
			r.Expect(conditions(stalled)).To(ContainElement("Ready!=WriteRefused"))
		}
		permit()
		for _, cluster := range clusters[:3] {
			r.gone(cluster)
		}
		r.Expect(r.live()).To(HaveLen(1))
	})

	t.Run("[case-84] a status that is refused is reported by one event for an object", func(t *testing.T) {
		r := newRig(t)
		r.options.WriteBackoff = time.Second
		r.start()
		cluster := r.becomes(r.create(r.small("silent")), "Ready=Running")
		permit := r.refuse("databricksclusters/status", "false", "no status in this namespace")
		r.Eventually(func() error {
			changed := r.get(cluster)
			changed.Status.StateMessage = "probe"
			return r.api.Status().Update(t.Context(), changed, client.DryRunAll)
		}).Should(MatchError(ContainSubstring("no status in this namespace")))
		r.edit(cluster, func(c *v1alpha1.DatabricksCluster) { c.Spec.Suspend = true })
		refusals := func() []string { return r.notes(cluster, managed.EventWriteRefused) }
		r.Eventually(refusals).Should(ConsistOf(ContainSubstring("no status in this namespace")))
		permit()
		r.becomes(cluster, "Suspended=Suspended")
		r.Expect(refusals()).To(HaveLen(1))
	})
}
