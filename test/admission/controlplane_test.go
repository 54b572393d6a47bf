// Package admission tests which objects a real API server with the shipped CRDs
// accepts, which it rejects, and with which messages. It does not run the
// operator.
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
	// repository is the root of the checkout.
	repository = "../.."
	// definitions is the directory of the CRDs.
	definitions = repository + "/config/crd/bases"
)

var (
	// config connects to the API server that all tests share. Tests use
	// distinct names for their objects.
	config *rest.Config
	// api is a client that rejects unknown fields instead of dropping them.
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
	// Starting fails for a CRD whose rules exceed the cost limit [S13].
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

// object returns a DatabricksCluster.
func object(name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       v1alpha1.ClusterKind,
		"metadata":   map[string]any{"name": name, "namespace": "default"},
		"spec":       spec,
	}}
}

// createObject creates an object that is deleted when the test ends.
func createObject(t *testing.T, name string, spec map[string]any) *unstructured.Unstructured {
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
