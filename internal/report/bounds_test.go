package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// differencesIn returns as many differences of custom tags.
func differencesIn(count int, desired, actual string) []drift.Difference {
	found := make([]drift.Difference, 0, count)
	for i := range count {
		found = append(found, drift.Difference{Path: fmt.Sprintf("/custom_tags/%02d", i), Field: "custom_tags", Desired: desired, Actual: actual})
	}
	return found
}

func TestTheNormalizedMessageIsBounded(t *testing.T) {
	g := NewWithT(t)
	const start = "the workspace keeps other values than it was asked for: "
	ten := make([]string, 0, 10)
	for i := range 10 {
		ten = append(ten, fmt.Sprintf("/customTags/%02d (desired a, actual b)", i))
	}
	g.Expect(normalizedMessage(differencesIn(10, "a", "b"))).To(Equal(start + strings.Join(ten, ", ")))
	g.Expect(normalizedMessage(differencesIn(13, "a", "b"))).To(Equal(start + strings.Join(ten, ", ") + ", and 3 more"))

	longest, longer := strings.Repeat("ü", 100), strings.Repeat("ü", 101)
	g.Expect(normalizedMessage(differencesIn(1, longest, longer))).To(Equal(start + "/customTags/00 (desired " + longest + ", actual " + longest + "…)"))
	g.Expect(normalizedMessage(differencesIn(1, longer, longest))).To(Equal(start + "/customTags/00 (desired " + longest + "…, actual " + longest + ")"))
}

func TestTheDriftInAStatusIsBounded(t *testing.T) {
	g := NewWithT(t)
	g.Expect(shownDrift(differencesIn(20, "a", "b"))).To(HaveLen(20))
	shown := shownDrift(differencesIn(21, "a", "b"))
	g.Expect(shown).To(HaveLen(20))
	g.Expect(shown[19]).To(Equal(v1alpha1.DriftedField{Path: "/customTags/19", Desired: "a", Actual: "b"}))
}

func TestTheLibrariesInAStatusAreBounded(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().created().inState("RUNNING")
	seen := h.input.Observed
	seen.Libraries.Seen = true
	for i := range 201 {
		name := fmt.Sprintf("p%03d", i)
		h.cluster.Spec.Libraries = append(h.cluster.Spec.Libraries, v1alpha1.Library{PyPI: &v1alpha1.PyPILibrary{Package: name}})
		seen.Libraries.Statuses = append(seen.Libraries.Statuses, compute.LibraryFullStatus{
			Library: &compute.Library{Pypi: &compute.PythonPyPiLibrary{Package: name}}, Status: "FAILED", Messages: strings.Split(strings.Repeat("m\x1b,", 21), ","),
		})
	}
	h.report(Input{Observed: seen, Plan: plan.Plan{}})
	shown := h.cluster.Status.Libraries
	g.Expect(shown).To(HaveLen(200))
	g.Expect(shown[199].Library.PyPI.Package).To(Equal("p199"))
	g.Expect(shown[199].Messages).To(HaveLen(20))
	g.Expect(shown[199].Messages).To(HaveEach("m"), "without control characters")
}

func TestTheValuesOfAMessageHaveNoControlCharacters(t *testing.T) {
	g := NewWithT(t)
	g.Expect(shownValue(drift.Difference{Field: "custom_tags"}, "a\x1bb")).To(Equal("ab"))
	g.Expect(shownValue(drift.Difference{Field: "custom_tags"}, true)).To(Equal("true"))
	g.Expect(shownValue(drift.Difference{Field: "num_workers"}, 1e6)).To(Equal("1000000"), "and no exponent")
	g.Expect(shownValue(drift.Difference{Path: "/spark_conf/a", Field: "spark_conf"}, "secret")).To(Equal("[redacted]"), "[case-76]")
	g.Expect(shownValue(drift.Difference{Path: "/spark_conf/a", Field: "spark_conf"}, nil)).To(BeEmpty())
}
