package monitoring

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/prometheus/prometheus/promql/parser"
)

// partsOf are the suffixes of the series of each metric type.
var partsOf = map[string][]string{"histogram": {"_bucket", "_sum", "_count"}}

// check returns an error if an expression does not parse, or uses an
// undocumented metric.
func check(expression string, known map[string]string) error {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	if err != nil {
		return err
	}
	return inspect(parsed, known)
}

func inspect(parsed parser.Expr, known map[string]string) error {
	var unknown []string
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if ok && !isKnown(nameOf(selector), known) {
			unknown = append(unknown, nameOf(selector))
		}
		return nil
	})
	if len(unknown) > 0 {
		return fmt.Errorf("%s does not name %v", page, unknown)
	}
	return nil
}

// nameOf returns the name of the selected metric.
func nameOf(selector *parser.VectorSelector) string { return cmp.Or(selector.Name, selector.String()) }

func isKnown(name string, known map[string]string) bool {
	if name == "up" { // Prometheus' own
		return true
	}
	if kind, ok := known[name]; ok {
		return len(partsOf[kind]) == 0
	}
	for metric, kind := range known {
		if end, ok := strings.CutPrefix(name, metric); ok && slices.Contains(partsOf[kind], end) {
			return true
		}
	}
	return false
}

func TestUnknownMetricIsReported(t *testing.T) {
	g := NewWithT(t)
	known := documented(t)
	g.Expect(check(`sum(databricks_operator_clusters)`, known)).To(Succeed())
	g.Expect(check(`rate(databricks_operator_request_duration_seconds_bucket[5m])`, known)).To(Succeed())
	g.Expect(check(`sum(databricks_operator_clutters)`, known)).To(MatchError(ContainSubstring("clutters")))
	g.Expect(check(`databricks_operator_request_duration_seconds`, known)).NotTo(Succeed())
	g.Expect(check(`{job="databricks-operator"}`, known)).NotTo(Succeed())
	g.Expect(check(`sum(`, known)).NotTo(Succeed())
}

func TestEveryAlertUsesExistingMetrics(t *testing.T) {
	known := documented(t)
	for _, alert := range alerts(t) {
		if err := check(alert.Expr, known); err != nil {
			t.Errorf("%s: %v", alert.Alert, err)
		}
	}
}

func TestEveryAlertHasARemedy(t *testing.T) {
	g := NewWithT(t)
	sections := anchors(string(read(t, troubleshooting)))
	names := map[string]bool{}
	for _, alert := range alerts(t) {
		g.Expect(names).NotTo(HaveKey(alert.Alert))
		names[alert.Alert] = true
		g.Expect(alert.Alert).To(HavePrefix("Databricks"))
		g.Expect(alert.For).NotTo(BeEmpty(), alert.Alert)
		g.Expect(alert.Labels["severity"]).To(BeElementOf("critical", "warning", "info"), alert.Alert)
		for _, text := range []string{"summary", "description"} {
			g.Expect(alert.Annotations[text]).To(HaveSuffix("."), "%s: %s", alert.Alert, text)
		}
		link, section, _ := strings.Cut(alert.Annotations["runbook_url"], "#")
		g.Expect(link).To(Equal("https://github.com/databricks-operator/databricks-operator/blob/main/" + troubleshooting))
		g.Expect(sections).To(HaveKey(section), alert.Alert)
	}
}

// variable matches a Grafana variable in an expression, which stands for a
// duration or a quoted string.
var variable = regexp.MustCompile(`\$__rate_interval|\$__range|\$__interval`)

func TestEveryPanelUsesExistingMetrics(t *testing.T) {
	known := documented(t)
	board := theDashboard(t)
	asked := 0
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			asked++
			if err := check(variable.ReplaceAllString(target.Expr, "5m"), known); err != nil {
				t.Errorf("%s: %v", panel.Title, err)
			}
		}
	}
	NewWithT(t).Expect(asked).To(BeNumerically(">", 20))
	for _, variable := range board.Templating.List {
		query, _ := variable.Query.(string)
		if inner, isLabels := strings.CutPrefix(query, "label_values("); isLabels {
			selector := inner[:strings.LastIndex(inner, ",")]
			if err := check(selector, known); err != nil {
				t.Errorf("$%s: %v", variable.Name, err)
			}
		}
	}
}

// Every metric of the operator is used by the dashboard or an alert.
func TestEveryMetricIsUsed(t *testing.T) {
	var all strings.Builder
	for _, alert := range alerts(t) {
		all.WriteString(alert.Expr + "\n")
	}
	for _, panel := range theDashboard(t).Panels {
		for _, target := range panel.Targets {
			all.WriteString(target.Expr + "\n")
		}
	}
	for metric := range documented(t) {
		if !regexp.MustCompile(metric + `(_bucket|_sum|_count)?\b`).MatchString(all.String()) {
			t.Errorf("%s is on no panel and in no alert", metric)
		}
	}
}

func TestTheDashboardIsInOrder(t *testing.T) {
	g := NewWithT(t)
	board := theDashboard(t)
	g.Expect(board.UID).NotTo(BeEmpty())
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, panel := range board.Panels {
		g.Expect(ids).NotTo(HaveKey(panel.ID), panel.Title)
		ids[panel.ID] = true
		if panel.Type != "row" {
			g.Expect(panel.Description).NotTo(BeEmpty(), panel.Title)
			g.Expect(panel.Targets).NotTo(BeEmpty(), panel.Title)
		}
		g.Expect(panel.GridPos.X+panel.GridPos.W).To(BeNumerically("<=", 24), panel.Title)
		for x := range panel.GridPos.W {
			for y := range panel.GridPos.H {
				place := [2]int{panel.GridPos.X + x, panel.GridPos.Y + y}
				if other, isTaken := taken[place]; isTaken {
					t.Fatalf("%s lies on %s", panel.Title, other)
				}
				taken[place] = panel.Title
			}
		}
	}
}
