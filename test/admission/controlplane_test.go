// Package admission proves what the API server lets in, what it refuses and with
// which words, on a real one with the CRD as it is shipped: nothing here runs
// the operator.
package admission

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/test/controlplane"
)

const (
	// repository is the top of the checkout, seen from this directory.
	repository = "../.."
	// definitions is where the CRDs are.
	definitions = repository + "/config/crd/bases"
)

var (
	// config reaches the API server that all tests of this package share. Tests
	// keep out of each other's way by the names of their objects.
	config *rest.Config
	// api is a client that refuses unknown fields instead of dropping them.
	api client.Client
)

func TestMain(m *testing.M) {
	code, err := withControlPlane(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/admission:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func withControlPlane(run func() int) (code int, err error) {
	// A CRD whose rules may cost too much is refused here [S13].
	started, err := controlplane.Start()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, started.Stop()) }()
	config = started.Config
	lenient, err := client.New(config, client.Options{Scheme: started.Scheme})
	if err != nil {
		return 0, err
	}
	api = client.WithFieldValidation(lenient, metav1.FieldValidationStrict)
	return run(), nil
}

// object is a DatabricksCluster as a user writes it.
func object(name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       v1alpha1.ClusterKind,
		"metadata":   map[string]any{"name": name, "namespace": "default"},
		"spec":       spec,
	}}
}

// created is an object in the API server, gone when the test is over.
func created(t *testing.T, name string, spec map[string]any) *unstructured.Unstructured {
	t.Helper()
	cluster := object(name, spec)
	if err := api.Create(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.IgnoreNotFound(api.Delete(context.Background(), cluster)); err != nil {
			t.Error(err)
		}
	})
	return cluster
}
