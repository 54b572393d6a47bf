package docs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/test/controlplane"
)

// api is a client of a real API server that rejects unknown fields instead of
// dropping them.
var api client.Client

func TestMain(m *testing.M) {
	code, err := withControlPlane(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/docs:", err)
		code = 1
	}
	os.Exit(code)
}

func withControlPlane(run func() int) (code int, err error) {
	started, err := controlplane.Start()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, started.Stop()) }()
	lenient, err := client.New(started.Config, client.Options{Scheme: started.Scheme})
	if err != nil {
		return 0, err
	}
	api = client.WithFieldValidation(lenient, metav1.FieldValidationStrict)
	return run(), nil
}

// block matches YAML on a page. A block that is marked as refused is followed
// by the error message, as text.
var block = regexp.MustCompile("(?s)\n *```yaml( refused)?\n(.*?\n) *```\n(?:\n```text\n(.*?)```)?")

// example is one manifest of a page, and the error message with which the API
// server rejects it; empty if it accepts it.
type example struct{ page, text, refused string }

// examples returns the manifests of all pages; YAML without apiVersion is not a
// manifest.
func examples(t *testing.T) []example {
	t.Helper()
	var found []example
	for _, page := range pages(t) {
		for _, piece := range block.FindAllStringSubmatch(read(t, page), -1) {
			marked, text, words := piece[1] != "", piece[2], strings.TrimSpace(piece[3])
			if marked && words == "" {
				t.Errorf("%s: an example is marked as refused, and no error message follows as text:\n%s", page, text)
			}
			if !marked {
				words = ""
			}
			for manifest := range strings.SplitSeq(text, "---\n") {
				if strings.Contains(manifest, "apiVersion:") {
					found = append(found, example{page, manifest, words})
				}
			}
		}
	}
	NewWithT(t).Expect(len(found)).To(BeNumerically(">", 10))
	return found
}

// foreign are API groups that this API server does not serve. Other suites
// check them.
var foreign = map[string]bool{
	"argoproj.io":                 true,
	"cert-manager.io":             true,
	"helm.toolkit.fluxcd.io":      true,
	"kustomize.toolkit.fluxcd.io": true,
	"kustomize.config.k8s.io":     true,
	"monitoring.coreos.com":       true,
	"source.toolkit.fluxcd.io":    true,
}

func TestEveryExampleIsAcceptedOrRejectedAsDocumented(t *testing.T) {
	refused := 0
	for _, shown := range examples(t) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(shown.text), &object.Object); err != nil {
			t.Errorf("%s: %v in\n%s", shown.page, err, shown.text)
			continue
		}
		if foreign[object.GroupVersionKind().Group] {
			continue
		}
		err := apply(t, object)
		switch {
		case shown.refused == "" && err != nil:
			t.Errorf("%s: %v in\n%s", shown.page, err, shown.text)
		case shown.refused != "" && (err == nil || !strings.Contains(err.Error(), shown.refused)):
			t.Errorf("%s: the API server does not report %q (but %v) for\n%s", shown.page, shown.refused, err, shown.text)
		case shown.refused != "":
			refused++
		}
	}
	NewWithT(t).Expect(refused).To(BeNumerically(">", 0), "refused examples")
}

// apply creates an object as a dry run.
func apply(t *testing.T, object *unstructured.Unstructured) error {
	t.Helper()
	ctx := t.Context()
	mapping, err := api.RESTMapper().RESTMapping(object.GroupVersionKind().GroupKind(), object.GroupVersionKind().Version)
	if err != nil {
		return fmt.Errorf("the API server does not know the kind: %w", err)
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		if object.GetNamespace() == "" {
			object.SetNamespace("default")
		}
		if err := ensureNamespace(ctx, object.GetNamespace()); err != nil {
			return err
		}
	}
	if object.GetName() == "" {
		object.SetGenerateName("example-")
	}
	return api.Create(ctx, object, client.DryRunAll) //nolint:wrapcheck // the API server's own words are what is tested
}

func ensureNamespace(ctx context.Context, name string) error {
	err := api.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("make namespace %s: %w", name, err)
	}
	return nil
}
