package admission

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// runningObject creates an object with the status of a running cluster.
func runningObject(t *testing.T, name, clusterID string) *v1alpha1.DatabricksCluster {
	t.Helper()
	g := NewWithT(t)
	spec := changedSpec(t, minimalSpec, `{policyID: 9C6308F703005DF2, runPolicy: Running, autoterminationMinutes: 0}`)
	stored := createObject(t, name, spec)
	cluster := &v1alpha1.DatabricksCluster{}
	g.Expect(api.Get(t.Context(), client.ObjectKeyFromObject(stored), cluster)).To(Succeed())
	condition := func(kind, reason, message string) metav1.Condition {
		return metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: message, LastTransitionTime: metav1.Now(),
		}
	}
	cluster.Status = v1alpha1.DatabricksClusterStatus{
		ObservedGeneration: cluster.Generation,
		Conditions: []metav1.Condition{
			condition(v1alpha1.ConditionReady, v1alpha1.ReasonRunning, "The cluster runs"),
			condition(v1alpha1.ConditionSynced, v1alpha1.ReasonInSync, ""),
		},
		State: "RUNNING", ClusterID: clusterID, Host: "https://adb-123.4.azuredatabricks.net",
		NumWorkers: new(int32(0)),
		Selector:   v1alpha1.LabelCluster + "=" + name,
		Effective:  &v1alpha1.EffectiveSpec{SparkVersion: "16.4.x-scala2.12", Runtime: "16.4 Photon", NodeTypeID: "Standard_D4ds_v5", RunPolicy: v1alpha1.RunPolicyRunning},
	}
	g.Expect(api.Status().Update(t.Context(), cluster)).To(Succeed())
	return cluster
}

func TestColumnsShowTheLifecycle(t *testing.T) {
	g := NewWithT(t)
	runningObject(t, "columns", "0318-151752-columns")

	shape := rest.CopyConfig(config)
	shape.GroupVersion, shape.APIPath = &v1alpha1.GroupVersion, "/apis"
	shape.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	api, err := rest.RESTClientFor(shape)
	g.Expect(err).NotTo(HaveOccurred())
	table := &metav1.Table{}
	g.Expect(api.Get().Namespace("default").Resource("databricksclusters").Name("columns").
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(t.Context()).Into(table)).To(Succeed())

	var narrow, wide []string
	cells := map[string]string{}
	for i, column := range table.ColumnDefinitions {
		cells[column.Name] = fmt.Sprint(table.Rows[0].Cells[i])
		if column.Priority == 0 {
			narrow = append(narrow, column.Name)
		} else {
			wide = append(wide, column.Name)
		}
	}
	g.Expect(narrow).To(Equal([]string{"Name", "Ready", "Reason", "State", "Workers", "Age"}))
	g.Expect(wide).To(Equal([]string{"Synced", "Cluster-ID", "Runtime", "Node-Type", "Run-Policy", "Host", "Message"}))
	g.Expect(cells).To(And(
		HaveKeyWithValue("Ready", "True"),
		HaveKeyWithValue("Reason", "Running"),
		HaveKeyWithValue("State", "RUNNING"),
		HaveKeyWithValue("Workers", "0"),
		HaveKeyWithValue("Synced", "True"),
		HaveKeyWithValue("Cluster-ID", "0318-151752-columns"),
		HaveKeyWithValue("Runtime", "16.4 Photon"),
		HaveKeyWithValue("Node-Type", "Standard_D4ds_v5"),
		HaveKeyWithValue("Run-Policy", "Running"),
		HaveKeyWithValue("Host", "https://adb-123.4.azuredatabricks.net"),
		HaveKeyWithValue("Message", "The cluster runs"),
	))
}

func TestTheScaleSubresourceSetsTheNumberOfWorkers(t *testing.T) {
	g := NewWithT(t)
	cluster := runningObject(t, "scaled", "0318-151752-scaled")

	scale := &autoscalingv1.Scale{}
	g.Expect(api.SubResource("scale").Get(t.Context(), cluster, scale)).To(Succeed())
	g.Expect(scale.Spec.Replicas).To(Equal(int32(2)))
	g.Expect(scale.Status.Replicas).To(Equal(int32(0)))
	g.Expect(scale.Status.Selector).To(Equal("compute.databricks-operator.io/cluster=scaled"), "autoscalers refuse an empty one")

	scale.Spec.Replicas = 5
	g.Expect(api.SubResource("scale").Update(t.Context(), cluster, client.WithSubResourceBody(scale))).To(Succeed())
	g.Expect(api.Get(t.Context(), client.ObjectKeyFromObject(cluster), cluster)).To(Succeed())
	g.Expect(cluster.Spec.NumWorkers).To(HaveValue(Equal(int32(5))))
}

func TestScalingAnAutoscaledClusterIsRejected(t *testing.T) {
	g := NewWithT(t)
	cluster := createObject(t, "autoscaled", changedSpec(t, minimalSpec, `{numWorkers: null, autoscale: {minWorkers: 1, maxWorkers: 3}}`))
	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 5}}
	scale.Name, scale.Namespace = cluster.GetName(), cluster.GetNamespace()
	err := api.SubResource("scale").Update(t.Context(), cluster, client.WithSubResourceBody(scale))
	g.Expect(rejectionCauses(t, err)).To(ConsistOf(chooseSize))
}

func TestFieldsSelectObjects(t *testing.T) {
	g := NewWithT(t)
	runningObject(t, "selected", "0318-151752-selected")
	other := createObject(t, "unselected", changedSpec(t, minimalSpec, `{}`))

	for selector, value := range map[string]string{
		"spec.policyID": "9C6308F703005DF2", "status.state": "RUNNING", "status.clusterID": "0318-151752-selected",
	} {
		g.Expect(names(t, selector, value)).To(And(ContainElement("selected"), Not(ContainElement(other.GetName()))), selector)
	}
}

// names returns the names of the objects with a field value.
func names(t *testing.T, field, value string) []string {
	t.Helper()
	objects := dynamic.NewForConfigOrDie(config).Resource(v1alpha1.GroupVersion.WithResource("databricksclusters"))
	list, err := objects.Namespace("default").List(t.Context(), metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector(field, value).String(),
	})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, item := range list.Items {
		found = append(found, item.GetName())
	}
	return found
}
