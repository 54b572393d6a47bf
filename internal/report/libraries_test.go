package report

import (
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/specsize"
)

func TestTheLibrariesOfAnOversizedSpecificationStay(t *testing.T) {
	g := NewWithT(t)
	long := strings.Repeat("a", 2<<10)
	h := newHistory().created().inState(compute.StateRunning)
	h.cluster.Spec.Libraries = []v1alpha1.Library{{PyPI: &v1alpha1.PyPILibrary{Package: long}}}
	h.report(Input{Observed: h.input.Observed})
	g.Expect(h.cluster.Status.Libraries).To(HaveLen(1))

	h.cluster.Spec.SparkConf = map[string]string{"a": strings.Repeat("x", specsize.Limit+1)}
	specsize.Trim(h.cluster)
	g.Expect(h.cluster.Spec.Libraries).To(BeEmpty(), "they are not in the cache")
	observed := h.input.Observed
	observed.Libraries = plan.Libraries{Seen: true}
	h.report(Input{Observed: observed})
	g.Expect(h.cluster.Status.Libraries).To(ConsistOf(HaveField("Library.PyPI.Package", long)))
}
