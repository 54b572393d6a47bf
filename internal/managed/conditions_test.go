package managed_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// Whatever the conditions were, they are those of the last verdict.
func TestNoConditionOutlivesItsFacts(t *testing.T) {
	verdicts := map[string]struct {
		set  func(managed.Conditions, managed.Verdict)
		want []string
	}{
		"ready":       {managed.Conditions.Ready, []string{"Ready=R"}},
		"idle":        {managed.Conditions.Idle, []string{"Ready!=R"}},
		"reconciling": {managed.Conditions.NotReady, []string{"Ready!=R", "Reconciling=R"}},
		"stalled":     {managed.Conditions.NotReady, []string{"Ready!=R", "Stalled=R"}},
	}
	for before, first := range verdicts {
		for after, second := range verdicts {
			t.Run(before+", then "+after, func(t *testing.T) {
				g := NewWithT(t)
				object := situation().Object
				set := managed.Conditions{List: &object.Status.Conditions, Generation: 1, Now: noon}
				first.set(set, managed.Verdict{Reason: "Q", Message: "q", Stalled: before == "stalled"})
				set.Generation, set.Now = 2, noon.Add(time.Hour)
				second.set(set, managed.Verdict{Reason: "R", Message: "r", Stalled: after == "stalled"})
				g.Expect(shows(object)).To(ConsistOf(second.want), "kstatus")
				for _, condition := range object.Status.Conditions {
					g.Expect(condition.ObservedGeneration).To(Equal(int64(2)))
					g.Expect(condition.Message).To(Equal("r"))
				}
				if is := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionReady); (before == "ready") == (after == "ready") {
					g.Expect(is.LastTransitionTime.Time).To(BeTemporally("==", noon), "the status is the same")
				} else {
					g.Expect(is.LastTransitionTime.Time).To(BeTemporally("==", noon.Add(time.Hour)))
				}
			})
		}
	}
}

func TestTheStatusOfAnObjectThatIsNoLongerSuspended(t *testing.T) {
	g := NewWithT(t)
	in := situation(func(in *managed.Input) {
		meta.SetStatusCondition(&in.Object.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionSuspended, Status: metav1.ConditionTrue, Reason: "Suspended"})
		in.Object.SetGeneration(7)
	})
	after, _ := report(in, managed.Make(in), managed.Outcome{})
	g.Expect(shows(after)).To(ConsistOf("Ready=Available", "Synced=InSync"), "[case-130]")
	g.Expect(after.Status.ObservedGeneration).To(Equal(int64(7)))
}

// contended has others set back a subject again that was corrected three times.
func contended(subject string) change {
	return func(in *managed.Input) {
		in.Object.Status.Corrections = []v1alpha1.Correction{{Subject: subject, Count: 3, CorrectedTime: new(metav1.NewTime(noon))}}
	}
}

func TestSyncedOfAContendedObject(t *testing.T) {
	differ := func(in *managed.Input) {
		granting(in)
		in.Observed.Permissions.Known = true
	}
	for name, row := range map[string]struct {
		changes []change
		what    string
	}{
		"[case-127] fields":      {[]change{differing(map[string]any{"max_capacity": float64(9)}), contended("fields")}, "spec.maxCapacity"},
		"[case-127] permissions": {[]change{differ, contended("permissions")}, "spec.accessControlList"},
		"[case-127] existence":   {[]change{missing, contended("existence")}, "the existence of the instance pool"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(row.changes...)
			after, _ := report(in, managed.Make(in), managed.Outcome{})
			synced := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionSynced)
			g.Expect(synced).To(And(HaveField("Reason", v1alpha1.ReasonContended), HaveField("Status", metav1.ConditionFalse)))
			g.Expect(synced.Message).To(Equal("another actor has set back " + row.what + " more than three times within an hour; corrections continue with backoff"))
		})
	}
}

func TestSyncedOfPermissions(t *testing.T) {
	side := func(failure *managed.Failure) change {
		return func(in *managed.Input) {
			in.Attempts = in.Attempts.Recorded(managed.Attempt{Step: managed.StepSetPermissions, Failure: failure, At: noon, Generation: 1, Credential: "first"})
		}
	}
	refused := &managed.Failure{Class: databricks.ClassForbidden, Message: "no rights"}
	same := func(in *managed.Input) {
		granting(in)
		in.Observed.Permissions = managed.PermissionsRead{Known: true, Direct: []diff.Permission{{GroupName: "users", PermissionLevel: "CAN_ATTACH_TO"}}}
	}
	differ := func(in *managed.Input) {
		granting(in)
		in.Observed.Permissions.Known = true
	}
	set := managed.Plan{Step: managed.SetPermissions{ID: poolID}}
	for name, row := range map[string]struct {
		changes []change
		plan    managed.Plan
		outcome managed.Outcome
		reason  string
		message string
	}{
		"[case-119] as declared, after a refusal": {[]change{same, side(refused)}, managed.Plan{}, managed.Outcome{}, v1alpha1.ReasonInSync, "the instance pool is as declared"},
		"[case-119] a refusal":                    {[]change{differ}, set, managed.Outcome{Ran: true, Failure: refused}, v1alpha1.ReasonUpdateFailed, "spec.accessControlList: no rights"},
		"[case-119] set now, after a refusal":     {[]change{differ, side(refused)}, set, managed.Outcome{Ran: true}, v1alpha1.ReasonDriftDetected, "not as declared: spec.accessControlList"},
		"[case-119] held now, after a refusal":    {[]change{differ, side(refused)}, set, managed.Outcome{}, v1alpha1.ReasonUpdateFailed, "spec.accessControlList: no rights"},
		"[case-119] another step ran":             {[]change{differ, side(refused)}, managed.Plan{Step: managed.AddFinalizer{}}, managed.Outcome{Ran: true}, v1alpha1.ReasonUpdateFailed, "spec.accessControlList: no rights"},
	} {
		t.Run(name, func(t *testing.T) {
			after, _ := report(situation(row.changes...), row.plan, row.outcome)
			NewWithT(t).Expect(meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionSynced)).
				To(And(HaveField("Reason", row.reason), HaveField("Message", row.message)))
		})
	}
	t.Run("[case-119] Ready names the field", func(t *testing.T) {
		after, _ := report(situation(differ), set, managed.Outcome{Ran: true, Failure: refused})
		NewWithT(t).Expect(meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady).Message).To(Equal("spec.accessControlList: no rights"))
	})
}

// What is known to be the server's is one difference: the same field with the same two
// values. A secret is known by its path, because its values must not be recognizable.
func TestANormalizedFieldIsOneDifference(t *testing.T) {
	known := func(d diff.Difference) v1alpha1.NormalizedField {
		in := situation()
		in.Compared = managed.Comparison{Known: true, Normalized: []diff.Difference{d}}
		after, _ := report(in, managed.Plan{}, managed.Outcome{})
		return after.Status.NormalizedFields[0]
	}
	g := NewWithT(t)
	one := diff.Difference{Path: "/a", SpecPath: "/a", Desired: float64(1), Actual: float64(2)}
	g.Expect(known(one)).To(Equal(v1alpha1.NormalizedField{Path: "/a", Digest: "60eaa038a557d3d5"}), "it is stored, so another version of the operator must know it")
	for name, other := range map[string]diff.Difference{
		"path":    {Path: "/b", SpecPath: "/a", Desired: float64(1), Actual: float64(2)},
		"desired": {Path: "/a", SpecPath: "/a", Desired: float64(3), Actual: float64(2)},
		"actual":  {Path: "/a", SpecPath: "/a", Desired: float64(1), Actual: float64(3)},
		"none":    {Path: "/a", SpecPath: "/a", Desired: float64(1)},
		"secret":  {Path: "/a", SpecPath: "/a", Desired: float64(1), Actual: float64(2), Secret: true},
	} {
		g.Expect(known(other).Digest).NotTo(Equal(known(one).Digest), name)
	}
	secret := diff.Difference{Path: "/a", SpecPath: "/a", Desired: "x", Actual: "y", Secret: true}
	g.Expect(known(secret).Digest).To(Equal("80d3c6b7150ba51a"), "[S7] no value")
	secret.Path = "/b"
	g.Expect(known(secret).Digest).NotTo(Equal("80d3c6b7150ba51a"))
}

func TestMoreReports(t *testing.T) {
	nine := differing(map[string]any{"max_capacity": float64(9)})
	ready := func(after managed.Object) *metav1.Condition {
		return meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady)
	}
	t.Run("[case-105] drift that is tolerated is Ready", func(t *testing.T) {
		in := situation(nine, func(in *managed.Input) { in.Object.Spec.DriftPolicy = v1alpha1.CorrectionPolicyWarn })
		after, _ := report(in, managed.Make(in), managed.Outcome{})
		NewWithT(t).Expect(shows(after)).To(ConsistOf("Ready=DriftTolerated", "Synced!=DriftDetected"))
	})
	t.Run("[case-122] the remedy of a deletion that is refused", func(t *testing.T) {
		in := situation(deleting)
		after, _ := report(in, managed.Make(in), managed.Outcome{Ran: true, Failure: &managed.Failure{Class: databricks.ClassForbidden, Message: "m"}})
		NewWithT(t).Expect(ready(after).Message).To(Equal("m; set spec.deletionPolicy: Retain to release this object and keep the instance pool"))
		held := managed.Hold{Reason: v1alpha1.ReasonAPIUnavailable, Message: "the workspace does not answer"}
		after, _ = report(in, managed.Make(in), managed.Outcome{Held: &held})
		NewWithT(t).Expect(strings.Count(ready(after).Message, "deletionPolicy: Retain")).To(Equal(1))
		blocked := situation(deleting, func(in *managed.Input) { in.Observed.Blocked = &managed.Blocked{Reason: "R", Message: "m"} })
		after, _ = report(blocked, managed.Make(blocked), managed.Outcome{})
		NewWithT(t).Expect(strings.Count(ready(after).Message, "deletionPolicy: Retain")).To(Equal(1), "once")
	})
	t.Run("[case-103] a deletion without news keeps its conditions", func(t *testing.T) {
		g := NewWithT(t)
		in := situation(deleting, func(in *managed.Input) {
			meta.SetStatusCondition(&in.Object.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: "Deleting"})
		})
		after, _ := report(in, managed.Plan{}, managed.Outcome{})
		g.Expect(ready(after).Reason).To(Equal("Deleting"))
	})
	t.Run("[case-101] what is not compared is not Available", func(t *testing.T) {
		g := NewWithT(t)
		in := situation()
		in.Compared = managed.Comparison{}
		after, _ := report(in, managed.Plan{}, managed.Outcome{})
		g.Expect(ready(after)).To(BeNil())
		in = situation(missing)
		in.Compared = managed.Comparison{Known: true}
		after, _ = report(in, managed.Plan{}, managed.Outcome{})
		g.Expect(ready(after)).To(BeNil())
		in = situation(func(in *managed.Input) { in.Object.Status.OwnedFields, in.Object.Status.AppliedDigest = nil, "" })
		in.Compared = managed.Comparison{}
		after, _ = report(in, managed.Plan{}, managed.Outcome{})
		g.Expect(after.Status.AppliedDigest).To(BeEmpty())
	})
	t.Run("[case-114] what differs and never changes is not Available while it is suspended, either", func(t *testing.T) {
		in := situation(suspended, func(in *managed.Input) { pool(in).Spec.NodeTypeID = "m5.large" })
		in.Object.Status.OwnedFields, in.Object.Status.AppliedDigest = nil, ""
		after, _ := report(in, managed.Make(in), managed.Outcome{})
		g := NewWithT(t)
		g.Expect(shows(after)).To(ContainElement("Stalled=ImmutableField"))
		g.Expect(after.Status.AppliedDigest).To(BeEmpty(), "it is not applied")
	})
	t.Run("[case-104] a stalled step that is sent now is no failure yet", func(t *testing.T) {
		in := situation(nine)
		after, _ := report(in, managed.Plan{Step: managed.Edit{}, Verdict: managed.Verdict{Reason: "R", Stalled: true}}, managed.Outcome{})
		NewWithT(t).Expect(shows(after)).To(ContainElement("Synced!=DriftDetected"))
	})
	t.Run("[case-131] an accepted request has no event", func(t *testing.T) {
		accepted := managed.Plan{Step: managed.AcknowledgeRequest{Request: v1alpha1.RequestStatus{Value: "reconcile@1", Phase: v1alpha1.RequestSucceeded}}}
		_, events := report(situation(), accepted, managed.Outcome{Ran: true})
		NewWithT(t).Expect(events.Events).To(BeEmpty())
	})
	t.Run("[case-110] the id that is stored", func(t *testing.T) {
		after, _ := report(situation(fresh), managed.Plan{Step: managed.StoreID{ID: "x"}}, managed.Outcome{Ran: true})
		NewWithT(t).Expect(*after.ID).To(Equal("x"))
	})
	t.Run("[case-120] a condition that was False is reported again", func(t *testing.T) {
		in := situation(func(in *managed.Input) {
			in.Object.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionFalse, Reason: "Other"}}
		})
		_, events := report(in, managed.Plan{Verdict: managed.Verdict{Reason: "R", Message: "m"}}, managed.Outcome{})
		NewWithT(t).Expect(events.Events).To(BeEmpty())
	})
}

func TestMoreDecisions(t *testing.T) {
	untagged := func(in *managed.Input) {
		kind := *in.Kind
		kind.TagField, in.Kind = "", &kind
	}
	for name, row := range map[string]struct {
		changes []change
		want    managed.Plan
	}{
		"[case-106] found by a list that began too early, of what is deleted": {
			[]change{pending(2 * time.Minute), deleting, func(in *managed.Input) { in.Observed.ListedAt = time.Time{} }},
			managed.Plan{Verdict: managed.Verdict{Reason: v1alpha1.ReasonDeleting, Message: "checking whether an earlier create call created the instance pool"}},
		},
		"[case-106] an id that was stored ends the creation": {
			[]change{returned("", 0), func(in *managed.Input) { in.Object.Status.Creation = &v1alpha1.CreationIntent{Incarnation: 1} }}, managed.Plan{},
		},
		"[case-106] the id of this process": {
			[]change{pending(0), returned("t-1", 1)},
			managed.Plan{Step: managed.StoreID{ID: "new", Source: managed.CreatedByProcess}, Verdict: managed.Verdict{Reason: v1alpha1.ReasonCreating, Message: "the instance pool is being created"}},
		},
		"[case-129] a kind without tags has no owner tag": {[]change{untagged, differing(map[string]any{"custom_tags": map[string]any{v1alpha1.PoolOwnerTagKey: "x-y"}})}, managed.Plan{}},
		"[case-129] an empty annotation takes nothing over": {
			[]change{differing(map[string]any{"custom_tags": map[string]any{v1alpha1.PoolOwnerTagKey: "legacy"}})},
			managed.Plan{Verdict: managed.Verdict{Reason: v1alpha1.ReasonAlreadyManaged, Stalled: true, Message: "instance pool " + poolID +
				" carries the owner tag legacy of another object; to take it over, annotate this one with " + v1alpha1.AnnotationTakeOver + ": legacy"}},
		},
		"[case-112] an observing object does not stall on a field that never changes": {[]change{observing, func(in *managed.Input) { pool(in).Spec.NodeTypeID = "m5.large" }}, managed.Plan{}},
		"[case-110] an id that is stored is not adopted again":                        {[]change{func(in *managed.Input) { in.Object.NamedID = poolID }}, managed.Plan{}},
		"[case-111] adopted by name":                                                  {[]change{fresh, named(""), func(in *managed.Input) { in.Object.Spec.AdoptByName = true }}, managed.Plan{Step: managed.StoreID{ID: "other", Source: managed.AdoptedByName}}},
		"its own tag, and no status": {
			[]change{fresh, named(situation().Owner)},
			managed.Plan{Step: managed.StoreID{ID: "other", Source: managed.FoundInList}, Verdict: managed.Verdict{Reason: v1alpha1.ReasonCreating, Message: "the instance pool is being created"}},
		},
		"[case-106] the name is taken, and deleted meanwhile": {[]change{pending(2 * time.Minute), named("x-y"), deleting}, managed.Plan{Step: managed.RemoveFinalizer{}}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(managed.Make(situation(row.changes...))).To(Equal(row.want))
		})
	}
	t.Run("[case-106] an object that took its name elsewhere", func(t *testing.T) {
		g := NewWithT(t)
		next := managed.Make(situation(pending(2*time.Minute), named("x-y")))
		g.Expect(next.Verdict.Reason).To(Equal(v1alpha1.ReasonNameTaken))
		g.Expect(next.Verdict.Stalled).To(BeTrue())
		g.Expect(next.Step).To(BeNil())
	})
	t.Run("steps have names", func(t *testing.T) {
		g := NewWithT(t)
		g.Expect(managed.KindOf(managed.AcknowledgeRequest{})).To(Equal(managed.StepAcknowledgeRequest))
		g.Expect(managed.KindOf(nil)).To(Equal(managed.StepNone))
	})
	t.Run("[case-131] the length that a request may have", func(t *testing.T) {
		in := situation(func(in *managed.Input) {
			in.Object.SetAnnotations(map[string]string{v1alpha1.AnnotationRequest: strings.Repeat("x", 1000)})
		})
		stored, _ := managed.Make(in).Step.(managed.AcknowledgeRequest)
		NewWithT(t).Expect(stored.Request.Message).To(ContainSubstring("has more than 256 characters"))
	})
}
