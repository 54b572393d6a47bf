package databricks

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
)

// connectProxy is an HTTP proxy that connects everything, or answers with a status.
type connectProxy struct {
	*httptest.Server
	mu sync.Mutex
	// answered is the status of its next answers. mu guards it and what was asked.
	answered int
	asked    []connectRequest
}

type connectRequest struct{ target, authorization string }

func newProxy(t *testing.T) *connectProxy {
	t.Helper()
	p := &connectProxy{answered: http.StatusOK}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, connectRequest{r.Host, r.Header.Get("Proxy-Authorization")})
		status := p.answered
		p.mu.Unlock()
		if status != http.StatusOK {
			w.WriteHeader(status)
			_, _ = w.Write([]byte("words of the proxy"))
			return
		}
		tunnel(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// tunnel connects a client to the host that it asked for.
func tunnel(w http.ResponseWriter, r *http.Request) {
	far, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = far.Close() }()
	near, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = near.Close() }()
	_, _ = near.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	go func() { _, _ = io.Copy(far, buffered) }()
	_, _ = io.Copy(near, far)
}

func (p *connectProxy) requests() []connectRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

func (p *connectProxy) answers(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered = status
}

// credentialsDir returns a directory as a mounted Secret is.
func credentialsDir(t *testing.T, user, password string) string {
	t.Helper()
	directory := t.TempDir()
	writeCredentials(t, directory, user, password)
	return directory
}

func writeCredentials(t *testing.T, directory, user, password string) {
	t.Helper()
	for file, content := range map[string]string{"username": user, "password": password} {
		NewWithT(t).Expect(os.WriteFile(filepath.Join(directory, file), []byte(content), 0o600)).To(Succeed())
	}
}

func TestProxy(t *testing.T) {
	ok := respondWith(http.StatusOK, `{"cluster_id": "c1"}`)

	t.Run("[S3] every request is sent through it, with the credentials of the moment", func(t *testing.T) {
		g := NewWithT(t)
		w, p := newWorkspace(t, ok), newProxy(t)
		directory := credentialsDir(t, "operator", "first\n")
		transport := w.transportThrough(t, p.URL, directory)
		client := w.clientOver(t, transport)
		_, err := client.Get(t.Context(), "c1")
		g.Expect(err).NotTo(HaveOccurred())
		writeCredentials(t, directory, "operator", "second")
		transport.CloseIdleConnections()
		_, err = client.Get(t.Context(), "c1")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(w.received()).To(HaveLen(2))
		target := w.Listener.Addr().String()
		g.Expect(p.requests()).To(Equal([]connectRequest{
			{target, "Basic b3BlcmF0b3I6Zmlyc3Q="}, {target, "Basic b3BlcmF0b3I6c2Vjb25k"},
		}))
		g.Expect(w.received()[0].header.Values("Proxy-Authorization")).To(BeEmpty(), "the workspace does not see them")
	})

	t.Run("without credentials none are sent", func(t *testing.T) {
		g := NewWithT(t)
		w, p := newWorkspace(t, ok), newProxy(t)
		_, err := w.clientOver(t, w.transportThrough(t, p.URL, "")).Get(t.Context(), "c1")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(p.requests()).To(Equal([]connectRequest{{w.Listener.Addr().String(), ""}}))
	})

	for status, words := range map[int]string{
		http.StatusProxyAuthRequired: "requires other credentials (HTTP 407): see --databricks-proxy-credentials-dir",
		http.StatusForbidden:         "does not permit this host (HTTP 403)",
		http.StatusBadGateway:        "does not reach this host (HTTP 502)",
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			g := NewWithT(t)
			w, p := newWorkspace(t, ok), newProxy(t)
			p.answers(status)
			client := w.clientOver(t, w.transportThrough(t, p.URL, credentialsDir(t, "operator", "hidden-password")))
			_, err := client.Get(t.Context(), "c1")
			g.Expect(ClassOf(err)).To(Equal(ClassTransient))
			g.Expect(err).To(MatchError(And(ContainSubstring("proxy "+p.URL), ContainSubstring(words))))
			g.Expect(err).NotTo(MatchError(Or(ContainSubstring("words of the proxy"), ContainSubstring("hidden-password"))))
			g.Expect(ClassOf(client.Start(t.Context(), "c1"))).To(Equal(ClassTransient), "a write that was not sent is not ambiguous")
			g.Expect(w.received()).To(BeEmpty())
		})
	}

	t.Run("credentials that were removed are an error, and nothing is sent", func(t *testing.T) {
		g := NewWithT(t)
		w, p := newWorkspace(t, ok), newProxy(t)
		directory := credentialsDir(t, "operator", "first")
		client := w.clientOver(t, w.transportThrough(t, p.URL, directory))
		g.Expect(os.Remove(filepath.Join(directory, "password"))).To(Succeed())
		_, err := client.Get(t.Context(), "c1")
		g.Expect(ClassOf(err)).To(Equal(ClassTransient))
		g.Expect(err).To(MatchError(ContainSubstring("credentials of the proxy")))
		g.Expect(p.requests()).To(BeEmpty())
	})

	t.Run("a proxy that does not answer", func(t *testing.T) {
		g := NewWithT(t)
		w, p := newWorkspace(t, ok), newProxy(t)
		client := w.clientOver(t, w.transportThrough(t, p.URL, ""))
		p.Close()
		g.Expect(ClassOf(client.Start(t.Context(), "c1"))).To(Equal(ClassTransient))
	})

	for _, address := range []string{"127.0.0.1", "169.254.169.254", "0.0.0.0"} {
		t.Run("[S3] a name of "+address+" is refused before the proxy is asked", func(t *testing.T) {
			g := NewWithT(t)
			p := newProxy(t)
			var queries atomic.Int32
			client := clientOfName(t, p, fakeResolver(t, net.ParseIP(address), &queries))
			_, err := client.Get(t.Context(), "c1")
			g.Expect(ClassOf(err)).To(Equal(ClassHost), "%v", err)
			g.Expect(queries.Load()).To(BeNumerically(">", 0))
			g.Expect(p.requests()).To(BeEmpty())
		})
	}

	t.Run("a name that only the proxy can resolve is left to it", func(t *testing.T) {
		g := NewWithT(t)
		p := newProxy(t)
		p.answers(http.StatusBadGateway)
		unreachable := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("no name server")
		}}
		_, err := clientOfName(t, p, unreachable).Get(t.Context(), "c1")
		g.Expect(ClassOf(err)).To(Equal(ClassTransient))
		g.Expect(p.requests()).To(Equal([]connectRequest{{"no-such-name.cloud.databricks.com:443", ""}}))
	})
}

// clientOfName returns a client of a host by name, through a proxy.
func clientOfName(t *testing.T, p *connectProxy, resolver *net.Resolver) *Client {
	t.Helper()
	g := NewWithT(t)
	allowed, err := ParseAllowList(DefaultAllowedHosts())
	g.Expect(err).NotTo(HaveOccurred())
	proxy, err := ParseProxy(p.URL, "")
	g.Expect(err).NotTo(HaveOccurred())
	config := parse(t, map[string]string{"host": "no-such-name.cloud.databricks.com", "token": testSecret})
	client, err := New(config, Options{Transport: newTransport(allowed, nil, proxy, resolver)})
	g.Expect(err).NotTo(HaveOccurred())
	return client
}

// transportThrough is transport by a proxy.
func (w *workspace) transportThrough(t *testing.T, address, credentials string) *Transport {
	t.Helper()
	g := NewWithT(t)
	allowed, err := ParseAllowList([]string{w.URL})
	g.Expect(err).NotTo(HaveOccurred())
	proxy, err := ParseProxy(address, credentials)
	g.Expect(err).NotTo(HaveOccurred())
	roots := x509.NewCertPool()
	roots.AddCert(w.Certificate())
	transport := NewTransport(allowed, roots, proxy)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func (w *workspace) clientOver(t *testing.T, transport *Transport) *Client {
	t.Helper()
	client, err := New(parse(t, map[string]string{"host": w.URL, "token": testSecret}), Options{Transport: transport})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return client
}

func TestProxiesThatCannotBeUsed(t *testing.T) {
	for name, c := range map[string]struct{ address, credentials, words string }{
		"another scheme": {"socks5://proxy:1080", "", `--databricks-proxy "socks5://proxy:1080" must begin with http:// or https://`},
		"no scheme":      {"proxy:3128", "", `--databricks-proxy "proxy:3128" must begin with`},
		"no port":        {"http://proxy", "", `--databricks-proxy "http://proxy" needs a host and a port`},
		"a path":         {"http://proxy:3128/x", "", "more than a scheme, a host and a port"},
		"a user":         {"http://me:hidden-password@proxy:3128", "", `for "proxy:3128" has a user name`},
		"no URL":         {"http://me:hidden-password@proxy:x", "", "--databricks-proxy is no URL"},
		"no files":       {"http://proxy:3128", "/no/such", `--databricks-proxy-credentials-dir "/no/such": read the credentials`},
		"no user":        {"http://proxy:3128", credentialsDir(t, "\n", "x"), "username is empty"},
		"no proxy":       {"", "/no/such", `"/no/such" needs --databricks-proxy`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseProxy(c.address, c.credentials)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(c.words)))
			NewWithT(t).Expect(err).NotTo(MatchError(ContainSubstring("hidden-password")))
		})
	}
	proxy, err := ParseProxy("", "")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(proxy).To(BeNil())
}
