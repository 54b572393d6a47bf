package restore_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/restore"
)

// busy is a store whose version rises so fast that it does not show a restore. It has one
// version of the object "b" after another: an empty one is an object that is missing, and
// "away" a read that fails.
type busy struct {
	client.Reader
	objects []string
	looks   int
}

func (b *busy) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	list.(*metav1.PartialObjectMetadataList).ResourceVersion = strconv.Itoa(1000 * (b.looks + 1))
	return nil
}

func (b *busy) Get(ctx context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if _, bounded := ctx.Deadline(); !bounded || key != (client.ObjectKey{Namespace: "team-a", Name: "b"}) {
		return errors.New("an unbounded look, or at another object")
	}
	version := b.objects[min(b.looks, len(b.objects)-1)]
	b.looks++
	switch version {
	case "":
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	case "away":
		return errors.New("the API server is away")
	}
	into.SetResourceVersion(version)
	return nil
}

// events is an informer that brings the objects of a function.
type events struct {
	cache.Informer
	bring func(toolscache.ResourceEventHandler)
}

func (e events) AddEventHandler(handler toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	e.bring(handler)
	return nil, nil
}

// Others may have written so much since a restore that the version of the store is higher
// than before.
func TestTheNewestChangeShowsARestore(t *testing.T) {
	of := func(name, version string) *v1alpha1.DatabricksCluster {
		return &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: name, ResourceVersion: version}}
	}
	known := func(handler toolscache.ResourceEventHandler) {
		handler.OnAdd(of("a", "98"), true)
		handler.OnAdd(of("b", "99"), true)
		handler.OnUpdate(of("b", "99"), of("b", "100"))
		handler.OnAdd(of("c", "9"), true)
	}
	for name, c := range map[string]struct {
		bring    func(toolscache.ResourceEventHandler)
		objects  []string
		restored bool
	}{
		"[case-93] an older object":                     {known, []string{"100", "20"}, true},
		"[case-93] an older object after a failed read": {known, []string{"away", "20"}, true},
		"[case-93] the same object":                     {known, []string{"100", "100"}, false},
		"[case-93] a newer object":                      {known, []string{"101", "200"}, false},
		"[case-93] an object that stays missing":        {known, []string{"100", "", ""}, true},
		"[case-93] an object that is missing once":      {known, []string{"", "100", ""}, false},
		"[case-93] an unanswered look between":          {known, []string{"", "away", ""}, false},
		"[case-93] a deleted object": {func(handler toolscache.ResourceEventHandler) {
			known(handler)
			handler.OnDelete(of("b", "101"))
		}, []string{"", ""}, false},
		"[case-93] a deleted object that is there again": {func(handler toolscache.ResourceEventHandler) {
			known(handler)
			handler.OnDelete(of("b", "101"))
		}, []string{"", "100"}, true},
		"[case-93] an object that was created after a deletion": {func(handler toolscache.ResourceEventHandler) {
			known(handler)
			handler.OnDelete(of("b", "101"))
		}, []string{"102", "102"}, false},
		"[case-93] a later change of another object": {func(handler toolscache.ResourceEventHandler) {
			known(handler)
			handler.OnDelete(of("a", "99"))
			handler.OnAdd(of("b", "102"), false)
		}, []string{"102"}, false},
		"[case-93] an object whose deletion was missed": {func(handler toolscache.ResourceEventHandler) {
			known(handler)
			handler.OnDelete(toolscache.DeletedFinalStateUnknown{Obj: of("b", "100")})
		}, nil, false},
		"[case-93] the deletion of another object": {func(handler toolscache.ResourceEventHandler) {
			known(handler)
			handler.OnDelete(of("a", "98"))
		}, []string{"20"}, true},
		// The watch began again, so the informer has what the store has.
		"[case-93] an older object that the informer read anew": {func(handler toolscache.ResourceEventHandler) {
			known(handler)
			handler.OnUpdate(of("b", "100"), of("b", "20"))
		}, []string{"20"}, false},
		"[case-93] a version that is no number": {func(handler toolscache.ResourceEventHandler) {
			handler.OnAdd(of("b", "abc"), true)
		}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				store := &busy{objects: c.objects}
				check := &restore.Check{Reader: store, Informers: informers{informer: events{bring: c.bring}}, Every: restore.Every}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(max(len(c.objects), 1))*restore.Every-time.Second)
				defer cancel()
				if err := check.Start(ctx); c.restored {
					g.Expect(err).To(MatchError(restore.ErrRestored))
				} else {
					g.Expect(err).NotTo(HaveOccurred())
				}
				g.Expect(store.looks).To(Equal(len(c.objects)))
			})
		})
	}
}
