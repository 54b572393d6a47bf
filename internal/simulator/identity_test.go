package simulator_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// twoPrincipals returns a workspace with an administrator and a service
// principal that is not an administrator.
func twoPrincipals() simulator.Options {
	return simulator.Options{Workspaces: []simulator.Workspace{{
		Name: "main", ID: 42,
		Principals: []simulator.Principal{
			{UserName: "admin@example.com", Tokens: []string{simulator.DefaultToken}},
			{UserName: "app-1", Tokens: []string{"app-token"}, NotAdmin: true, ClientSecret: "s:e c/ret"},
		},
	}}}
}

func twoWorkspaces() simulator.Options {
	return simulator.Options{Workspaces: []simulator.Workspace{
		{Name: "a", Principals: []simulator.Principal{{UserName: "a@example.com", Tokens: []string{"token-a"}}}},
		{Name: "b", Principals: []simulator.Principal{{UserName: "b@example.com", Tokens: []string{"token-b"}}}},
	}}
}

func TestCredentialSelectsPrincipalAndWorkspace(t *testing.T) {
	b := newHarness(t, twoWorkspaces())
	id := b.as("token-a").create("one")
	b.Expect(b.as("token-a").get(id)).To(HaveKeyWithValue("creator_user_name", "a@example.com"))
	b.as("token-b").expectError(http.MethodGet, "/api/2.1/clusters/get?cluster_id="+id, "", 400, "INVALID_PARAMETER_VALUE", "does not exist")
	a := b.as("token-b").call(http.MethodGet, "/api/2.0/preview/scim/v2/Me", "")
	b.Expect(a.body).To(HaveKeyWithValue("userName", "b@example.com"))
	b.Expect(a.body["id"]).To(BeAssignableToTypeOf(""))
	b.Expect(a.header.Get("Content-Type")).To(Equal("application/scim+json"))
	b.Expect(a.header.Get("X-Databricks-Org-Id")).To(Equal("7000000000000002"))
}

func TestBadCredentialsAreRejected(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	b.as("").expectError(http.MethodGet, listPath, "", 401, "UNAUTHENTICATED", "Credential was not sent")
	b.as("wrong").expectError(http.MethodGet, listPath, "", 401, "UNAUTHENTICATED", "Invalid access token.")
	b.s.SetBehaviour(simulator.Behaviour{BadTokenIsForbidden: true})
	b.as("wrong").expectError(http.MethodGet, listPath, "", 403, number("403"), "Invalid access token.")
}

func TestTokensAreRotated(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	b.Expect(b.s.AddToken("default", simulator.DefaultUser, "new")).To(Succeed())
	b.s.RevokeToken(simulator.DefaultToken)
	b.expectError(http.MethodGet, listPath, "", 401, "UNAUTHENTICATED", "")
	b.as("new").ok(http.MethodGet, listPath, "")
	b.Expect(b.s.AddToken("default", "missing", "x")).To(MatchError(ContainSubstring("missing")))
}

func (b *harness) requestToken(authorization string, form url.Values) answer {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, "https://simulator.test/oidc/v1/token", strings.NewReader(form.Encode()))
	b.Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Authorization", authorization)
	response, err := b.s.Transport().RoundTrip(request)
	b.Expect(err).NotTo(HaveOccurred())
	a := answer{status: response.StatusCode, body: map[string]any{}}
	b.Expect(json.NewDecoder(response.Body).Decode(&a.body)).To(Succeed())
	b.Expect(response.Body.Close()).To(Succeed())
	return a
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

func TestClientCredentials(t *testing.T) {
	b := newHarness(t, twoPrincipals())
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"all-apis"}}
	a := b.requestToken(basic("app-1", "s:e c/ret"), form)
	b.Expect(a.status).To(Equal(200))
	b.Expect(a.body).To(HaveKeyWithValue("expires_in", BeNumerically("==", 3600)))
	token, _ := a.body["access_token"].(string)
	b.Expect(b.as(token).ok(http.MethodGet, "/api/2.0/preview/scim/v2/Me", "")).To(HaveKeyWithValue("userName", "app-1"))
	b.advance(time.Hour)
	b.as(token).expectError(http.MethodGet, listPath, "", 401, "UNAUTHENTICATED", "")

	a = b.requestToken(basic("app-1", "wrong"), form)
	b.Expect(a.status).To(Equal(401))
	b.Expect(a.body).To(HaveKeyWithValue("error", "invalid_client"))
	b.Expect(b.requestToken("", url.Values{"grant_type": {"password"}}).body).To(HaveKeyWithValue("error", "unsupported_grant_type"))

	b.s.SetBehaviour(simulator.Behaviour{QuotedExpiresIn: true, OAuthTokenLife: time.Minute})
	a = b.requestToken(basic("app-1", "s:e c/ret"), form)
	b.Expect(a.body).To(HaveKeyWithValue("expires_in", "60"))
	token, _ = a.body["access_token"].(string)
	b.s.RevokeOAuthTokens()
	b.as(token).expectError(http.MethodGet, listPath, "", 401, "UNAUTHENTICATED", "")
	for _, entry := range b.s.RequestsTo("oauth/token") {
		b.Expect(entry.Body).To(BeNil())
	}
}

func jwt(claims map[string]any) string {
	payload, _ := json.Marshal(claims)
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"RS256"}`)) + "." + part(payload) + "." + part([]byte("signature"))
}

func TestTokenExchange(t *testing.T) {
	b := newHarness(t, simulator.Options{Workspaces: []simulator.Workspace{{Principals: []simulator.Principal{{
		UserName: "app-2",
		Federation: &simulator.Federation{
			Issuer: "https://kubernetes.default.svc", Subject: "system:serviceaccount:team-a:etl", Audience: "databricks",
		},
	}}}}})
	claims := func() map[string]any {
		return map[string]any{
			"iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:team-a:etl",
			"aud": []string{"databricks"}, "exp": start.Add(time.Minute).Unix(),
		}
	}
	exchange := func(clientID string, change func(map[string]any)) answer {
		c := claims()
		change(c)
		form := url.Values{
			"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
			"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
			"subject_token":      {jwt(c)}, "scope": {"all-apis"},
		}
		if clientID != "" {
			form.Set("client_id", clientID)
		}
		return b.requestToken("", form)
	}
	keep := func(map[string]any) {}
	for _, clientID := range []string{"app-2", ""} {
		a := exchange(clientID, keep)
		b.Expect(a.status).To(Equal(200))
		token, _ := a.body["access_token"].(string)
		b.Expect(b.as(token).ok(http.MethodGet, "/api/2.0/preview/scim/v2/Me", "")).To(HaveKeyWithValue("userName", "app-2"))
	}
	for name, a := range map[string]answer{
		"client":   exchange("app-9", keep),
		"subject":  exchange("app-2", func(c map[string]any) { c["sub"] = "system:serviceaccount:team-b:etl" }),
		"issuer":   exchange("app-2", func(c map[string]any) { c["iss"] = "https://elsewhere" }),
		"audience": exchange("app-2", func(c map[string]any) { c["aud"] = "other" }),
		"expiry":   exchange("app-2", func(c map[string]any) { c["exp"] = start.Unix() }),
	} {
		b.Expect(a.status).To(Equal(400), name)
		b.Expect(a.body).To(HaveKeyWithValue("error", "invalid_grant"), name)
	}
}

func TestDiscovery(t *testing.T) {
	b := newHarness(t, twoPrincipals()).as("")
	b.Expect(b.ok(http.MethodGet, "/.well-known/databricks-config", "")).To(fields(map[string]any{
		"oidc_endpoint": "https://simulator.test/oidc", "workspace_id": "42", "host_type": "workspace",
	}))
	b.Expect(b.ok(http.MethodGet, "/oidc/.well-known/oauth-authorization-server", "")).To(
		HaveKeyWithValue("token_endpoint", "https://simulator.test/oidc/v1/token"))
	b.Expect(newHarness(t, twoWorkspaces()).ok(http.MethodGet, "/.well-known/databricks-config", "")).NotTo(HaveKey("workspace_id"))
}
