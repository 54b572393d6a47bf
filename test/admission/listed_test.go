package admission

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// listedKind is a kind that a workspace lists in one call.
type listedKind struct {
	// kind and resource are its names in the API, noun is the word for the remote object,
	// and idField names it in spec and status.
	kind, resource, noun, idField string
	// minimal is the minimal valid spec, which the cases change, and other a change of it.
	minimal, other string
	finalizer      string
	rules          []rule
}

var listedKinds = []listedKind{
	{
		kind: v1alpha1.PolicyKind, resource: "databricksclusterpolicies", noun: "policy", idField: "policyID",
		minimal: `{definition: {num_workers: {type: range, maxValue: 4}}}`, other: `{maxClustersPerUser: 3}`,
		finalizer: v1alpha1.FinalizerPolicy, rules: policyRules,
	},
	{
		kind: v1alpha1.PoolKind, resource: "databricksinstancepools", noun: "pool", idField: "poolID",
		minimal: `{nodeTypeID: Standard_D4ds_v5}`, other: `{maxCapacity: 3}`,
		finalizer: v1alpha1.FinalizerPool, rules: poolRules,
	},
}

// object returns an object of the kind.
func (k listedKind) object(t *testing.T, name, change string) *unstructured.Unstructured {
	t.Helper()
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       k.kind,
		"metadata":   map[string]any{"name": name, "namespace": "default"},
		"spec":       changedSpec(t, k.minimal, change),
	}}
}

// create creates an object that is deleted when the test ends.
func (k listedKind) create(t *testing.T, name, change string) *unstructured.Unstructured {
	t.Helper()
	made := k.object(t, name, change)
	if err := api.Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.IgnoreNotFound(api.Delete(context.Background(), made)); err != nil {
			t.Error(err)
		}
	})
	return made
}

// stays and ofOwn are the rejections of another id.
func (k listedKind) stays() string {
	return fmt.Sprintf("spec.%[1]s: Forbidden: %[1]s cannot be changed or removed once set: an object stays with the %[2]s it adopted; "+
		"create another object to adopt another %[2]s", k.idField, k.noun)
}

func (k listedKind) ofOwn() string {
	return fmt.Sprintf("spec.%[1]s: Forbidden: %[1]s can be added later only with the value of status.%[1]s: this object has, or is about to have, "+
		"a %[2]s of its own; create another object to adopt another %[2]s", k.idField, k.noun)
}

// forListed runs a test for each of these kinds.
func forListed(t *testing.T, test func(t *testing.T, kind listedKind)) {
	t.Helper()
	for _, kind := range listedKinds {
		t.Run(kind.kind, func(t *testing.T) { test(t, kind) })
	}
}

// adoptionRules returns the rules about an existing remote object.
func adoptionRules(idField, noun string) []rule {
	needsID := fmt.Sprintf("spec.managementPolicy: Required value: managementPolicy Observe needs %s, or adoptByName: true: the %s to observe", idField, noun)
	writesNot := "spec.managementPolicy: Forbidden: managementPolicy Observe writes nothing: remove driftPolicy, deletionPolicy and accessControlList; or set managementPolicy to Manage"
	id := idField + ": 001A2B3C"
	return []rule{
		{
			name: "one way to adopt",
			accepted: []string{
				`{` + id + `}`, `{adoptByName: true}`, `{adoptByName: false, ` + id + `}`,
				`{definition: null, nodeTypeID: null, ` + id + `}`, `{definition: null, nodeTypeID: null, adoptByName: true}`,
			},
			rejected: []rejection{
				{`{adoptByName: true, ` + id + `}`, []string{
					fmt.Sprintf("spec.adoptByName: Forbidden: choose %[1]s or adoptByName, not both: %[1]s names the %[2]s to adopt", idField, noun),
				}},
				{`{` + idField + `: a/b}`, []string{fmt.Sprintf(`spec.%[1]s: Invalid value: "a/b": spec.%[1]s in body should match '^[A-Za-z0-9_-]+$'`, idField)}},
			},
		},
		{
			name: "what is observed exists and is not written to",
			accepted: []string{
				`{managementPolicy: Observe, ` + id + `}`, `{managementPolicy: Observe, adoptByName: true}`,
				`{managementPolicy: Observe, deletionPolicy: Retain, deletionProtection: true, suspend: true, ` + id + `}`,
				`{managementPolicy: Manage, driftPolicy: Warn, deletionPolicy: Delete}`,
			},
			rejected: []rejection{
				{`{managementPolicy: Observe}`, []string{needsID}},
				{`{managementPolicy: Observe, adoptByName: false}`, []string{needsID}},
				{`{managementPolicy: Observe, driftPolicy: Warn, ` + id + `}`, []string{writesNot}},
				{`{managementPolicy: Observe, deletionPolicy: Delete, ` + id + `}`, []string{writesNot}},
				{`{managementPolicy: Observe, accessControlList: [], ` + id + `}`, []string{writesNot}},
			},
		},
		{
			name: "policies of the operator are CamelCase",
			rejected: []rejection{
				{`{driftPolicy: CorrectWithRestart}`, []string{`spec.driftPolicy: Unsupported value: "CorrectWithRestart": supported values: "Correct", "Warn"`}},
				{`{deletionPolicy: Terminate}`, []string{`spec.deletionPolicy: Unsupported value: "Terminate": supported values: "Delete", "Retain"`}},
			},
		},
		{
			name:     "one way to connect",
			accepted: referenceRules[0].accepted,
			rejected: referenceRules[0].rejected,
		},
	}
}

// grantRules returns the rules about permissions.
func grantRules(level string) rule {
	return rule{
		name: "a grant is for one principal, and each has one",
		accepted: []string{
			`{accessControlList: []}`,
			`{accessControlList: [{userName: x, permissionLevel: ` + level + `}, {groupName: x, permissionLevel: ` + level + `}, {servicePrincipalName: x, permissionLevel: ` + level + `}]}`,
		},
		rejected: []rejection{
			{`{accessControlList: [{permissionLevel: ` + level + `}]}`, []string{"spec.accessControlList[0]: " + onePrincipal}},
			{`{accessControlList: [{userName: a, groupName: b, permissionLevel: ` + level + `}]}`, []string{"spec.accessControlList[0]: " + onePrincipal}},
			{`{accessControlList: [{groupName: x}]}`, []string{"spec.accessControlList[0].permissionLevel: Required value"}},
			{`{accessControlList: [{groupName: x, permissionLevel: ` + level + `}, {groupName: x, permissionLevel: ` + level + `}]}`, []string{principals}},
		},
	}
}

const (
	oneDefinition  = "spec.definition: Forbidden: choose definition or policyFamilyID, not both: a family has a definition of its own, which policyFamilyDefinitionOverrides changes"
	needFamily     = "spec.policyFamilyDefinitionOverrides: Forbidden: policyFamilyDefinitionOverrides needs policyFamilyID: the id of the family whose definition it changes; without a family use definition"
	needDefinition = "spec.definition: Required value: set definition, or policyFamilyID: a new policy needs one of them (not needed with policyID or adoptByName)"

	needNodeType  = "spec.nodeTypeID: Required value: set nodeTypeID: a new pool needs a machine type (not needed with poolID or adoptByName)"
	idleAboveMost = "minIdleInstances must not exceed maxCapacity, which counts idle instances, too"
	oneVolume     = "spec.diskSpec.diskType: Forbidden: set exactly one of ebsVolumeType and azureDiskVolumeType: the one of the workspace's cloud"
	needImage     = "spec.preloadedDockerImages: Required value: each of preloadedDockerImages needs url: the image with registry and tag"
	poolTags      = "tags whose names begin with databricks-operator, in small or capital letters, are reserved: by them the operator knows its pools; remove them"
	givenPoolTags = "the tags Vendor, DatabricksInstancePoolId and DatabricksInstancePoolCreatorId are set by Databricks: remove them, or choose other names"
)

var policyRules = slices.Concat(adoptionRules("policyID", "policy"), []rule{
	grantRules("CAN_USE"),
	{
		name: "a definition, or a family",
		accepted: []string{
			`{definition: {}}`,
			`{definition: {spark_version: {type: fixed, value: "auto:latest-lts", hidden: true}, "custom_tags.team": {type: allowlist, values: [a, 1, true]}}}`,
			`{definition: null, policyFamilyID: job-cluster}`,
			`{definition: null, policyFamilyID: job-cluster, policyFamilyDefinitionOverrides: {node_type_id: {type: fixed, value: x}}}`,
		},
		rejected: []rejection{
			{`{policyFamilyID: job-cluster}`, []string{oneDefinition}},
			{`{policyFamilyDefinitionOverrides: {}}`, []string{needFamily}},
			{`{definition: null}`, []string{needDefinition}},
			{`{definition: null, adoptByName: false}`, []string{needDefinition}},
			{`{definition: {spark_version: fixed}}`, []string{
				`spec.definition.spark_version: Invalid value: "string": spec.definition.spark_version in body must be of type object: "string"`,
			}},
			{`{definition: {` + numbered(501, `p%d: {type: forbidden}`) + `}}`, []string{"spec.definition: Too many: 501: must have at most 500 items"}},
		},
	},
	{
		name:     "bounds of a policy",
		accepted: []string{`{name: "Team Ä", description: x, maxClustersPerUser: 1, libraries: []}`, `{libraries: [{jar: a.jar}, {pypi: {package: simplejson}}]}`},
		rejected: []rejection{
			{`{maxClustersPerUser: 0}`, []string{"spec.maxClustersPerUser: Invalid value: 0: spec.maxClustersPerUser in body should be greater than or equal to 1"}},
			{`{name: "` + longText(101, 1) + `"}`, []string{"spec.name: Too long: may not be more than 100 bytes"}},
			{`{libraries: [{}]}`, []string{"spec.libraries[0]: " + oneLibrary}},
			{`{libraries: [{jar: a.jar, whl: a.whl}]}`, []string{"spec.libraries[0]: " + oneLibrary}},
			{`{accessControlList: [{userName: x, permissionLevel: CAN_MANAGE}]}`, []string{`spec.accessControlList[0].permissionLevel: Unsupported value: "CAN_MANAGE": supported values: "CAN_USE"`}},
		},
	},
})

var poolRules = slices.Concat(adoptionRules("poolID", "pool"), []rule{
	grantRules("CAN_ATTACH_TO"),
	{
		name:     "machines are needed",
		accepted: []string{`{nodeTypeID: i3.xlarge}`},
		rejected: []rejection{{`{nodeTypeID: null}`, []string{needNodeType}}, {`{nodeTypeID: null, adoptByName: false}`, []string{needNodeType}}},
	},
	{
		name: "numbers of instances",
		accepted: []string{
			`{minIdleInstances: 0, maxCapacity: 1, idleInstanceAutoterminationMinutes: 0}`, `{minIdleInstances: 5}`,
			`{minIdleInstances: 3, maxCapacity: 3, idleInstanceAutoterminationMinutes: 10000}`,
		},
		rejected: []rejection{
			{`{minIdleInstances: 4, maxCapacity: 3}`, []string{"spec.minIdleInstances: Invalid value: " + idleAboveMost}},
			{`{maxCapacity: 0}`, []string{"spec.maxCapacity: Invalid value: 0: spec.maxCapacity in body should be greater than or equal to 1"}},
			{`{idleInstanceAutoterminationMinutes: 10001}`, []string{
				"spec.idleInstanceAutoterminationMinutes: Invalid value: 10001: spec.idleInstanceAutoterminationMinutes in body should be less than or equal to 10000",
			}},
		},
	},
	{
		name: "one cloud",
		accepted: []string{
			`{awsAttributes: {availability: SPOT, zoneID: auto, spotBidPricePercent: 100}}`,
			`{azureAttributes: {availability: ON_DEMAND_AZURE, spotBidMaxPrice: "-1"}}`,
			`{gcpAttributes: {gcpAvailability: PREEMPTIBLE_WITH_FALLBACK_GCP, localSSDCount: 0, zoneID: HA}}`,
			`{diskSpec: {diskType: {azureDiskVolumeType: PREMIUM_LRS}, diskCount: 0, diskSize: 100}}`,
		},
		rejected: []rejection{
			{`{awsAttributes: {}, azureAttributes: {}}`, []string{oneCloud}},
			{`{azureAttributes: {}, gcpAttributes: {}}`, []string{oneCloud}},
			{`{awsAttributes: {availability: SPOT_WITH_FALLBACK}}`, []string{`spec.awsAttributes.availability: Unsupported value: "SPOT_WITH_FALLBACK": supported values: "SPOT", "ON_DEMAND"`}},
			{`{azureAttributes: {availability: SPOT_WITH_FALLBACK_AZURE}}`, []string{
				`spec.azureAttributes.availability: Unsupported value: "SPOT_WITH_FALLBACK_AZURE": supported values: "SPOT_AZURE", "ON_DEMAND_AZURE"`,
			}},
			{`{azureAttributes: {spotBidMaxPrice: cheap}}`, []string{
				`spec.azureAttributes.spotBidMaxPrice: Invalid value: "cheap": spec.azureAttributes.spotBidMaxPrice in body should match '^(-1|[0-9]+(\.[0-9]+)?)$'`,
			}},
			{`{diskSpec: {diskType: {}}}`, []string{oneVolume}},
			{`{diskSpec: {diskType: {azureDiskVolumeType: PREMIUM_LRS, ebsVolumeType: GENERAL_PURPOSE_SSD}}}`, []string{oneVolume}},
		},
	},
	{
		name: "what instances download in advance",
		accepted: []string{
			`{preloadedSparkVersions: [16.4.x-scala2.12]}`, `{preloadedSparkVersions: []}`,
			`{preloadedDockerImages: [{url: "registry/image:1", basicAuthSecretRef: {name: registry}}, {url: "registry/image:2"}]}`,
		},
		rejected: []rejection{
			{`{preloadedSparkVersions: [a, b]}`, []string{"spec.preloadedSparkVersions: Too many: 2: must have at most 1 item"}},
			{`{preloadedDockerImages: [{url: a}, {basicAuthSecretRef: {name: registry}}]}`, []string{needImage}},
		},
	},
	{
		name:     "at most 42 custom tags, none of them reserved",
		accepted: []string{`{customTags: {` + numbered(42, `tag-%d: x`) + `}}`, `{customTags: {Name: x, vendor: x}}`},
		rejected: []rejection{
			{`{customTags: {` + numbered(43, `tag-%d: x`) + `}}`, []string{"spec.customTags: Too many: 43: must have at most 42 items"}},
			{`{customTags: {Databricks-Operator-Owner: me}}`, []string{"spec.customTags: Forbidden: " + poolTags}},
			{`{customTags: {Vendor: me}}`, []string{"spec.customTags: Forbidden: " + givenPoolTags}},
			{`{customTags: {DatabricksInstancePoolId: me}}`, []string{"spec.customTags: Forbidden: " + givenPoolTags}},
			{`{customTags: {DatabricksInstancePoolCreatorId: me}}`, []string{"spec.customTags: Forbidden: " + givenPoolTags}},
			{`{customTags: {k: "` + longText(256, 1) + `"}}`, []string{"spec.customTags: Forbidden: names in customTags are at most 127 characters long and values 255"}},
		},
	},
})

func TestRulesOfListedKinds(t *testing.T) {
	forListed(t, func(t *testing.T, kind listedKind) {
		for _, rule := range kind.rules {
			t.Run(rule.name, func(t *testing.T) {
				g := NewWithT(t)
				for _, change := range rule.accepted {
					change = kind.own(change)
					made := kind.object(t, "accepted", change)
					g.Expect(rejectionCauses(t, api.Create(t.Context(), made, client.DryRunAll))).To(BeEmpty(), change)
					g.Expect(made.Object["spec"]).To(Equal(kind.object(t, "accepted", change).Object["spec"]), "nothing is added to a spec")
					g.Expect(made.Object["status"]).To(Equal(map[string]any{"observedGeneration": int64(-1)}))
				}
				for _, rejection := range rule.rejected {
					change := kind.own(rejection.change)
					err := api.Create(t.Context(), kind.object(t, "refused", change), client.DryRunAll)
					g.Expect(rejectionCauses(t, err)).To(ConsistOf(withoutValues(rejection.causes)), change)
				}
			})
		}
	})
}

// own returns a change without the fields of the other kind, which rules of both remove.
func (k listedKind) own(change string) string {
	if k.kind == v1alpha1.PolicyKind {
		return strings.Replace(change, "nodeTypeID: null, ", "", 1)
	}
	return strings.Replace(change, "definition: null, ", "", 1)
}

func TestEveryRuleOfAListedKindIsTested(t *testing.T) {
	forListed(t, func(t *testing.T, kind listedKind) {
		g := NewWithT(t)
		proven := []string{kind.stays(), kind.ofOwn()}
		for _, rule := range kind.rules {
			for _, rejection := range rule.rejected {
				proven = append(proven, rejection.causes...)
			}
		}
		for _, definition := range manifests(t, filepath.Join(definitions, "compute.databricks-operator.io_"+kind.resource+".yaml")) {
			messages := ruleMessages(definition.Object)
			g.Expect(messages).NotTo(BeEmpty())
			for _, message := range messages {
				g.Expect(strings.Join(proven, "\n")).To(ContainSubstring(message))
			}
		}
	})
}

func TestAListedObjectKeepsItsRemoteObject(t *testing.T) {
	forListed(t, func(t *testing.T, kind listedKind) {
		g := NewWithT(t)
		updateErrors := func(object *unstructured.Unstructured, change string) []string {
			after := object.DeepCopy()
			after.Object["spec"] = changedSpec(t, kind.minimal, change)
			return rejectionCauses(t, api.Update(t.Context(), after, client.DryRunAll))
		}
		id := func(id string) string { return `{` + kind.idField + `: ` + id + `}` }
		adopted := kind.create(t, "adopted", id("abed99"))
		g.Expect(updateErrors(adopted, id("abed99, suspend: true"))).To(BeEmpty())
		g.Expect(updateErrors(adopted, id("abed00"))).To(ConsistOf(kind.stays()))
		g.Expect(updateErrors(adopted, id("null"))).To(ConsistOf(kind.stays()))

		own := kind.create(t, "own", `{}`)
		g.Expect(updateErrors(own, kind.other)).To(BeEmpty())
		g.Expect(updateErrors(own, id("abed99"))).To(ConsistOf(kind.ofOwn()))
		g.Expect(unstructured.SetNestedField(own.Object, "abed99", "status", kind.idField)).To(Succeed())
		g.Expect(api.Status().Update(t.Context(), own)).To(Succeed())
		g.Expect(updateErrors(own, id("abed99"))).To(BeEmpty())
		g.Expect(updateErrors(own, id("abed00"))).To(ConsistOf(kind.ofOwn()))
	})
}

func TestSamplesOfListedKindsAreAccepted(t *testing.T) {
	forListed(t, func(t *testing.T, kind listedKind) {
		g := NewWithT(t)
		samples := manifests(t, filepath.Join(repository, "config", "samples", "compute_v1alpha1_"+strings.ToLower(kind.kind)+".yaml"))
		g.Expect(samples).NotTo(BeEmpty())
		for _, sample := range samples {
			sample.SetNamespace("default")
			g.Expect(sample.GetKind()).To(Equal(kind.kind))
			g.Expect(api.Create(t.Context(), sample, client.DryRunAll)).To(Succeed())
		}
	})
}

// withStatus writes the status of an object.
func withStatus(t *testing.T, object *unstructured.Unstructured, status string) {
	t.Helper()
	object.Object["status"] = parsed(t, status)
	if err := api.Status().Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

const availableConditions = `observedGeneration: 1, name: team-a-x, host: "https://adb-123.4.azuredatabricks.net", conditions: [` +
	`{type: Ready, status: "True", reason: Available, message: it exists, lastTransitionTime: "2026-11-28T00:00:00Z"}, ` +
	`{type: Synced, status: "True", reason: InSync, message: "", lastTransitionTime: "2026-11-28T00:00:00Z"}]`

func TestColumnsOfListedKinds(t *testing.T) {
	statuses := map[string]string{
		v1alpha1.PolicyKind: `{` + availableConditions + `, policyID: "001A"}`,
		v1alpha1.PoolKind:   `{` + availableConditions + `, poolID: "0101-pool", state: ACTIVE, stats: {used: 2, idle: 1, pendingUsed: 0, pendingIdle: 0}}`,
	}
	narrow := map[string][]string{
		v1alpha1.PolicyKind: {"Name=columns", "Ready=True", "Reason=Available", "Policy=team-a-x"},
		v1alpha1.PoolKind:   {"Name=columns", "Ready=True", "Reason=Available", "Used=2", "Idle=1", "Max=3"},
	}
	wide := map[string][]string{
		v1alpha1.PolicyKind: {"Synced=True", "Policy-ID=001A", "Family=<nil>", "Host=https://adb-123.4.azuredatabricks.net", "Message=it exists"},
		v1alpha1.PoolKind: {
			"Synced=True", "Pool=team-a-x", "Pool-ID=0101-pool", "Node-Type=Standard_D4ds_v5",
			"Host=https://adb-123.4.azuredatabricks.net", "Message=it exists",
		},
	}
	forListed(t, func(t *testing.T, kind listedKind) {
		g := NewWithT(t)
		withStatus(t, kind.create(t, "columns", kind.other), statuses[kind.kind])
		shape := rest.CopyConfig(config)
		shape.GroupVersion, shape.APIPath = &v1alpha1.GroupVersion, "/apis"
		shape.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
		server, err := rest.RESTClientFor(shape)
		g.Expect(err).NotTo(HaveOccurred())
		table := &metav1.Table{}
		g.Expect(server.Get().Namespace("default").Resource(kind.resource).Name("columns").
			SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(t.Context()).Into(table)).To(Succeed())
		var shown [2][]string
		for i, column := range table.ColumnDefinitions {
			if column.Name != "Age" {
				shown[column.Priority] = append(shown[column.Priority], column.Name+"="+fmt.Sprint(table.Rows[0].Cells[i]))
			}
		}
		g.Expect(shown[0]).To(Equal(narrow[kind.kind]))
		g.Expect(shown[1]).To(Equal(wide[kind.kind]))
	})
}

func TestFieldsSelectListedObjects(t *testing.T) {
	forListed(t, func(t *testing.T, kind listedKind) {
		g := NewWithT(t)
		withStatus(t, kind.create(t, "selected", `{}`), `{observedGeneration: 1, `+kind.idField+`: chosen}`)
		kind.create(t, "unselected", `{}`)
		found, err := dynamic.NewForConfigOrDie(config).Resource(v1alpha1.GroupVersion.WithResource(kind.resource)).Namespace("default").
			List(t.Context(), metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("status."+kind.idField, "chosen").String()})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found.Items).To(HaveLen(1))
		g.Expect(found.Items[0].GetName()).To(Equal("selected"))
	})
}

func TestTheScaleSubresourceSetsIdleInstances(t *testing.T) {
	g := NewWithT(t)
	made := listedKinds[1].create(t, "scaled", `{maxCapacity: 5, minIdleInstances: 1}`)
	withStatus(t, made, `{observedGeneration: 1, selector: compute.databricks-operator.io/instance-pool=scaled, stats: {used: 2, idle: 3, pendingUsed: 0, pendingIdle: 0}}`)
	pool := &v1alpha1.DatabricksInstancePool{}
	g.Expect(api.Get(t.Context(), client.ObjectKeyFromObject(made), pool)).To(Succeed())
	scale := &autoscalingv1.Scale{}
	g.Expect(api.SubResource("scale").Get(t.Context(), pool, scale)).To(Succeed())
	g.Expect(scale.Spec.Replicas).To(Equal(int32(1)))
	g.Expect(scale.Status.Replicas).To(Equal(int32(3)))
	g.Expect(scale.Status.Selector).NotTo(BeEmpty(), "autoscalers refuse an empty one")
	scale.Spec.Replicas = 4
	g.Expect(api.SubResource("scale").Update(t.Context(), pool, client.WithSubResourceBody(scale))).To(Succeed())
	g.Expect(api.Get(t.Context(), client.ObjectKeyFromObject(pool), pool)).To(Succeed())
	g.Expect(pool.Spec.MinIdleInstances).To(HaveValue(Equal(int32(4))))
	g.Expect(api.SubResource("scale").Get(t.Context(), pool, scale)).To(Succeed())
	scale.Spec.Replicas = 6
	g.Expect(rejectionCauses(t, api.SubResource("scale").Update(t.Context(), pool, client.WithSubResourceBody(scale)))).
		To(ConsistOf("spec.minIdleInstances: Invalid value: " + idleAboveMost))
}

// install creates the policies of a file, which are deleted when the test ends.
func install(t *testing.T, file string) {
	t.Helper()
	for _, manifest := range manifests(t, repository+"/config/admission/"+file) {
		if err := api.Create(t.Context(), manifest); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := api.Delete(context.Background(), manifest); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestProtectedListedObjectsAreNotDeleted(t *testing.T) {
	install(t, "deletion_protection.yaml")
	forListed(t, func(t *testing.T, kind listedKind) {
		g := NewWithT(t)
		object := kind.create(t, "protected", `{deletionProtection: true}`)
		remove := func() error { return api.Delete(t.Context(), object.DeepCopy(), client.DryRunAll) }
		// A policy takes effect with a delay.
		g.Eventually(remove).WithTimeout(30 * time.Second).Should(MatchError(ContainSubstring(
			"spec.deletionProtection is true: set it to false to delete protected")))
		g.Expect(api.Patch(t.Context(), object, merge(`{"spec": {"deletionProtection": false}}`))).To(Succeed())
		g.Expect(remove()).To(Succeed())
	})
}

func TestPreviewOfListedKinds(t *testing.T) {
	user, received := previewing(t)
	statuses := map[string]string{
		v1alpha1.PolicyKind: `{` + availableConditions + `, policyID: "001A"}`,
		v1alpha1.PoolKind:   `{` + availableConditions + `, poolID: "0101-pool", stats: {used: 2, idle: 1, pendingUsed: 0, pendingIdle: 0}}`,
	}
	texts := map[string]string{
		v1alpha1.PolicyKind: "this deletes policy 001A in https://adb-123.4.azuredatabricks.net",
		v1alpha1.PoolKind:   "this deletes instance pool 0101-pool in https://adb-123.4.azuredatabricks.net, of which clusters use 2 instances",
	}
	ids := map[string]string{v1alpha1.PolicyKind: "001A", v1alpha1.PoolKind: "0101-pool"}
	forListed(t, func(t *testing.T, kind listedKind) {
		g := NewWithT(t)
		object := kind.create(t, "preview", `{}`)
		withStatus(t, object, statuses[kind.kind])
		answered := func(write func() error) []string {
			if err := write(); err != nil {
				return []string{err.Error()}
			}
			return received.take()
		}
		deleted := func(spec string) func() []string {
			return func() []string {
				if err := api.Patch(t.Context(), object.DeepCopy(), merge(`{"spec": `+spec+`}`)); err != nil {
					return []string{err.Error()}
				}
				return answered(func() error { return user.Delete(t.Context(), object.DeepCopy(), client.DryRunAll) })
			}
		}
		g.Eventually(deleted(`{}`)).WithTimeout(30 * time.Second).Should(ConsistOf(HaveSuffix(texts[kind.kind])))
		g.Expect(deleted(`{"deletionPolicy": "Retain"}`)()).To(BeEmpty())
		g.Expect(deleted(`{"deletionPolicy": null, "`+kind.idField+`": "`+ids[kind.kind]+`"}`)()).To(BeEmpty(), "adopted")
		g.Expect(deleted(`{"deletionPolicy": "Delete"}`)()).To(ConsistOf(HaveSuffix(texts[kind.kind])))
		g.Expect(deleted(`{"deletionPolicy": null, "managementPolicy": "Observe"}`)()).To(BeEmpty())
		annotated := func() error {
			return user.Patch(t.Context(), object.DeepCopy(), merge(`{"metadata": {"annotations": {"compute.databricks-operator.io/requests": "x"}}}`), client.DryRunAll)
		}
		g.Eventually(func() []string { return answered(annotated) }).WithTimeout(30 * time.Second).Should(ConsistOf(
			ContainSubstring("the operator does not know the annotation compute.databricks-operator.io/requests")))
	})
}

func TestTheOperatorWritesOnlyWhatItNeedsOfListedKinds(t *testing.T) {
	const namespace = "operator-listed"
	operator := asOperator(t, namespace)
	forListed(t, func(t *testing.T, kind listedKind) {
		g := NewWithT(t)
		ctx := t.Context()
		object := kind.object(t, "bounded", `{}`)
		object.SetNamespace(namespace)
		object.SetFinalizers([]string{"example.com/other"})
		g.Expect(api.Create(ctx, object)).To(Succeed())
		t.Cleanup(func() { // the namespace stays; its objects must not hold up the CRD
			if err := api.Patch(context.Background(), object.DeepCopy(), merge(`{"metadata": {"finalizers": null}}`)); err != nil {
				t.Error(err)
			}
		})
		attempts := 0
		g.Eventually(func() error {
			attempts++
			return operator.Patch(ctx, object.DeepCopy(), merge(fmt.Sprintf(`{"metadata": {"labels": {"attempt": "%d"}}}`, attempts)))
		}).WithTimeout(30 * time.Second).Should(MatchError(ContainSubstring("the operator may change only its finalizer and the status of bounded")))
		for _, forbidden := range []string{`{"spec": {"suspend": true}}`, `{"metadata": {"finalizers": null}}`} {
			g.Expect(operator.Patch(ctx, object.DeepCopy(), merge(forbidden))).To(MatchError(ContainSubstring("the operator may change only")), forbidden)
		}
		g.Expect(operator.Delete(ctx, object.DeepCopy())).To(MatchError(ContainSubstring("the operator may change only")))
		g.Expect(operator.Create(ctx, kind.object(t, "another", `{}`))).To(MatchError(ContainSubstring("the operator may change only")))
		finalizers := `{"metadata": {"finalizers": ["example.com/other", "` + kind.finalizer + `"]}}`
		g.Expect(operator.Patch(ctx, object.DeepCopy(), merge(finalizers))).To(Succeed())
		g.Expect(operator.Status().Patch(ctx, object.DeepCopy(), merge(`{"status": {"`+kind.idField+`": "mine"}}`))).To(Succeed())
		g.Expect(operator.Patch(ctx, object.DeepCopy(), merge(`{"metadata": {"finalizers": ["example.com/other"]}}`))).To(Succeed())
	})
	t.Run("scale", func(t *testing.T) {
		pool := listedKinds[1].object(t, "bounded", `{}`)
		pool.SetNamespace(namespace)
		NewWithT(t).Expect(operator.SubResource("scale").Patch(t.Context(), pool, merge(`{"spec": {"replicas": 9}}`))).
			To(MatchError(ContainSubstring("the operator may change only")))
	})
}
