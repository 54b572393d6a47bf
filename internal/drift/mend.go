package drift

import (
	"maps"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// OnlySize tells differences that a resize mends, without a restart.
func OnlySize(differences []Difference) bool {
	return len(differences) > 0 && !slices.ContainsFunc(differences, func(d Difference) bool { return !d.Size })
}

// NeedsEdit tells differences that a mask cannot express: whether a policy's
// defaults apply is said on create and edit alone.
func NeedsEdit(desired Tree, differences []Difference) bool {
	applies, _ := desired["apply_policy_default_values"].(bool)
	return slices.ContainsFunc(differences, func(d Difference) bool {
		return d.Field == "apply_policy_default_values" || (applies && d.Field == "policy_id")
	})
}

// Resize is the call that gives a RUNNING cluster its declared size.
func Resize(clusterID string, desired Tree) (compute.ResizeCluster, error) {
	body := compute.ResizeCluster{}
	tree := Tree{"cluster_id": clusterID}
	for _, f := range fields {
		if value, declared := desired[f.name]; declared && f.size {
			tree[f.name] = value
		}
	}
	err := tree.into(&body)
	return body, err
}

// Update is the call that mends differences and leaves everything else alone.
// asked is GET's spec, the base of what can only be sent as a whole; the
// effective values never are, so that what a policy or a server filled in does
// not become what was asked. owner is put back with the rest where it is gone.
func Update(clusterID string, desired, asked Tree, differences []Difference, owner Tag) (compute.UpdateCluster, error) {
	change := newChange(desired, asked, differences, owner)
	resource := &compute.UpdateClusterResource{}
	if err := change.cluster.into(resource); err != nil {
		return compute.UpdateCluster{}, err
	}
	return compute.UpdateCluster{ClusterId: clusterID, Cluster: resource, UpdateMask: strings.Join(change.mask, ",")}, nil
}

// Edit is the same as a full specification: what was last asked, with the
// differences mended.
func Edit(clusterID string, desired, asked Tree, differences []Difference, owner Tag) (compute.EditCluster, error) {
	change := newChange(desired, asked, differences, owner)
	full := asked.clone()
	for _, path := range change.mask {
		full.copyAt(change.cluster, strings.Split(path, "."))
	}
	full["cluster_id"] = clusterID
	if _, autoscales := full["autoscale"]; autoscales {
		delete(full, "num_workers")
	}
	body := compute.EditCluster{}
	err := full.into(&body)
	return body, err
}

// copyAt makes the place hold what from holds there, or nothing.
func (t Tree) copyAt(from Tree, path []string) {
	value, present := from.at(path...)
	if len(path) > 1 {
		member, ok := t[path[0]].(map[string]any)
		if !ok {
			member = map[string]any{}
			t[path[0]] = member
		}
		Tree(member).copyAt(Tree{path[1]: value}, path[1:])
		if !present {
			delete(member, path[1])
		}
		return
	}
	if !present {
		delete(t, path[0])
		return
	}
	t[path[0]] = cloneValue(value)
}

// change is an update in the making: what the mask names and cluster lacks is
// cleared.
type change struct {
	desired, asked Tree
	cluster        Tree
	mask           []string
	// removed are the keys of maps that are declared no more, by map.
	removed map[string][]string
}

// newChange is the update that mends differences.
func newChange(desired, asked Tree, differences []Difference, owner Tag) *change {
	c := &change{desired: desired, asked: asked, cluster: Tree{}, removed: map[string][]string{}}
	for _, difference := range differences {
		if path := splitPointer(difference.Path); difference.Desired == nil && len(path) > 1 {
			c.removed[path[0]] = append(c.removed[path[0]], path[1])
		}
	}
	for _, difference := range differences {
		c.mend(difference)
	}
	c.askForTheRest()
	c.resolve(owner)
	return c
}

// askForTheRest adds what is declared and in effect, but by chance: it was never
// asked for, and would go with what it came from, such as a driver's node type
// with that of the workers, or the size of a resize with the next update.
func (c *change) askForTheRest() {
	for _, f := range fields {
		want, declared := c.desired[f.name]
		if !declared {
			continue
		}
		for _, path := range f.paths(want) {
			value, _ := c.desired.at(path...)
			asked, was := c.asked.at(path...)
			neverSent := strings.HasPrefix(path[len(path)-1], "ebs_volume_") && isEmpty(value)
			if (!was || !f.equal(value, asked)) && !neverSent {
				c.mend(Difference{Path: pointer(path...), Field: f.name})
			}
		}
	}
}

// mend adds what one difference needs.
func (c *change) mend(difference Difference) {
	path := splitPointer(difference.Path)
	f, _ := rowOf(path[0])
	switch {
	case f.size:
		c.take("num_workers")
		c.take("autoscale")
	case f.kind == keys:
		c.mergeKeys(f.name)
	case f.dotted && len(path) > 1:
		c.takeMember(f.name, path[1])
	default:
		c.take(f.name)
	}
}

func (c *change) name(path string) {
	if !slices.Contains(c.mask, path) {
		c.mask = append(c.mask, path)
	}
}

// take sends a field as declared, or clears it.
func (c *change) take(name string) {
	c.name(name)
	if value, declared := c.desired[name]; declared {
		c.cluster[name] = cloneValue(value)
	}
}

// takeMember is take for one member of an object.
func (c *change) takeMember(name, member string) {
	c.name(name + "." + member)
	if value, declared := c.desired.at(name, member); declared {
		object, ok := c.cluster[name].(map[string]any)
		if !ok {
			object = map[string]any{}
			c.cluster[name] = object
		}
		object[member] = cloneValue(value)
	}
}

// mergeKeys sends a whole map: others' keys as they were asked for, ours as
// declared, and what is no longer declared not at all.
func (c *change) mergeKeys(name string) {
	c.name(name)
	merged := map[string]any{}
	if asked, ok := c.asked[name].(map[string]any); ok {
		maps.Copy(merged, asked)
	}
	for _, removed := range c.removed[name] {
		delete(merged, removed)
	}
	if declared, ok := c.desired[name].(map[string]any); ok {
		maps.Copy(merged, declared)
	}
	if len(merged) > 0 {
		c.cluster[name] = merged
	}
}

// resolve adds what the API's own rules need beside the differences: a pool and
// node types exclude each other, and a driver without a pool of its own follows
// the workers'.
func (c *change) resolve(owner Tag) {
	if pool, pooled := c.desired["instance_pool_id"]; pooled && c.names("instance_pool_id") {
		for _, taken := range takenByPool {
			c.clearIfAsked(taken)
		}
		if _, own := c.desired["driver_instance_pool_id"]; !own {
			c.name("driver_instance_pool_id")
			c.cluster["driver_instance_pool_id"] = pool
		}
	}
	if _, typed := c.desired["node_type_id"]; typed && c.names("node_type_id") {
		c.clearIfAsked("instance_pool_id")
		c.clearIfAsked("driver_instance_pool_id")
	}
	if tag, _ := c.asked.at("custom_tags", owner.Key); owner.Key != "" && tag != owner.Value {
		c.mergeKeys("custom_tags")
		tags, ok := c.cluster["custom_tags"].(map[string]any)
		if !ok {
			tags = map[string]any{}
			c.cluster["custom_tags"] = tags
		}
		tags[owner.Key] = owner.Value
	}
}

func (c *change) names(field string) bool { return slices.Contains(c.mask, field) }

func (c *change) clearIfAsked(name string) {
	if _, asked := c.asked[name]; asked {
		c.name(name)
	}
}
