package plan

import (
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// differs adds a difference of one owned field, made by another actor.
func differs(path, field string, size bool) change {
	return func(in *Input) {
		in.Observed.Desired = drift.Tree{field: "desired"}
		in.Cluster.Status.AppliedDigest = drift.Digest(in.Observed.Desired)
		in.Cluster.Status.OwnedFields = drift.Owned(in.Observed.Desired)
		in.Observed.Compared, in.Observed.SpecKnown, in.Observed.SpecAt = true, true, in.Now
		in.Observed.Differences = append(in.Observed.Differences, drift.Difference{
			Path: path, Field: field, Desired: "desired", Actual: "other", Requested: "other", Size: size,
		})
	}
}

func policy(run v1alpha1.RunPolicy) change {
	return spec(func(s *v1alpha1.DatabricksClusterSpec) { s.RunPolicy = run })
}

func shown(state compute.State) change {
	return func(in *Input) { in.Cluster.Status.State = string(state) }
}

// contend simulates an actor that sets a subject back immediately after each correction,
// for the span, and returns the times of the corrections.
func contend(t *testing.T, span time.Duration, changes ...change) (corrected []time.Duration, last Plan, counts []v1alpha1.Correction) {
	t.Helper()
	in := situation(changes...)
	for end := noon.Add(span); in.Now.Before(end); {
		in.Observed.SpecAt = in.Now
		last = Make(in)
		if read, ok := last.Step.(ReadSpec); ok {
			in.Attempts = in.Attempts.WithBase(read.Differences, in.Now)
			continue
		}
		ran := last.Kind().WritesToDatabricks()
		counts = last.Corrections(in.Cluster.Status.Corrections, ran, in.Now, in.Limits)
		in.Cluster.Status.Corrections = counts
		switch {
		case ran:
			corrected = append(corrected, in.Now.Sub(noon))
			in.Now = in.Now.Add(time.Second)
		case last.RequeueAt.IsZero():
			t.Fatalf("the object is not requeued: %+v", last)
		default:
			in.Now = last.RequeueAt
		}
	}
	return corrected, last, counts
}

func TestCorrectionsOfAContendedSubjectBecomeRarer(t *testing.T) {
	restarts := spec(func(s *v1alpha1.DatabricksClusterSpec) { s.DriftPolicy = v1alpha1.DriftPolicyCorrectWithRestart })
	unpinned := func(in *Input) {
		in.Cluster.Spec.Pinned, in.Cluster.Status.Pinned, in.Observed.Pinned = new(true), new(true), new(false)
	}
	uninstalled := func(in *Input) {
		library := v1alpha1.Library{Whl: "/Workspace/a.whl"}
		in.Cluster.Spec.Libraries = []v1alpha1.Library{library}
		in.Cluster.Status.Libraries = []v1alpha1.LibraryStatus{{Library: library, Status: "INSTALLED"}}
		in.Observed.Libraries.Seen = true
	}
	ungranted := func(in *Input) {
		in.Cluster.Spec.AccessControlList = []v1alpha1.AccessControl{{GroupName: "data", PermissionLevel: "CAN_RESTART"}}
		in.Observed.Permissions = Permissions{Seen: true, InPlace: true}
	}
	for name, row := range map[string]struct {
		subject string
		changes []change
	}{
		"[case-90] [R13] a field":           {"/sparkConf/a", []change{owning, is("RUNNING"), restarts, differs("/spark_conf/a", "spark_conf", false)}},
		"[case-90] [R13] a size":            {SubjectSize, []change{owning, is("RUNNING"), differs("/num_workers", "num_workers", true)}},
		"[case-90] [R13] kept up":           {SubjectPower, []change{owning, is("TERMINATED", endedBy(compute.TerminationReasonTypeSuccess)), policy(v1alpha1.RunPolicyRunning), shown("RUNNING")}},
		"[case-90] [R13] kept down":         {SubjectPower, []change{owning, is("RUNNING"), policy(v1alpha1.RunPolicyTerminated), shown("TERMINATED")}},
		"[case-90] [R13] deleted elsewhere": {SubjectExistence, []change{owning, gone(managed.Missing), searched(2)}},
		"[case-90] [R13] a pin":             {SubjectPin, []change{owning, is("RUNNING"), unpinned}},
		"[case-90] [R13] permissions":       {SubjectPermissions, []change{owning, is("RUNNING"), ungranted}},
		"[case-90] [R13] libraries":         {SubjectLibraries, []change{owning, is("RUNNING"), uninstalled}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			corrected, last, counts := contend(t, 4*time.Hour, row.changes...)
			g.Expect(last.Contended).To(HaveLen(1))
			g.Expect(last.Contended[0].Subject).To(Equal(row.subject))
			g.Expect(counts).To(HaveLen(1))
			g.Expect(counts[0].Subject).To(Equal(row.subject))
			g.Expect(corrected[2]).To(BeNumerically("<", 5*time.Second), "three are corrected immediately")
			for i := 4; i < len(corrected); i++ {
				gap, before := corrected[i]-corrected[i-1], corrected[i-1]-corrected[i-2]
				g.Expect(gap).To(BeNumerically(">=", min(2*before-2*time.Second, time.Hour)), "correction %d", i+1)
			}
			inFirstHour := 0
			for _, at := range corrected {
				if at < time.Hour {
					inFirstHour++
				}
			}
			g.Expect(inFirstHour).To(BeNumerically("<=", 8))
			g.Expect(len(corrected)-inFirstHour).To(BeNumerically("<=", 4), "later at most one per hour")
		})
	}
}

// contended sets the counts of a contended subject whose last reversal was some time ago.
func contended(subject string, ago time.Duration) change {
	return func(in *Input) {
		at := new(metav1.NewTime(noon.Add(-ago)))
		in.Cluster.Status.Corrections = []v1alpha1.Correction{{Subject: subject, Count: 5, FirstTime: at, LastTime: at, CorrectedTime: at}}
	}
}

func TestContentionEnds(t *testing.T) {
	field := []change{owning, is("RUNNING"), compared}
	t.Run("[case-90] an hour after the last reversal", func(t *testing.T) {
		g := NewWithT(t)
		in := situation(append(field, contended("/sparkConf/a", 20*time.Minute))...)
		plan := Make(in)
		g.Expect(plan.Contended).To(HaveLen(1))
		g.Expect(plan.RequeueAt).To(Equal(noon.Add(40 * time.Minute)))
		in.Now = plan.RequeueAt
		plan = Make(in)
		g.Expect(plan.Contended).To(BeEmpty())
		g.Expect(plan.Corrections(in.Cluster.Status.Corrections, false, in.Now, in.Limits)).To(BeNil())
	})
	t.Run("[case-90] with an edit of the object", func(t *testing.T) {
		in := situation(append(field, contended("/sparkConf/a", time.Minute), newGeneration)...)
		NewWithT(t).Expect(Make(in).Contended).To(BeEmpty())
	})
	t.Run("[case-90] a subject that was set back three times within hours is corrected immediately", func(t *testing.T) {
		g := NewWithT(t)
		in := situation(append(field, differs("/num_workers", "num_workers", true), contended(SubjectSize, 2*time.Hour))...)
		in.Cluster.Status.Corrections[0].Count = 3
		g.Expect(Make(in).Kind()).To(Equal(StepResize))
	})
}

func TestOnlyDriftThatIsNotDelayedIsReportedAsTolerated(t *testing.T) {
	g := NewWithT(t)
	drifted := []change{owning, is("RUNNING"), differs("/spark_conf/a", "spark_conf", false), differs("/spark_conf/b", "spark_conf", false)}
	plan := Make(situation(drifted...))
	g.Expect(plan.Verdict.Reason).To(Equal(v1alpha1.ReasonDriftTolerated))
	g.Expect(plan.Verdict.Message).To(HavePrefix("/sparkConf/a, /sparkConf/b: "))
	plan = Make(situation(append(drifted, contended("/sparkConf/a", time.Second))...))
	g.Expect(plan.Verdict.Reason).To(Equal(v1alpha1.ReasonDriftTolerated))
	g.Expect(plan.Verdict.Message).To(HavePrefix("/sparkConf/b: "))
	g.Expect(plan.Contended).To(HaveLen(1), "[case-90]")
}

func TestTheFourthReversalIsAContention(t *testing.T) {
	for count, contended := range map[int32]int{1: 0, 2: 0, 3: 1} {
		in := situation(owning, is("RUNNING"), differs("/num_workers", "num_workers", true))
		in.Cluster.Status.Corrections = []v1alpha1.Correction{{Subject: SubjectSize, Count: count, FirstTime: ago(time.Minute), LastTime: ago(time.Minute), CorrectedTime: ago(0)}}
		NewWithT(t).Expect(Make(in).Contended).To(HaveLen(contended), "[case-90] after %d reversals", count)
	}
}

func TestAReversalIsCountedOnce(t *testing.T) {
	unpinned := func(in *Input) {
		in.Cluster.Spec.Pinned, in.Cluster.Status.Pinned, in.Observed.Pinned = new(true), new(true), new(false)
	}
	counted := func(in *Input) {
		in.Cluster.Status.Corrections = []v1alpha1.Correction{{Subject: SubjectPin, Count: 1, FirstTime: ago(time.Second), LastTime: ago(time.Second)}}
	}
	neverPinned := func(in *Input) { in.Cluster.Status.Pinned = new(false) }
	resized := differs("/num_workers", "num_workers", true)
	for name, row := range map[string]struct {
		changes            []change
		step               StepKind
		reversed, corrects []string
	}{
		"with its correction":           {[]change{unpinned}, StepPin, []string{SubjectPin}, []string{SubjectPin}},
		"before it can be corrected":    {[]change{unpinned, resized}, StepResize, []string{SubjectPin, SubjectSize}, []string{SubjectSize}},
		"it was counted before":         {[]change{unpinned, counted}, StepPin, nil, []string{SubjectPin}},
		"it waits, and was counted":     {[]change{unpinned, counted, resized}, StepResize, []string{SubjectSize}, []string{SubjectSize}},
		"the first pin is no reversal":  {[]change{unpinned, neverPinned}, StepPin, nil, nil},
		"the first after an old expiry": {[]change{unpinned, neverPinned, contended(SubjectPin, 2*time.Hour)}, StepPin, nil, nil},
	} {
		t.Run("[case-90] "+name, func(t *testing.T) {
			g := NewWithT(t)
			plan := Make(situation(append([]change{owning, is("RUNNING")}, row.changes...)...))
			g.Expect(plan.Kind()).To(Equal(row.step))
			g.Expect(plan.Reversed).To(ConsistOf(row.reversed))
			g.Expect(plan.Corrects).To(ConsistOf(row.corrects))
		})
	}
}

func TestAReversalThatWaitsForItsCorrectionDoesNotChangeTheRequeue(t *testing.T) {
	in := situation(owning, is("RUNNING"))
	in.Cluster.Status.Corrections = []v1alpha1.Correction{{Subject: SubjectSize, Count: 1, LastTime: ago(0)}}
	next := in.withContention(Plan{RequeueAt: noon.Add(time.Minute)})
	NewWithT(t).Expect(next.RequeueAt).To(Equal(noon.Add(time.Minute)), "[case-90]")
}

func TestContentionOfOneFieldDoesNotDelayOthers(t *testing.T) {
	g := NewWithT(t)
	in := situation(
		owning, is("TERMINATED"), differs("/spark_conf/a", "spark_conf", false), differs("/spark_conf/b", "spark_conf", false),
		contended("/sparkConf/a", time.Second),
	)
	plan := decide(in)
	g.Expect(plan.Kind()).To(Equal(StepUpdate))
	g.Expect(DiffPaths(differencesOf(plan.Step))).To(Equal("/sparkConf/b"))
	g.Expect(plan.Contended).To(HaveLen(1))
}

func TestTheUsersOwnEditIsNoReversal(t *testing.T) {
	g := NewWithT(t)
	in := situation(owning, is("TERMINATED"), differs("/spark_conf/a", "spark_conf", false))
	in.Cluster.Status.AppliedDigest = Applying
	plan := decide(in)
	g.Expect(plan.Kind()).To(Equal(StepUpdate))
	g.Expect(plan.Corrections(nil, true, noon, limits)).To(BeNil(), "[case-90]")
}

func TestTimeAloneWritesNoCounts(t *testing.T) {
	g := NewWithT(t)
	in := situation(owning, is("RUNNING"), compared, contended(SubjectSize, 2*time.Hour))
	in.Cluster.Status.Corrections[0].Count = 2
	before := in.Cluster.Status.Corrections
	g.Expect(Make(in).Corrections(before, false, noon, limits)).To(Equal(before), "[P7]")
}

func TestOnlyNewEvidenceMakesAFieldImmutable(t *testing.T) {
	updated := func(in *Input) {
		did(StepUpdate, time.Minute)(in)
	}
	restarts := spec(func(s *v1alpha1.DatabricksClusterSpec) { s.DriftPolicy = v1alpha1.DriftPolicyCorrectWithRestart })
	asked := func(value any, at time.Time) change {
		return func(in *Input) { in.Observed.Differences[0].Requested, in.Observed.SpecAt = value, at }
	}
	for name, row := range map[string]struct {
		change change
		step   StepKind
		reason string
	}{
		"[case-63] the desired value was requested and is not in effect": {asked("desired", noon), StepNone, v1alpha1.ReasonImmutableField},
		"[case-63] a GET from before the update":                         {asked("desired", noon.Add(-2*time.Minute)), StepUpdate, v1alpha1.ReasonUpdating},
		"[case-63] no GET":                                               {asked(nil, time.Time{}), StepUpdate, v1alpha1.ReasonUpdating},
		"[case-90] the other value was requested since":                  {asked("other", noon), StepUpdate, v1alpha1.ReasonUpdating},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(owning, is("RUNNING"), restarts, updated, differs("/aws_attributes/first_on_demand", "aws_attributes", false), row.change)
			plan := decide(in)
			g.Expect(plan.Kind()).To(Equal(row.step))
			g.Expect(plan.Verdict.Reason).To(Equal(row.reason))
		})
	}
}
