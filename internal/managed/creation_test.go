package managed_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/clusterpolicy"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// ofPolicy returns the facts about a policy that has a pending creation whose deadline was
// two minutes ago, and a policy of the same name in the workspace.
func ofPolicy(changes ...change) managed.Input {
	policy := &v1alpha1.DatabricksClusterPolicy{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team-a", Name: "rules", UID: uid, Generation: 1, Finalizers: []string{v1alpha1.FinalizerPolicy},
		CreationTimestamp: metav1.NewTime(noon.Add(-time.Hour)),
	}}
	policy.Spec.MaxClustersPerUser = new(int32(3))
	policy.Status.Name = "team-a-rules"
	policy.Status.Creation = &v1alpha1.CreationIntent{Token: "t-1", Incarnation: 1, Attempt: 1, NotAfter: new(metav1.NewTime(noon.Add(-2 * time.Minute)))}
	in := managed.Input{
		Kind: clusterpolicy.Kind, Object: clusterpolicy.Kind.View(policy), Now: noon, Owner: "0a1b2c3d-x",
		Limits:   managed.Limits{CreateWindow: 10 * time.Second, RequestDeadline: 30 * time.Second, VisibilityGrace: 30 * time.Second},
		Observed: managed.Observation{Host: "h", Principal: "operator@example.com", ListedAt: noon},
	}
	in.Desired, _ = in.Kind.Fields.Declared(in.Object.Declared)
	in.Observed.Named = &managed.Remote{ID: "P1", Name: "team-a-rules", At: noon, Tree: diff.Tree{
		"policy_id": "P1", "name": "team-a-rules", "max_clusters_per_user": float64(3), "creator_user_name": "operator@example.com",
		"created_at_timestamp": float64(noon.Add(-2 * time.Minute).UnixMilli()),
	}}
	for _, apply := range changes {
		apply(&in)
	}
	return in
}

// A policy carries no owner tag, so what a pending creation made is known by its creator,
// its time and its fields.
func TestWhatAPendingCreationMade(t *testing.T) {
	member := func(name string, value any) change {
		return func(in *managed.Input) { in.Observed.Named.Tree[name] = value }
	}
	// The intent was made ten seconds before its deadline, and clocks may be 16 minutes
	// apart.
	earliest := noon.Add(-2*time.Minute - 10*time.Second - 16*time.Minute)
	// The object declared three clusters when the create was sent, and declares five now.
	edited := func(in *managed.Input) {
		status := in.Object.Status
		status.OwnedFields, status.Creation.Digest = in.Kind.Fields.Owned(in.Desired), in.Kind.Fields.Digest(in.Desired)
		in.Desired["max_clusters_per_user"] = float64(5)
	}
	attempt := func(number int64) change {
		return func(in *managed.Input) { in.Object.Status.Creation.Attempt = number }
	}
	created := func(at time.Time) change { return member("created_at_timestamp", float64(at.UnixMilli())) }
	for name, row := range map[string]struct {
		changes []change
		isOwn   bool
	}{
		"[case-106] it is as declared":                                   {nil, true},
		"[case-106] another object manages it":                           {[]change{func(in *managed.Input) { in.Observed.ManagedBy = "team-a/other" }}, false},
		"[case-106] another creator":                                     {[]change{member("creator_user_name", "someone@example.com")}, false},
		"[case-106] other fields":                                        {[]change{member("max_clusters_per_user", float64(4))}, false},
		"[case-106] edited since, and as it was sent":                    {[]change{edited}, true},
		"[case-106] edited since, with fields added":                     {[]change{edited, member("description", "")}, true},
		"[case-106] edited since, and not as it was sent":                {[]change{edited, member("max_clusters_per_user", float64(4))}, false},
		"[case-106] edited since, and without what was sent":             {[]change{edited, member("max_clusters_per_user", nil)}, false},
		"[case-106] the fields are not known":                            {[]change{func(in *managed.Input) { in.Desired = nil }}, false},
		"[case-106] as old as the clocks permit":                         {[]change{created(earliest)}, true},
		"[case-106] older than the intent":                               {[]change{created(earliest.Add(-time.Millisecond))}, false},
		"[case-106] older, by a clock that is behind":                    {[]change{created(earliest.Add(-time.Hour)), func(in *managed.Input) { in.Observed.ClockSkew = -time.Hour }}, true},
		"[case-106] older, by a clock that is ahead":                     {[]change{created(earliest.Add(-time.Millisecond)), func(in *managed.Input) { in.Observed.ClockSkew = time.Hour }}, false},
		"[case-106] as old, by a clock that is ahead":                    {[]change{created(earliest), func(in *managed.Input) { in.Observed.ClockSkew = time.Hour }}, true},
		"[case-106] older than a second intent, and not than the object": {[]change{created(noon.Add(-30 * time.Minute)), attempt(2)}, true},
		"[case-106] of a second intent, and older than the object":       {[]change{created(noon.Add(-time.Hour - 16*time.Minute - time.Second)), attempt(2)}, false},
		"[case-106] without a time":                                      {[]change{member("created_at_timestamp", nil)}, false},
		"[case-106] a name of another case is that of the other":         {[]change{member("name", "Team-A-Rules")}, true},
		"[case-106] an intent without a deadline, since the object": {[]change{created(noon.Add(-time.Hour - 16*time.Minute - 10*time.Second)), func(in *managed.Input) {
			in.Object.Status.Creation.NotAfter = nil
		}}, true},
		"[case-106] an intent without a deadline, and older than the object": {[]change{created(noon.Add(-time.Hour - 17*time.Minute)), func(in *managed.Input) {
			in.Object.Status.Creation.NotAfter = nil
		}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			next := managed.Make(ofPolicy(row.changes...))
			if row.isOwn {
				g.Expect(next.Step).To(Equal(managed.StoreID{ID: "P1", Source: managed.FoundInList}))
				return
			}
			g.Expect(next.Step).To(BeNil())
			g.Expect(next.Verdict.Reason).To(Equal(v1alpha1.ReasonNameTaken))
		})
	}
	t.Run("[case-106] a pool without owner tags is known in the same way", func(t *testing.T) {
		g := NewWithT(t)
		in := situation(pending(2*time.Minute), named(""), func(in *managed.Input) { in.Owner = "" })
		g.Expect(managed.Make(in).Verdict.Reason).To(Equal(v1alpha1.ReasonNameTaken))
		tree := in.Observed.Named.Tree
		tree["creator_user_name"], tree["created_at_timestamp"] = in.Observed.Principal, float64(noon.UnixMilli())
		tree["node_type_id"], tree["max_capacity"] = "i3.xlarge", float64(3)
		g.Expect(managed.Make(in).Kind()).To(Equal(managed.StepStoreID))
	})
	t.Run("[case-108] a policy without a pending creation is never known", func(t *testing.T) {
		in := ofPolicy(func(in *managed.Input) { in.Object.Status.Creation = nil })
		NewWithT(t).Expect(managed.Make(in).Verdict.Reason).To(Equal(v1alpha1.ReasonNameTaken))
	})
}

func TestTheTimesOfACreation(t *testing.T) {
	seen := func(ago time.Duration) change {
		return func(in *managed.Input) { in.Attempts.CreationSeenAt = noon.Add(-ago) }
	}
	for name, row := range map[string]struct {
		changes   []change
		step      managed.StepKind
		requeueAt time.Time
	}{
		"[case-106] a request and the grace after the deadline":  {[]change{pending(59 * time.Second)}, managed.StepNone, noon.Add(time.Second)},
		"[case-106] at that moment the list is too old":          {[]change{pending(time.Minute)}, managed.StepNone, time.Time{}},
		"[case-106] by the own clock, whatever the deadline":     {[]change{pending(time.Hour), seen(69 * time.Second)}, managed.StepNone, noon.Add(time.Second)},
		"[case-106] by the own clock, of a deadline in future":   {[]change{pending(-time.Hour), seen(71 * time.Second)}, managed.StepCreate, time.Time{}},
		"[case-106] the id of this process ends the wait":        {[]change{pending(0), returned("t-1", 1)}, managed.StepStoreID, time.Time{}},
		"[case-106] the id of another attempt does not":          {[]change{pending(0), returned("t-1", 2)}, managed.StepNone, noon.Add(time.Minute)},
		"[case-106] the id of another incarnation does not":      {[]change{pending(0), returned("t-2", 1)}, managed.StepNone, noon.Add(time.Minute)},
		"[case-125] missing is not believed of a new one":        {[]change{unknown, created(0)}, managed.StepNone, noon.Add(time.Minute)},
		"[case-125] the wait for it is over":                     {[]change{unknown, created(time.Minute)}, managed.StepNone, time.Time{}},
		"[case-103] deletion of what was just created":           {[]change{deleting, created(0), unknown}, managed.StepNone, noon.Add(time.Minute)},
		"[case-123] deleted in between: the id is stored before": {[]change{pending(0), returned("t-1", 1), deleting}, managed.StepStoreID, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			next := managed.Make(situation(row.changes...))
			g.Expect(next.Kind()).To(Equal(row.step))
			g.Expect(next.RequeueAt).To(Equal(row.requeueAt))
		})
	}
	t.Run("the verdict of an id that is stored", func(t *testing.T) {
		g := NewWithT(t)
		g.Expect(managed.Make(situation(pending(0), returned("t-1", 1))).Verdict.Reason).To(Equal(v1alpha1.ReasonCreating))
		g.Expect(managed.Make(situation(pending(0), returned("t-1", 1), deleting)).Verdict.Reason).To(Equal(v1alpha1.ReasonDeleting))
	})
	t.Run("[case-106] an answer without an id ends nothing", func(t *testing.T) {
		in := situation(pending(0), returned("t-1", 1), func(in *managed.Input) { in.Attempts.Last.ID = "" })
		NewWithT(t).Expect(managed.Make(in).Step).To(BeNil())
	})
}

// returned is a create of this process that returned an id.
func returned(token string, attempt int64) change {
	return func(in *managed.Input) {
		in.Attempts = in.Attempts.Recorded(managed.Attempt{Step: managed.StepCreate, ID: "new", Token: token, CreateAttempt: attempt, Generation: 1})
	}
}

func TestTheCreate(t *testing.T) {
	create := func(changes ...change) managed.Create {
		step, ok := managed.Make(situation(changes...)).Step.(managed.Create)
		NewWithT(t).Expect(ok).To(BeTrue())
		return step
	}
	g := NewWithT(t)
	first := create(fresh, func(in *managed.Input) { pool(in).Spec.CustomTags = map[string]string{"team": "a"} })
	g.Expect(first.Intent).To(Equal(managed.Intent{Token: string(uid) + "-1", Incarnation: 1, Attempt: 1, NotAfter: noon.Add(10 * time.Second)}), "[case-101]")
	g.Expect(first.Name).To(Equal("team-a-warm"))
	g.Expect(first.Body).To(Equal(diff.Tree{
		"instance_pool_name": "team-a-warm", "node_type_id": "i3.xlarge", "max_capacity": float64(3),
		"custom_tags": map[string]any{"team": "a", v1alpha1.PoolOwnerTagKey: situation().Owner},
	}))
	g.Expect(create(fresh).Body["custom_tags"]).To(Equal(map[string]any{v1alpha1.PoolOwnerTagKey: situation().Owner}))
	untagged := create(fresh, func(in *managed.Input) { in.Owner = "" })
	g.Expect(untagged.Body).NotTo(HaveKey("custom_tags"))

	again := create(pending(2 * time.Minute))
	g.Expect(again.Intent).To(Equal(managed.Intent{Token: "t-1", Incarnation: 1, Attempt: 2, NotAfter: noon.Add(10 * time.Second)}), "[case-106] the same creation again")
	next := create(missing, created(time.Hour))
	g.Expect(next.Intent).To(Equal(managed.Intent{Token: string(uid) + "-2", Incarnation: 2, Attempt: 1, NotAfter: noon.Add(10 * time.Second)}), "[case-125] another incarnation")

	policy := ofPolicy(func(in *managed.Input) { in.Observed.Named = nil })
	step, ok := managed.Make(policy).Step.(managed.Create)
	g.Expect(ok).To(BeTrue())
	g.Expect(step.Body).To(Equal(diff.Tree{"name": "team-a-rules", "max_clusters_per_user": float64(3)}), "a policy has no tags")
	g.Expect(policy.Desired).NotTo(HaveKey("name"), "the specification is not changed")
}

func TestAdoptionByID(t *testing.T) {
	byID := func(in *managed.Input) { in.Object.NamedID = "theirs" }
	for name, row := range map[string]struct {
		changes []change
		step    managed.Step
		reason  string
		message string
	}{
		"[case-110] it exists":         {[]change{fresh, byID, theirs}, managed.StoreID{ID: "theirs", Source: managed.AdoptedByID}, "", ""},
		"[case-110] it does not exist": {[]change{fresh, byID, missing}, nil, v1alpha1.ReasonAdoptionTargetNotFound, "spec.poolID theirs does not exist in https://example.cloud.databricks.com"},
		"[case-110] it was purged":     {[]change{fresh, byID, func(in *managed.Input) { in.Observed.Presence = managed.Purged }}, nil, v1alpha1.ReasonAdoptionTargetNotFound, "theirs"},
		"[case-110] it was not read":   {[]change{fresh, byID}, nil, v1alpha1.ReasonCreating, "looking for instance pool theirs"},
		"[case-133] it cannot be read": {[]change{fresh, byID, func(in *managed.Input) {
			in.Observed.ReadFailure = &managed.Failure{Class: databricks.ClassForbidden, Message: "no rights"}
		}}, nil, v1alpha1.ReasonPermissionDenied, "no rights"},
		"[case-128] another object has it": {[]change{fresh, byID, theirs, func(in *managed.Input) { in.Observed.ManagedBy = "team-a/b" }}, nil, v1alpha1.ReasonAlreadyManaged, "is already managed by DatabricksInstancePool team-a/b"},
		"[case-125] it is gone":            {[]change{missing, adopted}, nil, v1alpha1.ReasonAdoptionTargetNotFound, "the adopted instance pool " + poolID},
		"[case-112] observed, and gone":    {[]change{missing, observing}, nil, v1alpha1.ReasonAdoptionTargetNotFound, "the instance pool " + poolID + " does not exist any more"},
		"[case-125] gone, without a list":  {[]change{missing, func(in *managed.Input) { in.Observed.ListedAt = time.Time{} }}, nil, v1alpha1.ReasonCreating, "does not exist any more; creating it again"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			next := managed.Make(situation(row.changes...))
			if row.step == nil {
				g.Expect(next.Step).To(BeNil())
			} else {
				g.Expect(next.Step).To(Equal(row.step))
			}
			g.Expect(next.Verdict.Reason).To(Equal(row.reason))
			g.Expect(next.Verdict.Message).To(ContainSubstring(row.message))
			g.Expect(next.Verdict.Stalled).To(Equal(row.reason != "" && row.reason != v1alpha1.ReasonCreating))
		})
	}
}

// theirs is a pool in the workspace without an owner tag.
func theirs(in *managed.Input) {
	in.Observed.Presence = managed.Present
	in.Observed.Remote = &managed.Remote{ID: "theirs", Name: "theirs", Tree: diff.Tree{}, At: noon}
}

func TestNames(t *testing.T) {
	byName := func(in *managed.Input) { in.Object.Spec.AdoptByName = true }
	for name, row := range map[string]struct {
		changes []change
		step    managed.StepKind
		reason  string
		message string
	}{
		"[case-108] taken by a stranger":                 {[]change{fresh, named("")}, managed.StepNone, v1alpha1.ReasonNameTaken, `instance pool other has the name "team-a-warm" already, and names are unique in a workspace`},
		"[case-108] the remedy":                          {[]change{fresh, named("")}, managed.StepNone, v1alpha1.ReasonNameTaken, "set spec.adoptByName: true or spec.poolID to adopt it, or choose another spec.instancePoolName"},
		"[case-108] taken by another object":             {[]change{fresh, named(""), func(in *managed.Input) { in.Observed.ManagedBy = "team-b/x" }}, managed.StepNone, v1alpha1.ReasonNameTaken, "another object manages it; choose another spec.instancePoolName"},
		"[case-113] observed by name":                    {[]change{fresh, observing, byName, named("")}, managed.StepStoreID, "", ""},
		"[case-113] observed, and another manages it":    {[]change{fresh, observing, byName, named(""), func(in *managed.Input) { in.Observed.ManagedBy = "team-b/x" }}, managed.StepStoreID, "", ""},
		"[case-113] observed, and nothing has the name":  {[]change{fresh, observing, byName}, managed.StepNone, v1alpha1.ReasonAdoptionTargetNotFound, `no instance pool with the name "team-a-warm" that the credential can see; correct spec.instancePoolName`},
		"[case-113] pending, observed by now, not found": {[]change{pending(2 * time.Minute), observing, byName}, managed.StepNone, v1alpha1.ReasonAdoptionTargetNotFound, "team-a-warm"},
		"[case-111] by name, with the tag of another":    {[]change{fresh, byName, named("x-y")}, managed.StepStoreID, "", ""},
		"[case-108] no list yet":                         {[]change{fresh, func(in *managed.Input) { in.Observed.ListedAt = time.Time{} }}, managed.StepNone, v1alpha1.ReasonCreating, `looking for instance pool "team-a-warm"`},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			next := managed.Make(situation(row.changes...))
			g.Expect(next.Kind()).To(Equal(row.step))
			g.Expect(next.Verdict.Reason).To(Equal(row.reason))
			g.Expect(next.Verdict.Message).To(ContainSubstring(row.message))
		})
	}
}

func TestTargetName(t *testing.T) {
	g := NewWithT(t)
	object := situation().Object
	g.Expect(object.TargetName()).To(Equal("team-a-warm"))
	object.Status.Name = "renamed elsewhere"
	g.Expect(object.TargetName()).To(Equal("renamed elsewhere"))
	object.DeclaredName = "Declared"
	g.Expect(object.TargetName()).To(Equal("Declared"))

	long := situation(func(in *managed.Input) { in.Object.SetName(strings.Repeat("n", 93)) }).Object
	g.Expect(long.TargetName()).To(Equal("team-a-"+strings.Repeat("n", 93)), "a hundred characters")
	long.SetName(strings.Repeat("n", 94))
	other := situation(func(in *managed.Input) { in.Object.SetName(strings.Repeat("n", 95)) }).Object
	g.Expect(long.TargetName()).To(HaveLen(100))
	g.Expect(long.TargetName()).To(HavePrefix("team-a-" + strings.Repeat("n", 84) + "-"))
	g.Expect(long.TargetName()).NotTo(Equal(other.TargetName()), "a hash of the whole name")
}
