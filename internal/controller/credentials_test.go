package controller_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// call makes a request that does not come from the operator.
func (r *rig) call(method, path, body string) string {
	r.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.workspace.CAPEM)
	outside := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	defer outside.CloseIdleConnections()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.workspace.URL+path, strings.NewReader(body))
	r.Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Authorization", "Bearer "+simulator.DefaultToken)
	answer, err := outside.Do(request)
	r.Expect(err).NotTo(HaveOccurred())
	content, err := io.ReadAll(answer.Body)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(answer.Body.Close()).To(Succeed())
	r.Expect(answer.StatusCode).To(Equal(http.StatusOK))
	return string(content)
}

func TestObserve(t *testing.T) {
	t.Parallel()
	t.Run("[case-56] the state of an observed cluster is reported and the cluster is never changed, not even on deletion", func(t *testing.T) {
		r := newRig(t)
		id, err := r.workspace.AddCluster(simulator.Seed{State: "RUNNING", Creator: "someone.else@example.com"})
		r.Expect(err).NotTo(HaveOccurred())
		r.start()
		cluster := r.create(&v1alpha1.DatabricksCluster{
			ObjectMeta: metav1.ObjectMeta{Name: "watched", Namespace: r.namespace},
			Spec: v1alpha1.DatabricksClusterSpec{
				OperatorSpec: v1alpha1.OperatorSpec{ClusterID: id, ManagementPolicy: v1alpha1.ManagementPolicyObserve},
				ClusterSpec:  v1alpha1.ClusterSpec{NumWorkers: new(int32(7))},
			},
		})
		observed := r.becomes(cluster, "Ready=Observed")
		r.Expect(observed.Status.State).To(Equal("RUNNING"))
		r.Expect(observed.Status.ClusterID).To(Equal(id))
		r.becomes(cluster, "Synced!=DriftDetected")

		r.Expect(r.workspace.EndElsewhere(id, simulator.TerminationReason{Code: "USER_REQUEST", Type: "SUCCESS"})).To(Succeed())
		r.Eventually(func() string { return r.get(cluster).Status.State }).Should(Equal("TERMINATED"))
		r.becomes(cluster, "Ready=Observed")
		r.remove(cluster)
		r.gone(cluster)
		r.Expect(r.writes()).To(BeEmpty())
	})

	t.Run("an id that does not exist is reported", func(t *testing.T) {
		r := newRig(t)
		r.start()
		cluster := r.create(r.small("lost", func(s *v1alpha1.DatabricksClusterSpec) { s.ClusterID = "0101-000000-nowhere0" }))
		r.becomes(cluster, "Stalled=AdoptionTargetNotFound")
		r.Expect(r.writes()).To(BeEmpty())
	})
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	t.Run("[case-57] a rotated token is used without a restart, whether the old one is refused or not", func(t *testing.T) {
		r := newRig(t)
		r.start()
		cluster := r.create(r.small("scratch"))
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.workspace.AddToken("", simulator.DefaultUser, "dapi-second")).To(Succeed())
		r.Expect(r.workspace.AddToken("", simulator.DefaultUser, "dapi-third")).To(Succeed())

		r.putSecret(defaultSecret, r.workspace.URL, "dapi-second")
		r.Eventually(func() int { return len(r.workspace.RequestsTo("scim/me")) }).Should(Equal(2))
		r.workspace.RevokeToken(simulator.DefaultToken)
		r.Consistently(func() []string { return conditions(r.get(cluster)) }).Should(ContainElements("Ready=Running", "Synced=InSync"))

		r.workspace.RevokeToken("dapi-second")
		r.becomes(cluster, "Stalled=AuthenticationFailed")
		r.putSecret(defaultSecret, r.workspace.URL, "dapi-third")
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.writes()).To(Equal([]string{"create"}))
	})

	t.Run("[case-57] a changed host stalls the object and gets no request, not even on deletion", func(t *testing.T) {
		r := newRig(t)
		other := r.newWorkspace(simulator.Options{})
		r.start()
		cluster := r.create(r.small("scratch"))
		r.becomes(cluster, "Ready=Running")
		r.putSecret(defaultSecret, other.URL, simulator.DefaultToken)
		stalled := r.becomes(cluster, "Stalled=HostChanged")
		r.Expect(message(stalled, "Stalled")).To(And(ContainSubstring(r.workspace.URL), ContainSubstring(other.URL)))
		r.remove(cluster)
		r.Eventually(func() string { return message(r.get(cluster), "Stalled") }).Should(ContainSubstring("deletionPolicy: Retain"))
		r.Expect(other.Requests()).To(BeEmpty())
		r.Expect(r.live()).To(HaveLen(1))

		r.putSecret(defaultSecret, r.workspace.URL, simulator.DefaultToken)
		r.gone(cluster)
		r.Expect(r.live()).To(BeEmpty())
	})

	t.Run("[case-85] a wrong host in the Secret is corrected and detected long before a working Secret is read again", func(t *testing.T) {
		r := newRig(t)
		r.options.Credentials.Refresh = time.Hour
		other := r.newWorkspace(simulator.Options{})
		r.hosts = append(r.hosts, other.URL)
		r.start()
		cluster := r.create(r.small("scratch"))
		r.becomes(cluster, "Ready=Running")
		// Only an operator that starts after the change reads the wrong host.
		r.stop()
		r.putSecret(defaultSecret, other.URL, simulator.DefaultToken)
		r.start()
		r.becomes(cluster, "Stalled=HostChanged")
		r.putSecret(defaultSecret, r.workspace.URL, simulator.DefaultToken)
		r.becomes(cluster, "Ready=Running")

		r.putSecret("closed", "https://127.0.0.1:1", simulator.DefaultToken)
		r.hosts = append(r.hosts, "https://127.0.0.1:1")
		r.stop()
		r.start()
		unreached := r.create(r.small("unreached", usesSecret("closed")))
		r.Eventually(func() string { return message(r.get(unreached), "Ready") }).Should(ContainSubstring("127.0.0.1:1"))
		r.putSecret("closed", r.workspace.URL, simulator.DefaultToken)
		r.becomes(unreached, "Ready=Running")
	})

	t.Run("[case-58] a missing Secret is awaited, then reported, and detected when it is created", func(t *testing.T) {
		r := newRig(t)
		r.withShortGrace()
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: defaultSecret, Namespace: r.namespace}}
		r.Expect(r.api.Delete(t.Context(), secret)).To(Succeed())
		r.start()
		cluster := r.create(r.small("scratch"))
		waiting := r.becomes(cluster, "Reconciling=CredentialsNotReady")
		r.Expect(message(waiting, "Ready")).To(And(ContainSubstring(defaultSecret), ContainSubstring(r.namespace), ContainSubstring("DATABRICKS_TOKEN")))
		r.becomes(cluster, "Stalled=CredentialsInvalid")
		r.putSecret(defaultSecret, r.workspace.URL, simulator.DefaultToken)
		r.becomes(cluster, "Ready=Running")
	})

	t.Run("an incomplete Secret is reported with its keys and never with its values", func(t *testing.T) {
		r := newRig(t)
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "half", Namespace: r.namespace}, Data: map[string][]byte{
			"DATABRICKS_HOST": []byte(r.workspace.URL), "client_secret": []byte("dose-canary"),
		}}
		r.Expect(r.api.Create(t.Context(), secret)).To(Succeed())
		r.start()
		stalled := r.becomes(r.create(r.small("scratch", usesSecret("half"))), "Stalled=CredentialsInvalid")
		r.Expect(message(stalled, "Stalled")).To(ContainSubstring("client_id"))
		r.Expect(message(stalled, "Stalled")).NotTo(ContainSubstring("canary"))
		r.Expect(r.workspace.Requests()).To(BeEmpty())
	})

	t.Run("a host that is not allowed is reported and gets no request", func(t *testing.T) {
		r := newRig(t)
		other := r.newWorkspace(simulator.Options{})
		r.putSecret("elsewhere", strings.Replace(other.URL, "127.0.0.1", "localhost", 1), simulator.DefaultToken)
		r.start()
		r.becomes(r.create(r.small("scratch", usesSecret("elsewhere"))), "Stalled=HostNotAllowed")
		r.Expect(other.Requests()).To(BeEmpty())
	})

	t.Run("a token that is refused at the first call is reported", func(t *testing.T) {
		r := newRig(t)
		r.putSecret("wrong", r.workspace.URL, "dapi-wrong")
		r.start()
		r.becomes(r.create(r.small("scratch", usesSecret("wrong"))), "Stalled=AuthenticationFailed")
		r.Expect(r.workspace.RequestsTo("clusters/create")).To(BeEmpty())
	})

	t.Run("the Secret may have an OAuth credential of a service principal", func(t *testing.T) {
		r := newRig(t, simulator.Options{Workspaces: []simulator.Workspace{{Principals: []simulator.Principal{
			{UserName: "5f0c-app", ClientSecret: "dose-secret"},
		}}}})
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "oauth", Namespace: r.namespace}, Data: map[string][]byte{
			"host": []byte(r.workspace.URL), "client_id": []byte("5f0c-app"), "client_secret": []byte("dose-secret"),
		}}
		r.Expect(r.api.Create(t.Context(), secret)).To(Succeed())
		r.start()
		r.becomes(r.create(r.small("scratch", usesSecret("oauth"))), "Ready=Running")
	})
}

func usesSecret(name string) func(*v1alpha1.DatabricksClusterSpec) {
	return func(s *v1alpha1.DatabricksClusterSpec) {
		s.Connection = &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: name}}
	}
}
