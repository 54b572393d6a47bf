package controller_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/scale"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// operatorName is the field manager of the operator of a test.
const operatorName = "databricks-operator"

// as returns a configuration with another field manager.
func as(name string) *rest.Config {
	config := rest.CopyConfig(kubernetes.Config)
	config.UserAgent = name
	return config
}

// overreach returns the fields of an object that the operator owns in addition to its
// status and its finalizers.
func overreach(cluster *v1alpha1.DatabricksCluster) []string {
	allowed := map[string]string{"status": "f:status", "": "f:metadata f:finalizers"}
	var beyond []string
	for _, entry := range cluster.ManagedFields {
		if entry.Manager != operatorName {
			continue
		}
		var owned map[string]any
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &owned); err != nil {
			return []string{err.Error()}
		}
		for _, path := range twoDeep(owned) {
			if !strings.HasPrefix(path, allowed[entry.Subresource]) {
				beyond = append(beyond, path)
			}
		}
	}
	return beyond
}

// twoDeep returns the fields of the two top levels, such as "f:metadata f:labels".
func twoDeep(fields map[string]any) []string {
	var paths []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		for _, beneath := range slices.Sorted(maps.Keys(fields[name].(map[string]any))) {
			paths = append(paths, name+" "+beneath)
		}
	}
	return paths
}

// samples returns the clusters of config/samples, as they are in Git.
func samples(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "samples", "compute_v1alpha1_databrickscluster.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	var found []*unstructured.Unstructured
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		fields, err := yaml.YAMLToJSON([]byte(document))
		g.Expect(err).NotTo(HaveOccurred())
		manifest := &unstructured.Unstructured{}
		g.Expect(manifest.UnmarshalJSON(fields)).To(Succeed())
		found = append(found, manifest)
	}
	g.Expect(len(found)).To(BeNumerically(">=", 3))
	return found
}

// apply applies a manifest from Git, as a GitOps tool does.
func (r *rig) apply(manifest *unstructured.Unstructured, options ...client.ApplyOption) error {
	applied := manifest.DeepCopy()
	applied.SetNamespace(r.namespace)
	return r.api.Apply(r.t.Context(), client.ApplyConfigurationFromUnstructured(applied), append(options, client.FieldOwner("git"))...)
}

// quiet waits until an object is not written for a while.
func (r *rig) quiet(cluster *v1alpha1.DatabricksCluster) *v1alpha1.DatabricksCluster {
	r.t.Helper()
	last, since := "", time.Now()
	r.Eventually(func() time.Duration {
		if now := r.get(cluster).ResourceVersion; now != last {
			last, since = now, time.Now()
		}
		return time.Since(since)
	}).Should(BeNumerically(">", 700*time.Millisecond))
	return r.get(cluster)
}

func TestFieldManagersDoNotConflict(t *testing.T) {
	t.Parallel()
	for _, manifest := range samples(t) {
		t.Run("applied again without a change: "+manifest.GetName(), func(t *testing.T) {
			r := newRig(t)
			r.start()
			manifest.SetLabels(map[string]string{"team": "data"})
			manifest.SetAnnotations(map[string]string{"note": "by hand"})
			r.Expect(r.apply(manifest)).To(Succeed())
			object := &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: manifest.GetName()}}
			r.becomes(object, "Ready=Running")
			before := r.quiet(object)

			for _, options := range [][]client.ApplyOption{nil, {client.ForceOwnership}} {
				r.Expect(r.apply(manifest, options...)).To(Succeed())
			}
			after := r.quiet(object)
			r.Expect(after.Generation).To(Equal(before.Generation))
			r.Expect(after.ResourceVersion).To(Equal(before.ResourceVersion))
			r.Expect(after.Generation).To(Equal(int64(1)))

			// The stored object has only the fields of the manifest.
			stored := &unstructured.Unstructured{}
			stored.SetGroupVersionKind(manifest.GroupVersionKind())
			r.Expect(r.api.Get(t.Context(), client.ObjectKeyFromObject(object), stored)).To(Succeed())
			r.Expect(stored.Object["spec"]).To(Equal(manifest.Object["spec"]))
			r.Expect(stored.GetLabels()).To(Equal(manifest.GetLabels()))
			r.Expect(stored.GetAnnotations()).To(Equal(manifest.GetAnnotations()))
			r.Expect(overreach(after)).To(BeEmpty())
			r.Expect(managers(after)).To(ContainElements("git ", operatorName+" ", operatorName+" status"))
		})
	}
}

// managers returns the field managers of an object, with their subresource.
func managers(cluster *v1alpha1.DatabricksCluster) []string {
	var names []string
	for _, entry := range cluster.ManagedFields {
		names = append(names, entry.Manager+" "+entry.Subresource)
	}
	return names
}

// autoscaler acts as a HorizontalPodAutoscaler or KEDA: it reads the scale of an object
// and writes it.
type autoscaler struct {
	*rig
	name   string
	scales scale.ScaleInterface
}

func (r *rig) autoscaler(object *v1alpha1.DatabricksCluster) *autoscaler {
	r.t.Helper()
	config := as("kube-controller-manager")
	found, err := discovery.NewDiscoveryClientForConfig(config)
	r.Expect(err).NotTo(HaveOccurred())
	scales, err := scale.NewForConfig(config, r.api.RESTMapper(), dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(found))
	r.Expect(err).NotTo(HaveOccurred())
	return &autoscaler{rig: r, name: object.Name, scales: scales.Scales(r.namespace)}
}

var resource = v1alpha1.GroupVersion.WithResource("databricksclusters").GroupResource()

func (a *autoscaler) read() *autoscalingv1.Scale {
	a.t.Helper()
	now, err := a.scales.Get(a.t.Context(), resource, a.name, metav1.GetOptions{})
	a.Expect(err).NotTo(HaveOccurred())
	return now
}

func (a *autoscaler) write(replicas int32) error {
	a.t.Helper()
	var err error
	a.Eventually(func() bool {
		wanted := a.read()
		wanted.Spec.Replicas = replicas
		_, err = a.scales.Update(a.t.Context(), resource, wanted, metav1.UpdateOptions{})
		return apierrors.IsConflict(err)
	}).Should(BeFalse())
	return err
}

// sized returns a manifest with a size, and one without.
func sized(t *testing.T, workers int64) (with, without *unstructured.Unstructured) {
	t.Helper()
	with = samples(t)[0]
	without = with.DeepCopy()
	g := NewWithT(t)
	g.Expect(unstructured.SetNestedField(with.Object, workers, "spec", "numWorkers")).To(Succeed())
	unstructured.RemoveNestedField(without.Object, "spec", "numWorkers")
	return with, without
}

// scaled returns an object from Git whose cluster runs with one worker, and its
// autoscaler.
func (r *rig) scaled() (object *v1alpha1.DatabricksCluster, with, without *unstructured.Unstructured, scaler *autoscaler) {
	r.t.Helper()
	r.start()
	with, without = sized(r.t, 1)
	r.Expect(r.apply(with)).To(Succeed())
	object = r.becomes(&v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: with.GetName()}}, "Ready=Running")
	return object, with, without, r.autoscaler(object)
}

func TestAnAutoscalerScales(t *testing.T) {
	t.Parallel()
	t.Run("up and down to 0 by resizes, and reads the result", func(t *testing.T) {
		r := newRig(t)
		object, _, _, scaler := r.scaled()
		selector, err := labels.Parse(scaler.read().Status.Selector)
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(selector.Empty()).To(BeFalse(), "an empty selector selects everything: it is refused")
		r.Eventually(func() int32 { return scaler.read().Status.Replicas }).Should(Equal(int32(1)))

		for _, replicas := range []int32{3, 0, 2} {
			r.workspace.ClearRequests()
			r.Expect(scaler.write(replicas)).To(Succeed())
			r.Eventually(func() int32 { return scaler.read().Status.Replicas }).Should(Equal(replicas))
			now := r.inSync(object)
			r.Expect(*now.Spec.NumWorkers).To(Equal(replicas))
			r.Expect(r.writes()).To(Equal([]string{"resize"}))
			r.Expect(conditions(now)).To(ContainElement("Ready=Running"))
		}
	})
	t.Run("not a cluster that Databricks scales", func(t *testing.T) {
		r := newRig(t)
		object := r.create(r.small("scratch", autoscale(1, 3)))
		_, err := r.autoscaler(object).scales.Get(t.Context(), resource, object.Name, metav1.GetOptions{})
		r.Expect(err).To(MatchError(ContainSubstring(`".spec.numWorkers" does not exist`)))
	})
}

func TestOwnershipOfTheNumberOfWorkers(t *testing.T) {
	t.Parallel()
	t.Run("a size in Git: refused without force, and with force repeated changes", func(t *testing.T) {
		r := newRig(t)
		object, with, _, scaler := r.scaled()
		r.Expect(scaler.write(3)).To(Succeed())
		r.Expect(r.apply(with)).To(MatchError(And(ContainSubstring("kube-controller-manager"), ContainSubstring("spec.numWorkers"))))
		r.Expect(*r.get(object).Spec.NumWorkers).To(Equal(int32(3)))
		r.Expect(r.apply(with, client.ForceOwnership)).To(Succeed())
		r.Expect(*r.get(object).Spec.NumWorkers).To(Equal(int32(1)))
	})
	t.Run("removed from Git after a write of the autoscaler: the size stays, without repeated changes", func(t *testing.T) {
		r := newRig(t)
		object, with, without, scaler := r.scaled()
		// The API server removes the first owner of the field at the second write.
		for _, replicas := range []int32{2, 3} {
			r.Expect(scaler.write(replicas)).To(Succeed())
		}
		r.inSync(object)
		before := r.quiet(object)
		r.workspace.ClearRequests()
		r.Expect(r.apply(without, client.ForceOwnership)).To(Succeed())
		after := r.quiet(object)
		r.Expect(*after.Spec.NumWorkers).To(Equal(int32(3)))
		r.Expect(after.Generation).To(Equal(before.Generation))
		r.Expect(r.writes()).To(BeEmpty())

		// Applying the field again makes Git its owner again.
		r.Expect(r.apply(with, client.ForceOwnership)).To(Succeed())
		r.Eventually(func() []string { return r.writes() }).Should(Equal([]string{"resize"}))
		r.Expect(*r.inSync(object).Spec.NumWorkers).To(Equal(int32(1)))
	})
	t.Run("removed from Git before a write of the autoscaler: refused without a change", func(t *testing.T) {
		r := newRig(t)
		object, _, without, _ := r.scaled()
		before := r.quiet(object)
		r.Expect(r.apply(without, client.ForceOwnership)).To(MatchError(ContainSubstring("a size is needed")))
		r.Expect(r.quiet(object).ResourceVersion).To(Equal(before.ResourceVersion), fmt.Sprint(before.Spec.NumWorkers))
	})
}

func TestASuspendedObjectReportsAFault(t *testing.T) {
	t.Parallel()
	t.Run("[case-36] its cluster terminated by a fault", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running()
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) { s.Suspend = true })
		r.becomes(cluster, "Suspended=Suspended")
		r.end(cluster.Status.ClusterID, "CLOUD_PROVIDER_SHUTDOWN", "CLOUD_FAILURE")
		reported := r.becomes(cluster, "Stalled=TerminatedUnexpectedly")
		r.Expect(conditions(reported)).To(ContainElement("Suspended=Suspended"))
		r.Expect(r.writes()).To(BeEmpty())
	})
}
