package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// scraped returns the series of a scrape in Prometheus' text format, without
// the buckets of histograms.
func scraped(t *testing.T, address string) []string {
	t.Helper()
	_, body := httpGet(t, "http://"+address+"/metrics", "")
	var series []string
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, "_bucket{") {
			series = append(series, strings.TrimSpace(line))
		}
	}
	return series
}

// documentedMetrics returns the metrics that docs/monitoring.md names.
func documentedMetrics(t *testing.T) []string {
	t.Helper()
	g := NewWithT(t)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "monitoring.md"))
	g.Expect(err).NotTo(HaveOccurred())
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (gauge|counter|histogram)").FindAllStringSubmatch(string(page), -1) {
		names = append(names, row[1])
	}
	g.Expect(len(names)).To(BeNumerically(">", 30))
	return names
}

// absentMetrics exist only after a failure, during an open operation, every
// five minutes, or with several clusters; the tests of internal/metrics cover
// them.
var absentMetrics = map[string]bool{
	"databricks_operator_drifted_objects":                            true,
	"databricks_operator_gate_endpoint_unavailable":                  true,
	"databricks_operator_gate_waits_total":                           true,
	"databricks_operator_gate_learned_requests_per_second":           true,
	"databricks_operator_mirror_listed_clusters":                     true,
	"databricks_operator_mirror_list_pages":                          true,
	"databricks_operator_mirror_listed_timestamp_seconds":            true,
	"databricks_operator_oldest_creation_deadline_timestamp_seconds": true,
	"databricks_operator_oldest_deletion_timestamp_seconds":          true,
	"databricks_operator_orphaned_clusters":                          true,
}

func TestSeriesAppearAndDisappearWithTheirSubject(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	service := startSimulator(t)
	namespace, address := newNamespace(t, service.URL), freeAddress(t)
	start(t, namespace, "--allowed-hosts="+service.URL, "--databricks-ca-file="+service.CAFile, "--poll-interval-active=200ms",
		"--leader-elect", "--leader-election-namespace="+namespace, "--metrics-bind-address="+address, "--metrics-secure=false")
	series := func() []string { return scraped(t, address) }
	hostLabel := `host="` + service.URL + `"`

	g.Eventually(series).Should(ContainElement("databricks_operator_open_creations 0"))
	g.Expect(series()).NotTo(ContainElement(ContainSubstring(service.URL)))
	g.Expect(series()).To(ContainElement("go_gc_gogc_percent 50"), "[P8]")

	policy := &v1alpha1.DatabricksClusterPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "rules"}}
	policy.Spec.Definition = map[string]v1alpha1.PolicyRule{"num_workers": {RawExtension: runtime.RawExtension{Raw: []byte(`{"type": "unlimited"}`)}}}
	pool := &v1alpha1.DatabricksInstancePool{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "warm"}}
	pool.Spec.NodeTypeID = "i3.xlarge"
	for _, listed := range []client.Object{policy, pool} {
		g.Expect(api.Create(t.Context(), listed)).To(Succeed())
	}
	object := newCluster(namespace, "scratch")
	g.Expect(api.Create(t.Context(), object)).To(Succeed())
	g.Eventually(func() string { return readiness(t.Context(), object) }).Should(Equal("True Running"))
	g.Eventually(series).Should(ContainElements(
		HavePrefix("databricks_operator_cluster_policies{"), HavePrefix("databricks_operator_instance_pools{"),
		HavePrefix("databricks_operator_instance_pool_instances{"),
		`databricks_operator_clusters{`+hostLabel+`,state="RUNNING"} 1`,
		`databricks_operator_cluster_workers{`+hostLabel+`} 1`,
		`databricks_operator_conditions{kind="DatabricksCluster",reason="Running",status="True",type="Ready"} 1`,
		`databricks_operator_requests_total{code="200",endpoint="clusters/create",`+hostLabel+`,method="POST"} 1`,
		ContainSubstring(`databricks_operator_mirror_watched_clusters{`+hostLabel),
	))
	now := series()
	for _, name := range documentedMetrics(t) {
		if !absentMetrics[name] {
			g.Expect(now).To(ContainElement(MatchRegexp(`^`+name+`(_count)?[{ ]`)), "documented but missing: %s", name)
		}
	}
	for _, line := range now {
		g.Expect(line).NotTo(ContainSubstring(simulator.DefaultToken))
	}

	second := newCluster(namespace, "second")
	g.Expect(api.Create(t.Context(), second)).To(Succeed())
	g.Eventually(series).Should(ContainElement(`databricks_operator_clusters{` + hostLabel + `,state="RUNNING"} 2`))
	g.Expect(api.Delete(t.Context(), second)).To(Succeed())
	g.Eventually(series).Should(ContainElement(`databricks_operator_clusters{` + hostLabel + `,state="RUNNING"} 1`))

	for _, last := range []client.Object{object, policy, pool} {
		g.Expect(api.Delete(t.Context(), last)).To(Succeed())
	}
	g.Eventually(series).ShouldNot(ContainElement(ContainSubstring(service.URL)))
	g.Expect(series()).NotTo(ContainElement(ContainSubstring("databricks_operator_conditions")))
	g.Expect(series()).To(ContainElement("databricks_operator_open_creations 0"))
}
