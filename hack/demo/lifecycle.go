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
	readyTimeout  = 2 * time.Minute
	deleteTimeout = time.Minute
)

func (d *demo) apply(ctx context.Context) error {
	d.screen.section("Apply", "kubectl apply --server-side -k "+d.settings.samples+", with a Secret for the simulator")
	for _, object := range d.objects {
		if err := setWorkspace(object, d.environment.simulator.URL, simulator.DefaultToken); err != nil {
			return err
		}
		if err := apply(ctx, d.environment.api, object); err != nil {
			return err
		}
		d.screen.done("%s/%s", strings.ToLower(object.GetKind()), object.GetName())
	}
	return d.count(ctx, &d.figures.applied)
}

// clusters returns the samples without the Secret.
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
	d.screen.section("Watch", "kubectl get dbc -w, and below each row the other changes")
	d.board.startSection(d.names())
	if err := d.until(ctx, "waiting for the clusters to run", readyTimeout, func() bool { return d.board.ready(len(d.clusters())) }); err != nil {
		return d.withObjects(err)
	}
	return d.count(ctx, &d.figures.ready)
}

func (d *demo) delete(ctx context.Context) error {
	d.screen.section("Delete", "kubectl delete -k "+d.settings.samples)
	d.board.startSection(d.names())
	if err := d.count(ctx, &d.figures.deleting); err != nil {
		return err
	}
	for _, object := range d.clusters() {
		if err := d.environment.api.Delete(ctx, object); err != nil {
			return fmt.Errorf("delete %s: %w", object.GetName(), err)
		}
		d.figures.own++
	}
	if err := d.until(ctx, "waiting for the objects to be deleted", deleteTimeout, func() bool { return len(d.board.objects) == 0 }); err != nil {
		return d.withObjects(err)
	}
	return d.count(ctx, &d.figures.deleted)
}

// checkRemaining checks the clusters in the workspace, and deletes the adopted
// one.
func (d *demo) checkRemaining(ctx context.Context) error {
	d.screen.section("Check", "the clusters in the workspace")
	created, remaining, err := d.countClusters(ctx)
	if err != nil {
		return err
	}
	if !slices.Equal(remaining, []string{d.adopted}) {
		return fmt.Errorf("left in the workspace are %v, where only the adopted cluster %s should be", remaining, d.adopted)
	}
	// One cluster was adopted, and one failed by design.
	if wanted := len(d.clusters()) + 2; created != wanted {
		return fmt.Errorf("%d clusters were created instead of %d", created, wanted)
	}
	d.screen.done("%d clusters were created, one per object; only the adopted one, %s, still exists, because it is kept", created-1, d.adopted)
	if err := d.environment.callSimulator(ctx, "clusters/"+d.adopted+"/delete", nil, nil); err != nil {
		return err
	}
	if _, remaining, err = d.countClusters(ctx); err != nil {
		return err
	}
	if len(remaining) > 0 {
		return fmt.Errorf("left in the workspace are %v, where nothing should be", remaining)
	}
	d.screen.done("its owner deletes it, and no cluster exists")
	return nil
}

// countClusters returns the number of clusters ever created and the ids of
// those that exist.
func (d *demo) countClusters(ctx context.Context) (int, []string, error) {
	records, err := d.environment.simulator.Clusters(ctx)
	if err != nil {
		return 0, nil, err
	}
	var remaining []string
	for _, record := range records {
		if record.Exists() {
			remaining = append(remaining, record.ID)
		}
	}
	return len(records), remaining, nil
}
