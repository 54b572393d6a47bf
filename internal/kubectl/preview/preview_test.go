package preview_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/preview"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

const clusterID = "1126-163207-c6xh4dct"

// adopting returns the input for an object that adopts a cluster with two workers and the
// property a=1.
func adopting(state compute.State, change func(*v1alpha1.DatabricksCluster)) preview.Input {
	object := &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Name: "etl", Namespace: "team", UID: "uid", Generation: 1}}
	object.Spec.ClusterID = clusterID
	object.Spec.NumWorkers = new(int32(2))
	change(object)
	spec := `{"num_workers":2,"spark_version":"16.4.x-scala2.12","node_type_id":"i3.xlarge","spark_conf":{"a":"1"}}`
	details := &compute.ClusterDetails{}
	_ = json.Unmarshal([]byte(spec), details)
	details.ClusterId, details.State, details.ClusterSource = clusterID, state, compute.ClusterSourceUi
	return preview.Input{
		Object: object, Now: time.Date(2026, time.November, 28, 1, 2, 3, 0, time.UTC), OperatorID: "0a1b2c3d",
		Facts: preview.Facts{
			Host: "https://a.cloud.databricks.com", Principal: databricks.Principal{ID: "1", UserName: "me@example.com"},
			Presence: managed.Present, Cluster: databricks.Cluster{Details: details, Spec: json.RawMessage(spec)},
		},
	}
}

func calls(p preview.Preview) []string {
	var all []string
	for _, call := range p.Calls {
		text := call.Endpoint + " " + call.When
		if call.Restarts {
			text += " restarts"
		}
		all = append(all, text)
	}
	return all
}

func TestAPreviewNamesTheCalls(t *testing.T) {
	for name, c := range map[string]struct {
		state       compute.State
		change      func(*v1alpha1.DatabricksCluster)
		want        []string
		wouldChange bool
	}{
		"nothing differs": {compute.StateRunning, func(*v1alpha1.DatabricksCluster) {}, nil, false},
		"a property of a running cluster": {
			compute.StateRunning, func(c *v1alpha1.DatabricksCluster) { c.Spec.SparkConf = map[string]string{"a": "2"} },
			[]string{"clusters/update now restarts"},
			true,
		},
		"a property of a cluster that is down": {
			compute.StateTerminated, func(c *v1alpha1.DatabricksCluster) { c.Spec.SparkConf = map[string]string{"a": "2"} },
			[]string{"clusters/update now"},
			true,
		},
		"a size and a property": {
			compute.StateRunning, func(c *v1alpha1.DatabricksCluster) {
				c.Spec.NumWorkers, c.Spec.SparkConf = new(int32(4)), map[string]string{"a": "2"}
			},
			[]string{"clusters/update now restarts"},
			true,
		},
		"a start after a change": {
			compute.StateTerminated, func(c *v1alpha1.DatabricksCluster) {
				c.Spec.NumWorkers, c.Spec.RunPolicy = new(int32(4)), v1alpha1.RunPolicyRunning
			},
			[]string{"clusters/update now", "clusters/start now"},
			true,
		},
		"an observing object": {
			compute.StateRunning, func(c *v1alpha1.DatabricksCluster) {
				c.Spec.ManagementPolicy, c.Spec.NumWorkers = v1alpha1.ManagementPolicyObserve, new(int32(4))
			}, nil, false,
		},
		"drift that is only reported": {
			compute.StateRunning, func(c *v1alpha1.DatabricksCluster) {
				c.Spec.DriftPolicy, c.Spec.NumWorkers = v1alpha1.DriftPolicyWarn, new(int32(4))
			}, nil, false,
		},
		"a window": {
			compute.StateRunning, func(c *v1alpha1.DatabricksCluster) {
				c.Spec.SparkConf = map[string]string{"a": "2"}
				c.Spec.UpdateStrategy = &v1alpha1.UpdateStrategy{Type: v1alpha1.UpdateStrategyWindow, Windows: []v1alpha1.UpdateWindow{{}}}
				c.Spec.UpdateStrategy.Windows[0].From, c.Spec.UpdateStrategy.Windows[0].To = "12:00", "13:00"
			},
			[]string{"clusters/update in the next window, or when the cluster is down or restarted"},
			true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := adopting(c.state, c.change)
			before := in.Object.DeepCopy()
			p := preview.Of(in)
			g.Expect(calls(p)).To(Equal(c.want), "%+v", p)
			g.Expect(p.WouldChange()).To(Equal(c.wouldChange), "%+v", p)
			g.Expect(in.Object).To(Equal(before), "the simulation uses copies")
			if !c.wouldChange && name != "nothing differs" {
				g.Expect(p.Left).To(HaveLen(1))
			}
		})
	}
}

func TestAPreviewHidesValuesThatMayBeSecret(t *testing.T) {
	g := NewWithT(t)
	p := preview.Of(adopting(compute.StateRunning, func(c *v1alpha1.DatabricksCluster) { c.Spec.SparkConf = map[string]string{"a": "s3cret"} }))
	g.Expect(p.Changes).To(ConsistOf(preview.Change{Path: "/sparkConf/a", From: "[redacted]", To: "[redacted]"}))
}

func TestAnUnchangedObjectSeesDrift(t *testing.T) {
	g := NewWithT(t)
	in := adopting(compute.StateRunning, func(c *v1alpha1.DatabricksCluster) {
		c.Finalizers = []string{v1alpha1.FinalizerCluster}
		c.Spec.SparkConf = map[string]string{"a": "2"}
		desired, err := drift.Desired(&c.Spec.ClusterSpec, drift.Secrets{})
		g.Expect(err).NotTo(HaveOccurred())
		c.Status.ClusterID, c.Status.Adopted, c.Status.ObservedGeneration = clusterID, true, 1
		c.Status.Host = "https://a.cloud.databricks.com"
		c.Status.AppliedDigest, c.Status.OwnedFields = drift.Digest(desired), drift.Owned(desired)
	})
	p := preview.Of(in)
	g.Expect(calls(p)).To(Equal([]string{"clusters/update when the cluster is down or restarted, by driftPolicy"}))
	g.Expect(p.Changes).To(HaveLen(1))
	in.Object.Spec.DriftPolicy = v1alpha1.DriftPolicyWarn
	g.Expect(preview.Of(in).WouldChange()).To(BeFalse())
	in.Object.Spec.DriftPolicy = v1alpha1.DriftPolicyCorrectWithRestart
	g.Expect(calls(preview.Of(in))).To(Equal([]string{"clusters/update now restarts"}))
}

func TestAPreviewOfAClusterThatAnotherObjectManagesStalls(t *testing.T) {
	g := NewWithT(t)
	in := adopting(compute.StateRunning, func(c *v1alpha1.DatabricksCluster) { c.Spec.NumWorkers = new(int32(4)) })
	in.Facts.ManagedBy = "team/other"
	p := preview.Of(in)
	g.Expect(p.Stalled).To(BeTrue())
	g.Expect(p.Reason).To(Equal(v1alpha1.ReasonAlreadyManaged))
	g.Expect(p.Message).To(ContainSubstring("already managed by DatabricksCluster team/other"))
	g.Expect(p.Calls).To(BeEmpty())
}

func TestAPreviewOfAnotherOwnersClusterStalls(t *testing.T) {
	g := NewWithT(t)
	in := adopting(compute.StateRunning, func(c *v1alpha1.DatabricksCluster) { c.Spec.NumWorkers = new(int32(4)) })
	in.Facts.Cluster.Details.CustomTags = map[string]string{v1alpha1.OwnerTagKey: "ffffffff-other"}
	p := preview.Of(in)
	g.Expect(p.Stalled).To(BeTrue())
	g.Expect(p.Reason).To(Equal(v1alpha1.ReasonAlreadyManaged))
	g.Expect(p.Calls).To(BeEmpty())
}
