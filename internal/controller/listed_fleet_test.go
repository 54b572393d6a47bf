package controller_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// fleetOf creates twelve objects in three namespaces, of which the last has a token of its
// own, and waits until they are ready.
func (r *listedRig) fleetOf() []managed.Resource {
	r.t.Helper()
	var all []managed.Resource
	for _, namespace := range append([]string{r.namespace}, r.tenants...) {
		for i := range 4 {
			all = append(all, r.make(r.kind.sample(namespace, fmt.Sprintf("x%d", i))))
		}
	}
	r.start()
	for _, object := range all {
		r.is(object, "Ready=Available")
	}
	return all
}

// withTenants adds two namespaces, one with the token of the rig and one with another one.
func (r *listedRig) withTenants() {
	r.t.Helper()
	for _, token := range []string{simulator.DefaultToken, secondToken} {
		namespace := r.newNamespace()
		r.tenants = append(r.tenants, namespace)
		r.putSecretIn(namespace, defaultSecret, r.workspace.URL, token)
		watchStatuses(r.rig, r.record, namespace)
	}
	r.Expect(r.workspace.AddToken("", simulator.DefaultUser, secondToken)).To(Succeed())
}

const secondToken = "dapi-second-authority"

func TestListedFleet(t *testing.T) {
	t.Parallel()
	t.Run("[case-134] [case-135] [R18] twelve objects: one list for each authority and interval, and a restart writes nothing", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.withTenants()
			all := r.fleetOf()
			r.Expect(r.remotes()).To(HaveLen(12))
			r.Expect(r.sent()).To(HaveLen(12))
			before := r.statuses(all)
			r.stop()
			r.workspace.ClearRequests()
			r.start()
			r.Eventually(func() int { return r.lists() }).Should(BeNumerically(">", 6), "the operator has worked")
			r.Expect(r.sent()).To(BeEmpty())
			r.Expect(r.statuses(all)).To(Equal(before), "[S7] no status is written")
			for _, entry := range r.workspace.Requests() {
				r.Expect(entry.Endpoint).NotTo(Equal(r.kind.endpoint+"get"), "a list has them all")
			}

			// The number of lists depends on the authorities and not on the objects.
			since := time.Now()
			count := r.lists()
			r.Eventually(func() int { return r.lists() - count }).Should(BeNumerically(">=", 6))
			intervals := float64(time.Since(since)) / float64(r.cacheOptions.Slow) * 2
			r.Expect(float64(r.lists() - count)).To(BeNumerically("<=", 2*intervals+4))
		})
	})

	t.Run("[case-120] [R17] the fault of one tenant changes nothing for another", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.withTenants()
			all := r.fleetOf()
			before := r.statuses(all[:8])
			r.workspace.RevokeToken(secondToken)
			for _, object := range all[8:] {
				r.is(object, "Stalled=AuthenticationFailed")
			}
			r.change(all[0], func(now managed.Object) { r.kind.edit(now.Resource, 5) })
			r.Eventually(func() any { return r.remote(r.now(all[0]))[r.kind.member] }).Should(BeEquivalentTo(5))
			r.is(all[0], "Ready=Available")
			r.Expect(r.statuses(all[1:8])).To(Equal(before[1:]))
		})
	})

	t.Run("[case-136] [R3] the operator is killed at every write to the API server", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			object, writes := r.with("x"), 0
			for at := 1; ; at++ {
				reached := r.killAtWrite(at)
				r.start()
				if at == 1 {
					r.make(object)
				}
				r.Eventually(func() bool {
					return reached() || slices.Contains(conditionsIn(r.now(object).Status.Conditions), "Synced=InSync")
				}).Should(BeTrue())
				r.kill()
				if !reached() {
					break
				}
				writes++
				r.Expect(len(r.remotes())).To(BeNumerically("<=", 1))
			}
			r.Expect(writes).To(BeNumerically(">=", 3), "the finalizer, the intent, the id")
			r.Expect(r.remotes()).To(HaveLen(1))
			r.intercept = interceptor.Funcs{}
			r.start()
			r.destroy(object)
			r.isGone(object)
			r.Expect(r.remotes()).To(BeEmpty())
		})
	})
}

func TestListedWorkspace(t *testing.T) {
	t.Parallel()
	t.Run("[case-120] a DatabricksWorkspace permits clusters only, unless it lists other kinds", func(t *testing.T) {
		for _, kind := range listedKinds {
			t.Run(kind.Name, func(t *testing.T) {
				r := &listedRig{rig: platform(t), kind: kind}
				shared := r.share()
				r.start()
				object := r.with("x", func(object managed.Object) {
					object.Spec.Connection = &v1alpha1.Connection{WorkspaceRef: &v1alpha1.WorkspaceReference{Name: shared.Name}}
				})
				r.make(object)
				refused := r.is(object, "Stalled=PermissionDenied")
				r.Expect(said(refused, "Stalled")).To(And(ContainSubstring(r.kind.Name), ContainSubstring("spec.allowedKinds")))
				r.Expect(r.sent()).To(BeEmpty())
				r.editWorkspace(shared, func(spec *v1alpha1.DatabricksWorkspaceSpec) {
					spec.AllowedKinds = []v1alpha1.AllowedKind{v1alpha1.AllowedKind(r.kind.Name)}
				})
				r.is(object, "Ready=Available")
				r.destroy(object)
				r.isGone(object)
			})
		}
	})
}

// killAtWrite blocks the operator before its nth write of an object of the kind since the
// call, as if it were killed there.
func (r *listedRig) killAtWrite(n int) (reached func() bool) {
	var mu sync.Mutex
	count := 0
	blocks := func(object client.Object) bool {
		mu.Lock()
		defer mu.Unlock()
		if fmt.Sprintf("%T", object) != fmt.Sprintf("%T", r.kind.New()) {
			return false
		}
		count++
		return count == n
	}
	var hit bool
	hold := func() error {
		mu.Lock()
		hit = true
		mu.Unlock()
		<-r.killed
		return errKilled
	}
	r.intercept = interceptor.Funcs{
		Patch: func(ctx context.Context, inner client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if blocks(object) {
				return hold()
			}
			return inner.Patch(ctx, object, patch, options...)
		},
		SubResourcePatch: func(ctx context.Context, inner client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			if blocks(object) {
				return hold()
			}
			return inner.SubResource(sub).Patch(ctx, object, patch, options...)
		},
	}
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		return hit
	}
}

// lists returns the number of lists of the collection.
func (r *listedRig) lists() int {
	count := 0
	for _, entry := range r.workspace.RequestsTo(r.kind.endpoint + "list") {
		if entry.Token != simulator.TokenFingerprint(otherToken) {
			count++
		}
	}
	return count
}

// statuses returns the versions of objects, which change with every write.
func (r *listedRig) statuses(all []managed.Resource) []string {
	versions := make([]string, 0, len(all))
	for _, object := range all {
		versions = append(versions, r.now(object).GetResourceVersion())
	}
	return versions
}
