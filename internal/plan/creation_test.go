package plan

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

func TestATokenFitsAndIsUniquePerObjectAndIncarnation(t *testing.T) {
	g := NewWithT(t)
	in := situation()
	g.Expect(len(Token(in.Cluster, math.MaxInt64))).To(BeNumerically("<=", 64))
	g.Expect(Token(in.Cluster, 1)).To(HavePrefix(uid))
	g.Expect(Token(in.Cluster, 1)).NotTo(Equal(Token(in.Cluster, 2)))
	g.Expect(Token(in.Cluster, 1)).To(Equal(Token(in.Cluster.DeepCopy(), 1)))
}

func TestEveryCreationHasAnIntent(t *testing.T) {
	for name, row := range map[string]struct {
		in     Input
		intent managed.Intent
	}{
		"[case-01] a new object": {
			situation(), managed.Intent{Token: uid + "-1", Incarnation: 1, Attempt: 1, NotAfter: noon.Add(20 * time.Second)},
		},
		"[case-37] an object whose cluster was deleted elsewhere": {
			situation(owning, gone(managed.Missing), searched(2), func(in *Input) { in.Cluster.Status.Creation = &v1alpha1.CreationIntent{Incarnation: 4} }),
			managed.Intent{Token: uid + "-5", Incarnation: 5, Attempt: 1, NotAfter: noon.Add(20 * time.Second)},
		},
		"[case-07] an object whose creation was refused, after the backoff": {
			situation(failed(StepCreate, databricks.ClassInvalid, time.Hour), func(in *Input) {
				in.Cluster.Status.Creation = &v1alpha1.CreationIntent{Incarnation: 1}
			}),
			managed.Intent{Token: uid + "-2", Incarnation: 2, Attempt: 1, NotAfter: noon.Add(20 * time.Second)},
		},
		"[case-02] a creation that created nothing": {
			situation(longPending, searched(2)), managed.Intent{Token: uid + "-3", Incarnation: 3, Attempt: 3, NotAfter: noon.Add(20 * time.Second)},
		},
		"[case-02] a creation that cannot be searched for": {
			situation(longPending, untagged), managed.Intent{Token: uid + "-3", Incarnation: 3, Attempt: 3, NotAfter: noon.Add(20 * time.Second)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			plan := Make(row.in)
			g.Expect(plan.Kind()).To(Equal(StepCreate))
			g.Expect(intentOf(plan.Step)).To(Equal(row.intent))
			g.Expect(plan.Verdict.Reason).To(Equal(v1alpha1.ReasonCreating))
		})
	}
}

// resolvable is when a search for the pending creation of these tests may begin.
var resolvable = noon.Add(limits.CreateWindow + limits.RequestDeadline + limits.VisibilityGrace)

func at(now time.Time) change { return func(in *Input) { in.Now = now } }

func byAnother(c *compute.ClusterDetails) { c.CreatorUserName = "you@example.com" }
func inTheUI(c *compute.ClusterDetails)   { c.ClusterSource = compute.ClusterSourceUi }
func beforeIntent(c *compute.ClusterDetails) {
	c.StartTime = noon.Add(-time.Hour - 17*time.Minute).UnixMilli()
}

func withSkew(c *compute.ClusterDetails) {
	c.StartTime = noon.Add(-time.Hour - 15*time.Minute).UnixMilli()
}

// longLived makes the object a day older than its creation.
func longLived(in *Input) { in.Cluster.CreationTimestamp = metav1.NewTime(noon.Add(-25 * time.Hour)) }

func TestAnEarlierCreationIsResolvedBeforeTheNext(t *testing.T) {
	leaving := []change{deleted}
	for name, row := range map[string]struct {
		changes []change
		step    StepKind
		id      string
		reason  string
		again   time.Time
	}{
		"[case-02] this process has its response": {
			[]change{pendingSince(noon), func(in *Input) { in.Attempts.Last = Attempt{Step: StepCreate, ClusterID: clusterID, Token: uid + "-3"} }},
			StepStoreClusterID, clusterID, v1alpha1.ReasonCreating,
			time.Time{},
		},
		"[case-43] this process has its response, and the object is deleted": {
			[]change{pendingSince(noon), deleted, func(in *Input) { in.Attempts.Last = Attempt{Step: StepCreate, ClusterID: clusterID, Token: uid + "-3"} }},
			StepStoreClusterID, clusterID, v1alpha1.ReasonDeleting,
			time.Time{},
		},
		"[case-02] a response to another token does not count": {
			[]change{pendingSince(noon), func(in *Input) { in.Attempts.Last = Attempt{Step: StepCreate, ClusterID: "other", Token: uid + "-2"} }},
			StepNone, "", v1alpha1.ReasonCreating, resolvable,
		},
		"[case-02] it may still be in flight": {
			[]change{pendingSince(noon), at(resolvable.Add(-time.Second)), searched(2)}, StepNone, "", v1alpha1.ReasonCreating, resolvable,
		},
		"[case-02] it may still be in flight, and a list shows it": {
			[]change{pendingSince(noon), at(resolvable.Add(-time.Second)), searched(2, match("a"), match("b"))}, StepNone, "", v1alpha1.ReasonCreating, resolvable,
		},
		"[case-02] no list was read yet":           {[]change{longPending}, StepNone, "", v1alpha1.ReasonCreating, time.Time{}},
		"[case-02] one list does not show it":      {[]change{longPending, searched(1)}, StepNone, "", v1alpha1.ReasonCreating, time.Time{}},
		"[case-02] one list shows it":              {[]change{longPending, searched(1, match(clusterID))}, StepStoreClusterID, clusterID, v1alpha1.ReasonCreating, time.Time{}},
		"[case-02] a workspace's clock is behind":  {[]change{longPending, searched(1, match(clusterID, withSkew))}, StepStoreClusterID, clusterID, v1alpha1.ReasonCreating, time.Time{}},
		"[case-02] two lists do not show it":       {[]change{longPending, searched(2)}, StepCreate, "", v1alpha1.ReasonCreating, time.Time{}},
		"another principal's tag is a forgery":     {[]change{longPending, searched(2, match("x", byAnother))}, StepCreate, "", v1alpha1.ReasonCreating, time.Time{}},
		"a tag put on in the UI is a forgery":      {[]change{longPending, searched(2, match("x", inTheUI))}, StepCreate, "", v1alpha1.ReasonCreating, time.Time{}},
		"a tag from before the creation is a copy": {[]change{longPending, longLived, searched(2, match("x", beforeIntent))}, StepCreate, "", v1alpha1.ReasonCreating, time.Time{}},
		"[case-02] the answer of this process was lost": {
			[]change{pendingSince(noon), failed(StepCreate, databricks.ClassAmbiguous, time.Second), func(in *Input) { in.Attempts.Last.Token = uid + "-3" }},
			StepNone, "", v1alpha1.ReasonCreating, resolvable,
		},
		"an older cluster's tag is a copy":                  {[]change{longPending, searched(2, match("x", beforeIntent))}, StepCreate, "", v1alpha1.ReasonCreating, time.Time{}},
		"[case-02] a forgery and the created cluster":       {[]change{longPending, searched(1, match("x", byAnother), match(clusterID))}, StepStoreClusterID, clusterID, v1alpha1.ReasonCreating, time.Time{}},
		"[case-02] two clusters match":                      {[]change{longPending, searched(2, match("b"), match("a"))}, StepNone, "", v1alpha1.ReasonDuplicateClusters, time.Time{}},
		"[case-43] the object is deleted meanwhile":         {append(leaving, pendingSince(noon), at(resolvable.Add(-time.Second)), searched(2)), StepNone, "", v1alpha1.ReasonDeleting, resolvable},
		"[case-43] deleted, and one list is too few":        {append(leaving, longPending, searched(1)), StepNone, "", v1alpha1.ReasonDeleting, time.Time{}},
		"[case-43] deleted, and nothing was created":        {append(leaving, longPending, searched(2)), StepRemoveFinalizer, "", "", time.Time{}},
		"[case-43] deleted, and found by its tag":           {append(leaving, longPending, searched(1, match(clusterID))), StepStoreClusterID, clusterID, v1alpha1.ReasonDeleting, time.Time{}},
		"[case-43] deleted, and repeated with its token":    {append(leaving, longPending, untagged), StepCreate, "", v1alpha1.ReasonDeleting, time.Time{}},
		"[case-43] deleted, and two clusters match":         {append(leaving, longPending, searched(2, match("b"), match("a"))), StepNone, "", v1alpha1.ReasonDuplicateClusters, time.Time{}},
		"[case-36] suspended: the created cluster is found": {[]change{suspended, longPending, searched(1, match(clusterID))}, StepStoreClusterID, clusterID, v1alpha1.ReasonCreating, time.Time{}},
		"[case-36] suspended: nothing is created again":     {[]change{suspended, longPending, searched(2)}, StepNone, "", v1alpha1.ReasonSuspended, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(row.changes...)
			plan := Make(in)
			g.Expect(plan.Kind()).To(Equal(row.step))
			g.Expect(clusterOf(plan.Step)).To(Equal(row.id))
			g.Expect(plan.Verdict.Reason).To(Equal(row.reason))
			g.Expect(plan.RequeueAt).To(Equal(row.again))
			g.Expect(plan.Verdict.Stalled).To(Equal(row.reason == v1alpha1.ReasonDuplicateClusters))
		})
	}
}

func TestDuplicatesAreNamedInOrderAndInBounds(t *testing.T) {
	g := NewWithT(t)
	two := Make(situation(longPending, searched(2, match("b"), match("a"))))
	g.Expect(two.Verdict.Message).To(ContainSubstring("2 clusters carry this object's owner tag: a, b;"))
	var many []*compute.ClusterDetails
	for id := range strings.SplitSeq("abcdefghij", "") {
		many = append(many, match(id))
	}
	g.Expect(Make(situation(longPending, searched(2, many...))).Verdict.Message).To(ContainSubstring("10 clusters carry this object's owner tag: a, b, c, d, e, f, g, h, i, j; delete"))
	many = append(many, match("k"))
	g.Expect(Make(situation(longPending, searched(2, many...))).Verdict.Message).To(ContainSubstring("11 clusters carry this object's owner tag: a, b, c, d, e, f, g, h, i, j, …; delete"))
	for range 500 {
		many = append(many, match(strings.Repeat("x", 100)))
	}
	g.Expect(len(Make(situation(longPending, searched(2, many...))).Verdict.Message)).To(BeNumerically("<", 2000))
	g.Expect(Make(situation(deleted, longPending, searched(2, match("b"), match("a")))).Verdict.Message).To(ContainSubstring(remedy))
}

func TestWhenALostCreationMayBeResolved(t *testing.T) {
	g := NewWithT(t)
	g.Expect(ResolveAt(situation().Cluster, limits, time.Time{})).To(BeZero())
	g.Expect(ResolveAt(situation(pendingSince(noon)).Cluster, limits, time.Time{})).To(Equal(resolvable))
	g.Expect(ResolveAt(situation(pendingSince(noon), owning).Cluster, limits, time.Time{})).To(BeZero(), "its result is known")
}

func TestAnIntentWithoutADeadlineIsAsOldAsItsObject(t *testing.T) {
	g := NewWithT(t)
	in := situation(longPending, searched(1, match("old", beforeIntent), match(clusterID)))
	in.Observed.Search.Matches[0].StartTime = noon.Add(-time.Hour - 17*time.Minute - time.Second).UnixMilli()
	in.Cluster.Status.Creation.NotAfter = nil
	in.Cluster.CreationTimestamp = metav1.NewTime(noon.Add(-time.Hour + limits.CreateWindow))
	g.Expect(clusterOf(Make(in).Step)).To(Equal(clusterID))
}

func TestMissingIsNotAcceptedForANewCluster(t *testing.T) {
	g := NewWithT(t)
	in := situation(pendingSince(noon), owning)
	g.Expect(MissingAcceptedAt(in.Cluster, limits, time.Time{})).To(Equal(resolvable), "[case-38]")
	g.Expect(Make(in).RequeueAt).To(Equal(resolvable), "[case-38]")
	in.Now = resolvable
	g.Expect(Make(in).RequeueAt).To(BeZero())
	g.Expect(MissingAcceptedAt(situation(owning).Cluster, limits, time.Time{})).To(BeZero())
	g.Expect(MissingAcceptedAt(situation(owning, creationOf("")).Cluster, limits, noon)).To(BeZero(), "the cluster was read")
}

func TestClockSkewDoesNotAffectMatches(t *testing.T) {
	const apart = 15 * time.Minute
	for name, row := range map[string]struct {
		startedAt time.Time
		skew      time.Duration
		found     bool
	}{
		"[case-94] in step": {noon.Add(-time.Hour), 0, true},
		"[case-94] the workspace is behind, and not measured":   {noon.Add(-time.Hour - apart), 0, true},
		"[case-94] the workspace is behind, and measured":       {noon.Add(-time.Hour - apart), -apart, true},
		"[case-94] the workspace is ahead":                      {noon.Add(-time.Hour + apart), apart, true},
		"[case-94] the process of the intent was ahead of both": {noon.Add(-time.Hour - apart), apart, true},
		"an older cluster": {noon.Add(-time.Hour - 2*apart), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(longPending, searched(2, match(clusterID, func(c *compute.ClusterDetails) { c.StartTime = row.startedAt.UnixMilli() })))
			in.Observed.ClockSkew = row.skew
			found := Make(in).Kind() == StepStoreClusterID
			g.Expect(found).To(Equal(row.found))
		})
	}
}

func TestTheDeadlineOfAnotherClockIsNotUsed(t *testing.T) {
	g := NewWithT(t)
	for name, notAfter := range map[string]time.Time{
		"[case-94] a clock that is behind": noon.Add(-15 * time.Minute),
		"[case-94] a clock that is ahead":  noon.Add(15 * time.Minute),
	} {
		in := situation(pendingSince(noon), searched(2))
		in.Cluster.Status.Creation.NotAfter = new(metav1.NewTime(notAfter))
		in.Attempts.CreationSeenAt = noon
		plan := Make(in)
		g.Expect(plan.Kind()).To(Equal(StepNone), name)
		g.Expect(plan.RequeueAt).To(Equal(resolvable), name)
		in.Now = resolvable
		g.Expect(Make(in).Kind()).To(Equal(StepCreate), name)
	}
}

func TestAnIDIsNotStoredOverAnotherLeadersAttempt(t *testing.T) {
	g := NewWithT(t)
	in := situation(pendingSince(noon), func(in *Input) {
		in.Attempts.Last = Attempt{Step: StepCreate, ClusterID: clusterID, Token: uid + "-3", CreateAttempt: 2}
	})
	g.Expect(Make(in).Kind()).To(Equal(StepStoreClusterID), "[case-89]")
	in.Attempts.Last.CreateAttempt = 1
	g.Expect(Make(in).Kind()).To(Equal(StepNone), "[case-89]")
}

func TestOnlyTheSpecificationOfTheCreationIsInPlace(t *testing.T) {
	desired := drift.Tree{"num_workers": int64(2)}
	for name, row := range map[string]struct {
		creation *v1alpha1.CreationIntent
		want     bool
	}{
		"no creation":                    {nil, false},
		"created with it":                {&v1alpha1.CreationIntent{Digest: drift.Digest(desired)}, true},
		"[case-87] changed since":        {&v1alpha1.CreationIntent{Digest: drift.Digest(drift.Tree{"num_workers": int64(1)})}, false},
		"[case-87] several were in turn": {&v1alpha1.CreationIntent{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			in := situation(owning)
			in.Cluster.Status.Creation = row.creation
			compared := CompareInput{Cluster: in.Cluster, Desired: desired}
			NewWithT(t).Expect(compared.isJustCreated()).To(Equal(row.want))
		})
	}
}
