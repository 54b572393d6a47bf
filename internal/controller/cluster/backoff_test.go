package cluster

import (
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// withClock returns a kubeWrites with a clock that pass advances and now returns.
func withClock() (writes *kubeWrites, pass func(time.Duration), now func() time.Time) {
	clock := time.Date(2026, time.March, 18, 12, 0, 0, 0, time.UTC)
	writes = newKubeWrites(10 * time.Second)
	writes.now = func() time.Time { return clock }
	return writes, func(span time.Duration) { clock = clock.Add(span) }, writes.now
}

func named(namespace, name string) *v1alpha1.DatabricksCluster {
	return &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

func TestFailingWritesAreRetriedRarely(t *testing.T) {
	resource := schema.GroupResource{Resource: "databricksclusters"}
	for name, row := range map[string]struct {
		failure    error
		namespaces int
	}{
		"[case-91] refused":                      {apierrors.NewForbidden(resource, "x", errors.New("a policy")), 1},
		"[case-91] refused by admission, as 409": {&refusedError{apierrors.NewConflict(resource, "x", errors.New("a policy"))}, 1},
		"[case-91] dropped":                      {errDropped, 1},
		"[case-91] failing":                      {apierrors.NewServiceUnavailable("no etcd"), 1},
		"[case-91] failing in three namespaces":  {apierrors.NewServiceUnavailable("no etcd"), 3},
		"[case-91] not reached":                  {errors.New("connection refused"), 3},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			writes, pass, now := withClock()
			const objects = 100
			due := make([]time.Time, objects)
			var attempts []time.Time
			for range 5 * 60 {
				for i := range objects {
					if now().Before(due[i]) {
						continue
					}
					cluster := named(fmt.Sprint("team-", i%row.namespaces), fmt.Sprint("c", i))
					err := writes.admit(cluster, intentWrite)
					if held, ok := errors.AsType[*heldWriteError](err); ok {
						due[i] = held.until
						continue
					}
					attempts = append(attempts, now())
					writes.done(cluster, intentWrite, row.failure)
				}
				pass(time.Second)
			}
			g.Expect(len(attempts)).To(BeNumerically(">=", 8), "the retries continue")
			for i := range attempts {
				if i+10 < len(attempts) {
					g.Expect(attempts[i+10].Sub(attempts[i])).To(BeNumerically(">=", time.Minute), "at most ten in a minute")
				}
			}
			healthy := named("team-0", "c0")
			pass(maxWriteBackoff + retrySpacing)
			g.Expect(writes.admit(healthy, intentWrite)).To(Succeed(), "within a minute")
			writes.done(healthy, intentWrite, nil)
			g.Expect(writes.admit(named("team-0", "c1"), intentWrite)).To(Succeed(), "at once for other objects")
		})
	}
}

func TestARefusalHoldsOnlyItsOwnNamespace(t *testing.T) {
	g := NewWithT(t)
	writes, _, _ := withClock()
	refused := apierrors.NewForbidden(schema.GroupResource{}, "x", errors.New("a policy"))
	g.Expect(writes.admit(named("a", "x"), intentWrite)).To(Succeed())
	writes.done(named("a", "x"), intentWrite, refused)
	g.Expect(writes.admit(named("a", "y"), intentWrite)).NotTo(Succeed(), "[case-91]")
	g.Expect(writes.admit(named("b", "x"), intentWrite)).To(Succeed(), "[R17]")
	g.Expect(writes.admit(named("a", "y"), objectWrite)).To(Succeed(), "a status is not an intent")
	writes.done(named("a", "y"), objectWrite, refused)
	g.Expect(writes.admit(named("a", "z"), objectWrite)).To(Succeed(), "another object")
	writes.done(named("b", "x"), intentWrite, apierrors.NewInternalError(errors.New("a webhook of b")))
	g.Expect(writes.admit(named("c", "x"), intentWrite)).To(Succeed(), "[R17] a failure in one namespace does not hold the others")
}

func TestAConflictCountsAsASuccessOfTheAPIServer(t *testing.T) {
	g := NewWithT(t)
	writes, _, _ := withClock()
	writes.done(named("a", "x"), objectWrite, apierrors.NewConflict(schema.GroupResource{}, "x", errors.New("modified")))
	g.Expect(writes.admit(named("a", "x"), objectWrite)).To(Succeed())
}

func TestARefusedFinalizerHoldsNoStatus(t *testing.T) {
	g := NewWithT(t)
	writes := newKubeWrites(10 * time.Second)
	refused := apierrors.NewForbidden(schema.GroupResource{}, "x", errors.New("a policy"))
	kept := named("a", "x")
	g.Expect(writes.admit(kept, finalizerWrite)).To(Succeed())
	writes.done(kept, finalizerWrite, refused)
	held, isHeld := errors.AsType[*heldWriteError](writes.admit(kept, finalizerWrite))
	g.Expect(isHeld).To(BeTrue())
	g.Expect(held.refusal).To(ContainSubstring("a policy"))
	g.Expect(writes.admit(kept, objectWrite)).To(Succeed(), "[case-84] the status reports it")
	writes.done(kept, objectWrite, nil)
	g.Expect(writes.unannounced(kept)).To(BeEmpty(), "no event beside the status")
	g.Expect(writes.nextFor(kept)).NotTo(BeZero(), "a status that was written does not end the backoff of the finalizer")

	writes.done(kept, objectWrite, refused)
	g.Expect(writes.unannounced(kept)).To(ContainSubstring("a policy"))
	g.Expect(writes.unannounced(kept)).To(BeEmpty(), "one event")
	g.Expect(writes.unannounced(named("a", "y"))).To(BeEmpty())
}
