package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

// shards is the number of workspaces of P14, and of the operators that share
// them at the end.
const shards = 4

// shardLabel is the label by which operators share the objects.
const shardLabel = "shard"

// largestFor returns the highest number of objects that a machine has the memory
// for, in GiB: most of it is the API server's, which keeps each object decoded.
func largestFor(memory float64) int {
	const gibPerThousand = 0.15
	return int(memory/gibPerThousand) * thousand
}

// measureGrowth measures P14 with a control plane of its own: one operator at
// growing numbers of objects in four workspaces, and at the largest one
// operator for each workspace.
func measureGrowth(ctx context.Context, binaries programs.Binaries, p *processes) (err error) {
	if p.rig, err = newRigWith(ctx, binaries, 0, layout{workspaces: shards}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	models, err := p.applyModels(ctx, shards)
	if err != nil {
		return err
	}
	total := len(models)
	for n, size := range p.parameters.growth {
		began, from := time.Now(), total
		total = size
		err := p.seed(ctx, total-from, func(i int) (model, string) {
			return models[i%shards], fmt.Sprintf("grown-%06d", from+i)
		})
		if err != nil {
			return err
		}
		p.progress("%d objects (%.0f s)", size, time.Since(began).Seconds())
		idle := p.parameters.growthPause
		if n == len(p.parameters.growth)-1 {
			idle = p.parameters.growthIdle
		}
		if err := p.restartOf(ctx, size, figures.OneProcess, idle); err != nil {
			return err
		}
		if err := p.keep(); err != nil {
			return err
		}
		p.progress("a restart with them (%.0f s)", time.Since(began).Seconds())
	}
	if !p.parameters.references {
		return nil
	}
	var flags [][]string
	for i := range shards {
		flags = append(flags, []string{fmt.Sprintf("--shard=s%d", i), fmt.Sprintf("--watch-label-selector=%s=s%d", shardLabel, i), "--workspace-status=false"})
	}
	return p.restartOf(ctx, total, figures.FourShards, p.parameters.growthPause, flags...)
}

// applyModels lets an operator create one object in each of the first
// workspaces, and stops it. It also measures the heap of an operator without
// objects.
func (p *processes) applyModels(ctx context.Context, count int) ([]model, error) {
	one, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.awaitLeader(ctx, one); err != nil {
		return nil, err
	}
	empty, err := p.totalOf(ctx, []*operator{one})
	if err != nil {
		return nil, err
	}
	p.emptyHeap = empty.heap
	all := make([]*v1alpha1.DatabricksCluster, count)
	for i, name := range names("first", count) {
		all[i] = p.objectIn(p.workspaces[i], name)
		all[i].Labels = map[string]string{shardLabel: fmt.Sprintf("s%d", i%shards)}
	}
	if _, err := p.apply(ctx, all, isReady); err != nil {
		return nil, err
	}
	if err := p.awaitIdle(ctx, one, 0); err != nil {
		return nil, err
	}
	if err := one.Stop(); err != nil {
		return nil, err
	}
	models := make([]model, count)
	return models, forEach(ctx, count, func(ctx context.Context, i int) (err error) {
		models[i], err = p.modelOf(ctx, all[i].Name)
		return err
	})
}

// restartOf starts an operator for each set of flags, one without any, and
// measures them until they are quiet, and then for a while.
func (p *processes) restartOf(ctx context.Context, size int, kind figures.Processes, idle time.Duration, flags ...[]string) error {
	if len(flags) == 0 {
		flags = [][]string{nil}
	}
	if err := p.clearRequestLog(ctx); err != nil {
		return err
	}
	began := time.Now()
	var all []*operator
	for _, its := range flags {
		one, err := p.start(ctx, its...)
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	quiet, err := p.settle(ctx, 10*time.Minute, size, all...)
	if err != nil {
		return err
	}
	calls, err := p.calls(ctx)
	if err != nil {
		return err
	}
	sum, err := p.totalOf(ctx, all)
	if err != nil {
		return err
	}
	perObject := float64(size)
	p.measured.Add(
		kind.Figure(figures.GrowthRestart, size, quiet.Sub(began).Seconds()),
		kind.Figure(figures.GrowthRestartCalls, size, float64(len(calls))),
		kind.Figure(figures.GrowthWrites, size, float64(writes(calls))),
		kind.Figure(figures.GrowthCPU, size, sum.cpu.Seconds()),
		kind.Figure(figures.GrowthAllocations, size, sum.allocations/perObject),
		kind.Figure(figures.GrowthResident, size, sum.resident),
		kind.Figure(figures.GrowthLargest, size, sum.largest),
	)
	if err := pause(ctx, idle); err != nil {
		return err
	}
	now, err := p.totalOf(ctx, all)
	if err != nil {
		return err
	}
	p.measured.Add(kind.Figure(figures.GrowthHeap, size, (now.heap-float64(len(all))*p.emptyHeap)/1024/perObject))
	if idle > p.parameters.growthPause {
		p.measured.Add(kind.Figure(figures.GrowthIdle, size, millicores(now.cpu-sum.cpu, idle)))
	}
	if size == p.parameters.growth[0] {
		if err := p.watchEvents(ctx, all[0]); err != nil {
			return err
		}
	}
	for _, one := range all {
		if err := one.Stop(); err != nil {
			return err
		}
	}
	return nil
}

// watchEvents measures the allocations of a watch event of an object that does
// not change for the operator.
func (p *processes) watchEvents(ctx context.Context, one *operator) error {
	const changed = 500
	first, err := one.work(ctx)
	if err != nil {
		return err
	}
	before, err := one.work(ctx)
	if err != nil {
		return err
	}
	err = forEach(ctx, changed, func(ctx context.Context, i int) error {
		object := &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("grown-%06d", shards+i)}}
		return p.api.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(`{"metadata": {"annotations": {"example.com/note": "changed"}}}`)))
	})
	if err != nil {
		return fmt.Errorf("change the objects: %w", err)
	}
	if err := pause(ctx, quietPeriod); err != nil {
		return err
	}
	now, err := one.work(ctx)
	if err != nil {
		return err
	}
	reading := before.allocations - first.allocations // of the metrics
	p.measured.Add(figures.Figure{Key: "P14.event", Value: max(now.allocations-before.allocations-reading, 0) / changed})
	return nil
}

// total is what some operators have used.
type total struct {
	cpu               time.Duration
	allocations       float64
	resident, largest float64
	// heap is what the last garbage collections left, in bytes.
	heap float64
}

// totalOf adds up what operators have used; resident memory is the highest so
// far, in MiB.
func (p *processes) totalOf(ctx context.Context, all []*operator) (sum total, err error) {
	for _, one := range all {
		used, err := one.cpu()
		if err != nil {
			return sum, err
		}
		now, err := one.work(ctx)
		if err != nil {
			return sum, err
		}
		resident, err := one.peakMemory()
		if err != nil {
			return sum, err
		}
		sum.cpu += used
		sum.allocations += now.allocations
		sum.heap += now.heap
		sum.resident += resident
		sum.largest = max(sum.largest, resident)
	}
	return sum, nil
}
