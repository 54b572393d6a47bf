package sparkversion

import (
	"fmt"
	"slices"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// runtime is the declared runtime. parsed is the zero Version, which every node can
// run, if the key cannot be parsed.
type runtime struct {
	key    string
	parsed Version
	engine compute.RuntimeEngine
}

// nodeUse is a node type in a specification, with the roles of its nodes.
type nodeUse struct {
	field          string
	nodeTypeID     string
	worker, driver bool
}

// nodeUses returns the node types in a specification. The driver has the node type of
// the workers unless it has its own.
func nodeUses(want Desired) []nodeUse {
	var uses []nodeUse
	if want.NodeTypeID != "" {
		uses = append(uses, nodeUse{field: FieldNodeTypeID, nodeTypeID: want.NodeTypeID, worker: true, driver: want.DriverNodeTypeID == ""})
	}
	if want.DriverNodeTypeID != "" {
		uses = append(uses, nodeUse{field: FieldDriverNodeTypeID, nodeTypeID: want.DriverNodeTypeID, driver: true})
	}
	return uses
}

// problem returns the most severe problem of a node type: it is unknown or unavailable,
// it cannot run the runtime, or it is deprecated.
func (u nodeUse) problem(run runtime, facts Facts) (Problem, bool) {
	if len(facts.NodeTypes) == 0 {
		return Problem{}, false
	}
	at := slices.IndexFunc(facts.NodeTypes, func(n compute.NodeType) bool { return n.NodeTypeId == u.nodeTypeID })
	if at < 0 {
		return Unknown(u.field, u.nodeTypeID, choices(facts.NodeTypes)), true
	}
	node := facts.NodeTypes[at]
	if reason := unavailable(node); reason != "" {
		return problem(u.field, u.nodeTypeID, "%s: choose another node type", reason), true
	}
	if found, ok := u.incompatible(node, run, facts); ok {
		return found, true
	}
	if node.IsDeprecated {
		return problem(u.field, u.nodeTypeID, "is deprecated: choose a node type that the workspace does not list as such"), true
	}
	return Problem{}, false
}

// incompatible returns the problem if a node cannot run the runtime or the engine.
func (u nodeUse) incompatible(node compute.NodeType, run runtime, facts Facts) (Problem, bool) {
	version := run.parsed
	switch {
	case version.GPU() && node.NumGpus == 0:
		return problem(u.field, u.nodeTypeID, "has no GPUs, which %s %q needs: choose a node type with GPUs%s",
			FieldSparkVersion, run.key, orRuntime(version.withoutGPU(), facts.SparkVersions)), true
	case version.Hardware == HardwareCPU && node.NumGpus > 0:
		gpu := version
		gpu.Hardware = HardwareGPU
		return problem(u.field, u.nodeTypeID, "has GPUs, and %s %q is for nodes without: choose a node type without GPUs%s",
			FieldSparkVersion, run.key, orRuntime(gpu, facts.SparkVersions)), true
	case version.Hardware == HardwareAarch64 && !node.IsGraviton:
		return problem(u.field, u.nodeTypeID, "is no Arm machine, which %s %q needs: choose a Graviton node type%s",
			FieldSparkVersion, run.key, orRuntime(version.plain(), facts.SparkVersions)), true
	case version.Photon && !u.photonCapable(node, facts.NodeTypes):
		return problem(u.field, u.nodeTypeID, "cannot run Photon, which %s %q names: choose a node type that can%s",
			FieldSparkVersion, run.key, orRuntime(version.plain(), facts.SparkVersions)), true
	case run.engine == compute.RuntimeEnginePhoton && !u.photonCapable(node, facts.NodeTypes):
		return problem(u.field, u.nodeTypeID, "cannot run Photon, which %s %q asks for: choose a node type that can, or the engine %q",
			FieldRuntimeEngine, run.engine, compute.RuntimeEngineStandard), true
	default:
		return Problem{}, false
	}
}

// orRuntime returns the advice to use another runtime, if the workspace offers it.
func orRuntime(version Version, offered []compute.SparkVersion) string {
	key := version.String()
	if !slices.ContainsFunc(offered, func(o compute.SparkVersion) bool { return o.Key == key }) {
		return ""
	}
	return fmt.Sprintf(", or the runtime %q", key)
}

// photonCapable reports whether a node type can run Photon. If a workspace marks no
// node type as capable, its marks are missing and every node type counts as capable.
func (u nodeUse) photonCapable(node compute.NodeType, all []compute.NodeType) bool {
	worker := func(n compute.NodeType) bool { return n.PhotonWorkerCapable }
	driver := func(n compute.NodeType) bool { return n.PhotonDriverCapable }
	if u.worker && !worker(node) && slices.ContainsFunc(all, worker) {
		return false
	}
	return !u.driver || driver(node) || !slices.ContainsFunc(all, driver)
}

// unavailable returns the reason why a listed node type is unavailable, or "".
func unavailable(node compute.NodeType) string {
	if node.NodeInfo == nil {
		return ""
	}
	switch {
	case slices.Contains(node.NodeInfo.Status, compute.CloudProviderNodeStatusNotAvailableInRegion):
		return "is not available in the workspace's region"
	case slices.Contains(node.NodeInfo.Status, compute.CloudProviderNodeStatusNotEnabledOnSubscription):
		return "is not enabled on the workspace's subscription"
	default:
		return ""
	}
}

// choices returns the ids of the node types to suggest.
func choices(all []compute.NodeType) []string {
	var ids []string
	for _, n := range all {
		if !n.IsDeprecated && !n.IsHidden && unavailable(n) == "" {
			ids = append(ids, n.NodeTypeId)
		}
	}
	return ids
}
