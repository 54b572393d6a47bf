package drift

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// OnlySize reports whether a resize corrects all differences, without a restart.
func OnlySize(differences []Difference) bool {
	return len(differences) > 0 && !slices.ContainsFunc(differences, func(d Difference) bool { return !d.Size })
}

// NeedsEdit reports whether the differences need clusters/edit, because an update mask
// cannot contain apply_policy_default_values.
func NeedsEdit(desired Tree, differences []Difference) bool {
	applies, _ := desired["apply_policy_default_values"].(bool)
	return slices.ContainsFunc(differences, func(d Difference) bool {
		return d.Field == "apply_policy_default_values" || (applies && d.Field == "policy_id")
	})
}

// Resize returns the body of clusters/resize that gives a RUNNING cluster its declared
// size.
func Resize(clusterID string, desired Tree) (compute.ResizeCluster, error) {
	body := compute.ResizeCluster{}
	tree := Tree{"cluster_id": clusterID}
	for _, f := range fields {
		if value, declared := desired[f.Name]; declared && f.size {
			tree[f.Name] = value
		}
	}
	err := tree.Into(&body)
	return body, err
}

// ErrSpecUnknown is returned if GET's spec is unknown. A change that is not based on
// the spec could remove values that were set by other tools.
var ErrSpecUnknown = errors.New("the requested specification of the cluster is unknown")

// Correction describes a change to a cluster.
type Correction struct {
	// Desired is the declared specification.
	Desired Tree
	// Observed is the cluster. Its spec must be known, because it is the base of the
	// values that are replaced as a whole. The effective values are not the base, so
	// that values of a policy or the server do not become requested values.
	Observed Observed
	// Differences are corrected; Normalized are left unchanged.
	Differences, Normalized []Difference
	// Owner is the owner tag. It is added if it is missing.
	Owner Tag
}

// Update returns the cluster and the update mask of the clusters/update request that
// makes a correction and changes nothing else. It fails with ErrSpecUnknown.
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

// Edit returns the body of the clusters/edit request that makes a correction: GET's
// spec with the differences corrected. It fails with ErrSpecUnknown.
func Edit(clusterID string, correction Correction) (json.RawMessage, error) {
	if !correction.Observed.SpecKnown() {
		return nil, ErrSpecUnknown
	}
	change := newChange(correction)
	change.cluster["cluster_id"] = clusterID
	full := maps.Clone(correction.Observed.spec)
	for _, path := range append(change.paths(), []string{"cluster_id"}) {
		if err := full.set(path, change.valueAt(path)); err != nil {
			return nil, err
		}
	}
	if autoscale := full["autoscale"]; autoscale != nil && string(autoscale) != "null" {
		delete(full, "num_workers")
	}
	return encode(full)
}

// change is the content of an update. A field in the mask that cluster lacks is
// cleared.
type change struct {
	desired, requested Tree
	// spec is the encoded form of requested.
	spec    object
	cluster Tree
	mask    []string
	// normalized are the paths that includeUnrequested leaves out.
	normalized []string
	// changed are the keys that differ, by map. Those that are no longer declared are
	// removed.
	changed map[string][]string
}

// paths returns the paths in the mask.
func (c *change) paths() [][]string {
	paths := make([][]string, 0, len(c.mask))
	for _, name := range c.mask {
		paths = append(paths, strings.Split(name, "."))
	}
	return paths
}

// valueAt returns the value to send at a path, with the unknown members of the value
// that it replaces; nil clears the value.
func (c *change) valueAt(path []string) any {
	value, _ := c.cluster.At(path...)
	of := specType
	for _, name := range path {
		of = memberType(of, name)
	}
	return withUnknown(value, c.spec.at(path), of)
}

// newChange returns the change that makes a correction.
func newChange(correction Correction) *change {
	c := &change{
		desired: correction.Desired, requested: correction.Observed.Requested, spec: correction.Observed.spec,
		cluster: Tree{}, changed: map[string][]string{},
	}
	for _, difference := range correction.Normalized {
		c.normalized = append(c.normalized, difference.Path)
	}
	for _, difference := range correction.Differences {
		if path := diff.SplitPointer(difference.Path); len(path) > 1 {
			c.changed[path[0]] = append(c.changed[path[0]], path[1])
		}
	}
	for _, difference := range correction.Differences {
		c.correct(difference)
	}
	c.includeUnrequested()
	c.applyAPIRules(correction.Owner)
	return c
}

// includeUnrequested adds the declared values that GET's spec lacks. They are in effect
// only as a side effect of another field or of a resize, and would be lost with it: a
// driver's node type with that of the workers, or a new size with the next update.
func (c *change) includeUnrequested() {
	for _, f := range fields {
		want, declared := c.desired[f.Name]
		if !declared {
			continue
		}
		for _, path := range f.Paths(want) {
			value, _ := c.desired.At(path...)
			requested, _ := c.requested.At(path...)
			pointer := diff.Pointer(path...)
			if !f.Equal(value, requested) && !slices.Contains(c.normalized, pointer) {
				c.correct(Difference{Path: pointer, Field: f.Name})
			}
		}
	}
}

// correct adds the values that correct one difference.
func (c *change) correct(difference Difference) {
	path := diff.SplitPointer(difference.Path)
	f, _ := rowOf(path[0])
	switch {
	case f.size:
		for _, row := range fields {
			if row.size {
				c.set(row.Name)
			}
		}
	case f.Kind == diff.FreeMap:
		c.mergeKeys(f.Name)
	case f.memberMask && len(path) > 1:
		c.setMember(f.Name, path[1])
	default:
		c.set(f.Name)
	}
}

func (c *change) addToMask(path string) {
	if !slices.Contains(c.mask, path) {
		c.mask = append(c.mask, path)
	}
}

// set adds a field with its declared value, or without one, which clears it.
func (c *change) set(name string) {
	c.addToMask(name)
	if value, declared := c.desired[name]; declared {
		c.cluster[name] = value
	}
}

// setMember is set for one member of an object.
func (c *change) setMember(name, member string) {
	c.addToMask(name + "." + member)
	if value, declared := c.desired.At(name, member); declared {
		object, ok := c.cluster[name].(map[string]any)
		if !ok {
			object = map[string]any{}
			c.cluster[name] = object
		}
		object[member] = value
	}
}

// mergeKeys adds a whole map: the declared keys, and the other keys with the bytes of
// GET's spec, except those that were removed.
func (c *change) mergeKeys(name string) {
	c.addToMask(name)
	merged := map[string]any{}
	for key, value := range objectOf(c.spec[name]) {
		merged[key] = value
	}
	for _, changed := range c.changed[name] {
		delete(merged, changed)
	}
	if declared, ok := c.desired[name].(map[string]any); ok {
		maps.Copy(merged, declared)
	}
	if len(merged) > 0 {
		c.cluster[name] = merged
	}
}

// applyAPIRules adds the fields that the API requires together with the differences: a
// pool and node types exclude each other, and the driver uses the pool of the workers
// unless it has its own. It also adds a missing owner tag.
func (c *change) applyAPIRules(owner Tag) {
	if pool, pooled := c.desired["instance_pool_id"]; pooled && c.masks("instance_pool_id") {
		for _, f := range fields {
			if f.pool == refusedWithPool {
				c.clearIfRequested(f.Name)
			}
		}
		if _, declared := c.desired["driver_instance_pool_id"]; !declared {
			c.addToMask("driver_instance_pool_id")
			c.cluster["driver_instance_pool_id"] = pool
		}
	}
	if _, declared := c.desired["node_type_id"]; declared && c.masks("node_type_id") {
		c.clearIfRequested("instance_pool_id")
		c.clearIfRequested("driver_instance_pool_id")
	}
	if tag, _ := c.requested.At("custom_tags", owner.Key); owner.Key != "" && tag != owner.Value {
		c.mergeKeys("custom_tags")
		tags, ok := c.cluster["custom_tags"].(map[string]any)
		if !ok {
			tags = map[string]any{}
			c.cluster["custom_tags"] = tags
		}
		tags[owner.Key] = owner.Value
	}
}

func (c *change) masks(field string) bool { return slices.Contains(c.mask, field) }

func (c *change) clearIfRequested(name string) {
	if _, requested := c.requested[name]; requested {
		c.addToMask(name)
	}
}
