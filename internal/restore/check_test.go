package restore_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/restore"
)

// versions is a store that has one version after another. An empty one is a read that
// fails.
type versions struct {
	client.Reader
	answers   []string
	namespace string
	looks     int
}

func (v *versions) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	applied := (&client.ListOptions{}).ApplyOptions(options)
	if _, bounded := ctx.Deadline(); !bounded || applied.Limit != 1 || applied.Namespace != v.namespace {
		return errors.New("an unbounded look, or one elsewhere")
	}
	if list.GetObjectKind().GroupVersionKind() != v1alpha1.GroupVersion.WithKind("DatabricksClusterList") {
		return errors.New("a look at another kind")
	}
	answer := v.answers[min(v.looks, len(v.answers)-1)]
	v.looks++
	if answer == "" {
		return errors.New("the API server is away")
	}
	list.(*metav1.PartialObjectMetadataList).ResourceVersion = answer
	return nil
}

// Get fails, so that only the version of the store is compared.
func (v *versions) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return errors.New("the API server is away")
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		answers  []string
		restored bool
	}{
		"[case-93] a version that goes on":              {[]string{"9", "10", "10", "100"}, false},
		"[case-93] an older one":                        {[]string{"9", "100", "20"}, true},
		"[case-93] an older one after the server's end": {[]string{"100", "", "", "99"}, true},
		"[case-93] a server that is away":               {[]string{"100", "", "101"}, false},
		"[case-93] no number":                           {[]string{"100", "abc", "101"}, false},
		"[case-93] an older one after no number":        {[]string{"abc", "100", "99"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				store := &versions{answers: c.answers, namespace: "team-a"}
				check := &restore.Check{Reader: store, Namespace: "team-a", Every: restore.Every}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(len(c.answers))*restore.Every-time.Second)
				defer cancel()
				err := check.Start(ctx)
				if c.restored {
					g.Expect(err).To(MatchError(restore.ErrRestored))
				} else {
					g.Expect(err).NotTo(HaveOccurred())
				}
				g.Expect(store.looks).To(Equal(len(c.answers)))
				g.Expect(check.NeedLeaderElection()).To(BeFalse())
			})
		})
	}
}

// silent is a store that does not answer.
type silent struct {
	client.Reader
	ends []time.Duration
}

func (s *silent) List(ctx context.Context, _ client.ObjectList, _ ...client.ListOption) error {
	begin := time.Now()
	<-ctx.Done()
	s.ends = append(s.ends, time.Since(begin))
	return ctx.Err()
}

func TestALookWithoutAnAnswerEndsAndIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		store := &silent{}
		ctx, cancel := context.WithTimeout(t.Context(), restore.Every+15*time.Second)
		defer cancel()
		g.Expect((&restore.Check{Reader: store, Every: restore.Every}).Start(ctx)).To(Succeed())
		g.Expect(store.ends).To(Equal([]time.Duration{10 * time.Second, 10 * time.Second}))
	})
}

// The informers report the same failure, so it is logged for debugging only.
func TestALookThatFailsIsLoggedForDebugging(t *testing.T) {
	for name, c := range map[string]struct {
		verbosity int
		want      []string
	}{
		"at the level of operation": {0, nil},
		"at the level of debugging": {1, []string{`"level"=1 "msg"="the version of the API server's store is not known" "error"="the API server is away"`}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				var lines []string
				logger := funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{Verbosity: c.verbosity})
				ctx, cancel := context.WithTimeout(log.IntoContext(t.Context(), logger), restore.Every/2)
				defer cancel()
				g.Expect((&restore.Check{Reader: &versions{answers: []string{""}}, Every: restore.Every}).Start(ctx)).To(Succeed())
				g.Expect(lines).To(Equal(c.want))
			})
		})
	}
}

// informers have one informer of DatabricksClusters.
type informers struct {
	cache.Informers
	informer cache.Informer
}

func (i informers) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	return i.informer, nil
}

// several is an informer of several namespaces, which has no version of its own: it brings
// one object of a version, and then the same one of another.
type several struct {
	cache.Informer
	added, updated string
}

func (s several) AddEventHandler(handler toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	of := func(version string) *v1alpha1.DatabricksCluster {
		return &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{ResourceVersion: version}}
	}
	handler.OnAdd(of(s.added), true)
	if s.updated != "" {
		handler.OnUpdate(of(s.added), of(s.updated))
	}
	return nil, nil
}

// empty is an informer that listed no object.
type empty struct {
	cache.Informer
	version string
}

func (empty) AddEventHandler(toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return nil, nil
}

func (e empty) LastSyncResourceVersion() string { return e.version }

// The first look is compared with what the informers have, each in its own way.
func TestCheckFollowsTheInformers(t *testing.T) {
	for name, c := range map[string]struct {
		informer cache.Informer
		restored bool
	}{
		"[case-93] an object that is newer than the store":       {several{added: "100"}, true},
		"[case-93] an object that became newer than the store":   {several{added: "20", updated: "100"}, true},
		"[case-93] an object of an older version after that":     {several{added: "100", updated: "20"}, true},
		"[case-93] an object that is as old":                     {several{added: "20", updated: "50"}, false},
		"[case-93] a list without objects, newer than the store": {empty{version: "100"}, true},
		"[case-93] a list without objects, as old":               {empty{version: "50"}, false},
		"[case-93] an informer that has not listed its objects":  {empty{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				check := &restore.Check{Reader: &versions{answers: []string{"50"}}, Informers: informers{informer: c.informer}, Every: restore.Every}
				ctx, cancel := context.WithTimeout(t.Context(), restore.Every/2)
				defer cancel()
				if err := check.Start(ctx); c.restored {
					g.Expect(err).To(MatchError(restore.ErrRestored))
				} else {
					g.Expect(err).NotTo(HaveOccurred())
				}
			})
		})
	}
}

// broken has no informer, or one that takes no handler.
type broken struct {
	cache.Informers
	cache.Informer
	getError, handlerError error
}

func (b broken) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	return b, b.getError
}

func (b broken) AddEventHandler(toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return nil, b.handlerError
}

func TestACheckThatCannotFollowTheInformersEndsWithTheCause(t *testing.T) {
	for name, c := range map[string]struct {
		informers broken
		want      string
	}{
		"no informer":                  {broken{getError: errors.New("no kind is registered")}, "follow the versions of the objects: no kind is registered"},
		"an informer that was stopped": {broken{handlerError: errors.New("it has stopped already")}, "follow the versions of the objects: it has stopped already"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &versions{answers: []string{"1"}}
				ctx, cancel := context.WithTimeout(t.Context(), restore.Every/2)
				defer cancel()
				err := (&restore.Check{Reader: store, Informers: c.informers, Every: restore.Every}).Start(ctx)
				g := NewWithT(t)
				g.Expect(err).To(MatchError(c.want))
				g.Expect(store.looks).To(BeZero())
			})
		})
	}
}

// overtaken returns a list that an event overtakes: the informer brings a newer object before
// the list arrives.
type overtaken struct {
	versions
	event func(version string)
}

func (o *overtaken) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	err := o.versions.List(ctx, list, options...)
	o.event("101")
	return err
}

func TestAnEventThatOvertakesAListIsNoRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		informer := &eventInformer{}
		store := &overtaken{versions: versions{answers: []string{"100"}, namespace: "team-a"}, event: informer.bring}
		check := &restore.Check{Reader: store, Informers: &informers{informer: informer}, Namespace: "team-a", Every: restore.Every}
		ctx, cancel := context.WithTimeout(t.Context(), restore.Every/2)
		defer cancel()
		g.Expect(check.Start(ctx)).To(Succeed(), "[case-93] the list is as new as what was known when it was requested")
	})
}

// eventInformer brings objects on request.
type eventInformer struct {
	cache.Informer
	handler toolscache.ResourceEventHandler
}

func (i *eventInformer) AddEventHandler(handler toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	i.handler = handler
	return nil, nil
}

func (i *eventInformer) bring(version string) {
	object := &v1alpha1.DatabricksCluster{}
	object.ResourceVersion = version
	i.handler.OnAdd(object, false)
}
