package install

import (
	"maps"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestTheChartInstallsWhatKustomizeInstalls compares whole objects: CRDs, rules,
// policies, the pod and its command line.
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

// byName are objects without what a chart adds by custom, or leaves to
// `helm install --create-namespace`.
func byName(objects []*unstructured.Unstructured) map[string]map[string]any {
	named := map[string]map[string]any{}

	for _, object := range objects {
		if object.GetKind() == "Namespace" {
			continue
		}

		withoutCustoms(object.Object)
		named[object.GetKind()+" "+object.GetNamespace()+"/"+object.GetName()] = object.Object
	}

	return named
}

func withoutCustoms(value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range []string{"app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"} {
			delete(value, key)
		}

		if value["imagePullPolicy"] == "IfNotPresent" { // what a tag other than latest means anyway
			delete(value, "imagePullPolicy")
		}

		for _, member := range value {
			withoutCustoms(member)
		}
	case []any:
		for _, member := range value {
			withoutCustoms(member)
		}
	}
}
