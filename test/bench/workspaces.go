package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

// perWorkspace is the number of objects of each workspace of P15.
const perWorkspace = 10

// workspacesMemory is the memory limit of P15 in MiB, which is its target.
const workspacesMemory = 400

// measureWorkspaces measures P15 with a control plane of its own: an operator
// that finds the objects of many workspaces, and creates beside those of the
// silent ones.
func measureWorkspaces(ctx context.Context, binaries programs.Binaries, p *processes) (err error) {
	healthy, silent := p.parameters.workspaces, p.parameters.silent
	if p.rig, err = newRigWith(ctx, binaries, 0, layout{workspaces: healthy, silent: silent}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	p.memoryLimit = workspacesMemory
	models, err := p.applyModels(ctx, healthy)
	if err != nil {
		return err
	}
	err = p.seed(ctx, healthy*(perWorkspace-1), func(i int) (model, string) {
		return models[i%healthy], fmt.Sprintf("grown-%06d", i)
	})
	if err != nil {
		return err
	}
	p.progress("%d objects in %d workspaces", healthy*perWorkspace, healthy)
	if p.parameters.references {
		alone, one, err := p.arrivalsOf(ctx, healthy*perWorkspace)
		if err != nil {
			return err
		}
		p.measured.Add(figures.Figure{Key: "P15.alone", Value: figures.Quantile(0.99, alone...), Objects: healthy * perWorkspace})
		if err := one.Stop(); err != nil {
			return err
		}
	}
	if err := p.applySilent(ctx, healthy, silent); err != nil {
		return err
	}
	beside, one, err := p.arrivalsOf(ctx, (healthy+silent)*perWorkspace)
	if err != nil {
		return err
	}
	resident, err := one.peakMemory()
	if err != nil {
		return err
	}
	size := (healthy + silent) * perWorkspace
	p.measured.Add(
		figures.Figure{Key: "P15.beside", Value: figures.Quantile(0.99, beside...), Objects: size},
		figures.Figure{Key: "P15.resident", Value: resident, Objects: size},
	)
	p.progress("%d silent workspaces more", silent)
	return p.keep()
}

// applySilent creates the objects of the workspaces that do not answer, and lets
// an operator report this of each: the target is about a restart with them, not
// about their arrival.
func (p *processes) applySilent(ctx context.Context, healthy, silent int) error {
	one, err := p.start(ctx)
	if err != nil {
		return err
	}
	all := make([]*v1alpha1.DatabricksCluster, silent*perWorkspace)
	for i := range all {
		all[i] = p.objectIn(p.workspaces[healthy+i%silent], fmt.Sprintf("silent-%06d", i))
	}
	isReported := func(object *v1alpha1.DatabricksCluster) bool {
		return object.Status.ObservedGeneration == object.Generation
	}
	if _, err := p.apply(ctx, all, isReported); err != nil {
		return err
	}
	return one.Stop()
}

// arrivalsOf starts an operator and creates objects in the first workspaces from
// the first reconcile on, for a while after the last. It returns the seconds
// from each one's creation until its request.
func (p *processes) arrivalsOf(ctx context.Context, objects int) ([]float64, *operator, error) {
	one, err := p.start(ctx)
	if err != nil {
		return nil, nil, err
	}
	err = p.await(ctx, "the queue to fill", time.Minute, func(ctx context.Context) (bool, error) {
		now, err := one.work(ctx)
		return now.reconciled > 0, err
	})
	if err != nil {
		return nil, nil, err
	}
	late, err := p.arrive(ctx, func(ctx context.Context, arrived int) (bool, error) {
		now, err := one.work(ctx)
		found := int(now.reconciled) >= objects
		return arrived < p.parameters.arrivals || !found && arrived < 5*p.parameters.arrivals, err
	})
	return late, one, err
}
