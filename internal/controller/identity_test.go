package controller_test

import (
	"context"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// federated returns a rig whose workspace trusts a service account as a service principal.
// An empty audience means the simulator's default.
func federated(subject, audience string) simulator.Options {
	return simulator.Options{Workspaces: []simulator.Workspace{{Principals: []simulator.Principal{{
		UserName: "6f7c-app", Federation: &simulator.Federation{Subject: subject, Audience: audience},
	}}}}}
}

// account creates a service account, whose tokens the API server issues.
func (r *rig) account(namespace, name string) {
	r.t.Helper()
	r.Expect(r.api.Create(r.t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})).To(Succeed())
}

func (r *rig) usesIdentity(account, audience string) specChange {
	return func(s *v1alpha1.DatabricksClusterSpec) {
		s.Connection = &v1alpha1.Connection{WorkloadIdentity: &v1alpha1.WorkloadIdentity{
			Host: r.workspace.URL, ClientID: "6f7c-app", ServiceAccountName: account, Audience: audience,
		}}
	}
}

func TestWorkloadIdentity(t *testing.T) {
	t.Parallel()
	t.Run("a service account's token is exchanged for the workspace's", func(t *testing.T) {
		r := newRig(t, federated("", ""))
		r.options.AllowedTokenAudiences = []string{"databricks"}
		r.account(r.namespace, "etl")
		r.start()
		r.becomes(r.create(r.small("default", r.usesIdentity("etl", ""))), "Ready=Running")
		r.becomes(r.create(r.small("explicit", r.usesIdentity("etl", "databricks"))), "Ready=Running")
		r.Expect(r.workspace.RequestsTo("oauth/token")).To(HaveLen(2), "one for each audience, however many calls")
		for _, entry := range r.workspace.RequestsTo("clusters/create") {
			r.Expect(entry.Principal).To(Equal("6f7c-app"))
		}
	})

	t.Run("the token has the subject and the audience, and another account reports the missing policy", func(t *testing.T) {
		r := newRig(t)
		r.options.AllowedTokenAudiences = []string{"databricks"}
		subject := "system:serviceaccount:" + r.namespace + ":etl"
		r.workspace = r.newWorkspace(federated(subject, "databricks"))
		r.account(r.namespace, "etl")
		r.account(r.namespace, "other")
		r.start()
		r.becomes(r.create(r.small("trusted", r.usesIdentity("etl", "databricks"))), "Ready=Running")
		stalled := r.becomes(r.create(r.small("stranger", r.usesIdentity("other", "databricks"))), "Stalled=AuthenticationFailed")
		r.Expect(message(stalled, "Stalled")).To(And(
			ContainSubstring("federation policy"), ContainSubstring(r.namespace+":other"), ContainSubstring("audience databricks")))
		r.Expect(message(stalled, "Stalled")).NotTo(ContainSubstring("eyJ"), "[S7]")
	})

	t.Run("[case-58] a missing service account is awaited, then reported, and detected when it is created", func(t *testing.T) {
		r := newRig(t, federated("", ""))
		r.withShortGrace()
		r.start()
		cluster := r.create(r.small("scratch", r.usesIdentity("etl", "")))
		waiting := r.becomes(cluster, "Reconciling=CredentialsNotReady")
		r.Expect(message(waiting, "Ready")).To(And(ContainSubstring("etl"), ContainSubstring(r.namespace)))
		r.becomes(cluster, "Stalled=CredentialsInvalid")
		r.Expect(r.workspace.Requests()).To(BeEmpty(), "no request is made without a service account")
		r.account(r.namespace, "etl")
		r.becomes(cluster, "Ready=Running")
	})

	t.Run("a refused token is replaced by a new exchange, once; a deleted account is reported", func(t *testing.T) {
		r := newRig(t, federated("", ""))
		r.withShortGrace()
		r.account(r.namespace, "etl")
		r.start()
		cluster := r.create(r.small("scratch", r.usesIdentity("etl", "")))
		r.becomes(cluster, "Ready=Running")
		r.workspace.RevokeOAuthTokens()
		r.Eventually(func() int { return len(r.workspace.RequestsTo("oauth/token")) }).Should(Equal(2))
		r.Consistently(func() []string { return conditions(r.get(cluster)) }).Should(ContainElements("Ready=Running", "Synced=InSync"))

		r.Expect(r.api.Delete(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: "etl"}})).To(Succeed())
		r.workspace.RevokeOAuthTokens()
		r.becomes(cluster, "Stalled=CredentialsInvalid")
		r.account(r.namespace, "etl")
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.writes()).To(Equal([]string{"create"}))
	})

	t.Run("[S2] an operator without the permission to request tokens reports the role to bind, and detects the binding", func(t *testing.T) {
		r := newRig(t, federated("", ""))
		r.account(r.namespace, "etl")
		var bound atomic.Bool
		r.intercept.SubResourceCreate = func(
			ctx context.Context, to client.Client, name string, object, body client.Object, options ...client.SubResourceCreateOption,
		) error {
			if !bound.Load() {
				return apierrors.NewForbidden(corev1.Resource("serviceaccounts/token"), object.GetName(), nil)
			}
			return to.SubResource(name).Create(ctx, object, body, options...)
		}
		r.start()
		cluster := r.create(r.small("scratch", r.usesIdentity("etl", "")))
		stalled := r.becomes(cluster, "Stalled=PermissionDenied")
		r.Expect(message(stalled, "Stalled")).To(And(ContainSubstring("databricks-operator-token-requester"), ContainSubstring(r.namespace)))
		r.Expect(r.workspace.Requests()).To(BeEmpty())
		bound.Store(true)
		r.becomes(cluster, "Ready=Running")
	})

	t.Run("[S3] a host that is not allowed gets no token", func(t *testing.T) {
		r := newRig(t, federated("", ""))
		r.account(r.namespace, "etl")
		other := r.newWorkspace(federated("", ""))
		r.start()
		cluster := r.small("scratch", r.usesIdentity("etl", ""))
		cluster.Spec.Connection.WorkloadIdentity.Host = other.URL
		r.becomes(r.create(cluster), "Stalled=HostNotAllowed")
		r.Expect(other.Requests()).To(BeEmpty())
	})
}
