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
	objects, err := d.kustomize(ctx, filepath.Join(promotion, stage))
	if err != nil {
		return err
	}
	for _, object := range append([]client.Object{home, secret}, objects...) {
		if err := d.environment.api.Create(ctx, object); err != nil {
			return fmt.Errorf("create %s: %w", object.GetName(), err)
		}
	}
	for _, object := range objects {
		if err := d.awaitObject(ctx, object); err != nil {
			return err
		}
		d.screen.done("%-19s %s", home.Name+"/"+object.GetName(), d.screen.dim(chosenFor(object)))
	}
	return nil
}

// chosenFor returns what an object stands for in its workspace.
func chosenFor(object client.Object) string {
	switch object := object.(type) {
	case *v1alpha1.DatabricksClusterPolicy:
		return "policy " + object.Status.PolicyID
	case *v1alpha1.DatabricksInstancePool:
		return "pool " + object.Status.PoolID
	case *v1alpha1.DatabricksCluster:
		chosen := object.Status.Resolved
		return fmt.Sprintf("%s on %s%s", chosen.SparkVersion, cmp.Or(chosen.InstancePoolID, chosen.NodeTypeID), by(chosen.PolicyID))
	default:
		return ""
	}
}

func by(policy string) string {
	if policy == "" {
		return ""
	}
	return ", by " + policy
}

// awaitObject waits until an object is Ready.
func (d *demo) awaitObject(ctx context.Context, object client.Object) error {
	stop := d.screen.wait("waiting for " + object.GetNamespace() + "/" + object.GetName())
	defer stop()
	var conditions []metav1.Condition
	err := wait.PollUntilContextTimeout(ctx, pollInterval, readyTimeout, true, func(ctx context.Context) (bool, error) {
		if err := d.environment.api.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return false, err //nolint:wrapcheck // wrapped below
		}
		conditions = conditionsOf(object)
		return meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReady), nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s/%s (%v): %w", object.GetNamespace(), object.GetName(), conditions, err)
	}
	return nil
}

func conditionsOf(object client.Object) []metav1.Condition {
	switch object := object.(type) {
	case *v1alpha1.DatabricksClusterPolicy:
		return object.Status.Conditions
	case *v1alpha1.DatabricksInstancePool:
		return object.Status.Conditions
	case *v1alpha1.DatabricksCluster:
		return object.Status.Conditions
	default:
		return nil
	}
}

// kustomize returns the objects of a folder, as kubectl builds them.
func (d *demo) kustomize(ctx context.Context, folder string) ([]client.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	kubectl := filepath.Join(cmp.Or(os.Getenv("KUBEBUILDER_ASSETS"), filepath.Join(d.settings.bin, "k8s")), "kubectl")
	built, err := exec.CommandContext(ctx, kubectl, "kustomize", folder).Output()
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", folder, err)
	}
	decoded, err := decodeObjects(built)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", folder, err)
	}
	objects := make([]client.Object, 0, len(decoded))
	for _, object := range decoded {
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", folder, err)
		}
		typed, err := typedAs(object.GetKind())
		if err == nil {
			err = yaml.UnmarshalStrict(text, typed)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", folder, err)
		}
		objects = append(objects, typed)
	}
	return objects, nil
}

// typedAs returns an empty object of a kind.
func typedAs(kind string) (client.Object, error) {
	switch kind {
	case v1alpha1.ClusterKind:
		return &v1alpha1.DatabricksCluster{}, nil
	case v1alpha1.PolicyKind:
		return &v1alpha1.DatabricksClusterPolicy{}, nil
	case v1alpha1.PoolKind:
		return &v1alpha1.DatabricksInstancePool{}, nil
	default:
		return nil, fmt.Errorf("the demo knows no kind %q", kind)
	}
}
