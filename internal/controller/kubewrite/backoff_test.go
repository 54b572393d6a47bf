package kubewrite

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

// withClock returns a Writes with a clock that pass advances and now returns.
func withClock() (writes *Writes, pass func(time.Duration), now func() time.Time) {
	clock := time.Date(2026, time.March, 18, 12, 0, 0, 0, time.UTC)
	writes = New(10 * time.Second)
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
		"[case-91] refused by admission, as 409": {&RefusedError{apierrors.NewConflict(resource, "x", errors.New("a policy"))}, 1},
		"[case-91] dropped":                      {ErrDropped, 1},
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
					err := writes.Admit(cluster, Intent)
					if held, ok := errors.AsType[*HeldError](err); ok {
						due[i] = held.Until
						continue
					}
					attempts = append(attempts, now())
					writes.Done(cluster, Intent, row.failure)
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
			g.Expect(writes.Admit(healthy, Intent)).To(Succeed(), "within a minute")
			writes.Done(healthy, Intent, nil)
			g.Expect(writes.Admit(named("team-0", "c1"), Intent)).To(Succeed(), "at once for other objects")
		})
	}
}

func TestARefusalHoldsOnlyItsOwnNamespace(t *testing.T) {
	g := NewWithT(t)
	writes, _, _ := withClock()
	refused := apierrors.NewForbidden(schema.GroupResource{}, "x", errors.New("a policy"))
	g.Expect(writes.Admit(named("a", "x"), Intent)).To(Succeed())
	writes.Done(named("a", "x"), Intent, refused)
	g.Expect(writes.Admit(named("a", "y"), Intent)).NotTo(Succeed(), "[case-91]")
	g.Expect(writes.Admit(named("b", "x"), Intent)).To(Succeed(), "[R17]")
	g.Expect(writes.Admit(named("a", "y"), Object)).To(Succeed(), "a status is not an intent")
	writes.Done(named("a", "y"), Object, refused)
	g.Expect(writes.Admit(named("a", "z"), Object)).To(Succeed(), "another object")
	writes.Done(named("b", "x"), Intent, apierrors.NewInternalError(errors.New("a webhook of b")))
	g.Expect(writes.Admit(named("c", "x"), Intent)).To(Succeed(), "[R17] a failure in one namespace does not hold the others")
}

func TestAConflictCountsAsASuccessOfTheAPIServer(t *testing.T) {
	g := NewWithT(t)
	writes, _, _ := withClock()
	writes.Done(named("a", "x"), Object, apierrors.NewConflict(schema.GroupResource{}, "x", errors.New("modified")))
	g.Expect(writes.Admit(named("a", "x"), Object)).To(Succeed())
}

func TestARefusedFinalizerHoldsNoStatus(t *testing.T) {
	g := NewWithT(t)
	writes := New(10 * time.Second)
	refused := apierrors.NewForbidden(schema.GroupResource{}, "x", errors.New("a policy"))
	kept := named("a", "x")
	g.Expect(writes.Admit(kept, Finalizer)).To(Succeed())
	writes.Done(kept, Finalizer, refused)
	held, isHeld := errors.AsType[*HeldError](writes.Admit(kept, Finalizer))
	g.Expect(isHeld).To(BeTrue())
	g.Expect(held.Refusal).To(ContainSubstring("a policy"))
	g.Expect(writes.Admit(kept, Object)).To(Succeed(), "[case-84] the status reports it")
	writes.Done(kept, Object, nil)
	g.Expect(writes.Unannounced(kept)).To(BeEmpty(), "no event beside the status")
	g.Expect(writes.NextFor(kept)).NotTo(BeZero(), "a status that was written does not end the backoff of the finalizer")

	writes.Done(kept, Object, refused)
	g.Expect(writes.Unannounced(kept)).To(ContainSubstring("a policy"))
	g.Expect(writes.Unannounced(kept)).To(BeEmpty(), "one event")
	g.Expect(writes.Unannounced(named("a", "y"))).To(BeEmpty())
}
