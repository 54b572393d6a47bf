package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// promotion is the folder with one set of manifests for two workspaces.
const promotion = "examples/promotion"

// stages are the folders of promotion, which are also the names of the workspaces.
var stages = []string{"dev", "prod"}

// configuration is a file for the simulator's --config.
type configuration struct {
	Workspaces []simulator.Workspace `json:"workspaces"`
}

// workspaces is the configuration of the simulator: the workspace of the samples, and one
// of each stage, in which everything has other ids.
func workspaces() configuration {
	configured := configuration{Workspaces: []simulator.Workspace{{
		Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{simulator.DefaultToken}}},
	}}}
	for _, stage := range stages {
		configured.Workspaces = append(configured.Workspaces, simulator.Workspace{
			Name: stage, Cloud: simulator.AWS,
			Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{tokenOf(stage)}}},
			Policies:   []simulator.Policy{{ID: stage + "-policy-4711", Name: "etl", Definition: "{}"}},
			Pools:      []simulator.Pool{{ID: stage + "-pool-0815", Name: "workers", NodeTypeID: "i3.xlarge"}},
		})
	}
	return configured
}

func tokenOf(stage string) string { return "dapi-" + stage }

// promote applies the same manifests to both workspaces, and shows the ids that they stand
// for in each.
func (d *demo) promote(ctx context.Context) error {
	d.screen.section("Promote", fmt.Sprintf("kubectl apply -k %[1]s/dev, and then %[1]s/prod: names and selectors in place of ids", promotion))
	for _, stage := range stages {
		if err := d.promoteTo(ctx, stage); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) promoteTo(ctx context.Context, stage string) error {
	home := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "data-" + stage}}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: home.Name, Name: "databricks-credentials"},
		StringData: map[string]string{"DATABRICKS_HOST": d.environment.simulator.URL, "DATABRICKS_TOKEN": tokenOf(stage)},
	}
	clusters, err := d.kustomize(ctx, filepath.Join(promotion, stage))
	if err != nil {
		return err
	}
	created := []client.Object{home, secret}
	for _, cluster := range clusters {
		created = append(created, cluster)
	}
	for _, object := range created {
		if err := d.environment.api.Create(ctx, object); err != nil {
			return fmt.Errorf("create %s: %w", object.GetName(), err)
		}
	}
	for _, cluster := range clusters {
		if err := d.awaitCluster(ctx, cluster); err != nil {
			return err
		}
		chosen := cluster.Status.Resolved
		d.screen.done("%-19s %s", home.Name+"/"+cluster.Name, d.screen.dim(fmt.Sprintf("%s on %s%s",
			chosen.SparkVersion, cmp.Or(chosen.InstancePoolID, chosen.NodeTypeID), by(chosen.PolicyID))))
	}
	return nil
}

func by(policy string) string {
	if policy == "" {
		return ""
	}
	return ", by " + policy
}

// awaitCluster waits until an object is Ready.
func (d *demo) awaitCluster(ctx context.Context, cluster *v1alpha1.DatabricksCluster) error {
	stop := d.screen.wait("waiting for " + cluster.Namespace + "/" + cluster.Name)
	defer stop()
	err := wait.PollUntilContextTimeout(ctx, pollInterval, readyTimeout, true, func(ctx context.Context) (bool, error) {
		if err := d.environment.api.Get(ctx, client.ObjectKeyFromObject(cluster), cluster); err != nil {
			return false, err //nolint:wrapcheck // wrapped below
		}
		return meta.IsStatusConditionTrue(cluster.Status.Conditions, v1alpha1.ConditionReady), nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s/%s (%v): %w", cluster.Namespace, cluster.Name, cluster.Status.Conditions, err)
	}
	return nil
}

// kustomize returns the clusters of a folder, as kubectl builds them.
func (d *demo) kustomize(ctx context.Context, folder string) ([]*v1alpha1.DatabricksCluster, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	kubectl := filepath.Join(cmp.Or(os.Getenv("KUBEBUILDER_ASSETS"), filepath.Join(d.settings.bin, "k8s")), "kubectl")
	built, err := exec.CommandContext(ctx, kubectl, "kustomize", folder).Output()
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", folder, err)
	}
	objects, err := decodeObjects(built)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", folder, err)
	}
	var clusters []*v1alpha1.DatabricksCluster
	for _, object := range objects {
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", folder, err)
		}
		cluster := &v1alpha1.DatabricksCluster{}
		if err := yaml.UnmarshalStrict(text, cluster); err != nil {
			return nil, fmt.Errorf("read %s: %w", folder, err)
		}
		clusters = append(clusters, cluster)
	}
	return clusters, nil
}
