package databricks

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/databricks/databricks-sdk-go/config"
	. "github.com/onsi/gomega"
)

// setAmbientCredentials sets every other source in which the SDK looks for credentials:
// its environment variables, a ~/.databrickscfg, programs on the PATH, a metadata
// service and a proxy. It returns the number of requests to the servers among them, and
// the path of a file that exists if one of the programs was run.
func setAmbientCredentials(t *testing.T) (requests *atomic.Int32, ran string) {
	t.Helper()
	g := NewWithT(t)
	requests = new(atomic.Int32)
	decoy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = io.WriteString(w, `{"access_token":"ambient","expires_in":3600,"cluster_id":"c1"}`)
	}))
	t.Cleanup(decoy.Close)

	home := t.TempDir()
	ran = filepath.Join(home, "ran")
	bin := filepath.Join(home, "bin")
	g.Expect(os.Mkdir(bin, 0o700)).To(Succeed())
	script := fmt.Sprintf("#!/bin/sh\necho \"$0\" >> %s\necho '{\"access_token\":\"ambient\",\"accessToken\":\"ambient\"}'\n", ran)
	for _, program := range []string{"databricks", "az", "gcloud", "google-chrome", "xdg-open"} {
		g.Expect(os.WriteFile(filepath.Join(bin, program), []byte(script), 0o700)).To(Succeed())
	}
	profile := fmt.Sprintf("[DEFAULT]\nhost = %s\ntoken = ambient\n[other]\nhost = %s\ntoken = ambient\n", decoy.URL, decoy.URL)
	g.Expect(os.WriteFile(filepath.Join(home, ".databrickscfg"), []byte(profile), 0o600)).To(Succeed())
	google := filepath.Join(home, "google.json")
	g.Expect(os.WriteFile(google, []byte(`{"type":"service_account"}`), 0o600)).To(Succeed())

	for _, attribute := range config.ConfigAttributes {
		for _, name := range attribute.EnvVars {
			t.Setenv(name, "ambient")
		}
	}
	decoyHost, err := url.Parse(decoy.URL)
	g.Expect(err).NotTo(HaveOccurred())
	for name, value := range map[string]string{
		"HOME": home, "USERPROFILE": home, "PATH": bin + ":" + os.Getenv("PATH"), "DATABRICKS_CLI_PATH": filepath.Join(bin, "databricks"),
		"DATABRICKS_CONFIG_FILE": filepath.Join(home, ".databrickscfg"), "DATABRICKS_CONFIG_PROFILE": "other",
		"DATABRICKS_HOST": decoy.URL, "DATABRICKS_METADATA_SERVICE_URL": decoy.URL, "DATABRICKS_DISCOVERY_URL": decoy.URL,
		"DATABRICKS_AUTH_TYPE": "", "DATABRICKS_OIDC_TOKEN": "ambient", "DATABRICKS_OIDC_TOKEN_FILEPATH": google,
		"ARM_USE_MSI": "true", "MSI_ENDPOINT": decoy.URL, "IDENTITY_ENDPOINT": decoy.URL, "AZURE_CLIENT_ID": "ambient", "AZURE_CLIENT_SECRET": "ambient",
		"ACTIONS_ID_TOKEN_REQUEST_URL": decoy.URL, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "ambient", "SYSTEM_ACCESSTOKEN": "ambient",
		"GOOGLE_APPLICATION_CREDENTIALS": google, "GCE_METADATA_HOST": decoyHost.Host, "GOOGLE_CREDENTIALS": google,
		"HTTP_PROXY": decoy.URL, "HTTPS_PROXY": decoy.URL, "ALL_PROXY": decoy.URL, "NO_PROXY": "",
		"http_proxy": decoy.URL, "https_proxy": decoy.URL, "DATABRICKS_RATE_LIMIT": "1", "DATABRICKS_DEBUG_HEADERS": "true",
	} {
		t.Setenv(name, value)
	}
	return requests, ran
}

func TestOnlyTheSecretIsUsed(t *testing.T) {
	requests, ran := setAmbientCredentials(t)
	g := NewWithT(t)

	// The setup is effective, because the SDK uses these credentials by default.
	var sdk config.Config
	t.Setenv("DATABRICKS_RATE_LIMIT", "15")
	t.Setenv("DATABRICKS_DEBUG_TRUNCATE_BYTES", "96")
	t.Setenv("DATABRICKS_OAUTH_CALLBACK_PORT", "8020")
	t.Setenv("DATABRICKS_DISABLE_OAUTH_REFRESH_TOKEN", "false")
	_ = sdk.EnsureResolved()
	g.Expect(sdk.Token).To(Equal("ambient"))
	requests.Store(0)
	_ = os.Remove(ran)

	var server *workspace
	server = newWorkspace(t, (&issuer{}).serve(func() string { return server.URL }))
	for _, tc := range []struct {
		secret map[string]string
		want   string
	}{
		{map[string]string{"token": testSecret}, "Bearer " + testSecret},
		{map[string]string{"client_id": "id", "client_secret": testSecret}, "Bearer token-1"},
	} {
		tc.secret["host"] = server.URL
		client := server.clientOf(t, tc.secret)
		g.Expect(read(t.Context(), client)).To(Succeed())
		g.Expect(write(t.Context(), client)).To(Succeed())
		requests := server.received()
		g.Expect(requests[len(requests)-1].header.Get("Authorization")).To(Equal(tc.want))
	}
	for _, request := range server.received() {
		g.Expect(fmt.Sprint(request)).NotTo(ContainSubstring("ambient"))
	}

	// A value that a Secret lacks is not taken from another source.
	for _, secret := range []map[string]string{
		{},
		{"host": server.URL},
		{"token": testSecret},
		{"host": server.URL, "client_id": "id"},
		{"host": server.URL, "auth_type": "databricks-cli"},
		{"host": server.URL, "auth_type": "azure-cli"},
		{"host": server.URL, "auth_type": "azure-msi"},
		{"host": server.URL, "auth_type": "metadata-service"},
		{"host": server.URL, "auth_type": "github-oidc"},
		{"host": server.URL, "auth_type": "env-oidc"},
		{"host": server.URL, "auth_type": "pat"},
		{"host": server.URL, "auth_type": "google-credentials"},
		{"host": server.URL, "auth_type": "file-oidc"},
	} {
		_, err := ParseSecret(asData(secret))
		g.Expect(err).To(HaveOccurred(), "%v", secret)
	}
	g.Expect(requests.Load()).To(BeZero(), "an ambient source was used")
	g.Expect(ran).NotTo(BeAnExistingFile(), "a program was run")
}
