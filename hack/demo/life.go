package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

const (
	readyWithin   = 2 * time.Minute
	deletedWithin = time.Minute
)

func (d *demo) apply(ctx context.Context) error {
	d.screen.section("Apply", "kubectl apply --server-side -k "+d.settings.samples+", its Secret pointed at the simulator")
	for _, object := range d.objects {
		if err := pointAt(object, d.world.simulator.URL, simulator.DefaultToken); err != nil {
			return err
		}
		if err := apply(ctx, d.world.api, object); err != nil {
			return err
		}
		d.screen.done("%s/%s", strings.ToLower(object.GetKind()), object.GetName())
	}
	return d.count(ctx, &d.figures.applied)
}

// clusters are the samples without the Secret.
func (d *demo) clusters() []*unstructured.Unstructured {
	return slices.DeleteFunc(slices.Clone(d.objects), func(object *unstructured.Unstructured) bool {
		return object.GetKind() != "DatabricksCluster"
	})
}

func (d *demo) names() []string {
	var all []string
	for _, object := range d.clusters() {
		all = append(all, object.GetName())
	}
	return all
}

func (d *demo) awaitReady(ctx context.Context) error {
	d.screen.section("Watch", "kubectl get dbc -w, and beneath each row what else has changed")
	d.board.expect(d.names())
	if err := d.until(ctx, "waiting for the clusters to run", readyWithin, func() bool { return d.board.ready(len(d.clusters())) }); err != nil {
		return d.withObjects(err)
	}
	return d.count(ctx, &d.figures.ready)
}

func (d *demo) delete(ctx context.Context) error {
	d.screen.section("Delete", "kubectl delete -k "+d.settings.samples)
	d.board.expect(d.names())
	if err := d.count(ctx, &d.figures.deleting); err != nil {
		return err
	}
	for _, object := range d.clusters() {
		if err := d.world.api.Delete(ctx, object); err != nil {
			return fmt.Errorf("delete %s: %w", object.GetName(), err)
		}
		d.figures.own++
	}
	if err := d.until(ctx, "waiting for the objects to go", deletedWithin, func() bool { return len(d.board.now) == 0 }); err != nil {
		return d.withObjects(err)
	}
	return d.count(ctx, &d.figures.deleted)
}

// checkWhatIsLeft asks the workspace itself, and leaves nothing behind.
func (d *demo) checkWhatIsLeft(ctx context.Context) error {
	d.screen.section("Check", "what the workspace itself says")
	made, left, err := d.made(ctx)
	if err != nil {
		return err
	}
	if !slices.Equal(left, []string{d.adopted}) {
		return fmt.Errorf("left in the workspace are %v, where only the adopted cluster %s should be", left, d.adopted)
	}
	// The adopted one was there before, one was to fail.
	if wanted := len(d.clusters()) + 2; made != wanted {
		return fmt.Errorf("there have been %d clusters where %d were to be", made, wanted)
	}
	d.screen.done("%d clusters were made, one per object; no cluster is left but the adopted one, %s, which is kept", made-1, d.adopted)
	if err := d.world.inSimulator(ctx, "clusters/"+d.adopted+"/delete", nil, nil); err != nil {
		return err
	}
	if _, left, err = d.made(ctx); err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("left in the workspace are %v, where nothing should be", left)
	}
	d.screen.done("its owner deletes that, and nothing is left")
	return nil
}

// made is how many clusters there have been, and which of them exist.
func (d *demo) made(ctx context.Context) (int, []string, error) {
	records, err := d.world.simulator.Clusters(ctx)
	if err != nil {
		return 0, nil, err
	}
	var left []string
	for _, record := range records {
		if record.Exists() {
			left = append(left, record.ID)
		}
	}
	return len(records), left, nil
}
