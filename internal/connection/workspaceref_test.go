package connection_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

func TestAuthorityDomains(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, r *rig) {
		// The same content everywhere, the operator's own namespace included.
		r.putSecret(tenant, defaultSecret, host, "dapi")
		r.putSecret("team-b", defaultSecret, host, "dapi")
		r.putSecret(operatorNamespace, "shared", host, "dapi")
		r.share("prod", names(tenant))
		r.share("test", names(tenant))

		credential := func(user connection.User, declared *v1alpha1.Connection) connection.Credential {
			found, blocked := r.resolver.Resolve(t.Context(), connection.Request{User: user, Connection: declared})
			r.Expect(blocked).To(BeNil())
			return found
		}
		own := credential(object("own"), nil)
		neighbour := object("own")
		neighbour.Namespace = "team-b"
		neighbours := credential(neighbour, nil)
		prod := credential(object("prod"), references("prod"))
		test := credential(object("test"), references("test"))
		direct := object("direct")
		direct.Namespace = operatorNamespace
		operators := credential(direct, &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: "shared"}})

		r.Expect(own.Config.Fingerprint()).To(Equal(prod.Config.Fingerprint()))
		r.Expect(own.Source.Domain()).To(BeEmpty())
		r.Expect(neighbours.Source.Domain()).To(BeEmpty(), "equal Secrets of tenants may share")
		r.Expect(operators.Source.Domain()).To(BeEmpty())
		r.Expect(prod.Source.Domain()).To(Equal("databricksworkspace/prod"))
		r.Expect(test.Source.Domain()).To(Equal("databricksworkspace/test"))

		workspace := &v1alpha1.DatabricksWorkspace{}
		r.Expect(r.Get(t.Context(), keyOf("prod"), workspace)).To(Succeed())
		itself, blocked := r.resolver.ResolveWorkspace(t.Context(), connection.User{Kind: v1alpha1.WorkspaceKind, Name: "prod"}, workspace)
		r.Expect(blocked).To(BeNil())
		r.Expect(itself.Source).To(Equal(prod.Source))
	})
}

func TestAllowedNamespaces(t *testing.T) {
	request := connection.Request{User: object("a"), Connection: references("prod")}
	refused := func() gomegatypes.GomegaMatcher {
		return And(HaveField("Reason", v1alpha1.ReasonPermissionDenied), HaveField("Stalled", true))
	}

	t.Run("[case-70] a namespace that is not allowed gets no credential, and loses it at once when the permission ends", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(operatorNamespace, "shared", host, "dapi")
			for _, rule := range []*v1alpha1.AllowedNamespaces{nil, {}, names("team-b"), labelled("team", "b")} {
				r.change(func(k *kubernetes) { k.namespaces[tenant] = map[string]string{"team": "a"} })
				r.share("prod", rule)
				credential, blocked := r.resolver.Resolve(t.Context(), request)
				r.Expect(blocked).To(refused())
				r.Expect(credential).To(BeZero())
			}
			r.Expect(r.readsOf(operatorNamespace, "shared")).To(BeEmpty())

			r.share("prod", names(tenant))
			_, blocked := r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(BeNil())
			r.share("prod", names("team-b"))
			credential, blocked := r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(refused())
			r.Expect(credential).To(BeZero())
			after(time.Hour)
			r.Expect(r.readsOf(operatorNamespace, "shared")).To(HaveLen(1), "the credential is kept for no object")
		})
	})

	t.Run("labels are read once for all objects of a namespace, and a change enqueues them", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(operatorNamespace, "shared", host, "dapi")
			r.change(func(k *kubernetes) { k.namespaces[tenant] = map[string]string{"team": "a"} })
			r.share("prod", labelled("team", "a"))
			for _, user := range objects(20) {
				_, blocked := r.resolver.Resolve(t.Context(), connection.Request{User: user, Connection: references("prod")})
				r.Expect(blocked).To(BeNil())
			}
			r.Expect(r.readsOf("", tenant)).To(HaveLen(1))
			r.change(func(k *kubernetes) { k.namespaces[tenant] = nil })
			after(5 * time.Minute)
			r.Expect(r.events()).To(HaveLen(20))
			_, blocked := r.resolver.Resolve(t.Context(), connection.Request{User: objects(1)[0], Connection: references("prod")})
			r.Expect(blocked).To(refused())
		})
	})

	t.Run("labels that cannot be read allow nothing, and are read again", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(operatorNamespace, "shared", host, "dapi")
			r.change(func(k *kubernetes) { k.namespaces[tenant], k.fail = map[string]string{"team": "a"}, forbidden() })
			r.share("prod", labelled("team", "a"))
			_, blocked := r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(HaveField("Reason", v1alpha1.ReasonRetryingAfterError))
			r.change(func(k *kubernetes) { k.fail = nil })
			after(30 * time.Second)
			r.Expect(r.events()).To(Equal([]string{"a"}))
			_, blocked = r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(BeNil())
		})
	})

	t.Run("[S12] a remote object that was not created for the user needs allowAdoption", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(operatorNamespace, "shared", host, "dapi")
			r.share("prod", names(tenant))
			adopting := request
			adopting.AdoptionField = "spec.clusterID"
			_, blocked := r.resolver.Resolve(t.Context(), adopting)
			r.Expect(blocked).To(refused())
			r.Expect(blocked.Message).To(And(HavePrefix("spec.clusterID: "), ContainSubstring("allowAdoption")))
		})
	})
}

func TestReferences(t *testing.T) {
	request := connection.Request{User: object("a"), Connection: references("prod")}

	t.Run("[case-58] a missing workspace is waited for, then stalls, and a later object of the name waits again", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			_, blocked := r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(And(HaveField("Reason", v1alpha1.ReasonCredentialsNotReady), HaveField("Stalled", false)))
			r.Expect(blocked.RetryAt).To(Equal(time.Now().Add(5 * time.Minute)))
			after(5 * time.Minute)
			_, blocked = r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(And(HaveField("Reason", v1alpha1.ReasonCredentialsInvalid), HaveField("Stalled", true)))
			again := request
			again.User.UID = "uid-again"
			_, blocked = r.resolver.Resolve(t.Context(), again)
			r.Expect(blocked).To(HaveField("Reason", v1alpha1.ReasonCredentialsNotReady))
		})
	})

	t.Run("[S4] [case-85] a credential for another host is not used, and its correction is noticed within 30 s", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(operatorNamespace, "shared", otherHost, "dapi")
			r.share("prod", names(tenant))
			credential, blocked := r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(HaveField("Reason", v1alpha1.ReasonCredentialsInvalid))
			r.Expect(credential).To(BeZero())
			r.putSecret(operatorNamespace, "shared", host, "dapi")
			after(30 * time.Second)
			r.Expect(r.events()).To(Equal([]string{"a"}))
			_, blocked = r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(BeNil())
		})
	})

	t.Run("[S1] the Secret is the operator's, and a tenant's own is the tenant's", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(tenant, "shared", otherHost, "dapi-tenant")
			r.share("prod", names(tenant))
			_, blocked := r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(HaveField("Reason", v1alpha1.ReasonCredentialsNotReady))
			r.Expect(blocked.Message).To(And(HavePrefix(`DatabricksWorkspace "prod" is not ready: `), ContainSubstring(operatorNamespace)))
			r.Expect(r.readsOf(tenant, "shared")).To(BeEmpty())
		})
	})

	t.Run("the operator's own service account needs no Secret", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.change(func(k *kubernetes) {
				k.accounts[secretName(operatorNamespace, "operator")] = true
				k.workspaces["prod"] = v1alpha1.DatabricksWorkspaceSpec{
					Host: host, WorkloadIdentity: &v1alpha1.OperatorIdentity{ClientID: "app"}, AllowedNamespaces: names(tenant),
				}
			})
			credential, blocked := r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(BeNil())
			r.Expect(credential.Source).To(Equal(connection.Source{
				Workspace: "prod", Kind: "ServiceAccount", Namespace: operatorNamespace, Name: "operator",
			}))
			r.resolver.MarkRejected(object("a"), databricks.ClassUnauthenticated)
			after(time.Hour)
			r.Expect(r.readsOf(operatorNamespace, "operator")).To(HaveLen(1))
		})
	})
}
