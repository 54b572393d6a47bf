package sparkversion

import (
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

// workspace has the runtimes and the node types of a workspace.
var workspace = Facts{
	SparkVersions: []compute.SparkVersion{
		{Key: "18.x-scala2.13"},
		{Key: "17.3.x-scala2.13"},
		{Key: "16.4.x-scala2.12"},
		{Key: "15.4.x-scala2.12"},
		{Key: "16.4.x-cpu-ml-scala2.12"},
		{Key: "16.4.x-gpu-ml-scala2.12"},
		{Key: "17.3.x-gpu-ml-scala2.13"},
		{Key: "10.4.x-aarch64-photon-scala2.12"},
		{Key: "9.1.x-photon-scala2.12"},
		{Key: "9.1.x-scala2.12"},
		{Key: "apache-spark-2.4.x-scala2.11"},
		{Key: "a key of tomorrow"},
	},
	NodeTypes: []compute.NodeType{
		{NodeTypeId: "i3.xlarge", PhotonDriverCapable: true, PhotonWorkerCapable: true},
		{NodeTypeId: "i3.2xlarge", PhotonDriverCapable: true, PhotonWorkerCapable: true},
		{NodeTypeId: "m4.xlarge"},
		{NodeTypeId: "worker.large", PhotonWorkerCapable: true},
		{NodeTypeId: "driver.large", PhotonDriverCapable: true},
		{NodeTypeId: "g4dn.xlarge", NumGpus: 1},
		{NodeTypeId: "m6gd.large", IsGraviton: true, PhotonDriverCapable: true, PhotonWorkerCapable: true},
		{NodeTypeId: "c3.xlarge", IsDeprecated: true, PhotonDriverCapable: true, PhotonWorkerCapable: true},
		{NodeTypeId: "c4.hidden", IsHidden: true},
		{NodeTypeId: "x1.far", NodeInfo: &compute.CloudProviderNodeInfo{Status: []compute.CloudProviderNodeStatus{"", compute.CloudProviderNodeStatusNotAvailableInRegion}}},
		{NodeTypeId: "x1.unpaid", NodeInfo: &compute.CloudProviderNodeInfo{Status: []compute.CloudProviderNodeStatus{compute.CloudProviderNodeStatusNotEnabledOnSubscription}}},
		{NodeTypeId: "x1.here", NodeInfo: &compute.CloudProviderNodeInfo{}},
	},
}

func TestProblems(t *testing.T) {
	t.Parallel()
	const photon, standard = compute.RuntimeEnginePhoton, compute.RuntimeEngineStandard
	for name, row := range map[string]struct {
		want     Desired
		messages []string
	}{
		"nothing set":                        {want: Desired{}},
		"no problem":                         {want: Desired{SparkVersion: "16.4.x-scala2.12", NodeTypeID: "i3.xlarge", DriverNodeTypeID: "i3.2xlarge", RuntimeEngine: photon}},
		"a GPU runtime on GPUs":              {want: Desired{SparkVersion: "16.4.x-gpu-ml-scala2.12", NodeTypeID: "g4dn.xlarge"}},
		"machine learning for CPUs on CPUs":  {want: Desired{SparkVersion: "16.4.x-cpu-ml-scala2.12", NodeTypeID: "i3.xlarge"}},
		"a standard runtime on GPUs":         {want: Desired{SparkVersion: "16.4.x-scala2.12", NodeTypeID: "g4dn.xlarge"}},
		"an Arm runtime on Arm":              {want: Desired{SparkVersion: "10.4.x-aarch64-photon-scala2.12", NodeTypeID: "m6gd.large"}},
		"any runtime on Arm":                 {want: Desired{SparkVersion: "16.4.x-scala2.12", NodeTypeID: "m6gd.large"}},
		"Photon in an old key":               {want: Desired{SparkVersion: "9.1.x-photon-scala2.12", NodeTypeID: "i3.xlarge"}},
		"Light":                              {want: Desired{SparkVersion: "apache-spark-2.4.x-scala2.11", NodeTypeID: "i3.xlarge"}},
		"a listed key that cannot be parsed": {want: Desired{SparkVersion: "a key of tomorrow"}},
		"a special image":                    {want: Desired{SparkVersion: "dlt:16.4-delta-pipelines"}},
		"a custom image":                     {want: Desired{SparkVersion: "custom:mine"}},
		"a custom image of a release":        {want: Desired{SparkVersion: "custom-9.1.x-scala2.12"}},

		"an unknown runtime": {
			want:     Desired{SparkVersion: "15.3.x-scala2.12"},
			messages: []string{`spec.sparkVersion "15.3.x-scala2.12" is not known to the workspace: did you mean "15.4.x-scala2.12" or "16.4.x-scala2.12" or "17.3.x-scala2.13"?`},
		},
		"a runtime whose support has ended": {
			want:     Desired{SparkVersion: "7.3.x-scala2.12"},
			messages: []string{`spec.sparkVersion "7.3.x-scala2.12" is not known to the workspace, and is older than every runtime that is, so its support has probably ended: did you mean "17.3.x-scala2.13" or "9.1.x-scala2.12" or "15.4.x-scala2.12"?`},
		},
		"no runtime key": {
			want:     Desired{SparkVersion: "17.3"},
			messages: []string{`spec.sparkVersion "17.3" is not known to the workspace, and does not look like a runtime key: did you mean "17.3.x-scala2.13" or "17.3.x-gpu-ml-scala2.13"?`},
		},
		"no similar key": {
			want:     Desired{SparkVersion: "latest"},
			messages: []string{`spec.sparkVersion "latest" is not known to the workspace, and does not look like a runtime key: choose one that it lists`},
		},
		"an obsolete Photon key": {
			want:     Desired{SparkVersion: "16.4.x-photon-scala2.12"},
			messages: []string{`spec.sparkVersion "16.4.x-photon-scala2.12" is obsolete: since runtime 14 no key names Photon or aarch64; write "16.4.x-scala2.12" and spec.runtimeEngine PHOTON`},
		},
		"an obsolete Arm key": {
			want:     Desired{SparkVersion: "14.3.x-aarch64-scala2.12", NodeTypeID: "m6gd.large", RuntimeEngine: standard},
			messages: []string{`spec.sparkVersion "14.3.x-aarch64-scala2.12" is obsolete: since runtime 14 no key names Photon or aarch64; write "14.3.x-scala2.12"; the node type says the architecture`},
		},
		"Photon twice": {
			want:     Desired{SparkVersion: "9.1.x-photon-scala2.12", RuntimeEngine: standard},
			messages: []string{`spec.runtimeEngine "STANDARD" cannot stand beside spec.sparkVersion "9.1.x-photon-scala2.12", which names Photon already: write the key as "9.1.x-scala2.12" and leave the engine to runtimeEngine`},
		},
		"Photon twice and obsolete is one problem": {
			want:     Desired{SparkVersion: "16.4.x-photon-scala2.12", RuntimeEngine: photon},
			messages: []string{`spec.runtimeEngine "PHOTON" cannot stand beside spec.sparkVersion "16.4.x-photon-scala2.12", which names Photon already: write the key as "16.4.x-scala2.12" and leave the engine to runtimeEngine`},
		},
		"an unknown node type": {
			want:     Desired{NodeTypeID: "i3.xlarg"},
			messages: []string{`spec.nodeTypeID "i3.xlarg" is not known to the workspace: did you mean "i3.xlarge" or "i3.2xlarge"?`},
		},
		"deprecated and unavailable node types are not suggested": {
			want: Desired{NodeTypeID: "c3.xlarg", DriverNodeTypeID: "x1.fa"},
			messages: []string{
				`spec.nodeTypeID "c3.xlarg" is not known to the workspace: did you mean "i3.xlarge"?`,
				`spec.driverNodeTypeID "x1.fa" is not known to the workspace: choose one that it lists`,
			},
		},
		"hidden node types are not suggested": {
			want:     Desired{NodeTypeID: "c4.hiden"},
			messages: []string{`spec.nodeTypeID "c4.hiden" is not known to the workspace: choose one that it lists`},
		},
		"a deprecated node type": {
			want:     Desired{NodeTypeID: "i3.xlarge", DriverNodeTypeID: "c3.xlarge"},
			messages: []string{`spec.driverNodeTypeID "c3.xlarge" is deprecated: choose a node type that the workspace does not list as such`},
		},
		"unavailable node types": {
			want: Desired{NodeTypeID: "x1.far", DriverNodeTypeID: "x1.unpaid"},
			messages: []string{
				`spec.nodeTypeID "x1.far" is not available in the workspace's region: choose another node type`,
				`spec.driverNodeTypeID "x1.unpaid" is not enabled on the workspace's subscription: choose another node type`,
			},
		},
		"an available node type": {want: Desired{NodeTypeID: "x1.here"}},
		"a GPU runtime without GPUs": {
			want:     Desired{SparkVersion: "16.4.x-gpu-ml-scala2.12", NodeTypeID: "i3.xlarge"},
			messages: []string{`spec.nodeTypeID "i3.xlarge" has no GPUs, which spec.sparkVersion "16.4.x-gpu-ml-scala2.12" needs: choose a node type with GPUs, or the runtime "16.4.x-cpu-ml-scala2.12"`},
		},
		"a GPU runtime without a CPU variant": {
			want:     Desired{SparkVersion: "17.3.x-gpu-ml-scala2.13", NodeTypeID: "g4dn.xlarge", DriverNodeTypeID: "i3.xlarge"},
			messages: []string{`spec.driverNodeTypeID "i3.xlarge" has no GPUs, which spec.sparkVersion "17.3.x-gpu-ml-scala2.13" needs: choose a node type with GPUs`},
		},
		"machine learning for CPUs on GPUs": {
			want:     Desired{SparkVersion: "16.4.x-cpu-ml-scala2.12", NodeTypeID: "g4dn.xlarge"},
			messages: []string{`spec.nodeTypeID "g4dn.xlarge" has GPUs, and spec.sparkVersion "16.4.x-cpu-ml-scala2.12" is for nodes without: choose a node type without GPUs, or the runtime "16.4.x-gpu-ml-scala2.12"`},
		},
		"an Arm runtime on other nodes": {
			want:     Desired{SparkVersion: "10.4.x-aarch64-photon-scala2.12", NodeTypeID: "i3.xlarge"},
			messages: []string{`spec.nodeTypeID "i3.xlarge" is no Arm machine, which spec.sparkVersion "10.4.x-aarch64-photon-scala2.12" needs: choose a Graviton node type`},
		},
		"Photon by engine where it cannot run": {
			want:     Desired{SparkVersion: "16.4.x-scala2.12", RuntimeEngine: photon, NodeTypeID: "m4.xlarge"},
			messages: []string{`spec.nodeTypeID "m4.xlarge" cannot run Photon, which spec.runtimeEngine "PHOTON" asks for: choose a node type that can, or the engine "STANDARD"`},
		},
		"Photon by key where it cannot run": {
			want:     Desired{SparkVersion: "9.1.x-photon-scala2.12", NodeTypeID: "m4.xlarge"},
			messages: []string{`spec.nodeTypeID "m4.xlarge" cannot run Photon, which spec.sparkVersion "9.1.x-photon-scala2.12" names: choose a node type that can, or the runtime "9.1.x-scala2.12"`},
		},
		"Photon for drivers only": {
			want: Desired{RuntimeEngine: photon, NodeTypeID: "i3.xlarge", DriverNodeTypeID: "driver.large"},
		},
		"Photon for drivers only, with workers of the same type": {
			want:     Desired{RuntimeEngine: photon, NodeTypeID: "driver.large", DriverNodeTypeID: "i3.xlarge"},
			messages: []string{`spec.nodeTypeID "driver.large" cannot run Photon, which spec.runtimeEngine "PHOTON" asks for: choose a node type that can, or the engine "STANDARD"`},
		},
		"Photon for workers only": {
			want: Desired{RuntimeEngine: photon, NodeTypeID: "worker.large", DriverNodeTypeID: "i3.xlarge"},
		},
		"Photon for workers only, with a driver of the same type": {
			want:     Desired{RuntimeEngine: photon, NodeTypeID: "worker.large"},
			messages: []string{`spec.nodeTypeID "worker.large" cannot run Photon, which spec.runtimeEngine "PHOTON" asks for: choose a node type that can, or the engine "STANDARD"`},
		},
		"the standard engine on any node type": {want: Desired{RuntimeEngine: standard, NodeTypeID: "m4.xlarge"}},
		"problems come in the order of the fields": {
			want: Desired{SparkVersion: "9.2.x-photon-scala2.12", RuntimeEngine: photon, NodeTypeID: "m4.xlarge", DriverNodeTypeID: "m4.xlarg"},
			messages: []string{
				`spec.sparkVersion "9.2.x-photon-scala2.12" is not known to the workspace: did you mean "9.1.x-photon-scala2.12"?`,
				`spec.runtimeEngine "PHOTON" cannot stand beside spec.sparkVersion "9.2.x-photon-scala2.12", which names Photon already: write the key as "9.2.x-scala2.12" and leave the engine to runtimeEngine`,
				`spec.nodeTypeID "m4.xlarge" cannot run Photon, which spec.sparkVersion "9.2.x-photon-scala2.12" names: choose a node type that can`,
				`spec.driverNodeTypeID "m4.xlarg" is not known to the workspace: did you mean "m4.xlarge"?`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			NewWithT(t).Expect(messages(Problems(row.want, workspace))).To(HaveExactElements(row.messages))
		})
	}
}

func TestThereAreNoProblemsWithoutFacts(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	want := Desired{SparkVersion: "1.0.x-gpu-scala2.10", RuntimeEngine: compute.RuntimeEnginePhoton, NodeTypeID: "no.such", DriverNodeTypeID: "nor.such"}
	g.Expect(Problems(want, Facts{})).To(BeEmpty())
	g.Expect(Problems(want, Facts{NodeTypes: workspace.NodeTypes})).To(HaveLen(2))
	g.Expect(Problems(want, Facts{SparkVersions: workspace.SparkVersions})).To(HaveLen(1))
	// A workspace that marks no node type as capable of Photon has no marks.
	g.Expect(Problems(Desired{RuntimeEngine: compute.RuntimeEnginePhoton, NodeTypeID: "m4.xlarge"},
		Facts{NodeTypes: []compute.NodeType{{NodeTypeId: "m4.xlarge"}}})).To(BeEmpty())
}

func TestARuntimeIsSuggestedInTheFormThatTheWorkspaceLists(t *testing.T) {
	t.Parallel()
	facts := Facts{
		SparkVersions: []compute.SparkVersion{{Key: "5.5.x-esr-gpu-ml-scala2.11"}, {Key: "5.5.x-cpu-esr-ml-scala2.11"}},
		NodeTypes:     []compute.NodeType{{NodeTypeId: "i3.xlarge"}},
	}
	NewWithT(t).Expect(messages(Problems(Desired{SparkVersion: "5.5.x-esr-gpu-ml-scala2.11", NodeTypeID: "i3.xlarge"}, facts))).
		To(ConsistOf(HaveSuffix(`choose a node type with GPUs, or the runtime "5.5.x-cpu-esr-ml-scala2.11"`)))
}

func TestARuntimeWithoutGPUsIsSuggestedWithoutACPUVariant(t *testing.T) {
	t.Parallel()
	facts := Facts{
		SparkVersions: []compute.SparkVersion{{Key: "5.0.x-gpu-scala2.11"}, {Key: "5.0.x-scala2.11"}},
		NodeTypes:     []compute.NodeType{{NodeTypeId: "i3.xlarge"}},
	}
	NewWithT(t).Expect(messages(Problems(Desired{SparkVersion: "5.0.x-gpu-scala2.11", NodeTypeID: "i3.xlarge"}, facts))).
		To(ConsistOf(HaveSuffix(`choose a node type with GPUs, or the runtime "5.0.x-scala2.11"`)))
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	NewWithT(t).Expect(Unknown("spec.policyID", "teem", []string{"team", "other"})).To(Equal(Problem{
		Field: "spec.policyID", Value: "teem",
		Message: `spec.policyID "teem" is not known to the workspace: did you mean "team"?`,
	}))
}

// specs draws specifications whose values are often known or similar to known ones.
func specs() *rapid.Generator[Desired] {
	return rapid.Custom(func(t *rapid.T) Desired {
		runtimes, nodes := []string{"", "16.4", "dlt:x", "16.4.x-photon-scala2.12"}, []string{"", "i3.xlarg", "none"}
		for _, v := range workspace.SparkVersions {
			runtimes = append(runtimes, v.Key)
		}
		for _, n := range workspace.NodeTypes {
			nodes = append(nodes, n.NodeTypeId)
		}
		return Desired{
			SparkVersion: rapid.OneOf(rapid.SampledFrom(runtimes), rapid.Map(few(), Version.String)).Draw(t, "runtime"),
			RuntimeEngine: rapid.SampledFrom([]compute.RuntimeEngine{
				"", compute.RuntimeEngineNull, compute.RuntimeEnginePhoton, compute.RuntimeEngineStandard,
			}).Draw(t, "engine"),
			NodeTypeID:       rapid.SampledFrom(nodes).Draw(t, "node"),
			DriverNodeTypeID: rapid.SampledFrom(nodes).Draw(t, "driver"),
		}
	})
}

func TestProblemsDoNotDependOnTheOrderOfTheFacts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		want := specs().Draw(t, "want")
		got := Problems(want, workspace)

		values := map[string]string{
			FieldSparkVersion: want.SparkVersion, FieldRuntimeEngine: string(want.RuntimeEngine),
			FieldNodeTypeID: want.NodeTypeID, FieldDriverNodeTypeID: want.DriverNodeTypeID,
		}
		for i, p := range got {
			g.Expect(p.Value).To(Equal(values[p.Field]))
			g.Expect(p.Value).NotTo(BeEmpty())
			g.Expect(p.Message).To(ContainSubstring("%s %q ", p.Field, p.Value))
			for _, other := range got[i+1:] {
				g.Expect(other.Field).NotTo(Equal(p.Field), "one problem per field")
			}
		}
		g.Expect(Problems(want, Facts{
			SparkVersions: rapid.Permutation(workspace.SparkVersions).Draw(t, "runtimes"),
			NodeTypes:     rapid.Permutation(workspace.NodeTypes).Draw(t, "nodes"),
		})).To(Equal(got))
	})
}

func messages(problems []Problem) []string {
	var texts []string
	for _, p := range problems {
		texts = append(texts, p.Message)
	}
	return texts
}
