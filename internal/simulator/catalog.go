package simulator

import (
	"regexp"
	"slices"
)

// The runtimes, node types and zones of a workspace.

type runtime struct{ key, name string }

var runtimes = []runtime{
	{"18.x-scala2.13", "18 LTS (includes Apache Spark 4.1.0, Scala 2.13)"},
	{"17.3.x-scala2.13", "17.3 LTS (includes Apache Spark 4.0.0, Scala 2.13)"},
	{"17.3.x-cpu-ml-scala2.13", "17.3 LTS ML (includes Apache Spark 4.0.0, Scala 2.13)"},
	{"16.4.x-scala2.13", "16.4 LTS (includes Apache Spark 3.5.2, Scala 2.13)"},
	{"16.4.x-scala2.12", "16.4 LTS (includes Apache Spark 3.5.2, Scala 2.12)"},
	{"16.4.x-cpu-ml-scala2.12", "16.4 LTS ML (includes Apache Spark 3.5.2, Scala 2.12)"},
	{"16.4.x-gpu-ml-scala2.12", "16.4 LTS ML (includes Apache Spark 3.5.2, GPU, Scala 2.12)"},
	{"15.4.x-scala2.12", "15.4 LTS (includes Apache Spark 3.5.0, Scala 2.12)"},
	{"9.1.x-photon-scala2.12", "9.1 LTS Photon (includes Apache Spark 3.1.2, Scala 2.12)"},
	{"apache-spark-2.4.x-scala2.11", "Light 2.4 (includes Apache Spark 2.4, Scala 2.11)"},
}

// NodeType is the size of a node.
type NodeType struct {
	ID       string
	NumCores float64
	MemoryMB int64
}

var nodeTypes = []NodeType{
	{"i3.xlarge", 4, 31232},
	{"i3.2xlarge", 8, 62464},
	{"i3.4xlarge", 16, 124928},
	{"m4.xlarge", 4, 16384},
	{"m5.large", 2, 8192},
	{"m5d.large", 2, 8192},
	{"m5d.xlarge", 4, 16384},
	{"c5d.xlarge", 4, 8192},
	{"rd-fleet.xlarge", 4, 32768},
	{"Standard_DS3_v2", 4, 14336},
	{"Standard_D4ds_v5", 4, 16384},
	{"Standard_D8ds_v5", 8, 32768},
	{"Standard_E8ads_v5", 8, 65536},
	{"n1-standard-4", 4, 15360},
	{"n2-highmem-4", 4, 32768},
}

// nodeTypeOf returns a node type of the catalogue, or a typical one with this
// id.
func nodeTypeOf(id string) NodeType {
	for _, n := range nodeTypes {
		if n.ID == id {
			return n
		}
	}
	return NodeType{ID: id, NumCores: 4, MemoryMB: 16384}
}

// localDisks matches the node types that have local disks; those of AWS are NVMe disks.
var localDisks = regexp.MustCompile(`^(Standard_|i3[.]|[cm]5d[.]|rd-fleet[.])`)

// disks returns the node_instance_type of a node type, as list-node-types shows it.
func (n NodeType) disks() params {
	shown := params{"instance_type_id": n.ID}
	if !localDisks.MatchString(n.ID) {
		return shown
	}
	kind, size := "nvme_", int64(150)
	if cloudOfNodeType(n.ID) == Azure {
		kind = ""
	}
	shown["local_"+kind+"disks"], shown["local_"+kind+"disk_size_gb"] = int64(1), size
	return shown
}

func isListedRuntime(key string) bool {
	return slices.ContainsFunc(runtimes, func(r runtime) bool { return r.key == key })
}

func isListedNodeType(id string) bool {
	return slices.ContainsFunc(nodeTypes, func(n NodeType) bool { return n.ID == id })
}

var nodeTypeForms = []struct {
	cloud Cloud
	form  *regexp.Regexp
}{
	{Azure, regexp.MustCompile(`^Standard_[A-Za-z0-9_-]+$`)},
	{AWS, regexp.MustCompile(`^[a-z0-9-]+\.(\d*x?large|metal)$`)},
	{GCP, regexp.MustCompile(`^[a-z][a-z0-9]*-[a-z]+-\d+(-lssd)?$`)},
}

// cloudOfNodeType infers the cloud from the form of the id, so that it also
// knows node types outside the catalogue; AnyCloud if the form is unknown.
func cloudOfNodeType(id string) Cloud {
	for _, known := range nodeTypeForms {
		if known.form.MatchString(id) {
			return known.cloud
		}
	}
	return AnyCloud
}

func (c *call) sparkVersions() (any, *apiError) {
	versions := make([]any, 0, len(runtimes))
	for _, r := range runtimes {
		if slices.Contains(c.server.unreleased, r.key) {
			continue
		}
		versions = append(versions, params{"key": r.key, "name": r.name})
	}
	return params{"versions": versions}, nil
}

func (c *call) listNodeTypes() (any, *apiError) {
	shown := []any{}
	for _, n := range nodeTypes {
		if cloud := c.workspace.cloud; cloud != AnyCloud && cloud != cloudOfNodeType(n.ID) {
			continue
		}
		shown = append(shown, params{
			"node_type_id": n.ID, "instance_type_id": n.ID, "category": "General Purpose", "description": n.ID,
			"memory_mb": n.MemoryMB, "num_cores": n.NumCores, "num_gpus": int64(0),
			"is_deprecated": false, "is_hidden": false, "support_cluster_tags": true,
			"photon_driver_capable": true, "photon_worker_capable": true,
			"node_instance_type": n.disks(),
		})
	}
	return params{"node_types": shown}, nil
}

func (c *call) listZones() (any, *apiError) {
	switch c.workspace.cloud {
	case Azure:
		return params{}, nil // Azure offers no choice of zones
	case GCP:
		return params{"zones": []any{"us-central1-a", "us-central1-b"}, "default_zone": "us-central1-a"}, nil
	default:
		return params{"zones": []any{"us-west-2a", "us-west-2b", "us-west-2c"}, "default_zone": "us-west-2c"}, nil
	}
}
