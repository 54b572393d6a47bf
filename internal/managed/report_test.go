package managed_test

import (
	"fmt"
	"slices"
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

func TestDriftIsShownWithoutSecretsAndWithABound(t *testing.T) {
	g := NewWithT(t)
	in := situation()
	in.Compared = managed.Comparison{
		Known:       true,
		Immutable:   []diff.Difference{{SpecPath: "/nodeTypeID", Desired: "a", Actual: "b\u0007"}},
		Differences: []diff.Difference{{SpecPath: "/preloadedDockerImages", Desired: "hunter2", Actual: nil, Secret: true}},
		Normalized:  []diff.Difference{{SpecPath: "/maxCapacity", Desired: 0.5, Actual: float64(1000000)}},
	}
	after, _ := report(in, managed.Plan{}, managed.Outcome{})
	g.Expect(after.Status.Drift).To(Equal([]v1alpha1.DriftedField{
		{Path: "/nodeTypeID", Desired: "a", Actual: "b"}, {Path: "/preloadedDockerImages", Desired: "[redacted]"}, {Path: "/maxCapacity", Desired: "0.5", Actual: "1000000"},
	}), "[S7]")

	many := make([]diff.Difference, 100)
	for i := range many {
		many[i].SpecPath = fmt.Sprintf("/f%d", i)
	}
	in.Compared.Differences, in.Compared.Normalized = many, many
	after, _ = report(in, managed.Plan{}, managed.Outcome{})
	g.Expect(after.Status.Drift).To(HaveLen(20), "[S8]")
	g.Expect(after.Status.NormalizedFields).To(HaveLen(64))

	known := situation()
	known.Object.Status.NormalizedFields, known.Object.Status.Drift = after.Status.NormalizedFields, after.Status.Drift
	after, _ = report(known, managed.Plan{}, managed.Outcome{})
	g.Expect(after.Status.NormalizedFields).To(BeEmpty(), "[case-104] it is as declared again")
	g.Expect(after.Status.Drift).To(BeEmpty())
}

func TestOwnership(t *testing.T) {
	g := NewWithT(t)
	in := situation(func(in *managed.Input) {
		in.Object.Status.OwnedFields, in.Object.Status.AppliedDigest = []string{"/minIdleInstances"}, "v1:old"
	})
	digest := in.Kind.Fields.Digest(in.Desired)
	in.Compared = managed.Comparison{Known: true, Differences: []diff.Difference{{SpecPath: "/x"}}}
	after, _ := report(in, managed.Plan{Step: managed.PersistOwnership{}}, managed.Outcome{Ran: true})
	g.Expect(after.Status.OwnedFields).To(Equal([]string{"/maxCapacity", "/minIdleInstances", "/nodeTypeID"}), "[case-102] what it owned and what it will own")
	g.Expect(after.Status.AppliedDigest).To(Equal("v1:old"))

	again := in
	again.Object = after
	after, _ = report(again, managed.Plan{Step: managed.PersistOwnership{}}, managed.Outcome{Ran: true})
	g.Expect(after.Status.OwnedFields).To(HaveLen(3), "each once")

	in.Compared = managed.Comparison{Known: true}
	after, _ = report(in, managed.Plan{}, managed.Outcome{})
	g.Expect(after.Status.OwnedFields).To(Equal([]string{"/maxCapacity", "/nodeTypeID"}), "[case-102] nothing is left to correct")
	g.Expect(after.Status.AppliedDigest).To(Equal(digest))

	for name, apply := range map[string]change{"[case-112] observed": observing, "[case-103] deleted": deleting} {
		in := situation(func(in *managed.Input) { in.Object.Status.OwnedFields, in.Object.Status.AppliedDigest = nil, "" }, apply)
		in.Compared = managed.Comparison{Known: true}
		after, _ = report(in, managed.Plan{}, managed.Outcome{})
		g.Expect(after.Status.OwnedFields).To(BeEmpty(), name)
		g.Expect(after.Status.AppliedDigest).To(BeEmpty(), name)
	}
}

func TestCorrectionsAreCounted(t *testing.T) {
	at := func(ago time.Duration) *metav1.Time { return new(metav1.NewTime(noon.Add(-ago))) }
	old := v1alpha1.Correction{Subject: "fields", Count: 2, FirstTime: at(time.Minute), LastTime: at(time.Minute), CorrectedTime: at(time.Minute)}
	other := v1alpha1.Correction{Subject: "permissions", Count: 1, FirstTime: at(0), LastTime: at(0), CorrectedTime: at(0)}
	sent := managed.Plan{Step: managed.Edit{ID: poolID}, Reverses: "fields"}
	ran := managed.Outcome{Ran: true}
	now := metav1.NewTime(noon)
	for name, row := range map[string]struct {
		before  []v1alpha1.Correction
		change  change
		plan    managed.Plan
		outcome managed.Outcome
		want    []v1alpha1.Correction
	}{
		"[case-127] the first":             {nil, nil, sent, ran, []v1alpha1.Correction{{Subject: "fields", Count: 1, FirstTime: &now, LastTime: &now, CorrectedTime: &now}}},
		"[case-127] another":               {[]v1alpha1.Correction{old, other}, nil, sent, ran, []v1alpha1.Correction{{Subject: "fields", Count: 3, FirstTime: at(time.Minute), LastTime: &now, CorrectedTime: &now}, other}},
		"[case-127] of another subject":    {[]v1alpha1.Correction{other}, nil, sent, ran, []v1alpha1.Correction{other, {Subject: "fields", Count: 1, FirstTime: &now, LastTime: &now, CorrectedTime: &now}}},
		"[case-127] one that failed":       {[]v1alpha1.Correction{old}, nil, sent, managed.Outcome{Ran: true, Failure: &managed.Failure{}}, []v1alpha1.Correction{old}},
		"[case-127] one that waits":        {[]v1alpha1.Correction{old}, nil, sent, managed.Outcome{}, []v1alpha1.Correction{old}},
		"[case-127] a GET before it":       {[]v1alpha1.Correction{old}, nil, managed.Plan{Step: managed.Read{}, Reverses: "fields"}, ran, []v1alpha1.Correction{old}},
		"[case-127] a step that is none":   {[]v1alpha1.Correction{old}, nil, managed.Plan{Step: managed.Edit{}}, ran, []v1alpha1.Correction{old}},
		"[case-127] an edit of the object": {[]v1alpha1.Correction{old, other}, func(in *managed.Input) { in.Object.SetGeneration(2) }, managed.Plan{}, managed.Outcome{}, nil},
		"[case-127] older than the window": {[]v1alpha1.Correction{{Subject: "fields", Count: 2, CorrectedTime: at(time.Hour)}, {Subject: "x", Count: 1}, old}, nil, managed.Plan{}, managed.Outcome{}, []v1alpha1.Correction{old}},
		"[case-127] all are older":         {[]v1alpha1.Correction{{Subject: "fields", Count: 2, CorrectedTime: at(time.Hour)}}, nil, managed.Plan{}, managed.Outcome{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			in := situation(func(in *managed.Input) { in.Object.Status.Corrections = row.before })
			if row.change != nil {
				row.change(&in)
			}
			before := slices.Clone(row.before)
			after, _ := report(in, row.plan, row.outcome)
			NewWithT(t).Expect(after.Status.Corrections).To(Equal(row.want))
			NewWithT(t).Expect(in.Object.Status.Corrections).To(Equal(before), "the object before is not changed")
		})
	}
}

func TestTheIdentityOfWhatIsRead(t *testing.T) {
	t.Run("[case-109] a name of the workspace, without control characters", func(t *testing.T) {
		g := NewWithT(t)
		in := situation(func(in *managed.Input) { in.Observed.Remote.Name = "renamed\u0007" })
		after, _ := report(in, managed.Plan{}, managed.Outcome{})
		g.Expect(after.Status.Name).To(Equal("renamed"), "[S8]")
		g.Expect(after.Status.URL).To(Equal("https://example.cloud.databricks.com/compute/instance-pools/" + poolID))
		after, _ = report(situation(missing, func(in *managed.Input) { in.Object.Status.Name = "old" }), managed.Plan{}, managed.Outcome{})
		g.Expect(after.Status.Name).To(Equal("old"))
	})
	t.Run("[case-121] the workspace is stored once", func(t *testing.T) {
		g := NewWithT(t)
		in := situation(func(in *managed.Input) { in.Object.Status.Host, in.Observed.WorkspaceID = "", "1" })
		after, _ := report(in, managed.Plan{}, managed.Outcome{})
		g.Expect(after.Status.Host).To(Equal("https://example.cloud.databricks.com"))
		g.Expect(after.Status.WorkspaceID).To(Equal("1"))
		in.Object = after
		in.Observed.Host, in.Observed.WorkspaceID = "https://other", "2"
		after, _ = report(in, managed.Plan{}, managed.Outcome{})
		g.Expect(after.Status.Host).To(Equal("https://example.cloud.databricks.com"))
		g.Expect(after.Status.WorkspaceID).To(Equal("1"))
	})
	t.Run("[case-103] without an id there is no page", func(t *testing.T) {
		in := situation(fresh, func(in *managed.Input) { in.Object.Status.URL = "old" })
		after, _ := report(in, managed.Plan{}, managed.Outcome{})
		NewWithT(t).Expect(after.Status.URL).To(BeEmpty())
		NewWithT(t).Expect(after.Status.Host).To(BeEmpty(), "it is bound to no workspace")
	})
	t.Run("[case-107] a lost answer keeps the intent, and so does a refusal of another step", func(t *testing.T) {
		g := NewWithT(t)
		for _, row := range []struct {
			step  managed.Step
			class databricks.Class
		}{{managed.Create{}, databricks.ClassAmbiguous}, {managed.Edit{}, databricks.ClassInvalid}} {
			after, _ := report(situation(pending(time.Minute)), managed.Plan{Step: row.step}, managed.Outcome{Ran: true, Failure: &managed.Failure{Class: row.class}})
			g.Expect(after.Status.Creation.Token).To(Equal("t-1"))
			g.Expect(after.Status.Name).To(Equal("team-a-warm"))
		}
		void, _ := report(situation(pending(time.Minute)), managed.Plan{Step: managed.Create{}}, managed.Outcome{Ran: true, Failure: &managed.Failure{Class: databricks.ClassInvalid}})
		g.Expect(void.Status.Name).To(BeEmpty())
		g.Expect(void.Status.Creation).To(Equal(&v1alpha1.CreationIntent{Incarnation: 1}))
	})
	t.Run("[case-111] by which way it was found", func(t *testing.T) {
		for source, isAdopted := range map[managed.Source]bool{
			managed.AdoptedByID: true, managed.AdoptedByName: true, managed.FoundInList: false, managed.CreatedByProcess: false,
		} {
			in := situation(fresh, func(in *managed.Input) { in.Object.Status.Adopted = !isAdopted })
			after, events := report(in, managed.Plan{Step: managed.StoreID{ID: "x", Source: source}}, managed.Outcome{Ran: true})
			NewWithT(t).Expect(after.Status.Adopted).To(Equal(isAdopted))
			NewWithT(t).Expect(slices.Contains(reasons(events.Events), managed.EventAdopted)).To(Equal(isAdopted))
		}
	})
}

func TestEventsOfSteps(t *testing.T) {
	grant := managed.Plan{Step: managed.SetPermissions{ID: poolID}}
	ran := managed.Outcome{Ran: true}
	text := func(events []managed.Event) (all []string) {
		for _, event := range events {
			all = append(all, event.Type+" "+event.Reason+" "+event.Action+": "+event.Note)
		}
		return all
	}
	users := func(of managed.Users) change { return func(in *managed.Input) { in.Observed.Users = of } }
	remove := managed.Plan{Step: managed.Delete{ID: poolID}}
	release := managed.Plan{Step: managed.RemoveFinalizer{}}
	for name, row := range map[string]struct {
		changes []change
		plan    managed.Plan
		outcome managed.Outcome
		want    []string
	}{
		"[case-119] permissions":             {nil, grant, ran, []string{"Normal Updated SetPermissions: set the permissions of spec.accessControlList"}},
		"[case-119] a step that failed":      {nil, grant, managed.Outcome{Ran: true, Failure: &managed.Failure{}}, nil},
		"[case-132] a step that waits":       {nil, grant, managed.Outcome{}, nil},
		"[case-101] a create":                {[]change{fresh}, managed.Plan{Step: managed.Create{Name: "n"}}, managed.Outcome{Ran: true, Created: "c"}, []string{"Normal Created Create: created instance pool c with the name n"}},
		"[case-104] drift":                   {nil, managed.Plan{Step: managed.Edit{Differences: []diff.Difference{{SpecPath: "/a/b"}, {SpecPath: "/c"}}}}, ran, []string{"Normal DriftCorrected Edit: corrected spec.a.b, spec.c"}},
		"[case-124] not in use":              {[]change{deleting}, remove, ran, []string{"Normal Deleted Delete: deleted instance pool " + poolID}},
		"[case-124] in use by one":           {[]change{deleting, users(managed.Users{Known: true, Count: 1})}, remove, ran, []string{"Normal Deleted Delete: deleted instance pool " + poolID, "Warning DeletedInUse Delete: instance pool " + poolID + " was deleted while 1 instances of clusters used it"}},
		"[case-124] in use, by what is said": {[]change{deleting, users(managed.Users{Count: 7})}, remove, ran, []string{"Normal Deleted Delete: deleted instance pool " + poolID}},
		"[case-122] retained":                {[]change{deleting}, release, ran, []string{"Normal Retained RemoveFinalizer: the instance pool " + poolID + " stays in the workspace"}},
		"[case-103] gone":                    {[]change{deleting, missing}, release, ran, nil},
		"[case-103] never created":           {[]change{fresh, deleting}, release, ran, nil},
		"[case-101] a finalizer":             {nil, managed.Plan{Step: managed.AddFinalizer{}}, ran, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, events := report(situation(row.changes...), row.plan, row.outcome)
			NewWithT(t).Expect(text(events.ActionEvents)).To(Equal(row.want))
		})
	}
	t.Run("[case-131] a refused request", func(t *testing.T) {
		refused := managed.Plan{Step: managed.AcknowledgeRequest{Request: v1alpha1.RequestStatus{Value: "start@1", Phase: v1alpha1.RequestRefused, Message: "m"}}}
		_, events := report(situation(), refused, ran)
		NewWithT(t).Expect(text(events.Events)).To(Equal([]string{"Warning RequestRefused AcknowledgeRequest: start@1 was refused: m"}))
	})
	t.Run("[case-120] an object that stalls is reported once", func(t *testing.T) {
		g := NewWithT(t)
		stalls := func(reason string) managed.Plan {
			return managed.Plan{Verdict: managed.Verdict{Reason: reason, Message: "m", Stalled: true}}
		}
		in := situation()
		after, events := report(in, stalls("HostChanged"), managed.Outcome{})
		g.Expect(text(events.Events)).To(Equal([]string{"Warning HostChanged Reconcile: m"}))
		in.Object = after
		_, events = report(in, stalls("HostChanged"), managed.Outcome{})
		g.Expect(events.Events).To(BeEmpty())
		_, events = report(in, stalls("ImmutableField"), managed.Outcome{})
		g.Expect(reasons(events.Events)).To(Equal([]string{"ImmutableField"}))
		suspendedIn := situation(suspended)
		suspendedIn.Object.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionSuspended, Status: metav1.ConditionTrue}}
		_, events = report(suspendedIn, managed.Plan{}, managed.Outcome{})
		g.Expect(events.Events).To(BeEmpty(), "[case-130] it was suspended before")
	})
}

func TestMoreConditions(t *testing.T) {
	nine := differing(map[string]any{"max_capacity": float64(9)})
	edited := func(in *managed.Input) { in.Object.Status.AppliedDigest = "v1:x" }
	refused := managed.Outcome{Ran: true, Failure: &managed.Failure{Class: databricks.ClassInvalid, Message: "m"}}
	synced := func(reason string, generation int64) change {
		return func(in *managed.Input) {
			in.Object.Status.Conditions = append(in.Object.Status.Conditions,
				metav1.Condition{Type: v1alpha1.ConditionSynced, Status: metav1.ConditionTrue, Reason: reason, ObservedGeneration: generation})
		}
	}
	blocked := func(in *managed.Input) { in.Observed.Blocked = &managed.Blocked{Reason: "R", Message: "m"} }
	sideRefused := func(in *managed.Input) {
		granting(in)
		in.Observed.Permissions.Known = true
		in.Attempts = in.Attempts.Recorded(managed.Attempt{Step: managed.StepSetPermissions, Failure: &managed.Failure{Class: databricks.ClassForbidden, Message: "m"}, At: noon, Generation: 1, Credential: "first"})
	}
	for name, row := range map[string]struct {
		changes []change
		outcome managed.Outcome
		want    []string
	}{
		"[case-102] an edit of the user":            {[]change{nine, edited}, managed.Outcome{}, []string{"Ready!=Updating", "Reconciling=Updating", "Synced!=Updating"}},
		"[case-07] a refused edit":                  {[]change{nine, edited}, refused, []string{"Ready!=InvalidSpec", "Stalled=InvalidSpec", "Synced!=UpdateFailed"}},
		"[case-07] during its backoff":              {[]change{nine, edited, failed(managed.StepEdit, databricks.ClassInvalid, time.Minute)}, managed.Outcome{}, []string{"Ready!=InvalidSpec", "Stalled=InvalidSpec", "Synced!=UpdateFailed"}},
		"[case-133] a transient one in its backoff": {[]change{nine, failed(managed.StepEdit, databricks.ClassBusy, time.Second)}, managed.Outcome{}, []string{"Ready!=RetryingAfterError", "Reconciling=RetryingAfterError", "Synced!=DriftDetected"}},
		"[case-119] permissions in their backoff":   {[]change{sideRefused}, managed.Outcome{}, []string{"Ready!=PermissionDenied", "Stalled=PermissionDenied", "Synced!=UpdateFailed"}},
		"[case-115] values of the server": {[]change{differing(map[string]any{"max_capacity": float64(9)}), func(in *managed.Input) {
			in.Object.Status.AppliedDigest = ""
			in.Object.Status.Creation = &v1alpha1.CreationIntent{Digest: in.Kind.Fields.Digest(in.Desired)}
		}}, managed.Outcome{}, []string{"Ready=Available", "Synced!=ServerNormalized"}},
		"[case-101] a comparison of this generation":  {[]change{unknown, ready, synced("InSync", 1)}, managed.Outcome{}, []string{"Ready=Available", "Synced=InSync"}},
		"[case-102] one of an older generation":       {[]change{unknown, ready, synced("InSync", 1), func(in *managed.Input) { in.Object.SetGeneration(2) }}, managed.Outcome{}, []string{"Ready!=Updating", "Reconciling=Updating", "Synced?=NotCompared"}},
		"[case-120] one of a workspace that is lost":  {[]change{unknown, synced("InSync", 1), blocked}, managed.Outcome{}, []string{"Ready!=R", "Reconciling=R", "Synced?=NotCompared"}},
		"[case-103] one of what is deleted":           {[]change{deleting, unknown, synced("InSync", 0), blocked}, managed.Outcome{}, []string{"Ready!=R", "Reconciling=R", "Synced=InSync"}},
		"[case-125] it is gone, and compared no more": {[]change{missing, synced("InSync", 1)}, managed.Outcome{}, []string{"Ready!=Creating", "Reconciling=Creating", "Synced=InSync"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := situation(row.changes...)
			after, _ := report(in, managed.Make(in), row.outcome)
			NewWithT(t).Expect(shows(after)).To(ConsistOf(row.want))
			for _, condition := range after.Status.Conditions {
				NewWithT(t).Expect(condition.ObservedGeneration).To(Equal(in.Object.GetGeneration()), condition.Type)
			}
		})
	}
	t.Run("[case-130] the texts of a suspended object", func(t *testing.T) {
		g := NewWithT(t)
		in := situation(suspended, nine)
		after, _ := report(in, managed.Make(in), managed.Outcome{})
		g.Expect(meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady).Message).To(Equal("the instance pool exists, and changes wait while spec.suspend is true"))
		in = situation(nine)
		after, _ = report(in, managed.Plan{}, managed.Outcome{})
		g.Expect(meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady)).To(HaveField("Reason", v1alpha1.ReasonUpdating))
	})
	t.Run("[case-101] no new facts", func(t *testing.T) {
		g := NewWithT(t)
		in := situation(unknown, ready, synced("InSync", 0), func(in *managed.Input) {
			in.Object.Status.Conditions = append(in.Object.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Available"})
		})
		after, _ := report(in, managed.Plan{}, managed.Outcome{})
		g.Expect(shows(after)).To(ContainElement("Ready=Available"))
		for _, condition := range after.Status.Conditions {
			g.Expect(condition.ObservedGeneration).To(Equal(int64(1)))
		}
	})
}

func TestRequestOf(t *testing.T) {
	long := strings.Repeat("ü", 200)
	for annotation, want := range map[string]managed.Request{
		"":            {},
		"reconcile":   {Value: "reconcile", Verb: "reconcile"},
		"reconcile@":  {Value: "reconcile@", Verb: "reconcile"},
		"reconcile@1": {Value: "reconcile@1", Verb: "reconcile", HasToken: true},
		"start@a@b":   {Value: "start@a@b", Verb: "start", HasToken: true},
	} {
		NewWithT(t).Expect(managed.RequestOf(map[string]string{v1alpha1.AnnotationRequest: annotation})).To(Equal(want), annotation)
		NewWithT(t).Expect(managed.VerbOf(annotation)).To(Equal(want.Verb), annotation)
	}
	g := NewWithT(t)
	limit := strings.Repeat("ü", v1alpha1.MaxRequestLength)
	g.Expect(managed.RequestOf(map[string]string{v1alpha1.AnnotationRequest: limit}).IsTooLong).To(BeFalse(), "characters count, not bytes")
	asked := managed.RequestOf(map[string]string{v1alpha1.AnnotationRequest: "x" + limit})
	g.Expect(asked.IsTooLong).To(BeTrue())
	g.Expect(asked.Verb).To(BeEmpty())
	g.Expect(asked.Value).To(MatchRegexp(`^xü{31}\.\.\.sha256:[0-9a-f]{64}$`), "[S8] the beginning, without half a character")
	g.Expect(managed.RequestOf(map[string]string{v1alpha1.AnnotationRequest: "x" + long}).Value).NotTo(Equal(asked.Value))
}

func TestRefusedRequests(t *testing.T) {
	request := func(value string) change {
		return func(in *managed.Input) {
			in.Object.SetAnnotations(map[string]string{v1alpha1.AnnotationRequest: value})
		}
	}
	for name, row := range map[string]struct {
		changes []change
		phase   v1alpha1.RequestPhase
		message string
	}{
		"[case-131] it is read again":         {[]change{request("reconcile@1")}, v1alpha1.RequestSucceeded, "the workspace is read again"},
		"[case-131] without a token":          {[]change{request("reconcile")}, v1alpha1.RequestRefused, "write reconcile@<any token>, such as reconcile@1"},
		"[case-131] of another verb":          {[]change{request("start@1")}, v1alpha1.RequestRefused, "a DatabricksInstancePool knows only the request reconcile"},
		"[case-131] too long":                 {[]change{request(strings.Repeat("x", 1000))}, v1alpha1.RequestRefused, "characters; write reconcile@<any token>"},
		"[case-112] an observing object":      {[]change{observing, request("reconcile@1")}, v1alpha1.RequestSucceeded, "the workspace is read again"},
		"[case-112] another verb is left out": {[]change{observing, request("start@1")}, "", ""},
		"[case-131] it was carried out": {[]change{request("reconcile@1"), func(in *managed.Input) {
			in.Object.Status.Request = &v1alpha1.RequestStatus{Value: "reconcile@1"}
		}}, "", ""},
		"[case-131] another was carried out": {[]change{request("reconcile@2"), func(in *managed.Input) {
			in.Object.Status.Request = &v1alpha1.RequestStatus{Value: "reconcile@1"}
		}}, v1alpha1.RequestSucceeded, "the workspace is read again"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			next := managed.Make(situation(row.changes...))
			stored, ok := next.Step.(managed.AcknowledgeRequest)
			g.Expect(ok).To(Equal(row.phase != ""))
			g.Expect(next.RequestsReread()).To(Equal(row.phase == v1alpha1.RequestSucceeded))
			g.Expect(stored.Request.Phase).To(Equal(row.phase))
			g.Expect(stored.Request.Message).To(ContainSubstring(row.message))
		})
	}
}

func TestTheAcknowledgementOfARequestReportsWhatFollows(t *testing.T) {
	edited := func(in *managed.Input) { in.Object.SetGeneration(2) }
	ready := func(in *managed.Input) {
		in.Object.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAvailable, ObservedGeneration: 1}}
	}
	for name, row := range map[string]struct {
		changes []change
		want    []string
	}{
		"it exists as declared":                 {[]change{ready}, []string{"Ready=Available", "Synced=InSync"}},
		"it is not read yet":                    {[]change{ready, unknown}, []string{"Ready=Available", "Synced?=NotCompared"}},
		"it is edited, too, and not read yet":   {[]change{ready, unknown, edited}, []string{"Ready!=Updating", "Synced?=NotCompared", "Reconciling=Updating"}},
		"it is new":                             {[]change{fresh}, []string{"Ready!=Creating", "Reconciling=Creating", "Synced?=NotCompared"}},
		"it is missing":                         {[]change{ready, missing}, []string{"Ready!=Creating", "Reconciling=Creating", "Synced?=NotCompared"}},
		"another actor sets it back":            {[]change{ready, differing(map[string]any{"max_capacity": float64(9)}), contended("fields")}, []string{"Ready!=Contended", "Reconciling=Contended", "Synced!=Contended"}},
		"it cannot be used":                     {[]change{ready, differing(map[string]any{"state": "STOPPED"})}, []string{"Ready!=PoolStopped", "Stalled=PoolStopped", "Synced=InSync"}},
		"a field that Databricks never changes": {[]change{ready, func(in *managed.Input) { pool(in).Spec.NodeTypeID = "m5.large" }}, []string{"Ready!=ImmutableField", "Stalled=ImmutableField", "Synced!=ImmutableField"}},
		"it is suspended, and nothing exists":   {[]change{fresh, suspended}, []string{"Ready!=Suspended", "Synced?=NotCompared", "Suspended=Suspended"}},
	} {
		t.Run("[case-131] "+name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(append(row.changes, func(in *managed.Input) {
				in.Object.SetAnnotations(map[string]string{v1alpha1.AnnotationRequest: "reconcile@1"})
			})...)
			next := managed.Make(in)
			g.Expect(next.Kind()).To(Equal(managed.StepAcknowledgeRequest))
			after, _ := report(in, next, managed.Outcome{Ran: true})
			g.Expect(shows(after)).To(ConsistOf(row.want))
			g.Expect(in.Object.Status.Request).To(BeNil(), "a plan does not change its input")
		})
	}
}

func TestValueText(t *testing.T) {
	for _, row := range []struct {
		value any
		want  string
	}{{nil, ""}, {1e21, "1000000000000000000000"}, {0.25, "0.25"}, {"a\u0000b", "ab"}, {true, "true"}, {[]any{"a"}, "[a]"}} {
		NewWithT(t).Expect(managed.ValueText(row.value)).To(Equal(row.want))
	}
}
