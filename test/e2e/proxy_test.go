package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

// startProxy starts test/proxy, an HTTP proxy with one user, and returns its address.
func startProxy(t *testing.T, user, password string) (proxy *programs.Process, address string) {
	t.Helper()
	g := NewWithT(t)
	binary := filepath.Join(t.TempDir(), "proxy")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, ".")
	build.Dir = filepath.Join("..", "proxy")
	output, err := build.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	proxy, err = programs.Start(binary, filepath.Join(t.TempDir(), "proxy.log"), user, password)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(proxy.Kill)
	listening := regexp.MustCompile(`(?m)^listening (\S+)$`)
	g.Eventually(proxy.Log.Text).Should(MatchRegexp(listening.String()))
	return proxy, "http://" + listening.FindStringSubmatch(proxy.Log.Text())[1]
}

func TestTheOperatorBehindAProxy(t *testing.T) {
	t.Run("[S3] everything is sent through it, and corrected credentials need no restart", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		service := startSimulator(t)
		proxy, address := startProxy(t, "operator", "right-password")
		namespace, credentials := newNamespace(t, service.URL), t.TempDir()
		write := func(file, content string) {
			g.Expect(os.WriteFile(filepath.Join(credentials, file), []byte(content), 0o600)).To(Succeed())
		}
		write("username", "operator")
		write("password", "wrong-password")
		operator := start(t, namespace, "--allowed-hosts="+service.URL, "--databricks-ca-file="+service.CAFile, "--poll-interval-active=200ms",
			"--databricks-proxy="+address, "--databricks-proxy-credentials-dir="+credentials)

		object := newCluster(namespace, "scratch")
		g.Expect(api.Create(t.Context(), object)).To(Succeed())
		g.Eventually(func() string {
			now := &v1alpha1.DatabricksCluster{}
			g.Expect(api.Get(t.Context(), client.ObjectKeyFromObject(object), now)).To(Succeed())
			var messages []string
			for _, condition := range now.Status.Conditions {
				messages = append(messages, condition.Message)
			}
			return strings.Join(messages, "\n")
		}).Should(ContainSubstring("requires other credentials (HTTP 407)"))
		seen, err := service.Requests(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(seen).To(BeEmpty(), "nothing is sent beside the proxy")

		write("password", "right-password")
		g.Eventually(func() string { return readiness(t.Context(), object) }).Should(Equal("True Running"))
		g.Expect(proxy.Log.Text()).To(ContainSubstring("connect " + strings.TrimPrefix(service.URL, "https://")))
		g.Expect(operator.Log.Text()).NotTo(ContainSubstring("-password"))

		g.Expect(api.Delete(t.Context(), object)).To(Succeed())
		g.Eventually(func() bool { return exists(t.Context(), object) }).Should(BeFalse())
	})
}
