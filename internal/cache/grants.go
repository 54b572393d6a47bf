package cache

import (
	"context"
	"reflect"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// Grants is the access control list of a cluster, by a look that began after a
// time. While an object wants to know, it is looked at again at the deep cadence;
// where the time is zero, the first look may take as long.
func (w *Workspace) Grants(object Object, clusterID string, after time.Time) Look[[]compute.ClusterAccessControlResponse] {
	return lookAt[[]compute.ClusterAccessControlResponse](w.mirror.asides, object, topic{&askGrants, clusterID}, want{clusterID, after})
}

// EndGrants ends the object's interest in grants.
func (w *Workspace) EndGrants(object Object) { w.mirror.asides.end(object, &askGrants) }

var askGrants = question{
	every:   func(o Options) time.Duration { return o.Deep },
	class:   classDeep,
	patient: true,
	ask: func(ctx context.Context, api databricks.Reader, clusterID string, _ any) (any, bool, error) {
		entries, err := api.Permissions(ctx, clusterID)
		return entries, true, err
	},
	same: func(before, after any, _ string) bool { return reflect.DeepEqual(before, after) },
}
