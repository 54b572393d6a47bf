package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// call is one request of the operator at which it may be killed.
type call struct {
	// name consists of the server and the operation: "kubernetes intent",
	// "databricks clusters/create".
	name string
	// nth numbers the calls of this name, from 1.
	nth int
	// writes reports whether the call changes anything.
	writes bool
}

func (c call) String() string { return fmt.Sprintf("%s #%d", c.name, c.nth) }

// killPoint is the point of a call at which the operator is killed.
type killPoint string

const (
	noKill killPoint = "none"
	// before: the call has no effect.
	before killPoint = "before"
	// after: the call takes effect, and its response is lost.
	after killPoint = "after"
	// late: the call takes effect after the operator was killed, possibly while
	// the next process runs.
	late killPoint = "late"
)

// lateDelay is less than --request-timeout, the time within which a sent
// request may still take effect.
const lateDelay = requestTimeout - 500*time.Millisecond

// faultProxy is a proxy between the operator and both APIs. It records the
// relevant calls and kills the operator at chosen points.
type faultProxy struct {
	workspace *simulator.Server
	// The proxy's address and certificate authority for the workspace, and its
	// kubeconfig for the API server.
	host, caFile, kubeconfig string
	// decide chooses the kill point of a call; kill returns after the operator
	// has exited.
	decide func(call) killPoint
	kill   func()

	mu    sync.Mutex
	calls []call
	count map[string]int
}

// newFaultProxy starts a proxy that runs until the test ends.
func newFaultProxy(t *testing.T) *faultProxy {
	t.Helper()
	g := NewWithT(t)
	p := &faultProxy{
		workspace: simulator.New(simulator.Options{Timings: &simulator.Timings{
			Launch: time.Second, Terminate: 100 * time.Millisecond, Retention: time.Hour,
		}}),
		decide: func(call) killPoint { return noKill },
		count:  map[string]int{},
	}
	directory := t.TempDir()

	databricks := httptest.NewTLSServer(http.HandlerFunc(p.databricks))
	databricks.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(databricks.Close)
	p.host, p.caFile = databricks.URL, filepath.Join(directory, "ca.pem")
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: databricks.Certificate().Raw})
	g.Expect(os.WriteFile(p.caFile, authority, 0o600)).To(Succeed())

	proxy, err := p.newAPIServerProxy()
	g.Expect(err).NotTo(HaveOccurred())
	apiServer := httptest.NewServer(proxy)
	apiServer.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(apiServer.Close)
	p.kubeconfig = filepath.Join(directory, "kubeconfig")
	g.Expect(clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"fault-proxy": {Server: apiServer.URL}},
		Contexts:       map[string]*clientcmdapi.Context{"fault-proxy": {Cluster: "fault-proxy"}},
		CurrentContext: "fault-proxy",
	}, p.kubeconfig)).To(Succeed())
	return p
}

// recorded returns the calls so far, in the order of arrival.
func (p *faultProxy) recorded() []call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// record records a call and returns its kill point.
func (p *faultProxy) record(name string, writes bool) killPoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count[name]++
	next := call{name: name, nth: p.count[name], writes: writes}
	p.calls = append(p.calls, next)
	return p.decide(next)
}

// killAndDrop kills the operator and drops the call's connection.
func (p *faultProxy) killAndDrop() {
	p.kill()
	panic(http.ErrAbortHandler)
}

func (p *faultProxy) databricks(answer http.ResponseWriter, request *http.Request) {
	_, operation, _ := strings.Cut(strings.TrimPrefix(request.URL.Path, "/api/"), "/")
	point := p.record("databricks "+operation, request.Method != http.MethodGet)
	// The whole request is read, also if its sender is killed.
	body, err := io.ReadAll(request.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if operation == "clusters/create" {
		body = withoutIdempotencyToken(body)
	}
	request = request.WithContext(context.WithoutCancel(request.Context()))
	request.Body = io.NopCloser(bytes.NewReader(body))
	if point == before {
		p.killAndDrop()
	}
	if point == late {
		p.kill()
		<-time.After(lateDelay)
	}
	recorder := httptest.NewRecorder()
	p.workspace.ServeHTTP(recorder, request)
	if point == after {
		p.killAndDrop()
	}
	if point == late {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(answer.Header(), recorder.Header())
	answer.WriteHeader(recorder.Code)
	_, _ = answer.Write(recorder.Body.Bytes())
}

// withoutIdempotencyToken removes the idempotency token, so that the operator
// must prevent duplicates without it.
func withoutIdempotencyToken(body []byte) []byte {
	fields := map[string]any{}
	if err := json.Unmarshal(body, &fields); err != nil {
		return body
	}
	delete(fields, "idempotency_token")
	without, err := json.Marshal(fields)
	if err != nil {
		return body
	}
	return without
}

// killPointKey is the context key of a request's killPoint.
type killPointKey struct{}

func (p *faultProxy) newAPIServerProxy() (http.Handler, error) {
	transport, err := rest.TransportFor(kubernetes.Config)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(kubernetes.Config.Host)
	if err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(request *httputil.ProxyRequest) { request.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1, // watches
		ErrorLog:      log.New(io.Discard, "", 0),
		ModifyResponse: func(response *http.Response) error {
			if response.Request.Context().Value(killPointKey{}) == after {
				p.killAndDrop()
			}
			return nil
		},
	}
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		p.kubernetes(proxy, answer, request)
	}), nil
}

func (p *faultProxy) kubernetes(proxy http.Handler, answer http.ResponseWriter, request *http.Request) {
	if request.Method == http.MethodGet || !strings.Contains(request.URL.Path, "/databricksclusters/") {
		proxy.ServeHTTP(answer, request)
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	point := p.record("kubernetes "+patchName(body), true)
	if point == before {
		p.killAndDrop()
	}
	// The whole request is sent, also if its sender is killed.
	ctx := context.WithValue(context.WithoutCancel(request.Context()), killPointKey{}, point)
	request = request.WithContext(ctx)
	request.Body = io.NopCloser(bytes.NewReader(body))
	proxy.ServeHTTP(answer, request)
}

// patchName names a write to an object after the lifecycle step that it
// persists.
func patchName(body []byte) string {
	var patch struct {
		Metadata struct {
			Finalizers json.RawMessage `json:"finalizers"`
		} `json:"metadata"`
		Status struct {
			ClusterID string `json:"clusterID"`
			Creation  struct {
				Token string `json:"token"`
			} `json:"creation"`
		} `json:"status"`
	}
	var operations []struct {
		Path string `json:"path"`
	}
	if json.Unmarshal(body, &operations) == nil {
		for _, operation := range operations {
			if operation.Path == "/status/clusterID" {
				return "id"
			}
		}
	}
	if err := json.Unmarshal(body, &patch); err != nil {
		return "unknown"
	}
	switch {
	case string(patch.Metadata.Finalizers) == "null":
		return "finalizer-removal"
	case patch.Metadata.Finalizers != nil:
		return "finalizer"
	case patch.Status.Creation.Token != "":
		return "intent"
	case patch.Status.ClusterID != "":
		return "id"
	default:
		return "status"
	}
}
