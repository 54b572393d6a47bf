package gitops

import (
	"os"
	"sync"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/statusreaders"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// expressions are the expressions of examples/flux/clusters.yaml.
var expressions = sync.OnceValues(func() ([]kustomize.CustomHealthCheck, error) {
	text, err := os.ReadFile("../../examples/flux/clusters.yaml")
	if err != nil {
		return nil, err
	}
	var kustomization struct {
		Spec struct {
			HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
		} `json:"spec"`
	}
	return kustomization.Spec.HealthCheckExprs, yaml.Unmarshal(text, &kustomization)
})

// fluxStatus returns the status of an object for a Flux Kustomization with
// wait: true: by kstatus, or by the shipped expressions for its kind.
func fluxStatus(t *testing.T, object *unstructured.Unstructured, configured bool) string {
	t.Helper()
	g := NewWithT(t)
	reader := statusreaders.NewGenericStatusReader(nil, status.Compute)
	if configured {
		checks, err := expressions()
		g.Expect(err).NotTo(HaveOccurred())
		custom, err := cel.NewStatusReader(checks)
		g.Expect(err).NotTo(HaveOccurred())
		// Expressions for other kinds do not affect kinds without expressions.
		if evaluating := custom(nil); evaluating.Supports(object.GroupVersionKind().GroupKind()) {
			reader = evaluating
		}
	}
	result, err := reader.ReadStatusForObject(t.Context(), nil, object)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.Error).NotTo(HaveOccurred())
	switch result.Status {
	case status.CurrentStatus:
		return "current"
	case status.FailedStatus:
		return "failed"
	default:
		return "in progress" // Flux waits in this state
	}
}
