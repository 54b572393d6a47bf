package controller_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/clusterpolicy"
	"github.com/databricks-operator/databricks-operator/internal/instancepool"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// listedKind is a kind under test, with what the same test needs of each.
type listedKind struct {
	*managed.Kind

	// sample returns an object that every workspace accepts.
	sample func(namespace, name string) managed.Resource
	// plural is the name of the resource. path is the prefix of the endpoints of the API, and endpoint the prefix of their names
	// in the log of the simulator. listMember is the member of the answer of a list.
	// permissions is the type of the object in the Permissions API.
	plural, path, endpoint, listMember, permissions string
	// edit changes the declared field member, which drift changes in the workspace, too.
	edit   func(resource managed.Resource, value int32)
	member string
	// setName declares the name.
	setName func(resource managed.Resource, name string)
	// adopt names an existing remote object.
	adopt func(resource managed.Resource, id string)
	// body is the body of a create by another actor.
	body map[string]any
}

var listedKinds = []listedKind{policyKind, poolKind}

var policyKind = listedKind{
	Kind:   clusterpolicy.Kind,
	plural: "databricksclusterpolicies", path: "/api/2.0/policies/clusters/", endpoint: "policies/", listMember: "policies", permissions: "cluster-policies", member: "max_clusters_per_user",
	sample: func(namespace, name string) managed.Resource {
		policy := &v1alpha1.DatabricksClusterPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		policy.Spec.Definition = map[string]v1alpha1.PolicyRule{
			"spark_version":           rule(`{"type": "unlimited", "defaultValue": "auto:latest-lts"}`),
			"autotermination_minutes": rule(`{"type": "range", "minValue": 10, "maxValue": 120}`),
		}
		policy.Spec.MaxClustersPerUser = new(int32(3))
		return policy
	},
	edit: func(resource managed.Resource, value int32) {
		resource.(*v1alpha1.DatabricksClusterPolicy).Spec.MaxClustersPerUser = &value
	},
	setName: func(resource managed.Resource, name string) {
		resource.(*v1alpha1.DatabricksClusterPolicy).Spec.Name = name
	},
	adopt: func(resource managed.Resource, id string) {
		resource.(*v1alpha1.DatabricksClusterPolicy).Spec.PolicyID = id
	},
	body: map[string]any{"definition": `{"num_workers": {"type": "fixed", "value": 1}}`, "max_clusters_per_user": 3},
}

var poolKind = listedKind{
	Kind:   instancepool.Kind,
	plural: "databricksinstancepools", path: "/api/2.0/instance-pools/", endpoint: "instance-pools/", listMember: "instance_pools", permissions: "instance-pools", member: "max_capacity",
	sample: func(namespace, name string) managed.Resource {
		pool := &v1alpha1.DatabricksInstancePool{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		pool.Spec.NodeTypeID = "i3.xlarge"
		pool.Spec.MaxCapacity = new(int32(3))
		pool.Spec.CustomTags = map[string]string{"team": "a"}
		return pool
	},
	edit: func(resource managed.Resource, value int32) {
		resource.(*v1alpha1.DatabricksInstancePool).Spec.MaxCapacity = &value
	},
	setName: func(resource managed.Resource, name string) {
		resource.(*v1alpha1.DatabricksInstancePool).Spec.InstancePoolName = name
	},
	adopt: func(resource managed.Resource, id string) {
		resource.(*v1alpha1.DatabricksInstancePool).Spec.PoolID = id
	},
	body: map[string]any{"node_type_id": "i3.xlarge", "max_capacity": 3},
}

// rule returns a rule of a policy.
func rule(text string) v1alpha1.PolicyRule {
	return v1alpha1.PolicyRule{RawExtension: runtime.RawExtension{Raw: []byte(text)}}
}

// listedRig is a rig for the objects of one listed kind.
type listedRig struct {
	*rig

	kind listedKind
}

// with returns a sample of the kind in the namespace of the rig.
func (r *listedRig) with(name string, change ...func(managed.Object)) managed.Resource {
	resource := r.kind.sample(r.namespace, name)
	for _, apply := range change {
		apply(r.kind.View(resource))
	}
	return resource
}

func (r *listedRig) make(resource managed.Resource) managed.Resource {
	r.t.Helper()
	r.Expect(r.api.Create(r.t.Context(), resource)).To(Succeed())
	return resource
}

// now returns the current version of an object; an empty one if there is none.
func (r *listedRig) now(resource managed.Resource) managed.Object {
	now := r.kind.New()
	if err := r.api.Get(r.t.Context(), client.ObjectKeyFromObject(resource), now); err != nil {
		return r.kind.View(r.kind.New())
	}
	return r.kind.View(now)
}

// is waits for a condition with its reason of the current generation.
func (r *listedRig) is(resource managed.Resource, want string) managed.Object {
	r.t.Helper()
	var now managed.Object
	r.Eventually(func(g Gomega) {
		now = r.now(resource)
		g.Expect(conditionsIn(now.Status.Conditions)).To(ContainElement(want))
		g.Expect(now.Status.ObservedGeneration).To(Equal(now.GetGeneration()), "the conditions %v are about another generation",
			conditionsIn(now.Status.Conditions))
	}).Should(Succeed())
	return now
}

func (r *listedRig) isGone(resource managed.Resource) {
	r.t.Helper()
	r.Eventually(func() string { return r.now(resource).GetName() }).Should(BeEmpty())
}

// change edits an object, and retries after a conflict.
func (r *listedRig) change(resource managed.Resource, change func(managed.Object)) {
	r.t.Helper()
	r.Eventually(func() error {
		now := r.now(resource)
		change(now)
		return r.api.Update(r.t.Context(), now.Resource)
	}).Should(Succeed())
}

func (r *listedRig) destroy(resource managed.Resource) {
	r.t.Helper()
	r.Expect(r.api.Delete(r.t.Context(), resource)).To(Succeed())
}

// remote returns the remote object of an object; nil if the workspace has none.
func (r *listedRig) remote(object managed.Object) map[string]any {
	for _, one := range r.remotes() {
		if one[r.kind.WireID] == *object.ID {
			return one
		}
	}
	return nil
}

// remotes returns everything that the workspace lists.
func (r *listedRig) remotes() []map[string]any {
	var list map[string]json.RawMessage
	r.Expect(json.Unmarshal(r.call(http.MethodGet, "list", nil), &list)).To(Succeed())
	var all []map[string]any
	if raw, ok := list[r.kind.listMember]; ok {
		r.Expect(json.Unmarshal(raw, &all)).To(Succeed())
	}
	return all
}

// elsewhere changes the workspace as another actor does, and returns the answer.
func (r *listedRig) elsewhere(operation string, body map[string]any) map[string]any {
	r.t.Helper()
	var answer map[string]any
	r.Expect(json.Unmarshal(r.call(http.MethodPost, operation, body), &answer)).To(Succeed())
	return answer
}

// otherToken is the token of the calls of a test, of the user of the operator.
const otherToken = "dapi-another-actor"

func (r *listedRig) call(method, operation string, body map[string]any) []byte {
	r.t.Helper()
	return r.send(method, r.kind.path+operation, body)
}

func (r *listedRig) send(method, path string, body map[string]any) []byte {
	r.t.Helper()
	var raw []byte
	if body != nil {
		var err error
		raw, err = json.Marshal(body)
		r.Expect(err).NotTo(HaveOccurred())
	}
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.workspace.URL+path, bytes.NewReader(raw))
	r.Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Authorization", "Bearer "+otherToken)
	response, err := r.workspace.Client().Do(request)
	r.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(response.StatusCode).To(Equal(http.StatusOK), "%s %s: %s", method, path, answer)
	return answer
}

// sent returns the operations of the operator on the collection that took effect, in order.
func (r *listedRig) sent() []string {
	var all []string
	for _, entry := range r.workspace.Requests() {
		name, isOf := strings.CutPrefix(entry.Endpoint, r.kind.endpoint)
		isRead := slices.Contains([]string{"list", "get", "list-compliance", "get-compliance"}, name)
		if isOf && !isRead && entry.Effect && entry.Token != simulator.TokenFingerprint(otherToken) {
			all = append(all, name)
		}
	}
	return all
}

// conditionsIn returns conditions: Type=Reason for those that are true, Type!=Reason for
// false, and Type?=Reason for unknown.
func conditionsIn(all []metav1.Condition) []string {
	return conditions(&v1alpha1.DatabricksCluster{Status: v1alpha1.DatabricksClusterStatus{Conditions: all}})
}

// said returns the message of a condition.
func said(object managed.Object, kind string) string {
	if found := meta.FindStatusCondition(object.Status.Conditions, kind); found != nil {
		return found.Message
	}
	return ""
}
