package admission

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// minimalWorkspaceSpec is the minimal valid spec of a DatabricksWorkspace, which the
// cases change.
const minimalWorkspaceSpec = `{host: "https://adb-123.4.azuredatabricks.net", secretRef: {name: prod-workspace}}`

// sharedWorkspace returns a DatabricksWorkspace.
func sharedWorkspace(name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       v1alpha1.WorkspaceKind,
		"metadata":   map[string]any{"name": name},
		"spec":       spec,
	}}
}

const (
	oneCredential = "spec: Forbidden: set exactly one of secretRef and workloadIdentity"
	sharedHost    = "host must be https:// and the host name alone, such as https://adb-123.4.azuredatabricks.net"
)

var workspaceRules = []rule{
	{
		name: "one credential",
		accepted: []string{
			`{}`,
			`{secretRef: null, workloadIdentity: {}}`,
			`{secretRef: null, workloadIdentity: {clientID: 6f7c, azureTenantID: 99999999-8888-7777-6666-555555555555}}`,
			`{secretRef: null, workloadIdentity: {clientID: 6f7c, audience: databricks}}`,
		},
		rejected: []rejection{
			{`{secretRef: null}`, []string{oneCredential}},
			{`{workloadIdentity: {}}`, []string{oneCredential}},
			{`{secretRef: null, workloadIdentity: {azureTenantID: t1}}`, []string{`spec.workloadIdentity: Invalid value: ` + entraRule}},
			{`{secretRef: {}}`, []string{"spec.secretRef.name: Required value"}},
			{`{secretRef: {name: ../other}}`, []string{
				`spec.secretRef.name: Invalid value: "../other": spec.secretRef.name in body should match '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$'`,
			}},
			{`{secretRef: null, workloadIdentity: {audience: "https://kubernetes.default.svc"}}`, []string{
				`spec.workloadIdentity.audience: Invalid value: "https://kubernetes.default.svc": ` + notKubernetes,
			}},
		},
	},
	{
		name:     "a host and nothing else",
		accepted: []string{`{host: "https://127.0.0.1:8443/"}`},
		rejected: []rejection{
			{`{host: null}`, []string{"spec.host: Required value"}},
			{`{host: "http://adb-123.4.azuredatabricks.net"}`, []string{`spec.host: Invalid value: "http://adb-123.4.azuredatabricks.net": ` + sharedHost}},
			{`{host: "https://user@example.com/path"}`, []string{`spec.host: Invalid value: "https://user@example.com/path": ` + sharedHost}},
		},
	},
	{
		name: "namespaces by name and by label",
		accepted: []string{
			`{allowedNamespaces: {}}`,
			`{allowedNamespaces: {names: [team-a, team-b]}}`,
			`{allowedNamespaces: {selector: {}}}`,
			`{allowedNamespaces: {names: [team-a], selector: {matchExpressions: [{key: team, operator: In, values: [a, b]}]}}}`,
			`{allowAdoption: true}`,
			`{allowedKinds: [DatabricksCluster, DatabricksClusterPolicy, DatabricksInstancePool]}`,
			`{requirePolicy: true, allowedPolicyIDs: [ABC123], forbiddenFields: [initScripts, awsAttributes.instanceProfileARN]}`,
		},
		rejected: []rejection{
			{`{allowedNamespaces: {names: [team-a, team-a]}}`, []string{`spec.allowedNamespaces.names[1]: Duplicate value: "team-a"`}},
			{`{allowedKinds: []}`, []string{"spec.allowedKinds: Invalid value: 0: spec.allowedKinds in body should have at least 1 items"}},
			{`{allowedKinds: [Pod]}`, []string{
				`spec.allowedKinds[0]: Unsupported value: "Pod": supported values: "DatabricksCluster", "DatabricksClusterPolicy", "DatabricksInstancePool"`,
			}},
			{`{allowedNamespaces: {names: ["*"]}}`, []string{
				`spec.allowedNamespaces.names[0]: Invalid value: "*": spec.allowedNamespaces.names[0] in body should match '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'`,
			}},
		},
	},
}

func TestRulesOfWorkspaces(t *testing.T) {
	for _, rule := range workspaceRules {
		t.Run(rule.name, func(t *testing.T) {
			g := NewWithT(t)
			for _, change := range rule.accepted {
				spec := changedSpec(t, minimalWorkspaceSpec, change)
				shared := sharedWorkspace("accepted", changedSpec(t, minimalWorkspaceSpec, change))
				g.Expect(rejectionCauses(t, api.Create(t.Context(), shared, client.DryRunAll))).To(BeEmpty(), change)
				g.Expect(shared.Object["spec"]).To(Equal(spec), "nothing is added to a spec")
				g.Expect(shared.Object["status"]).To(Equal(map[string]any{"observedGeneration": int64(-1)}))
			}
			for _, rejection := range rule.rejected {
				err := api.Create(t.Context(), sharedWorkspace("refused", changedSpec(t, minimalWorkspaceSpec, rejection.change)), client.DryRunAll)
				g.Expect(rejectionCauses(t, err)).To(ConsistOf(withoutValues(rejection.causes)), rejection.change)
			}
		})
	}
}

func TestEveryRuleOfAWorkspaceIsTested(t *testing.T) {
	g := NewWithT(t)
	var proven []string
	for _, rule := range workspaceRules {
		for _, rejection := range rule.rejected {
			proven = append(proven, rejection.causes...)
		}
	}
	for _, definition := range manifests(t, filepath.Join(definitions, "compute.databricks-operator.io_databricksworkspaces.yaml")) {
		for _, message := range ruleMessages(definition.Object) {
			g.Expect(strings.Join(proven, "\n")).To(ContainSubstring(message))
		}
	}
}

func TestColumnsOfAWorkspace(t *testing.T) {
	g := NewWithT(t)
	shared := sharedWorkspace("columns", changedSpec(t, minimalWorkspaceSpec, `{}`))
	g.Expect(api.Create(t.Context(), shared)).To(Succeed())
	t.Cleanup(func() { g.Expect(api.Delete(context.Background(), shared)).To(Succeed()) })
	stored := &v1alpha1.DatabricksWorkspace{}
	g.Expect(api.Get(t.Context(), client.ObjectKeyFromObject(shared), stored)).To(Succeed())
	stored.Status = v1alpha1.DatabricksWorkspaceStatus{
		ObservedGeneration: stored.Generation,
		Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonConnected,
			Message: "it answers", LastTransitionTime: metav1.Now(),
		}},
		Principal: "platform", Cloud: "Azure", Clusters: new(int32(0)),
		RequestLimitPerMinute: new(int32(600)), RequestLimitUsedPercent: new(int32(20)),
	}
	g.Expect(api.Status().Update(t.Context(), stored)).To(Succeed())

	shape := rest.CopyConfig(config)
	shape.GroupVersion, shape.APIPath = &v1alpha1.GroupVersion, "/apis"
	shape.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	server, err := rest.RESTClientFor(shape)
	g.Expect(err).NotTo(HaveOccurred())
	table := &metav1.Table{}
	g.Expect(server.Get().Resource("databricksworkspaces").Name("columns").
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(t.Context()).Into(table)).To(Succeed())
	var narrow, wide []string
	for i, column := range table.ColumnDefinitions {
		cell := column.Name + "=" + fmt.Sprint(table.Rows[0].Cells[i])
		switch {
		case column.Name == "Age":
		case column.Priority == 0:
			narrow = append(narrow, cell)
		default:
			wide = append(wide, cell)
		}
	}
	g.Expect(narrow).To(Equal([]string{"Name=columns", "Ready=True", "Reason=Connected", "Host=https://adb-123.4.azuredatabricks.net", "Clusters=0"}))
	g.Expect(wide).To(Equal([]string{"Cloud=Azure", "Principal=platform", "Limit=600", "Used-%=20", "Message=it answers"}))
}

func TestTheSampleWorkspaceIsAccepted(t *testing.T) {
	g := NewWithT(t)
	for _, sample := range manifests(t, filepath.Join(repository, "config", "samples", "compute_v1alpha1_databricksworkspace.yaml")) {
		g.Expect(api.Create(t.Context(), sample, client.DryRunAll)).To(Succeed())
	}
}
