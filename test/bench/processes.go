package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

// parameters are the sizes and durations of the measurements.
type parameters struct {
	// objects is the final number of objects.
	objects int
	// idle is how long a quiet operator is measured, at a thousand objects and
	// after a restart.
	idle, afterRestart time.Duration
	// repeats is the number of repetitions of short measurements.
	repeats int
	// arrivals is the number of objects that are created while the operator is
	// idle.
	arrivals int
	// oversized is the number of objects with a specification of 900 KB.
	oversized int
	// growth are the numbers of objects of P14, and growthIdle how long the
	// operator is measured at the last when it is quiet: at least one list.
	growth     []int
	growthIdle time.Duration
	// growthPause is how long its metrics are not read before its heap is: longer
	// than two minutes, after which the Go runtime collects in any case. A
	// collection that reading them causes finds the objects that are being read,
	// too.
	growthPause time.Duration
	// references reports whether the rows of a full run are measured, too, whose
	// measurement takes long.
	references bool
	// workspaces and silent are the numbers of workspaces of P15.
	workspaces, silent int
}

var (
	shortParameters = parameters{
		objects: thousand, idle: 15 * time.Second, afterRestart: 0, repeats: 1, arrivals: 12, oversized: 40,
		growth: []int{thousand, 3 * thousand}, workspaces: 90, silent: 10,
	}
	fullParameters = parameters{
		objects: 10 * thousand, idle: time.Minute, afterRestart: 10 * time.Minute, repeats: 3, arrivals: 40, oversized: 120,
		growth: figures.Sizes, growthIdle: 5 * time.Minute, growthPause: 130 * time.Second, references: true, workspaces: 900, silent: 100,
	}
)

const (
	thousand = 1000
	// arrivalPause is the interval between created objects: half the initial
	// rate of an operator that knows no limit yet.
	arrivalPause = 500 * time.Millisecond
	// quietPeriod is how long an operator must be inactive to count as idle.
	quietPeriod = 4 * time.Second
)

// processes measures the operator as a separate process.
type processes struct {
	*rig
	parameters parameters
	measured   figures.Set
	progress   func(format string, arguments ...any)
	// keep is called after figures were added.
	keep func() error
	// emptyHeap is the heap of an operator without objects.
	emptyHeap float64
	// idleArrival is the 99th percentile for an idle operator.
	idleArrival float64
	arrived     int
}

// measureOne measures everything of one operator in one workspace.
func measureOne(ctx context.Context, binaries programs.Binaries, p *processes) (err error) {
	if p.rig, err = newRig(ctx, binaries, 0); err != nil {
		return err
	}
	p.progress("started a control plane and a workspace")
	return p.measure(ctx)
}

// measure runs all steps in order; each depends on the state that the one
// before left.
func (p *processes) measure(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, p.stop()) }()
	steps := []struct {
		description string
		do          func(context.Context) error
	}{
		{"1,000 objects, applied at once", p.applyThousand},
		{"an idle operator with 1,000 objects", p.idleAtThousand},
		{fmt.Sprintf("up to %d objects that have long been ready", p.parameters.objects), p.seedRemaining},
		{"a restart", p.restartBeside},
		{"objects created while the operator is idle", p.arrivalsIdle},
		{"objects created while the operator is idle and the machine is not", p.arrivalsBusy},
		{"objects created while all others are reconciled", p.arrivalsInDrain},
		{"a killed leader", p.failover},
	}
	for _, step := range steps {
		began := time.Now()
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.description, err)
		}
		if err := p.keep(); err != nil {
			return err
		}
		p.progress("%s (%.0f s)", step.description, time.Since(began).Seconds())
	}
	return nil
}

// applyThousand measures P9, and the writes per object until it is ready (P7).
func (p *processes) applyThousand(ctx context.Context) error {
	one, err := p.start(ctx)
	if err != nil {
		return err
	}
	if err := p.awaitLeader(ctx, one); err != nil {
		return err
	}
	before, err := one.work(ctx)
	if err != nil {
		return err
	}
	p.emptyHeap = before.heap
	written, err := p.kubernetesWrites(ctx)
	if err != nil {
		return err
	}
	meter, err := p.startMeter(one)
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := p.apply(ctx, newObjects(names("first", thousand)), isReady); err != nil {
		return err
	}
	took := time.Since(began)
	used, err := meter.read(one)
	if err != nil {
		return err
	}
	p.measured.Add(used.figures("P9", took)...)
	calls, err := p.calls(ctx)
	if err != nil {
		return err
	}
	p.measured.Add(
		figures.Figure{Key: "P9.ready", Value: took.Seconds()},
		figures.Figure{Key: "P9.created", Value: lastCreate(calls).Sub(began).Seconds()},
		figures.Figure{Key: "P9.calls", Value: float64(len(calls)) / thousand},
		figures.Figure{Key: "P9.cpu", Value: used[figures.CPUOperator].Seconds()},
	)
	if err := p.awaitIdle(ctx, one, 0); err != nil {
		return err
	}
	now, err := p.kubernetesWrites(ctx)
	if err != nil {
		return err
	}
	all := now.since(written)
	p.measured.Add(
		figures.Figure{Key: "P7.create", Value: all.objects/thousand - 1}, // the test wrote one itself
		figures.Figure{Key: "P7.events", Value: all.events / thousand},
	)
	return nil
}

// lastCreate returns when the last cluster was created.
func lastCreate(calls []simulator.Entry) time.Time {
	var last time.Time
	for i := range calls {
		if calls[i].Endpoint == "clusters/create" && calls[i].Effect && calls[i].Time.After(last) {
			last = calls[i].Time
		}
	}
	return last
}

func (p *processes) awaitLeader(ctx context.Context, one *operator) error {
	return p.await(ctx, "the operator to become the leader", time.Minute, func(ctx context.Context) (bool, error) {
		now, err := one.work(ctx)
		return now.isLeader, err
	})
}

// awaitIdle waits until an operator has reconciled this number of objects and
// is idle: neither API receives requests from it.
func (p *processes) awaitIdle(ctx context.Context, one *operator, objects int) error {
	_, err := p.settle(ctx, 5*time.Minute, objects, one)
	return err
}

// settle waits until operators have reconciled this number of objects in all
// and are idle, and returns when the last change was seen.
func (p *processes) settle(ctx context.Context, timeout time.Duration, objects int, all ...*operator) (since time.Time, err error) {
	var last string
	// Reading the metrics of many objects takes time that the operator needs.
	every := max(pollInterval, time.Duration(objects)*20*time.Microsecond)
	err = p.awaitEvery(ctx, every, "the operator to be idle", timeout, func(ctx context.Context) (bool, error) {
		var now work
		for _, one := range all {
			its, err := one.work(ctx)
			if err != nil {
				return false, err
			}
			now.reconciled += its.reconciled
			now.waiting += its.waiting
		}
		written, err := p.kubernetesWrites(ctx)
		if err != nil {
			return false, err
		}
		calls, err := p.calls(ctx)
		if err != nil {
			return false, err
		}
		seen := fmt.Sprint(now.reconciled, written, len(calls))
		if seen != last || now.waiting > 0 || int(now.reconciled) < objects {
			last, since = seen, time.Now()
		}
		return time.Since(since) >= quietPeriod, nil
	})
	return since, err
}

// idleAtThousand measures P10 at a thousand objects, and P7 in a short run.
func (p *processes) idleAtThousand(ctx context.Context) error {
	return p.idle(ctx, p.operators[len(p.operators)-1], p.parameters.idle, thousand, "P10.1000")
}

// idle measures an idle operator.
func (p *processes) idle(ctx context.Context, one *operator, span time.Duration, objects int, key string) error {
	written, err := p.kubernetesWrites(ctx)
	if err != nil {
		return err
	}
	before, err := one.cpu()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := pause(ctx, span); err != nil {
		return err
	}
	used, err := one.cpu()
	if err != nil {
		return err
	}
	took := time.Since(began)
	now, err := p.kubernetesWrites(ctx)
	if err != nil {
		return err
	}
	perHour := now.since(written).all() / float64(objects) / took.Hours()
	p.measured.Add(
		figures.Figure{Key: key, Value: millicores(used-before, took)},
		figures.Figure{Key: "P7.quiet", Value: perHour, Objects: objects},
	)
	return nil
}

// seedRemaining seeds objects until their number is reached.
func (p *processes) seedRemaining(ctx context.Context) error {
	for _, one := range p.operators {
		if err := one.Stop(); err != nil {
			return err
		}
	}
	if p.parameters.objects == thousand {
		return nil
	}
	from, err := p.modelOf(ctx, "first-00000")
	if err != nil {
		return err
	}
	all := names("grown", p.parameters.objects-thousand)
	return p.seed(ctx, len(all), func(i int) (model, string) { return from, all[i] })
}

// restartBeside runs restart and, in a full run, concurrently measures creates
// in a small workspace with a control plane and an operator of its own.
func (p *processes) restartBeside(ctx context.Context) error {
	if p.parameters.afterRestart == 0 {
		return p.restart(ctx)
	}
	var launching sync.WaitGroup
	var launched []figures.Figure
	var failed error
	launching.Go(func() { launched, failed = createAndWait(ctx, p.binaries) })
	err := p.restart(ctx)
	launching.Wait()
	p.measured.Add(launched...)
	return errors.Join(err, failed)
}

// restart measures P3, and P7, P8 and P10 in the idle time that follows.
func (p *processes) restart(ctx context.Context) error {
	if err := p.clearRequestLog(ctx); err != nil {
		return err
	}
	written, err := p.kubernetesWrites(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	one, err := p.start(ctx)
	if err != nil {
		return err
	}
	if err := p.awaitIdle(ctx, one, p.parameters.objects); err != nil {
		return err
	}
	calls, err := p.calls(ctx)
	if err != nil {
		return err
	}
	p.measured.Add(figures.Figure{Key: "P3.settled", Value: float64(len(calls)), Objects: p.parameters.objects})
	if left := p.parameters.afterRestart - time.Since(began); left > 0 {
		if err := p.idle(ctx, one, left, p.parameters.objects, "P10.10000"); err != nil {
			return err
		}
		if calls, err = p.calls(ctx); err != nil {
			return err
		}
		p.measured.Add(figures.Figure{Key: "P3.ten", Value: float64(len(calls)), Objects: p.parameters.objects})
	}
	now, err := p.kubernetesWrites(ctx)
	if err != nil {
		return err
	}
	if added := now.since(written); added.all() > 0 {
		p.progress("writes to the API server after the restart:\n%s", added)
	}
	residentMemory, err := one.residentMemory()
	if err != nil {
		return err
	}
	working, err := one.work(ctx)
	if err != nil {
		return err
	}
	p.measured.Add(
		figures.Figure{Key: "P3.writes", Value: float64(writes(calls)), Objects: p.parameters.objects},
		figures.Figure{Key: "P3.kubernetes", Value: now.since(written).all(), Objects: p.parameters.objects},
		figures.Figure{Key: "P8.resident", Value: residentMemory, Objects: p.parameters.objects},
		figures.Figure{Key: "P8.heap", Value: (working.heap - p.emptyHeap) / 1024 / float64(p.parameters.objects), Objects: p.parameters.objects},
	)
	return nil
}

// createAndWait measures P2 with the whole operator: a hundred concurrent
// creates in a workspace whose launches take five minutes.
func createAndWait(ctx context.Context, binaries programs.Binaries) (all []figures.Figure, err error) {
	r, err := newRig(ctx, binaries, launchTime)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	one, err := r.start(ctx)
	if err != nil {
		return nil, err
	}
	p := &processes{rig: r}
	if err := p.awaitLeader(ctx, one); err != nil {
		return nil, err
	}
	if err := r.clearRequestLog(ctx); err != nil {
		return nil, err
	}
	const hundred = 100
	seen, err := r.apply(ctx, newObjects(names("launch", hundred)), func(object *v1alpha1.DatabricksCluster) bool {
		return object.Status.State == string(simulator.Running)
	})
	if err != nil {
		return nil, err
	}
	calls, err := r.calls(ctx)
	if err != nil {
		return nil, err
	}
	records, err := r.simulator.Clusters(ctx)
	if err != nil {
		return nil, err
	}
	var late []float64
	for i := range records {
		at, ownColumn := seen[strings.TrimPrefix(records[i].Name, namespace+"/")]
		if !ownColumn {
			return nil, fmt.Errorf("cluster %s belongs to no object", records[i].Name)
		}
		late = append(late, at.Sub(records[i].Created.Add(launchTime)).Seconds())
	}
	return []figures.Figure{
		{Key: "P2.operator.calls", Value: float64(len(calls)) / hundred},
		{Key: "P2.operator.latency", Value: figures.Quantile(0.95, late...)},
	}, nil
}

// launchTime is the duration of a launch in measurements of it.
const launchTime = 5 * time.Minute
