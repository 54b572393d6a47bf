package databricks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
)

const subject = "system:serviceaccount:team-a:etl"

// identity issues numbered subject tokens and records their audiences.
type identity struct {
	audience  string
	issued    atomic.Int32
	audiences sync.Map
	err       error
	shape     string
}

func (i *identity) token(_ context.Context, audience string) (string, error) {
	i.audiences.Store(audience, true)
	number := i.issued.Add(1)
	if i.err != nil {
		return "", i.err
	}
	shape := i.shape
	if shape == "" {
		shape = testSecret + ".%d\n"
	}
	return strings.ReplaceAll(shape, "%d", strconv.Itoa(int(number))), nil
}

func (i *identity) config(t *testing.T, host string) Config {
	t.Helper()
	config, err := WorkloadIdentity{
		Host: host, ClientID: "app/1", Audience: i.audience, Subject: subject, Token: i.token,
	}.Config()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return config
}

// exchangeWorkspace returns a server that issues tokens, and a client; describes serves
// the metadata of the host.
func exchangeWorkspace(t *testing.T, i *issuer, workload *identity, describes http.HandlerFunc) (*workspace, *Client) {
	t.Helper()
	var server *workspace
	serve := i.serve(func() string { return server.URL })
	server = newWorkspace(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == configPath {
			describes(w, r)
			return
		}
		serve(w, r)
	})
	client, err := New(workload.config(t, server.URL), Options{Transport: server.transport(t), Version: "1.2.3"})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return server, client
}

func TestTokenExchangeOnTheWire(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	workload := &identity{audience: "databricks"}
	server, client := exchangeWorkspace(t, &issuer{}, workload, respondWith(http.StatusOK, `{}`))
	g.Expect(write(t.Context(), client)).To(Succeed())
	g.Expect(read(t.Context(), client)).To(Succeed())
	got := server.received()
	g.Expect(paths(got)).To(Equal([]string{
		"GET " + discoveryPath, "POST " + tokenPath, "POST /api/2.1/clusters/create", "GET /api/2.1/clusters/get",
	}), "the audience is known, and the token serves twice")
	g.Expect(got[1].header).NotTo(HaveKey("Authorization"))
	g.Expect(got[1].header.Get("Content-Type")).To(Equal("application/x-www-form-urlencoded"))
	form, err := url.ParseQuery(got[1].body)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(form).To(Equal(url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
		"subject_token":      {testSecret + ".1"},
		"scope":              {"all-apis"},
		"client_id":          {"app/1"},
	}))
	g.Expect(got[2].header.Get("Authorization")).To(Equal("Bearer token-1"))
	g.Expect(got[3].header.Get("User-Agent")).To(HaveSuffix("auth/workload-identity"))
}

func TestAnAccountWidePolicyNeedsNoClientID(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, nil)
	server.Config.Handler = (&issuer{}).serve(func() string { return server.URL })
	config, err := WorkloadIdentity{Host: server.URL, Audience: "a", Subject: subject, Token: (&identity{}).token}.Config()
	g.Expect(err).NotTo(HaveOccurred())
	client, err := New(config, Options{Transport: server.transport(t)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(read(t.Context(), client)).To(Succeed())
}

func TestTheAudienceOfTheSubjectToken(t *testing.T) {
	t.Parallel()
	names := func(audience func(host string) string) func(host string) http.HandlerFunc {
		return func(host string) http.HandlerFunc {
			return respondWith(http.StatusOK, fmt.Sprintf(`{"token_federation_default_oidc_audiences":[%q,"second"]}`, audience(host)))
		}
	}
	responds := func(handler http.HandlerFunc) func(string) http.HandlerFunc {
		return func(string) http.HandlerFunc { return handler }
	}
	const account = "9a3b1c2d-0000-4000-8000-0123456789ab"
	for name, tc := range map[string]struct {
		describes func(host string) http.HandlerFunc
		want      func(host string) string
		class     Class
	}{
		"its own default":      {names(func(h string) string { return h + "/oidc/v1/special" }), func(h string) string { return h + "/oidc/v1/special" }, ""},
		"its own name":         {names(func(h string) string { return h }), func(h string) string { return h }, ""},
		"an account":           {names(func(string) string { return account }), func(string) string { return account }, ""},
		"no default":           {responds(respondWith(200, `{"token_federation_default_oidc_audiences":[]}`)), func(h string) string { return h + tokenPath }, ""},
		"empty metadata":       {responds(respondWith(200, `{}`)), func(h string) string { return h + tokenPath }, ""},
		"no metadata":          {responds(respondWith(404, "")), func(h string) string { return h + tokenPath }, ""},
		"a login page":         {responds(respondWith(200, "<html>")), func(h string) string { return h + tokenPath }, ""},
		"down":                 {responds(respondWith(503, "")), nil, ClassTransient},
		"throttled":            {responds(respondWith(429, "")), nil, ClassThrottled},
		"the issuer itself":    {names(func(string) string { return "https://kubernetes.default.svc" }), nil, ClassHost},
		"another host":         {names(func(string) string { return "https://vault.example.com/oidc" }), nil, ClassHost},
		"a longer host":        {names(func(h string) string { return h + ".evil.example/oidc" }), nil, ClassHost},
		"a host behind a user": {names(func(h string) string { return h + "@evil.example/oidc" }), nil, ClassHost},
		"another name, vault":  {names(func(string) string { return "vault" }), nil, ClassHost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			workload := &identity{}
			var describes http.HandlerFunc
			server, client := exchangeWorkspace(t, &issuer{}, workload, func(w http.ResponseWriter, r *http.Request) { describes(w, r) })
			describes = tc.describes(server.URL)
			err := read(t.Context(), client)
			g.Expect(ClassOf(err)).To(Equal(tc.class), "%v", err)
			if tc.class != "" {
				g.Expect(workload.issued.Load()).To(BeZero(), "no token is issued without an audience")
				return
			}
			_, found := workload.audiences.Load(tc.want(server.URL))
			g.Expect(found).To(BeTrue())
			g.Expect(read(t.Context(), client)).To(Succeed())
		})
	}
}

func TestEveryExchangeHasANewSubjectToken(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	workload, tokens := &identity{audience: "a"}, &issuer{}
	tokens.api = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-1" {
			respondWith(http.StatusUnauthorized, "")(w, r)
			return
		}
		respondWith(http.StatusOK, `{"cluster_id":"c1"}`)(w, r)
	}
	_, client := exchangeWorkspace(t, tokens, workload, nil)
	g.Expect(read(t.Context(), client)).To(Succeed())
	g.Expect(workload.issued.Load()).To(Equal(int32(2)), "a refused token is replaced once")
}

func TestConcurrentCallersShareOneExchange(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	workload, tokens := &identity{audience: "a"}, &issuer{}
	_, client := exchangeWorkspace(t, tokens, workload, nil)
	var group sync.WaitGroup
	for range 30 {
		group.Go(func() { g.Expect(read(t.Context(), client)).To(Succeed()) })
	}
	group.Wait()
	g.Expect(tokens.issued.Load()).To(Equal(int32(1)))
	g.Expect(workload.issued.Load()).To(Equal(int32(1)))
}

func TestAnExchangedTokenIsReplacedBeforeItExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		const host = "https://dbc-1.cloud.databricks.com"
		workload, issued := &identity{audience: "a"}, 0
		allowed, err := ParseAllowList(DefaultAllowedHosts())
		g.Expect(err).NotTo(HaveOccurred())
		client, err := New(workload.config(t, host), Options{Transport: NewTransportOver(allowed, roundTrip(func(r *http.Request) (*http.Response, error) {
			switch r.URL.Path {
			case discoveryPath:
				return reply(`{"token_endpoint":"` + host + tokenPath + `"}`), nil
			case tokenPath:
				issued++
				return reply(fmt.Sprintf(`{"access_token":"t%d","expires_in":3600}`, issued)), nil
			default:
				return reply(`{"cluster_id":"c1"}`), nil
			}
		}))})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(read(t.Context(), client)).To(Succeed())
		<-time.After(time.Hour - refreshMargin - time.Millisecond)
		g.Expect(read(t.Context(), client)).To(Succeed())
		g.Expect(issued).To(Equal(1))
		<-time.After(time.Millisecond)
		g.Expect(read(t.Context(), client)).To(Succeed())
		g.Expect(issued).To(Equal(2))
		g.Expect(workload.issued.Load()).To(Equal(int32(2)))
	})
}

func TestFailuresOfAnExchange(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		workload *identity
		issuer   *issuer
		want     Class
		message  string
	}{
		"no subject token now":      {&identity{err: errors.New("the API server is unavailable, " + testSecret)}, &issuer{}, ClassTransient, "no token of " + subject},
		"no such subject":           {&identity{err: &Error{Class: ClassUnauthenticated, Message: "service account etl does not exist"}}, &issuer{}, ClassUnauthenticated, "etl does not exist"},
		"ambiguous":                 {&identity{err: &Error{Class: ClassAmbiguous, Message: "lost"}}, &issuer{}, ClassTransient, "lost"},
		"an empty subject token":    {&identity{shape: "\n"}, &issuer{}, ClassUnauthenticated, "not usable"},
		"a subject token in pieces": {&identity{shape: "a b%d"}, &issuer{}, ClassUnauthenticated, "not usable"},
		"no policy": {
			&identity{}, &issuer{token: respondWith(400, `{"error":"invalid_grant","error_description":"no policy"}`)},
			ClassUnauthenticated, "accept the subject " + subject + " for the audience a",
		},
		"endpoint down": {&identity{}, &issuer{token: respondWith(500, "")}, ClassTransient, ""},
		"no OAuth":      {&identity{}, &issuer{discovery: respondWith(404, "")}, ClassUnauthenticated, "does not support OAuth"},
	} {
		t.Run(name+" [S7]", func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			tc.workload.audience = "a"
			server, client := exchangeWorkspace(t, tc.issuer, tc.workload, nil)
			err := write(t.Context(), client)
			g.Expect(ClassOf(err)).To(Equal(tc.want), "%v", err)
			g.Expect(err).To(MatchError(ContainSubstring(tc.message)))
			failure, ok := errors.AsType[*Error](err)
			g.Expect(ok).To(BeTrue())
			g.Expect(failure.Path).NotTo(BeEmpty())
			mustNotShowSecret(t, fmt.Sprintf("%v %+v %#v", err, err, err))
			for _, r := range server.received() {
				g.Expect(r.path).NotTo(HavePrefix("/api"), "the write was never sent")
			}
		})
	}
}

func TestTheSubjectTokenIsRedacted(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	workload := &identity{audience: "a"}
	_, client := exchangeWorkspace(t, &issuer{token: respondWith(400, `{"error":"invalid_grant","error_description":"bad `+testSecret+`.1"}`)}, workload, nil)
	err := read(t.Context(), client)
	g.Expect(err).To(MatchError(ContainSubstring("invalid_grant")))
	mustNotShowSecret(t, err.Error())
}

func TestFingerprintOfAWorkloadIdentity(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	fingerprint := func(change func(*WorkloadIdentity)) string {
		workload := WorkloadIdentity{Host: "https://dbc-1.cloud.databricks.com", ClientID: "c", Audience: "a", Subject: subject, Token: (&identity{}).token}
		change(&workload)
		config, err := workload.Config()
		g.Expect(err).NotTo(HaveOccurred())
		return config.Fingerprint()
	}
	same := func(*WorkloadIdentity) {}
	g.Expect(fingerprint(same)).To(Equal(fingerprint(same)), "with another token function")
	for name, change := range map[string]func(*WorkloadIdentity){
		"host":     func(w *WorkloadIdentity) { w.Host = "https://dbc-2.cloud.databricks.com" },
		"client":   func(w *WorkloadIdentity) { w.ClientID = "d" },
		"audience": func(w *WorkloadIdentity) { w.Audience = "b" },
		"subject":  func(w *WorkloadIdentity) { w.Subject = "system:serviceaccount:team-b:etl" },
	} {
		g.Expect(fingerprint(change)).NotTo(Equal(fingerprint(same)), name)
	}
	_, err := WorkloadIdentity{Host: "http://x"}.Config()
	g.Expect(err).To(MatchError(HavePrefix("host has another scheme")))
}
