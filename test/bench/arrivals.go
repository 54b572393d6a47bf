package main

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

// arrive creates objects one after another while a condition holds. It returns
// the seconds from each object's creation to the request for its cluster.
func (p *processes) arrive(ctx context.Context, more func(ctx context.Context, arrived int) (bool, error)) ([]float64, error) {
	if err := p.clearRequestLog(ctx); err != nil {
		return nil, err
	}
	created := map[string]time.Time{}
	for {
		again, err := more(ctx, len(created))
		if err != nil {
			return nil, err
		}
		if !again {
			break
		}
		p.arrived++
		object := newObject(fmt.Sprintf("arrival-%05d", p.arrived))
		if len(p.workspaces) > 0 {
			object = p.objectIn(p.workspaces[p.arrived%p.parameters.workspaces], object.Name)
		}
		at := time.Now()
		if err := p.api.Create(ctx, object); err != nil {
			return nil, fmt.Errorf("create an object: %w", err)
		}
		created[owner.Of(operatorID, string(object.UID), object.Namespace, object.Name).Tag()] = at
		if err := pause(ctx, arrivalPause); err != nil {
			return nil, err
		}
	}
	var late []float64
	err := p.await(ctx, "the clusters of the created objects", 2*time.Minute, func(ctx context.Context) (bool, error) {
		calls, err := p.calls(ctx)
		if err != nil {
			return false, err
		}
		late = late[:0]
		for i := range calls {
			if at, ownColumn := created[calls[i].Owner]; ownColumn && calls[i].Endpoint == "clusters/create" && calls[i].Effect {
				late = append(late, calls[i].Time.Sub(at).Seconds())
			}
		}
		return len(late) == len(created), nil
	})
	return late, err
}

// arrivalsIdle measures the reference for P4.
func (p *processes) arrivalsIdle(ctx context.Context) error {
	late, err := p.arrive(ctx, func(_ context.Context, arrived int) (bool, error) { return arrived < p.parameters.arrivals, nil })
	if err != nil {
		return err
	}
	p.idleArrival = figures.Quantile(0.99, late...)
	p.measured.Add(
		figures.Figure{Key: "P4.idle", Value: p.idleArrival, Objects: p.parameters.objects},
		figures.Figure{Key: "P4.idle.median", Value: figures.Quantile(0.5, late...), Objects: p.parameters.objects},
	)
	return nil
}

// arrivalsBusy measures how much of P4 is the machine's: the operator is idle, and as many
// other processes as there are cores use them.
func (p *processes) arrivalsBusy(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var busy sync.WaitGroup
	defer busy.Wait()
	defer stop()
	for range runtime.NumCPU() {
		loop := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
		if err := loop.Start(); err != nil {
			return fmt.Errorf("start a busy loop: %w", err)
		}
		// It ends by its context, which Wait reports as an error.
		busy.Go(func() { _ = loop.Wait() })
	}
	late, err := p.arrive(ctx, func(_ context.Context, arrived int) (bool, error) { return arrived < p.parameters.arrivals, nil })
	if err != nil {
		return err
	}
	p.measured.Add(figures.Figure{Key: "P4.busy", Value: figures.Quantile(0.99, late...), Objects: p.parameters.objects})
	return nil
}

// arrivalsInDrain measures P4: after a restart all objects are in the queue,
// and new ones are created from the first to the last reconcile.
func (p *processes) arrivalsInDrain(ctx context.Context) error {
	var all []float64
	var took time.Duration
	sum := usage{}
	for range p.parameters.repeats {
		if err := p.operators[len(p.operators)-1].Stop(); err != nil {
			return err
		}
		meter, err := p.startMeter(nil)
		if err != nil {
			return err
		}
		began := time.Now()
		one, err := p.start(ctx)
		if err != nil {
			return err
		}
		err = p.await(ctx, "the queue to fill", time.Minute, func(ctx context.Context) (bool, error) {
			now, err := one.work(ctx)
			return now.reconciled > 0, err
		})
		if err != nil {
			return err
		}
		late, err := p.arrive(ctx, func(ctx context.Context, arrived int) (bool, error) {
			now, err := one.work(ctx)
			drained := now.waiting == 0 && int(now.reconciled) >= p.parameters.objects
			return arrived < 2 || !drained && arrived < 2*p.parameters.arrivals, err
		})
		if err != nil {
			return err
		}
		used, err := meter.read(one)
		if err != nil {
			return err
		}
		took += time.Since(began)
		sum.add(used)
		all = append(all, late...)
		if err := p.awaitIdle(ctx, one, p.parameters.objects); err != nil {
			return err
		}
	}
	late := figures.Quantile(0.99, all...)
	p.measured.Add(sum.figures("P4", took)...)
	p.measured.Add(
		figures.Figure{Key: "P4.drain.median", Value: figures.Quantile(0.5, all...), Objects: p.parameters.objects, Runs: p.parameters.repeats},
		figures.Figure{Key: "P4.drain", Value: late, Objects: p.parameters.objects, Runs: p.parameters.repeats},
		figures.Figure{Key: "P4.ratio", Value: late / p.idleArrival, Objects: p.parameters.objects, Runs: p.parameters.repeats},
	)
	return nil
}
