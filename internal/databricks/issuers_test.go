package databricks

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
)

const (
	azureHost  = "https://adb-1.2.azuredatabricks.net"
	googleHost = "https://1.2.gcp.databricks.com"
	tenant     = "5a2c0000-0000-4000-8000-000000000001"
)

// cloud simulates a workspace and the host that issues its tokens.
type cloud struct {
	// token and api replace the responses of the issuer and of the workspace.
	token, api func(*http.Request) (*http.Response, error)
	issued     atomic.Int32

	mu       sync.Mutex
	requests []received
	hosts    []string
}

func (c *cloud) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	c.requests = append(c.requests, received{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header.Clone()})
	c.hosts = append(c.hosts, r.URL.Host)
	c.mu.Unlock()
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	switch isIssuer := !strings.Contains(r.URL.Path, "/api/"); {
	case isIssuer && c.token != nil:
		return c.token(r)
	case isIssuer:
		number := c.issued.Add(1)
		return reply(fmt.Sprintf(`{"token_type":"Bearer","expires_in":"3599","access_token":"token-%d","id_token":"token-%d"}`, number, number)), nil
	case c.api != nil:
		return c.api(r)
	default:
		return reply(`{"cluster_id":"c1"}`), nil
	}
}

func (c *cloud) client(t *testing.T, config Config) *Client {
	t.Helper()
	allowed, err := ParseAllowList(DefaultAllowedHosts())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	client, err := New(config, Options{Transport: NewTransportOver(allowed, c), Version: "1.2.3"})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return client
}

// entraSecretOf returns a Secret with a client secret whose form-encoding differs from it.
func entraSecretOf(host string) map[string]string {
	return map[string]string{"host": host, "ARM_CLIENT_ID": "app-1", "ARM_CLIENT_SECRET": testSecret + "~+/=", "ARM_TENANT_ID": tenant}
}

func refusal(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		response := reply(body)
		response.StatusCode = status
		return response, nil
	}
}

func TestAnEntraClientSecretOnTheWire(t *testing.T) {
	t.Parallel()
	for host, login := range map[string]string{
		azureHost:                             "login.microsoftonline.com",
		"https://adb-1.2.databricks.azure.us": "login.microsoftonline.us",
		"https://adb-1.2.databricks.azure.cn": "login.chinacloudapi.cn",
	} {
		g := NewWithT(t)
		azure := &cloud{}
		client := azure.client(t, parse(t, entraSecretOf(host)))
		g.Expect(write(t.Context(), client)).To(Succeed())
		g.Expect(read(t.Context(), client)).To(Succeed())
		workspace := strings.TrimPrefix(host, "https://")
		g.Expect(azure.hosts).To(Equal([]string{login, workspace, workspace}), "one token serves twice")
		got := azure.requests
		g.Expect(paths(got)[0]).To(Equal("POST /" + tenant + "/oauth2/token"))
		g.Expect(got[0].header).NotTo(HaveKey("Authorization"))
		g.Expect(got[0].header.Get("Content-Type")).To(Equal("application/x-www-form-urlencoded"))
		form, err := url.ParseQuery(got[0].body)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(form).To(Equal(url.Values{
			"grant_type": {"client_credentials"}, "resource": {"2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"},
			"client_id": {"app-1"}, "client_secret": {testSecret + "~+/="},
		}))
		g.Expect(got[1].header.Get("Authorization")).To(Equal("Bearer token-1"))
		g.Expect(got[2].header.Get("User-Agent")).To(HaveSuffix("auth/azure-client-secret"))
		g.Expect(got[1].header).NotTo(HaveKey("X-Databricks-Azure-Sp-Management-Token"), "the workspace was sent a token for Azure's management")
	}
}

func TestAnEntraWorkloadIdentityOnTheWire(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	azure, workload := &cloud{}, &identity{}
	config, err := WorkloadIdentity{Host: azureHost, ClientID: "app-1", EntraTenantID: tenant, Subject: subject, Token: workload.token}.Config()
	g.Expect(err).NotTo(HaveOccurred())
	client := azure.client(t, config)
	g.Expect(read(t.Context(), client)).To(Succeed())
	form, err := url.ParseQuery(azure.requests[0].body)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(form).To(Equal(url.Values{
		"grant_type": {"client_credentials"}, "resource": {"2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"}, "client_id": {"app-1"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {testSecret + ".1"},
	}))
	g.Expect(azure.hosts[0]).To(Equal("login.microsoftonline.com"))
	audiences := map[any]any{}
	workload.audiences.Range(func(audience, _ any) bool { audiences[audience] = true; return true })
	g.Expect(audiences).To(Equal(map[any]any{"api://AzureADTokenExchange": true}))
	g.Expect(azure.requests[1].header.Get("User-Agent")).To(HaveSuffix("auth/azure-workload-identity"))
	for i, host := range azure.hosts {
		if host != "login.microsoftonline.com" {
			g.Expect(fmt.Sprint(azure.requests[i])).NotTo(ContainSubstring(testSecret), "the workspace was sent the token for Entra ID")
		}
	}

	for name, invalid := range map[string]WorkloadIdentity{
		"host":   {Host: someHost, ClientID: "app-1", EntraTenantID: tenant},
		"tenant": {Host: azureHost, ClientID: "app-1", EntraTenantID: "a/b"},
	} {
		_, err := invalid.Config()
		g.Expect(err).To(MatchError(HavePrefix(name + " is n")))
	}
}

func TestAnExpiredSubjectTokenIsNotReused(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	azure, workload := &cloud{}, &identity{}
	azure.api = refusal(http.StatusUnauthorized, "")
	config, err := WorkloadIdentity{Host: azureHost, ClientID: "app-1", EntraTenantID: tenant, Subject: subject, Token: workload.token}.Config()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ClassOf(read(t.Context(), azure.client(t, config)))).To(Equal(ClassUnauthenticated))
	g.Expect(azure.issued.Load()).To(Equal(int32(2)), "one new token, once")
	g.Expect(workload.issued.Load()).To(Equal(int32(2)))
}

func TestATokenOfAnIssuerIsRenewedBeforeItExpires(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]Config{"Entra ID": parse(t, entraSecretOf(azureHost)), "Google": parse(t, googleSecret(nil))} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				issuer := &cloud{}
				client := issuer.client(t, config)
				g.Expect(read(t.Context(), client)).To(Succeed())
				<-time.After(59 * time.Minute)
				g.Expect(read(t.Context(), client)).To(Succeed())
				g.Expect(issuer.issued.Load()).To(Equal(int32(1)))
				<-time.After(time.Minute - time.Second)
				g.Expect(read(t.Context(), client)).To(Succeed())
				g.Expect(issuer.issued.Load()).To(Equal(int32(2)))
			})
		})
	}
}

func TestARefusalOfAnIssuer(t *testing.T) {
	t.Parallel()
	const trace = " Trace ID: 7d0c Correlation ID: 8e1b-4 Timestamp: 2026-11-27 10:00:00Z"
	assertion := func(t *testing.T) Config {
		config, err := WorkloadIdentity{Host: azureHost, ClientID: "app-1", EntraTenantID: tenant, Subject: subject, Token: (&identity{}).token}.Config()
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		return config
	}
	clientSecret := func(t *testing.T) Config { return parse(t, entraSecretOf(azureHost)) }
	google := func(t *testing.T) Config { return parse(t, googleSecret(nil)) }
	quoting := func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		quoted, _ := json.Marshal(map[string]string{"error": "invalid_request", "error_description": fmt.Sprint("got ", string(body), " and ", form)})
		return refusal(http.StatusBadRequest, string(quoted))(r)
	}
	for name, tc := range map[string]struct {
		config func(*testing.T) Config
		token  func(*http.Request) (*http.Response, error)
		class  Class
		text   []string
	}{
		"a wrong secret": {
			clientSecret, refusal(401, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.`+trace+`","error_codes":[7000215],"trace_id":"7d0c"}`),
			ClassUnauthenticated,
			[]string{"invalid_client: login.microsoftonline.com: AADSTS7000215: Invalid client secret provided."},
		},
		"no such tenant":  {clientSecret, refusal(400, `{"error":"invalid_request","error_description":"AADSTS90002: Tenant 'x' not found.`+trace+`"}`), ClassUnauthenticated, []string{"AADSTS90002: Tenant 'x' not found"}},
		"no federation":   {assertion, refusal(401, `{"error":"invalid_client","error_description":"AADSTS700213: No matching federated identity record found"}`), ClassUnauthenticated, []string{subject, "api://AzureADTokenExchange"}},
		"throttled":       {clientSecret, refusal(429, `{"error":"temporarily_unavailable"}`), ClassThrottled, []string{"login.microsoftonline.com"}},
		"unavailable":     {assertion, refusal(503, ``), ClassTransient, []string{"login.microsoftonline.com"}},
		"not reached":     {clientSecret, func(*http.Request) (*http.Response, error) { return nil, errors.New("dial tcp: no route") }, ClassTransient, []string{"login.microsoftonline.com: no response: dial tcp"}},
		"timeout":         {google, func(*http.Request) (*http.Response, error) { return nil, context.DeadlineExceeded }, ClassTransient, []string{"oauth2.googleapis.com: no response within the deadline"}},
		"a login page":    {clientSecret, refusal(200, `<html>`), ClassHost, []string{"login.microsoftonline.com"}},
		"no token":        {google, refusal(200, `{"access_token":"x"}`), ClassTransient, []string{"id_token"}},
		"a wrong key":     {google, refusal(400, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`), ClassUnauthenticated, []string{"invalid_grant: oauth2.googleapis.com: Invalid JWT Signature"}},
		"quotes":          {clientSecret, quoting, ClassUnauthenticated, []string{"app-1", "***"}},
		"quotes a JWT":    {assertion, quoting, ClassUnauthenticated, []string{"***"}},
		"quotes a signed": {google, quoting, ClassUnauthenticated, []string{"***"}},
	} {
		t.Run("[S7] "+name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			issuer := &cloud{token: tc.token}
			err := write(t.Context(), issuer.client(t, tc.config(t)))
			g.Expect(ClassOf(err)).To(Equal(tc.class))
			for _, text := range tc.text {
				g.Expect(err).To(MatchError(ContainSubstring(text)))
			}
			for _, hidden := range []string{testSecret, url.QueryEscape(testSecret + "~+/="), "Trace ID", "7d0c", "8e1b", "2026-11-27", "eyJ"} {
				g.Expect(err.Error()).NotTo(ContainSubstring(hidden))
			}
			failure, _ := errors.AsType[*Error](err)
			g.Expect(failure.Endpoint).To(Equal(tokenEndpoint), "the limiter does not attribute it to the workspace")
			g.Expect(failure.Answered).To(BeFalse())
			for _, host := range issuer.hosts {
				g.Expect(host).NotTo(ContainSubstring("databricks"), "the request was sent without a token")
			}
		})
	}
}

func TestTheAuthorityOfIssuedTokens(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	first, rotated, other := entraSecretOf(azureHost), entraSecretOf(azureHost), entraSecretOf(azureHost)
	rotated["ARM_CLIENT_SECRET"], other["ARM_TENANT_ID"] = "rotated-secret", "another.example.com"
	g.Expect(parse(t, first).Authority()).To(Equal(parse(t, rotated).Authority()))
	g.Expect(parse(t, first).Fingerprint()).NotTo(Equal(parse(t, rotated).Fingerprint()))
	g.Expect(parse(t, first).Authority()).NotTo(Equal(parse(t, other).Authority()))
}

func TestTheKeyOfAGoogleServiceAccountOnTheWire(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	issuer := &cloud{}
	client := issuer.client(t, parse(t, googleSecret(nil)))
	g.Expect(write(t.Context(), client)).To(Succeed())
	g.Expect(issuer.hosts[0]).To(Equal("oauth2.googleapis.com"))
	got := issuer.requests
	g.Expect(paths(got)[0]).To(Equal("POST /token"))
	form, err := url.ParseQuery(got[0].body)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(form.Get("grant_type")).To(Equal("urn:ietf:params:oauth:grant-type:jwt-bearer"))
	parts := strings.Split(form.Get("assertion"), ".")
	g.Expect(parts).To(HaveLen(3))
	var header, claims map[string]any
	for i, into := range []*map[string]any{&header, &claims} {
		decoded, err := base64.RawURLEncoding.DecodeString(parts[i])
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(json.Unmarshal(decoded, into)).To(Succeed())
	}
	g.Expect(header).To(Equal(map[string]any{"alg": "RS256", "typ": "JWT", "kid": "key-1"}))
	g.Expect(claims).To(HaveKeyWithValue("iss", "etl@project.iam.gserviceaccount.com"))
	g.Expect(claims).To(HaveKeyWithValue("aud", "https://oauth2.googleapis.com/token"))
	g.Expect(claims).To(HaveKeyWithValue("target_audience", googleHost))
	issuedAt, expiresAt := claims["iat"].(float64), claims["exp"].(float64)
	g.Expect(time.Unix(int64(issuedAt), 0)).To(BeTemporally("<", time.Now()))
	g.Expect(expiresAt - issuedAt).To(BeNumerically("<=", time.Hour.Seconds()))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	g.Expect(err).NotTo(HaveOccurred())
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	g.Expect(rsa.VerifyPKCS1v15(&googleRSA.PublicKey, crypto.SHA256, digest[:], signature)).To(Succeed())
	g.Expect(got[1].header.Get("Authorization")).To(Equal("Bearer token-1"))
	g.Expect(got[1].header).NotTo(HaveKey("X-Databricks-Gcp-Sa-Access-Token"), "the workspace was sent a token for Google's APIs")
	g.Expect(got[1].header.Get("User-Agent")).To(HaveSuffix("auth/google-credentials"))
}

var googleRSA = func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}()

// googleDocument returns the key of a service account with other fields.
func googleDocument(changes map[string]string) string {
	encoded, err := x509.MarshalPKCS8PrivateKey(googleRSA)
	if err != nil {
		panic(err)
	}
	fields := map[string]string{
		"type": "service_account", "client_email": "etl@project.iam.gserviceaccount.com", "private_key_id": "key-1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})), "token_uri": "https://oauth2.googleapis.com/token",
	}
	maps.Copy(fields, changes)
	document, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		panic(err)
	}
	return string(document)
}

func googleSecret(changes map[string]string) map[string]string {
	return map[string]string{"host": googleHost, "google_credentials": googleDocument(changes)}
}

func TestAResponseOfGoogleWithoutAnIDTokenIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"": "it is empty", "<html>": "it is not a JSON object", "{}": "it has no usable id_token", `{"id_token":"a b"}`: "it has no usable id_token",
	} {
		token, lifetime, err := parseIDToken([]byte(body))
		g := NewWithT(t)
		g.Expect(err).To(MatchError(HavePrefix(want)), body)
		g.Expect(token).To(BeEmpty())
		g.Expect(lifetime).To(BeZero())
	}
}
