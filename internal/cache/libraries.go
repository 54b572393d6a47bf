package cache

import (
	"context"
	"reflect"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// Libraries is how far the libraries of a cluster are, by a look that began after
// a time. While an object wants to know, it is looked again at the fast cadence,
// and the object hears of what changed.
func (w *Workspace) Libraries(object Object, clusterID string, after time.Time) Look[[]compute.LibraryFullStatus] {
	return lookAt[[]compute.LibraryFullStatus](w.mirror.asides, object, topic{&askLibraries, clusterID}, want{clusterID, after})
}

// EndLibraries ends the object's interest in libraries, and forgets what was seen.
func (w *Workspace) EndLibraries(object Object) { w.mirror.asides.end(object, &askLibraries) }

var askLibraries = question{
	every: func(o Options) time.Duration { return o.Fast },
	class: classFastList,
	ask: func(ctx context.Context, api databricks.Reader, clusterID string, _ any) (any, bool, error) {
		statuses, err := api.LibraryStatuses(ctx, clusterID)
		return statuses, true, err
	},
	same: func(before, after any, _ string) bool { return reflect.DeepEqual(before, after) },
}
