package monitoring

import (
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

const (
	stateMetricsFile   = "examples/kube-state-metrics/config.yaml"
	stateMetricsReadme = "examples/kube-state-metrics/README.md"
)

// stateMetrics is the configuration of kube-state-metrics, decoded as strictly
// as there.
type stateMetrics struct {
	Kind string `json:"kind"`
	Spec struct {
		Resources []resource `json:"resources"`
	} `json:"spec"`
}

type resource struct {
	GroupVersionKind struct {
		Group   string `json:"group"`
		Version string `json:"version"`
		Kind    string `json:"kind"`
	} `json:"groupVersionKind"`
	MetricNamePrefix string              `json:"metricNamePrefix"`
	LabelsFromPath   map[string][]string `json:"labelsFromPath"`
	Metrics          []metric            `json:"metrics"`
}

type metric struct {
	Name      string `json:"name"`
	Help      string `json:"help"`
	ErrorLogV int    `json:"errorLogV"`
	Each      struct {
		Type     string `json:"type"`
		Info     *from  `json:"info"`
		Gauge    *from  `json:"gauge"`
		StateSet *from  `json:"stateSet"`
	} `json:"each"`
}

type from struct {
	Path           []string            `json:"path"`
	LabelsFromPath map[string][]string `json:"labelsFromPath"`
	LabelName      string              `json:"labelName"`
	List           []string            `json:"list"`
	NilIsZero      bool                `json:"nilIsZero"`
}

// source returns the part of a metric that its type selects; nil if there is
// none.
func (m metric) source() *from {
	return map[string]*from{"Info": m.Each.Info, "Gauge": m.Each.Gauge, "StateSet": m.Each.StateSet}[m.Each.Type]
}

// property has the tested parts of a schema.
type property struct {
	Type        string              `json:"type"`
	Description string              `json:"description"`
	Properties  map[string]property `json:"properties"`
	Items       *property           `json:"items"`
}

// at returns the property at a path; for a list at its end, the property of its
// items.
func (p property) at(path []string) (property, bool) {
	for _, name := range path {
		next, ok := p.Properties[name]
		if !ok {
			return property{}, false
		}
		p = next
	}
	if p.Items != nil {
		return *p.Items, true
	}
	return p, true
}

// schemas returns the schemas of our kinds, with Kubernetes' metadata.
func schemas(t *testing.T) map[string]property {
	t.Helper()
	g := NewWithT(t)
	files, err := filepath.Glob("../../config/crd/bases/*.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	found := map[string]property{}
	for _, file := range files {
		var definition struct {
			Spec struct {
				Group string `json:"group"`
				Names struct {
					Kind string `json:"kind"`
				} `json:"names"`
				Versions []struct {
					Name   string `json:"name"`
					Schema struct {
						OpenAPIV3Schema property `json:"openAPIV3Schema"`
					} `json:"schema"`
				} `json:"versions"`
			} `json:"spec"`
		}
		g.Expect(yaml.Unmarshal(read(t, strings.TrimPrefix(file, "../../")), &definition)).To(Succeed())
		for _, version := range definition.Spec.Versions {
			root := version.Schema.OpenAPIV3Schema
			root.Properties["metadata"] = property{Properties: map[string]property{
				"namespace": {Type: "string"}, "name": {Type: "string"},
				"generation": {Type: "integer"}, "deletionTimestamp": {Type: "string"},
			}}
			found[strings.Join([]string{definition.Spec.Group, version.Name, definition.Spec.Names.Kind}, "/")] = root
		}
	}
	return found
}

func TestEveryPathOfAStateMetricExists(t *testing.T) {
	var configuration stateMetrics
	readYAML(t, stateMetricsFile, &configuration)
	g := NewWithT(t)
	g.Expect(configuration.Kind).To(Equal("CustomResourceStateMetrics"))
	known := schemas(t)
	for _, resource := range configuration.Spec.Resources {
		kind := resource.GroupVersionKind
		root, ok := known[strings.Join([]string{kind.Group, kind.Version, kind.Kind}, "/")]
		g.Expect(ok).To(BeTrue(), "%+v is no kind of ours", kind)
		expectLabels(t, root, resource.LabelsFromPath)
		for _, metric := range resource.Metrics {
			source := metric.source()
			g.Expect(source).NotTo(BeNil(), "%s: no part for its type %s", metric.Name, metric.Each.Type)
			g.Expect(metric.Help).To(HaveSuffix("."), metric.Name)
			here, ok := root.at(source.Path)
			g.Expect(ok).To(BeTrue(), "%s: %s has no %v", metric.Name, kind.Kind, source.Path)
			expectLabels(t, here, source.LabelsFromPath)
			if metric.Each.Type != "Info" {
				g.Expect(here.Type).To(BeElementOf("integer", "string"), metric.Name)
			}
			for _, state := range source.List {
				if state != "ERROR" && state != "UNKNOWN" { // Databricks' own states, which the schema does not describe
					g.Expect(here.Description).To(ContainSubstring(state), metric.Name)
				}
			}
		}
	}
}

// expectLabels checks that every path ends in a string or a number.
func expectLabels(t *testing.T, root property, labels map[string][]string) {
	t.Helper()
	for label, path := range labels {
		if value, ok := root.at(path); !ok || value.Type != "string" && value.Type != "integer" {
			t.Errorf("label %s: there is no value at %v", label, path)
		}
	}
}

func TestReadmeExpressionsUseExistingStateMetrics(t *testing.T) {
	var configuration stateMetrics
	readYAML(t, stateMetricsFile, &configuration)
	known := map[string]string{}
	for _, resource := range configuration.Spec.Resources {
		for _, metric := range resource.Metrics {
			known[resource.MetricNamePrefix+"_"+metric.Name] = "gauge"
		}
	}
	asked := 0
	for line := range strings.Lines(string(read(t, stateMetricsReadme))) {
		_, cell, isRow := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), "` |"), "? | `")
		if !isRow {
			continue
		}
		asked++
		if err := check(cell, known); err != nil {
			t.Errorf("%s: %v", cell, err)
		}
	}
	NewWithT(t).Expect(asked).To(BeNumerically(">=", 5))
}
