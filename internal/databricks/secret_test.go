package databricks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const someHost = "https://dbc-1.cloud.databricks.com"

func TestParseSecretAcceptsBothKeysOfAnAttribute(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		secret   map[string]string
		authType string
	}{
		"pat":                   {map[string]string{"host": someHost, "token": testSecret}, "pat"},
		"pat by environment":    {map[string]string{"DATABRICKS_HOST": someHost, "DATABRICKS_TOKEN": testSecret}, "pat"},
		"mixed":                 {map[string]string{"DATABRICKS_HOST": someHost, "token": testSecret}, "pat"},
		"the same twice":        {map[string]string{"host": someHost, "DATABRICKS_HOST": someHost + "\n", "token": testSecret, "DATABRICKS_TOKEN": " " + testSecret}, "pat"},
		"newlines at the end":   {map[string]string{"host": someHost + "\r\n", "token": "\t" + testSecret + "\n\n"}, "pat"},
		"oauth":                 {map[string]string{"host": someHost, "client_id": "id", "client_secret": testSecret}, "oauth-m2m"},
		"oauth by environment":  {map[string]string{"DATABRICKS_HOST": someHost, "DATABRICKS_CLIENT_ID": "id", "DATABRICKS_CLIENT_SECRET": testSecret}, "oauth-m2m"},
		"two, and which":        {map[string]string{"host": someHost, "token": testSecret, "client_id": "id", "client_secret": testSecret, "auth_type": "oauth-m2m"}, "oauth-m2m"},
		"two, and the other":    {map[string]string{"host": someHost, "token": testSecret, "client_id": "id", "client_secret": testSecret, "DATABRICKS_AUTH_TYPE": "pat"}, "pat"},
		"other keys and blanks": {map[string]string{"host": someHost, "token": testSecret, "client_id": " ", "note": "\x00\xff", "cluster_id": "x"}, "pat"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			config := parse(t, tc.secret)
			g.Expect(config.Host()).To(Equal(someHost))
			g.Expect(config.AuthType()).To(Equal(tc.authType))
			for _, value := range config.credential.secrets() {
				g.Expect(value).To(Equal(testSecret))
			}
		})
	}
}

func TestErrorsAboutASecretHaveTheKeyAndAdvice(t *testing.T) {
	t.Parallel()
	const supportedWays = "token (pat), or client_id and client_secret (oauth-m2m)"
	for name, tc := range map[string]struct {
		secret map[string]string
		want   []string
	}{
		"empty":             {map[string]string{}, []string{"no host", "host (or DATABRICKS_HOST)"}},
		"no host":           {map[string]string{"token": testSecret}, []string{"no host", "host (or DATABRICKS_HOST)"}},
		"no credential":     {map[string]string{"host": someHost}, []string{"no credential", supportedWays}},
		"hosts differ":      {map[string]string{"host": someHost, "DATABRICKS_HOST": "https://dbc-2.cloud.databricks.com", "token": testSecret}, []string{"host and DATABRICKS_HOST contradict"}},
		"tokens differ":     {map[string]string{"host": someHost, "token": testSecret, "DATABRICKS_TOKEN": testSecret + "x"}, []string{"token and DATABRICKS_TOKEN contradict"}},
		"two ways":          {map[string]string{"host": someHost, "token": testSecret, "client_id": "id", "client_secret": testSecret}, []string{"pat, oauth-m2m", "auth_type (or DATABRICKS_AUTH_TYPE)"}},
		"two ways, half":    {map[string]string{"host": someHost, "token": testSecret, "client_secret": testSecret}, []string{"more than one way", "auth_type"}},
		"two ways, azure":   {map[string]string{"host": someHost, "token": testSecret, "ARM_CLIENT_SECRET": testSecret}, []string{"pat, azure-client-secret"}},
		"half of oauth":     {map[string]string{"host": someHost, "client_id": "id"}, []string{"lacks the key client_secret (or DATABRICKS_CLIENT_SECRET)"}},
		"other half":        {map[string]string{"host": someHost, "client_secret": testSecret}, []string{"lacks the key client_id (or DATABRICKS_CLIENT_ID)"}},
		"type without keys": {map[string]string{"host": someHost, "token": testSecret, "auth_type": "oauth-m2m"}, []string{"lacks the key client_id"}},
		"unknown type":      {map[string]string{"host": someHost, "token": testSecret, "auth_type": "magic-" + testSecret}, []string{"auth_type (or DATABRICKS_AUTH_TYPE)", "unknown", supportedWays}},
		"cli":               {map[string]string{"host": someHost, "auth_type": "databricks-cli"}, []string{"unknown", supportedWays}},
		"metadata":          {map[string]string{"host": someHost, "auth_type": "azure-msi"}, []string{"unknown", supportedWays}},
		"azure elsewhere":   {map[string]string{"host": someHost, "azure_client_id": "id", "azure_client_secret": testSecret, "azure_tenant_id": "t"}, []string{"host (or DATABRICKS_HOST)", "no workspace on Azure"}},
		"azure, tenant":     {map[string]string{"host": azureHost, "azure_client_id": "id", "azure_client_secret": testSecret, "azure_tenant_id": testSecret + "/../x"}, []string{"azure_tenant_id (or ARM_TENANT_ID)", "tenant"}},
		"azure, half":       {map[string]string{"host": azureHost, "azure_client_secret": testSecret, "azure_tenant_id": "t"}, []string{"azure_client_id (or ARM_CLIENT_ID)"}},
		"google elsewhere":  {map[string]string{"host": someHost, "GOOGLE_CREDENTIALS": googleDocument(nil)}, []string{"host (or DATABRICKS_HOST)", "no workspace on GCP"}},
		"google, path":      {map[string]string{"host": googleHost, "GOOGLE_CREDENTIALS": "/" + testSecret}, []string{"google_credentials (or GOOGLE_CREDENTIALS)", "no JSON"}},
		"google, type":      {map[string]string{"host": googleHost, "google_credentials": googleDocument(map[string]string{"type": testSecret})}, []string{"service_account"}},
		"google, elsewhere": {map[string]string{"host": googleHost, "google_credentials": googleDocument(map[string]string{"token_uri": "https://" + testSecret})}, []string{"token_uri", "not sent there"}},
		"google, no mail":   {map[string]string{"host": googleHost, "google_credentials": googleDocument(map[string]string{"client_email": ""})}, []string{"client_email"}},
		"google, no PEM":    {map[string]string{"host": googleHost, "google_credentials": googleDocument(map[string]string{"private_key": testSecret})}, []string{"PEM"}},
		"google, no key":    {map[string]string{"host": googleHost, "google_credentials": googleDocument(map[string]string{"private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"})}, []string{"RSA"}},
		"google id":         {map[string]string{"host": googleHost, "google_service_account": "a@b"}, []string{"google-id", supportedWays}},
		"basic":             {map[string]string{"host": someHost, "username": "u", "password": testSecret}, []string{"basic", supportedWays}},
		"token with spaces": {map[string]string{"host": someHost, "token": testSecret + " " + testSecret}, []string{"key token has spaces"}},
		"token in lines":    {map[string]string{"host": someHost, "DATABRICKS_TOKEN": testSecret + "\n" + testSecret}, []string{"key DATABRICKS_TOKEN has spaces"}},
		"token binary":      {map[string]string{"host": someHost, "token": testSecret + "\x00"}, []string{"key token has"}},
		"token not ASCII":   {map[string]string{"host": someHost, "token": testSecret + "é"}, []string{"key token has"}},
		"token endless":     {map[string]string{"host": someHost, "token": strings.Repeat("x", maxSecretValueBytes+1)}, []string{"key token is longer"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			_, err := ParseSecret(asData(tc.secret))
			g.Expect(err).To(HaveOccurred())
			for _, want := range tc.want {
				g.Expect(err.Error()).To(ContainSubstring(want))
			}
			g.Expect(err.Error()).NotTo(ContainSubstring(testSecret[:minSecretPrefix]))
		})
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	base := map[string]string{"host": someHost, "client_id": "id", "client_secret": testSecret}
	first := parse(t, base).Fingerprint()
	g.Expect(parse(t, base).Fingerprint()).To(Equal(first))
	g.Expect(parse(t, map[string]string{"DATABRICKS_HOST": someHost + "/", "DATABRICKS_CLIENT_ID": "id\n", "client_secret": testSecret, "note": "x"}).Fingerprint()).
		To(Equal(first), "only the used values count")
	for key, value := range map[string]string{"host": "https://dbc-2.cloud.databricks.com", "client_id": "id2", "client_secret": testSecret + "2"} {
		other := maps.Clone(base)
		other[key] = value
		g.Expect(parse(t, other).Fingerprint()).NotTo(Equal(first), key)
	}
	g.Expect(parse(t, map[string]string{"host": someHost, "token": testSecret}).Fingerprint()).NotTo(Equal(first))
	g.Expect(first).NotTo(ContainSubstring(testSecret))
	g.Expect(Config{}.Fingerprint()).NotTo(BeEmpty())
}

func TestConfigAndClientDoNotPrintTheirSecret(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	client := inMemory(t, map[string]string{"token": testSecret}, nil)
	oauth := inMemory(t, map[string]string{"client_id": "id", "client_secret": testSecret}, nil)
	config := parse(t, map[string]string{"host": someHost, "token": testSecret})
	holder := struct {
		Config Config
		hidden Config
		client *Client
		token  secret
	}{config, config, client, config.credential.values["token"]}
	var out bytes.Buffer
	for _, value := range []any{config, &config, holder, &holder, client, *client, oauth, *oauth, config.credential, *config.credential, client.tokens, oauth.tokens} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		if encoded, err := json.Marshal(value); err == nil {
			out.Write(encoded)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "value", value)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "value", value)
	}
	g.Expect(out.String()).To(ContainSubstring(someHost))
	mustNotShowSecret(t, out.String())
}
