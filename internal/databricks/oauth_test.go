package databricks

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
)

const (
	discoveryPath = "/oidc/.well-known/oauth-authorization-server"
	tokenPath     = "/oidc/v1/token"
)

// issuer is a workspace with OAuth. Each of its handlers can be replaced.
type issuer struct {
	discovery, token, api http.HandlerFunc
	// issued is the number of tokens; the n-th is "token-n".
	issued atomic.Int32
}

func (i *issuer) serve(base func() string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == discoveryPath && i.discovery != nil:
			i.discovery(w, r)
		case r.URL.Path == discoveryPath:
			respondWith(http.StatusOK, fmt.Sprintf(`{"token_endpoint":%q}`, base()+tokenPath))(w, r)
		case strings.HasPrefix(r.URL.Path, "/oidc") && i.token != nil:
			i.token(w, r)
		case strings.HasPrefix(r.URL.Path, "/oidc"):
			respondWith(http.StatusOK, fmt.Sprintf(`{"access_token":"token-%d","token_type":"bearer","expires_in":"3600"}`, i.issued.Add(1)))(w, r)
		case i.api != nil:
			i.api(w, r)
		default:
			respondWith(http.StatusOK, `{"cluster_id":"c1"}`)(w, r)
		}
	}
}

func oauthWorkspace(t *testing.T, i *issuer) (*workspace, *Client) {
	t.Helper()
	var server *workspace
	server = newWorkspace(t, i.serve(func() string { return server.URL }))
	client := server.clientOf(t, map[string]string{"host": server.URL, "client_id": "cid/1", "client_secret": "s:e+c%"})
	return server, client
}

func paths(requests []received) []string {
	var all []string
	for _, r := range requests {
		all = append(all, r.method+" "+r.path)
	}
	return all
}

func TestOAuthOnTheWire(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server, client := oauthWorkspace(t, &issuer{})
	g.Expect(write(t.Context(), client)).To(Succeed())
	g.Expect(read(t.Context(), client)).To(Succeed())
	got := server.received()
	g.Expect(paths(got)).To(Equal([]string{
		"GET " + discoveryPath, "POST " + tokenPath, "POST /api/2.1/clusters/create", "GET /api/2.1/clusters/get",
	}), "discovery and token once")
	g.Expect(got[0].header).NotTo(HaveKey("Authorization"), "discovery needs no credential")
	g.Expect(got[1].header.Get("Content-Type")).To(Equal("application/x-www-form-urlencoded"))
	g.Expect(got[1].header.Get("Authorization")).To(Equal("Basic " + base64.StdEncoding.EncodeToString([]byte("cid%2F1:s%3Ae%2Bc%25"))))
	g.Expect(got[1].body).To(Equal("grant_type=client_credentials&scope=all-apis"))
	g.Expect(got[2].header.Get("Authorization")).To(Equal("Bearer token-1"))
	g.Expect(got[3].header.Get("Authorization")).To(Equal("Bearer token-1"))
	g.Expect(got[3].header.Get("User-Agent")).To(HaveSuffix("auth/oauth-m2m"))
}

func TestConcurrentCallersShareOneTokenRequest(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	tokens := &issuer{}
	_, client := oauthWorkspace(t, tokens)
	var group sync.WaitGroup
	for range 30 {
		group.Go(func() { g.Expect(read(t.Context(), client)).To(Succeed()) })
	}
	group.Wait()
	g.Expect(tokens.issued.Load()).To(Equal(int32(1)))
}

func TestARefusedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	tokens := &issuer{}
	tokens.api = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-2" {
			respondWith(http.StatusOK, `{"cluster_id":"c1"}`)(w, r)
			return
		}
		respondWith(http.StatusUnauthorized, "")(w, r)
	}
	server, client := oauthWorkspace(t, tokens)
	g.Expect(write(t.Context(), client)).To(Succeed(), "a refused write had no effect")
	g.Expect(paths(server.received())).To(Equal([]string{
		"GET " + discoveryPath, "POST " + tokenPath, "POST /api/2.1/clusters/create",
		"POST " + tokenPath, "POST /api/2.1/clusters/create",
	}))
	tokens.api = respondWith(http.StatusUnauthorized, "")
	g.Expect(ClassOf(read(t.Context(), client))).To(Equal(ClassUnauthenticated))
	g.Expect(server.received()).To(HaveLen(8), "one new token only")
}

func TestARefusedPersonalAccessTokenIsNotRetried(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, respondWith(http.StatusUnauthorized, ""))
	g.Expect(ClassOf(read(t.Context(), server.client(t)))).To(Equal(ClassUnauthenticated))
	g.Expect(server.received()).To(HaveLen(1))
}

// ownEndpoint returns a discovery handler with an endpoint that begins with the host's
// own name.
func ownEndpoint(rest string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		respondWith(http.StatusOK, fmt.Sprintf(`{"token_endpoint":%q}`, "https://"+r.Host+rest))(w, r)
	}
}

func TestFailuresOfATokenRequest(t *testing.T) {
	t.Parallel()
	other := newWorkspace(t, respondWith(http.StatusOK, `{"access_token":"x"}`))
	endpoint := func(url string) http.HandlerFunc {
		return respondWith(http.StatusOK, fmt.Sprintf(`{"token_endpoint":%q}`, url))
	}
	for name, tc := range map[string]struct {
		issuer *issuer
		want   Class
	}{
		"no OAuth":                  {&issuer{discovery: respondWith(404, `{"error_code":"ENDPOINT_NOT_FOUND"}`)}, ClassUnauthenticated},
		"no OAuth, html":            {&issuer{discovery: respondWith(404, "<html>")}, ClassUnauthenticated},
		"discovery down":            {&issuer{discovery: respondWith(503, "")}, ClassTransient},
		"discovery is html":         {&issuer{discovery: respondWith(200, "<html>")}, ClassHost},
		"discovery is empty":        {&issuer{discovery: respondWith(200, "{}")}, ClassHost},
		"discovery of wrong type":   {&issuer{discovery: respondWith(200, `{"token_endpoint":[]}`)}, ClassTransient},
		"discovery redirects":       {&issuer{discovery: http.RedirectHandler(other.URL, http.StatusFound).ServeHTTP}, ClassHost},
		"endpoint of another host":  {&issuer{discovery: endpoint(other.URL + tokenPath)}, ClassHost},
		"endpoint with a query":     {&issuer{discovery: ownEndpoint("/oidc/v1/token?x=/")}, ClassHost},
		"endpoint with dots":        {&issuer{discovery: ownEndpoint("/oidc/../api/2.0/x")}, ClassHost},
		"endpoint with escapes":     {&issuer{discovery: ownEndpoint("/oidc/%2e%2e/x")}, ClassHost},
		"endpoint at a longer host": {&issuer{discovery: ownEndpoint(".evil.example/x")}, ClassHost},
		"endpoint in clear":         {&issuer{discovery: endpoint("http://127.0.0.1" + tokenPath)}, ClassHost},
		"endpoint with user":        {&issuer{discovery: endpoint("https://127.0.0.1@evil.example" + tokenPath)}, ClassHost},
		"endpoint relative":         {&issuer{discovery: endpoint("//evil.example" + tokenPath)}, ClassHost},
		"wrong client":              {&issuer{token: respondWith(400, `{"error":"invalid_client","error_description":"who?"}`)}, ClassUnauthenticated},
		"wrong client, 401":         {&issuer{token: respondWith(401, `{"error":"invalid_client"}`)}, ClassUnauthenticated},
		"endpoint down":             {&issuer{token: respondWith(500, "")}, ClassTransient},
		"endpoint throttles":        {&issuer{token: respondRetryAfter(429, "9", "")}, ClassThrottled},
		"endpoint hangs up":         {&issuer{token: hangUp(func(_ net.Conn) {})}, ClassTransient},
		"no token":                  {&issuer{token: respondWith(200, `{}`)}, ClassTransient},
		"a token with a line feed":  {&issuer{token: respondWith(200, `{"access_token":"a\r\nX-Evil: 1"}`)}, ClassTransient},
		"a token of another type":   {&issuer{token: respondWith(200, `{"access_token":"a","token_type":"mac"}`)}, ClassTransient},
		"token is html":             {&issuer{token: respondWith(200, "<html>")}, ClassHost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			server, client := oauthWorkspace(t, tc.issuer)
			err := write(t.Context(), client)
			g.Expect(ClassOf(err)).To(Equal(tc.want), "%v", err)
			for _, r := range server.received() {
				g.Expect(r.path).NotTo(HavePrefix("/api"), "the write was never sent")
			}
			failure, ok := errors.AsType[*Error](err)
			g.Expect(ok).To(BeTrue())
			g.Expect(failure.Path).NotTo(BeEmpty())
		})
	}
	t.Cleanup(func() {
		NewWithT(t).Expect(other.received()).To(BeEmpty(), "[S4] the credential is not sent to another host")
	})
}

func TestATokenIsReplacedBeforeItExpires(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		expiresIn string
		// usedFor is the time for which one token is used.
		usedFor time.Duration
	}{
		"a number":   {"3600", time.Hour - refreshMargin},
		"a string":   {`"3600"`, time.Hour - refreshMargin},
		"a fraction": {"3600.5", time.Hour - refreshMargin + 500*time.Millisecond},
		"short":      {"60", 30 * time.Second},
		"absurd":     {"1e18", maxTokenLifetime - refreshMargin},
		"negative":   {"-1", 0},
		"absent":     {"null", 0},
		"nonsense":   {`{"a":1}`, 0},
		"not finite": {`"NaN"`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				issued := 0
				client := inMemory(t, map[string]string{"client_id": "id", "client_secret": "s"}, func(r *http.Request) (*http.Response, error) {
					switch r.URL.Path {
					case discoveryPath:
						return reply(`{"token_endpoint":"https://dbc-1.cloud.databricks.com/oidc/v1/token"}`), nil
					case tokenPath:
						issued++
						return reply(fmt.Sprintf(`{"access_token":"t%d","expires_in":%s}`, issued, tc.expiresIn)), nil
					default:
						return reply(`{"cluster_id":"c1"}`), nil
					}
				})
				g.Expect(read(t.Context(), client)).To(Succeed())
				if tc.usedFor > 0 {
					<-time.After(tc.usedFor - time.Millisecond)
					g.Expect(read(t.Context(), client)).To(Succeed())
					g.Expect(issued).To(Equal(1))
					<-time.After(time.Millisecond)
				}
				g.Expect(read(t.Context(), client)).To(Succeed())
				g.Expect(issued).To(Equal(2))
			})
		})
	}
}

func TestCallersThatShareATokenRequestKeepTheirDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		client := inMemory(t, map[string]string{"client_id": "id", "client_secret": "s"}, func(r *http.Request) (*http.Response, error) {
			select {
			case <-r.Context().Done():
				return nil, r.Context().Err()
			case <-time.After(10 * time.Second):
			}
			if r.URL.Path == discoveryPath {
				return reply(`{"token_endpoint":"https://dbc-1.cloud.databricks.com/oidc/v1/token"}`), nil
			}
			return reply(`{"access_token":"t","cluster_id":"c1"}`), nil
		})
		var group sync.WaitGroup
		begin := time.Now()
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := write(ctx, client)
			g.Expect(ClassOf(err)).To(Equal(ClassTransient), "it was never sent")
			g.Expect(err).To(MatchError(context.DeadlineExceeded))
			g.Expect(time.Since(begin)).To(Equal(time.Second))
		})
		synctest.Wait()
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 31*time.Second)
			defer cancel()
			g.Expect(write(ctx, client)).To(Succeed(), "the deadline of the other caller has no effect")
		})
		group.Wait()
	})
}

func TestATokenRequestHasATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		client := inMemory(t, map[string]string{"client_id": "id", "client_secret": "s"}, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		begin := time.Now()
		g.Expect(ClassOf(read(ctx, client))).To(Equal(ClassTransient))
		g.Expect(time.Since(begin)).To(Equal(tokenTimeout))
	})
}

func TestInvalidateKeepsANewerToken(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	newer := "newer"
	tokens := &oauth{current: func() string { return newer }, notAfter: time.Now().Add(time.Hour)}
	g.Expect(tokens.invalidate("older")).To(BeTrue())
	g.Expect(tokens.cached()).To(Equal(newer))
	g.Expect(tokens.invalidate(newer)).To(BeTrue())
	g.Expect(tokens.cached()).To(BeEmpty())
}
