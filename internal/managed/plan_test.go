package managed_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/owner"
)

func TestMake(t *testing.T) {
	own := owner.Of(operator, string(uid), "team-a", "warm").Tag()
	other := owner.Of("ffffffff", "99999999-2222-3333-4444-555555555555", "team-b", "cold").Tag()
	nine := map[string]any{"max_capacity": float64(9)}
	warn := func(in *managed.Input) { in.Object.Spec.DriftPolicy = v1alpha1.CorrectionPolicyWarn }
	for name, row := range map[string]struct {
		changes []change
		step    managed.StepKind
		reason  string
		stalled bool
	}{
		"[case-101] as declared":                                 {nil, managed.StepNone, "", false},
		"no finalizer":                                           {[]change{fresh, func(in *managed.Input) { in.Object.SetFinalizers(nil) }}, managed.StepAddFinalizer, v1alpha1.ReasonCreating, false},
		"[case-101] nothing has the name":                        {[]change{fresh}, managed.StepCreate, v1alpha1.ReasonCreating, false},
		"the list is too old":                                    {[]change{fresh, func(in *managed.Input) { in.Observed.ListedAt = time.Time{} }}, managed.StepNone, v1alpha1.ReasonCreating, false},
		"[case-108] another has the name":                        {[]change{fresh, named(other)}, managed.StepNone, v1alpha1.ReasonNameTaken, true},
		"its own tag, and no status":                             {[]change{fresh, named(own)}, managed.StepStoreID, v1alpha1.ReasonCreating, false},
		"[case-111] adopted by name":                             {[]change{fresh, named(other), func(in *managed.Input) { in.Object.Spec.AdoptByName = true }}, managed.StepStoreID, "", false},
		"[case-111] by a name that another object has":           {[]change{fresh, named(other), func(in *managed.Input) { in.Object.Spec.AdoptByName, in.Observed.ManagedBy = true, "team-a/b" }}, managed.StepNone, v1alpha1.ReasonAlreadyManaged, true},
		"[case-106] the create may be in flight":                 {[]change{pending(30 * time.Second)}, managed.StepNone, v1alpha1.ReasonCreating, false},
		"[case-106] and the list began too early":                {[]change{pending(2 * time.Minute), func(in *managed.Input) { in.Observed.ListedAt = noon.Add(-90 * time.Second) }}, managed.StepNone, v1alpha1.ReasonCreating, false},
		"[case-106] it was created":                              {[]change{pending(2 * time.Minute), named(own)}, managed.StepStoreID, v1alpha1.ReasonCreating, false},
		"[case-106] it was not created":                          {[]change{pending(2 * time.Minute)}, managed.StepCreate, v1alpha1.ReasonCreating, false},
		"[case-106] another took the name":                       {[]change{pending(2 * time.Minute), named(other)}, managed.StepNone, v1alpha1.ReasonNameTaken, true},
		"[case-106] renamed, and it was created":                 {[]change{pending(2 * time.Minute), renamed, named(own)}, managed.StepStoreID, v1alpha1.ReasonCreating, false},
		"[case-106] renamed, and it was not created":             {[]change{pending(2 * time.Minute), renamed}, managed.StepAbandonCreation, v1alpha1.ReasonCreating, false},
		"[case-106] renamed, and another took the former name":   {[]change{pending(2 * time.Minute), renamed, named(other)}, managed.StepAbandonCreation, v1alpha1.ReasonCreating, false},
		"[case-106] renamed while the create may be in flight":   {[]change{pending(30 * time.Second), renamed}, managed.StepNone, v1alpha1.ReasonCreating, false},
		"[case-123] renamed and deleted, and it was created":     {[]change{pending(2 * time.Minute), renamed, named(own), deleting}, managed.StepStoreID, v1alpha1.ReasonDeleting, false},
		"[case-123] deleted before it was known":                 {[]change{pending(2 * time.Minute), deleting}, managed.StepRemoveFinalizer, "", false},
		"[case-123] deleted, and it was created":                 {[]change{pending(2 * time.Minute), named(own), deleting}, managed.StepStoreID, v1alpha1.ReasonDeleting, false},
		"[case-104] drift":                                       {[]change{differing(nine)}, managed.StepRead, v1alpha1.ReasonUpdating, false},
		"[case-105] drift under Warn":                            {[]change{differing(nine), warn}, managed.StepNone, v1alpha1.ReasonDriftTolerated, false},
		"[case-102] an edit under Warn":                          {[]change{differing(nine), warn, func(in *managed.Input) { pool(in).Spec.MaxCapacity = new(int32(4)) }}, managed.StepRead, v1alpha1.ReasonUpdating, false},
		"[case-102] a field that is not owned yet":               {[]change{func(in *managed.Input) { pool(in).Spec.MinIdleInstances = new(int32(1)) }}, managed.StepPersistOwnership, v1alpha1.ReasonUpdating, false},
		"[case-114] a field that does not change":                {[]change{func(in *managed.Input) { pool(in).Spec.NodeTypeID = "m5.large" }}, managed.StepNone, v1alpha1.ReasonImmutableField, true},
		"[case-130] suspended":                                   {[]change{suspended, differing(nine)}, managed.StepNone, "", false},
		"[case-130] suspended, and nothing exists":               {[]change{suspended, fresh}, managed.StepNone, v1alpha1.ReasonSuspended, false},
		"[case-112] observed":                                    {[]change{observing, differing(nine)}, managed.StepNone, "", false},
		"[case-125] gone":                                        {[]change{missing}, managed.StepCreate, v1alpha1.ReasonCreating, false},
		"[case-125] gone, and adopted":                           {[]change{missing, adopted}, managed.StepNone, v1alpha1.ReasonAdoptionTargetNotFound, true},
		"[case-125] gone, and the name is taken":                 {[]change{missing, named(other)}, managed.StepNone, v1alpha1.ReasonNameTaken, true},
		"[case-93] gone, and a newer one has its tag":            {[]change{missing, named(own)}, managed.StepStoreID, v1alpha1.ReasonCreating, false},
		"[case-93] the same, deleted":                            {[]change{missing, named(own), deleting}, managed.StepStoreID, v1alpha1.ReasonDeleting, false},
		"[case-93] gone, and another has the name, deleted":      {[]change{missing, named(other), deleting}, managed.StepRemoveFinalizer, "", false},
		"[case-126] not in a list":                               {[]change{unknown}, managed.StepNone, v1alpha1.ReasonUpdating, false},
		"[case-129] the tag of another":                          {[]change{differing(map[string]any{"custom_tags": map[string]any{v1alpha1.PoolOwnerTagKey: other}})}, managed.StepNone, v1alpha1.ReasonAlreadyManaged, true},
		"[case-128] another object has it":                       {[]change{func(in *managed.Input) { in.Observed.ManagedBy = "team-a/other" }}, managed.StepNone, v1alpha1.ReasonAlreadyManaged, true},
		"[case-121] another host":                                {[]change{func(in *managed.Input) { in.Observed.Host = "https://other.cloud.databricks.com" }}, managed.StepNone, v1alpha1.ReasonHostChanged, true},
		"[case-138] a stopped pool":                              {[]change{differing(map[string]any{"state": "STOPPED"})}, managed.StepNone, v1alpha1.ReasonPoolStopped, true},
		"[case-103] deleted":                                     {[]change{deleting}, managed.StepDelete, v1alpha1.ReasonDeleting, false},
		"[case-103] deleted, and the number of users is unknown": {[]change{deleting, func(in *managed.Input) { in.Observed.Users = managed.Users{} }}, managed.StepNone, v1alpha1.ReasonDeleting, false},
		"[case-122] deleted, and adopted":                        {[]change{deleting, adopted}, managed.StepRemoveFinalizer, "", false},
		"[case-122] protected":                                   {[]change{deleting, func(in *managed.Input) { in.Object.Spec.DeletionProtection = true }}, managed.StepNone, v1alpha1.ReasonDeletionBlocked, true},
		"[case-123] gone when it is deleted":                     {[]change{deleting, missing}, managed.StepRemoveFinalizer, "", false},
		"[case-129] deleted with the tag of another":             {[]change{differing(map[string]any{"custom_tags": map[string]any{v1alpha1.PoolOwnerTagKey: other}}), deleting}, managed.StepRemoveFinalizer, "", false},
		"[case-122] a refused deletion":                          {[]change{deleting, failed(managed.StepDelete, databricks.ClassForbidden, time.Minute)}, managed.StepNone, v1alpha1.ReasonDeletionBlocked, true},
		"[case-07] a refused create":                             {[]change{fresh, failed(managed.StepCreate, databricks.ClassInvalid, time.Minute)}, managed.StepNone, v1alpha1.ReasonInvalidSpec, true},
		"[case-07] a refused create, and another credential":     {[]change{fresh, failed(managed.StepCreate, databricks.ClassInvalid, time.Minute), func(in *managed.Input) { in.Observed.Credential = "second" }}, managed.StepCreate, v1alpha1.ReasonCreating, false},
		"[case-07] a refused edit":                               {[]change{differing(nine), failed(managed.StepEdit, databricks.ClassInvalid, time.Minute)}, managed.StepNone, v1alpha1.ReasonInvalidSpec, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			next := managed.Make(situation(row.changes...))
			g.Expect(next.Kind()).To(Equal(row.step))
			g.Expect(next.Verdict.Reason).To(Equal(row.reason), next.Verdict.Message)
			g.Expect(next.Verdict.Stalled).To(Equal(row.stalled))
		})
	}
}

func TestAnEditIsBasedOnAGetThatBeganAfterTheDifference(t *testing.T) {
	g := NewWithT(t)
	nine := differing(map[string]any{"max_capacity": float64(9), "new_member": "kept", "stats": map[string]any{"used_count": float64(1)}})
	elastic := func(in *managed.Input) {
		pool(in).Spec.EnableElasticDisk = new(true)
		in.Object.Status.OwnedFields = append(in.Object.Status.OwnedFields, "/enableElasticDisk")
	}
	in := situation(nine, elastic)
	read, ok := managed.Make(in).Step.(managed.Read)
	g.Expect(ok).To(BeTrue())
	in.Attempts = in.Attempts.WithBase(read.Differences, noon.Add(time.Second))
	g.Expect(managed.Make(in).Kind()).To(Equal(managed.StepNone), "an older GET")
	in.Observed.Remote.At = noon.Add(2 * time.Second)
	in.Observed.Remote.FromGet = false
	g.Expect(managed.Make(in).Kind()).To(Equal(managed.StepNone), "a list")
	in.Observed.GotAt = noon.Add(time.Second)
	g.Expect(managed.Make(in).Kind()).To(Equal(managed.StepRead), "a list after the GET, which could not be used in time")
	in.Observed.Remote.FromGet = true
	edit, ok := managed.Make(in).Step.(managed.Edit)
	g.Expect(ok).To(BeTrue(), "[case-118]")
	g.Expect(edit.Body).To(And(
		HaveKeyWithValue("max_capacity", float64(3)), HaveKeyWithValue("new_member", "kept"), HaveKeyWithValue("node_type_id", "i3.xlarge"),
		HaveKeyWithValue("instance_pool_id", poolID), Not(HaveKey("stats")), Not(HaveKey("enable_elastic_disk")), Not(HaveKey("state")),
	))
	g.Expect(edit.Body["custom_tags"]).To(HaveKey(v1alpha1.PoolOwnerTagKey))
}

func TestACreationIsResolvedWhenItCanNoLongerBeInFlight(t *testing.T) {
	g := NewWithT(t)
	next := managed.Make(situation(pending(30 * time.Second)))
	g.Expect(next.Step).To(BeNil(), "[case-106]")
	g.Expect(next.RequeueAt).To(Equal(noon.Add(30*time.Second)), "[case-106] the deadline, a request and the grace")
}

func TestWhatTheServerMakesOfACreateIsNoDrift(t *testing.T) {
	g := NewWithT(t)
	created := func(in *managed.Input) {
		in.Object.Status.AppliedDigest = ""
		in.Object.Status.Creation = &v1alpha1.CreationIntent{Incarnation: 1, Digest: in.Kind.Fields.Digest(in.Desired)}
	}
	nine := differing(map[string]any{"max_capacity": float64(9)})
	first := situation(created, nine)
	g.Expect(first.Compared.Normalized).To(HaveLen(1), "[case-115]")
	g.Expect(managed.Make(first).Kind()).To(Equal(managed.StepNone))

	after := first.Kind.View(first.Object.DeepCopyObject().(managed.Resource))
	managed.ReportTo(managed.ReportInput{Input: first}, after)
	g.Expect(after.Status.NormalizedFields).To(HaveLen(1))
	g.Expect(after.Status.Drift).To(HaveLen(1))

	later := first
	later.Object = after
	later.Compared = managed.Compare(later)
	g.Expect(later.Compared.Normalized).To(HaveLen(1), "also in another process")
	later.Observed.Remote = remote(later, map[string]any{"max_capacity": float64(8)})
	g.Expect(managed.Compare(later).Differences).To(HaveLen(1), "another value is drift")
}

func TestAnEditWithoutAnEffectIsNotRepeatedForEver(t *testing.T) {
	g := NewWithT(t)
	nine := differing(map[string]any{"max_capacity": float64(9)})
	in := situation(nine)
	found := in.Compared.Differences
	for range 3 {
		g.Expect(managed.Compare(in).Normalized).To(BeEmpty())
		in.Attempts = in.Attempts.Recorded(managed.Attempt{Step: managed.StepEdit, Sent: found, At: noon, ValidAfter: noon})
	}
	g.Expect(managed.Compare(in).Normalized).To(HaveLen(1), "[case-115]")

	effective := situation()
	in.Attempts = in.Attempts.WithComparison(effective.Compared)
	g.Expect(managed.Compare(in).Normalized).To(BeEmpty(), "an edit that had an effect in between")
}

func TestContention(t *testing.T) {
	g := NewWithT(t)
	nine := differing(map[string]any{"max_capacity": float64(9)})
	corrected := metav1.NewTime(noon.Add(-time.Minute))
	count := func(n int32) change {
		return func(in *managed.Input) {
			in.Object.Status.Corrections = []v1alpha1.Correction{{Subject: "fields", Count: n, CorrectedTime: &corrected}}
		}
	}
	g.Expect(managed.Make(situation(nine, count(2))).Kind()).To(Equal(managed.StepRead), "[case-127]")
	held := managed.Make(situation(nine, count(3)))
	g.Expect(held.Kind()).To(Equal(managed.StepNone), "[case-127]")
	g.Expect(held.Verdict.Reason).To(Equal(v1alpha1.ReasonContended))
	g.Expect(held.RequeueAt).To(Equal(corrected.Add(2 * time.Minute)))
	edited := managed.Make(situation(nine, count(3), func(in *managed.Input) { in.Object.SetGeneration(2) }))
	g.Expect(edited.Kind()).To(Equal(managed.StepRead), "an edit of the object resets the count")
}

// facts draws situations.
var facts = rapid.Custom(func(t *rapid.T) []change {
	all := []change{
		fresh, pending(2 * time.Minute), missing, unknown, deleting, suspended, observing, adopted, named("x-y"),
		differing(map[string]any{"max_capacity": float64(9)}), differing(map[string]any{"node_type_id": "m5.large"}),
		func(in *managed.Input) { in.Observed.ManagedBy = "team-b/other" },
		func(in *managed.Input) { in.Observed.Host = "https://other" },
		func(in *managed.Input) { in.Observed.Blocked = &managed.Blocked{Reason: "X", Message: "m"} },
		func(in *managed.Input) {
			in.Observed.ReadFailure = &managed.Failure{Class: databricks.ClassForbidden, Message: "m"}
		},
		func(in *managed.Input) { in.Object.Spec.DeletionPolicy = v1alpha1.RemovalPolicyRetain },
		func(in *managed.Input) { in.Object.Spec.DeletionProtection = true },
		func(in *managed.Input) { in.Object.SetFinalizers(nil) },
		func(in *managed.Input) { in.Object.Spec.AdoptByName = true },
		failed(managed.StepEdit, databricks.ClassTransient, 0), failed(managed.StepCreate, databricks.ClassAmbiguous, 0),
	}
	return rapid.SliceOfN(rapid.SampledFrom(all), 0, 6).Draw(t, "changes")
})

func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		in := situation(facts.Draw(t, "facts")...)
		next := managed.Make(in)
		kind := next.Kind()
		object := in.Object
		if object.Spec.Suspend && !object.IsDeleting() || object.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve {
			g.Expect(kind.WritesToDatabricks()).To(BeFalse(), "%s", kind)
		}
		if !object.HasFinalizer(in.Kind) || in.Observed.Blocked != nil {
			g.Expect(kind.WritesToDatabricks()).To(BeFalse(), "%s", kind)
		}
		if in.Observed.ManagedBy != "" && object.CurrentID() != "" {
			g.Expect(kind.WritesToDatabricks()).To(BeFalse(), "%s", kind)
		}
		if kind == managed.StepDelete {
			g.Expect(object.IsDeleting()).To(BeTrue())
			g.Expect(object.EffectiveRemovalPolicy()).To(Equal(v1alpha1.RemovalPolicyDelete))
			g.Expect(object.Spec.DeletionProtection).To(BeFalse())
			g.Expect(in.Observed.Presence).To(Equal(managed.Present))
		}
		if kind == managed.StepCreate {
			g.Expect(in.Observed.Named).To(BeNil())
			g.Expect(object.IsDeleting()).To(BeFalse())
		}

		copied := in.Kind.View(object.DeepCopyObject().(managed.Resource))
		managed.ReportTo(managed.ReportInput{Input: in, Plan: next}, copied)
		once := copied.DeepCopyObject()
		again := in
		again.Object = copied
		managed.ReportTo(managed.ReportInput{Input: again, Plan: next}, copied)
		g.Expect(copied.Resource).To(BeEquivalentTo(once), "[S7] the same facts give the same status")
		ready, reconciling, stalled := 0, 0, 0
		for _, condition := range copied.Status.Conditions {
			switch {
			case condition.Type == v1alpha1.ConditionReady && condition.Status == metav1.ConditionTrue:
				ready++
			case condition.Type == v1alpha1.ConditionReconciling:
				reconciling++
			case condition.Type == v1alpha1.ConditionStalled:
				stalled++
			}
		}
		g.Expect(ready+reconciling+stalled).To(BeNumerically("<=", 1), "kstatus")
	})
}
