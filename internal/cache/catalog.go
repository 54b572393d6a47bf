package cache

import (
	"context"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// SparkVersions is what runtimes the workspace offers. While an object wants to
// know, it is asked again once a day; likewise the rest of what it offers.
func (w *Workspace) SparkVersions(object Object) Look[[]compute.SparkVersion] {
	return lookAt[[]compute.SparkVersion](w.mirror.asides, object, topic{question: &askSparkVersions}, want{})
}

// NodeTypes is what machines it offers.
func (w *Workspace) NodeTypes(object Object) Look[[]compute.NodeType] {
	return lookAt[[]compute.NodeType](w.mirror.asides, object, topic{question: &askNodeTypes}, want{})
}

// Policies is the names of its cluster policies by id.
func (w *Workspace) Policies(object Object) Look[map[string]string] {
	return lookAt[map[string]string](w.mirror.asides, object, topic{question: &askPolicies}, want{})
}

// InstancePools is the names of its pools by id.
func (w *Workspace) InstancePools(object Object) Look[map[string]string] {
	return lookAt[map[string]string](w.mirror.asides, object, topic{question: &askInstancePools}, want{})
}

// EndCatalog ends the object's interest in all that the workspace offers.
func (w *Workspace) EndCatalog(object Object) {
	for _, q := range []*question{&askSparkVersions, &askNodeTypes, &askPolicies, &askInstancePools} {
		w.mirror.asides.end(object, q)
	}
}

const catalogAge = 24 * time.Hour

var (
	askSparkVersions = catalog(databricks.Reader.SparkVersions)
	askNodeTypes     = catalog(databricks.Reader.NodeTypes)
	askPolicies      = catalog(databricks.Reader.Policies)
	askInstancePools = catalog(databricks.Reader.InstancePools)
)

// catalog is the question what a workspace offers of a kind.
func catalog[T any](ask func(databricks.Reader, context.Context) (T, error)) question {
	return question{
		every: func(Options) time.Duration { return catalogAge },
		class: classSlowList,
		ask: func(ctx context.Context, api databricks.Reader, _ string, _ any) (any, bool, error) {
			offered, err := ask(api, ctx)
			return offered, true, err
		},
		same: neverNews,
	}
}

// neverNews keeps a catalog that came anew from bringing objects back: each
// asks when it has something new to compare. The first answer always does.
func neverNews(before, _ any, _ string) bool { return before != nil }
