package controller_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/test/explore"
	"github.com/databricks-operator/databricks-operator/test/explore/listed"
)

// effects records the requests of the operator that create and delete one remote object,
// as the model checkers name them.
type effects struct {
	// resource is the resource of the object.
	resource string
	// writes are the calls to the workspace so far, as effects.
	writes func() []explore.Effect

	mu   sync.Mutex
	sent int
	seen []explore.Effect
}

// note appends the calls to the workspace since the last time, and an effect after them.
func (e *effects) note(effect explore.Effect) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, call := range e.writes()[e.sent:] {
		e.sent++
		e.seen = append(e.seen, call)
	}
	if effect != "" {
		e.seen = append(e.seen, effect)
	}
}

// recorder stands between the operator and the API server.
type recorder struct {
	http.RoundTripper
	*effects
}

func (r recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	var body []byte
	if request.Body != nil {
		var err error
		if body, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	response, err := r.RoundTripper.RoundTrip(request)
	if err == nil && response.StatusCode < http.StatusMultipleChoices {
		r.note(effectOf(request, r.resource, body))
	}
	return response, err
}

// effectOf returns which effect a request to the API server is; "" for none.
func effectOf(request *http.Request, resource string, body []byte) explore.Effect {
	_, object, ok := strings.Cut(request.URL.Path, "/"+resource+"/")
	isLocked := bytes.Contains(body, []byte(`"resourceVersion"`))
	switch {
	case !ok:
		return ""
	case request.Method == http.MethodGet:
		return explore.GetUncached
	case request.Method != http.MethodPatch:
		return ""
	case !strings.HasSuffix(object, "/status") && isLocked:
		return explore.PatchFinalizers
	case request.Header.Get("Content-Type") == string(types.JSONPatchType):
		return idEffect(body)
	case isLocked && bytes.Contains(body, []byte(`"token":"`)):
		return explore.PatchIntent
	default:
		return ""
	}
}

func idEffect(body []byte) explore.Effect {
	var operations []struct {
		Op   string `json:"op"`
		Path string `json:"path"`
	}
	if err := json.Unmarshal(body, &operations); err != nil {
		return explore.Effect(err.Error())
	}
	var tests []string
	for _, operation := range operations {
		if operation.Op == "test" {
			tests = append(tests, operation.Path)
		}
	}
	last := max(len(tests)-1, 0)
	return explore.Effect("patch the id with tests of " + strings.Join(tests[:last], ", ") + " and " + strings.Join(tests[last:], ""))
}

func TestTheModelCheckerMirrorsTheActor(t *testing.T) {
	t.Parallel()
	t.Run("[R20] a creation and a deletion make the requests of the model, in its order", func(t *testing.T) {
		r := newRig(t)
		made := &effects{resource: "databricksclusters", writes: func() []explore.Effect { return posts("clusters/", r.writes()) }}
		r.kube.Wrap(func(inner http.RoundTripper) http.RoundTripper { return recorder{inner, made} })
		r.start()
		cluster := r.becomes(r.create(r.small("scratch")), "Ready=Running")
		r.remove(cluster)
		r.gone(cluster)
		r.stop()
		made.note("")
		r.Expect(slices.Compact(made.seen)).To(Equal(explore.FaultFree()), "but for what was tried again after a conflict")
	})
	for _, kind := range listedKinds {
		t.Run("[R20] the same of a "+kind.Noun, func(t *testing.T) {
			r := newListedRig(t, kind)
			made := &effects{resource: kind.plural, writes: func() []explore.Effect { return posts("", r.sent()) }}
			r.kube.Wrap(func(inner http.RoundTripper) http.RoundTripper { return recorder{inner, made} })
			r.start()
			object := r.make(r.with("x"))
			r.is(object, "Ready=Available")
			r.destroy(object)
			r.isGone(object)
			r.stop()
			made.note("")
			r.Expect(slices.Compact(made.seen)).To(Equal(listed.FaultFree(kind.Kind)), "but for what was tried again after a conflict")
		})
	}
}

// posts returns calls to the workspace as effects.
func posts(prefix string, calls []string) []explore.Effect {
	var all []explore.Effect
	for _, call := range calls {
		all = append(all, explore.Effect("POST "+prefix+call))
	}
	return all
}
