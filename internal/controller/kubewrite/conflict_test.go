package kubewrite

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// store is an API server with one object, or one that fails.
type store struct {
	client.Reader
	uid, version string
	err          error
	reads        int
}

func (s *store) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	s.reads++
	into.SetName(key.Name)
	into.SetUID(types.UID(s.uid))
	into.SetResourceVersion(s.version)
	return s.err
}

func TestAConflictWithoutANewerVersionIsARefusal(t *testing.T) {
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "clusters"}, "a", errors.New("no"))
	read := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "u", ResourceVersion: "7"}}
	cases := map[string]struct {
		err       error
		store     store
		isRefusal bool
		reads     int
	}{
		"the version that was read is the newest": {conflict, store{uid: "u", version: "7"}, true, 1},
		"there is a newer version":                {conflict, store{uid: "u", version: "8"}, false, 1},
		"it is another object of the name":        {conflict, store{uid: "v", version: "7"}, false, 1},
		"the API server does not answer":          {conflict, store{uid: "u", version: "7", err: errors.New("away")}, false, 1},
		"it is no conflict":                       {apierrors.NewInternalError(errors.New("no")), store{uid: "u", version: "7"}, false, 0},
		"the write succeeded":                     {nil, store{uid: "u", version: "7"}, false, 0},
	}
	for name, c := range cases {
		t.Run("[case-91] [R12] "+name, func(t *testing.T) {
			got := Classified(t.Context(), &c.store, read, &corev1.ConfigMap{}, c.err)
			if !errors.Is(got, c.err) || IsRefusal(got) != c.isRefusal || c.store.reads != c.reads {
				t.Errorf("%v, a refusal: %v, after %d reads", got, IsRefusal(got), c.store.reads)
			}
		})
	}
}
