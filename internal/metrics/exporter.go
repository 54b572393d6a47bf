package metrics

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// Add makes the manager register the state while it leads, and the version while it
// runs. Both are unregistered when the manager ends, so that one process may run
// several managers in sequence.
func Add(mgr manager.Manager, registry prometheus.Registerer, state *State, version string) error {
	err := errors.Join(
		mgr.Add(&exporter{registry: registry, collector: state, leader: true}),
		mgr.Add(&exporter{registry: registry, collector: newBuild(version)}),
	)
	if err != nil {
		return fmt.Errorf("add the metrics to the manager: %w", err)
	}
	return nil
}

// exporter registers a collector while it runs.
type exporter struct {
	registry  prometheus.Registerer
	collector prometheus.Collector
	// leader restricts the exporter to the leader, because sums over all replicas would
	// count the same state several times.
	leader bool
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (e *exporter) NeedLeaderElection() bool { return e.leader }

// Start implements manager.Runnable.
func (e *exporter) Start(ctx context.Context) error {
	if err := e.registry.Register(e.collector); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	defer e.registry.Unregister(e.collector)
	<-ctx.Done()
	return nil
}

// newBuild returns a collector of the version.
func newBuild(version string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        namespace + "_build_info",
		Help:        "Always 1; the label is the version of the operator.",
		ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 })
}
