package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

// start starts the operator for one namespace; it runs until the test ends.
func start(t *testing.T, namespace string, flags ...string) *programs.Operator {
	t.Helper()
	flags = append(flags, "--kubeconfig="+kubeconfig, "--watch-namespaces="+namespace)
	operator, err := programs.StartOperator(t.Context(), builtBinaries(t).Manager, filepath.Join(t.TempDir(), "operator.log"), flags...)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		operator.Kill()
		if t.Failed() {
			t.Logf("end of the operator's log:\n%s", operator.Log.Tail(40))
		}
	})
	return operator
}

// startSimulator starts a workspace with short transitions; it runs until the
// test ends.
func startSimulator(t *testing.T) *programs.Simulator {
	t.Helper()
	directory := t.TempDir()
	service, err := programs.StartSimulator(t.Context(), builtBinaries(t).Simulator,
		filepath.Join(directory, "simulator.log"), filepath.Join(directory, "ca.pem"), "--time-scale=200")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(service.Kill)
	return service
}

// The lifecycle of an object with the operator and the simulator as separate
// processes, configured only by documented flags.
func TestObjectLifecycle(t *testing.T) {
	t.Run("[case-01] [case-40] Ready, then deleted together with its cluster", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		service := startSimulator(t)
		namespace := newNamespace(t, service.URL)
		start(t, namespace,
			"--allowed-hosts="+service.URL, "--databricks-ca-file="+service.CAFile, "--poll-interval-active=200ms", "--leader-elect=false")

		object := newCluster(namespace, "scratch")
		g.Expect(api.Create(t.Context(), object)).To(Succeed())
		g.Eventually(func() string { return readiness(t.Context(), object) }).Should(Equal("True Running"))
		records, err := service.Clusters(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(records).To(HaveLen(1))
		g.Expect(records[0].State).To(Equal(simulator.Running))
		g.Expect(records[0].Name).To(Equal(namespace + "/scratch"))

		g.Expect(api.Delete(t.Context(), object)).To(Succeed())
		g.Eventually(func() bool { return exists(t.Context(), object) }).Should(BeFalse())
		records, err = service.Clusters(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(records).To(HaveLen(1))
		g.Expect(records[0].Exists()).To(BeFalse())
		g.Expect(service.Owners(t.Context())).To(HaveLen(1))

		requests, err := service.Requests(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		var endpoints []string
		for _, request := range requests {
			endpoints = append(endpoints, strings.TrimPrefix(request.Endpoint, "clusters/"))
		}
		t.Logf("create, Ready, delete: %d Databricks calls: %v", len(endpoints), endpoints)
	})
}

func TestOperatorStopsOnSIGTERM(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	operator := start(t, "default")
	began := time.Now()
	g.Expect(operator.Stop()).To(Succeed())
	g.Expect(operator.ExitCode()).To(Equal(0))
	g.Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
}

func TestProbesRespond(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	operator := start(t, "default")
	for _, path := range []string{"/healthz", "/readyz"} {
		status, _ := httpGet(t, operator.ProbeURL+path, "")
		g.Expect(status).To(Equal(http.StatusOK), path)
	}
}

func TestMetricsRequireAuthorization(t *testing.T) {
	t.Run("[S9] 401 without a token, 403 without permission, never without TLS", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		namespace := newNamespace(t, "https://127.0.0.1:1")
		address := freeAddress(t)
		start(t, namespace, "--metrics-bind-address="+address)
		metrics := "https://" + address + "/metrics"

		g.Eventually(func() int { status, _ := httpGet(t, metrics, ""); return status }).Should(Equal(http.StatusUnauthorized))
		_, body := httpGet(t, metrics, "no-such-token")
		g.Expect(body).NotTo(ContainSubstring("controller_runtime"))
		unauthorized := newToken(t, namespace, "stranger")
		status, _ := httpGet(t, metrics, unauthorized)
		g.Expect(status).To(Equal(http.StatusForbidden))
		reader := newToken(t, namespace, "reader")
		allowMetrics(t, namespace, "reader")
		g.Eventually(func() string { _, body := httpGet(t, metrics, reader); return body }).Should(ContainSubstring("controller_runtime_reconcile_total"))
		_, body = httpGet(t, "http://"+address+"/metrics", reader)
		g.Expect(body).NotTo(ContainSubstring("controller_runtime"))
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap"} {
			status, _ = httpGet(t, "https://"+address+path, reader)
			g.Expect(status).NotTo(Equal(http.StatusOK), path)
		}
	})
}

func TestTheMetricsHaveACertificateOfTheirOwn(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	directory, address := t.TempDir(), freeAddress(t)
	const service = "databricks-operator-metrics.databricks-operator-system.svc"
	verified := func(authority []byte) error {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(authority)
		dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: service}}
		connection, err := dialer.DialContext(t.Context(), "tcp", address)
		if err != nil {
			return err
		}
		return connection.Close()
	}

	first := issueCertificate(t, directory, service)
	start(t, newNamespace(t, "https://127.0.0.1:1"), "--metrics-bind-address="+address, "--metrics-cert-dir="+directory)
	g.Eventually(verified).WithArguments(first).Should(Succeed())

	renewed := issueCertificate(t, directory, service)
	g.Eventually(verified).WithArguments(renewed).Should(Succeed(), "without a restart")
	g.Expect(verified(first)).NotTo(Succeed())
}

// issueCertificate writes tls.crt and tls.key of a new self-signed certificate, and
// returns it.
func issueCertificate(t *testing.T, directory, name string) []byte {
	t.Helper()
	g := NewWithT(t)
	certificate, key, err := cert.GenerateSelfSignedCertKey(name, nil, nil)
	g.Expect(err).NotTo(HaveOccurred())
	for file, content := range map[string][]byte{"tls.key": key, "tls.crt": certificate} {
		g.Expect(os.WriteFile(filepath.Join(directory, file), content, 0o600)).To(Succeed())
	}
	return certificate
}

// httpGet sends a GET, with a bearer token unless it is empty.
func httpGet(t *testing.T, url, token string) (status int, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	httpClient := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // a self-signed certificate
		DisableKeepAlives: true,
	}}
	answer, err := httpClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, 4<<20))
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(content)
}

// freeAddress returns an address with an unused port.
func freeAddress(t *testing.T) string {
	t.Helper()
	g := NewWithT(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(listener.Close()).To(Succeed())
	return listener.Addr().String()
}

// newToken creates a service account and returns a token for it.
func newToken(t *testing.T, namespace, name string) string {
	t.Helper()
	g := NewWithT(t)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	g.Expect(api.Create(t.Context(), account)).To(Succeed())
	request := &authenticationv1.TokenRequest{}
	g.Expect(api.SubResource("token").Create(t.Context(), account, request)).To(Succeed())
	return request.Status.Token
}

// allowMetrics allows a service account to read metrics, like config/rbac.
func allowMetrics(t *testing.T, namespace, account string) {
	t.Helper()
	g := NewWithT(t)
	name := namespace + "-" + account
	objects := []client.Object{
		&rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Rules:      []rbacv1.PolicyRule{{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}}},
		},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}},
		},
	}
	for object := range slices.Values(objects) {
		g.Expect(api.Create(t.Context(), object)).To(Succeed())
	}
}
