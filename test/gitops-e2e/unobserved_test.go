package gitops

import (
	"context"
	"testing"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// unobserved is about objects that the operator has not observed, because it
// does not run yet. It also removes the mechanisms that keep the tools from
// reporting such objects as ready, to prove that the tests detect this.
func unobserved(t *testing.T) {
	t.Run("waits", func(t *testing.T) {
		withEachTool(t, "an object that was never observed is not ready", func(s *fixture) {
			s.withoutExpressions = true // the expressions would detect it
			s.commit(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours), "jobs/job.yaml": s.job()})
			s.startSync()
			s.Eventually(func() bool { _, exists := s.object("etl"); return exists }).Should(BeTrue())
			// Flux syncs every five seconds.
			s.Consistently(func() verdict { v, _ := s.tool.verdict(s.t.Context(), s); return v }).WithTimeout(7 * time.Second).Should(Equal(inProgress))
			s.Expect(s.hasJobs()).To(BeFalse())
		})
	})
	withoutStatusDefault(t)
	withoutHealthScript(t)
	t.Run("detects-readiness", func(t *testing.T) {
		withEachTool(t, "without status default and health script it is ready", func(s *fixture) {
			s.withoutExpressions = true // the expressions would detect it
			s.commit(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours), "jobs/job.yaml": s.job()})
			s.startSync()
			s.Expect(s.watch("etl").premature).To(BeTrue(), "the tool is ready although the operator never observed the object")
		})
	})
}

// withoutStatusDefault removes the default of status from the CRD until the
// test ends.
func withoutStatusDefault(t *testing.T) {
	t.Helper()
	change := func(ctx context.Context, patch string) error {
		crd := typed(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"},
			"", "databricksclusters.compute.databricks-operator.io")
		return shared.api.Patch(ctx, crd, client.RawPatch(types.JSONPatchType, []byte(patch)))
	}
	const at = `"path":"/spec/versions/0/schema/openAPIV3Schema/properties/status/default"`
	const value = `"value":{"observedGeneration":-1}`
	g := NewWithT(t)
	g.Expect(change(t.Context(), `[{"op":"test",`+at+`,`+value+`},{"op":"remove",`+at+`}]`)).To(Succeed())
	// The API server applies the change with a delay.
	g.Eventually(func() (int64, error) {
		object := &v1alpha1.DatabricksCluster{}
		object.Namespace, object.Name = "default", "would-be"
		object.Spec.SparkVersion, object.Spec.NodeTypeID = "16.4.x-scala2.12", "i3.xlarge"
		object.Spec.NumWorkers, object.Spec.AutoterminationMinutes = new(int32(1)), new(int32(60))
		err := shared.api.Create(t.Context(), object, client.DryRunAll)
		return object.Status.ObservedGeneration, err
	}).Should(BeZero())
	t.Cleanup(func() {
		if err := change(context.Background(), `[{"op":"add",`+at+`,`+value+`}]`); err != nil {
			t.Error(err)
		}
	})
}

// withoutHealthScript removes the health script from Argo CD, if it runs, until
// the test ends.
func withoutHealthScript(t *testing.T) {
	t.Helper()
	for _, each := range shared.tools {
		reader, is := each.(*argo)
		if !is {
			continue
		}
		script, err := reader.setHealthScript(t.Context(), "")
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		t.Cleanup(func() {
			if _, err := reader.setHealthScript(context.Background(), script); err != nil {
				t.Error(err)
			}
		})
	}
}
