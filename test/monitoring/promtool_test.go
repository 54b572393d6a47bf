package monitoring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// download is the timeout of the download of promtool.
const download = 3 * time.Minute

// promtool returns the path of Prometheus' tool: from the PATH, or in bin,
// where it is downloaded from Debian once without installing it.
var promtool = sync.OnceValues(func() (string, error) {
	if found, err := exec.LookPath("promtool"); err == nil {
		return found, nil
	}
	own, err := filepath.Abs("../../bin/promtool")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(own); err == nil {
		return own, nil
	}
	return own, fetch(own)
})

// fetch extracts promtool from Debian's package.
func fetch(into string) error {
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return errors.New("this is no Debian")
		}
	}
	if err := os.MkdirAll(filepath.Dir(into), 0o755); err != nil {
		return err
	}
	directory, err := os.MkdirTemp(filepath.Dir(into), "promtool-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(directory) }()
	if err := run(directory, "apt-get", "download", "prometheus"); err != nil {
		// The package lists may be missing or outdated. Only root may update
		// them.
		if renewed := run(directory, "apt-get", "update"); renewed != nil {
			return errors.Join(err, renewed)
		}
		if err := run(directory, "apt-get", "download", "prometheus"); err != nil {
			return err
		}
	}
	packages, err := filepath.Glob(filepath.Join(directory, "prometheus_*.deb"))
	if err != nil || len(packages) != 1 {
		return fmt.Errorf("apt-get download left %v", packages)
	}
	if err := run(directory, "dpkg-deb", "--extract", packages[0], "."); err != nil {
		return err
	}
	return os.Rename(filepath.Join(directory, "usr", "bin", "promtool"), into)
}

func run(directory, tool string, arguments ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), download)
	defer cancel()
	command := exec.CommandContext(ctx, tool, arguments...)
	command.Dir = directory
	if combined, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", tool, arguments, err, bytes.TrimSpace(combined))
	}
	return nil
}

// promtoolOn runs promtool in a directory with the rules, without their
// Kubernetes object, and with their tests.
func promtoolOn(t *testing.T, arguments ...string) (output string, err error) {
	t.Helper()
	g := NewWithT(t)
	tool, err := promtool()
	if err != nil {
		t.Skipf("SKIPPED, promtool is missing (install it in the PATH or in bin): %v", err)
	}
	var rule map[string]any
	readYAML(t, rulesFile, &rule)
	groups, err := yaml.Marshal(rule["spec"])
	g.Expect(err).NotTo(HaveOccurred())
	directory := t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(directory, "rules.yaml"), groups, 0o600)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(directory, "alerts.yaml"), read(t, "test/monitoring/testdata/alerts.yaml"), 0o600)).To(Succeed())
	ctx, cancel := context.WithTimeout(t.Context(), download)
	defer cancel()
	command := exec.CommandContext(ctx, tool, arguments...)
	command.Dir = directory
	combined, err := command.CombinedOutput()
	return string(combined), err
}

func TestPromtoolAcceptsTheRules(t *testing.T) {
	output, err := promtoolOn(t, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), output)
}

func TestEveryAlertFiresWhenItShould(t *testing.T) {
	output, err := promtoolOn(t, "test", "rules", "alerts.yaml")
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), output)
}

// Every alert has a test in which it fires, and one in which it does not.
func TestEveryAlertIsTested(t *testing.T) {
	g := NewWithT(t)
	var tests struct {
		RuleFiles          []string `json:"rule_files"`
		EvaluationInterval string   `json:"evaluation_interval"`
		Tests              []struct {
			Name          string `json:"name"`
			Interval      string `json:"interval"`
			InputSeries   []any  `json:"input_series"`
			AlertRuleTest []struct {
				EvalTime  string `json:"eval_time"`
				Alertname string `json:"alertname"`
				ExpAlerts []any  `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		} `json:"tests"`
	}
	readYAML(t, "test/monitoring/testdata/alerts.yaml", &tests)
	fires, rests := map[string]bool{}, map[string]bool{}
	for _, test := range tests.Tests {
		for _, moment := range test.AlertRuleTest {
			if len(moment.ExpAlerts) > 0 {
				fires[moment.Alertname] = true
			} else {
				rests[moment.Alertname] = true
			}
		}
	}
	for _, alert := range alerts(t) {
		g.Expect(fires).To(HaveKey(alert.Alert), "is never tested to fire")
		g.Expect(rests).To(HaveKey(alert.Alert), "is never tested not to fire")
	}
}
