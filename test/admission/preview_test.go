package admission

import (
	"context"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// warnings keeps the warnings of the API server.
type warnings struct {
	mu  sync.Mutex
	all []string
}

func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, text)
}

// take returns the warnings since the last call.
func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.all
	w.all = nil
	return all
}

// previewing installs the policies of the preview and returns a client, and the warnings
// that it receives.
func previewing(t *testing.T) (client.Client, *warnings) {
	t.Helper()
	g := NewWithT(t)
	for _, manifest := range manifests(t, repository+"/config/admission/preview.yaml") {
		g.Expect(api.Create(t.Context(), manifest)).To(Succeed())
		t.Cleanup(func() {
			if err := api.Delete(context.Background(), manifest); err != nil {
				t.Error(err)
			}
		})
	}
	received := &warnings{}
	warned := rest.CopyConfig(config)
	warned.WarningHandler = received
	user, err := client.New(warned, client.Options{Scheme: api.Scheme()})
	g.Expect(err).NotTo(HaveOccurred())
	return user, received
}

func TestPreview(t *testing.T) {
	g := NewWithT(t)
	ctx := t.Context()
	user, received := previewing(t)
	const id = "0318-151752-preview"
	cluster := runningObject(t, "preview", id)
	patched := func(text string) func() []string {
		return func() []string {
			if err := user.Patch(ctx, cluster.DeepCopy(), merge(text), client.DryRunAll); err != nil {
				return []string{err.Error()}
			}
			return received.take()
		}
	}
	// The API server uses new policies after a moment.
	g.Eventually(patched(`{"metadata": {"annotations": {"compute.databricks-operator.io/requests": "start@1"}}}`)).Should(ConsistOf(
		ContainSubstring("the operator does not know the annotation compute.databricks-operator.io/requests")))
	g.Eventually(patched(`{"spec": {"sparkConf": {"a": "1"}, "nodeTypeID": "m5.large"}}`)).Should(ConsistOf(
		HaveSuffix("this restarts the RUNNING cluster " + id + ": nodeTypeID, sparkConf")))
	for text, want := range map[string]string{
		`{"spec": {"policyID": null, "policyName": "small"}}`:          ": policyID, policyName",
		`{"spec": {"policyID": null, "policyRef": {"name": "small"}}}`: ": policyID, policyRef",
		`{"spec": {"customTags": {"a": "1"}}}`:                         ": customTags",
	} {
		g.Expect(patched(text)()).To(ConsistOf(HaveSuffix(want)), text)
	}
	for _, silent := range []string{
		`{"spec": {"numWorkers": 9}}`,
		`{"spec": {"numWorkers": null, "autoscale": {"minWorkers": 1, "maxWorkers": 3}}}`,
		`{"spec": {"updateStrategy": {"type": "OnTermination"}, "sparkConf": {"a": "1"}}}`,
		`{"spec": {"updateStrategy": {"type": "Window", "windows": [{"from": "02:00", "to": "05:00"}]}, "sparkConf": {"a": "1"}}}`,
		`{"spec": {"suspend": true, "sparkConf": {"a": "1"}}}`,
		`{"spec": {"driftPolicy": "Warn"}}`,
		`{"metadata": {"annotations": {"compute.databricks-operator.io/request": "start@1", "example.com/requests": "x"}}}`,
	} {
		g.Expect(patched(silent)()).To(BeEmpty(), silent)
	}

	deleted := func(policy string) func() []string {
		return func() []string {
			if err := api.Patch(ctx, cluster.DeepCopy(), merge(`{"spec": {"deletionPolicy": `+policy+`}}`)); err != nil {
				return []string{err.Error()}
			}
			if err := user.Delete(ctx, cluster.DeepCopy(), client.DryRunAll); err != nil {
				return []string{err.Error()}
			}
			return received.take()
		}
	}
	where := "cluster " + id + " (RUNNING) in https://adb-123.4.azuredatabricks.net"
	g.Eventually(deleted("null")).Should(ConsistOf(HaveSuffix("this deletes " + where + " for good")))
	g.Expect(deleted(`"Terminate"`)()).To(ConsistOf(HaveSuffix("this terminates " + where)))
	g.Expect(deleted(`"Retain"`)()).To(BeEmpty())

	now := &v1alpha1.DatabricksCluster{}
	g.Expect(api.Get(ctx, client.ObjectKeyFromObject(cluster), now)).To(Succeed())
	now.Status.State = "TERMINATED"
	g.Expect(api.Status().Update(ctx, now)).To(Succeed())
	g.Expect(patched(`{"spec": {"sparkConf": {"a": "1"}}}`)()).To(BeEmpty(), "nothing restarts")
	g.Expect(deleted(`"Delete"`)()).To(ConsistOf(ContainSubstring("(TERMINATED)")))
}
