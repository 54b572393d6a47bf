package managed_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// unfinished is a deletion whose clusters are not counted yet; it began some time ago.
func unfinished(ago time.Duration) change {
	return func(in *managed.Input) {
		deleting(in)
		in.Attempts.DeletionSeenAt, in.Observed.Users = noon.Add(-ago), managed.Users{}
	}
}

func TestDeletion(t *testing.T) {
	const remedy = "set spec.deletionPolicy: Retain to release this object and keep the instance pool"
	accepted := func(ago time.Duration) change { return step(managed.StepDelete, nil, ago) }
	fails := func(class databricks.Class) change {
		return func(in *managed.Input) { in.Observed.ReadFailure = &managed.Failure{Class: class, Message: "m"} }
	}
	blocked := func(in *managed.Input) {
		in.Observed.Blocked = &managed.Blocked{Reason: "CredentialsNotReady", Message: "no Secret", Remedy: "create it", Stalled: true, RequeueAt: noon.Add(time.Minute)}
	}
	for name, row := range map[string]struct {
		changes         []change
		step            managed.StepKind
		reason, message string
		requeueAt       time.Time
	}{
		"[case-103] it is sent once a minute":                {[]change{deleting, accepted(59 * time.Second)}, managed.StepNone, v1alpha1.ReasonDeleting, "the instance pool is being deleted", noon.Add(time.Second)},
		"[case-103] it had no effect within a minute":        {[]change{deleting, accepted(time.Minute)}, managed.StepDelete, v1alpha1.ReasonDeleting, "the instance pool is being deleted", time.Time{}},
		"[case-103] another step does not delay it":          {[]change{deleting, step(managed.StepEdit, nil, time.Second)}, managed.StepDelete, v1alpha1.ReasonDeleting, "the instance pool is being deleted", time.Time{}},
		"[case-103] one that failed and may be sent":         {[]change{deleting, step(managed.StepDelete, &managed.Failure{Class: databricks.ClassBusy, Message: "m"}, 5*time.Second)}, managed.StepDelete, v1alpha1.ReasonDeleting, "the instance pool is being deleted", time.Time{}},
		"[case-122] one that was refused":                    {[]change{deleting, failed(managed.StepDelete, databricks.ClassForbidden, time.Minute)}, managed.StepNone, v1alpha1.ReasonDeletionBlocked, "m; " + remedy, noon.Add(9 * time.Minute)},
		"[case-132] one that is throttled":                   {[]change{deleting, failed(managed.StepDelete, databricks.ClassThrottled, time.Second)}, managed.StepNone, v1alpha1.ReasonRateLimited, "m", noon.Add(time.Second)},
		"[case-123] not read yet":                            {[]change{deleting, unknown}, managed.StepNone, v1alpha1.ReasonDeleting, "the instance pool is being deleted", time.Time{}},
		"[case-120] reads are refused":                       {[]change{deleting, unknown, fails(databricks.ClassUnauthenticated)}, managed.StepNone, v1alpha1.ReasonDeletionBlocked, "m; " + remedy, time.Time{}},
		"[case-133] reads fail":                              {[]change{deleting, unknown, fails(databricks.ClassTransient)}, managed.StepNone, v1alpha1.ReasonRetryingAfterError, "m; " + remedy, time.Time{}},
		"[case-103] reads fail, and it was read":             {[]change{deleting, fails(databricks.ClassTransient)}, managed.StepDelete, v1alpha1.ReasonDeleting, "the instance pool is being deleted", time.Time{}},
		"[case-124] the number of clusters is awaited":       {[]change{unfinished(9 * time.Second)}, managed.StepNone, v1alpha1.ReasonDeleting, "the instance pool is being deleted", noon.Add(time.Second)},
		"[case-124] for ten seconds":                         {[]change{unfinished(10 * time.Second)}, managed.StepDelete, v1alpha1.ReasonDeleting, "the instance pool is being deleted", time.Time{}},
		"[case-124] a refused count is not awaited":          {[]change{unfinished(0), func(in *managed.Input) { in.Observed.Users = managed.Users{Failed: true} }}, managed.StepDelete, v1alpha1.ReasonDeleting, "the instance pool is being deleted", time.Time{}},
		"[case-120] no credential, and no remedy of its own": {[]change{deleting, blocked}, managed.StepNone, "CredentialsNotReady", "no Secret; " + remedy, noon.Add(time.Minute)},
		"[case-121] another host":                            {[]change{deleting, func(in *managed.Input) { in.Observed.Host = "https://other" }}, managed.StepNone, v1alpha1.ReasonHostChanged, remedy, time.Time{}},
		"[case-122] retained":                                {[]change{deleting, func(in *managed.Input) { in.Object.Spec.DeletionPolicy = v1alpha1.RemovalPolicyRetain }}, managed.StepRemoveFinalizer, "", "", time.Time{}},
		"[case-122] adopted, to be deleted":                  {[]change{deleting, adopted, func(in *managed.Input) { in.Object.Spec.DeletionPolicy = v1alpha1.RemovalPolicyDelete }}, managed.StepDelete, v1alpha1.ReasonDeleting, "the instance pool is being deleted", time.Time{}},
		"[case-103] nothing was created":                     {[]change{fresh, deleting}, managed.StepRemoveFinalizer, "", "", time.Time{}},
		"[case-128] another object has it":                   {[]change{deleting, func(in *managed.Input) { in.Observed.ManagedBy = "team-b/x" }}, managed.StepRemoveFinalizer, "", "", time.Time{}},
		"[case-103] released":                                {[]change{deleting, func(in *managed.Input) { in.Object.SetFinalizers([]string{"another"}) }}, managed.StepNone, "", "", time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			next := managed.Make(situation(row.changes...))
			g.Expect(next.Kind()).To(Equal(row.step))
			g.Expect(next.Verdict.Reason).To(Equal(row.reason))
			if row.reason == v1alpha1.ReasonHostChanged {
				g.Expect(next.Verdict.Message).To(HaveSuffix(row.message))
			} else {
				g.Expect(next.Verdict.Message).To(Equal(row.message))
			}
			g.Expect(next.RequeueAt).To(Equal(row.requeueAt))
		})
	}
	t.Run("[case-103] the id of the status is deleted", func(t *testing.T) {
		NewWithT(t).Expect(managed.Make(situation(deleting)).Step).To(Equal(managed.Delete{ID: poolID}))
	})
}

func TestNeedsWorkspace(t *testing.T) {
	protected := func(in *managed.Input) { in.Object.Spec.DeletionProtection = true }
	for name, row := range map[string]struct {
		changes []change
		needs   bool
	}{
		"[case-101] it lives":                         {nil, true},
		"[case-103] it is deleted":                    {[]change{deleting}, true},
		"[case-106] with a pending creation":          {[]change{pending(0), deleting}, true},
		"[case-122] it is retained":                   {[]change{deleting, adopted}, false},
		"[case-122] it is protected":                  {[]change{deleting, protected}, false},
		"[case-103] nothing was created":              {[]change{fresh, deleting}, false},
		"[case-103] it waits for another's finalizer": {[]change{deleting, func(in *managed.Input) { in.Object.SetFinalizers(nil) }}, false},
	} {
		in := situation(row.changes...)
		NewWithT(t).Expect(managed.NeedsWorkspace(in.Kind, in.Object)).To(Equal(row.needs), name)
	}
}

func TestEffectiveRemovalPolicy(t *testing.T) {
	policy := func(of v1alpha1.RemovalPolicy) change {
		return func(in *managed.Input) { in.Object.Spec.DeletionPolicy = of }
	}
	byID := func(in *managed.Input) { in.Object.NamedID = poolID }
	for name, row := range map[string]struct {
		changes []change
		want    v1alpha1.RemovalPolicy
	}{
		"[case-103] created":               {nil, v1alpha1.RemovalPolicyDelete},
		"[case-122] adopted":               {[]change{adopted}, v1alpha1.RemovalPolicyRetain},
		"[case-122] named":                 {[]change{byID}, v1alpha1.RemovalPolicyRetain},
		"[case-122] adopted, and declared": {[]change{adopted, policy(v1alpha1.RemovalPolicyDelete)}, v1alpha1.RemovalPolicyDelete},
		"[case-122] created, and declared": {[]change{policy(v1alpha1.RemovalPolicyRetain)}, v1alpha1.RemovalPolicyRetain},
		"[case-112] observed":              {[]change{observing, policy(v1alpha1.RemovalPolicyDelete)}, v1alpha1.RemovalPolicyRetain},
	} {
		NewWithT(t).Expect(situation(row.changes...).Object.EffectiveRemovalPolicy()).To(Equal(row.want), name)
	}
}

func TestHolds(t *testing.T) {
	g := NewWithT(t)
	in := situation()
	g.Expect(in.Object.Holds(in.Kind)).To(BeTrue())
	in = situation(observing, func(in *managed.Input) { in.Object.SetFinalizers([]string{in.Kind.Finalizer}) })
	g.Expect(in.Object.Holds(in.Kind)).To(BeFalse(), "[case-112]")
	in = situation(func(in *managed.Input) { in.Object.SetFinalizers([]string{"another"}) })
	g.Expect(in.Object.Holds(in.Kind)).To(BeFalse(), "[case-103]")
	in = situation(fresh, func(in *managed.Input) { in.Object.NamedID = "named" })
	g.Expect(in.Object.CurrentID()).To(Equal("named"))
	*in.Object.ID = "stored"
	g.Expect(in.Object.CurrentID()).To(Equal("stored"))
}

// A condition of another generation says nothing about this one.
func TestPermissionsThatAreNotKnownDoNotDelayWhatWasReady(t *testing.T) {
	of := func(status metav1.ConditionStatus, generation int64) change {
		return func(in *managed.Input) {
			in.Object.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: "R", ObservedGeneration: generation}}
		}
	}
	for name, row := range map[string]struct {
		changes []change
		reason  string
	}{
		"[case-119] it was Ready":            {[]change{granting, of(metav1.ConditionTrue, 1)}, ""},
		"[case-119] an older generation was": {[]change{granting, of(metav1.ConditionTrue, 0)}, v1alpha1.ReasonUpdating},
		"[case-119] it was not":              {[]change{granting, of(metav1.ConditionFalse, 1)}, v1alpha1.ReasonUpdating},
		"[case-119] it is new":               {[]change{granting}, v1alpha1.ReasonUpdating},
		"[case-112] it is observed":          {[]change{granting, observing}, ""},
		"[case-119] none are declared":       {nil, ""},
		"[case-119] a declaration of none":   {[]change{func(in *managed.Input) { granting(in); in.Object.Permissions = in.Object.Permissions[:0] }}, v1alpha1.ReasonUpdating},
		"[case-119] a read that was refused": {[]change{granting, func(in *managed.Input) {
			in.Observed.Permissions.Failure = &managed.Failure{Class: databricks.ClassForbidden, Message: "m"}
		}}, v1alpha1.ReasonPermissionDenied},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			next := managed.Make(situation(row.changes...))
			g.Expect(next.Verdict.Reason).To(Equal(row.reason))
			g.Expect(next.Step).To(BeNil())
			if row.reason == v1alpha1.ReasonPermissionDenied {
				g.Expect(next.Verdict.Message).To(Equal("spec.accessControlList: m"))
			}
		})
	}
}
