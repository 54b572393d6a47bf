package histories

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/test/controlplane"
)

// TestTheModelIsTheAPIServer sends the same random requests to the model and to a real API
// server, and compares the answers and the events of a watch.
func TestTheModelIsTheAPIServer(t *testing.T) {
	server, err := controlplane.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	kube, err := client.NewWithWatch(server.Config, client.Options{Scheme: server.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	var requests []apiRequest
	for seed := range uint64(10) {
		requests = append(requests, randomRequests(seed, 40)...)
	}
	want := answersOf(t, kube, requests)
	var got []string
	synctest.Test(t, func(t *testing.T) {
		model, err := client.NewWithWatch(&rest.Config{
			Host: "http://kubernetes", Transport: kubeTransport{newLink(), newAPIServer()}, QPS: -1,
			ContentConfig: rest.ContentConfig{ContentType: runtime.ContentTypeJSON},
		}, client.Options{Scheme: newScheme(), Mapper: newMapper()})
		if err != nil {
			t.Fatal(err)
		}
		got = answersOf(t, model, requests)
	})
	for i := range want {
		if got[i] == want[i] {
			continue
		}
		if i >= len(requests) {
			t.Fatalf("event %d: the model sends\n%s\nand the API server\n%s", i-len(requests), got[i], want[i])
		}
		t.Fatalf("request %d: the model answers\n%s\nand the API server\n%s\nto\n%s", i, got[i], want[i], strings.Join(textsOf(requests[max(0, i-3):i+1]), "\n"))
	}
}

// apiRequest is one request about an object.
type apiRequest struct {
	verb, name, subresource string
	patch                   types.PatchType
	body                    string
	// locked adds the resource version of the newest object, or one that is older.
	lock lock
}

// lock is the optimistic lock of a patch.
type lock int

const (
	unlocked lock = iota
	newest
	outdated
)

func (r apiRequest) String() string {
	return fmt.Sprintf("%s %s/%s %s %s lock=%d", r.verb, r.name, r.subresource, r.patch, r.body, r.lock)
}

func textsOf(requests []apiRequest) (texts []string) {
	for _, request := range requests {
		texts = append(texts, request.String())
	}
	return texts
}

// randomRequests returns requests about two objects, which begin and end without them.
func randomRequests(seed uint64, count int) []apiRequest {
	random := rand.New(rand.NewPCG(seed, 2))
	pick := func(all ...string) string { return all[random.IntN(len(all))] }
	var all []apiRequest
	for range count {
		r := apiRequest{name: pick("one", "two"), patch: types.MergePatchType, verb: "patch", lock: lock(random.IntN(3))}
		switch random.IntN(8) {
		case 0, 1:
			r.verb = "create"
		case 2:
			r.verb = "delete"
		case 3:
			r.body = pick(`{"metadata":{"finalizers":["example.com/a"]}}`, `{"metadata":{"finalizers":null}}`)
		case 4:
			r.body = pick(`{"spec":{"numWorkers":2}}`, `{"spec":{"numWorkers":3}}`, `{"spec":{"suspend":true},"status":{"state":"RUNNING"}}`)
		case 5:
			r.body = pick(`{"metadata":{"annotations":{"a":"1"}}}`, `{"metadata":{"annotations":{"a":null}}}`, `{}`)
		case 6:
			r.subresource = "status"
			r.body = pick(`{"status":{"state":"RUNNING"}}`, `{"status":{"state":"TERMINATED"},"spec":{"numWorkers":5}}`, `{"status":{"clusterID":"1"}}`)
		case 7:
			r.subresource, r.patch, r.lock = "status", types.JSONPatchType, unlocked
			r.body = pick(
				`[{"op":"add","path":"/status/clusterID","value":"2"}]`,
				`[{"op":"test","path":"/status/clusterID","value":"2"},{"op":"add","path":"/status/stateMessage","value":"x"}]`,
				`[{"op":"test","path":"/metadata/uid","value":"of another object"},{"op":"add","path":"/status/clusterID","value":"3"}]`,
			)
		}
		all = append(all, r)
	}
	for _, name := range []string{"one", "two"} {
		all = append(all, apiRequest{verb: "patch", name: name, patch: types.MergePatchType, body: `{"metadata":{"finalizers":null}}`}, apiRequest{verb: "delete", name: name})
	}
	return all
}

// answersOf sends the requests and returns the answers, and then the events of a watch.
func answersOf(t *testing.T, kube client.WithWatch, requests []apiRequest) (answers []string) {
	t.Helper()
	ctx := t.Context()
	const namespace = "default"
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.ClusterKind + "List"))
	watch, err := kube.Watch(ctx, list, client.InNamespace(namespace))
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	older := map[string]string{}
	changes := 0
	for _, request := range requests {
		object := newObject(namespace, request.name)
		before := newObject(namespace, request.name)
		if err := kube.Get(ctx, client.ObjectKeyFromObject(before), before); err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		err := send(ctx, kube, object, before, older[request.name], request)
		if version := before.GetResourceVersion(); version != "" && older[request.name] == "" {
			older[request.name] = version
		}
		after := newObject(namespace, request.name)
		if err := kube.Get(ctx, client.ObjectKeyFromObject(after), after); err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		changed := after.GetResourceVersion() != before.GetResourceVersion()
		if changed {
			changes++
		}
		answers = append(answers, fmt.Sprintf("%s: %v, changed %v, %s", request.verb, codeOf(err), changed, normalized(after)))
	}
	for range changes {
		event := <-watch.ResultChan()
		object, _ := event.Object.(*unstructured.Unstructured)
		answers = append(answers, fmt.Sprintf("%s %s", event.Type, normalized(object)))
	}
	return answers
}

func send(ctx context.Context, kube client.Client, object, before *unstructured.Unstructured, older string, request apiRequest) error {
	switch request.verb {
	case "create":
		object.Object["spec"] = map[string]any{"sparkVersion": "16.4.x-scala2.12", "nodeTypeID": "i3.xlarge", "numWorkers": int64(1), "autoterminationMinutes": int64(60)}
		return kube.Create(ctx, object)
	case "delete":
		return kube.Delete(ctx, object)
	}
	body := request.body
	if version := map[lock]string{newest: before.GetResourceVersion(), outdated: older}[request.lock]; version != "" {
		var patch map[string]any
		if err := json.Unmarshal([]byte(body), &patch); err != nil {
			return err
		}
		metadata, _ := patch["metadata"].(map[string]any)
		if metadata == nil {
			metadata = map[string]any{}
		}
		metadata["resourceVersion"] = version
		patch["metadata"] = metadata
		locked, err := json.Marshal(patch)
		if err != nil {
			return err
		}
		body = string(locked)
	}
	patch := client.RawPatch(request.patch, []byte(body))
	if request.subresource == "status" {
		return kube.Status().Patch(ctx, object, patch)
	}
	return kube.Patch(ctx, object, patch)
}

func newObject(namespace, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.ClusterKind))
	object.SetNamespace(namespace)
	object.SetName(name)
	return object
}

// codeOf returns the status of an error, which decides what a client does.
func codeOf(err error) int32 {
	if err == nil {
		return http.StatusOK
	}
	if known, ok := err.(apierrors.APIStatus); ok {
		return known.Status().Code
	}
	return -1
}

// normalized returns an object without what differs between two servers.
func normalized(object *unstructured.Unstructured) string {
	object = object.DeepCopy()
	if object.GetUID() == "" {
		return "none"
	}
	object.SetUID("")
	object.SetResourceVersion("")
	object.SetManagedFields(nil)
	object.SetCreationTimestamp(metav1.Time{})
	if object.GetDeletionTimestamp() != nil {
		object.SetDeletionTimestamp(&metav1.Time{Time: time.Unix(0, 0)})
	}
	raw, err := json.Marshal(object.Object)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
