package managed_test

import (
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

// report returns a copy of the object of a situation after the report, and the events.
func report(in managed.Input, next managed.Plan, outcome managed.Outcome) (managed.Object, managed.Report) {
	copied, _ := in.Object.DeepCopyObject().(managed.Resource)
	after := in.Kind.View(copied)
	return after, managed.ReportTo(managed.ReportInput{Input: in, Plan: next, Outcome: outcome}, after)
}

// shows returns the conditions of an object: Type=Reason, Type!=Reason or Type?=Reason.
func shows(object managed.Object) []string {
	signs := map[metav1.ConditionStatus]string{metav1.ConditionTrue: "=", metav1.ConditionFalse: "!=", metav1.ConditionUnknown: "?="}
	var all []string
	for _, condition := range object.Status.Conditions {
		all = append(all, condition.Type+signs[condition.Status]+condition.Reason)
	}
	return all
}

func reasons(events []managed.Event) []string {
	var all []string
	for _, event := range events {
		all = append(all, event.Reason)
	}
	return all
}

func TestConditions(t *testing.T) {
	nine := differing(map[string]any{"max_capacity": float64(9)})
	fails := func(class databricks.Class) change {
		return func(in *managed.Input) {
			in.Observed.ReadFailure, in.Observed.ReadFailingSince = &managed.Failure{Class: class, Message: "m"}, noon
		}
	}
	granting := func(known managed.PermissionsRead) change {
		return func(in *managed.Input) {
			in.Object.Permissions = []diff.Permission{{GroupName: "users", PermissionLevel: "CAN_ATTACH_TO"}}
			in.Observed.Permissions = known
		}
	}
	refused := managed.Outcome{Ran: true, Failure: &managed.Failure{Class: databricks.ClassForbidden, Message: "no rights"}}
	for name, row := range map[string]struct {
		changes []change
		outcome managed.Outcome
		want    []string
	}{
		"[case-101] as declared":                           {nil, managed.Outcome{}, []string{"Ready=Available", "Synced=InSync"}},
		"[case-104] drift, before its correction":          {[]change{nine}, managed.Outcome{}, []string{"Ready!=Updating", "Reconciling=Updating", "Synced!=DriftDetected"}},
		"[case-112] observed":                              {[]change{observing, nine}, managed.Outcome{}, []string{"Ready=Observed", "Synced!=DriftDetected"}},
		"[case-130] suspended, and a change waits":         {[]change{suspended, nine}, managed.Outcome{}, []string{"Ready=Available", "Synced!=DriftDetected", "Suspended=Suspended"}},
		"[case-130] suspended, and nothing exists":         {[]change{suspended, fresh}, managed.Outcome{}, []string{"Ready!=Suspended", "Synced?=NotCompared", "Suspended=Suspended"}},
		"[case-132] the limit of the workspace":            {[]change{fresh}, managed.Outcome{Held: &managed.Hold{Reason: v1alpha1.ReasonRateLimited, Message: "m"}}, []string{"Ready!=RateLimited", "Reconciling=RateLimited", "Synced?=NotCompared"}},
		"[case-133] lists fail":                            {[]change{unknown, fails(databricks.ClassTransient)}, managed.Outcome{}, []string{"Synced?=APIUnavailable"}},
		"[case-133] lists are throttled":                   {[]change{unknown, fails(databricks.ClassThrottled)}, managed.Outcome{}, []string{"Synced?=RateLimited"}},
		"[case-120] lists are refused":                     {[]change{unknown, fails(databricks.ClassUnauthenticated)}, managed.Outcome{}, []string{"Ready!=AuthenticationFailed", "Stalled=AuthenticationFailed", "Synced?=APIUnavailable"}},
		"[case-07] a refused create":                       {[]change{fresh}, refused, []string{"Ready!=PermissionDenied", "Stalled=PermissionDenied", "Synced?=NotCompared"}},
		"[case-122] a refused deletion":                    {[]change{deleting}, refused, []string{"Ready!=DeletionBlocked", "Stalled=DeletionBlocked", "Synced=InSync"}},
		"[case-119] the permissions are not known":         {[]change{granting(managed.PermissionsRead{})}, managed.Outcome{}, []string{"Ready!=Updating", "Reconciling=Updating", "Synced=InSync"}},
		"[case-119] the permissions cannot be read":        {[]change{granting(managed.PermissionsRead{Failure: &managed.Failure{Class: databricks.ClassForbidden, Message: "m"}})}, managed.Outcome{}, []string{"Ready!=PermissionDenied", "Stalled=PermissionDenied", "Synced=InSync"}},
		"[case-119] the permissions differ":                {[]change{granting(managed.PermissionsRead{Known: true})}, managed.Outcome{}, []string{"Ready!=Updating", "Reconciling=Updating", "Synced!=DriftDetected"}},
		"[case-119] the permissions are refused":           {[]change{granting(managed.PermissionsRead{Known: true})}, refused, []string{"Ready!=PermissionDenied", "Stalled=PermissionDenied", "Synced!=UpdateFailed"}},
		"[case-84] Kubernetes refuses the finalizer":       {nil, managed.Outcome{KubernetesRefusal: "a policy"}, []string{"Ready!=WriteRefused", "Stalled=WriteRefused", "Synced=InSync"}},
		"[case-114] a field that Databricks never changes": {[]change{func(in *managed.Input) { pool(in).Spec.NodeTypeID = "m5.large" }}, managed.Outcome{}, []string{"Ready!=ImmutableField", "Stalled=ImmutableField", "Synced!=ImmutableField"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := situation(row.changes...)
			in.Compared = managed.Compare(in)
			after, _ := report(in, managed.Make(in), row.outcome)
			NewWithT(t).Expect(shows(after)).To(ConsistOf(row.want))
		})
	}
}

func TestIdentity(t *testing.T) {
	t.Run("the id of a create is stored, and its intent ends with the first comparison", func(t *testing.T) {
		g := NewWithT(t)
		in := situation(fresh)
		in.Object.Status.Creation = &v1alpha1.CreationIntent{Token: "t", Incarnation: 1, Attempt: 1, Digest: "v1:x", NotAfter: new(metav1.NewTime(noon))}
		after, events := report(in, managed.Make(situation(fresh)), managed.Outcome{Ran: true, Created: "new"})
		g.Expect(*after.ID).To(Equal("new"))
		g.Expect(after.Status.Host).To(Equal(in.Observed.Host))
		g.Expect(after.Status.URL).To(HaveSuffix("/new"))
		g.Expect(after.Status.Creation).To(HaveField("Token", BeEmpty()))
		g.Expect(after.Status.Creation).To(HaveField("Digest", "v1:x"))
		g.Expect(reasons(events.ActionEvents)).To(Equal([]string{managed.EventCreated}))

		compared := situation()
		compared.Object.Status.Creation = after.Status.Creation
		after, _ = report(compared, managed.Plan{}, managed.Outcome{})
		g.Expect(after.Status.Creation).To(Equal(&v1alpha1.CreationIntent{Incarnation: 1}))
	})

	t.Run("a refusal of the first attempt frees the object, and one of a later attempt does not", func(t *testing.T) {
		refused := managed.Outcome{Ran: true, Failure: &managed.Failure{Class: databricks.ClassInvalid, Message: "the name exists"}}
		for attempt, isFree := range map[int64]bool{1: true, 2: false} {
			g := NewWithT(t)
			in := situation(pending(time.Minute))
			in.Object.Status.Creation.Attempt, in.Object.Status.Host = attempt, in.Observed.Host
			after, _ := report(in, managed.Plan{Step: managed.Create{}}, refused)
			kept := BeEmpty()
			if !isFree {
				kept = Not(BeEmpty())
			}
			g.Expect(after.Status.Creation.Token).To(kept, "[case-107]")
			g.Expect(after.Status.Host).To(kept)
		}
	})

	t.Run("adopted, found and observed", func(t *testing.T) {
		g := NewWithT(t)
		adopt := managed.Plan{Step: managed.StoreID{ID: "theirs", Source: managed.AdoptedByName}}
		after, events := report(situation(fresh), adopt, managed.Outcome{Ran: true})
		g.Expect(after.Status.Adopted).To(BeTrue(), "[case-111]")
		g.Expect(reasons(events.Events)).To(ContainElement(managed.EventAdopted))
		after, events = report(situation(fresh), managed.Plan{Step: managed.StoreID{ID: "ours", Source: managed.FoundInList}}, managed.Outcome{Ran: true})
		g.Expect(after.Status.Adopted).To(BeFalse(), "[case-106]")
		g.Expect(reasons(events.Events)).To(ContainElement(managed.EventCreated))
		_, events = report(situation(fresh, observing), adopt, managed.Outcome{Ran: true})
		g.Expect(reasons(events.Events)).To(ContainElement(managed.EventObserved), "[case-112]")
	})
}

func TestEvents(t *testing.T) {
	g := NewWithT(t)
	nine := differing(map[string]any{"max_capacity": float64(9)})
	edit := func(in managed.Input) managed.Plan {
		return managed.Plan{Step: managed.Edit{ID: poolID, Differences: in.Compared.Differences}, Reverses: "fields"}
	}
	drift := situation(nine)
	after, events := report(drift, edit(drift), managed.Outcome{Ran: true})
	g.Expect(reasons(events.ActionEvents)).To(Equal([]string{managed.EventDriftCorrected}), "[case-104]")
	g.Expect(after.Status.Corrections).To(ConsistOf(And(HaveField("Subject", "fields"), HaveField("Count", int32(1)))), "[case-127]")

	edited := situation(func(in *managed.Input) { pool(in).Spec.MaxCapacity = new(int32(4)) })
	_, events = report(edited, edit(edited), managed.Outcome{Ran: true})
	g.Expect(reasons(events.ActionEvents)).To(Equal([]string{managed.EventUpdated}), "[case-102]")

	used := situation(deleting, func(in *managed.Input) { in.Observed.Users = managed.Users{Known: true, Count: 100, More: true} })
	_, events = report(used, managed.Make(used), managed.Outcome{Ran: true})
	g.Expect(reasons(events.ActionEvents)).To(Equal([]string{managed.EventDeleted, managed.EventDeletedInUse}), "[case-124]")
	g.Expect(events.ActionEvents[1].Note).To(ContainSubstring("more than 100"))

	retained := situation(deleting, adopted)
	_, events = report(retained, managed.Make(retained), managed.Outcome{Ran: true})
	g.Expect(reasons(events.ActionEvents)).To(Equal([]string{managed.EventRetained}), "[case-122]")

	_, events = report(situation(suspended), managed.Plan{}, managed.Outcome{})
	g.Expect(reasons(events.Events)).To(ContainElement(managed.EventSuspended), "[case-130]")
	resumed := situation()
	meta.SetStatusCondition(&resumed.Object.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionSuspended, Status: metav1.ConditionTrue, Reason: "Suspended"})
	_, events = report(resumed, managed.Plan{}, managed.Outcome{})
	g.Expect(reasons(events.Events)).To(ContainElement(managed.EventResumed))
}

func TestRequests(t *testing.T) {
	for value, want := range map[string]v1alpha1.RequestPhase{
		"reconcile@1": v1alpha1.RequestSucceeded, "reconcile": v1alpha1.RequestRefused, "start@1": v1alpha1.RequestRefused,
	} {
		g := NewWithT(t)
		in := situation(func(in *managed.Input) {
			in.Object.SetAnnotations(map[string]string{v1alpha1.AnnotationRequest: value})
		})
		next := managed.Make(in)
		g.Expect(next.RequestsReread()).To(Equal(want == v1alpha1.RequestSucceeded), "[case-131]")
		after, _ := report(in, next, managed.Outcome{Ran: true})
		g.Expect(after.Status.Request).To(And(HaveField("Phase", want), HaveField("Finished", value)))
		in.Object = after
		g.Expect(managed.Make(in).Kind()).To(Equal(managed.StepNone), "once")
	}
}
