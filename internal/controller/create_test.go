package controller_test

import (
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

func TestANewObjectIsCreatedOnce(t *testing.T) {
	t.Run("[case-01] one create, with token and owner tag, its id stored before anything waits", func(t *testing.T) {
		r := newRig(t)
		r.start()
		cluster := r.create(r.small("scratch"))
		ready := r.becomes(cluster, "Ready=Running")

		creates := r.workspace.RequestsTo("clusters/create")
		r.Expect(creates).To(HaveLen(1))
		r.Expect(creates[0].Owner).To(Equal(operatorID + "-" + string(ready.UID)))
		r.Expect(creates[0].IdempotencyToken).To(Equal(string(ready.UID) + "-1"))
		r.Expect(ready.Status.ClusterID).To(Equal(creates[0].ClusterID))
		r.Expect(ready.Status.Host).To(Equal(r.workspace.URL))
		r.Expect(ready.Status.Creation.Token).To(BeEmpty())
		r.Expect(conditions(ready)).To(ConsistOf("Ready=Running", "Synced=InSync", "Running=Running"))
		r.Eventually(func() []string { return r.events(cluster) }).Should(ConsistOf("Created", "Started"))
	})
}

func body(t *testing.T, raw json.RawMessage) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

var _ = v1alpha1.ConditionReady
var _ = Equal
