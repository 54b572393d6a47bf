package controller_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func TestListedUpdate(t *testing.T) {
	t.Parallel()
	t.Run("[case-117] [case-118] an edit keeps what others set, and what this operator does not know", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.cacheOptions.Slow = time.Hour // only the GET before the edit shows the change
			r.start()
			object := r.make(r.with("x"))
			made := r.is(object, "Ready=Available")
			theirs := map[string]any{"policies/": "description", "instance-pools/": "idle_instance_autotermination_minutes"}[r.kind.endpoint]
			values := map[string]any{"policies/": "by another actor", "instance-pools/": 17}
			body := r.remote(made)
			body[theirs.(string)] = values[r.kind.endpoint]
			r.elsewhere("edit", body)
			r.change(object, func(now managed.Object) { r.kind.edit(now.Resource, 7) })
			r.Eventually(func() any { return r.remote(made)[r.kind.member] }).Should(BeEquivalentTo(7))
			r.Expect(r.remote(made)[theirs.(string)]).To(BeEquivalentTo(values[r.kind.endpoint]))
			r.is(object, "Synced=InSync")
		})
	})

	t.Run("[case-116] a field that is no longer declared is cleared once", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.start()
			object := r.make(r.with("x"))
			made := r.is(object, "Ready=Available")
			r.change(object, func(now managed.Object) {
				if policy, ok := now.Resource.(*v1alpha1.DatabricksClusterPolicy); ok {
					policy.Spec.MaxClustersPerUser = nil
				} else {
					now.Resource.(*v1alpha1.DatabricksInstancePool).Spec.MaxCapacity = nil
				}
			})
			r.Eventually(func() map[string]any { return r.remote(made) }).ShouldNot(HaveKey(r.kind.member))
			r.is(object, "Synced=InSync")
			body := r.remote(made)
			body[r.kind.member] = 5
			r.elsewhere("edit", body)
			r.Consistently(func() []string { return r.sent() }).Should(Equal([]string{"create", "edit"}))
			r.Expect(r.remote(made)[r.kind.member]).To(BeEquivalentTo(5))
		})
	})

	t.Run("[case-07] a refused edit is reported, and tried again after the next change", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.start()
			object := r.make(r.with("x"))
			made := r.is(object, "Ready=Available")
			fault := r.workspace.AddFault(simulator.Fault{
				Endpoint: r.kind.endpoint + "edit", Status: http.StatusBadRequest, ErrorCode: "INVALID_PARAMETER_VALUE", Message: "no such value",
			})
			r.change(object, func(now managed.Object) { r.kind.edit(now.Resource, 7) })
			stalled := r.is(object, "Stalled=InvalidSpec")
			r.Expect(conditionsIn(stalled.Status.Conditions)).To(ContainElement("Synced!=UpdateFailed"))
			r.workspace.RemoveFault(fault)
			r.change(object, func(now managed.Object) { r.kind.edit(now.Resource, 8) })
			r.is(object, "Ready=Available")
			r.Expect(r.remote(made)[r.kind.member]).To(BeEquivalentTo(8))
		})
	})

	t.Run("[R3] the answer of an edit is lost", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.start()
			object := r.make(r.with("x"))
			made := r.is(object, "Ready=Available")
			r.workspace.AddFault(simulator.Fault{Endpoint: r.kind.endpoint + "edit", When: simulator.After, Drop: true, Times: 1})
			r.change(object, func(now managed.Object) { r.kind.edit(now.Resource, 7) })
			r.is(object, "Ready=Available")
			r.Expect(r.remote(made)[r.kind.member]).To(BeEquivalentTo(7))
			r.Expect(r.sent()).To(Equal([]string{"create", "edit"}), "the effect shows in the next read")
		})
	})

	t.Run("[case-127] a value that another actor sets back again and again is corrected with backoff", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.options.Limits.ContentionBackoff = time.Hour
			r.start()
			object := r.make(r.with("x"))
			made := r.is(object, "Ready=Available")
			for range 3 {
				r.drift(made, 9)
				r.Eventually(func() any { return r.remote(made)[r.kind.member] }).Should(BeEquivalentTo(3))
				r.is(object, "Synced=InSync")
			}
			r.drift(made, 9)
			contended := r.is(object, "Synced!=Contended")
			r.Expect(said(contended, "Synced")).To(ContainSubstring("more than three times"))
			r.Consistently(func() any { return r.remote(made)[r.kind.member] }).Should(BeEquivalentTo(9))
		})
	})

	t.Run("[case-130] suspended: nothing is written, and the state is shown", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.start()
			object := r.make(r.with("x"))
			made := r.is(object, "Ready=Available")
			r.change(object, func(now managed.Object) {
				now.Spec.Suspend = true
				r.kind.edit(now.Resource, 7)
			})
			r.is(object, "Suspended=Suspended")
			r.is(object, "Synced!=Updating")
			r.Consistently(func() []string { return r.sent() }).Should(Equal([]string{"create"}))
			r.change(object, func(now managed.Object) { now.Spec.Suspend = false })
			r.Eventually(func() any { return r.remote(made)[r.kind.member] }).Should(BeEquivalentTo(7))
		})
	})

	t.Run("[case-131] a request to reconcile reads everything again and ends a backoff; others are refused", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.workspace.AddFault(simulator.Fault{
				Endpoint: r.kind.endpoint + "create", Times: 1, Status: http.StatusForbidden, ErrorCode: "PERMISSION_DENIED", Message: "no rights",
			})
			r.start()
			object := r.make(r.with("x"))
			r.is(object, "Stalled=PermissionDenied")
			r.request(object, "start@1")
			r.Eventually(func() v1alpha1.RequestPhase { return r.phase(object, "start@1") }).Should(Equal(v1alpha1.RequestRefused))
			r.request(object, "reconcile@1")
			r.is(object, "Ready=Available")
			r.Expect(r.phase(object, "reconcile@1")).To(Equal(v1alpha1.RequestSucceeded))
			r.Expect(r.now(object).Status.Request.Finished).To(Equal("reconcile@1"))
		})
	})

	t.Run("[case-119] permissions: those that are declared and the operator's own, and no others", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.start()
			object := r.with("x")
			r.grant(object, "data-engineers")
			r.make(object)
			made := r.is(object, "Synced=InSync")
			r.Eventually(func() []string { return r.granted(made) }).Should(ContainElement("data-engineers"))
			r.is(object, "Synced=InSync")
			sets := func() int { return len(r.workspace.RequestsTo("permissions/" + r.kind.permissions + "/set")) }
			r.Expect(sets()).To(Equal(1))
			r.Consistently(sets).Should(Equal(1), "and no more")
		})
	})
}

// drift changes the member as another actor does.
func (r *listedRig) drift(object managed.Object, value int) {
	r.t.Helper()
	body := r.remote(object)
	body[r.kind.member] = value
	r.elsewhere("edit", body)
}

func (r *listedRig) request(resource managed.Resource, value string) {
	r.t.Helper()
	r.change(resource, func(now managed.Object) { now.SetAnnotations(map[string]string{v1alpha1.AnnotationRequest: value}) })
}

// phase returns the phase of a request; empty if it is not in the status.
func (r *listedRig) phase(resource managed.Resource, value string) v1alpha1.RequestPhase {
	if found := r.now(resource).Status.Request; found != nil && found.Value == value {
		return found.Phase
	}
	return ""
}

// grant declares a permission for a group.
func (r *listedRig) grant(resource managed.Resource, group string) {
	switch object := resource.(type) {
	case *v1alpha1.DatabricksClusterPolicy:
		object.Spec.AccessControlList = []v1alpha1.PolicyAccessControl{
			{Principal: v1alpha1.Principal{GroupName: group}, PermissionLevel: v1alpha1.PolicyPermissionLevelCanUse},
		}
	case *v1alpha1.DatabricksInstancePool:
		object.Spec.AccessControlList = []v1alpha1.PoolAccessControl{
			{Principal: v1alpha1.Principal{GroupName: group}, PermissionLevel: v1alpha1.PoolPermissionLevelCanAttachTo},
		}
	}
}

func TestListedReads(t *testing.T) {
	t.Parallel()
	t.Run("[case-125] deleted elsewhere: created again, and an adopted one is not", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.start()
			object := r.make(r.with("x"))
			made := r.is(object, "Ready=Available")
			r.elsewhere("delete", map[string]any{r.kind.WireID: *made.ID})
			r.Eventually(func() string { return *r.now(object).ID }).ShouldNot(Or(Equal(*made.ID), BeEmpty()))
			r.is(object, "Ready=Available")
			r.Expect(r.remotes()).To(HaveLen(1))

			id := r.elsewhere("create", r.foreign("theirs"))[r.kind.WireID].(string)
			adopted := r.with("y")
			r.kind.adopt(adopted, id)
			r.make(adopted)
			r.is(adopted, "Ready=Available")
			r.elsewhere("delete", map[string]any{r.kind.WireID: id})
			r.is(adopted, "Stalled=AdoptionTargetNotFound")
			r.Consistently(r.remotes).Should(HaveLen(1))
		})
	})

	t.Run("[case-126] absence from a list is no deletion", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.start()
			object := r.make(r.with("x"))
			made := r.is(object, "Ready=Available")
			r.workspace.AddFault(simulator.Fault{Endpoint: r.kind.endpoint + "list", Body: "{}"})
			r.Eventually(func() int { return len(r.workspace.RequestsTo(r.kind.endpoint + "get")) }).Should(BeNumerically(">", 2))
			r.Consistently(func() []string { return conditionsIn(r.now(object).Status.Conditions) }).Should(ContainElement("Ready=Available"))
			r.Expect(r.sent()).To(Equal([]string{"create"}))
			r.Expect(*r.now(object).ID).To(Equal(*made.ID))
		})
	})

	t.Run("[case-133] lists that fail are reported, and Ready stays for a while", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.start()
			object := r.make(r.with("x"))
			r.is(object, "Ready=Available")
			fault := r.workspace.AddFault(simulator.Fault{Endpoint: r.kind.endpoint + "list", Status: http.StatusInternalServerError})
			failing := r.is(object, "Synced?=APIUnavailable")
			r.Expect(conditionsIn(failing.Status.Conditions)).To(ContainElement("Ready=Available"))
			r.workspace.RemoveFault(fault)
			r.is(object, "Synced=InSync")
		})
	})

	t.Run("[case-132] a create that waits for the limit of the workspace says so in its first status", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			fault := r.workspace.AddFault(simulator.Fault{
				Endpoint: r.kind.endpoint + "create", Status: http.StatusTooManyRequests, ErrorCode: "REQUEST_LIMIT_EXCEEDED", Message: "slow down",
				Header: map[string]string{"Retry-After": "1"},
			})
			r.start()
			object := r.make(r.with("x"))
			r.is(object, "Reconciling=RateLimited")
			r.workspace.RemoveFault(fault)
			r.is(object, "Ready=Available")
			r.Expect(r.sent()).To(Equal([]string{"create"}))
		})
	})

	t.Run("[case-120] a revoked credential is reported, and the next one goes on", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.Expect(r.workspace.AddToken("", simulator.DefaultUser, "dapi-second")).To(Succeed())
			r.start()
			object := r.make(r.with("x"))
			r.is(object, "Ready=Available")
			r.workspace.RevokeToken(simulator.DefaultToken)
			r.is(object, "Stalled=AuthenticationFailed")
			r.putSecret(defaultSecret, r.workspace.URL, "dapi-second")
			r.is(object, "Ready=Available")
			r.Expect(r.sent()).To(Equal([]string{"create"}))
		})
	})

	t.Run("[case-121] a credential for another host stalls the object, and nothing is asked there", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			other := r.newWorkspace(simulator.Options{})
			r.hosts = append(r.hosts, other.URL)
			r.start()
			object := r.make(r.with("x"))
			r.is(object, "Ready=Available")
			r.putSecret(defaultSecret, other.URL, simulator.DefaultToken)
			r.is(object, "Stalled=HostChanged")
			r.Expect(other.Requests()).NotTo(ContainElement(HaveField("Endpoint", HavePrefix(r.kind.endpoint))))
		})
	})
}

func TestListedDeletion(t *testing.T) {
	t.Parallel()
	t.Run("[case-122] Retain keeps it, without a credential", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.start()
			object := r.make(r.with("x", func(object managed.Object) { object.Spec.DeletionPolicy = v1alpha1.RemovalPolicyRetain }))
			r.is(object, "Ready=Available")
			r.workspace.RevokeToken(simulator.DefaultToken)
			r.destroy(object)
			r.isGone(object)
			r.Expect(r.sent()).To(Equal([]string{"create"}))
		})
	})

	t.Run("[case-122] protected until the protection is removed", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.start()
			object := r.make(r.with("x", func(object managed.Object) { object.Spec.DeletionProtection = true }))
			r.is(object, "Ready=Available")
			if err := r.api.Delete(r.t.Context(), object); err != nil {
				r.Expect(apierrors.IsInvalid(err) || apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
				return // an admission policy refuses it
			}
			blocked := r.is(object, "Stalled=DeletionBlocked")
			r.Expect(said(blocked, "Stalled")).To(And(ContainSubstring("deletionProtection"), ContainSubstring("Retain")))
			r.change(object, func(now managed.Object) { now.Spec.DeletionProtection = false })
			r.isGone(object)
			r.Expect(r.remotes()).To(BeEmpty())
		})
	})

	t.Run("[case-122] a refused deletion is reported with the remedy", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.start()
			object := r.make(r.with("x"))
			r.is(object, "Ready=Available")
			r.workspace.AddFault(simulator.Fault{
				Endpoint: r.kind.endpoint + "delete", Status: http.StatusForbidden, ErrorCode: "PERMISSION_DENIED", Message: "only admins",
			})
			r.destroy(object)
			blocked := r.is(object, "Stalled=DeletionBlocked")
			r.Expect(said(blocked, "Stalled")).To(And(ContainSubstring("only admins"), ContainSubstring("deletionPolicy: Retain")))
			r.change(object, func(now managed.Object) { now.Spec.DeletionPolicy = v1alpha1.RemovalPolicyRetain })
			r.isGone(object)
		})
	})

	t.Run("[case-123] gone already, or the answer is lost", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.start()
			gone, lost := r.make(r.with("gone")), r.make(r.with("lost"))
			r.is(gone, "Ready=Available")
			r.is(lost, "Ready=Available")
			r.elsewhere("delete", map[string]any{r.kind.WireID: *r.now(gone).ID})
			r.workspace.AddFault(simulator.Fault{Endpoint: r.kind.endpoint + "delete", When: simulator.After, Drop: true, Times: 2})
			r.destroy(gone)
			r.destroy(lost)
			r.isGone(gone)
			r.isGone(lost)
			r.Expect(r.remotes()).To(BeEmpty())
		})
	})
}

// granted returns the groups that have a direct permission on a remote object.
func (r *listedRig) granted(object managed.Object) []string {
	r.t.Helper()
	var answer struct {
		Entries []struct {
			Group       string `json:"group_name"`
			Permissions []struct {
				Inherited bool `json:"inherited"`
			} `json:"all_permissions"`
		} `json:"access_control_list"`
	}
	path := "/api/2.0/permissions/" + r.kind.permissions + "/" + *object.ID
	r.Expect(json.Unmarshal(r.send(http.MethodGet, path, nil), &answer)).To(Succeed())
	var groups []string
	for _, entry := range answer.Entries {
		if len(entry.Permissions) > 0 && !entry.Permissions[0].Inherited {
			groups = append(groups, entry.Group)
		}
	}
	return groups
}
