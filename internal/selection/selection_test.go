package selection

import (
	"fmt"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

var lists = Lists{
	Policies:      map[string]string{"p1": "small", "p2": "large"},
	InstancePools: map[string]string{"i1": "pool", "i2": "twin", "i3": "twin"},
	Versions: []compute.SparkVersion{
		{Key: "17.3.x-scala2.13", Name: "17.3 LTS (includes Apache Spark 4.0.0, Scala 2.13)"},
		{Key: "16.4.x-scala2.12", Name: "16.4 LTS (includes Apache Spark 3.5.2, Scala 2.12)"},
	},
	NodeTypes: []compute.NodeType{
		{NodeTypeId: "two", NumCores: 2, MemoryMb: 8192, Category: "General Purpose"},
		{NodeTypeId: "four", NumCores: 4, MemoryMb: 16384, Category: "General Purpose"},
	},
}

type change func(*v1alpha1.DatabricksClusterSpec)

func specWith(changes ...change) *v1alpha1.DatabricksClusterSpec {
	spec := &v1alpha1.DatabricksClusterSpec{}
	for _, apply := range changes {
		apply(spec)
	}
	return spec
}

func policy(name string) change {
	return func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyName = name }
}

func pool(name string) change {
	return func(s *v1alpha1.DatabricksClusterSpec) { s.InstancePoolName = name }
}

func lts(update v1alpha1.RuntimeUpdate) change {
	return func(s *v1alpha1.DatabricksClusterSpec) {
		s.SparkVersionSelector = &v1alpha1.SparkVersionSelector{LongTermSupport: true, Update: update}
	}
}

func cores(least int32) change {
	return func(s *v1alpha1.DatabricksClusterSpec) {
		s.NodeTypeSelector = &v1alpha1.NodeTypeSelector{MinCores: least}
	}
}

func driverCores(least int32) change {
	return func(s *v1alpha1.DatabricksClusterSpec) {
		s.DriverNodeTypeSelector = &v1alpha1.NodeTypeSelector{MinCores: least}
	}
}

// kept returns earlier choices for the values of the specification.
func kept(field, asked string, set func(*v1alpha1.ResolvedStatus)) *v1alpha1.ResolvedStatus {
	resolved := &v1alpha1.ResolvedStatus{For: map[string]string{field: asked}}
	set(resolved)
	return resolved
}

func TestResolve(t *testing.T) {
	keptRuntime := kept("sparkVersionSelector", `{"longTermSupport":true}`, func(r *v1alpha1.ResolvedStatus) { r.SparkVersion = "16.4.x-scala2.12" })
	keptNode := kept("nodeTypeSelector", `{"minCores":2}`, func(r *v1alpha1.ResolvedStatus) { r.NodeTypeID = "four" })
	keptPool := kept("instancePoolName", "twin", func(r *v1alpha1.ResolvedStatus) { r.InstancePoolID = "i3" })
	for name, row := range map[string]struct {
		in   Input
		want types.GomegaMatcher
	}{
		"a name":               {Input{Spec: specWith(policy("small"))}, HaveField("Spec.PolicyID", "p1")},
		"a node type":          {Input{Spec: specWith(cores(3))}, HaveField("Spec.NodeTypeID", "four")},
		"the driver's, too":    {Input{Spec: specWith(cores(1), driverCores(3))}, And(HaveField("Spec.NodeTypeID", "two"), HaveField("Spec.DriverNodeTypeID", "four"))},
		"a runtime":            {Input{Spec: specWith(lts(""))}, HaveField("Spec.SparkVersion", "17.3.x-scala2.13")},
		"nothing to resolve":   {Input{Spec: specWith(func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyID = "p9" })}, And(HaveField("Resolved", BeNil()), HaveField("Spec.PolicyID", "p9"))},
		"a pool":               {Input{Spec: specWith(pool("pool"))}, HaveField("Spec.InstancePoolID", "i1")},
		"names differ in case": {Input{Spec: specWith(policy("Small"))}, HaveField("Problem.Kind", NotFound)},
		"two pools of one name": {Input{Spec: specWith(pool("twin"))}, HaveField("Problem.Message",
			`spec.instancePoolName "twin" is the name of 2 instance pools (i2, i3): set spec.instancePoolID to one of them instead, or rename the others`)},
		"two pools of one name, one of which was chosen before": {Input{Spec: specWith(pool("twin")), Kept: keptPool}, HaveField("Spec.InstancePoolID", "i3")},
		"an unknown name": {Input{Spec: specWith(policy("smal"))}, HaveField("Problem.Message",
			`spec.policyName "smal" is not the name of any of the cluster policies that the credential can see: the nearest are "small"; create it, permit the credential to use it, or correct the name`)},
		"a smaller node type was added: the choice is kept":       {Input{Spec: specWith(cores(2)), Kept: keptNode}, HaveField("Spec.NodeTypeID", "four")},
		"the selector has changed":                                {Input{Spec: specWith(cores(1)), Kept: keptNode}, HaveField("Spec.NodeTypeID", "two")},
		"the chosen node type is gone":                            {Input{Spec: specWith(cores(2)), Kept: kept("nodeTypeSelector", `{"minCores":2}`, func(r *v1alpha1.ResolvedStatus) { r.NodeTypeID = "gone" })}, HaveField("Spec.NodeTypeID", "two")},
		"a newer runtime while the cluster may run":               {Input{Spec: specWith(lts("")), Kept: keptRuntime}, HaveField("Spec.SparkVersion", "16.4.x-scala2.12")},
		"a newer runtime while it is down":                        {Input{Spec: specWith(lts("")), Kept: keptRuntime, Power: Down}, HaveField("Spec.SparkVersion", "17.3.x-scala2.13")},
		"a newer runtime by strategy":                             {Input{Spec: specWith(lts(v1alpha1.RuntimeUpdateByStrategy)), Kept: keptRuntime}, HaveField("Spec.SparkVersion", "17.3.x-scala2.13")},
		"a newer runtime never":                                   {Input{Spec: specWith(lts(v1alpha1.RuntimeUpdateNever)), Kept: keptRuntime, Power: Down}, HaveField("Spec.SparkVersion", "16.4.x-scala2.12")},
		"the lists are unknown, and the choice is kept":           {Input{Spec: specWith(lts("")), Kept: keptRuntime, Lists: Lists{Policies: map[string]string{}}}, And(HaveField("Unknown", BeEmpty()), HaveField("Spec.SparkVersion", "16.4.x-scala2.12"))},
		"the lists are unknown":                                   {Input{Spec: specWith(policy("small"), lts("")), Lists: Lists{Versions: lists.Versions}}, And(HaveField("Unknown", Policies), HaveField("Field", "policyName"), HaveField("Problem", BeNil()))},
		"two lists are unknown":                                   {Input{Spec: specWith(policy("small"), cores(1)), Lists: Lists{Versions: lists.Versions}}, And(HaveField("Unknown", Policies), HaveField("Field", "policyName"))},
		"the list of pools is unknown":                            {Input{Spec: specWith(pool("pool")), Lists: Lists{Policies: lists.Policies, Versions: lists.Versions, NodeTypes: lists.NodeTypes}}, And(HaveField("Unknown", InstancePools), HaveField("Field", "instancePoolName"))},
		"the list of node types is unknown":                       {Input{Spec: specWith(cores(1)), Lists: Lists{Policies: lists.Policies, InstancePools: lists.InstancePools, Versions: lists.Versions}}, And(HaveField("Unknown", NodeTypes), HaveField("Field", "nodeTypeSelector"))},
		"a known list that is empty":                              {Input{Spec: specWith(policy("small")), Lists: Lists{Policies: map[string]string{}}}, HaveField("Problem.Kind", NotFound)},
		"the support of the chosen runtime has ended, by itself":  {Input{Spec: specWith(lts("")), Kept: keptRuntime, Lists: Lists{Versions: []compute.SparkVersion{}}, Power: Down}, HaveField("Spec.SparkVersion", "16.4.x-scala2.12")},
		"no node type matches, and which do with one demand less": {Input{Spec: specWith(cores(9))}, HaveField("Problem.Message", `spec.nodeTypeSelector {"minCores":9} matches none of the node types of the workspace: the nearest are two; relax it, or set spec.nodeTypeID`)},
		"no runtime matches": {Input{Spec: specWith(func(s *v1alpha1.DatabricksClusterSpec) {
			s.SparkVersionSelector = &v1alpha1.SparkVersionSelector{ML: true}
		})}, HaveField("Problem.Message", `spec.sparkVersionSelector {"ml":true} matches none of the runtimes of the workspace: the nearest are 17.3.x-scala2.13, 16.4.x-scala2.12; relax it, or set spec.sparkVersion`)},
	} {
		t.Run(name, func(t *testing.T) {
			if !row.in.Lists.knows(Policies) && !row.in.Lists.knows(Versions) {
				row.in.Lists = lists
			}
			before := row.in.Spec.DeepCopy()
			result := Resolve(row.in)
			g := NewWithT(t)
			g.Expect(result).To(row.want)
			g.Expect(row.in.Spec).To(Equal(before), "the specification itself stays as it is")
		})
	}
}

func TestANameOfSeveralPools(t *testing.T) {
	pools := func(count int) map[string]string {
		named := map[string]string{"i9": "other"}
		for i := range count {
			named[fmt.Sprintf("i%d", i+1)] = "twin"
		}
		return named
	}
	for count, ids := range map[int]string{2: "i1, i2", 5: "i1, i2, i3, i4, i5", 6: "i1, i2, i3, i4, i5, …", 8: "i1, i2, i3, i4, i5, …"} {
		problem := Resolve(Input{Spec: specWith(pool("twin")), Lists: Lists{InstancePools: pools(count)}}).Problem
		NewWithT(t).Expect(problem).To(Equal(&Problem{Kind: NotFound, Message: fmt.Sprintf(
			`spec.instancePoolName "twin" is the name of %d instance pools (%s): set spec.instancePoolID to one of them instead, or rename the others`, count, ids)}))
	}
}

func TestAnUnknownNameOfWhichNoneIsSimilar(t *testing.T) {
	problem := Resolve(Input{Spec: specWith(policy("etl")), Lists: Lists{Policies: map[string]string{}}}).Problem
	NewWithT(t).Expect(problem).To(HaveField("Message",
		`spec.policyName "etl" is not the name of any of the cluster policies that the credential can see: create it, permit the credential to use it, or correct the name`))
}

// TestChoicesAreStable: what was resolved once is resolved to the same again.
func TestChoicesAreStable(t *testing.T) {
	g := NewWithT(t)
	spec := specWith(policy("small"), pool("pool"), lts(""), driverCores(1), func(s *v1alpha1.DatabricksClusterSpec) { s.DriverInstancePoolName = "pool" }, cores(2))
	first := Resolve(Input{Spec: spec, Lists: lists, Power: Down})
	again := Resolve(Input{Spec: spec, Lists: lists, Kept: first.Resolved})
	offline := Resolve(Input{Spec: spec, Kept: first.Resolved})
	g.Expect(first.Resolved).To(HaveField("For", HaveLen(6)))
	g.Expect(again).To(Equal(first))
	g.Expect(offline).To(Equal(first))
	g.Expect(Needs(spec)).To(Equal([]List{Policies, InstancePools, Versions, NodeTypes}))
}
