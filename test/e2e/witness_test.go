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

// call is one request of the operator that may be its last.
type call struct {
	// name is what is asked of whom: "kubernetes intent", "databricks
	// clusters/create".
	name string
	// nth counts calls of this name, from 1.
	nth int
	// writes tells that the call changes something.
	writes bool
}

func (c call) String() string { return fmt.Sprintf("%s #%d", c.name, c.nth) }

// fate is at what point of a call the operator dies.
type fate string

const (
	spared fate = "spared"
	// before: the call has no effect.
	before fate = "before"
	// after: the call has its effect, and its answer is lost.
	after fate = "after"
	// late: the call takes its effect when the operator is dead, and perhaps
	// when the next one runs.
	late fate = "late"
)

// lateness is less than --request-timeout: that is as long as a request that was
// sent may still take effect.
const lateness = requestTimeout - 500*time.Millisecond

// witness stands between the operator and both APIs. It sees every call that
// matters, and decides whether the operator lives to see its answer.
type witness struct {
	workspace *simulator.Server
	// Address and authority of the workspace, and a kubeconfig for the API
	// server, both by way of the witness.
	host, caFile, kubeconfig string
	// judge decides; kill returns when the operator is dead.
	judge func(call) fate
	kill  func()

	mu    sync.Mutex
	calls []call
	count map[string]int
}

// newWitness stands ready until the test ends.
func newWitness(t *testing.T) *witness {
	t.Helper()
	g := NewWithT(t)
	w := &witness{
		workspace: simulator.New(simulator.Options{Timings: &simulator.Timings{
			Launch: time.Second, Terminate: 100 * time.Millisecond, Retention: time.Hour,
		}}),
		judge: func(call) fate { return spared },
		count: map[string]int{},
	}
	directory := t.TempDir()

	databricks := httptest.NewTLSServer(http.HandlerFunc(w.databricks))
	databricks.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(databricks.Close)
	w.host, w.caFile = databricks.URL, filepath.Join(directory, "ca.pem")
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: databricks.Certificate().Raw})
	g.Expect(os.WriteFile(w.caFile, authority, 0o600)).To(Succeed())

	proxy, err := w.newProxy()
	g.Expect(err).NotTo(HaveOccurred())
	apiServer := httptest.NewServer(proxy)
	apiServer.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(apiServer.Close)
	w.kubeconfig = filepath.Join(directory, "kubeconfig")
	g.Expect(clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"witness": {Server: apiServer.URL}},
		Contexts:       map[string]*clientcmdapi.Context{"witness": {Cluster: "witness"}},
		CurrentContext: "witness",
	}, w.kubeconfig)).To(Succeed())
	return w
}

// seen are the calls so far, in the order of their arrival.
func (w *witness) seen() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// notice counts a call and decides about it.
func (w *witness) notice(name string, writes bool) fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count[name]++
	next := call{name: name, nth: w.count[name], writes: writes}
	w.calls = append(w.calls, next)
	return w.judge(next)
}

// end kills the operator and leaves the call without an answer.
func (w *witness) end() {
	w.kill()
	panic(http.ErrAbortHandler)
}

func (w *witness) databricks(answer http.ResponseWriter, request *http.Request) {
	_, operation, _ := strings.Cut(strings.TrimPrefix(request.URL.Path, "/api/"), "/")
	decided := w.notice("databricks "+operation, request.Method != http.MethodGet)
	// What was sent arrives whole, whatever becomes of the sender.
	body, err := io.ReadAll(request.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if operation == "clusters/create" {
		body = withoutToken(body)
	}
	request = request.WithContext(context.WithoutCancel(request.Context()))
	request.Body = io.NopCloser(bytes.NewReader(body))
	if decided == before {
		w.end()
	}
	if decided == late {
		w.kill()
		<-time.After(lateness)
	}
	effect := httptest.NewRecorder()
	w.workspace.ServeHTTP(effect, request)
	if decided == after {
		w.end()
	}
	if decided == late {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(answer.Header(), effect.Header())
	answer.WriteHeader(effect.Code)
	_, _ = answer.Write(effect.Body.Bytes())
}

// withoutToken takes the second net away, so that the first one is proven: this
// workspace knows no idempotency tokens.
func withoutToken(body []byte) []byte {
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

// decision is under which key a request to the API server carries its fate.
type decision struct{}

func (w *witness) newProxy() (http.Handler, error) {
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
			if response.Request.Context().Value(decision{}) == after {
				w.end()
			}
			return nil
		},
	}
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		w.kubernetes(proxy, answer, request)
	}), nil
}

func (w *witness) kubernetes(proxy http.Handler, answer http.ResponseWriter, request *http.Request) {
	if request.Method == http.MethodGet || !strings.Contains(request.URL.Path, "/databricksclusters/") {
		proxy.ServeHTTP(answer, request)
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	decided := w.notice("kubernetes "+nameOfPatch(body), true)
	if decided == before {
		w.end()
	}
	// What was sent arrives whole, whatever becomes of the sender.
	ctx := context.WithValue(context.WithoutCancel(request.Context()), decision{}, decided)
	request = request.WithContext(ctx)
	request.Body = io.NopCloser(bytes.NewReader(body))
	proxy.ServeHTTP(answer, request)
}

// nameOfPatch names a write to an object by the step of its life that it
// persists.
func nameOfPatch(body []byte) string {
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
		return "release"
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
