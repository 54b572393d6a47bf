package sparkversion

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// The selections have the meaning of Select and Smallest of the Databricks SDK for Go,
// v0.180, so that the tools of developers choose the same. Unlike these, they are
// deterministic, and a node type with less than one core has no effect on others.

// Newest returns the key of the newest runtime that matches; "" if none does. Of runtimes
// that differ in Scala alone, it returns the one with the older Scala. request.Latest has
// no influence.
func Newest(request compute.SparkVersionRequest, offered []compute.SparkVersion) string {
	var keys []string
	for _, version := range offered {
		if isSelected(request, version) {
			keys = append(keys, version.Key)
		}
	}
	return NewestKey(keys)
}

// NewestKey returns the key of the newest of some runtimes, as Newest does; "" if there
// are none. Keys that do not begin with a release are the oldest.
func NewestKey(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return slices.MinFunc(keys, func(a, b string) int {
		return cmp.Or(slices.Compare(releaseOf(b), releaseOf(a)), cmp.Compare(a, b))
	})
}

func isSelected(request compute.SparkVersionRequest, version compute.SparkVersion) bool {
	has := func(part string) bool { return strings.Contains(version.Key, part) }
	isLTS := strings.Contains(version.Name, "LTS") || has("-esr-")
	switch {
	case !has("-scala" + request.Scala), has(lightPrefix):
		return false
	case has("-ml-") != request.ML, has("-hls-") != request.Genomics, has("-gpu-") != request.GPU,
		has("-photon-") != request.Photon, has("-aarch64-") != request.Graviton:
		return false
	case strings.Contains(version.Name, "Beta") != request.Beta, request.LongTermSupport && !isLTS:
		return false
	default:
		return strings.Contains(version.Name, "Apache Spark "+request.SparkVersion) || request.SparkVersion == ""
	}
}

// releaseOf returns the numbers with which a key begins; nil if it has none. 18.x has the
// numbers of 18.0.x, so that 18.2.x is newer.
func releaseOf(key string) []uint64 {
	release, _, found := strings.Cut(key, ".x-")
	if !found {
		return nil
	}
	major, feature, hasFeature := strings.Cut(release, ".")
	if !hasFeature {
		feature = "0"
	}
	first, err := strconv.ParseUint(major, 10, 64)
	if err != nil {
		return nil
	}
	second, err := strconv.ParseUint(feature, 10, 64)
	if err != nil {
		return nil
	}
	return []uint64{first, second}
}

// Smallest returns the id of the smallest node type that matches; "" if none does.
func Smallest(request compute.NodeTypeRequest, offered []compute.NodeType) string {
	var fit []*compute.NodeType
	for i := range offered {
		if isFit(request, &offered[i]) {
			fit = append(fit, &offered[i])
		}
	}
	if len(fit) == 0 {
		return ""
	}
	return slices.MinFunc(fit, compareSizes).NodeTypeId
}

// disks are the local disks of a node type. The size is that of one disk of each kind.
type disks struct{ plain, plainGB, nvme, nvmeGB int }

func disksOf(node *compute.NodeType) disks {
	instance := node.NodeInstanceType
	if instance == nil {
		return disks{}
	}
	return disks{instance.LocalDisks, instance.LocalDiskSizeGb, instance.LocalNvmeDisks, instance.LocalNvmeDiskSizeGb}
}

// compareSizes orders node types by the order in which they are tried.
func compareSizes(a, b *compute.NodeType) int {
	first, second := disksOf(a), disksOf(b)
	deprecated := func(n *compute.NodeType) int {
		if n.IsDeprecated {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(deprecated(a), deprecated(b)),
		cmp.Compare(int(a.NumCores), int(b.NumCores)),
		cmp.Compare(a.MemoryMb, b.MemoryMb),
		cmp.Compare(first.plain, second.plain),
		cmp.Compare(first.plainGB, second.plainGB),
		cmp.Compare(first.nvme, second.nvme),
		cmp.Compare(first.nvmeGB, second.nvmeGB),
		cmp.Compare(a.NumGpus, b.NumGpus),
		cmp.Compare(a.InstanceTypeId, b.InstanceTypeId),
		cmp.Compare(a.NodeTypeId, b.NodeTypeId))
}

func isFit(request compute.NodeTypeRequest, node *compute.NodeType) bool {
	return unavailable(*node) == "" && isLargeEnough(request, node) && hasDisks(request, node) && hasFeatures(request, node)
}

func isLargeEnough(request compute.NodeTypeRequest, node *compute.NodeType) bool {
	memoryGB, cores := node.MemoryMb/1024, int(node.NumCores)
	switch {
	case memoryGB < int(request.MinMemoryGB), cores < int(request.MinCores), node.NumGpus < int(request.MinGPUs):
		return false
	case request.MinGPUs == 0 && node.NumGpus > 0:
		return false
	case request.GBPerCore > 0:
		// A node type with less than one core has no whole number of GB per core.
		return cores > 0 && memoryGB/cores >= int(request.GBPerCore)
	default:
		return true
	}
}

// hasDisks reports whether the local disks suffice. A node type of which they are unknown
// matches, as in the SDK.
func hasDisks(request compute.NodeTypeRequest, node *compute.NodeType) bool {
	if node.NodeInstanceType == nil || !request.LocalDisk && request.LocalDiskMinSize == 0 {
		return true
	}
	local := disksOf(node)
	return local.plain+local.nvme > 0 && local.plainGB+local.nvmeGB >= int(request.LocalDiskMinSize)
}

func hasFeatures(request compute.NodeTypeRequest, node *compute.NodeType) bool {
	switch {
	case strings.Contains(node.NodeTypeId, "-fleet.") != request.Fleet, node.IsGraviton != request.Graviton:
		return false
	case request.Category != "" && !strings.EqualFold(node.Category, request.Category):
		return false
	case request.IsIOCacheEnabled && !node.IsIoCacheEnabled, request.SupportPortForwarding && !node.SupportPortForwarding:
		return false
	default:
		return (node.PhotonDriverCapable || !request.PhotonDriverCapable) && (node.PhotonWorkerCapable || !request.PhotonWorkerCapable)
	}
}
