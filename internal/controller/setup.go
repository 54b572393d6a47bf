package controller

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/clusterpolicy"
	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/controller/cluster"
	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
	"github.com/databricks-operator/databricks-operator/internal/controller/listed"
	"github.com/databricks-operator/databricks-operator/internal/controller/queue"
	"github.com/databricks-operator/databricks-operator/internal/controller/workspace"
	"github.com/databricks-operator/databricks-operator/internal/instancepool"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// Setup adds the controllers to the manager. The registry must call events.Changed when
// an object's view changes.
func Setup(mgr ctrl.Manager, registry *cache.Registry, events *EventSource, options Options) error {
	options = options.withDefaults()
	resolver := connection.New(
		mgr.GetClient(), mgr.GetAPIReader(), mgr.GetClient().SubResource("token"), options.connection(events.credentialChanged),
	)
	if err := mgr.Add(registry); err != nil {
		return fmt.Errorf("add the workspaces to the manager: %w", err)
	}
	if err := mgr.Add(resolver); err != nil {
		return fmt.Errorf("add the connections to the manager: %w", err)
	}
	connect := &connector.Connector{
		Registry: registry, Resolver: resolver,
		FirstAnswerDeadline: options.ConnectDeadline, RetryInterval: options.ConnectPause,
	}
	if options.Workspaces {
		if err := connector.IndexWorkspaceRefs(context.Background(), mgr.GetFieldIndexer()); err != nil {
			return err
		}
	}
	if options.Workspaces && !options.ForeignWorkspaceStatus {
		if err := workspace.Setup(mgr, connect, &events.workspaces, options.workspace()); err != nil {
			return err
		}
	}
	for _, one := range []struct {
		kind *managed.Kind
		feed *queue.Feed
	}{
		{clusterpolicy.Kind, &events.policies},
		{instancepool.Kind, &events.pools},
	} {
		if err := listed.Setup(mgr, one.kind, connect, one.feed, options.listed()); err != nil {
			return fmt.Errorf("set up the controllers of policies and pools: %w", err)
		}
	}
	clusters := options.cluster()
	clusters.Referents = []*managed.Kind{clusterpolicy.Kind, instancepool.Kind}
	return cluster.Setup(mgr, connect, &events.clusters, clusters)
}
