package histories

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// workspaceHost is the address of the workspace.
const workspaceHost = "https://adb-1.2.azuredatabricks.net"

// tokens are the tokens of the namespaces. Two of them share one.
var tokens = map[string]string{"a": "dapi-a", "b": "dapi-b", "c": "dapi-b"}

// objects are the names that a history may use.
var objects = []string{"a/one", "a/two", "b/one", "c/one"}

// keyOf returns the key of an object's name, such as a/one.
func keyOf(object string) key {
	namespace, name, _ := strings.Cut(object, "/")
	return key{resource: clusters, namespace: namespace, name: name}
}

// world is everything that a history happens to.
type world struct {
	server    *apiServer
	workspace *simulator.Server
	checks    *checks

	// mu guards operators and stopping.
	mu        sync.Mutex
	operators []*operator
	stopping  bool
	// supervisors restart killed processes.
	supervisors sync.WaitGroup
}

func newWorld(timings simulator.Timings) *world {
	server := newAPIServer()
	workspace := simulator.New(simulator.Options{
		Workspaces: []simulator.Workspace{{Cloud: simulator.AWS, Principals: []simulator.Principal{
			{UserName: "a@example.com", Tokens: []string{"dapi-a"}},
			{UserName: "b@example.com", Tokens: []string{"dapi-b"}},
			{UserName: "tool@example.com", Tokens: []string{"dapi-tool"}},
		}, Policies: []simulator.Policy{{ID: teamPolicy, Name: "team", Definition: `{}`}}}},
		Timings: &timings, LogSize: 1000,
	})
	for namespace, token := range tokens {
		server.add(key{resource: "secrets", namespace: namespace, name: "databricks-credentials"}, document{
			"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"namespace": namespace, "name": "databricks-credentials"},
			"data": map[string]any{"host": base64Of(workspaceHost), "token": base64Of(token)},
		})
	}
	w := &world{server: server, workspace: workspace, checks: newChecks(server, workspace)}
	w.checks.abort = w.killAll
	return w
}

// start starts a process of the operator, which is restarted when it is killed.
func (w *world) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping {
		return
	}
	started, err := startOperator(w.server, w.workspace.Transport(), w.checks.arrives, w.checks.violated)
	if err != nil {
		w.checks.violated(fmt.Sprint("the operator did not start: ", err))
		return
	}
	w.operators = append(w.operators, started)
	w.supervisors.Go(func() {
		<-started.link.killed
		started.kill()
		w.mu.Lock()
		w.operators = slices.DeleteFunc(w.operators, func(o *operator) bool { return o == started })
		lone := len(w.operators) == 0
		w.mu.Unlock()
		if lone {
			pass(2 * time.Second)
			w.start()
		}
	})
}

// each calls a function with the connections of every process.
func (w *world) each(do func(*link)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, running := range w.operators {
		do(running.link)
	}
}

// second starts a process beside the one that runs, as a new leader does while the old one
// does not know yet. The old one ends after a time.
func (w *world) second(overlap time.Duration) {
	w.mu.Lock()
	running := slices.Clone(w.operators)
	w.mu.Unlock()
	if len(running) != 1 {
		return
	}
	w.start()
	time.AfterFunc(overlap, running[0].link.kill)
}

// heal ends all faults.
func (w *world) heal() {
	w.workspace.ClearFaults()
	w.each((*link).heal)
	w.mu.Lock()
	surplus := w.operators[min(1, len(w.operators)):]
	w.mu.Unlock()
	for _, running := range surplus {
		running.link.kill()
	}
}

// killAll ends all processes for good.
func (w *world) killAll() {
	w.mu.Lock()
	w.stopping = true
	running := slices.Clone(w.operators)
	w.mu.Unlock()
	for _, process := range running {
		process.link.kill()
	}
}

// resume starts a process after killAll.
func (w *world) resume() {
	w.mu.Lock()
	w.stopping = false
	w.mu.Unlock()
	w.start()
}

// stop ends everything.
func (w *world) stop() {
	w.killAll()
	w.supervisors.Wait()
	w.workspace.Close()
}

// create creates an object with a small spec and the given changes.
func (w *world) create(at key, change string) {
	object := document{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": v1alpha1.ClusterKind,
		"metadata": map[string]any{"namespace": at.namespace, "name": at.name},
		"spec": map[string]any{
			"sparkVersion": "16.4.x-scala2.12", "nodeTypeID": "i3.xlarge", "numWorkers": float64(1), "autoterminationMinutes": float64(0),
		},
	}
	if change != "" {
		maps.Copy(object["spec"].(map[string]any), parse([]byte(change)))
	}
	_, _ = w.server.create(at, object)
}

// adopt creates a cluster elsewhere, and an object that adopts it.
func (w *world) adopt(at key, change string) { w.adoptFrom(at, change, nil, nil) }

// foreignOwner is the owner tag of an object of another control plane.
const foreignOwner = "99999999-00000000-0000-4000-8000-00000000abcd"

// takeOver is adopt for a cluster with the owner tag of another control plane.
func (w *world) takeOver(at key, change string) {
	w.adoptFrom(at, change, map[string]any{simulator.DefaultOwnerTag: foreignOwner}, map[string]any{v1alpha1.AnnotationTakeOver: foreignOwner})
}

func (w *world) adoptFrom(at key, change string, tags, annotations map[string]any) {
	if _, err := w.server.get(at); err == nil {
		return
	}
	id, err := w.workspace.AddCluster(simulator.Seed{Source: "API", State: simulator.Running, Spec: map[string]any{
		"cluster_name": at.name, "spark_version": "16.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": 1,
		"autotermination_minutes": 0, "custom_tags": tags,
	}})
	if err != nil {
		w.checks.violated(err.Error())
		return
	}
	spec := parse([]byte(change))
	spec["clusterID"] = id
	_, _ = w.server.create(at, document{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": v1alpha1.ClusterKind,
		"metadata": map[string]any{"namespace": at.namespace, "name": at.name, "annotations": annotations},
		"spec":     map[string]any(spec),
	})
}

// edit merges a change into the spec of an object.
func (w *world) edit(at key, change string) {
	_, _ = w.server.patch(at, "", types.MergePatchType, []byte(`{"spec":`+change+`}`))
	w.checks.edited(at)
	if object, err := w.server.get(at); err == nil && strings.Contains(change, "adoptionPolicy") {
		w.checks.mu.Lock()
		defer w.checks.mu.Unlock()
		w.checks.successions.cleared[text(object, "metadata", "uid")] = true
	}
}

// request sets the request annotation of an object.
func (w *world) request(at key, request string) {
	_, _ = w.server.patch(at, "", types.MergePatchType,
		[]byte(fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationRequest, request)))
	w.checks.edited(at)
}

// elsewhere changes the cluster of an object outside the operator, if it has one.
func (w *world) elsewhere(at key, change func(id string) error) {
	object, err := w.server.get(at)
	if err != nil {
		return
	}
	for _, found := range w.workspace.Clusters() {
		if found.Exists() && (found.Owner == ownerTag(object) || found.ID == text(object, "status", "clusterID")) {
			_ = change(found.ID)
		}
	}
}

// powerElsewhere is elsewhere for a change of the power of the cluster.
func (w *world) powerElsewhere(at key, what power, change func(id string) error) {
	w.elsewhere(at, func(id string) error {
		w.checks.changedElsewhere(id, what)
		return change(id)
	})
}

// ownerTag is the owner tag of an object's cluster.
func ownerTag(object document) string {
	at := object.metadata()
	return owner.Of(operatorID, fmt.Sprint(at["uid"]), fmt.Sprint(at["namespace"]), fmt.Sprint(at["name"])).Tag()
}

var _ http.RoundTripper = kubeTransport{}
