package cache

import (
	"context"
	"maps"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// Pins are the clusters of the workspace that are pinned, for the object whose
// cluster is clusterID. While somebody wants to know, one list per round of the
// slow cadence tells it for all; an object hears when its own cluster's pin has
// changed.
func (w *Workspace) Pins(object Object, clusterID string) Look[map[string]bool] {
	return lookAt[map[string]bool](w.mirror.asides, object, topic{question: &askPins}, want{clusterID: clusterID})
}

// EndPins ends the object's interest in pins.
func (w *Workspace) EndPins(object Object) { w.mirror.asides.end(object, &askPins) }

// pinsSoFar are the pages of a list of pinned clusters that have come.
type pinsSoFar struct {
	pinned map[string]bool
	token  string
	pages  int
}

var askPins = question{
	every: func(o Options) time.Duration { return o.Slow },
	class: classSlowList,
	ask: func(ctx context.Context, api databricks.Reader, _ string, sofar any) (any, bool, error) {
		// The limit on pins has long been one page.
		const pageSize, maxPages = 100, 50
		known, _ := sofar.(pinsSoFar)
		page, err := api.List(ctx, databricks.ListQuery{PageSize: pageSize, PageToken: known.token, PinnedOnly: true})
		if err != nil {
			return nil, false, err
		}
		pinned := maps.Clone(known.pinned)
		if pinned == nil {
			pinned = map[string]bool{}
		}
		for i := range page.Clusters {
			pinned[page.Clusters[i].ClusterId] = true
		}
		if page.NextPageToken == "" {
			return pinned, true, nil
		}
		if known.pages >= maxPages {
			return nil, false, &databricks.Error{Class: databricks.ClassHost, Message: "the pages of the list of pinned clusters do not end"}
		}
		return pinsSoFar{pinned, page.NextPageToken, known.pages + 1}, false, nil
	},
	same: func(before, after any, clusterID string) bool {
		was, _ := before.(map[string]bool)
		is, _ := after.(map[string]bool)
		return was[clusterID] == is[clusterID]
	},
}
