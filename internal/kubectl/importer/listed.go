package importer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/clusterpolicy"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/instancepool"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// listedKinds are the kinds that a workspace lists with their whole content. The API does
// not distinguish what was requested from what the server filled in, so a manifest claims
// every field with a value.
var listedKinds = map[Kind]*managed.Kind{Policies: clusterpolicy.Kind, Pools: instancepool.Kind}

// tableOf returns the fields of a kind.
func tableOf(kind *managed.Kind) fieldTable {
	fields := kind.Fields
	return fieldTable{
		of:    reflect.TypeOf(kind.View(kind.New()).Declared).Elem(),
		names: fields.Names(), specName: fields.SpecName, specPointer: fields.SpecPointer,
		hasFreeKeys: func(wire string) bool {
			row, _ := fields.Field(wire)
			return row.Kind == diff.FreeMap
		},
	}
}

// collectItems collects the policies or the pools.
func (c *collector) collectItems(ctx context.Context, of Kind) error {
	kind := listedKinds[of]
	c.report("listing the "+string(of), 0, 0)
	items, err := c.source.Items(ctx, kind.Collection)
	if err != nil {
		return fmt.Errorf("list the %s: %w", of, err)
	}
	names := itemNames(items)
	for _, item := range items {
		tree, err := decodeNumbers(item.JSON)
		if err != nil {
			return fmt.Errorf("read the %s %s: %w", kind.Noun, item.ID, err)
		}
		if !c.isSelected(item.ID, c.options.selectsItem(of, item, tree)) {
			continue
		}
		if reason := c.options.leaveOutItemReason(kind, tree); reason != "" {
			c.leaveOut(item.ID, item.Name, reason)
			continue
		}
		permissions, err := c.itemPermissions(ctx, kind, item.ID)
		if err != nil {
			return err
		}
		object, err := c.buildItem(of, names[item.ID], item, tree, permissions)
		if err != nil {
			c.leaveOut(item.ID, item.Name, err.Error())
			continue
		}
		c.result.Objects = append(c.result.Objects, object)
		c.shared.objects[item.ID] = object.Resource.GetName()
	}
	return nil
}

// itemNames returns the names of the objects of items, by id.
func itemNames(items []databricks.Item) map[string]string {
	as := make([]*compute.ClusterDetails, 0, len(items))
	for _, item := range items {
		as = append(as, &compute.ClusterDetails{ClusterId: item.ID, ClusterName: item.Name})
	}
	return objectNames(as)
}

// selectsItem reports whether the filters select a policy or a pool.
func (o Options) selectsItem(of Kind, item databricks.Item, tree map[string]any) bool {
	if o.Name != "" && !glob(o.Name).MatchString(item.Name) {
		return false
	}
	tags, _ := tree["custom_tags"].(map[string]any)
	for key, value := range o.Tags {
		if tags[key] != value {
			return false
		}
	}
	return o.Policy == "" || of == Policies && (item.ID == o.Policy || item.Name == o.Policy)
}

// leaveOutItemReason returns why a policy or a pool cannot be imported; empty: it can.
func (o Options) leaveOutItemReason(kind *managed.Kind, tree map[string]any) string {
	tags, _ := tree["custom_tags"].(map[string]any)
	switch {
	case tree["is_default"] == true:
		return "it is a default policy, which Databricks maintains"
	case kind.TagField != "" && tags[kind.TagKey] != nil && o.Owned == LeaveOut:
		return fmt.Sprintf("it has the tag %s: an object manages it already", kind.TagKey)
	default:
		return ""
	}
}

// itemPermissions returns the direct permissions on a policy or a pool; nil if they were
// not requested.
func (c *collector) itemPermissions(ctx context.Context, kind *managed.Kind, id string) ([]any, error) {
	if !slices.Contains(c.options.Also, Permissions) {
		return nil, nil
	}
	entries, err := c.source.ItemPermissions(ctx, kind.Collection, id)
	if err != nil {
		return nil, fmt.Errorf("read the permissions on the %s %s: %w", kind.Noun, id, err)
	}
	declared := []any{}
	for _, permission := range kind.Levels.Direct(entries) {
		entry := map[string]any{"permissionLevel": string(permission.PermissionLevel)}
		for name, value := range map[string]string{
			"userName": permission.UserName, "groupName": permission.GroupName, "servicePrincipalName": permission.ServicePrincipalName,
		} {
			if value != "" {
				entry[name] = value
			}
		}
		declared = append(declared, entry)
	}
	return declared, nil
}

// buildItem returns the manifest of a policy or a pool.
func (c *collector) buildItem(of Kind, name string, item databricks.Item, tree map[string]any, permissions []any) (Object, error) {
	kind := listedKinds[of]
	d := &draft{table: tableOf(kind), name: name, fields: map[string]any{}}
	for _, wire := range slices.Sorted(slices.Values(d.table.names)) {
		switch row, _ := kind.Fields.Field(wire); {
		case isEmpty(tree[wire]):
		case wire == "definition" && !isEmpty(tree["policy_family_id"]): // it is that of the family
		case row.Kind == diff.JSON:
			d.addJSON(wire, tree[wire])
		default:
			d.add(wire, tree[wire])
		}
	}
	d.withoutReservedTags()
	d.withoutLongProperties()
	d.withDecimals()
	if permissions != nil {
		d.fields["accessControlList"] = permissions
	}
	d.fields[kind.IDField] = item.ID
	if c.options.Connection != nil {
		d.fields["connection"] = c.options.Connection
	}
	if c.options.Management != "" {
		d.fields["managementPolicy"] = c.options.Management
	}
	resource, err := d.verifyItem(of, item, c.options.Namespace)
	if err != nil {
		return Object{}, err
	}
	slices.SortFunc(d.notes, func(a, b Note) int { return strings.Compare(a.Path, b.Path) })
	return Object{Resource: resource, Kind: of, Title: item.Name, Secrets: d.secretsInUse(), Notes: d.notes}, nil
}

// addJSON adds a field that is JSON text in the API and a value in the resource.
func (d *draft) addJSON(wire string, value any) {
	own, _ := d.table.specName(wire)
	text, _ := value.(string)
	decoded, err := decodeNumbers([]byte(text))
	switch {
	case err != nil:
		d.note("/"+own, "it is no JSON object; it is left as it is")
	case len(decoded) > 0:
		d.fields[own] = decoded
	}
}

// verifyItem returns the object, and leaves out what would not survive, as verify does for
// clusters.
func (d *draft) verifyItem(of Kind, item databricks.Item, namespace string) (managed.Resource, error) {
	kind := listedKinds[of]
	var effective diff.Tree
	if err := json.Unmarshal(item.JSON, &effective); err != nil {
		return nil, fmt.Errorf("decode the %s: %w", kind.Noun, err)
	}
	for rounds := countValues(d.fields) + 1; rounds > 0; rounds-- {
		resource, err := d.resource(kind, namespace)
		if err != nil {
			return nil, err
		}
		left, err := d.leaveOutOfItem(of, resource, effective)
		if err != nil {
			return nil, err
		}
		if !left {
			return resource, nil
		}
	}
	return nil, fmt.Errorf("no part of it fits the resource")
}

// resource returns the draft as an object of its kind.
func (d *draft) resource(kind *managed.Kind, namespace string) (managed.Resource, error) {
	raw, err := json.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": kind.Name,
		"metadata": map[string]any{"name": d.name, "namespace": namespace}, "spec": d.fields,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the manifest: %w", err)
	}
	resource := kind.New()
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(resource); err != nil {
		return nil, fmt.Errorf("the manifest does not fit the resource: %w", err)
	}
	return resource, nil
}

// leaveOutOfItem leaves out what does not survive now, and reports whether there was
// anything.
func (d *draft) leaveOutOfItem(of Kind, resource managed.Resource, effective diff.Tree) (bool, error) {
	kind := listedKinds[of]
	refused, err := refusals(of, resource)
	if err != nil {
		return false, err
	}
	for _, refusal := range refused {
		if path := refusal.path; d.has(path) && path[0] != kind.IDField && !isOwn(path[0]) {
			remove(d.fields, path)
			d.note(pointer(path), "this resource refuses the value (%s); it is left as it is", refusal.message)
			return true, nil
		}
	}
	if len(refused) > 0 {
		return false, fmt.Errorf("this resource refuses it: %s", refused[0].message)
	}
	desired, err := kind.Fields.Declared(kind.View(resource).Declared)
	if err != nil {
		return false, err
	}
	kind.Fields.ResolveSecrets(desired, func(string, any) any { return map[string]any{} })
	left := false
	for _, difference := range kind.Fields.Compare(desired, effective) {
		path := parse(difference.SpecPath)
		if !d.has(path) {
			path = path[:1]
		}
		remove(d.fields, path)
		d.note(pointer(path), "the operator would see it as a difference; it is left as it is")
		left = true
	}
	return left, nil
}
