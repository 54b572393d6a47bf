package plan

import (
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/owner"
)

const (
	thisOperator, otherOperator = "0badcafe", "0a1b2c3d"
	earlierUID                  = "0f8fad5b-d9cb-469f-a165-70867728950e"
)

// unmade is an object without a cluster, whose tag has a name.
func unmade(in *Input) {
	in.Cluster.Status = v1alpha1.DatabricksClusterStatus{}
	in.Observed.Presence, in.Observed.Details = managed.Unknown, nil
	in.Observed.Owner = drift.Tag{Key: v1alpha1.OwnerTagKey, Value: owner.Of(thisOperator, uid, in.Cluster.Namespace, in.Cluster.Name).Tag()}
}

func adopts(policy v1alpha1.AdoptionPolicy, predecessors ...string) change {
	return func(in *Input) {
		in.Cluster.Spec.AdoptionPolicy = policy
		in.Adoption.Predecessors = predecessors
	}
}

// earlier is the tag of an object that had the same name as that of the situation.
func earlier(operator string) string {
	in := situation()
	return owner.Of(operator, earlierUID, in.Cluster.Namespace, in.Cluster.Name).Tag()
}

func TestTheClusterOfAnEarlierObjectIsAdopted(t *testing.T) {
	const adopt = v1alpha1.AdoptionPolicyAdoptOrCreate
	byDefault := func(in *Input) { in.Adoption.Default = adopt }
	for name, row := range map[string]struct {
		changes []change
		want    StepKind
		reason  string
	}{
		"[case-81] one match":                             {[]change{adopts(adopt), searched(1, match("c", tagged(earlier(thisOperator))))}, StepStoreClusterID, v1alpha1.ReasonCreating},
		"[case-81] one match, by the operator's default":  {[]change{byDefault, searched(1, match("c", tagged(earlier(thisOperator))))}, StepStoreClusterID, v1alpha1.ReasonCreating},
		"[case-81] the object wins over the default":      {[]change{byDefault, adopts(v1alpha1.AdoptionPolicyNever), searched(1, match("c", tagged(earlier(thisOperator))))}, StepCreate, v1alpha1.ReasonCreating},
		"[case-81] several matches":                       {[]change{adopts(adopt), searched(1, match("c", tagged(earlier(thisOperator))), match("d", tagged(earlier(thisOperator))))}, "", v1alpha1.ReasonDuplicateClusters},
		"[case-81] no match in one list":                  {[]change{adopts(adopt), searched(1)}, "", v1alpha1.ReasonCreating},
		"[case-81] no match in two lists":                 {[]change{adopts(adopt), searched(2)}, StepCreate, v1alpha1.ReasonCreating},
		"[case-81] Never makes no search":                 {[]change{adopts(v1alpha1.AdoptionPolicyNever), searched(0)}, StepCreate, v1alpha1.ReasonCreating},
		"[case-81] a foreign operator's cluster":          {[]change{adopts(adopt), searched(2, match("c", tagged(earlier(otherOperator))))}, StepCreate, v1alpha1.ReasonCreating},
		"[case-81] a predecessor's cluster":               {[]change{adopts(adopt, otherOperator), searched(1, match("c", tagged(earlier(otherOperator))))}, StepStoreClusterID, v1alpha1.ReasonCreating},
		"[case-81] a tag without a name":                  {[]change{adopts(adopt), searched(2, match("c", tagged(thisOperator+"-"+earlierUID)))}, StepCreate, v1alpha1.ReasonCreating},
		"[case-81] another object's name":                 {[]change{adopts(adopt), searched(2, match("c", tagged(owner.Of(thisOperator, earlierUID, "x", "y").Tag())))}, StepCreate, v1alpha1.ReasonCreating},
		"[case-81] a forged tag, of another principal":    {[]change{adopts(adopt), searched(2, match("c", tagged(earlier(thisOperator)), func(c *compute.ClusterDetails) { c.CreatorUserName = "mallory" }))}, StepCreate, v1alpha1.ReasonCreating},
		"[case-81] a forged tag, of a cluster of the UI":  {[]change{adopts(adopt), searched(2, match("c", tagged(earlier(thisOperator)), madeBy(compute.ClusterSourceUi)))}, StepCreate, v1alpha1.ReasonCreating},
		"[case-81] after a refused create: no search":     {[]change{adopts(adopt), func(in *Input) { in.Cluster.Status.Creation = &v1alpha1.CreationIntent{Incarnation: 1} }, searched(0)}, StepCreate, v1alpha1.ReasonCreating},
		"[case-81] the operator adds no tags: no search":  {[]change{adopts(adopt), func(in *Input) { in.Observed.Owner.Key = "" }, searched(0)}, StepCreate, v1alpha1.ReasonCreating},
		"[case-81] suspended, and no match: no creation":  {[]change{adopts(adopt), func(in *Input) { in.Cluster.Spec.Suspend = true }, searched(2)}, "", v1alpha1.ReasonSuspended},
		"[case-81] suspended, and one match: the id only": {[]change{adopts(adopt), func(in *Input) { in.Cluster.Spec.Suspend = true }, searched(1, match("c", tagged(earlier(thisOperator))))}, StepStoreClusterID, v1alpha1.ReasonCreating},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			next := Make(situation(append([]change{unmade}, row.changes...)...))
			g.Expect(next.Kind()).To(Equal(row.want))
			g.Expect(next.Verdict.Reason).To(Equal(row.reason))
			if stored, ok := next.Step.(StoreClusterID); ok {
				g.Expect(stored).To(Equal(StoreClusterID{ClusterID: "c", Source: FoundByName}))
			}
		})
	}
}

func TestTheSearchForAName(t *testing.T) {
	g := NewWithT(t)
	in := situation(unmade, adopts(v1alpha1.AdoptionPolicyAdoptOrCreate))
	asked := SearchInput{Cluster: in.Cluster, Owner: in.Observed.Owner, Adoption: in.Adoption, Origin: CreatedSinceStart, Now: noon}
	asked.Attempts.SearchSince = noon.Add(-time.Second)
	g.Expect(NeedsSearchNow(asked)).To(Equal(SearchByTag))
	own := owner.Parse(in.Observed.Owner.Value)
	g.Expect(SearchQuery(asked)).To(And(HaveField("Owner", own.ID()), HaveField("Name", own.Name)))
	asked.Cluster.Spec.AdoptionPolicy = v1alpha1.AdoptionPolicyNever
	g.Expect(NeedsSearchNow(asked)).To(Equal(NoSearch))
	g.Expect(SearchQuery(asked)).To(HaveField("Name", BeEmpty()))
	asked.Cluster.Spec.AdoptionPolicy = v1alpha1.AdoptionPolicyAdoptOrCreate
	asked.Cluster.Spec.ClusterID = "named"
	g.Expect(NeedsSearchNow(asked)).To(Equal(NoSearch))
}

// TestAnAdoptedClusterIsKept: the tag of the earlier object stays on the cluster.
func TestAnAdoptedClusterIsKept(t *testing.T) {
	named := func(in *Input) {
		in.Observed.Owner.Value = owner.Of(thisOperator, uid, in.Cluster.Namespace, in.Cluster.Name).Tag()
	}
	for name, row := range map[string]struct {
		policy  v1alpha1.AdoptionPolicy
		tag     string
		managed bool
	}{
		"[case-81] of this name":                       {v1alpha1.AdoptionPolicyAdoptOrCreate, earlier(thisOperator), true},
		"[case-81] of this name, and adoption is off":  {v1alpha1.AdoptionPolicyNever, earlier(thisOperator), false},
		"[case-81] of this name in another operator":   {v1alpha1.AdoptionPolicyAdoptOrCreate, earlier(otherOperator), false},
		"[case-81] a short tag of this object":         {v1alpha1.AdoptionPolicyNever, thisOperator + "-" + uid, true},
		"[case-81] a short tag of another object":      {v1alpha1.AdoptionPolicyAdoptOrCreate, thisOperator + "-" + earlierUID, false},
		"[case-81] the same uid in another operator":   {v1alpha1.AdoptionPolicyNever, otherOperator + "-" + uid, false},
		"[case-81] this object under an earlier name?": {v1alpha1.AdoptionPolicyNever, owner.Of(thisOperator, uid, "x", "y").Tag(), true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			next := Make(situation(adopts(row.policy), named, is("RUNNING", tagged(row.tag))))
			alreadyManaged := Equal(v1alpha1.ReasonAlreadyManaged)
			if row.managed {
				alreadyManaged = Not(alreadyManaged)
			}
			g.Expect(next.Verdict.Reason).To(alreadyManaged, next.Verdict.Message)
		})
	}
}

func TestOnlyAFirstClusterIsSearchedForByName(t *testing.T) {
	adopts := Adoption{Default: v1alpha1.AdoptionPolicyAdoptOrCreate}
	for name, row := range map[string]struct {
		changes []change
		want    bool
	}{
		"[case-81] a new object":                  {nil, true},
		"[case-81] one that has a cluster":        {[]change{owning}, false},
		"[case-81] one that names a cluster":      {[]change{adopting}, false},
		"[case-81] one whose creation is pending": {[]change{longPending}, false},
		"[case-81] one that is deleted":           {[]change{deleted}, false},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(adopts.searchesFor(situation(row.changes...).Cluster)).To(Equal(row.want))
		})
	}
}
