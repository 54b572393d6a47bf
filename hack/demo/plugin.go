package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// listedSamples are the samples of the kinds that the demo itself does not show, and that
// the commands in the documentation of the plugin name.
var listedSamples = []string{"compute_v1alpha1_databricksclusterpolicy.yaml", "compute_v1alpha1_databricksinstancepool.yaml"}

// existing are the ids of clusters that the demo adds to the workspace for the plugin.
type existing struct {
	// foreign was created by another user, and orphan is a cluster of this operator without
	// an object.
	foreign, orphan string
}

// preparePlugin adds what the commands of the plugin work with: a policy, an instance pool,
// a cluster of another user and an orphan.
func (d *demo) preparePlugin(ctx context.Context) (existing, error) {
	for _, name := range listedSamples {
		objects, err := readObjects(filepath.Join(d.settings.samples, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return existing{}, err
		}
		for _, object := range objects {
			if err := apply(ctx, d.environment.api, object); err != nil {
				return existing{}, err
			}
		}
	}
	var system corev1.Namespace
	if err := d.environment.api.Get(ctx, client.ObjectKey{Name: "kube-system"}, &system); err != nil {
		return existing{}, fmt.Errorf("read the id of the operator: %w", err)
	}
	lost := owner.Of(string(system.UID)[:8], "11111111-2222-3333-4444-555555555555", namespace, "lost").Tag()
	var added existing
	for _, cluster := range []struct {
		into *string
		spec map[string]any
	}{
		{&added.foreign, map[string]any{"cluster_name": "etl-legacy", "num_workers": 2}},
		{&added.orphan, map[string]any{"cluster_name": "lost", "num_workers": 1, "custom_tags": map[string]any{v1alpha1.OwnerTagKey: lost}}},
	} {
		var made struct {
			ID string `json:"cluster_id"`
		}
		if err := d.environment.callSimulator(ctx, "clusters", simulator.Seed{State: simulator.Running, Spec: cluster.spec}, &made); err != nil {
			return existing{}, err
		}
		*cluster.into = made.ID
	}
	return added, nil
}
