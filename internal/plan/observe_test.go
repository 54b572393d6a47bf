package plan

import (
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// Each row is a situation in which a managing object writes to its cluster. An observing
// one does not.
func TestAnObservingObjectWritesNothing(t *testing.T) {
	ended := endedBy(compute.TerminationReasonTypeSuccess)
	launchFailed := func(details *compute.ClusterDetails) {
		endedBy(compute.TerminationReasonTypeClientError)(details)
		details.SparkContextId = 0
	}
	requests := func(value string) change {
		return func(in *Input) {
			in.Cluster.Annotations = map[string]string{v1alpha1.AnnotationRequest: value}
			in.Cluster.Status.Request = &v1alpha1.RequestStatus{Value: value, Phase: v1alpha1.RequestAccepted}
		}
	}
	pins := func(in *Input) { in.Cluster.Spec.Pinned, in.Observed.Pinned = new(true), new(false) }
	grants := func(in *Input) {
		in.Cluster.Spec.AccessControlList = []v1alpha1.AccessControl{{GroupName: "data", PermissionLevel: "CAN_RESTART"}}
		in.Observed.Permissions = Permissions{Seen: true}
	}
	applying := func(in *Input) { in.Cluster.Status.AppliedDigest = Applying }
	inSync := func(in *Input) { in.Observed.Compared, in.Observed.Desired = true, drift.Tree{} }
	for name, row := range map[string]struct {
		changes []change
		step    StepKind
	}{
		"[case-56] stops":        {[]change{inSync, is("RUNNING"), policy(v1alpha1.RunPolicyTerminated)}, StepTerminate},
		"[case-56] starts":       {[]change{inSync, is("TERMINATED", ended), policy(v1alpha1.RunPolicyRunning)}, StepStart},
		"[case-56] starts again": {[]change{inSync, applying, is("TERMINATED", launchFailed)}, StepStart},
		"[case-56] restarts, on request": {
			[]change{inSync, is("RUNNING"), requests("restart@1")}, StepRestart,
		},
		"[case-56] pins":     {[]change{inSync, is("RUNNING"), pins}, StepPin},
		"[case-56] grants":   {[]change{inSync, is("RUNNING"), grants}, StepSetPermissions},
		"[case-56] corrects": {[]change{is("TERMINATED", ended), differs("/num_workers", "num_workers", true)}, StepUpdate},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			managing := append([]change{adopting, owning}, row.changes...)
			g.Expect(decide(situation(managing...)).Kind()).To(Equal(row.step), "a managing object")
			next := decide(situation(append(managing, observing)...))
			g.Expect(next.Kind().WritesToDatabricks()).To(BeFalse(), "%v", next.Kind())
		})
	}
}

func TestAnObservingObjectHasNoHours(t *testing.T) {
	g := NewWithT(t)
	up := []change{adopting, owning, scheduled(), now(noon), is(compute.StateRunning)}
	_, has := hoursOf(situation(up...).Cluster, noon)
	g.Expect(has).To(BeTrue())
	_, has = hoursOf(situation(append(up, observing)...).Cluster, noon)
	g.Expect(has).To(BeFalse(), "[case-56]")
}
