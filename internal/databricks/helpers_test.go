package databricks

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
)

// testSecret is a credential that no text may contain.
const testSecret = "dapi0canary1234567890abcdef"

// workspace is a server with a handler of the test. It records the requests.
type workspace struct {
	*httptest.Server

	mu       sync.Mutex
	requests []received
}

type received struct {
	method, path, query, body string
	header                    http.Header
}

// newWorkspace starts a server with TLS. handler is called after the request was recorded.
func newWorkspace(t *testing.T, handler http.HandlerFunc) *workspace {
	t.Helper()
	return newWorkspaceTLS(t, nil, handler)
}

func newWorkspaceTLS(t *testing.T, config *tls.Config, handler http.HandlerFunc) *workspace {
	t.Helper()
	w := &workspace{}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		w.requests = append(w.requests, received{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header.Clone()})
		w.mu.Unlock()
		handler(rw, r)
	}))
	w.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.TLS = config
	w.EnableHTTP2 = config != nil
	w.StartTLS()
	t.Cleanup(w.Close)
	return w
}

func (w *workspace) received() []received {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]received(nil), w.requests...)
}

// transport returns a transport that allows the origin of the server.
func (w *workspace) transport(t *testing.T) *Transport {
	t.Helper()
	allowed, err := ParseAllowList([]string{w.URL})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	roots := x509.NewCertPool()
	roots.AddCert(w.Certificate())
	transport := NewTransport(allowed, roots, nil)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func (w *workspace) client(t *testing.T, observe ...func(Call)) *Client {
	t.Helper()
	return w.clientOf(t, map[string]string{"host": w.URL, "token": testSecret}, observe...)
}

func (w *workspace) clientOf(t *testing.T, secret map[string]string, observe ...func(Call)) *Client {
	t.Helper()
	options := Options{Transport: w.transport(t), Version: "1.2.3"}
	if len(observe) > 0 {
		options.Observe = observe[0]
	}
	client, err := New(parse(t, secret), options)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return client
}

func parse(t *testing.T, secret map[string]string) Config {
	t.Helper()
	config, err := ParseSecret(asData(secret))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return config
}

func asData(secret map[string]string) map[string][]byte {
	data := map[string][]byte{}
	for key, value := range secret {
		data[key] = []byte(value)
	}
	return data
}

// respondWith returns a handler that always sends the same response.
func respondWith(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// respondRetryAfter is respondWith with a Retry-After header.
func respondRetryAfter(status int, retryAfter, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", retryAfter)
		respondWith(status, body)(w, r)
	}
}

// roundTrip simulates a workspace without a network, for virtual time.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// inMemory returns a client whose requests f handles.
func inMemory(t *testing.T, secret map[string]string, f roundTrip) *Client {
	t.Helper()
	secret["host"] = "https://dbc-1.cloud.databricks.com"
	allowed, err := ParseAllowList(DefaultAllowedHosts())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	client, err := New(parse(t, secret), Options{Transport: NewTransportOver(allowed, f), Version: "1.2.3"})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return client
}

// reply returns a successful response.
func reply(body string) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}
