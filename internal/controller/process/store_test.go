package process

import (
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func named(namespace, name, uid string) client.Object {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(uid)}}
}

func TestAnotherObjectOfTheSameNameHasNoStateOfTheFirst(t *testing.T) {
	g := NewWithT(t)
	store := NewStore[string]()
	first, second := named("a", "x", "1"), named("a", "x", "2")
	store.Update(second, func(state *string) { *state = "second" })
	store.Update(first, func(state *string) { *state = "first" })
	g.Expect(store.Of(second)).To(Equal("second"), "[case-89]")
	g.Expect(store.Of(first)).To(Equal("first"), "[case-89]")
	store.Forget(client.ObjectKeyFromObject(first))
	g.Expect(store.Of(second)).To(BeEmpty())
}

func TestAStatusThatIsWrittenAgainAndAgainWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		const window = 30 * time.Second
		store, object := NewStore[string](), named("a", "x", "1")
		for range MaxWrites {
			g.Expect(store.MayWriteAt(object, window)).To(BeZero())
			store.Wrote(object, window)
			<-time.After(time.Second)
		}
		g.Expect(time.Until(store.MayWriteAt(object, window))).To(Equal(window-MaxWrites*time.Second), "[R10]")
		<-time.After(window - MaxWrites*time.Second)
		g.Expect(store.MayWriteAt(object, window)).To(BeZero())

		for range 3 { // it goes on
			g.Expect(writesUntilHeld(store, object, window)).To(Equal(ContestedMaxWrites), "[R10]")
			<-time.After(time.Until(store.MayWriteAt(object, window)) + time.Second)
		}
		store.Wrote(object, window)
		<-time.After(window)
		g.Expect(writesUntilHeld(store, object, window)).To(Equal(MaxWrites), "a window with one write ended it")
		<-time.After(2 * window)
		g.Expect(writesUntilHeld(store, object, window)).To(Equal(MaxWrites), "a window without a write ended it")
	})
}

// writesUntilHeld writes a status until the next write waits, and returns how often.
func writesUntilHeld(store *Store[string], object client.Object, window time.Duration) (writes int) {
	for store.MayWriteAt(object, window).IsZero() {
		store.Wrote(object, window)
		writes++
	}
	return writes
}

func TestAnOlderVersionThanTheWrittenOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		store, object := NewStore[string](), named("a", "x", "1")
		object.SetResourceVersion("90")
		g.Expect(store.IsAhead(object)).To(BeFalse(), "nothing was written")
		store.RecordVersionAt(object, "100", time.Now())
		g.Expect(store.IsAhead(object)).To(BeTrue(), "the informer cache is late")
		g.Expect(store.IsBehind(object)).To(BeFalse(), "and may catch up")
		<-time.After(CacheLag + time.Second)
		g.Expect(store.IsAhead(object)).To(BeFalse(), "no object waits for ever")
		g.Expect(store.IsBehind(object)).To(BeTrue(), "[case-93]")
		store.Replace(object, "new", time.Now())
		g.Expect(store.Of(object)).To(Equal("new"))
		g.Expect(store.IsBehind(object)).To(BeFalse())
	})
}
