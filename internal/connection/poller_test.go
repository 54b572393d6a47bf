package connection_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/connection"
)

func TestTheResolverRunsUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		k := newKubernetes()
		resolver := connection.New(k, k, k, connection.Options{DefaultSecret: defaultSecret})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- resolver.Start(ctx) }()
		after(time.Hour)
		g.Expect(ended).NotTo(Receive())
		stop()
		synctest.Wait()
		g.Expect(ended).To(Receive(BeNil()))
	})
}

// own returns a request with a Secret of the object's namespace.
func own(user, secret string) connection.Request {
	return connection.Request{
		User: object(user), Connection: &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: secret}},
	}
}

// stuck returns two Secrets that are missing and due. The Resolver is reading the first, and
// ends that when release is closed.
func (r *rig) stuck(t *testing.T) (first, second string, release chan struct{}) {
	t.Helper()
	for _, name := range []string{"one", "two"} {
		_, blocked := r.resolver.Resolve(t.Context(), own("of-"+name, name))
		r.Expect(blocked).To(HaveField("Reason", v1alpha1.ReasonCredentialsNotReady))
	}
	release = make(chan struct{})
	r.change(func(k *kubernetes) { k.held = release })
	after(7500 * time.Millisecond)
	r.change(func(k *kubernetes) { k.held = nil })
	if len(r.readsOf(tenant, "one")) == 2 {
		return "one", "two", release
	}
	return "two", "one", release
}

func TestASourceIsReadOnceAtATime(t *testing.T) {
	t.Run("for a new object while it is read again", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			first, second, release := r.stuck(t)
			r.putSecret(tenant, first, host, "dapi")
			_, blocked := r.resolver.Resolve(t.Context(), own("new", first))
			r.Expect(blocked).To(HaveField("Reason", v1alpha1.ReasonCredentialsNotReady), "what is known is answered at once")
			r.Expect(r.readsOf(tenant, first)).To(HaveLen(2))
			r.Expect(r.readsOf(tenant, second)).To(HaveLen(1))
			close(release)
			r.Expect(r.events()).To(ConsistOf("of-"+first, "new"))
			r.Expect(r.readsOf(tenant, second)).To(HaveLen(2))
		})
	})

	t.Run("when it is due while it is read for a new object", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			_, second, release := r.stuck(t)
			another := make(chan struct{})
			r.change(func(k *kubernetes) { k.held = another })
			var running sync.WaitGroup
			running.Go(func() { _, _ = r.resolver.Resolve(t.Context(), own("new", second)) })
			synctest.Wait()
			r.Expect(r.readsOf(tenant, second)).To(HaveLen(2))
			close(release)
			synctest.Wait()
			r.Expect(r.readsOf(tenant, second)).To(HaveLen(2))
			close(another)
			running.Wait()
		})
	})
}

func TestASourceThatIsDueIsNotReadAnyMore(t *testing.T) {
	t.Run("without users", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			_, second, release := r.stuck(t)
			r.resolver.Release(object("of-" + second))
			close(release)
			after(time.Minute)
			r.Expect(r.readsOf(tenant, second)).To(HaveLen(1))
		})
	})

	t.Run("when the Resolver ends", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			first, second, release := r.stuck(t)
			r.stop()
			close(release)
			after(time.Minute)
			r.Expect(r.readsOf(tenant, first)).To(HaveLen(2))
			r.Expect(r.readsOf(tenant, second)).To(HaveLen(1))
		})
	})
}

func TestANewObjectDoesNotWaitForTheReadsOfOtherSources(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, r *rig) {
		_, _, release := r.stuck(t)
		r.change(func(k *kubernetes) { k.fail = forbidden() })
		r.blocked(t, object("a"), v1alpha1.ReasonRetryingAfterError)
		r.change(func(k *kubernetes) { k.fail = nil })
		r.putSecret(tenant, defaultSecret, host, "dapi")
		after(2 * time.Second)
		r.works(t, object("new"))
		r.Expect(r.events()).To(Equal([]string{"a"}))
		close(release)
	})
}

func TestAnUnusableSourceIsReadForANewObjectAfterASecond(t *testing.T) {
	for name, row := range map[string]struct {
		later time.Duration
		reads int
	}{
		"earlier":     {999 * time.Millisecond, 1},
		"at a second": {time.Second, 2},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T, r *rig) {
				r.blocked(t, object("a"), v1alpha1.ReasonCredentialsNotReady)
				after(row.later)
				_, _ = r.resolve(t, object("b"))
				r.Expect(r.readsOf(tenant, defaultSecret)).To(HaveLen(row.reads))
			})
		})
	}
}

func TestAnObjectThatIsGoneIsNotEnqueued(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, r *rig) {
		release := make(chan struct{})
		r.change(func(k *kubernetes) { k.held = release })
		var running sync.WaitGroup
		running.Go(func() { _, _ = r.resolve(t, object("reads")) })
		synctest.Wait()
		for _, name := range []string{"waits", "gone"} {
			_, blocked := r.resolve(t, object(name))
			r.Expect(blocked).To(HaveField("Pending", true))
		}
		r.resolver.Release(object("gone"))
		close(release)
		running.Wait()
		r.Expect(r.events()).To(Equal([]string{"waits"}))
	})
}

func TestAnObjectKeepsItsSourceWhenAFormerOneOfItsNameIsReleased(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, r *rig) {
		r.putSecret(tenant, defaultSecret, host, "dapi")
		r.works(t, object("a"))
		former := object("a")
		former.UID = "uid-former"
		r.resolver.Release(former)
		after(5 * time.Minute)
		r.Expect(r.readsOf(tenant, defaultSecret)).To(HaveLen(2))
	})
}

func TestTheContextOfAReadEndsWithIt(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, r *rig) {
		r.putSecret(tenant, defaultSecret, host, "dapi")
		r.works(t, object("a"))
		r.Expect(r.ended()).To(MatchError(context.Canceled))
	})
}

func TestTheNameOfAUser(t *testing.T) {
	t.Parallel()
	NewWithT(t).Expect(object("a").NamespacedName()).To(Equal(secretName("team-a", "a")))
}
