package sparkversion

import (
	"fmt"
	"slices"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// runtime is what the nodes are to run. parsed is the zero Version where the
// key is not understood, which asks nothing of a node.
type runtime struct {
	key    string
	parsed Version
	engine compute.RuntimeEngine
}

// use is a node type in its place.
type use struct {
	field          string
	nodeTypeID     string
	worker, driver bool
}

// usesOf lists the node types that a specification names. That of the workers
// is the driver's, too, unless the driver has its own.
func usesOf(want Desired) []use {
	var uses []use
	if want.NodeTypeID != "" {
		uses = append(uses, use{field: FieldNodeTypeID, nodeTypeID: want.NodeTypeID, worker: true, driver: want.DriverNodeTypeID == ""})
	}
	if want.DriverNodeTypeID != "" {
		uses = append(uses, use{field: FieldDriverNodeTypeID, nodeTypeID: want.DriverNodeTypeID, driver: true})
	}
	return uses
}

// problem is what is most wrong with a node type: that it cannot be had, then
// that it cannot run what it should, then that it has seen its day.
func (u use) problem(run runtime, facts Facts) (Problem, bool) {
	if len(facts.NodeTypes) == 0 {
		return Problem{}, false
	}
	at := slices.IndexFunc(facts.NodeTypes, func(n compute.NodeType) bool { return n.NodeTypeId == u.nodeTypeID })
	if at < 0 {
		return Unknown(u.field, u.nodeTypeID, choices(facts.NodeTypes)), true
	}
	node := facts.NodeTypes[at]
	if why := unavailable(node); why != "" {
		return problem(u.field, u.nodeTypeID, "%s: choose another node type", why), true
	}
	if found, is := u.misfit(node, run, facts); is {
		return found, true
	}
	if node.IsDeprecated {
		return problem(u.field, u.nodeTypeID, "is deprecated: choose a node type that the workspace does not list as such"), true
	}
	return Problem{}, false
}

// misfit is what a node lacks to run the runtime, or has too much of.
func (u use) misfit(node compute.NodeType, run runtime, facts Facts) (Problem, bool) {
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

// orRuntime offers another runtime as a way out, if the workspace has it.
func orRuntime(version Version, offered []compute.SparkVersion) string {
	key := version.String()
	if !slices.ContainsFunc(offered, func(o compute.SparkVersion) bool { return o.Key == key }) {
		return ""
	}
	return fmt.Sprintf(", or the runtime %q", key)
}

// photonCapable goes by what the workspace says of each node type. One that
// calls none of them capable does not say it at all.
func (u use) photonCapable(node compute.NodeType, all []compute.NodeType) bool {
	worker := func(n compute.NodeType) bool { return n.PhotonWorkerCapable }
	driver := func(n compute.NodeType) bool { return n.PhotonDriverCapable }
	if u.worker && !worker(node) && slices.ContainsFunc(all, worker) {
		return false
	}
	return !u.driver || driver(node) || !slices.ContainsFunc(all, driver)
}

// unavailable says why a listed node type cannot be had; empty if it can.
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

// choices are the node types that somebody should be pointed to.
func choices(all []compute.NodeType) []string {
	var ids []string
	for _, n := range all {
		if !n.IsDeprecated && !n.IsHidden && unavailable(n) == "" {
			ids = append(ids, n.NodeTypeId)
		}
	}
	return ids
}
