package drift

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// Desired returns the declared specification in the form of the Clusters API. A
// field that is absent is not managed. Fields that exclude each other are resolved
// as the API requires: one kind of size, and a pool or node types.
func Desired(spec *v1alpha1.ClusterSpec, secrets Secrets) (Tree, error) {
	if err := checkTags(spec.CustomTags); err != nil {
		return nil, err
	}
	tree, err := table.Declared(spec)
	if err != nil {
		return nil, err
	}
	table.ResolveSecrets(tree, func(name string, _ any) any {
		f, _ := rowOf(name)
		return f.secretValue(secrets)
	})
	applySizeRules(tree)
	applyPoolRules(tree)
	dropRefused(tree)
	return tree, nil
}

// databricksTags are the custom tags that Databricks sets. With a Name of its own a
// cluster may never terminate.
var databricksTags = []string{"Vendor", "Creator", "ClusterId", "ClusterName", "Name"}

// checkTags refuses the custom tags that the schema refuses, in objects that are older
// than the schema. Clouds compare names of tags without regard to case.
func checkTags(tags map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		switch {
		case strings.HasPrefix(strings.ToLower(name), "databricks-operator"):
			return fmt.Errorf("spec.customTags: the tag %q is reserved, because the operator knows its clusters by such tags: remove it", name)
		case slices.Contains(databricksTags, name):
			return fmt.Errorf("spec.customTags: the tag %q is set by Databricks: remove it, or choose another name", name)
		}
	}
	return nil
}

// applySizeRules keeps one kind of size, or none if a policy supplies it. The size
// is never computed from the observed one.
func applySizeRules(tree Tree) {
	if _, autoscales := tree["autoscale"]; autoscales {
		delete(tree, "num_workers")
		return
	}
	if single, _ := tree["is_single_node"].(bool); single {
		tree["num_workers"] = float64(0)
	}
}

// applyPoolRules removes the fields that the API refuses together with a pool.
func applyPoolRules(tree Tree) {
	if _, pooled := tree["instance_pool_id"]; !pooled {
		return
	}
	for _, f := range fields {
		switch f.pool {
		case reducedWithPool:
			members, _ := tree[f.Name].(map[string]any)
			delete(tree, f.Name)
			if value, declared := members[f.poolMember]; declared {
				tree[f.Name] = map[string]any{f.poolMember: value}
			}
		case refusedWithPool:
			delete(tree, f.Name)
		default: // the field is sent
		}
	}
}

// dropRefused removes the values that the API refuses: empty strings, which it reads
// as invalid ids, and some values of 0.
func dropRefused(tree Tree) {
	for _, f := range fields {
		members, _ := tree[f.Name].(map[string]any)
		for _, name := range f.refusesZero {
			if diff.IsEmpty(members[name]) {
				delete(members, name)
			}
		}
	}
	dropEmptyStrings(tree)
}

// dropEmptyStrings removes empty strings at any depth, but not those in a free map.
func dropEmptyStrings(tree map[string]any) {
	for name, value := range tree {
		if value == "" {
			delete(tree, name)
		}
		if object, _ := value.(map[string]any); !isFreeMap(name) {
			dropEmptyStrings(object)
		}
	}
}

// Tag is a custom tag, such as the owner tag.
type Tag struct{ Key, Value string }

// Creation returns the body of clusters/create for a declared specification. A
// cluster without a name gets defaultName, which no later request changes. The owner
// tag is added to the custom tags unless its key is empty.
func Creation(desired Tree, defaultName string, owner Tag) (compute.CreateCluster, error) {
	tree := desired.Clone()
	if _, declared := tree["cluster_name"]; !declared {
		tree["cluster_name"] = defaultName
	}
	if owner.Key != "" {
		tags, ok := tree["custom_tags"].(map[string]any)
		if !ok {
			tags = map[string]any{}
			tree["custom_tags"] = tags
		}
		tags[owner.Key] = owner.Value
	}
	var body compute.CreateCluster
	err := tree.Into(&body)
	return body, err
}
