package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/owner"
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
