package controller_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// blast is a fault in one namespace.
type blast struct {
	row, fault string
	// prepare changes the specifications of the faulty namespace.
	prepare specChange
	// inject injects the fault before those objects are edited.
	inject func(r *rig)
}

// victims is the number of objects in the faulty namespace.
const victims = 3

func victim(i int) string { return fmt.Sprintf("victim-%d", i) }

func unchanged(*v1alpha1.DatabricksClusterSpec) {}

// faulty adds a fault for the cluster of each victim.
func faulty(fault simulator.Fault) func(*rig) {
	return func(r *rig) {
		for i := range victims {
			fault.ClusterID = r.get(r.small(victim(i))).Status.ClusterID
			r.workspace.AddFault(fault)
		}
	}
}

// creating creates many objects, with faults for each of their creates.
func creating(count int, change specChange, faults ...simulator.Fault) func(*rig) {
	return func(r *rig) {
		for i := range count {
			name := fmt.Sprintf("more-%03d", i)
			for _, fault := range faults {
				fault.ClusterName = r.namespace + "/" + name
				r.workspace.AddFault(fault)
			}
			r.create(r.small(name, change))
		}
	}
}

var blasts = []blast{
	{"", "none", unchanged, func(*rig) {}},
	{"R2", "the answers of ten creates are lost", unchanged, creating(10, unchanged, simulator.Fault{Endpoint: "clusters/create", When: simulator.After, Times: 1, Drop: true})},
	{"R7", "a hundred objects are created at once", unchanged, creating(100, unchanged)},
	{"R8", "sixty creates are refused with words of an error", unchanged, creating(60, func(s *v1alpha1.DatabricksClusterSpec) { s.NodeTypeID = "deadline exceeded" })},
	{"R8", "GET of its clusters answers 500", unchanged, faulty(simulator.Fault{Endpoint: "clusters/get", Status: http.StatusInternalServerError})},
	{"R8", "GET of its clusters answers a login page", unchanged, faulty(simulator.Fault{Endpoint: "clusters/get", HTML: true})},
	{"R8", "every write to its clusters is dropped", unchanged, faulty(simulator.Fault{Method: http.MethodPost, Drop: true})},
	{"R8", "permissions answer 500 (FEATURE_DISABLED)", grants(toGroup("engineers", "CAN_RESTART")), func(r *rig) {
		r.workspace.AddFault(simulator.Fault{Endpoint: "permissions/*", Status: http.StatusInternalServerError, ErrorCode: "INTERNAL_ERROR", Message: "FEATURE_DISABLED: ACLs for cluster are disabled or not available in this tier"})
	}},
	{"R8", "libraries answer 500", libraries(pypi("a==1")), func(r *rig) {
		r.workspace.AddFault(simulator.Fault{Endpoint: "libraries/*", Status: http.StatusInternalServerError})
	}},
	{"R9", "its token is revoked", unchanged, func(r *rig) { r.workspace.RevokeToken(tenantToken) }},
	{"R9", "its Secret is deleted", unchanged, func(r *rig) {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: defaultSecret, Namespace: r.namespace}}
		r.Expect(r.api.Delete(r.t.Context(), secret)).To(Succeed())
	}},
	{"R12", "Kubernetes refuses its status writes", unchanged, func(r *rig) {
		r.refusing.Store(true)
		creating(victims, unchanged)(r)
	}},
	{"R13", "its clusters are resized elsewhere", unchanged, func(r *rig) {
		for i := range victims {
			r.Expect(r.workspace.EditElsewhere(r.get(r.small(victim(i))).Status.ClusterID, map[string]any{"num_workers": 7})).To(Succeed())
		}
	}},
}

// effect is the effect of a fault on its neighbours.
type effect struct {
	// calls counts the requests for the neighbours' clusters, and newConditions the texts of
	// their conditions that are new.
	calls, newConditions int
	// latency is the longest latency of each kind of write, from the change of the
	// object to the call.
	latency map[string]time.Duration
}

// callSlack is the number of reads of nine unchanged objects that may become due in one
// run and not in the other.
const callSlack = 2

// noise is the uncertainty of a latency that is measured once, on a machine with other
// work. A request that a breaker holds is later by more. Two tokens of the rig's rate are
// 4 ms.
const noise = time.Second

// TestBlastRadius injects every fault in one namespace, beside twelve healthy objects of
// three others, and compares its effect on these with a run without the fault, which is the
// first one. make test skips them, because they are measured, and make reliability runs
// them. With RELIABILITY_DOC the table is written into that page.
func TestBlastRadius(t *testing.T) {
	effects := make([]effect, len(blasts))
	t.Run("[R17]", func(t *testing.T) {
		for i, b := range blasts {
			t.Run(cmp.Or(b.row, "R0")+" "+b.fault, func(t *testing.T) {
				effects[i] = b.measure(t)
			})
		}
	})
	without := effects[0]
	for i, b := range blasts {
		measured := effects[i]
		if measured.latency == nil {
			t.Errorf("%s: there is no measurement", b.fault)
			continue
		}
		if measured.newConditions > 0 || measured.calls > without.calls+callSlack {
			t.Errorf("%s: the neighbours have %d calls (%d without the fault) and %d new conditions", b.fault, measured.calls, without.calls, measured.newConditions)
		}
		for kind, took := range measured.latency {
			if took > without.latency[kind]+noise {
				t.Errorf("%s: a neighbour's %s took %s, %s without the fault", b.fault, kind, took, without.latency[kind])
			}
		}
	}
	table := blastTable(effects)
	t.Logf("\n%s", table)
	if page := os.Getenv("RELIABILITY_DOC"); page != "" && !t.Failed() {
		if err := document(page, table); err != nil {
			t.Error(err)
		}
	}
}

// measure measures one fault.
func (b blast) measure(t *testing.T) effect {
	t.Helper()
	r := newRig(t, withStranger(simulator.Options{}))
	r.ownNamespaceSuffers, r.kubernetesFails = true, b.row == "R12"
	r.settleFleet(0, group{simulator.DefaultToken, 4}, group{simulator.DefaultToken, 4}, group{strangerToken, 4})
	r.Expect(r.workspace.AddToken("", simulator.DefaultUser, tenantToken)).To(Succeed())
	r.putSecret(defaultSecret, r.workspace.URL, tenantToken)
	r.intercept.SubResourcePatch = func(ctx context.Context, inner client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
		if r.refusing.Load() && object.GetNamespace() == r.namespace {
			return apierrors.NewServiceUnavailable("no status of this namespace is written")
		}
		return inner.SubResource(sub).Patch(ctx, object, patch, options...)
	}
	r.start()
	for i := range victims {
		r.create(r.small(victim(i)))
	}
	for i := range victims {
		r.inSync(r.small(victim(i)))
		r.becomes(r.small(victim(i)), "Ready=Running")
	}
	edited, quiet := r.bySubject()
	baseline := r.conditionBaseline(quiet)
	before := r.workspace.callsOf(quiet, r)
	b.inject(r)
	for i := range victims {
		r.editSpec(r.small(victim(i)), func(s *v1alpha1.DatabricksClusterSpec) {
			b.prepare(s)
			s.NumWorkers = new(int32(2))
		})
	}
	measured := effect{latency: map[string]time.Duration{}}
	for _, namespace := range r.tenants {
		for kind, took := range r.latencies(namespace, edited[namespace]) {
			measured.latency[kind] = max(measured.latency[kind], took)
		}
	}
	// Later effects of the fault need some time.
	r.Eventually(time.After(3 * time.Second)).WithTimeout(time.Minute).Should(Receive())
	measured.newConditions, measured.calls = len(baseline.changes()), r.workspace.callsOf(quiet, r)-before
	if changes := baseline.changes(); len(changes) > 0 {
		t.Logf("a new condition of a neighbour: %s", changes[0])
	}
	// The edited objects differ from the settled fleet.
	r.fleet.checked = true
	return measured
}

// bySubject divides the bystanders into one for each namespace that is edited, and the
// rest.
func (r *rig) bySubject() (edited map[string]*v1alpha1.DatabricksCluster, quiet []*v1alpha1.DatabricksCluster) {
	edited = map[string]*v1alpha1.DatabricksCluster{}
	for _, bystander := range r.fleet.bystanders {
		if edited[bystander.Namespace] == nil {
			edited[bystander.Namespace] = bystander
			continue
		}
		quiet = append(quiet, bystander)
	}
	return edited, quiet
}

// callsOf returns the number of requests for the clusters of objects.
func (w *watchedWorkspace) callsOf(objects []*v1alpha1.DatabricksCluster, r *rig) int {
	count := 0
	for _, object := range objects {
		count += len(w.requestsOf(r.get(object).Status.ClusterID))
	}
	return count
}

// longest is the timeout of a neighbour's call.
const longest = 20 * time.Second

// latencies returns the times until a create, a resize and a delete of a namespace reach
// the workspace, at most longest.
func (r *rig) latencies(namespace string, edited *v1alpha1.DatabricksCluster) map[string]time.Duration {
	r.t.Helper()
	took := map[string]time.Duration{"create": longest, "resize": longest, "delete": longest}
	created := r.small("served")
	created.Namespace = namespace
	arrives := func(kind, endpoint string, isIt func(simulator.Entry) bool, change func()) bool {
		r.t.Helper()
		began, late := time.Now(), false
		change()
		NewGomega(func(string, ...int) { late = true }).Eventually(func() bool {
			return slices.ContainsFunc(r.workspace.Service.RequestsTo(endpoint), func(e simulator.Entry) bool { return e.Effect && isIt(e) })
		}).WithTimeout(longest).Should(BeTrue())
		took[kind] = min(longest, time.Since(began))
		return !late
	}
	resized := r.get(edited).Status.ClusterID
	arrives("resize", "clusters/resize", func(e simulator.Entry) bool { return e.ClusterID == resized }, func() { r.editSpec(edited, fixed(3)) })
	if !arrives("create", "clusters/create", func(e simulator.Entry) bool {
		return strings.Contains(string(e.Body), `"`+namespace+`/served"`)
	}, func() { r.create(created) }) {
		return took
	}
	r.Eventually(func() string { return r.get(created).Status.ClusterID }).WithTimeout(time.Minute).ShouldNot(BeEmpty())
	deleted := r.get(created).Status.ClusterID
	arrives("delete", "clusters/permanent-delete", func(e simulator.Entry) bool { return e.ClusterID == deleted }, func() { r.remove(created) })
	return took
}

// blastTable returns the table of all faults, in Markdown.
func blastTable(effects []effect) string {
	var out strings.Builder
	out.WriteString("| # | fault in one namespace | calls for neighbours | changed conditions of neighbours | create, ms | resize, ms | delete, ms |\n|---|---|---|---|---|---|---|\n")
	for i, b := range blasts {
		measured := effects[i]
		fmt.Fprintf(&out, "| %s | %s | %d | %d | %d | %d | %d |\n", b.row, b.fault, measured.calls, measured.newConditions,
			measured.latency["create"].Milliseconds(), measured.latency["resize"].Milliseconds(), measured.latency["delete"].Milliseconds())
	}
	return out.String()
}

const (
	tableBegins = "<!-- make reliability DOC=1 writes what follows -->\n"
	tableEnds   = "<!-- until here -->"
)

// document writes the table into a page, between its marks.
func document(page, table string) error {
	content, err := os.ReadFile(filepath.Clean(page))
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	head, rest, begins := strings.Cut(string(content), tableBegins)
	_, tail, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		return fmt.Errorf("%s has no place for the table", page)
	}
	written := head + tableBegins + "\n" + table + "\n" + tableEnds + tail
	if err := os.WriteFile(filepath.Clean(page), []byte(written), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
