package drift

import (
	"encoding/json"
	"errors"
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

// ErrSpecUnknown is returned instead of a change that would have to be based on
// GET's spec, which is not known: what others set could be lost with it.
var ErrSpecUnknown = errors.New("the specification that the cluster was last asked for is not known")

// Correction is a change that is to be made to a cluster.
type Correction struct {
	// Desired is the declared specification.
	Desired Tree
	// Observed is the cluster. Its spec must be known: it is the base of what can
	// only be sent as a whole. The effective values never are, so that what a
	// policy or a server filled in does not become what was asked.
	Observed Observed
	// Differences are corrected, Normalized are left as they are.
	Differences, Normalized []Difference
	// Owner is put back with the rest where it is missing.
	Owner Tag
}

// Update returns the cluster and the mask of the clusters/update call that makes
// a correction and leaves everything else alone. It fails with ErrSpecUnknown.
func Update(correction Correction) (cluster json.RawMessage, mask string, err error) {
	if !correction.Observed.SpecKnown() {
		return nil, "", ErrSpecUnknown
	}
	change := newChange(correction)
	body := object{}
	for _, path := range change.paths() {
		if err := body.set(path, change.valueAt(path)); err != nil {
			return nil, "", err
		}
	}
	cluster, err = encode(body)
	return cluster, strings.Join(change.mask, ","), err
}

// Edit returns the body of the clusters/edit call that makes a correction: GET's
// spec as it was read, with the differences corrected. It fails with
// ErrSpecUnknown.
func Edit(clusterID string, correction Correction) (json.RawMessage, error) {
	if !correction.Observed.SpecKnown() {
		return nil, ErrSpecUnknown
	}
	change := newChange(correction)
	full := maps.Clone(correction.Observed.spec)
	for _, path := range change.paths() {
		if err := full.set(path, change.valueAt(path)); err != nil {
			return nil, err
		}
	}
	if err := full.set([]string{"cluster_id"}, clusterID); err != nil {
		return nil, err
	}
	if scales := full["autoscale"]; scales != nil && string(scales) != "null" {
		delete(full, "num_workers")
	}
	return encode(full)
}

// change is an update in the making: what the mask names and cluster lacks is
// cleared.
type change struct {
	desired, asked Tree
	// spec holds the bytes of asked.
	spec    object
	cluster Tree
	mask    []string
	// normalized are the paths that are not sent on their own account.
	normalized []string
	// removed are the keys of maps that are declared no more, by map.
	removed map[string][]string
}

// paths are the places that the mask names.
func (c *change) paths() [][]string {
	paths := make([][]string, 0, len(c.mask))
	for _, name := range c.mask {
		paths = append(paths, strings.Split(name, "."))
	}
	return paths
}

// valueAt returns what is sent at a path, with all that the SDK does not know of
// the value that it replaces; nil clears it.
func (c *change) valueAt(path []string) any {
	value, present := c.cluster.at(path...)
	if !present {
		return nil
	}
	of := specType
	for _, name := range path {
		of = memberType(of, name)
	}
	return withUnknown(value, c.spec.at(path), of)
}

// newChange returns the change that makes a correction.
func newChange(correction Correction) *change {
	c := &change{
		desired: correction.Desired, asked: correction.Observed.Asked, spec: correction.Observed.spec,
		cluster: Tree{}, removed: map[string][]string{},
	}
	for _, difference := range correction.Normalized {
		c.normalized = append(c.normalized, difference.Path)
	}
	for _, difference := range correction.Differences {
		if path := splitPointer(difference.Path); difference.Desired == nil && len(path) > 1 {
			c.removed[path[0]] = append(c.removed[path[0]], path[1])
		}
	}
	for _, difference := range correction.Differences {
		c.correct(difference)
	}
	c.includeUnrequested()
	c.resolve(correction.Owner)
	return c
}

// includeUnrequested adds what is declared and in effect, but by chance: it was never
// asked for, and would go with what it came from, such as a driver's node type
// with that of the workers, or the size of a resize with the next update.
func (c *change) includeUnrequested() {
	for _, f := range fields {
		want, declared := c.desired[f.name]
		if !declared {
			continue
		}
		for _, path := range f.paths(want) {
			value, _ := c.desired.at(path...)
			asked, was := c.asked.at(path...)
			neverSent := strings.HasPrefix(path[len(path)-1], "ebs_volume_") && isEmpty(value)
			place := pointer(path...)
			if (!was || !f.equal(value, asked)) && !neverSent && !slices.Contains(c.normalized, place) {
				c.correct(Difference{Path: place, Field: f.name})
			}
		}
	}
}

// correct adds what one difference needs.
func (c *change) correct(difference Difference) {
	path := splitPointer(difference.Path)
	f, _ := rowOf(path[0])
	switch {
	case f.size:
		c.set("num_workers")
		c.set("autoscale")
	case f.kind == keys:
		c.mergeKeys(f.name)
	case f.dotted && len(path) > 1:
		c.setMember(f.name, path[1])
	default:
		c.set(f.name)
	}
}

func (c *change) name(path string) {
	if !slices.Contains(c.mask, path) {
		c.mask = append(c.mask, path)
	}
}

// set sends a field as declared, or clears it.
func (c *change) set(name string) {
	c.name(name)
	if value, declared := c.desired[name]; declared {
		c.cluster[name] = value
	}
}

// setMember is take for one member of an object.
func (c *change) setMember(name, member string) {
	c.name(name + "." + member)
	if value, declared := c.desired.at(name, member); declared {
		object, ok := c.cluster[name].(map[string]any)
		if !ok {
			object = map[string]any{}
			c.cluster[name] = object
		}
		object[member] = value
	}
}

// mergeKeys sends a whole map: others' keys with the bytes that were asked for,
// ours as declared, and what is no longer declared not at all.
func (c *change) mergeKeys(name string) {
	c.name(name)
	merged := map[string]any{}
	for key, value := range objectOf(c.spec[name]) {
		merged[key] = value
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
