package managed_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/owner"
)

// editOf returns the edit of a situation, which is based on a GET.
func editOf(t *testing.T, changes ...change) managed.Edit {
	t.Helper()
	in := situation(changes...)
	in.Object.Status.OwnedFields = append(in.Object.Status.OwnedFields, in.Kind.Fields.Owned(in.Desired)...)
	in.Compared = managed.Compare(in)
	in.Attempts = in.Attempts.WithBase(in.Compared.Differences, noon)
	step, ok := managed.Make(in).Step.(managed.Edit)
	NewWithT(t).Expect(ok).To(BeTrue())
	return step
}

func TestTheBodyOfAnEdit(t *testing.T) {
	own := situation().Owner
	tagged := func(in *managed.Input) { pool(in).Spec.CustomTags = map[string]string{"team": "a"} }
	owns := func(paths ...string) change {
		return func(in *managed.Input) { in.Object.Status.OwnedFields = append(in.Object.Status.OwnedFields, paths...) }
	}
	tags := func(of map[string]any) change {
		of[v1alpha1.PoolOwnerTagKey] = own
		return differing(map[string]any{"custom_tags": of})
	}
	t.Run("[case-117] tags: the declared ones are set, and the others stay", func(t *testing.T) {
		edit := editOf(t, tagged, tags(map[string]any{"team": "b", "cost": "theirs"}))
		NewWithT(t).Expect(edit.Body["custom_tags"]).To(Equal(map[string]any{"team": "a", "cost": "theirs", v1alpha1.PoolOwnerTagKey: own}))
		NewWithT(t).Expect(edit.ID).To(Equal(poolID))
	})
	t.Run("[case-117] a tag that is no longer declared is removed", func(t *testing.T) {
		edit := editOf(t, owns("/customTags/team"), tags(map[string]any{"team": "a", "cost": "theirs"}))
		NewWithT(t).Expect(edit.Body["custom_tags"]).To(Equal(map[string]any{"cost": "theirs", v1alpha1.PoolOwnerTagKey: own}))
	})
	t.Run("[case-102] a field that is no longer declared is removed", func(t *testing.T) {
		edit := editOf(t, owns("/minIdleInstances"), differing(map[string]any{"min_idle_instances": float64(1), "idle_instance_autotermination_minutes": float64(7)}))
		g := NewWithT(t)
		g.Expect(edit.Body).NotTo(HaveKey("min_idle_instances"))
		g.Expect(edit.Body).To(HaveKeyWithValue("idle_instance_autotermination_minutes", float64(7)), "it was never declared")
	})
	t.Run("[case-102] a field that the workspace does not have yet", func(t *testing.T) {
		edit := editOf(t, func(in *managed.Input) { pool(in).Spec.MinIdleInstances = new(int32(2)) })
		NewWithT(t).Expect(edit.Body).To(HaveKeyWithValue("min_idle_instances", float64(2)))
	})
	t.Run("[case-117] tags that the workspace does not have yet", func(t *testing.T) {
		edit := editOf(t, tagged, differing(map[string]any{"custom_tags": nil}))
		NewWithT(t).Expect(edit.Body["custom_tags"]).To(Equal(map[string]any{"team": "a"}))
	})
	t.Run("what was read is not changed", func(t *testing.T) {
		in := situation(tagged, tags(map[string]any{"team": "b"}))
		in.Object.Status.OwnedFields = in.Kind.Fields.Owned(in.Desired)
		in.Attempts = in.Attempts.WithBase(in.Compared.Differences, noon)
		before := in.Observed.Remote.Tree.Clone()
		managed.Make(in)
		NewWithT(t).Expect(in.Observed.Remote.Tree).To(Equal(before))
	})
}

// A removal of an immutable field changes nothing, and one that the server normalized is
// not repeated.
func TestWhatIsNoLongerDeclared(t *testing.T) {
	owned := func(in *managed.Input) {
		in.Object.Status.OwnedFields = append(in.Object.Status.OwnedFields, "/enableElasticDisk", "/minIdleInstances")
	}
	g := NewWithT(t)
	in := situation(owned, differing(map[string]any{"min_idle_instances": float64(1)}))
	g.Expect(in.Compared.Differences).To(ConsistOf(HaveField("Path", "/min_idle_instances")))
	for range 3 {
		in.Attempts = in.Attempts.Recorded(managed.Attempt{Step: managed.StepEdit, Sent: in.Compared.Differences, At: noon})
	}
	g.Expect(managed.Compare(in).Differences).To(BeEmpty(), "[case-115]")
}

func TestCompareNeedsBothSides(t *testing.T) {
	for name, row := range map[string]struct {
		changes []change
		change  func(in *managed.Input)
	}{
		"no specification": {nil, func(in *managed.Input) { in.Desired = nil }},
		"not read":         {[]change{unknown}, func(*managed.Input) {}},
		"missing":          {[]change{missing}, func(*managed.Input) {}},
	} {
		in := situation(row.changes...)
		row.change(&in)
		NewWithT(t).Expect(managed.Compare(in)).To(Equal(managed.Comparison{}), name)
	}
	g := NewWithT(t)
	g.Expect(managed.Compare(situation())).To(Equal(managed.Comparison{Known: true}))
	changed := situation(func(in *managed.Input) { in.Object.Status.AppliedDigest = "v1:other" })
	g.Expect(changed.Compared.ChangedByUser).To(BeTrue())
	never := situation(func(in *managed.Input) { in.Object.Status.AppliedDigest = "" })
	g.Expect(never.Compared.ChangedByUser).To(BeFalse())
}

// What a create asked for and the server made otherwise is no drift, but what another
// create asked for is.
func TestTheFirstComparison(t *testing.T) {
	nine := differing(map[string]any{"max_capacity": float64(9)})
	digest := func(in *managed.Input) string { return in.Kind.Fields.Digest(in.Desired) }
	for name, row := range map[string]struct {
		change     change
		normalized bool
	}{
		"[case-115] of this create": {func(in *managed.Input) {
			in.Object.Status.AppliedDigest = ""
			in.Object.Status.Creation = &v1alpha1.CreationIntent{Digest: digest(in)}
		}, true},
		"[case-102] edited since": {func(in *managed.Input) {
			in.Object.Status.AppliedDigest = ""
			in.Object.Status.Creation = &v1alpha1.CreationIntent{Digest: "v1:x"}
		}, false},
		"[case-104] applied since":      {func(in *managed.Input) { in.Object.Status.Creation = &v1alpha1.CreationIntent{Digest: digest(in)} }, false},
		"[case-110] adopted, no create": {func(in *managed.Input) { in.Object.Status.AppliedDigest = "" }, false},
	} {
		found := situation(nine, row.change).Compared
		NewWithT(t).Expect(found.Normalized).To(HaveLen(map[bool]int{true: 1}[row.normalized]), name)
		NewWithT(t).Expect(found.Differences).To(HaveLen(map[bool]int{false: 1}[row.normalized]), name)
	}
}

func TestBackoffOfAStep(t *testing.T) {
	nine := differing(map[string]any{"max_capacity": float64(9)})
	of := func(class databricks.Class) change { return failed(managed.StepEdit, class, 0) }
	later := func(by time.Duration) change { return func(in *managed.Input) { in.Now = noon.Add(by) } }
	edited := func(in *managed.Input) { in.Object.SetGeneration(2) }
	rotated := func(in *managed.Input) { in.Observed.Credential = "second" }
	for name, row := range map[string]struct {
		changes   []change
		step      managed.StepKind
		requeueAt time.Time
	}{
		"[case-133] before it ends":               {[]change{nine, of(databricks.ClassBusy), later(5*time.Second - 1)}, managed.StepNone, noon.Add(5 * time.Second)},
		"[case-133] when it ends":                 {[]change{nine, of(databricks.ClassBusy), later(5 * time.Second)}, managed.StepRead, time.Time{}},
		"[case-133] a new spec does not end it":   {[]change{nine, of(databricks.ClassBusy), edited}, managed.StepNone, noon.Add(5 * time.Second)},
		"[case-07] a new spec ends a refusal":     {[]change{nine, of(databricks.ClassInvalid), edited}, managed.StepRead, time.Time{}},
		"[case-07] another Secret ends a refusal": {[]change{nine, of(databricks.ClassInvalid), rotated}, managed.StepRead, time.Time{}},
		"[case-07] a refusal":                     {[]change{nine, of(databricks.ClassInvalid)}, managed.StepNone, noon.Add(30 * time.Minute)},
		"another step does not delay an edit":     {[]change{nine, failed(managed.StepCreate, databricks.ClassInvalid, 0)}, managed.StepRead, time.Time{}},
		"an edit does not delay a create":         {[]change{fresh, of(databricks.ClassInvalid)}, managed.StepCreate, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			next := managed.Make(situation(row.changes...))
			g.Expect(next.Kind()).To(Equal(row.step))
			g.Expect(next.RequeueAt).To(Equal(row.requeueAt))
		})
	}
}

func TestPermissions(t *testing.T) {
	differ := func(in *managed.Input) {
		granting(in)
		in.Observed.Permissions = managed.PermissionsRead{Known: true, Direct: []diff.Permission{{UserName: "operator@example.com", PermissionLevel: "CAN_MANAGE"}}}
	}
	t.Run("[case-119] the declared ones are set, and the operator keeps its own", func(t *testing.T) {
		next := managed.Make(situation(differ))
		NewWithT(t).Expect(next.Step).To(Equal(managed.SetPermissions{ID: poolID, Permissions: []diff.Permission{
			{GroupName: "users", PermissionLevel: "CAN_ATTACH_TO"}, {UserName: "operator@example.com", PermissionLevel: "CAN_MANAGE"},
		}}))
		NewWithT(t).Expect(next.Verdict).To(Equal(managed.Verdict{Reason: v1alpha1.ReasonUpdating, Message: "/accessControlList"}))
		NewWithT(t).Expect(next.Reverses).To(Equal("permissions"))
	})
	t.Run("[case-119] equal ones are not set", func(t *testing.T) {
		in := situation(differ)
		in.Observed.Permissions.Direct = append(in.Object.Permissions, in.Observed.Permissions.Direct...)
		NewWithT(t).Expect(managed.Make(in).Step).To(BeNil())
	})
	t.Run("[case-119] a refusal delays them, and not the fields", func(t *testing.T) {
		g := NewWithT(t)
		refusal := failed(managed.StepSetPermissions, databricks.ClassForbidden, time.Minute)
		next := managed.Make(situation(differ, refusal))
		g.Expect(next.Step).To(BeNil())
		g.Expect(next.RequeueAt).To(Equal(noon.Add(9 * time.Minute)))
		g.Expect(next.Verdict).To(Equal(managed.Verdict{Reason: v1alpha1.ReasonPermissionDenied, Message: "spec.accessControlList: m", Stalled: true}))
		g.Expect(managed.Make(situation(differ, refusal, differing(map[string]any{"max_capacity": float64(9)}))).Kind()).To(Equal(managed.StepRead))
	})
	t.Run("the form of the API", func(t *testing.T) {
		g := NewWithT(t)
		entry := func(one v1alpha1.PoolAccessControl) (v1alpha1.Principal, string) {
			return one.Principal, string(one.PermissionLevel)
		}
		g.Expect(managed.Permissions(nil, entry)).To(BeNil(), "not managed")
		g.Expect(managed.Permissions([]v1alpha1.PoolAccessControl{}, entry)).To(Equal([]diff.Permission{}), "all are removed")
		g.Expect(managed.Permissions([]v1alpha1.PoolAccessControl{
			{Principal: v1alpha1.Principal{UserName: "u"}, PermissionLevel: "CAN_MANAGE"}, {Principal: v1alpha1.Principal{ServicePrincipalName: "s"}, PermissionLevel: "CAN_ATTACH_TO"},
		}, entry)).To(Equal([]diff.Permission{{UserName: "u", PermissionLevel: "CAN_MANAGE"}, {ServicePrincipalName: "s", PermissionLevel: "CAN_ATTACH_TO"}}))
	})
}

func TestThePauseBetweenCorrections(t *testing.T) {
	nine := differing(map[string]any{"max_capacity": float64(9)})
	corrected := metav1.NewTime(noon.Add(-time.Minute))
	count := func(n int32, ago time.Duration) change {
		return func(in *managed.Input) {
			in.Object.Status.Corrections = []v1alpha1.Correction{
				{Subject: "existence", Count: 90, CorrectedTime: &corrected},
				{Subject: "fields", Count: n},
				{Subject: "fields", Count: n, CorrectedTime: new(metav1.NewTime(noon.Add(-ago)))},
			}
		}
	}
	limits := func(window, backoff time.Duration) change {
		return func(in *managed.Input) { in.Limits.ContentionWindow, in.Limits.ContentionBackoff = window, backoff }
	}
	for name, row := range map[string]struct {
		changes   []change
		step      managed.StepKind
		contended string
		requeueAt time.Time
	}{
		"[case-127] the third reversal":                     {[]change{nine, count(2, 0)}, managed.StepRead, "", time.Time{}},
		"[case-127] the fourth waits two minutes":           {[]change{nine, count(3, 0)}, managed.StepNone, "fields", noon.Add(2 * time.Minute)},
		"[case-127] the fourth, after two minutes":          {[]change{nine, count(3, 2*time.Minute)}, managed.StepRead, "fields", time.Time{}},
		"[case-127] the fifth waits four":                   {[]change{nine, count(4, 0)}, managed.StepNone, "fields", noon.Add(4 * time.Minute)},
		"[case-127] the eighth waits 32":                    {[]change{nine, count(7, 0)}, managed.StepNone, "fields", noon.Add(32 * time.Minute)},
		"[case-127] another count expires before the pause": {[]change{nine, count(8, 0)}, managed.StepNone, "fields", noon.Add(59 * time.Minute)},
		"[case-127] the hundredth":                          {[]change{nine, count(99, 0)}, managed.StepNone, "fields", noon.Add(59 * time.Minute)},
		"[case-127] after the window it is the first":       {[]change{nine, count(90, time.Hour)}, managed.StepRead, "", time.Time{}},
		"[case-127] flags set another window":               {[]change{nine, count(90, 10*time.Minute), limits(10*time.Minute, 0)}, managed.StepRead, "", time.Time{}},
		"[case-127] flags set another pause":                {[]change{nine, count(4, 0), limits(0, time.Second)}, managed.StepNone, "fields", noon.Add(2 * time.Second)},
		"[case-127] a pause beyond the window":              {[]change{nine, count(3, 0), limits(time.Minute, time.Hour)}, managed.StepNone, "fields", noon.Add(time.Minute)},
		"[case-127] an edit of the user is none":            {[]change{nine, count(3, 0), func(in *managed.Input) { in.Object.Status.AppliedDigest = "v1:x" }}, managed.StepRead, "", time.Time{}},
		"[case-110] an adoption is none":                    {[]change{nine, count(3, 0), func(in *managed.Input) { in.Object.Status.AppliedDigest = "" }}, managed.StepRead, "", time.Time{}},
		"[P7] a count expires without a difference":         {[]change{count(1, 50*time.Minute)}, managed.StepNone, "", noon.Add(10 * time.Minute)},
		"[P7] and requeues no more when it has":             {[]change{count(1, 2*time.Hour)}, managed.StepNone, "", noon.Add(59 * time.Minute)},
		"[case-127] what is deleted again and again":        {[]change{missing, count(0, 0)}, managed.StepNone, "existence", noon.Add(59 * time.Minute)},
		"[case-102] the ownership is stored before":         {[]change{nine, count(9, 0), func(in *managed.Input) { in.Object.Status.OwnedFields = nil }}, managed.StepPersistOwnership, "", time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			next := managed.Make(situation(row.changes...))
			g.Expect(next.Kind()).To(Equal(row.step))
			g.Expect(next.Contended).To(Equal(row.contended))
			g.Expect(next.RequeueAt).To(Equal(row.requeueAt))
			if row.contended != "" && row.step == managed.StepNone {
				what := map[string]string{"fields": "spec.maxCapacity", "existence": "the existence of the instance pool"}[row.contended]
				g.Expect(next.Verdict).To(Equal(managed.Verdict{
					Reason:  v1alpha1.ReasonContended,
					Message: fmt.Sprintf("another actor has set back %s more than three times within an hour; corrections continue with backoff", what),
				}))
			}
		})
	}
}

func TestAuthority(t *testing.T) {
	other := owner.Of("ffffffff", "99999999-2222-3333-4444-555555555555", "team-b", "cold")
	tagged := differing(map[string]any{"custom_tags": map[string]any{v1alpha1.PoolOwnerTagKey: other.Tag()}})
	takeOver := func(named string) change {
		return func(in *managed.Input) {
			in.Object.SetAnnotations(map[string]string{v1alpha1.AnnotationTakeOver: named})
		}
	}
	by := func(name string) change { return func(in *managed.Input) { in.Observed.ManagedBy = name } }
	for name, row := range map[string]struct {
		changes []change
		message string
	}{
		"[case-129] the tag of another":               {[]change{tagged}, "instance pool " + poolID + " carries the owner tag " + other.Tag() + " of another object"},
		"[case-129] the remedy":                       {[]change{tagged}, "annotate this one with " + v1alpha1.AnnotationTakeOver + ": " + other.Tag()},
		"[case-129] taken over by the tag":            {[]change{tagged, takeOver(other.Tag())}, ""},
		"[case-129] by the id of the owner":           {[]change{tagged, takeOver(other.ID())}, ""},
		"[case-129] by the operator":                  {[]change{tagged, takeOver("ffffffff")}, ""},
		"[case-129] by the uid":                       {[]change{tagged, takeOver(other.UID)}, ""},
		"[case-129] by something else":                {[]change{tagged, takeOver("team-b")}, "carries the owner tag"},
		"[case-129] an operator without owner tags":   {[]change{tagged, func(in *managed.Input) { in.Owner = "" }}, "carries the owner tag"},
		"[case-128] an object of the namespace":       {[]change{by("team-a/b")}, "is already managed by DatabricksInstancePool team-a/b; remove one of the two"},
		"[case-128] an object of another namespace":   {[]change{by("team-b/b")}, "is already managed by an object of another namespace"},
		"[case-128] of a namespace with this prefix":  {[]change{by("team-ab/b")}, "is already managed by an object of another namespace"},
		"[case-128] a name that is only a namespace":  {[]change{by("team-a")}, "is already managed by an object of another namespace"},
		"[case-112] an observing object may":          {[]change{tagged, by("team-b/b"), observing}, ""},
		"[case-128] before it has anything":           {[]change{fresh, by("team-a/b")}, ""},
		"[case-129] what is gone has no tag":          {[]change{missing}, ""},
		"[case-121] the same host, another workspace": {[]change{func(in *managed.Input) { in.Object.Status.WorkspaceID, in.Observed.WorkspaceID = "1", "2" }}, "the instance pool is in 1, but the credentials now name 2"},
		"[case-121] a workspace that is not known":    {[]change{func(in *managed.Input) { in.Object.Status.WorkspaceID = "1" }}, ""},
		"[case-121] a host that is not known":         {[]change{func(in *managed.Input) { in.Observed.Host = "" }}, ""},
		"[case-121] another host":                     {[]change{func(in *managed.Input) { in.Observed.Host = "https://other" }}, "the instance pool is in https://example.cloud.databricks.com, but the credentials now name https://other"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			next := managed.Make(situation(row.changes...))
			g.Expect(next.Verdict.Message).To(ContainSubstring(row.message))
			g.Expect(next.Verdict.Stalled).To(Equal(row.message != ""))
		})
	}
}

func TestUnreachable(t *testing.T) {
	g := NewWithT(t)
	blocked := &managed.Blocked{Reason: "R", Message: "m", Remedy: "do this", Stalled: true, RequeueAt: noon.Add(time.Minute)}
	next := managed.Make(situation(func(in *managed.Input) { in.Observed.Blocked = blocked }))
	g.Expect(next).To(Equal(managed.Plan{Verdict: managed.Verdict{Reason: "R", Message: "m; do this", Stalled: true}, RequeueAt: noon.Add(time.Minute)}), "[case-120]")
	g.Expect((&managed.Blocked{Message: "m"}).Text()).To(Equal("m"))
}

// reported is a situation in which nothing is written, with the reason that is reported and
// the time of the next evaluation.
type reported struct {
	changes   []change
	reason    string
	requeueAt time.Time
}

func areReported(t *testing.T, rows map[string]reported) {
	t.Helper()
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			next := managed.Make(situation(row.changes...))
			g.Expect(next.Verdict.Reason).To(Equal(row.reason))
			g.Expect(next.RequeueAt).To(Equal(row.requeueAt))
			g.Expect(next.Step).To(BeNil())
		})
	}
}

func TestAnOutageSinceTheStart(t *testing.T) {
	away := func(lasting time.Duration, requeueAt time.Time) change {
		return func(in *managed.Input) {
			in.Observed.Blocked = &managed.Blocked{
				Reason: v1alpha1.ReasonRetryingAfterError, Message: "503", RequeueAt: requeueAt,
				Outage: &managed.Outage{Failure: &managed.Failure{Class: databricks.ClassTransient, Message: "503"}, Since: noon.Add(-lasting)},
			}
		}
	}
	notReady := func(in *managed.Input) { in.Object.Status.Conditions = nil }
	soon := noon.Add(time.Minute)
	areReported(t, map[string]reported{
		"[case-133] what was Ready":                   {[]change{ready, away(time.Minute, soon)}, "", soon},
		"[case-133] until the grace ends":             {[]change{ready, away(14*time.Minute+30*time.Second, soon)}, "", noon.Add(30 * time.Second)},
		"[case-133] without another retry":            {[]change{ready, away(14*time.Minute, time.Time{})}, "", soon},
		"[case-133] for a quarter of an hour":         {[]change{ready, away(15*time.Minute, soon)}, v1alpha1.ReasonRetryingAfterError, soon},
		"[case-133] what was not Ready":               {[]change{notReady, away(time.Minute, soon)}, v1alpha1.ReasonRetryingAfterError, soon},
		"[case-133] what was Ready before it changed": {[]change{ready, away(time.Minute, soon), func(in *managed.Input) { in.Object.SetGeneration(2) }}, v1alpha1.ReasonRetryingAfterError, soon},
		"[case-120] an object that is being deleted":  {[]change{ready, deleting, away(time.Minute, soon)}, v1alpha1.ReasonRetryingAfterError, soon},
		"[case-120] a Secret that is missing is no outage": {[]change{ready, func(in *managed.Input) {
			in.Observed.Blocked = &managed.Blocked{Reason: v1alpha1.ReasonCredentialsNotReady, Message: "m", RequeueAt: soon}
		}}, v1alpha1.ReasonCredentialsNotReady, soon},
	})
}

func TestReadsOfTheWorkspaceThatFail(t *testing.T) {
	fails := func(class databricks.Class, since time.Duration) change {
		return func(in *managed.Input) {
			in.Observed.ReadFailure, in.Observed.ReadFailingSince = &managed.Failure{Class: class, Message: "m"}, noon.Add(-since)
		}
	}
	edited := func(in *managed.Input) { in.Object.SetGeneration(2) }
	areReported(t, map[string]reported{
		"[case-133] for a short time":                   {[]change{fails(databricks.ClassTransient, 14*time.Minute)}, "", noon.Add(time.Minute)},
		"[case-133] for a quarter of an hour":           {[]change{fails(databricks.ClassTransient, 15*time.Minute)}, v1alpha1.ReasonRetryingAfterError, time.Time{}},
		"[case-133] before this generation was applied": {[]change{fails(databricks.ClassTransient, 0), edited}, v1alpha1.ReasonRetryingAfterError, time.Time{}},
		"[case-120] a credential that is rejected":      {[]change{fails(databricks.ClassUnauthenticated, 0)}, v1alpha1.ReasonAuthenticationFailed, time.Time{}},
		"[case-120] rights that are missing":            {[]change{fails(databricks.ClassForbidden, 0)}, v1alpha1.ReasonPermissionDenied, time.Time{}},
		"[case-120] another host":                       {[]change{fails(databricks.ClassHost, 0)}, v1alpha1.ReasonHostNotAllowed, time.Time{}},
		"[case-133] and nothing was read":               {[]change{unknown, fails(databricks.ClassTransient, 0)}, "", noon.Add(15 * time.Minute)},
		"[case-101] not read yet, and new":              {[]change{unknown, ready, edited}, v1alpha1.ReasonUpdating, time.Time{}},
		"[case-101] not read yet, without a status":     {[]change{unknown}, v1alpha1.ReasonUpdating, time.Time{}},
		"[case-101] not read yet, and Ready":            {[]change{unknown, ready}, "", time.Time{}},
		"[case-106] not read yet, and just created":     {[]change{unknown, ready, created(0)}, "", noon.Add(time.Minute)},
	})
}

func TestSuspension(t *testing.T) {
	owned := func(in *managed.Input) { in.Object.Status.OwnedFields = nil }
	nine := differing(map[string]any{"max_capacity": float64(9)})
	for name, row := range map[string]struct {
		changes []change
		step    managed.StepKind
		reason  string
	}{
		"[case-130] the ownership is not stored either": {[]change{suspended, nine, owned}, managed.StepNone, ""},
		"[case-130] nothing is created":                 {[]change{suspended, missing}, managed.StepNone, v1alpha1.ReasonSuspended},
		"[case-130] an id is stored":                    {[]change{suspended, pending(0), returned("t-1", 1)}, managed.StepStoreID, v1alpha1.ReasonCreating},
		"[case-130] a finalizer is added":               {[]change{suspended, func(in *managed.Input) { in.Object.SetFinalizers(nil) }}, managed.StepAddFinalizer, v1alpha1.ReasonCreating},
		"[case-130] a refusal is shown":                 {[]change{suspended, nine, failed(managed.StepEdit, databricks.ClassInvalid, 0)}, managed.StepNone, v1alpha1.ReasonInvalidSpec},
		"[case-130] a deletion is carried out":          {[]change{suspended, deleting}, managed.StepDelete, v1alpha1.ReasonDeleting},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			next := managed.Make(situation(row.changes...))
			g.Expect(next.Kind()).To(Equal(row.step))
			g.Expect(next.Verdict.Reason).To(Equal(row.reason))
			if row.reason == v1alpha1.ReasonSuspended {
				g.Expect(next.Verdict.Message).To(Equal("there is no instance pool, and none is created while spec.suspend is true"))
			}
		})
	}
}
