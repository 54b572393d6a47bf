package plan

import (
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// declared sets a specification that is in effect.
func declared(in *Input) {
	in.Observed.Desired = drift.Tree{"num_workers": int64(2)}
	in.Cluster.Status.AppliedDigest = drift.Digest(in.Observed.Desired)
}

func compared(in *Input) { in.Observed.Compared = true }

func unconfirmed(in *Input) { in.Observed.UnconfirmedDiff = true }

// withCondition adds a condition of the first generation.
func withCondition(kind, reason string) change {
	return func(in *Input) {
		in.Cluster.Status.Conditions = append(in.Cluster.Status.Conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: "so", ObservedGeneration: 1,
		})
	}
}

func endedBy(kind compute.TerminationReasonType) func(*compute.ClusterDetails) {
	return func(c *compute.ClusterDetails) { c.TerminationReason = &compute.TerminationReason{Type: kind} }
}

func TestNoStepBeforeTheComparison(t *testing.T) {
	inSync := withCondition(v1alpha1.ConditionSynced, v1alpha1.ReasonInSync)
	toRun := spec(func(s *v1alpha1.DatabricksClusterSpec) { s.RunPolicy = v1alpha1.RunPolicyRunning })
	for name, row := range map[string]struct {
		changes []change
		step    StepKind
		reason  string
	}{
		"a changed object waits for the comparison":  {[]change{is("RUNNING"), inSync, newGeneration}, StepNone, v1alpha1.ReasonUpdating},
		"a changed object waits for a GET":           {[]change{is("RUNNING"), inSync, newGeneration, unconfirmed}, StepNone, v1alpha1.ReasonUpdating},
		"it still waits in the next reconciliation":  {[]change{is("RUNNING"), withCondition(v1alpha1.ConditionSynced, v1alpha1.ReasonNotCompared), unconfirmed}, StepNone, v1alpha1.ReasonUpdating},
		"an observing object waits, too":             {[]change{observing, is("RUNNING"), inSync, newGeneration, unconfirmed}, StepNone, v1alpha1.ReasonUpdating},
		"a changed object is not started":            {[]change{is("TERMINATED"), inSync, newGeneration, toRun}, StepNone, v1alpha1.ReasonUpdating},
		"an unconfirmed difference delays the start": {[]change{is("TERMINATED"), inSync, unconfirmed, toRun}, StepNone, ""},
		"no difference is unconfirmed":               {[]change{is("TERMINATED"), inSync, toRun}, StepStart, v1alpha1.ReasonStarting},
		"a transition is reported immediately":       {[]change{is("PENDING"), inSync, newGeneration, unconfirmed}, StepNone, v1alpha1.ReasonStarting},
		"a compared object continues":                {[]change{is("RUNNING"), inSync, newGeneration, compared}, StepNone, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			plan := Make(situation(append([]change{owning, declared}, row.changes...)...))
			g.Expect(plan.Kind()).To(Equal(row.step))
			g.Expect(plan.Verdict.Reason).To(Equal(row.reason))
		})
	}
}

func TestAFailedClusterIsStartedOnlyAfterAChangeOfItsSpecification(t *testing.T) {
	failed := is("TERMINATED", endedBy(compute.TerminationReasonTypeCloudFailure))
	updating := withCondition(v1alpha1.ConditionReconciling, v1alpha1.ReasonUpdating)
	applying := func(in *Input) { in.Cluster.Status.AppliedDigest = Applying }
	for name, row := range map[string]struct {
		change change
		step   StepKind
	}{
		"[case-33] its change was applied":     {applying, StepStart},
		"[case-48] only a library was changed": {updating, StepNone},
		"[case-33] its launch failed before it was changed": {func(in *Input) {
			withCondition(v1alpha1.ConditionStalled, v1alpha1.ReasonStartFailed)(in)
			newGeneration(in)
		}, StepStart},
		"nothing was changed since the launch failed": {withCondition(v1alpha1.ConditionStalled, v1alpha1.ReasonStartFailed), StepNone},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(Make(situation(owning, declared, compared, failed, row.change)).Kind()).To(Equal(row.step))
		})
	}
}

func TestAMessageNamesTenFields(t *testing.T) {
	g := NewWithT(t)
	var all []drift.Difference
	for field := range strings.SplitSeq("abcdefghijkl", "") {
		all = append(all, drift.Difference{Path: "/spark_conf/" + field})
	}
	const ten = "/sparkConf/a, /sparkConf/b, /sparkConf/c, /sparkConf/d, /sparkConf/e, /sparkConf/f, /sparkConf/g, /sparkConf/h, /sparkConf/i, /sparkConf/j"
	g.Expect(DiffPaths(all)).To(Equal(ten + ", and 2 more"))
	g.Expect(DiffPaths(all[:10])).To(Equal(ten))
	g.Expect(DiffPaths(nil)).To(BeEmpty())
}
