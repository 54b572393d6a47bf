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

// unread is about objects that the operator has not looked at: it does not run
// yet, and will when this is over. What keeps a tool from taking them for ready is taken away once, to see
// that these tests would notice.
func unread(t *testing.T) {
	t.Run("waits", func(t *testing.T) {
		withEachTool(t, "an object that nobody has read is not ready", func(s *stage) {
			s.bare = true // they would know it
			s.commit(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours), "jobs/job.yaml": s.job()})
			s.follow()
			s.Eventually(func() bool { _, there := s.object("etl"); return there }).Should(BeTrue())
			// Flux looks every five seconds.
			s.Consistently(func() verdict { v, _ := s.tool.verdict(s.t.Context(), s); return v }).WithTimeout(7 * time.Second).Should(Equal(inProgress))
			s.Expect(s.hasJobs()).To(BeFalse())
		})
	})
	withoutStatusDefault(t)
	withoutHealthScript(t)
	t.Run("would-be-noticed", func(t *testing.T) {
		withEachTool(t, "without status default and health script that is noticed", func(s *stage) {
			s.bare = true // they would know it
			s.commit(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours), "jobs/job.yaml": s.job()})
			s.follow()
			s.Expect(s.watch("etl").early).To(BeTrue(), "the tool is done though nobody looked at the cluster")
		})
	})
}

// withoutStatusDefault takes the default of status out of the CRD, where it must
// be, until the test ends.
func withoutStatusDefault(t *testing.T) {
	t.Helper()
	change := func(ctx context.Context, patch string) error {
		crd := typed(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"},
			"", "databricksclusters.compute.databricks-operator.io")
		return lab.api.Patch(ctx, crd, client.RawPatch(types.JSONPatchType, []byte(patch)))
	}
	const at = `"path":"/spec/versions/0/schema/openAPIV3Schema/properties/status/default"`
	const value = `"value":{"observedGeneration":-1}`
	g := NewWithT(t)
	g.Expect(change(t.Context(), `[{"op":"test",`+at+`,`+value+`},{"op":"remove",`+at+`}]`)).To(Succeed())
	// The API server takes notice a moment later.
	g.Eventually(func() (int64, error) {
		object := &v1alpha1.DatabricksCluster{}
		object.Namespace, object.Name = "default", "would-be"
		object.Spec.SparkVersion, object.Spec.NodeTypeID = "16.4.x-scala2.12", "i3.xlarge"
		object.Spec.NumWorkers, object.Spec.AutoterminationMinutes = new(int32(1)), new(int32(60))
		err := lab.api.Create(t.Context(), object, client.DryRunAll)
		return object.Status.ObservedGeneration, err
	}).Should(BeZero())
	t.Cleanup(func() {
		if err := change(context.Background(), `[{"op":"add",`+at+`,`+value+`}]`); err != nil {
			t.Error(err)
		}
	})
}

// withoutHealthScript has Argo CD, if it runs, read objects as it does by itself,
// until the test ends.
func withoutHealthScript(t *testing.T) {
	t.Helper()
	for _, each := range lab.tools {
		reader, is := each.(*argo)
		if !is {
			continue
		}
		script, err := reader.readWith(t.Context(), "")
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		t.Cleanup(func() {
			if _, err := reader.readWith(context.Background(), script); err != nil {
				t.Error(err)
			}
		})
	}
}
