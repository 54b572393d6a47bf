package install

import (
	"maps"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestTheChartInstallsWhatKustomizeInstalls compares complete objects: CRDs,
// roles, policies, the pod and its command line.
func TestTheChartInstallsWhatKustomizeInstalls(t *testing.T) {
	for overlay, values := range map[string]string{
		"default":         "fullnameOverride=",
		"no-metrics":      "metrics.enabled=false",
		"namespaced":      "watchNamespaces={team-a},metrics.enabled=false",
		"with-prometheus": "serviceMonitor.enabled=true,prometheusRule.enabled=true",
	} {
		t.Run(overlay, func(t *testing.T) {
			g := NewWithT(t)
			ours, theirs := byName(kustomize(t, overlay)), byName(helm(t, "--set", values))
			g.Expect(slices.Sorted(maps.Keys(theirs))).To(Equal(slices.Sorted(maps.Keys(ours))))

			for name, object := range ours {
				g.Expect(theirs[name]).To(Equal(object), name)
			}
		})
	}
}

// byName returns objects by name, without the labels that charts add, and
// without the namespace, which `helm install --create-namespace` creates.
func byName(objects []*unstructured.Unstructured) map[string]map[string]any {
	named := map[string]map[string]any{}

	for _, object := range objects {
		if object.GetKind() == "Namespace" {
			continue
		}

		withoutChartConventions(object.Object)
		named[object.GetKind()+" "+object.GetNamespace()+"/"+object.GetName()] = object.Object
	}

	return named
}

func withoutChartConventions(value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range []string{"app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"} {
			delete(value, key)
		}

		if value["imagePullPolicy"] == "IfNotPresent" { // the default for a tag other than latest
			delete(value, "imagePullPolicy")
		}

		for _, member := range value {
			withoutChartConventions(member)
		}
	case []any:
		for _, member := range value {
			withoutChartConventions(member)
		}
	}
}
