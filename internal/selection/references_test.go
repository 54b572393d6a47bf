package selection

import (
	"testing"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

func policyRef(name string) change {
	return func(s *v1alpha1.DatabricksClusterSpec) {
		s.PolicyRef = &v1alpha1.LocalObjectReference{Name: name}
	}
}

func poolRefs(workers, driver string) change {
	return func(s *v1alpha1.DatabricksClusterSpec) {
		s.InstancePoolRef = &v1alpha1.LocalObjectReference{Name: workers}
		s.DriverInstancePoolRef = &v1alpha1.LocalObjectReference{Name: driver}
	}
}

const here = "https://here.example.com"

var smallPolicy = Reference{Kind: v1alpha1.PolicyKind, Name: "small"}

func TestResolveReferences(t *testing.T) {
	keptPolicy := kept("policyRef", "small", func(r *v1alpha1.ResolvedStatus) { r.PolicyID = "p1" })
	ready := Referent{ID: "p2", Host: here, WorkspaceID: "1"}
	waiting := func(message string) types.GomegaMatcher {
		return And(HaveField("Problem.Kind", NotReady), HaveField("Problem.Message", message))
	}
	for name, row := range map[string]struct {
		referent *Referent
		kept     *v1alpha1.ResolvedStatus
		want     types.GomegaMatcher
	}{
		"it is Ready": {&ready, nil, And(
			HaveField("Problem", BeNil()), HaveField("Spec.PolicyID", "p2"), HaveField("Resolved.PolicyID", "p2"), HaveField("Resolved.For", HaveKeyWithValue("policyRef", "small")))},
		"it is Ready with another id": {&ready, keptPolicy, HaveField("Spec.PolicyID", "p2")},
		"it does not exist": {nil, nil, waiting(
			`spec.policyRef waits for DatabricksClusterPolicy "small", which the operator does not find in this namespace: create it, or correct the name`)},
		"it does not exist any more":                  {nil, keptPolicy, HaveField("Problem.Kind", NotReady)},
		"it is not Ready":                             {&Referent{NotReady: "Creating: soon"}, nil, waiting(`spec.policyRef waits for DatabricksClusterPolicy "small": Creating: soon`)},
		"it is not Ready, and has an id":              {&Referent{ID: "p2", NotReady: "Updating: soon"}, nil, HaveField("Problem.Kind", NotReady)},
		"it is not Ready any more":                    {&Referent{ID: "p1", NotReady: "Updating: soon"}, keptPolicy, And(HaveField("Problem", BeNil()), HaveField("Spec.PolicyID", "p1"))},
		"it is not Ready yet with another id":         {&Referent{ID: "p2", NotReady: "Updating: soon"}, keptPolicy, And(HaveField("Problem", BeNil()), HaveField("Spec.PolicyID", "p1"))},
		"it has no id any more":                       {&Referent{NotReady: "Creating: soon"}, keptPolicy, HaveField("Problem.Kind", NotReady)},
		"the earlier choice was for another name":     {&Referent{ID: "p2", NotReady: "Updating: soon"}, kept("policyRef", "large", func(r *v1alpha1.ResolvedStatus) { r.PolicyID = "p1" }), HaveField("Problem.Kind", NotReady)},
		"the earlier choice was by the list":          {&Referent{ID: "p2", NotReady: "Updating: soon"}, kept("policyName", "small", func(r *v1alpha1.ResolvedStatus) { r.PolicyID = "p1" }), HaveField("Problem.Kind", NotReady)},
		"it is Ready without an id":                   {&Referent{}, nil, waiting(`spec.policyRef waits for DatabricksClusterPolicy "small", which has no id yet`)},
		"the ids of the workspaces are not known":     {&Referent{ID: "p2", Host: here}, nil, HaveField("Spec.PolicyID", "p2")},
		"it is in another workspace":                  {&Referent{ID: "p2", Host: "https://there.example.com"}, keptPolicy, HaveField("Problem.Message", `spec.policyRef: DatabricksClusterPolicy "small" is in the workspace https://there.example.com, and this object in https://here.example.com (1): refer to one of the same workspace, or correct spec.connection of one of them`)},
		"the id of its workspace is not known":        {&Referent{ID: "p2", WorkspaceID: "1"}, nil, HaveField("Spec.PolicyID", "p2")},
		"it is in another workspace of the same host": {&Referent{ID: "p2", Host: here, WorkspaceID: "2"}, nil, HaveField("Problem.Kind", OtherWorkspace)},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Spec: specWith(policyRef("small")), Kept: row.kept, Host: here, WorkspaceID: "1"}
			if row.referent != nil {
				in.Referents = map[Reference]Referent{smallPolicy: *row.referent}
			}
			NewWithT(t).Expect(Resolve(in)).To(row.want)
		})
	}
}

func TestReferencesOfPools(t *testing.T) {
	g := NewWithT(t)
	spec := specWith(policyRef("small"), poolRefs("workers", "drivers"))
	workers, drivers := Reference{Kind: v1alpha1.PoolKind, Name: "workers"}, Reference{Kind: v1alpha1.PoolKind, Name: "drivers"}
	g.Expect(References(spec)).To(Equal([]Reference{smallPolicy, workers, drivers}))
	g.Expect(References(specWith(poolRefs("workers", "workers")))).To(Equal([]Reference{workers}))
	g.Expect(References(specWith(policy("small"), lts("")))).To(BeEmpty())
	g.Expect(Needs(spec)).To(BeEmpty(), "references need no lists")
	g.Expect(HasChoices(spec)).To(BeTrue())
	g.Expect(HasChoices(specWith())).To(BeFalse())

	result := Resolve(Input{Spec: spec, Referents: map[Reference]Referent{smallPolicy: {ID: "p"}, workers: {ID: "w"}, drivers: {ID: "d"}}})
	g.Expect(result.Problem).To(BeNil())
	g.Expect(result.Spec).To(And(HaveField("PolicyID", "p"), HaveField("InstancePoolID", "w"), HaveField("DriverInstancePoolID", "d")))
	g.Expect(result.Resolved).To(HaveField("For", Equal(map[string]string{"policyRef": "small", "instancePoolRef": "workers", "driverInstancePoolRef": "drivers"})))
}

func TestAReferenceOfAnUnknownWorkspaceIsFollowed(t *testing.T) {
	result := Resolve(Input{Spec: specWith(policyRef("small")), Referents: map[Reference]Referent{smallPolicy: {ID: "p", Host: here, WorkspaceID: "1"}}})
	NewWithT(t).Expect(result).To(And(HaveField("Problem", BeNil()), HaveField("Spec.PolicyID", "p")))
}

// TestTheProblemOfTheUserIsReported: what only a user can change takes precedence over an
// object that is awaited, and of several the first is reported.
func TestTheProblemOfTheUserIsReported(t *testing.T) {
	elsewhere := map[Reference]Referent{smallPolicy: {ID: "p", Host: "https://there.example.com"}}
	for name, row := range map[string]struct {
		in      Input
		want    ProblemKind
		message string
		// isByLists reports whether newer lists may help.
		isByLists bool
	}{
		"an object is awaited":                        {Input{Spec: specWith(policyRef("small"), cores(1))}, NotReady, "spec.policyRef waits", false},
		"two objects are awaited":                     {Input{Spec: specWith(policyRef("small"), poolRefs("workers", "drivers"))}, NotReady, "spec.policyRef waits", false},
		"an object is awaited, and nothing matches":   {Input{Spec: specWith(policyRef("small"), cores(9))}, NoMatch, "spec.nodeTypeSelector", true},
		"an object is elsewhere, and one is awaited":  {Input{Spec: specWith(policyRef("small"), poolRefs("workers", "drivers")), Host: here, Referents: elsewhere}, OtherWorkspace, "spec.policyRef", false},
		"a name is unknown, and nothing matches":      {Input{Spec: specWith(policy("smal"), cores(9))}, NotFound, "spec.policyName", true},
		"a name is unknown, and an object is awaited": {Input{Spec: specWith(policy("smal"), poolRefs("workers", "drivers"))}, NotFound, "spec.policyName", true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			row.in.Lists = lists
			problem := Resolve(row.in).Problem
			g.Expect(problem).To(HaveField("Kind", row.want))
			g.Expect(problem.Message).To(HavePrefix(row.message))
			g.Expect(problem.Kind.IsByLists()).To(Equal(row.isByLists))
		})
	}
}
