package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/test/programs"
)

// runToExit runs a program until it exits, and returns its exit code and
// output.
func runToExit(t *testing.T, binary string, arguments ...string) (code int, output string) {
	t.Helper()
	process, err := programs.Start(binary, filepath.Join(t.TempDir(), "said"), arguments...)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(process.Kill)
	return process.ExitCode(), process.Log.Text()
}

func TestHelpListsEveryFlag(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	code, help := runToExit(t, builtBinaries(t).Manager, "--help")
	g.Expect(code).To(Equal(0))
	for _, flag := range []string{
		"--allowed-hosts", "--namespace-hosts", "--databricks-ca-file", "--databricks-proxy", "--databricks-proxy-credentials-dir", "--default-credentials-secret", "--operator-id", "--owner-tag",
		"--workspaces", "--operator-namespace", "--operator-service-account", "--watch-namespaces", "--watch-label-selector", "--shard", "--workspace-status",
		"--workers", "--max-requests-per-second", "--request-headroom", "--request-timeout",
		"--poll-interval-active", "--poll-interval-quiet", "--create-window", "--visibility-grace",
		"--leader-elect", "--leader-election-lease-duration", "--leader-election-namespace", "--metrics-bind-address", "--metrics-secure", "--metrics-cert-dir",
		"--health-probe-bind-address", "--version", "--kubeconfig", "--zap-log-level",
	} {
		g.Expect(help).To(ContainSubstring(flag + " "))
	}
}

func TestProgramsPrintTheirVersion(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	for binary, want := range map[string]string{builtBinaries(t).Manager: "databricks-operator ", builtBinaries(t).Simulator: "databricks-operator simulator "} {
		code, output := runToExit(t, binary, "--version")
		g.Expect(code).To(Equal(0))
		g.Expect(output).To(HavePrefix(want))
		g.Expect(strings.Count(output, "\n")).To(Equal(1))
	}
}

// An invalid command line fails at once, before any connection; the error names
// the flag, the value and a remedy.
func TestBadFlagsAreRejected(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	NewWithT(t).Expect(os.WriteFile(empty, nil, 0o600)).To(Succeed())
	for name, c := range map[string]struct {
		arguments []string
		want      []string
	}{
		"unknown flag":    {[]string{"--allowed-host=x"}, []string{"unknown flag: --allowed-host", "--help"}},
		"argument":        {[]string{"serve"}, []string{`"serve" is no flag`, "--help"}},
		"not a number":    {[]string{"--workers=many"}, []string{`"many"`, "--workers", "--help"}},
		"no workers":      {[]string{"--workers=0"}, []string{"--workers 0: at least 1 is needed"}},
		"operator id":     {[]string{"--operator-id=PROD"}, []string{`--operator-id "PROD"`, "8 lower-case hex digits"}},
		"odd adoption":    {[]string{"--adoption-policy=Always"}, []string{`--adoption-policy "Always"`, "AdoptOrCreate"}},
		"predecessor":     {[]string{"--predecessors=PROD"}, []string{`--predecessors "PROD"`, "8 lower-case hex digits"}},
		"no namespace":    {[]string{"--operator-namespace=My_Own"}, []string{`--operator-namespace "My_Own" is not a namespace's name`}},
		"odd namespace":   {[]string{"--watch-namespaces=team-a,Team_B"}, []string{`--watch-namespaces "Team_B" is not a namespace's name`}},
		"odd selector":    {[]string{"--watch-label-selector=shard in a"}, []string{`--watch-label-selector "shard in a"`, "kubectl get -l"}},
		"nameless shard":  {[]string{"--watch-label-selector=shard=a", "--leader-elect"}, []string{"--watch-label-selector", "needs a --shard"}},
		"odd shard":       {[]string{"--shard=Team_A", "--watch-label-selector=shard=a"}, []string{`--shard "Team_A" is not a name`}},
		"shard of all":    {[]string{"--shard=a"}, []string{`--shard "a" works on all objects`, "--watch-label-selector"}},
		"broken lease":    {[]string{"--leader-election-lease-duration=1500ms"}, []string{"--leader-election-lease-duration 1.5s", "at least 2s"}},
		"no requests":     {[]string{"--max-requests-per-second=0"}, []string{"--max-requests-per-second 0: must be above 0"}},
		"all headroom":    {[]string{"--request-headroom=1"}, []string{"--request-headroom 1", "below 1"}},
		"no unit":         {[]string{"--request-timeout=30"}, []string{`"30"`, "--request-timeout", "--help"}},
		"no time":         {[]string{"--poll-interval-quiet=0s"}, []string{"--poll-interval-quiet 0s: must be above 0"}},
		"short window":    {[]string{"--create-window=10ms"}, []string{"--create-window 10ms: must be at least 1s"}},
		"plain http":      {[]string{"--allowed-hosts=http://10.0.0.1"}, []string{"--allowed-hosts", "http://10.0.0.1", "https://"}},
		"a rule for none": {[]string{"--namespace-hosts=https://a.example.com"}, []string{`--namespace-hosts "https://a.example.com"`, "namespace=host"}},
		"API audience":    {[]string{"--allowed-token-audiences=https://kubernetes.default.svc"}, []string{`--allowed-token-audiences "https://kubernetes.default.svc"`, "federation policy"}},
		"no certificate":  {[]string{"--metrics-cert-dir=/no/such"}, []string{`--metrics-cert-dir "/no/such"`, "tls.crt"}},
		"no TLS":          {[]string{"--metrics-cert-dir=/x", "--metrics-secure=false"}, []string{`--metrics-cert-dir "/x"`, "--metrics-secure=false"}},
		"odd proxy":       {[]string{"--databricks-proxy=proxy:3128"}, []string{`--databricks-proxy "proxy:3128"`, "http://"}},
		"no credentials":  {[]string{"--databricks-proxy=http://proxy:3128", "--databricks-proxy-credentials-dir=/no/such"}, []string{`--databricks-proxy-credentials-dir "/no/such"`, "username"}},
		"missing CA file": {[]string{"--databricks-ca-file=/no/such.pem"}, []string{"--databricks-ca-file", "/no/such.pem"}},
		"empty CA file":   {[]string{"--databricks-ca-file=" + empty}, []string{"--databricks-ca-file", empty, "PEM"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			code, output := runToExit(t, builtBinaries(t).Manager, append(c.arguments, "--kubeconfig=/no/such/kubeconfig")...)
			g.Expect(code).To(Equal(2), output)
			for _, want := range c.want {
				g.Expect(output).To(ContainSubstring(want))
			}
		})
	}
}

func TestErrorNamesTheMissingKubeconfig(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	code, output := runToExit(t, builtBinaries(t).Manager, "--kubeconfig=/no/such/kubeconfig")
	g.Expect(code).To(Equal(1))
	g.Expect(output).To(ContainSubstring("/no/such/kubeconfig"))
	g.Expect(output).To(ContainSubstring("--kubeconfig"))
}
