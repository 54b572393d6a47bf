package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

// failover measures P12: the leader is killed, an object is changed, and the
// standby makes the change.
func (p *processes) failover(ctx context.Context) error {
	var written, lease, gets, settled []float64
	for try := range p.parameters.repeats {
		leader := p.operators[len(p.operators)-1]
		next, err := p.start(ctx)
		if err != nil {
			return err
		}
		if err := p.awaitStandby(ctx, next); err != nil {
			return err
		}
		object := &v1alpha1.DatabricksCluster{}
		key := client.ObjectKey{Namespace: namespace, Name: fmt.Sprintf("first-%05d", 500+try)}
		if err := p.api.Get(ctx, key, object); err != nil {
			return fmt.Errorf("read an object: %w", err)
		}
		if err := p.clearRequestLog(ctx); err != nil {
			return err
		}
		killed := time.Now()
		leader.Kill()
		changed := object.DeepCopy()
		changed.Spec.NumWorkers = new(int32(7))
		if err := p.api.Patch(ctx, changed, client.MergeFrom(object)); err != nil {
			return fmt.Errorf("change an object: %w", err)
		}
		var write simulator.Entry
		reads := 0
		err = p.await(ctx, "the next leader's write", 5*time.Minute, func(ctx context.Context) (found bool, err error) {
			calls, err := p.calls(ctx)
			if err != nil {
				return false, err
			}
			write, reads, found = firstWrite(calls, object.Status.ClusterID)
			return found, nil
		})
		if err != nil {
			return err
		}
		if write.ClusterID != object.Status.ClusterID || !strings.HasSuffix(write.Endpoint, "resize") {
			return fmt.Errorf("the next leader's first write was %s of %s", write.Endpoint, write.ClusterID)
		}
		written = append(written, write.Time.Sub(killed).Seconds())
		gets = append(gets, float64(reads))
		taken, err := p.leaseTaken(ctx)
		if err != nil {
			return err
		}
		lease = append(lease, taken.Sub(killed).Seconds())
		if err := p.awaitIdle(ctx, next, p.parameters.objects); err != nil {
			return err
		}
		calls, err := p.calls(ctx)
		if err != nil {
			return err
		}
		settled = append(settled, float64(len(calls)))
	}
	p.measured.Add(
		figures.Median("P12.write", p.parameters.objects, written...),
		figures.Median("P12.lease", p.parameters.objects, lease...),
		figures.Median("P12.gets", p.parameters.objects, gets...),
		figures.Median("P12.settled", p.parameters.objects, settled...),
	)
	return nil
}

// awaitStandby waits until an operator has filled its caches and waits for the
// lease of another.
func (p *processes) awaitStandby(ctx context.Context, one *operator) error {
	err := p.await(ctx, "the next leader to wait for the lease", time.Minute, func(context.Context) (bool, error) {
		return strings.Contains(one.Log.Text(), "acquire leader lease"), nil
	})
	if err != nil {
		return err
	}
	return pause(ctx, quietPeriod)
}

// leaseTaken returns when the current leader acquired the lease.
func (p *processes) leaseTaken(ctx context.Context) (time.Time, error) {
	var leases coordinationv1.LeaseList
	if err := p.api.List(ctx, &leases, client.InNamespace(namespace)); err != nil {
		return time.Time{}, fmt.Errorf("read the lease: %w", err)
	}
	if len(leases.Items) != 1 || leases.Items[0].Spec.AcquireTime == nil {
		return time.Time{}, fmt.Errorf("there are %d leases, instead of the leader's one", len(leases.Items))
	}
	return leases.Items[0].Spec.AcquireTime.Time, nil
}

// firstWrite returns the first call that changes something, and the number of
// reads of the cluster before it.
func firstWrite(calls []simulator.Entry, clusterID string) (write simulator.Entry, reads int, found bool) {
	for i := range calls {
		switch {
		case calls[i].Method != http.MethodGet:
			return calls[i], reads, true
		case calls[i].Endpoint == "clusters/get" && calls[i].ClusterID == clusterID:
			reads++
		}
	}
	return write, reads, false
}
