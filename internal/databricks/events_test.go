package databricks_test

import (
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func TestEventsArePagedInTheRequestedOrder(t *testing.T) {
	s := newWorkspace(t, simulator.Options{}, nil)
	id := s.create("events")
	first, err := s.Events(s.ctx, databricks.EventQuery{ClusterID: id, PageSize: 1, Order: compute.GetEventsOrderAsc})
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(first.Events).To(HaveLen(1))
	s.Expect(first.Events[0].Type).To(Equal(compute.EventTypeCreating))
	s.Expect(s.Terminate(s.ctx, id)).To(Succeed())
	newest, err := s.Events(s.ctx, databricks.EventQuery{ClusterID: id})
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(newest.Events[0].Type).To(Equal(compute.EventTypeTerminating))
	s.Expect(newest.NextPageToken).To(BeEmpty())
	_, err = s.Events(s.ctx, databricks.EventQuery{ClusterID: "0101-000000-unknown"})
	s.Expect(databricks.ClassOf(err)).To(Equal(databricks.ClassMissing))
	_, err = s.Events(s.ctx, databricks.EventQuery{})
	s.Expect(databricks.ClassOf(err)).To(Equal(databricks.ClassInvalid))
}
