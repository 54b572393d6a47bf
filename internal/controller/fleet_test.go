package controller_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

func TestTwoHundredUnchangedObjects(t *testing.T) {
	t.Parallel()
	t.Run("[case-09] [case-60] [P7] two hundred unchanged objects cost pages, and write nothing over twenty passes", func(t *testing.T) {
		const objects, passes = 200, 20
		r := newRig(t)
		r.cacheOptions.Slow = 100 * time.Millisecond
		r.start()
		for i := range objects {
			r.create(r.small(fmt.Sprintf("fleet-%03d", i), everyDefault))
		}
		versions := func() map[string]string {
			var all v1alpha1.DatabricksClusterList
			r.Expect(r.api.List(t.Context(), &all, client.InNamespace(r.namespace))).To(Succeed())
			settled := map[string]string{}
			for i := range all.Items {
				if listed := conditions(&all.Items[i]); len(listed) == 3 && all.Items[i].Status.AppliedDigest != "" && listed[0] == "Ready=Running" {
					settled[all.Items[i].Name] = all.Items[i].ResourceVersion
				}
			}
			return settled
		}
		r.Eventually(func() int { return len(versions()) }).WithTimeout(2 * time.Minute).WithPolling(200 * time.Millisecond).Should(Equal(objects))
		// The last changes are coalesced.
		r.Eventually(func(g Gomega) {
			before := r.record.total()
			g.Consistently(r.record.total).Should(Equal(before))
		}).Should(Succeed())

		before := versions()
		r.workspace.ClearRequests()
		pages := (objects + 99) / 100
		r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/list")) }).WithTimeout(time.Minute).Should(BeNumerically(">=", passes*pages))
		r.Expect(r.writes()).To(BeEmpty())
		r.Expect(versions()).To(Equal(before))
		lists := len(r.workspace.RequestsTo("clusters/list"))
		r.Expect(len(r.workspace.Requests())-lists).To(BeNumerically("<", passes), "objects at rest cost no call of their own")
	})
}

// everyDefault removes all fields for which the server has a default.
func everyDefault(s *v1alpha1.DatabricksClusterSpec) {
	s.DataSecurityMode = v1alpha1.DataSecurityModeStandard
	s.AWSAttributes = &v1alpha1.AWSAttributes{ZoneID: "auto"}
	s.CustomTags = map[string]string{"team": "a"}
	s.SparkConf = map[string]string{"spark.speculation": "true"}
}
