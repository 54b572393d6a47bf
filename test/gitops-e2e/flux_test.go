package gitops

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

var (
	kustomization    = schema.GroupVersionKind{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"}
	externalArtifact = schema.GroupVersionKind{Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: "ExternalArtifact"}
)

const (
	// fluxExamples is the directory of the documented examples.
	fluxExamples = "../../examples/flux"
	// fluxRequest requests a reconciliation.
	fluxRequest = "reconcile.fluxcd.io/requestedAt"
	// source is the name of the artifact in each namespace.
	source = "git"
)

// flux is kustomize-controller, with a replacement for source-controller: it
// serves the newest commit as an archive over HTTP.
type flux struct {
	api client.Client
	web *httptest.Server

	mu       sync.Mutex
	archives map[string][]byte
	asked    map[string]string
}

func startFlux(ctx context.Context, l *environment) (tool, error) {
	binary, err := l.find(kustomizeController)
	if binary == "" {
		return nil, err
	}
	f := &flux{api: l.api, archives: map[string][]byte{}, asked: map[string]string{}}
	f.web = httptest.NewServer(http.HandlerFunc(f.serve))
	l.onStop(func() error { f.web.Close(); return nil })
	health, err := freePort()
	if err != nil {
		return nil, err
	}
	temporary := l.file("flux")
	if err := os.MkdirAll(temporary, 0o755); err != nil {
		return nil, err
	}
	_, err = l.start([]string{"KUBECONFIG=" + l.kubeconfig(), "RUNTIME_NAMESPACE=default", "TMPDIR=" + temporary}, binary, kustomizeController,
		"--watch-all-namespaces=true",
		"--enable-leader-election=false",
		"--metrics-addr=127.0.0.1:0",
		"--health-addr=127.0.0.1:"+health,
		"--events-addr=",
		"--feature-gates=ExternalArtifact=true",
		"--requeue-dependency=2s",
		"--concurrent=16", // each of them waits until its clusters are ready
	)
	if err != nil {
		return nil, err
	}
	return f, l.await(ctx, "kustomize-controller is ready", func(ctx context.Context) bool {
		return answersOK(ctx, "http://127.0.0.1:"+health+"/readyz")
	})
}

func answersOK(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

func (*flux) String() string  { return "Flux" }
func (*flux) program() string { return kustomizeController }

func (f *flux) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	archive, found := f.archives[r.URL.Path]
	f.mu.Unlock()
	if !found {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(archive)
}

// startSync applies the shipped examples with another source.
func (f *flux) startSync(ctx context.Context, s *fixture) error {
	if err := f.api.Create(ctx, typed(externalArtifact, s.namespace, source)); err != nil {
		return err
	}
	if err := f.publish(ctx, s); err != nil {
		return err
	}
	request := f.request(s)
	for _, name := range []string{"clusters", "jobs"} {
		object, err := f.example(name)
		if err != nil {
			return err
		}
		object.SetNamespace(s.namespace)
		object.SetAnnotations(map[string]string{fluxRequest: request})
		spec, _ := object.Object["spec"].(map[string]any)
		spec["sourceRef"] = map[string]any{"kind": externalArtifact.Kind, "name": source}
		if name == "clusters" {
			delete(spec, "dependsOn") // the operator is started by the suite
			if s.withoutExpressions {
				delete(spec, "healthCheckExprs")
			}
		}
		if err := f.api.Create(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

func (*flux) example(name string) (*unstructured.Unstructured, error) {
	content, err := os.ReadFile(filepath.Join(fluxExamples, name+".yaml"))
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	return object, yaml.Unmarshal(content, &object.Object)
}

// publish makes the newest commit the artifact of the source.
func (f *flux) publish(ctx context.Context, s *fixture) error {
	archive, err := s.repository.archive()
	if err != nil {
		return err
	}
	revision, err := f.revision(s)
	if err != nil {
		return err
	}
	digest := fmt.Sprintf("%x", sha256.Sum256(archive))
	path := "/" + s.namespace + "/" + digest + ".tar.gz"
	f.mu.Lock()
	f.archives[path] = archive
	f.mu.Unlock()

	object := typed(externalArtifact, s.namespace, source)
	if err := f.api.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return err
	}
	now := time.Now().UTC().Format(time.RFC3339)
	object.Object["status"] = map[string]any{
		"artifact": map[string]any{
			"url": f.web.URL + path, "path": path[1:], "revision": revision, "digest": "sha256:" + digest,
			"size": int64(len(archive)), "lastUpdateTime": now,
		},
		"conditions": []any{map[string]any{
			"type": "Ready", "status": string(metav1.ConditionTrue), "reason": "Succeeded", "message": "published",
			"lastTransitionTime": now, "observedGeneration": object.GetGeneration(),
		}},
	}
	return f.api.Status().Update(ctx, object)
}

// revision returns Flux's name of the newest commit.
func (*flux) revision(s *fixture) (string, error) {
	commit, err := s.repository.head()
	return "main@sha1:" + commit, err
}

// request returns a new value of the annotation that requests a reconciliation.
func (f *flux) request(s *fixture) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[s.namespace] = time.Now().Format(time.RFC3339Nano)
	return f.asked[s.namespace]
}

func (f *flux) requestSync(ctx context.Context, s *fixture) error {
	if err := f.publish(ctx, s); err != nil {
		return err
	}
	ask := []byte(fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, fluxRequest, f.request(s)))
	for _, name := range []string{"databricks-clusters", "jobs"} {
		object := typed(kustomization, s.namespace, name)
		if err := f.api.Patch(ctx, object, client.RawPatch(types.MergePatchType, ask)); err != nil {
			return err
		}
	}
	return nil
}

func (f *flux) verdict(ctx context.Context, s *fixture) (v verdict, message string) {
	object := typed(kustomization, s.namespace, "databricks-clusters")
	if err := f.api.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return inProgress, err.Error()
	}
	revision, err := f.revision(s)
	if err != nil {
		return inProgress, err.Error()
	}
	status, reason, message := condition(object, "Ready")
	message = reason + ": " + message
	f.mu.Lock()
	looked := text(object, "status", "lastHandledReconcileAt") == f.asked[s.namespace]
	f.mu.Unlock()
	switch {
	case !looked || text(object, "status", "lastAttemptedRevision") != revision:
		return inProgress, "has not looked yet (" + message + ")"
	case status == string(metav1.ConditionTrue):
		return ready, message
	case status == string(metav1.ConditionFalse):
		return failed, message
	default:
		return inProgress, message
	}
}

func (f *flux) stopSync(ctx context.Context, s *fixture) error {
	for _, name := range []string{"jobs", "databricks-clusters"} {
		object := typed(kustomization, s.namespace, name)
		if err := client.IgnoreNotFound(f.api.Delete(ctx, object)); err != nil {
			return err
		}
		err := shared.await(ctx, "the Kustomization "+name+" is gone", func(ctx context.Context) bool {
			return apierrors.IsNotFound(f.api.Get(ctx, client.ObjectKeyFromObject(object), object))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
