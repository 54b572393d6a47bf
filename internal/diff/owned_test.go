package diff

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

func TestOwnedHasTheNamesOfTheResourceAndNoValues(t *testing.T) {
	NewWithT(t).Expect(volumes.Owned(Tree{
		"unknown": 1.0, "size": nil, "display_name": "a", "versions": []any{"a"}, "definition": `{"a":1}`, "labels": object{"pool_id": "x", "a/b": "y"},
		"settings": object{}, "cloud": object{"zone_id": "z", "key": "k", "disk": object{"kms_key": "k"}},
	})).To(Equal([]string{
		"/cloud/disk/kmsKey", "/cloud/keySecretRef", "/cloud/zoneID", "/definition", "/labels/a~1b", "/labels/pool_id", "/title", "/versions",
	}))
}

func TestRemoved(t *testing.T) {
	effective := Tree{
		"display_name": "a", "size": 0.0, "encrypted": true, "mode": nil, "labels": object{"pool_id": "x", "other": "y"},
		"cloud": object{"zone_id": "z", "max_price": 1.0}, "settings": object{"a": "b"},
	}
	for name, row := range map[string]struct {
		owned   []string
		desired Tree
		removed []string
		mayNeed bool
	}{
		"still declared":                       {owned: []string{"/size", "/cloud/zoneID"}, desired: Tree{"size": 1.0, "cloud": object{"zone_id": "z"}}},
		"no longer declared":                   {owned: []string{"/size", "/labels/pool_id"}, removed: []string{"/labels/pool_id", "/size"}, mayNeed: true},
		"a member, while another is declared":  {owned: []string{"/cloud/zoneID", "/cloud/maxPrice"}, desired: Tree{"cloud": object{"max_price": 2.0}}, removed: []string{"/cloud/zone_id"}, mayNeed: true},
		"never declared":                       {owned: nil},
		"a field that an object always has":    {owned: []string{"/title"}},
		"an immutable field":                   {owned: []string{"/encrypted"}},
		"a field of another version":           {owned: []string{"/newer", "/newer/a"}},
		"a value that is gone":                 {owned: []string{"/poolID", "/labels/gone"}, mayNeed: true},
		"a value that is null":                 {owned: []string{"/mode"}, mayNeed: true},
		"a key that only looks like a field's": {owned: []string{"/labels/poolID"}, mayNeed: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			if row.removed == nil {
				row.removed = []string{}
			}
			g.Expect(pathsOf(volumes.Removed(row.owned, row.desired, effective))).To(Equal(row.removed))
			g.Expect(volumes.MayNeedClearing(row.owned, row.desired)).To(Equal(row.mayNeed))
			g.Expect(volumes.Removed(row.owned, row.desired, nil)).To(BeEmpty())
		})
	}
	NewWithT(t).Expect(volumes.Removed([]string{"/options/a"}, nil, effective)).To(Equal([]Difference{
		{Path: "/settings/a", Field: "settings", Actual: "b", SpecPath: "/options/a", Secret: true},
	}))
}

func TestEveryFieldThatIsNoLongerDeclaredIsRemovedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		before, after := must(volumes.Declared(anySpec(t, "before"))), must(volumes.Declared(anySpec(t, "after")))
		owned := volumes.Owned(before)
		g.Expect(slices.IsSorted(owned)).To(BeTrue())
		g.Expect(volumes.Removed(owned, before, before)).To(BeEmpty())
		var want []string
		for _, path := range places(before) {
			row, _ := volumes.Field(path[0])
			if row.Removal == ClearValue && !row.Immutable && !slices.ContainsFunc(places(after), func(other []string) bool { return slices.Equal(path, other) }) {
				want = append(want, Pointer(path...))
			}
		}
		removed := pathsOf(volumes.Removed(owned, after, before))
		g.Expect(removed).To(ConsistOf(want))
		g.Expect(slices.IsSorted(removed)).To(BeTrue())
		g.Expect(volumes.MayNeedClearing(owned, after)).To(Equal(len(want) > 0))
	})
}
