package monitoring

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

const (
	page            = "docs/monitoring.md"
	troubleshooting = "docs/troubleshooting.md"
	rulesFile       = "config/prometheus/rules.yaml"
	dashboardFile   = "config/grafana/databricks-operator.json"
)

// read returns a file of the repository.
func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(path)))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return text
}

// readYAML decodes a file.
func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	NewWithT(t).Expect(yaml.UnmarshalStrict(read(t, path), into)).To(Succeed(), path)
}

var documentedRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (gauge|counter|histogram) \\|")

// documented returns the metrics of docs/monitoring.md with their types. Other
// tests compare them with the existing metrics.
func documented(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, row := range documentedRow.FindAllStringSubmatch(string(read(t, page)), -1) {
		found[row[1]] = row[2]
	}
	NewWithT(t).Expect(len(found)).To(BeNumerically(">", 30))
	return found
}

// prometheusRule has the tested parts of a PrometheusRule.
type prometheusRule struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       struct {
		Groups []struct {
			Name  string  `json:"name"`
			Rules []alert `json:"rules"`
		} `json:"groups"`
	} `json:"spec"`
}

type alert struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var rule prometheusRule
	readYAML(t, rulesFile, &rule)
	var all []alert
	for _, group := range rule.Spec.Groups {
		all = append(all, group.Rules...)
	}
	NewWithT(t).Expect(len(all)).To(BeNumerically(">=", 10))
	return all
}

// panel has the tested parts of a Grafana panel.
type panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	GridPos     struct {
		H int `json:"h"`
		W int `json:"w"`
		X int `json:"x"`
		Y int `json:"y"`
	} `json:"gridPos"`
	Targets []struct {
		Expr string `json:"expr"`
	} `json:"targets"`
}

type dashboard struct {
	UID        string  `json:"uid"`
	Title      string  `json:"title"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name  string `json:"name"`
			Type  string `json:"type"`
			Query any    `json:"query"`
		} `json:"list"`
	} `json:"templating"`
}

func theDashboard(t *testing.T) dashboard {
	t.Helper()
	var found dashboard
	NewWithT(t).Expect(json.Unmarshal(read(t, dashboardFile), &found)).To(Succeed())
	return found
}

// anchors returns the link targets of a page's headings.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	dropped := regexp.MustCompile(`[^a-z0-9 _-]`)
	for _, match := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		found[strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-")] = true
	}
	return found
}
