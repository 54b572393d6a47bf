package plan

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

func TestAlternatingReasonsAreReportedOnce(t *testing.T) {
	g := NewWithT(t)
	limit, unavailable := managed.Hold{Reason: "RateLimited", Message: "limit"}, managed.Hold{Reason: "RetryingAfterError", Message: "host"}
	cluster := &v1alpha1.DatabricksCluster{}
	cluster.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady}}
	attempts, shown, reportAt := Attempts{}.Held(cluster, StepCreate, limit, noon)
	g.Expect(shown).To(BeNil(), "[P7] a short wait writes nothing")
	g.Expect(reportAt).To(Equal(noon.Add(managed.HoldReportedAfter)))
	for i := range 20 {
		reason := limit
		if i%2 == 1 {
			reason = unavailable
		}
		attempts, shown, _ = attempts.Held(cluster, StepCreate, reason, noon.Add(managed.HoldReportedAfter+time.Duration(i)*time.Second))
		g.Expect(*shown).To(Equal(limit), "[case-73]")
	}
	at := noon.Add(managed.HoldReportedAfter + 20*time.Second)
	attempts, shown, _ = attempts.Held(cluster, StepCreate, unavailable, at)
	g.Expect(*shown).To(Equal(limit))
	attempts, shown, _ = attempts.Held(cluster, StepCreate, unavailable, at.Add(managed.HoldReportedAfter))
	g.Expect(*shown).To(Equal(unavailable), "[case-73] a lasting reason is reported")
	_, shown, _ = attempts.NotHeld().Held(cluster, StepCreate, unavailable, at.Add(time.Minute))
	g.Expect(shown).To(BeNil())
}

func TestTheFirstStatusReportsAWaitAtOnce(t *testing.T) {
	g := NewWithT(t)
	limit := managed.Hold{Reason: "RateLimited", Message: "limit"}
	attempts, shown, reportAt := Attempts{}.Held(&v1alpha1.DatabricksCluster{}, StepCreate, limit, noon)
	g.Expect(shown).To(HaveValue(Equal(limit)), "[P7] one write for the first status and the reason")
	g.Expect(reportAt).To(BeZero())

	reported := &v1alpha1.DatabricksCluster{}
	reported.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady}}
	_, shown, _ = attempts.Held(reported, StepCreate, limit, noon.Add(time.Second))
	g.Expect(shown).To(HaveValue(Equal(limit)), "[P7] the second look changes nothing")
}

func TestFailuresInARowAreCounted(t *testing.T) {
	g := NewWithT(t)
	failure := &managed.Failure{Class: databricks.ClassTransient}
	attempts := Attempts{}.Recorded(Attempt{Step: StepCreate, Failure: failure, Generation: 1})
	attempts = attempts.Recorded(Attempt{Step: StepCreate, Failure: failure, Generation: 1})
	g.Expect(attempts.Last.Failures).To(Equal(2))
	g.Expect(attempts.Recorded(Attempt{Step: StepCreate, Failure: failure, Generation: 2}).Last.Failures).To(Equal(1), "of another specification")
	g.Expect(attempts.Recorded(Attempt{Step: StepResize, Failure: failure, Generation: 1}).Last.Failures).To(Equal(1), "of another step")
	g.Expect(attempts.Recorded(Attempt{Step: StepCreate, Generation: 1}).Last.Failures).To(BeZero())

	beside := Attempts{}.RecordedSideStep(Attempt{Step: StepPin, Failure: failure})
	g.Expect(beside.RecordedSideStep(Attempt{Step: StepPin, Failure: failure}).Side[StepPin].Failures).To(Equal(2))
	g.Expect(beside.Side[StepPin].Failures).To(Equal(1), "a value does not change")
	g.Expect(beside.Last).To(Equal(Attempt{}))
}

func TestTheTimesOfFirstObservationAreKept(t *testing.T) {
	g := NewWithT(t)
	in := situation(deleted, pendingSince(noon))
	attempts := Attempts{}.Seen(in.Cluster, noon)
	later := attempts.Seen(in.Cluster, noon.Add(time.Minute))
	g.Expect(later).To(Equal(attempts))
	g.Expect([]time.Time{attempts.GenerationSeenAt, attempts.CreationSeenAt, attempts.DeletionSeenAt}).To(HaveEach(noon))

	t.Run("the id is stored", func(t *testing.T) {
		in := situation(pendingSince(noon))
		in.Cluster.Status.Creation.Token = ""
		NewWithT(t).Expect(attempts.Seen(in.Cluster, noon.Add(time.Minute)).CreationSeenAt).To(Equal(noon))
	})
	t.Run("another attempt", func(t *testing.T) {
		in := situation(pendingSince(noon))
		in.Cluster.Status.Creation.Attempt++
		NewWithT(t).Expect(attempts.Seen(in.Cluster, noon.Add(time.Minute)).CreationSeenAt).To(Equal(noon.Add(time.Minute)))
	})
	t.Run("the id of another incarnation is stored", func(t *testing.T) {
		in := situation(pendingSince(noon))
		in.Cluster.Status.Creation.Token, in.Cluster.Status.Creation.Incarnation = "", 33
		NewWithT(t).Expect(attempts.Seen(in.Cluster, noon.Add(time.Minute)).CreationSeenAt).To(Equal(noon.Add(time.Minute)))
	})
	t.Run("a token without a deadline", func(t *testing.T) {
		in := situation(pendingSince(noon))
		in.Cluster.Status.Creation.NotAfter = nil
		NewWithT(t).Expect(attempts.Seen(in.Cluster, noon.Add(time.Minute)).CreationSeenAt).To(Equal(noon))
	})
	t.Run("it is not deleted", func(t *testing.T) {
		NewWithT(t).Expect(Attempts{}.Seen(situation().Cluster, noon).DeletionSeenAt).To(BeZero())
	})
	t.Run("the cluster was seen", func(t *testing.T) {
		in := situation()
		in.Cluster.Status.Creation = &v1alpha1.CreationIntent{Incarnation: 3}
		NewWithT(t).Expect(attempts.Seen(in.Cluster, noon.Add(time.Minute)).CreationSeenAt).To(BeZero())
	})
	t.Run("another generation", func(t *testing.T) {
		in := situation(newGeneration)
		NewWithT(t).Expect(attempts.Seen(in.Cluster, noon.Add(time.Minute)).GenerationSeenAt).To(Equal(noon.Add(time.Minute)))
	})
}

func TestAdviceIsForNewSpecificationsOnce(t *testing.T) {
	g := NewWithT(t)
	in := situation()
	g.Expect(Attempts{}.Seen(in.Cluster, noon).NeedsAdvice(1)).To(BeFalse(), "evaluated before this process began")
	newGeneration(&in)
	attempts := Attempts{}.Seen(in.Cluster, noon)
	g.Expect(attempts.NeedsAdvice(2)).To(BeTrue())
	g.Expect(attempts.Advised(2).Seen(in.Cluster, noon).NeedsAdvice(2)).To(BeFalse(), "its status is not written yet")
	in.Cluster.Status.ObservedGeneration = 2
	attempts = attempts.Seen(in.Cluster, noon)
	g.Expect(attempts.NeedsAdvice(2)).To(BeTrue(), "the catalog has not been read yet")
	advised := attempts.Advised(2)
	g.Expect(advised.Seen(in.Cluster, noon).NeedsAdvice(2)).To(BeFalse())
	g.Expect(advised.GenerationSeenAt).To(Equal(noon))
	in.Cluster.Generation = 3
	g.Expect(advised.Seen(in.Cluster, noon).NeedsAdvice(3)).To(BeTrue(), "the next edit")
}

func TestAWaitThatEndsKeepsTheOtherAttempts(t *testing.T) {
	g := NewWithT(t)
	in := situation(did(StepStart, time.Minute))
	held, _, _ := in.Attempts.Held(in.Cluster, StepUpdate, managed.Hold{Reason: "RateLimited"}, noon)
	g.Expect(held.NotHeld()).To(Equal(in.Attempts))
}

func TestCorrectionsThatWereNotStoredCount(t *testing.T) {
	stored := []v1alpha1.Correction{{Subject: SubjectPin, Count: 4, CorrectedTime: ago(0)}}
	unstored := []v1alpha1.Correction{{Subject: SubjectSize, Count: 5, CorrectedTime: ago(0)}}
	for name, row := range map[string]struct {
		unstored []v1alpha1.Correction
		want     string
	}{
		"[case-90] all were stored":                 {nil, SubjectPin},
		"[case-90] the status could not be written": {unstored, SubjectSize},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(owning, is("RUNNING"), compared)
			in.Cluster.Status.Corrections, in.Attempts.Unstored = stored, row.unstored
			plan := Make(in)
			g.Expect(plan.Contended).To(HaveLen(1))
			g.Expect(plan.Contended[0].Subject).To(Equal(row.want))
		})
	}
}

func TestReadsFromBeforeAStepThatMayHaveChangedTheClusterAreOutdated(t *testing.T) {
	for name, row := range map[string]struct {
		attempt change
		after   time.Time
	}{
		"no step":                             {unchanged, time.Time{}},
		"[case-61] a step":                    {did(StepStart, time.Minute), before},
		"the cluster was in another state":    {failed(StepStart, databricks.ClassBusy, time.Minute), before},
		"the cluster was gone":                {failed(StepStart, databricks.ClassMissing, time.Minute), before},
		"the answer was lost":                 {failed(StepStart, databricks.ClassAmbiguous, time.Minute), before},
		"a refusal, the cluster is as it was": {failed(StepStart, databricks.ClassForbidden, time.Minute), time.Time{}},
		"too many requests, it is as it was":  {failed(StepStart, databricks.ClassThrottled, time.Minute), time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			read := cache.Observation{Presence: cache.Present}
			NewWithT(t).Expect(ReadAfter(needsOf(row.attempt), read, nil, limits)).To(Equal(row.after))
		})
	}
}

func TestThePinThatThisProcessSet(t *testing.T) {
	failure := &managed.Failure{Class: databricks.ClassForbidden}
	for name, row := range map[string]struct {
		attempts []Attempt
		pinned   bool
		at       time.Time
	}{
		"none":                         {nil, false, time.Time{}},
		"pinned":                       {[]Attempt{{Step: StepPin, At: before}}, true, before},
		"unpinned":                     {[]Attempt{{Step: StepUnpin, At: before}}, false, before},
		"pinned again":                 {[]Attempt{{Step: StepUnpin, At: before}, {Step: StepPin, At: after}}, true, after},
		"unpinned again":               {[]Attempt{{Step: StepPin, At: before}, {Step: StepUnpin, At: after}}, false, after},
		"pinned, unpinning is refused": {[]Attempt{{Step: StepPin, At: before}, {Step: StepUnpin, At: after, Failure: failure}}, true, before},
		"pinning is refused":           {[]Attempt{{Step: StepPin, At: before, Failure: failure}}, false, time.Time{}},
	} {
		t.Run("[case-46] "+name, func(t *testing.T) {
			var attempts Attempts
			for _, one := range row.attempts {
				attempts = attempts.RecordedSideStep(one)
			}
			pinned, at := attempts.Pinned()
			g := NewWithT(t)
			g.Expect(pinned).To(Equal(row.pinned))
			g.Expect(at).To(Equal(row.at))
		})
	}
}

func TestARestartThatIsNext(t *testing.T) {
	based := func(in *Input) { in.Attempts = in.Attempts.WithBase([]drift.Difference{{Path: "/spark_conf/a"}}, noon) }
	reread := func(in *Input) { in.Attempts = in.Attempts.Reread(noon) }
	requested := func(verb string, phase v1alpha1.RequestPhase) change {
		return func(in *Input) {
			in.Cluster.Annotations = map[string]string{v1alpha1.AnnotationRequest: verb + "@1"}
			in.Cluster.Status.Request = &v1alpha1.RequestStatus{Value: verb + "@1", Phase: phase}
		}
	}
	for name, row := range map[string]struct {
		changes []change
		want    bool
	}{
		"nothing is":                     {nil, false},
		"an update waits for its GET":    {[]change{based}, true},
		"a request to read again":        {[]change{reread}, false},
		"a request to restart":           {[]change{requested("restart", v1alpha1.RequestAccepted)}, true},
		"one that was carried out":       {[]change{requested("restart", v1alpha1.RequestInProgress)}, false},
		"a request to start":             {[]change{requested("start", v1alpha1.RequestAccepted)}, false},
		"a restart after a reread":       {[]change{reread, requested("restart", v1alpha1.RequestAccepted)}, true},
		"the update was sent since then": {[]change{based, func(in *Input) { in.Attempts = in.Attempts.Recorded(Attempt{Step: StepUpdate}) }}, false},
	} {
		t.Run(name, func(t *testing.T) {
			in := situation(append([]change{owning, is("RUNNING")}, row.changes...)...)
			NewWithT(t).Expect(RestartIsNext(in.Cluster, in.Attempts)).To(Equal(row.want))
		})
	}
}

func TestAComparisonFromBeforeAStepIsNotUsed(t *testing.T) {
	g := NewWithT(t)
	attempts := Attempts{}.WithComparison(Comparison{Compared: ComparedSpec{Effective: "x", SpecAt: noon}})
	g.Expect(attempts.Recorded(Attempt{Step: StepUpdate}).Compared).To(Equal(ComparedSpec{}), "[case-62]")
	g.Expect(attempts.RecordedSideStep(Attempt{Step: StepPin}).Compared.Effective).To(Equal("x"))
}

func TestAnUpdateIsBasedOnItsOwnGET(t *testing.T) {
	based := func(at time.Time, differences ...drift.Difference) change {
		return func(in *Input) {
			if differences == nil {
				differences = in.Observed.Differences
			}
			in.Attempts = in.Attempts.WithBase(differences, at)
		}
	}
	unknown := observed(func(o *Observation) { o.SpecKnown = false })
	for name, row := range map[string]struct {
		changes []change
		step    StepKind
	}{
		"none was made":              {nil, StepReadSpec},
		"it began since":             {[]change{based(noon.Add(-time.Second))}, StepUpdate},
		"it began before":            {[]change{based(noon.Add(time.Second))}, StepReadSpec},
		"for other differences":      {[]change{based(noon.Add(-time.Second), drift.Difference{Path: "/other"})}, StepReadSpec},
		"it returned no spec":        {[]change{based(noon.Add(-time.Second)), unknown}, StepReadSpec},
		"nothing while suspended":    {[]change{suspended}, StepNone},
		"another step was done then": {[]change{based(noon.Add(-time.Second)), func(in *Input) { in.Attempts = in.Attempts.Recorded(Attempt{Step: StepStart}) }}, StepReadSpec},
	} {
		t.Run("[case-62] "+name, func(t *testing.T) {
			in := situation(append([]change{owning, is("TERMINATED"), differs("/spark_conf/a", "spark_conf", false)}, row.changes...)...)
			NewWithT(t).Expect(Make(in).Kind()).To(Equal(row.step))
		})
	}
}

func TestTheCallOfAnUpdate(t *testing.T) {
	for name, row := range map[string]struct {
		change change
		method UpdateMethod
	}{
		"with a mask":                               {func(*Input) {}, UpdateWithMask},
		"the workspace does not know the call":      {observed(func(o *Observation) { o.LacksUpdate = true }), EditWhole},
		"a mask does not apply the policy defaults": {observed(func(o *Observation) { o.Differences[0].Field = "apply_policy_default_values" }), EditWhole},
	} {
		t.Run("[case-24] "+name, func(t *testing.T) {
			in := situation(owning, is("TERMINATED"), differs("/spark_conf/a", "spark_conf", false), row.change)
			update, _ := decide(in).Step.(Update)
			NewWithT(t).Expect(update.Method).To(Equal(row.method))
			NewWithT(t).Expect(update.ClusterID).To(Equal(clusterID))
		})
	}
}

func TestHistoryBelongsToItsGeneration(t *testing.T) {
	in := situation(newGeneration)
	for _, condition := range []metav1.Condition{
		{Type: v1alpha1.ConditionSynced, Reason: v1alpha1.ReasonInSync},
		{Type: v1alpha1.ConditionStalled, Reason: v1alpha1.ReasonImmutableField},
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonRunning},
	} {
		condition.ObservedGeneration = 1
		in.Cluster.Status.Conditions = append(in.Cluster.Status.Conditions, condition)
	}
	old := HistoryOf(in.Cluster)
	in.Cluster.Generation = 1
	now := HistoryOf(in.Cluster)
	g := NewWithT(t)
	g.Expect([]bool{old.WasCompared, old.ChangeHadNoEffect, old.WasReady, old.Failing != nil}).To(HaveEach(BeFalse()))
	g.Expect([]bool{now.WasCompared, now.ChangeHadNoEffect, now.WasReady, now.Failing != nil}).To(HaveEach(BeTrue()))
}
