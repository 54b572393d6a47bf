package admission

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// repeated is n times the same item of a YAML list or map.
func repeated(n int, item string) string {
	return strings.Join(slices.Repeat([]string{item}, n), ", ")
}

// numbered is n items of a YAML list or map, each with its number.
func numbered(n int, format string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(items, ", ")
}

// long is a text of n characters that ends in its number, so that several differ.
func long(n, number int) string {
	return fmt.Sprintf("%0*d", n, number)
}

// named is n entries of a map: names of 256 characters, values of the given length.
func named(n, length int) map[string]any {
	entries := map[string]any{}
	for i := range n {
		entries[long(256, i)] = long(length, i)
	}
	return entries
}

// items is a list made item by item.
func items(n int, item func(int) any) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = item(i)
	}
	return list
}

var boundRules = []rule{
	{
		name:     "names and values of maps are bounded",
		accepted: []string{`{sparkConf: {` + long(256, 1) + `: "` + long(2048, 1) + `"}, sparkEnvVars: {X: "` + long(4096, 1) + `"}, customTags: {k: "` + long(256, 1) + `"}}`},
		refused: []refused{
			{`{sparkConf: {k: "` + long(2049, 1) + `"}}`, []string{"spec.sparkConf: Forbidden: names in sparkConf are at most 256 characters long and values 2048"}},
			{`{sparkConf: {k` + long(256, 1) + `: x}}`, []string{"spec.sparkConf: Forbidden: names in sparkConf are at most 256 characters long and values 2048"}},
			{`{sparkEnvVars: {k: "` + long(4097, 1) + `"}}`, []string{"spec.sparkEnvVars: Forbidden: names in sparkEnvVars are at most 256 characters long and values 4096"}},
			{`{customTags: {k: "` + long(257, 1) + `"}}`, []string{"spec.customTags: Forbidden: names in customTags are at most 256 characters long and values 256"}},
			{`{sparkConf: {` + numbered(201, `k%d: x`) + `}}`, []string{"spec.sparkConf: Too many: 201: must have at most 200 items"}},
			{`{sparkEnvVars: {` + numbered(101, `k%d: x`) + `}}`, []string{"spec.sparkEnvVars: Too many: 101: must have at most 100 items"}},
		},
	},
	{
		name:     "lists are bounded",
		accepted: []string{`{libraries: [` + numbered(100, `{jar: "%d"}`) + `]}`},
		refused: []refused{
			{`{libraries: [` + numbered(101, `{jar: "%d"}`) + `]}`, []string{"spec.libraries: Too many: 101: must have at most 100 items"}},
			{`{accessControlList: [` + numbered(101, `{userName: "%d", permissionLevel: CAN_RESTART}`) + `]}`, []string{"spec.accessControlList: Too many: 101: must have at most 100 items"}},
			{`{workerNodeTypeFlexibility: {alternateNodeTypeIDs: [` + numbered(11, `"%d"`) + `]}}`, []string{"spec.workerNodeTypeFlexibility.alternateNodeTypeIDs: Too many: 11: must have at most 10 items"}},
		},
	},
}

// The rules are checked within the API server's budget of time, and the object
// fits into etcd with what else is kept about it, however much a user makes of
// the bounds.
func TestBounds(t *testing.T) {
	t.Run("the largest legal object is stored [S13]", func(t *testing.T) {
		g := NewWithT(t)

		largest := changed(t, plain, `{pinned: true}`)
		largest["clusterName"] = long(255, 1)
		largest["sparkConf"] = named(200, 2048)
		largest["sparkEnvVars"] = named(100, 4096)
		largest["customTags"] = named(44, 256)
		largest["sshPublicKeys"] = items(10, func(i int) any { return long(4096, i) })
		largest["initScripts"] = items(10, func(i int) any {
			return map[string]any{"s3": map[string]any{"destination": long(1024, i), "kmsKey": long(2048, i), "endpoint": long(512, i)}}
		})
		largest["accessControlList"] = items(100, func(i int) any {
			return map[string]any{"servicePrincipalName": long(256, i), "permissionLevel": "CAN_ATTACH_TO"}
		})
		largest["libraries"] = items(100, func(i int) any {
			return map[string]any{"maven": map[string]any{
				"coordinates": long(256, i), "repo": long(512, i), "exclusions": items(20, func(j int) any { return long(128, j) }),
			}}
		})

		cluster := created(t, "largest", largest)
		cluster.SetLabels(map[string]string{"touched": "once"})
		g.Expect(api.Update(t.Context(), cluster)).To(Succeed())
	})
}
