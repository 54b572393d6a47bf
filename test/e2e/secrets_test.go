package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// The secrets of this test are long, so that parts of them can be looked for as well.
const (
	workspaceToken   = "dapi5b7e09c1d2f34a6880e1c4d79ab3f602"
	registryPassword = "registry-password-9f31c07be2d84a55"
)

// forms returns how a secret may be written, each also in part.
func forms(secret string) map[string]string {
	return map[string]string{
		"raw":         secret,
		"a part":      secret[len(secret)/4 : 3*len(secret)/4],
		"base64":      strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "=")[:20],
		"URL base64":  strings.TrimRight(base64.URLEncoding.EncodeToString([]byte(secret)), "=")[:20],
		"hex":         hex.EncodeToString([]byte(secret))[:24],
		"URL-encoded": url.QueryEscape(secret),
	}
}

// dumpLine is a line of a hex dump, with its bytes.
var dumpLine = regexp.MustCompile(`[0-9a-f]{8} {2}((?:[0-9a-f]{2} {1,2}){1,16}) *\|`)

// undumped returns the bytes of all hex dumps in a text.
func undumped(text string) string {
	var all []byte
	for _, line := range dumpLine.FindAllStringSubmatch(text, -1) {
		decoded, err := hex.DecodeString(strings.ReplaceAll(line[1], " ", ""))
		if err == nil {
			all = append(all, decoded...)
		}
	}
	return string(all)
}

// expectNoSecret fails if a text contains a secret in any form.
func expectNoSecret(t *testing.T, where, text string, secrets ...string) {
	t.Helper()
	text += undumped(text)
	for _, secret := range secrets {
		for form, looked := range forms(secret) {
			if at := strings.Index(text, looked); at >= 0 {
				t.Errorf("%s has a secret (%s): …%s…", where, form, text[max(0, at-120):min(len(text), at+len(looked)+40)])
			}
		}
	}
}

func TestNoSecretAtTheHighestVerbosity(t *testing.T) {
	t.Run("[S7] not in the log, the status or an event, though the workspace quotes what it was sent", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		service := startSimulator(t)
		namespace := newNamespace(t, service.URL)
		g.Expect(service.Do(t.Context(), http.MethodPost, "tokens", map[string]any{"user_name": simulator.DefaultUser, "token": workspaceToken}, nil)).To(Succeed())
		var credentials corev1.Secret
		g.Expect(api.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "databricks-credentials"}, &credentials)).To(Succeed())
		credentials.Data["DATABRICKS_TOKEN"] = []byte(workspaceToken)
		g.Expect(api.Update(t.Context(), &credentials)).To(Succeed())
		g.Expect(api.Create(t.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "registry", Namespace: namespace, Labels: map[string]string{v1alpha1.LabelUse: v1alpha1.UseRegistry}},
			StringData: map[string]string{"username": "robot", "password": registryPassword},
		})).To(Succeed())
		for _, fault := range []map[string]any{
			{"endpoint": "clusters/create", "times": 1, "status": http.StatusBadRequest, "error_code": "INVALID_PARAMETER_VALUE", "message": "cannot pull with " + registryPassword},
			{"endpoint": "clusters/resize", "times": 1, "status": http.StatusForbidden, "error_code": "PERMISSION_DENIED", "message": "token " + workspaceToken + " may not resize"},
		} {
			g.Expect(service.Do(t.Context(), http.MethodPost, "faults", fault, nil)).To(Succeed())
		}
		operator := start(t, namespace, "--zap-log-level=10", "--allowed-hosts="+service.URL, "--databricks-ca-file="+service.CAFile,
			"--poll-interval-active=200ms", "--leader-elect=false")

		object := newCluster(namespace, "scratch")
		object.Spec.DockerImage = &v1alpha1.DockerImage{URL: "registry.example.com/spark:1", BasicAuthSecretRef: &v1alpha1.LocalSecretReference{Name: "registry"}}
		g.Expect(api.Create(t.Context(), object)).To(Succeed())
		g.Eventually(func() string { return readiness(t.Context(), object) }).Should(Equal("False InvalidSpec"))
		edit := func(workers int32) {
			g.Eventually(func() error {
				g.Expect(api.Get(t.Context(), client.ObjectKeyFromObject(object), object)).To(Succeed())
				object.Spec.NumWorkers = new(workers)
				return api.Update(t.Context(), object)
			}).Should(Succeed())
		}
		edit(2)
		g.Eventually(func() string { return readiness(t.Context(), object) }).Should(Equal("True Running"))
		edit(3)
		g.Eventually(func() string { return readiness(t.Context(), object) }).Should(Equal("False PermissionDenied"))

		secrets := []string{workspaceToken, registryPassword}
		expectNoSecret(t, "the log", operator.Log.Text(), secrets...)
		g.Expect(operator.Log.Text()).To(ContainSubstring("Reconciling"), "the log is verbose")
		g.Expect(api.Get(t.Context(), client.ObjectKeyFromObject(object), object)).To(Succeed())
		var events eventsv1.EventList
		g.Expect(api.List(t.Context(), &events, client.InNamespace(namespace))).To(Succeed())
		shown, err := json.Marshal([]any{object, events.Items})
		g.Expect(err).NotTo(HaveOccurred())
		expectNoSecret(t, "the object or an event", string(shown), secrets...)
	})
}
