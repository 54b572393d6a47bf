package selection

import (
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// problemOf returns the message about a selector of a node type that nothing matches.
func problemOf(selector v1alpha1.NodeTypeSelector, offered ...compute.NodeType) string {
	spec := specWith(func(s *v1alpha1.DatabricksClusterSpec) { s.NodeTypeSelector = &selector })
	problem := Resolve(Input{Spec: spec, Lists: Lists{NodeTypes: offered}}).Problem
	if problem == nil {
		return ""
	}
	return problem.Message
}

func TestANodeTypeThatLacksOneDemandIsSuggested(t *testing.T) {
	plain := compute.NodeType{NodeTypeId: "plain", NumCores: 4, MemoryMb: 16384, Category: "General Purpose", NodeInstanceType: &compute.NodeInstanceType{}}
	thin := compute.NodeType{NodeTypeId: "thin", NumCores: 4, MemoryMb: 2048}
	tiny := compute.NodeType{NodeTypeId: "tiny", NumCores: 0.5, MemoryMb: 512}
	arm := compute.NodeType{NodeTypeId: "arm", NumCores: 4, MemoryMb: 16384, IsGraviton: true}
	for name, row := range map[string]struct {
		selector v1alpha1.NodeTypeSelector
		offered  compute.NodeType
		asked    string
	}{
		"the category":         {v1alpha1.NodeTypeSelector{Category: "Storage Optimized"}, plain, `{"category":"Storage Optimized"}`},
		"a local disk":         {v1alpha1.NodeTypeSelector{LocalDisk: true}, plain, `{"localDisk":true}`},
		"the size of the disk": {v1alpha1.NodeTypeSelector{LocalDiskMinSizeGB: 100}, plain, `{"localDiskMinSizeGB":100}`},
		"Photon on workers":    {v1alpha1.NodeTypeSelector{PhotonWorkerCapable: true}, plain, `{"photonWorkerCapable":true}`},
		"Photon on drivers":    {v1alpha1.NodeTypeSelector{PhotonDriverCapable: true}, plain, `{"photonDriverCapable":true}`},
		"the IO cache":         {v1alpha1.NodeTypeSelector{IOCacheEnabled: true}, plain, `{"ioCacheEnabled":true}`},
		"port forwarding":      {v1alpha1.NodeTypeSelector{PortForwarding: true}, plain, `{"portForwarding":true}`},
		"a fleet":              {v1alpha1.NodeTypeSelector{Fleet: true}, plain, `{"fleet":true}`},
		"Graviton":             {v1alpha1.NodeTypeSelector{Graviton: true}, plain, `{"graviton":true}`},
		"no Graviton":          {v1alpha1.NodeTypeSelector{}, arm, `{}`},
		"the memory per core":  {v1alpha1.NodeTypeSelector{GBPerCore: 8}, thin, `{"gbPerCore":8}`},
		"the memory":           {v1alpha1.NodeTypeSelector{MinMemoryGB: 32}, tiny, `{"minMemoryGB":32}`},
		"the cores":            {v1alpha1.NodeTypeSelector{MinCores: 8}, tiny, `{"minCores":8}`},
		"the GPUs":             {v1alpha1.NodeTypeSelector{MinGPUs: 1}, plain, `{"minGPUs":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(problemOf(row.selector, row.offered)).To(Equal("spec.nodeTypeSelector " + row.asked +
				" matches none of the node types of the workspace: the nearest are " + row.offered.NodeTypeId + "; relax it, or set spec.nodeTypeID"))
		})
	}
}

func TestTheSuggestedNodeTypesAreBounded(t *testing.T) {
	g := NewWithT(t)
	large := compute.NodeType{NodeTypeId: "large", NumCores: 64, MemoryMb: 65536}
	demanding := v1alpha1.NodeTypeSelector{Category: "Memory Optimized", MinMemoryGB: 64, MinCores: 64, MinGPUs: 1, PhotonWorkerCapable: true}
	full := compute.NodeType{NodeTypeId: "full", NumCores: 64, MemoryMb: 65536, NumGpus: 1, PhotonWorkerCapable: true, Category: "Memory Optimized"}
	lacking := func(id string, lack func(*compute.NodeType)) compute.NodeType {
		node := full
		node.NodeTypeId = id
		lack(&node)
		return node
	}
	offered := []compute.NodeType{
		lacking("no GPU", func(n *compute.NodeType) { n.NumGpus = 0 }),
		lacking("few cores", func(n *compute.NodeType) { n.NumCores = 32 }),
		lacking("no Photon", func(n *compute.NodeType) { n.PhotonWorkerCapable = false }),
		lacking("other category", func(n *compute.NodeType) { n.Category = "General Purpose" }),
		large,
	}
	g.Expect(problemOf(demanding, offered...)).To(ContainSubstring("the nearest are other category, no Photon, few cores; "))
	g.Expect(problemOf(v1alpha1.NodeTypeSelector{MinGPUs: 1, Fleet: true}, large)).NotTo(ContainSubstring("nearest"), "it lacks two demands")
}

func TestTheNewestRuntimesAreSuggested(t *testing.T) {
	offered := func(keys ...string) []compute.SparkVersion {
		all := []compute.SparkVersion{}
		for _, key := range keys {
			all = append(all, compute.SparkVersion{Key: key, Name: key})
		}
		return all
	}
	for name, row := range map[string]struct {
		versions   []compute.SparkVersion
		suggestion string
	}{
		"four": {offered("14.3.x-scala2.12", "17.3.x-scala2.13", "15.4.x-scala2.12", "16.4.x-scala2.12"), "the nearest are 17.3.x-scala2.13, 16.4.x-scala2.12, 15.4.x-scala2.12; "},
		"one":  {offered("14.3.x-scala2.12"), "the nearest are 14.3.x-scala2.12; "},
		"none": {offered(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			spec := specWith(func(s *v1alpha1.DatabricksClusterSpec) {
				s.SparkVersionSelector = &v1alpha1.SparkVersionSelector{ML: true}
			})
			problem := Resolve(Input{Spec: spec, Lists: Lists{Versions: row.versions}}).Problem
			NewWithT(t).Expect(problem).To(Equal(&Problem{Kind: NoMatch, Message: `spec.sparkVersionSelector {"ml":true} matches none of the runtimes of the workspace: ` +
				row.suggestion + "relax it, or set spec.sparkVersion"}))
		})
	}
}
