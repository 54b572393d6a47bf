package workspace

import (
	"context"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// SparkVersions is what runtimes the workspace offers. While an object wants to
// know, it is asked again once a day.
func (w *Workspace) SparkVersions(object Object) Look[[]compute.SparkVersion] {
	return lookAt[[]compute.SparkVersion](w.mirror.asides, object, topic{question: &askSparkVersions}, want{})
}

// NodeTypes is what machines it offers, likewise.
func (w *Workspace) NodeTypes(object Object) Look[[]compute.NodeType] {
	return lookAt[[]compute.NodeType](w.mirror.asides, object, topic{question: &askNodeTypes}, want{})
}

// EndCatalog ends the object's interest in both.
func (w *Workspace) EndCatalog(object Object) {
	w.mirror.asides.end(object, &askSparkVersions)
	w.mirror.asides.end(object, &askNodeTypes)
}

const catalogAge = 24 * time.Hour

var askSparkVersions = question{
	every: func(Options) time.Duration { return catalogAge },
	class: classSlowList,
	ask: func(ctx context.Context, api databricks.Reader, _ string, _ any) (any, bool, error) {
		versions, err := api.SparkVersions(ctx)
		return versions, true, err
	},
	same: neverNews,
}

var askNodeTypes = question{
	every: func(Options) time.Duration { return catalogAge },
	class: classSlowList,
	ask: func(ctx context.Context, api databricks.Reader, _ string, _ any) (any, bool, error) {
		types, err := api.NodeTypes(ctx)
		return types, true, err
	},
	same: neverNews,
}

// neverNews keeps a catalog that came anew from bringing objects back: each
// asks when it has something new to compare. The first answer always does.
func neverNews(before, _ any, _ string) bool { return before != nil }
