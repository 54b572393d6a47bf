package controller_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// size is the number of objects that exist in addition to those of a test.
type size int

const (
	// alone is a namespace with only the objects of the test.
	alone size = iota
	// inFleet is twelve objects in three namespaces of one workspace: those of the test,
	// four in its namespace, four in another namespace with the same token, and three in a
	// third one with a token of another user. A list has fewer pages than there are objects,
	// so they are read by lists. The operator was restarted once before the scenario begins.
	inFleet
)

// eachSize runs a scenario with its objects alone and once more in a fleet.
func eachSize(t *testing.T, name string, scenario func(t *testing.T, size size)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { scenario(t, alone) })
	t.Run("[R18] in a fleet: "+name, func(t *testing.T) { scenario(t, inFleet) })
}

// rig returns a rig of this size without an operator.
func (s size) rig(t *testing.T, simulated ...simulator.Options) *rig {
	t.Helper()
	if s == alone {
		return newRig(t, simulated...)
	}
	options := simulator.Options{}
	if len(simulated) > 0 {
		options = simulated[0]
	}
	r := newRig(t, withStranger(options))
	r.settleFleet(4, group{simulator.DefaultToken, 4}, group{strangerToken, 3})
	return r
}

const (
	strangerUser  = "stranger@example.com"
	strangerToken = "dapi-stranger"
)

// withStranger adds a second user to the first workspace.
func withStranger(options simulator.Options) simulator.Options {
	stranger := simulator.Principal{UserName: strangerUser, Tokens: []string{strangerToken}}
	if len(options.Workspaces) == 0 {
		options.Workspaces = []simulator.Workspace{{
			Name:       "default",
			Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{simulator.DefaultToken}}},
		}}
	}
	options.Workspaces = slices.Clone(options.Workspaces)
	options.Workspaces[0].Principals = append(slices.Clone(options.Workspaces[0].Principals), stranger)
	return options
}

// fleet is the objects of a rig that do not belong to the test.
type fleet struct {
	bystanders []*v1alpha1.DatabricksCluster
	// conditions are the bystanders' conditions with their messages, and clusters their
	// clusters, when the test begins.
	conditions map[client.ObjectKey][]string
	clusters   map[string]simulator.Record
	// tokens are the fingerprints of the tokens that may be used for each of these
	// clusters.
	tokens  map[string]string
	checked bool
}

// group is the bystanders of one namespace.
type group struct {
	token string
	count int
}

// settleFleet creates the bystanders of this namespace and of others, and runs an operator
// until they are settled. The test's own operator starts with the settled objects.
func (r *rig) settleFleet(own int, others ...group) {
	r.t.Helper()
	groups := map[string]group{r.namespace: {simulator.DefaultToken, own}}
	for _, other := range others {
		namespace := r.newNamespace()
		groups[namespace] = other
		r.tenants = append(r.tenants, namespace)
		r.putSecretIn(namespace, defaultSecret, r.workspace.URL, other.token)
		watchStatuses(r, r.record, namespace)
	}
	timings, limits := r.timings, r.options.Limits
	r.takes(func(t *simulator.Timings) { t.Launch = 0 })
	r.options.Limits.CreateWindow = 20 * time.Second
	r.start()
	settled := &fleet{conditions: map[client.ObjectKey][]string{}, clusters: map[string]simulator.Record{}, tokens: map[string]string{}}
	for namespace, members := range groups {
		for i := range members.count {
			bystander := r.small(fmt.Sprintf("bystander-%d", i))
			bystander.Namespace = namespace
			if i%2 == 0 {
				sparkConf("spark.ui.enabled", "false")(&bystander.Spec)
			}
			settled.bystanders = append(settled.bystanders, r.create(bystander))
		}
	}
	for _, bystander := range settled.bystanders {
		r.becomes(bystander, "Ready=Running")
		r.Eventually(func() string { return r.get(bystander).Status.AppliedDigest }).ShouldNot(BeEmpty())
		now := r.get(bystander)
		settled.conditions[client.ObjectKeyFromObject(bystander)] = conditionTexts(now)
		record, _ := r.workspace.Cluster(now.Status.ClusterID)
		settled.clusters[record.ID], settled.tokens[record.ID] = record, simulator.TokenFingerprint(groups[now.Namespace].token)
	}
	r.stop()
	r.takes(func(t *simulator.Timings) { *t = timings })
	r.options.Limits = limits
	r.workspace.ClearRequests()
	r.workspace.hideClusters(settled.clusters)
	r.fleet = settled
}

// conditionTexts returns an object's conditions with their messages.
func conditionTexts(cluster *v1alpha1.DatabricksCluster) []string {
	all := conditions(cluster)
	for i := range cluster.Status.Conditions {
		all[i] += ": " + cluster.Status.Conditions[i].Message
	}
	return all
}

// restartInFleet restarts the operator if there is a fleet.
func (r *rig) restartInFleet() {
	r.t.Helper()
	if r.fleet == nil {
		return
	}
	r.stop()
	r.start()
}

// fleetIsAsBefore fails the test if its scenario affected the bystanders: by a write, by
// another condition, or by a call for one user's cluster with the other user's credential.
func (r *rig) fleetIsAsBefore() {
	if r.fleet.checked || r.t.Failed() {
		return
	}
	r.fleet.checked = true
	for id, before := range r.fleet.clusters {
		now, _ := r.workspace.Cluster(id)
		r.Expect(now).To(Equal(before), "the cluster of a bystander changed")
	}
	for _, entry := range r.workspace.all() {
		token, known := r.fleet.tokens[entry.ClusterID]
		if !known {
			record, _ := r.workspace.Cluster(entry.ClusterID)
			mixed := strings.HasPrefix(record.Name, r.namespace+"/") && entry.Token == simulator.TokenFingerprint(strangerToken)
			r.Expect(mixed).To(BeFalse(), "%s of the test's cluster with another user's token", entry.Endpoint)
			continue
		}
		r.Expect(reads).To(ContainElement(entry.Endpoint), "a write to a bystander's cluster")
		if record := r.fleet.clusters[entry.ClusterID]; !r.ownNamespaceSuffers || !strings.HasPrefix(record.Name, r.namespace+"/") {
			r.Expect(entry.Token).To(Equal(token), "%s of a bystander's cluster with another's token", entry.Endpoint)
		}
	}
	if r.log.isStopped() {
		return
	}
	r.workspace.ClearFaults()
	r.workspace.SetLimits()
	for _, bystander := range r.fleet.bystanders {
		if bystander.Namespace == r.namespace && r.ownNamespaceSuffers {
			continue
		}
		now := &v1alpha1.DatabricksCluster{}
		r.Eventually(func(g Gomega) {
			g.Expect(r.api.Get(context.Background(), client.ObjectKeyFromObject(bystander), now)).To(Succeed())
			g.Expect(conditionTexts(now)).To(Equal(r.fleet.conditions[client.ObjectKeyFromObject(bystander)]))
		}).Should(Succeed())
	}
}

// reads are the endpoints that change nothing.
var reads = []string{
	"clusters/get", "clusters/list", "clusters/events", "libraries/cluster-status", "libraries/all-cluster-statuses", "permissions/get",
}

// watchedWorkspace is a simulated workspace whose complete log is kept after
// ClearRequests, and which hides the bystanders from the test.
type watchedWorkspace struct {
	*simulator.Service

	mu      sync.Mutex // guards the rest
	cleared []simulator.Entry
	hidden  map[string]simulator.Record
}

func (w *watchedWorkspace) hideClusters(clusters map[string]simulator.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hidden, w.cleared = clusters, nil
}

// ClearRequests clears the log that a test reads.
func (w *watchedWorkspace) ClearRequests() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.hidden) > 0 {
		w.cleared = append(w.cleared, w.Service.Requests()...)
	}
	w.Service.ClearRequests()
}

// all returns the requests since the fleet was settled.
func (w *watchedWorkspace) all() []simulator.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append(slices.Clone(w.cleared), w.Service.Requests()...)
}

// Requests returns the requests that do not concern a bystander or a bystander's
// credential.
func (w *watchedWorkspace) Requests() []simulator.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.Service.Requests()
	if len(w.hidden) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(e simulator.Entry) bool {
		_, bystander := w.hidden[e.ClusterID]
		return bystander || e.Principal == strangerUser
	})
}

// RequestsTo returns those of Requests to one endpoint.
func (w *watchedWorkspace) RequestsTo(endpoint string) []simulator.Entry {
	return slices.DeleteFunc(w.Requests(), func(e simulator.Entry) bool { return e.Endpoint != endpoint })
}

// Clusters returns the created clusters except those of the bystanders.
func (w *watchedWorkspace) Clusters() []simulator.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(w.Service.Clusters(), func(c simulator.Record) bool {
		_, bystander := w.hidden[c.ID]
		return bystander
	})
}

// requestsOf returns the requests for one cluster, of a bystander or not.
func (w *watchedWorkspace) requestsOf(id string) []simulator.Entry {
	return slices.DeleteFunc(w.all(), func(e simulator.Entry) bool { return e.ClusterID != id })
}
