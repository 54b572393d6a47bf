package connection_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
		r.Expect(own.Source).To(Equal(connection.Source{Kind: "Secret", Namespace: tenant, Name: defaultSecret}))
		r.Expect(own.Rules).To(BeNil())
		r.Expect(prod.Source).To(Equal(connection.Source{Workspace: "prod", Kind: "Secret", Namespace: operatorNamespace, Name: "shared"}))
		r.Expect(prod.Rules).To(HaveField("Name", "prod"))
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
			r.Expect(blocked.Message).To(Equal(`DatabricksWorkspace "prod": reading namespace team-a: Forbidden`))
			r.change(func(k *kubernetes) { k.fail = nil })
			after(30 * time.Second)
			r.Expect(r.events()).To(Equal([]string{"a"}))
			_, blocked = r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(BeNil())
		})
	})

	t.Run("labels that another object is reading are waited for", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(operatorNamespace, "shared", host, "dapi")
			release := make(chan struct{})
			r.change(func(k *kubernetes) { k.namespaces[tenant], k.held = map[string]string{"team": "a"}, release })
			r.share("prod", labelled("team", "a"))
			var running sync.WaitGroup
			running.Go(func() { _, _ = r.resolver.Resolve(t.Context(), request) })
			synctest.Wait()
			_, blocked := r.resolver.Resolve(t.Context(), connection.Request{User: object("b"), Connection: references("prod")})
			r.Expect(blocked).To(Equal(&connection.Blocked{
				Reason: v1alpha1.ReasonCredentialsNotReady, Message: `DatabricksWorkspace "prod": reading namespace team-a`,
				Pending: true, RetryAt: time.Now().Add(10 * time.Second),
			}))
			close(release)
			running.Wait()
			r.Expect(r.events()).To(Equal([]string{"b"}))
		})
	})

	t.Run("a namespace without labels keeps its permission while the labels cannot be read", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(operatorNamespace, "shared", host, "dapi")
			r.change(func(k *kubernetes) { k.namespaces[tenant] = nil })
			r.share("prod", &v1alpha1.AllowedNamespaces{Selector: &metav1.LabelSelector{
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: metav1.LabelSelectorOpDoesNotExist}},
			}})
			_, blocked := r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(BeNil())
			r.change(func(k *kubernetes) { k.fail = forbidden() })
			after(10 * time.Minute)
			_, blocked = r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(BeNil())
			r.Expect(r.events()).To(BeEmpty())
		})
	})

	t.Run("the labels of a namespace that is allowed or refused by its name are not read", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(operatorNamespace, "shared", host, "dapi")
			r.change(func(k *kubernetes) { k.namespaces[tenant] = map[string]string{"team": "a"} })
			both := labelled("team", "b")
			both.Names = []string{tenant}
			r.share("prod", both)
			_, blocked := r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(BeNil())
			r.share("prod", names("team-b"))
			_, blocked = r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(refused())
			r.Expect(r.readsOf("", tenant)).To(BeEmpty())

			r.share("prod", labelled("team", "a"))
			_, blocked = r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(BeNil())
			r.share("prod", names(tenant))
			_, blocked = r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(BeNil())
			r.change(func(k *kubernetes) { k.namespaces[tenant] = nil })
			after(time.Hour)
			r.Expect(r.readsOf("", tenant)).To(HaveLen(1), "they do not matter any more")
			r.Expect(r.events()).To(BeEmpty())
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
			r.edit("prod", func(spec *v1alpha1.DatabricksWorkspaceSpec) { spec.AllowAdoption = true })
			_, blocked = r.resolver.Resolve(t.Context(), adopting)
			r.Expect(blocked).To(BeNil())
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

func TestTheKindsThatAWorkspacePermits(t *testing.T) {
	for name, row := range map[string]struct {
		permits []v1alpha1.AllowedKind
		kind    string
		allowed bool
	}{
		"a cluster, without a list":   {nil, "DatabricksCluster", true},
		"a pool, without a list":      {nil, "DatabricksInstancePool", false},
		"a pool in the list":          {[]v1alpha1.AllowedKind{"DatabricksClusterPolicy", "DatabricksInstancePool"}, "DatabricksInstancePool", true},
		"a cluster that is not in it": {[]v1alpha1.AllowedKind{"DatabricksInstancePool"}, "DatabricksCluster", false},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T, r *rig) {
				r.putSecret(operatorNamespace, "shared", host, "dapi")
				r.share("prod", names(tenant))
				r.edit("prod", func(spec *v1alpha1.DatabricksWorkspaceSpec) { spec.AllowedKinds = row.permits })
				user := object("a")
				user.Kind = row.kind
				credential, blocked := r.resolver.Resolve(t.Context(), connection.Request{User: user, Connection: references("prod")})
				if row.allowed {
					r.Expect(blocked).To(BeNil())
					return
				}
				r.Expect(blocked).To(And(HaveField("Reason", v1alpha1.ReasonPermissionDenied), HaveField("Stalled", true)))
				r.Expect(blocked.Message).To(And(
					HavePrefix(`DatabricksWorkspace "prod" does not permit objects of kind `+row.kind+";"), ContainSubstring("spec.allowedKinds")))
				r.Expect(credential).To(BeZero())
			})
		})
	}
}

func TestAWorkspaceThatCannotBeUsed(t *testing.T) {
	for name, row := range map[string]struct {
		options func(*connection.Options)
		spec    func(*v1alpha1.DatabricksWorkspaceSpec)
		reason  string
		// message is the beginning of the message.
		message string
	}{
		"this operator serves none": {
			options: func(o *connection.Options) { o.Workspaces = false },
			reason:  v1alpha1.ReasonCredentialsInvalid,
			message: "spec.connection.workspaceRef: this operator serves no DatabricksWorkspaces (--workspaces=false); set spec.connection.secretRef",
		},
		"the selector is invalid": {
			spec: func(spec *v1alpha1.DatabricksWorkspaceSpec) {
				spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{Selector: &metav1.LabelSelector{
					MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: "Like"}},
				}}
			},
			reason:  v1alpha1.ReasonCredentialsInvalid,
			message: `DatabricksWorkspace "prod": spec.allowedNamespaces.selector: "Like" is not a valid label selector operator`,
		},
		"a forbidden field that does not exist": {
			spec:    func(spec *v1alpha1.DatabricksWorkspaceSpec) { spec.ForbiddenFields = []string{"initScript"} },
			reason:  v1alpha1.ReasonInvalidSpec,
			message: `DatabricksWorkspace "prod" is not ready: spec.forbiddenFields: "initScript" is no field of a DatabricksCluster's spec`,
		},
		"the namespace of the operator is unknown": {
			options: func(o *connection.Options) { o.OperatorNamespace = "" },
			reason:  v1alpha1.ReasonCredentialsInvalid,
			message: `DatabricksWorkspace "prod" is not ready: the operator does not know its own namespace, which has the credential: set --operator-namespace`,
		},
		"the service account of the operator is unknown": {
			options: func(o *connection.Options) { o.OperatorServiceAccount = "" },
			spec: func(spec *v1alpha1.DatabricksWorkspaceSpec) {
				spec.SecretRef, spec.WorkloadIdentity = nil, &v1alpha1.OperatorIdentity{ClientID: "app"}
			},
			reason:  v1alpha1.ReasonCredentialsInvalid,
			message: `DatabricksWorkspace "prod" is not ready: the operator does not know its own service account: set --operator-service-account`,
		},
		"it names no credential": {
			spec:    func(spec *v1alpha1.DatabricksWorkspaceSpec) { spec.SecretRef = nil },
			reason:  v1alpha1.ReasonCredentialsInvalid,
			message: `DatabricksWorkspace "prod" is not ready: set exactly one of spec.secretRef and spec.workloadIdentity`,
		},
		"it names no credential, and the service account of the operator is unknown": {
			options: func(o *connection.Options) { o.OperatorServiceAccount = "" },
			spec:    func(spec *v1alpha1.DatabricksWorkspaceSpec) { spec.SecretRef = nil },
			reason:  v1alpha1.ReasonCredentialsInvalid,
			message: `DatabricksWorkspace "prod" is not ready: set exactly one of spec.secretRef and spec.workloadIdentity`,
		},
		"its host is no URL": {
			spec:    func(spec *v1alpha1.DatabricksWorkspaceSpec) { spec.Host = "http://one.cloud.databricks.com" },
			reason:  v1alpha1.ReasonCredentialsInvalid,
			message: `DatabricksWorkspace "prod" is not ready: spec.host `,
		},
	} {
		t.Run(name, func(t *testing.T) {
			adapt := func(o *connection.Options) {
				if row.options != nil {
					row.options(o)
				}
			}
			withOptions(t, adapt, func(t *testing.T, r *rig) {
				r.putSecret(operatorNamespace, "shared", host, "dapi")
				r.share("prod", names(tenant))
				if row.spec != nil {
					r.edit("prod", row.spec)
				}
				credential, blocked := r.resolver.Resolve(t.Context(), connection.Request{User: object("a"), Connection: references("prod")})
				r.Expect(blocked).To(And(HaveField("Reason", row.reason), HaveField("Stalled", true), HaveField("Message", HavePrefix(row.message))))
				r.Expect(credential).To(BeZero())
			})
		})
	}
}

func TestTheCredentialOfAWorkspaceIsForgottenWithItsValidity(t *testing.T) {
	for name, spoil := range map[string]func(*v1alpha1.DatabricksWorkspaceSpec){
		"a forbidden field that does not exist": func(spec *v1alpha1.DatabricksWorkspaceSpec) { spec.ForbiddenFields = []string{"initScript"} },
		"no credential is named":                func(spec *v1alpha1.DatabricksWorkspaceSpec) { spec.SecretRef = nil },
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T, r *rig) {
				r.putSecret(operatorNamespace, "shared", host, "dapi")
				r.share("prod", names(tenant))
				request := connection.Request{User: object("a"), Connection: references("prod")}
				_, blocked := r.resolver.Resolve(t.Context(), request)
				r.Expect(blocked).To(BeNil())
				r.edit("prod", spoil)
				_, blocked = r.resolver.Resolve(t.Context(), request)
				r.Expect(blocked).To(HaveField("Stalled", true))
				after(time.Hour)
				r.Expect(r.readsOf(operatorNamespace, "shared")).To(HaveLen(1))
			})
		})
	}
}

func TestAWorkspaceThatCannotBeReadIsReadAgain(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, r *rig) {
		r.share("prod", names(tenant))
		r.change(func(k *kubernetes) { k.failWorkspaces = forbidden() })
		_, blocked := r.resolver.Resolve(t.Context(), connection.Request{User: object("a"), Connection: references("prod")})
		r.Expect(blocked).To(Equal(&connection.Blocked{
			Reason: v1alpha1.ReasonRetryingAfterError, Message: `reading DatabricksWorkspace "prod": Forbidden`,
			RetryAt: time.Now().Add(7500 * time.Millisecond),
		}))
	})
}

func TestHowLongAWorkspaceIsMissing(t *testing.T) {
	request := connection.Request{User: object("a"), Connection: references("prod")}
	other := connection.Request{User: object("a"), Connection: references("other")}
	for name, row := range map[string]struct {
		between func(*testing.T, *rig)
		then    connection.Request
		reason  string
	}{
		"it stays missing":             {func(*testing.T, *rig) {}, request, v1alpha1.ReasonCredentialsInvalid},
		"another workspace is missing": {func(*testing.T, *rig) {}, other, v1alpha1.ReasonCredentialsNotReady},
		"it is deleted again": {func(t *testing.T, r *rig) {
			r.share("prod", names(tenant))
			_, _ = r.resolver.Resolve(t.Context(), request)
			r.change(func(k *kubernetes) { delete(k.workspaces, "prod") })
		}, request, v1alpha1.ReasonCredentialsNotReady},
		"the object had a Secret of its own": {func(t *testing.T, r *rig) { _, _ = r.resolve(t, object("a")) }, request, v1alpha1.ReasonCredentialsNotReady},
		"the object was released":            {func(_ *testing.T, r *rig) { r.resolver.Release(object("a")) }, request, v1alpha1.ReasonCredentialsNotReady},
	} {
		t.Run("[case-58] "+name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T, r *rig) {
				_, blocked := r.resolver.Resolve(t.Context(), request)
				r.Expect(blocked).To(HaveField("Reason", v1alpha1.ReasonCredentialsNotReady))
				after(6 * time.Minute)
				row.between(t, r)
				_, blocked = r.resolver.Resolve(t.Context(), row.then)
				r.Expect(blocked).To(HaveField("Reason", row.reason))
			})
		})
	}
}

func TestLabelsAreNotReadForAnObjectThatLeftItsWorkspace(t *testing.T) {
	for name, leave := range map[string]func(*testing.T, *rig){
		"for a Secret of its own": func(t *testing.T, r *rig) { r.works(t, object("a")) },
		"because it was deleted":  func(_ *testing.T, r *rig) { r.resolver.Release(object("a")) },
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T, r *rig) {
				r.putSecret(tenant, defaultSecret, host, "dapi")
				r.putSecret(operatorNamespace, "shared", host, "dapi")
				r.change(func(k *kubernetes) { k.namespaces[tenant] = map[string]string{"team": "a"} })
				r.share("prod", labelled("team", "a"))
				_, blocked := r.resolver.Resolve(t.Context(), connection.Request{User: object("a"), Connection: references("prod")})
				r.Expect(blocked).To(BeNil())
				leave(t, r)
				r.change(func(k *kubernetes) { k.namespaces[tenant] = nil })
				after(time.Hour)
				r.Expect(r.readsOf("", tenant)).To(HaveLen(1))
				r.Expect(r.events()).To(BeEmpty())
			})
		})
	}
}
