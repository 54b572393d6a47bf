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

// size is how many objects exist beside those of a test.
type size int

const (
	// alone is a namespace with the objects of the test and no other.
	alone size = iota
	// inFleet is twelve objects in three namespaces of one workspace: the
	// test's, four of its namespace, four of another namespace with the same
	// token, three of a third one with a token of another user. There are more
	// of them than a list has pages, so a list is what reads them, and the
	// operator was restarted once before the scenario begins.
	inFleet
)

// eachSize runs a scenario with its objects alone and once more in a fleet.
func eachSize(t *testing.T, name string, scenario func(t *testing.T, size size)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { scenario(t, alone) })
	t.Run("[R18] in a fleet: "+name, func(t *testing.T) { scenario(t, inFleet) })
}

// rig makes a rig of this size; no operator runs yet.
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

// withStranger gives the first workspace a second user.
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

// fleet is the objects of a rig that are not the test's.
type fleet struct {
	bystanders []*v1alpha1.DatabricksCluster
	// conditions are the bystanders' conditions with their messages, clusters
	// what the workspace had made of them, when the test began.
	conditions map[client.ObjectKey][]string
	clusters   map[string]simulator.Record
	// tokens are the fingerprints of the tokens that may be used for each of
	// these clusters.
	tokens  map[string]string
	checked bool
}

// group is the bystanders of one namespace.
type group struct {
	token string
	count int
}

// settleFleet makes the bystanders of this namespace and of others and lets an
// operator bring them to rest, which then stops: the test's own operator finds
// them there.
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
	timings, limits, cacheOptions := r.timings, r.options.Limits, r.cacheOptions
	r.takes(func(t *simulator.Timings) { t.Launch = 0 })
	r.patient()
	r.options.Limits.CreateWindow = 20 * time.Second
	r.start()
	made := &fleet{conditions: map[client.ObjectKey][]string{}, clusters: map[string]simulator.Record{}, tokens: map[string]string{}}
	for namespace, members := range groups {
		for i := range members.count {
			bystander := r.small(fmt.Sprintf("bystander-%d", i))
			bystander.Namespace = namespace
			if i%2 == 0 {
				sparkConf("spark.ui.enabled", "false")(&bystander.Spec)
			}
			made.bystanders = append(made.bystanders, r.create(bystander))
		}
	}
	for _, bystander := range made.bystanders {
		r.becomes(bystander, "Ready=Running")
		r.Eventually(func() string { return r.get(bystander).Status.AppliedDigest }).ShouldNot(BeEmpty())
		now := r.get(bystander)
		made.conditions[client.ObjectKeyFromObject(bystander)] = told(now)
		record, _ := r.workspace.Cluster(now.Status.ClusterID)
		made.clusters[record.ID], made.tokens[record.ID] = record, simulator.TokenFingerprint(groups[now.Namespace].token)
	}
	r.stop()
	r.takes(func(t *simulator.Timings) { *t = timings })
	r.options.Limits, r.cacheOptions = limits, cacheOptions
	r.workspace.ClearRequests()
	r.workspace.setAside(made.clusters)
	r.fleet = made
}

// told are an object's conditions with their messages.
func told(cluster *v1alpha1.DatabricksCluster) []string {
	all := conditions(cluster)
	for i := range cluster.Status.Conditions {
		all[i] += ": " + cluster.Status.Conditions[i].Message
	}
	return all
}

// halfway restarts the operator where there is a fleet.
func (r *rig) halfway() {
	r.t.Helper()
	if r.fleet == nil {
		return
	}
	r.stop()
	r.start()
}

// fleetIsAsBefore fails the test if its scenario has left a trace on the
// bystanders: a write, another condition, or a call for one user's cluster
// with the other user's credential.
func (r *rig) fleetIsAsBefore() {
	if r.fleet.checked || r.t.Failed() {
		return
	}
	r.fleet.checked = true
	for id, before := range r.fleet.clusters {
		now, _ := r.workspace.Cluster(id)
		r.Expect(now).To(Equal(before), "a bystander's cluster has changed")
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
			g.Expect(told(now)).To(Equal(r.fleet.conditions[client.ObjectKeyFromObject(bystander)]))
		}).Should(Succeed())
	}
}

// reads are the endpoints that change nothing.
var reads = []string{
	"clusters/get", "clusters/list", "clusters/events", "libraries/cluster-status", "libraries/all-cluster-statuses", "permissions/get",
}

// watchedWorkspace is a simulated workspace whose log outlives ClearRequests
// and shows a test its own objects only.
type watchedWorkspace struct {
	*simulator.Service

	mu      sync.Mutex // guards the rest
	cleared []simulator.Entry
	aside   map[string]simulator.Record
}

func (w *watchedWorkspace) setAside(clusters map[string]simulator.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.aside, w.cleared = clusters, nil
}

// ClearRequests empties the log that a test sees.
func (w *watchedWorkspace) ClearRequests() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.aside) > 0 {
		w.cleared = append(w.cleared, w.Service.Requests()...)
	}
	w.Service.ClearRequests()
}

// all are the requests since the fleet was settled.
func (w *watchedWorkspace) all() []simulator.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append(slices.Clone(w.cleared), w.Service.Requests()...)
}

// Requests are the requests that are not about a bystander or a bystander's
// credential.
func (w *watchedWorkspace) Requests() []simulator.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.Service.Requests()
	if len(w.aside) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(e simulator.Entry) bool {
		_, bystander := w.aside[e.ClusterID]
		return bystander || e.Principal == strangerUser
	})
}

// RequestsTo are those of Requests to one endpoint.
func (w *watchedWorkspace) RequestsTo(endpoint string) []simulator.Entry {
	return slices.DeleteFunc(w.Requests(), func(e simulator.Entry) bool { return e.Endpoint != endpoint })
}

// Clusters are the clusters that were made but for the bystanders'.
func (w *watchedWorkspace) Clusters() []simulator.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(w.Service.Clusters(), func(c simulator.Record) bool {
		_, bystander := w.aside[c.ID]
		return bystander
	})
}

// requestsOf are the requests about one cluster, whoever's it is.
func (w *watchedWorkspace) requestsOf(id string) []simulator.Entry {
	return slices.DeleteFunc(w.all(), func(e simulator.Entry) bool { return e.ClusterID != id })
}
