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

// expressions are those of examples/flux/clusters.yaml.
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

// waits is how a Flux Kustomization with wait: true reads an object: by kstatus,
// or by the expressions that are shipped for its kind.
func waits(t *testing.T, object *unstructured.Unstructured, configured bool) string {
	t.Helper()
	g := NewWithT(t)
	reader := statusreaders.NewGenericStatusReader(nil, status.Compute)
	if configured {
		checks, err := expressions()
		g.Expect(err).NotTo(HaveOccurred())
		custom, err := cel.NewStatusReader(checks)
		g.Expect(err).NotTo(HaveOccurred())
		// Kinds without expressions are read as if there were none for others.
		if evaluating := custom(nil); evaluating.Supports(object.GroupVersionKind().GroupKind()) {
			reader = evaluating
		}
	}
	read, err := reader.ReadStatusForObject(t.Context(), nil, object)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(read.Error).NotTo(HaveOccurred())
	switch read.Status {
	case status.CurrentStatus:
		return "current"
	case status.FailedStatus:
		return "failed"
	default:
		return "in progress" // what it waits for
	}
}
