package admission

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// repeated returns n copies of an item of a YAML list or map.
func repeated(n int, item string) string {
	return strings.Join(slices.Repeat([]string{item}, n), ", ")
}

// numbered returns n items of a YAML list or map, formatted with their number.
func numbered(n int, format string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(items, ", ")
}

// longText returns a distinct string of n characters that ends in its number.
func longText(n, number int) string {
	return fmt.Sprintf("%0*d", n, number)
}

// named returns a map with n entries, with names and values of the given
// lengths.
func named(n, name, value int) map[string]any {
	entries := map[string]any{}
	for i := range n {
		entries[longText(name, i)] = longText(value, i)
	}
	return entries
}

// items returns a list of n items.
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
		accepted: []string{`{sparkConf: {` + longText(256, 1) + `: "` + longText(2048, 1) + `"}, sparkEnvVars: {X: "` + longText(4096, 1) + `"}, customTags: {` + longText(127, 1) + `: "` + longText(255, 1) + `"}}`},
		rejected: []rejection{
			{`{sparkConf: {k: "` + longText(2049, 1) + `"}}`, []string{"spec.sparkConf: Forbidden: names in sparkConf are at most 256 characters long and values 2048"}},
			{`{sparkConf: {k` + longText(256, 1) + `: x}}`, []string{"spec.sparkConf: Forbidden: names in sparkConf are at most 256 characters long and values 2048"}},
			{`{sparkEnvVars: {k: "` + longText(4097, 1) + `"}}`, []string{"spec.sparkEnvVars: Forbidden: names in sparkEnvVars are at most 256 characters long and values 4096"}},
			{`{customTags: {k: "` + longText(256, 1) + `"}}`, []string{"spec.customTags: Forbidden: names in customTags are at most 127 characters long and values 255"}},
			{`{customTags: {k` + longText(127, 1) + `: x}}`, []string{"spec.customTags: Forbidden: names in customTags are at most 127 characters long and values 255"}},
			{`{sparkConf: {` + numbered(201, `k%d: x`) + `}}`, []string{"spec.sparkConf: Too many: 201: must have at most 200 items"}},
			{`{sparkEnvVars: {` + numbered(101, `k%d: x`) + `}}`, []string{"spec.sparkEnvVars: Too many: 101: must have at most 100 items"}},
		},
	},
	{
		name:     "a spec is bounded in all [P16] [S17]",
		accepted: []string{`{sparkConf: {` + numbered(130, `k%d: "`+longText(2000, 1)+`"`) + `}}`},
		rejected: []rejection{
			{`{sparkConf: {` + numbered(140, `k%d: "`+longText(2000, 1)+`"`) + `}}`, []string{tooLarge}},
		},
	},
	{
		name:     "lists are bounded",
		accepted: []string{`{libraries: [` + numbered(100, `{jar: "%d"}`) + `]}`},
		rejected: []rejection{
			{`{libraries: [` + numbered(101, `{jar: "%d"}`) + `]}`, []string{"spec.libraries: Too many: 101: must have at most 100 items"}},
			{`{accessControlList: [` + numbered(101, `{userName: "%d", permissionLevel: CAN_RESTART}`) + `]}`, []string{"spec.accessControlList: Too many: 101: must have at most 100 items"}},
			{`{workerNodeTypeFlexibility: {alternateNodeTypeIDs: [` + numbered(11, `"%d"`) + `]}}`, []string{"spec.workerNodeTypeFlexibility.alternateNodeTypeIDs: Too many: 11: must have at most 10 items"}},
		},
	},
}

// tooLarge is the error for a spec that is too large although its fields are
// within their limits.
const tooLarge = "spec: Forbidden: the spec is larger than 256 KiB in all: shorten sparkConf, sparkEnvVars and libraries; " +
	"what is long belongs in files that initScripts or a requirements.txt read"

// maximalSpec returns a spec with the maximum number of items.
func maximalSpec(t *testing.T) map[string]any {
	t.Helper()
	spec := changedSpec(t, minimalSpec, `{pinned: true}`)
	spec["clusterName"] = longText(255, 1)
	spec["sparkConf"] = named(200, 40, 400)
	spec["sparkEnvVars"] = named(100, 40, 400)
	spec["customTags"] = named(44, 127, 255)
	spec["sshPublicKeys"] = items(10, func(i int) any { return longText(800, i) })
	spec["initScripts"] = items(10, func(i int) any {
		return map[string]any{"s3": map[string]any{"destination": longText(200, i), "kmsKey": longText(100, i), "endpoint": longText(100, i)}}
	})
	spec["accessControlList"] = items(100, func(i int) any {
		return map[string]any{"servicePrincipalName": longText(36, i), "permissionLevel": "CAN_ATTACH_TO"}
	})
	spec["libraries"] = items(100, func(i int) any {
		return map[string]any{"maven": map[string]any{
			"coordinates": longText(60, i), "repo": longText(60, i), "exclusions": items(20, func(j int) any { return longText(20, j) }),
		}}
	})
	return spec
}

// setMaximumLengths sets the large fields of a spec to their maximum length.
func setMaximumLengths(spec map[string]any) {
	spec["sparkConf"] = named(200, 256, 2048)
	spec["sparkEnvVars"] = named(100, 256, 4096)
	spec["sshPublicKeys"] = items(10, func(i int) any { return longText(4096, i) })
	spec["initScripts"] = items(10, func(i int) any {
		return map[string]any{"s3": map[string]any{"destination": longText(1024, i), "kmsKey": longText(2048, i), "endpoint": longText(512, i)}}
	})
	spec["accessControlList"] = items(100, func(i int) any {
		return map[string]any{"servicePrincipalName": longText(256, i), "permissionLevel": "CAN_ATTACH_TO"}
	})
	spec["libraries"] = items(100, func(i int) any {
		return map[string]any{"maven": map[string]any{
			"coordinates": longText(256, i), "repo": longText(512, i), "exclusions": items(20, func(j int) any { return longText(128, j) }),
		}}
	})
}

// The rules stay within the API server's cost budget, and the largest valid
// object fits into etcd.
func TestBounds(t *testing.T) {
	t.Run("an object with as many items as are legal is stored [S13]", func(t *testing.T) {
		g := NewWithT(t)

		cluster := createObject(t, "largest", maximalSpec(t))
		cluster.SetLabels(map[string]string{"touched": "once"})
		g.Expect(api.Update(t.Context(), cluster)).To(Succeed())
	})
	t.Run("a spec larger than 256 KiB is refused for that alone [P16] [S17]", func(t *testing.T) {
		g := NewWithT(t)

		all := maximalSpec(t)
		setMaximumLengths(all)
		g.Expect(rejectionCauses(t, api.Create(t.Context(), object("longest", all)))).To(ConsistOf(tooLarge))
	})
	t.Run("256 KiB are counted over all fields [P16] [S17]", func(t *testing.T) {
		g := NewWithT(t)

		// 100 × 2,000 of sparkConf, almost 62,144 of another field, and 120 of
		// a third.
		fields := map[string]func(spec map[string]any){
			"sparkEnvVars": func(spec map[string]any) { spec["sparkEnvVars"] = named(30, 10, 2060) },
			"libraries": func(spec map[string]any) {
				spec["libraries"] = items(61, func(i int) any { return map[string]any{"whl": longText(1018, i)} })
			},
			"maven": func(spec map[string]any) {
				spec["libraries"] = items(61, func(i int) any {
					return map[string]any{"maven": map[string]any{
						"coordinates": longText(18, i), "exclusions": items(10, func(j int) any { return longText(100, j) }),
					}}
				})
			},
		}
		for name, fill := range fields {
			spec := changedSpec(t, minimalSpec, `{}`)
			spec["sparkConf"] = named(100, 10, 1990)
			fill(spec)
			g.Expect(rejectionCauses(t, api.Create(t.Context(), object("counted-"+strings.ToLower(name), spec)))).To(BeEmpty(), name)
			spec["customTags"] = named(1, 20, 100)
			g.Expect(rejectionCauses(t, api.Create(t.Context(), object("counted-too", spec)))).To(ConsistOf(tooLarge), name)
		}
		spec := changedSpec(t, minimalSpec, `{}`)
		spec["sparkConf"] = named(124, 100, 2000)
		g.Expect(rejectionCauses(t, api.Create(t.Context(), object("counted-before", spec)))).To(BeEmpty())
		for name, value := range map[string]any{
			"sshPublicKeys": items(10, func(i int) any { return longText(2000, i) }),
			"initScripts": items(10, func(i int) any {
				return map[string]any{"volumes": map[string]any{"destination": longText(1000, i)}}
			}),
			"accessControlList": items(50, func(i int) any {
				return map[string]any{"groupName": longText(200, i), "permissionLevel": "CAN_RESTART"}
			}),
		} {
			more := changedSpec(t, minimalSpec, `{}`)
			more["sparkConf"] = spec["sparkConf"]
			more[name] = value
			g.Expect(rejectionCauses(t, api.Create(t.Context(), object("counted-after", more)))).To(ConsistOf(tooLarge), name)
		}
	})
}
