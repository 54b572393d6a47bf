package importer

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// maxName is the maximum length of the name of an object. Kubernetes allows more, and
// labels do not.
const maxName = 63

// objectNames returns the name of the object of each cluster, by cluster id. The name is
// that of the cluster in the form of Kubernetes. Of clusters with one name, the oldest
// gets it and the others get their id as a suffix, so that a new cluster does not change
// the names of the earlier ones.
func objectNames(clusters []*compute.ClusterDetails) map[string]string {
	oldestFirst := slices.Clone(clusters)
	slices.SortFunc(oldestFirst, func(a, b *compute.ClusterDetails) int {
		return cmp.Or(cmp.Compare(a.StartTime, b.StartTime), strings.Compare(a.ClusterId, b.ClusterId))
	})
	names, taken := map[string]string{}, map[string]bool{}
	for _, cluster := range oldestFirst {
		id := slug(cluster.ClusterId)
		name := shortened(slug(cluster.ClusterName), maxName)
		switch {
		case name == "":
			name = shortened("cluster-"+id, maxName)
		case taken[name]:
			name = shortened(name, maxName-len(id)-1) + "-" + id
		}
		for base, n := name, 2; taken[name]; n++ {
			suffix := "-" + strconv.Itoa(n)
			name = shortened(base, maxName-len(suffix)) + suffix
		}
		taken[name] = true
		names[cluster.ClusterId] = name
	}
	return names
}

// slug returns a text in lower case with a hyphen for every run of other characters than
// letters and digits of ASCII.
func slug(text string) string {
	var out strings.Builder
	pending := false
	for _, r := range strings.ToLower(text) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			if pending && out.Len() > 0 {
				out.WriteByte('-')
			}
			pending = false
			out.WriteRune(r)
			continue
		}
		pending = true
	}
	return out.String()
}

func shortened(name string, length int) string {
	return strings.Trim(name[:min(len(name), max(length, 0))], "-")
}
