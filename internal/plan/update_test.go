package plan

import (
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// declared is a specification, which is in place as far as anybody knows.
func declared(in *Input) {
	in.Observed.Desired = drift.Tree{"num_workers": int64(2)}
	in.Cluster.Status.AppliedDigest = drift.Digest(in.Observed.Desired)
}

func compared(in *Input) { in.Observed.Compared = true }

func suspected(in *Input) { in.Observed.UnconfirmedDiff = true }

// told has the object's status say something of its first generation.
func told(kind, reason string) change {
	return func(in *Input) {
		in.Cluster.Status.Conditions = append(in.Cluster.Status.Conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: "so", ObservedGeneration: 1,
		})
	}
}

func endedBy(kind compute.TerminationReasonType) func(*compute.ClusterDetails) {
	return func(c *compute.ClusterDetails) { c.TerminationReason = &compute.TerminationReason{Type: kind} }
}

func TestWhatWasNotComparedIsNotDone(t *testing.T) {
	judged := told(v1alpha1.ConditionSynced, v1alpha1.ReasonInSync)
	toRun := spec(func(s *v1alpha1.DatabricksClusterSpec) { s.RunPolicy = v1alpha1.RunPolicyRunning })
	for name, row := range map[string]struct {
		changes []change
		step    StepKind
		reason  string
	}{
		"a changed object waits for the comparison":         {[]change{is("RUNNING"), judged, newGeneration}, StepNone, v1alpha1.ReasonUpdating},
		"a changed object waits for a GET":                  {[]change{is("RUNNING"), judged, newGeneration, suspected}, StepNone, v1alpha1.ReasonUpdating},
		"it still does in the next pass":                    {[]change{is("RUNNING"), told(v1alpha1.ConditionSynced, v1alpha1.ReasonNotCompared), suspected}, StepNone, v1alpha1.ReasonUpdating},
		"an observed one as well":                           {[]change{observing, is("RUNNING"), judged, newGeneration, suspected}, StepNone, v1alpha1.ReasonUpdating},
		"a changed object that is down is not started":      {[]change{is("TERMINATED"), judged, newGeneration, toRun}, StepNone, v1alpha1.ReasonUpdating},
		"what is suspected of one that is down comes first": {[]change{is("TERMINATED"), judged, suspected, toRun}, StepNone, ""},
		"nothing is suspected":                              {[]change{is("TERMINATED"), judged, toRun}, StepStart, v1alpha1.ReasonStarting},
		"a state on the way to another is told at once":     {[]change{is("PENDING"), judged, newGeneration, suspected}, StepNone, v1alpha1.ReasonStarting},
		"what was compared goes on":                         {[]change{is("RUNNING"), judged, newGeneration, compared}, StepNone, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			plan := Make(situation(append([]change{owning, declared}, row.changes...)...))
			g.Expect(plan.Kind()).To(Equal(row.step))
			g.Expect(plan.Verdict.Reason).To(Equal(row.reason))
		})
	}
}

func TestAFailedClusterIsStartedForAChangeOfItsSpecificationAlone(t *testing.T) {
	failed := is("TERMINATED", endedBy(compute.TerminationReasonTypeCloudFailure))
	updating := told(v1alpha1.ConditionReconciling, v1alpha1.ReasonUpdating)
	applying := func(in *Input) { in.Cluster.Status.AppliedDigest = Applying }
	for name, row := range map[string]struct {
		change change
		step   StepKind
	}{
		"[case-33] its change was applied":                    {applying, StepStart},
		"[case-48] something else was changed, as a library":  {updating, StepNone},
		"[case-33] its launch failed before it was changed":   {func(in *Input) { told(v1alpha1.ConditionStalled, v1alpha1.ReasonStartFailed)(in); newGeneration(in) }, StepStart},
		"nobody changed anything since the launch has failed": {told(v1alpha1.ConditionStalled, v1alpha1.ReasonStartFailed), StepNone},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(Make(situation(owning, declared, compared, failed, row.change)).Kind()).To(Equal(row.step))
		})
	}
}
