package report

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

func TestAChangeIsBeingAppliedUntilTheStartThatFollowsItIsSent(t *testing.T) {
	for name, row := range map[string]struct {
		outcome Outcome
		want    string
	}{
		"[case-33] it has no turn yet": {Outcome{}, plan.Applying},
		"[case-33] it failed":          {Outcome{Ran: true, Failure: &plan.Failure{Class: databricks.ClassTransient, Message: "later"}}, plan.Applying},
		"[case-33] it was sent":        {Outcome{Ran: true}, drift.Digest(desired)},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory().created().sees("TERMINATED")
			h.cluster.Status.AppliedDigest = plan.Applying
			world := h.input.World
			world.Desired, world.Compared = desired, true
			h.tell(Input{World: world, Plan: plan.Plan{Step: plan.StepStart, ClusterID: clusterID}, Outcome: row.outcome})
			NewWithT(t).Expect(h.cluster.Status.AppliedDigest).To(Equal(row.want))
		})
	}
}
