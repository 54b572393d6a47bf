package selection

import (
	"fmt"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/sparkversion"
)

// runtime resolves the selector of a runtime. An earlier choice stands until an update is
// due, also if the workspace does not list it any more: its support ended, and it can
// still be used.
func runtime(in Input, c choice, kept string) (string, *Problem) {
	selector := in.Spec.SparkVersionSelector
	if kept != "" && !updatesNow(selector.Update, in.Power) {
		return kept, nil
	}
	if newest := sparkversion.Newest(versionRequest(selector), in.Lists.Versions); newest != "" {
		return newest, nil
	}
	if kept != "" {
		return kept, nil
	}
	keys := make([]string, 0, len(in.Lists.Versions))
	for _, version := range in.Lists.Versions {
		keys = append(keys, version.Key)
	}
	return "", noMatch(c, c.asked(in.Spec), newestOf(keys))
}

func updatesNow(update v1alpha1.RuntimeUpdate, power Power) bool {
	switch update {
	case v1alpha1.RuntimeUpdateByStrategy:
		return true
	case v1alpha1.RuntimeUpdateNever:
		return false
	default:
		return power == Down
	}
}

func versionRequest(s *v1alpha1.SparkVersionSelector) compute.SparkVersionRequest {
	return compute.SparkVersionRequest{
		LongTermSupport: s.LongTermSupport, Beta: s.Beta, ML: s.ML, Genomics: s.Genomics, GPU: s.GPU,
		Photon: s.Photon, Graviton: s.Graviton, Scala: s.Scala, SparkVersion: s.SparkVersion, Latest: true,
	}
}

// nodeTypeOf returns the resolution of the selector of a node type. An earlier choice
// stands while the workspace lists it, also if a smaller node type was added.
func nodeTypeOf(selectorOf func(*v1alpha1.DatabricksClusterSpec) *v1alpha1.NodeTypeSelector) func(Input, choice, string) (string, *Problem) {
	return func(in Input, c choice, kept string) (string, *Problem) {
		offered := in.Lists.NodeTypes
		if slices.ContainsFunc(offered, func(n compute.NodeType) bool { return n.NodeTypeId == kept }) {
			return kept, nil
		}
		if smallest := sparkversion.Smallest(nodeTypeRequest(selectorOf(in.Spec)), offered); smallest != "" {
			return smallest, nil
		}
		return "", noMatch(c, c.asked(in.Spec), nearestSizes(nodeTypeRequest(selectorOf(in.Spec)), offered))
	}
}

func nodeTypeRequest(s *v1alpha1.NodeTypeSelector) compute.NodeTypeRequest {
	return compute.NodeTypeRequest{
		MinMemoryGB: s.MinMemoryGB, GBPerCore: s.GBPerCore, MinCores: s.MinCores, MinGPUs: s.MinGPUs,
		LocalDisk: s.LocalDisk, LocalDiskMinSize: s.LocalDiskMinSizeGB, Category: s.Category,
		PhotonWorkerCapable: s.PhotonWorkerCapable, PhotonDriverCapable: s.PhotonDriverCapable,
		IsIOCacheEnabled: s.IOCacheEnabled, SupportPortForwarding: s.PortForwarding, Graviton: s.Graviton, Fleet: s.Fleet,
	}
}

func noMatch(c choice, asked string, near []string) *Problem {
	suggestion := ""
	if len(near) > 0 {
		suggestion = "the nearest are " + strings.Join(near, ", ") + "; "
	}
	return &Problem{Kind: NoMatch, Message: fmt.Sprintf("spec.%s %s matches none of the %s of the workspace: %srelax it, or set spec.%s",
		c.field, asked, c.list, suggestion, c.idField)}
}

// nearest returns the part of a message that suggests similar names; "" if there are none.
func nearest(name string, known []string) string {
	near := sparkversion.Nearest(name, known)
	if len(near) == 0 {
		return ""
	}
	for i := range near {
		near[i] = fmt.Sprintf("%q", near[i])
	}
	return "the nearest are " + strings.Join(near, ", ") + "; "
}

// maxNearest is the maximum number of suggestions.
const maxNearest = 3

// newestOf returns the newest runtimes of all that are offered.
func newestOf(keys []string) []string {
	var newest []string
	for len(newest) < maxNearest && len(keys) > 0 {
		next := sparkversion.NewestKey(keys)
		newest = append(newest, next)
		keys = slices.DeleteFunc(keys, func(key string) bool { return key == next })
	}
	return newest
}

// nearestSizes returns the node types that match if one demand at a time is left out, in
// the order of the demands. They differ, because each lacks another demand.
func nearestSizes(request compute.NodeTypeRequest, offered []compute.NodeType) []string {
	var near []string
	for _, relax := range relaxations {
		relaxed := request
		relax(&relaxed)
		if id := sparkversion.Smallest(relaxed, offered); id != "" {
			near = append(near, id)
		}
	}
	return near[:min(len(near), maxNearest)]
}

// relaxations leave one demand out.
var relaxations = []func(*compute.NodeTypeRequest){
	func(r *compute.NodeTypeRequest) { r.Category = "" },
	func(r *compute.NodeTypeRequest) { r.LocalDisk, r.LocalDiskMinSize = false, 0 },
	func(r *compute.NodeTypeRequest) { r.PhotonWorkerCapable, r.PhotonDriverCapable = false, false },
	func(r *compute.NodeTypeRequest) { r.IsIOCacheEnabled, r.SupportPortForwarding = false, false },
	func(r *compute.NodeTypeRequest) { r.Fleet = false },
	func(r *compute.NodeTypeRequest) { r.Graviton = !r.Graviton },
	func(r *compute.NodeTypeRequest) { r.GBPerCore = 0 },
	func(r *compute.NodeTypeRequest) { r.MinMemoryGB = 0 },
	func(r *compute.NodeTypeRequest) { r.MinCores = 0 },
	func(r *compute.NodeTypeRequest) { r.MinGPUs = 0 },
}
