package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// errNoSpec is why a cluster without a requested specification cannot be imported.
var errNoSpec = errors.New("the workspace does not return what was requested for it (the field spec of clusters/get)")

// draft is a manifest that is being built. Its fields have the names of the resource.
type draft struct {
	table  fieldTable
	name   string
	fields map[string]any
	// referred are the ids that were replaced by names or references, by their fields.
	referred map[string]string
	// secrets and notes are those of Object.
	secrets []Secret
	notes   []Note
}

// fieldTable has the fields of a kind.
type fieldTable struct {
	// of is the type of the specification.
	of reflect.Type
	// names are the fields that an object can own, by their names in the API.
	names []string
	// specName returns the name in the resource of a name in the API.
	specName func(wire string) (name string, known bool)
	// specPointer returns the JSON Pointer into spec of a path of the API.
	specPointer func(path []string) string
	// hasFreeKeys reports whether the user chooses the keys of a field.
	hasFreeKeys func(wire string) bool
}

var clusterTable = fieldTable{
	of: reflect.TypeFor[v1alpha1.ClusterSpec](), names: drift.Names(),
	specName: drift.SpecName, specPointer: drift.SpecPointer, hasFreeKeys: drift.IsFreeMap,
}

// build returns the manifest of a cluster with the name of its object. It is pure.
func build(name string, cluster databricks.Cluster, shared commonData) (Object, error) {
	d, err := convert(name, cluster)
	if err != nil {
		return Object{}, err
	}
	d.replaceReferences(shared)
	d.addParts(shared.parts[cluster.Details.ClusterId])
	object := &v1alpha1.DatabricksCluster{}
	object.APIVersion, object.Kind = v1alpha1.GroupVersion.String(), v1alpha1.ClusterKind
	object.Name, object.Namespace = name, shared.options.Namespace
	if tag := cluster.Details.CustomTags[v1alpha1.OwnerTagKey]; tag != "" && shared.options.Owned == TakeOver {
		object.Annotations = map[string]string{v1alpha1.AnnotationTakeOver: tag}
	}
	if err := d.verify(object, cluster, shared.options); err != nil {
		return Object{}, err
	}
	slices.SortFunc(d.notes, func(a, b Note) int { return strings.Compare(a.Path, b.Path) })
	return Object{
		Resource: object, Kind: Clusters, Cluster: object, Title: cluster.Details.ClusterName,
		Secrets: d.secretsInUse(), Notes: d.notes,
	}, nil
}

// commonData is what the manifests of one import have in common.
type commonData struct {
	options Options
	// policies and pools are the names by id; nil: they were not read.
	policies, pools map[string]string
	// objects are the names of the objects of imported policies and pools, by id.
	objects map[string]string
	// parts are the parts of each cluster by id.
	parts map[string]parts
}

// parts are the parts of a cluster that are not in its specification.
type parts struct {
	libraries []v1alpha1.Library
	// permissions is nil if they were not requested, and empty if there are none.
	permissions []v1alpha1.AccessControl
	isPinned    bool
	notes       []Note
}

// convert returns the fields that were requested for a cluster.
func convert(name string, cluster databricks.Cluster) (*draft, error) {
	requested, err := requestedFields(cluster)
	if err != nil {
		return nil, err
	}
	d := &draft{table: clusterTable, name: name, fields: map[string]any{}, referred: map[string]string{}}
	d.chooseSize(requested, cluster)
	d.choosePool(requested)
	for _, wire := range slices.Sorted(maps.Keys(requested)) {
		if !slices.Contains(d.table.names, wire) {
			d.note(wire, "this resource does not have the field; the cluster keeps it")
			continue
		}
		d.add(wire, requested[wire])
	}
	d.withoutReservedTags()
	d.withoutPlainSecrets()
	d.withoutLongProperties()
	d.withDecimals()
	return d, nil
}

// add adds a field with its value in the API.
func (d *draft) add(wire string, value any) {
	own, _ := d.table.specName(wire)
	if renamed, keep := d.rename([]string{wire}, value, memberType(d.table.of, own)); keep {
		d.fields[own] = renamed
	}
}

// unmanaged are the fields of a requested specification that name the request itself.
var unmanaged = []string{"cluster_id", "idempotency_token"}

// requestedFields returns the requested specification as a server of any version would
// write it: a number is a number, also if this server quotes it.
func requestedFields(cluster databricks.Cluster) (map[string]any, error) {
	spec, err := cluster.DecodeSpec()
	if err != nil {
		return nil, err
	}
	if spec == nil {
		return nil, errNoSpec
	}
	known, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encode the requested specification: %w", err)
	}
	fields, err := decodeNumbers(known)
	if err != nil {
		return nil, err
	}
	all, err := decodeNumbers(cluster.Spec)
	if err != nil {
		return nil, err
	}
	for name, value := range all {
		if _, decoded := fields[name]; !decoded && !isEmpty(value) {
			fields[name] = value
		}
	}
	if len(fields) == 0 {
		return nil, errNoSpec
	}
	for name, value := range fields {
		if slices.Contains(unmanaged, name) || isEmpty(value) {
			delete(fields, name)
		}
	}
	return fields, nil
}

func decodeNumbers(raw []byte) (map[string]any, error) {
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		return nil, fmt.Errorf("decode the requested specification: %w", err)
	}
	return fields, nil
}

// isEmpty reports whether a value says nothing: null, an empty text, or an object or a list
// without members. 0 and false say something.
func isEmpty(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case string:
		return value == ""
	case map[string]any:
		return len(value) == 0
	case []any:
		return len(value) == 0
	default:
		return false
	}
}

// chooseSize keeps the size that is in effect: a resize is a request, too, and a requested
// specification may lack it.
func (d *draft) chooseSize(requested map[string]any, cluster databricks.Cluster) {
	details := cluster.Details
	_, fixed := requested["num_workers"]
	_, scales := requested["autoscale"]
	single, _ := requested["is_single_node"].(bool)
	switch {
	case single:
		delete(requested, "num_workers")
		delete(requested, "autoscale")
	case !fixed && !scales: // a policy supplies it
	case details.Autoscale != nil:
		delete(requested, "num_workers")
		requested["autoscale"] = map[string]any{
			"min_workers": json.Number(strconv.Itoa(details.Autoscale.MinWorkers)),
			"max_workers": json.Number(strconv.Itoa(details.Autoscale.MaxWorkers)),
		}
	default:
		delete(requested, "autoscale")
		requested["num_workers"] = json.Number(strconv.Itoa(details.NumWorkers))
	}
}

// choosePool removes what a pool decides.
func (d *draft) choosePool(requested map[string]any) {
	if isEmpty(requested["instance_pool_id"]) {
		return
	}
	for _, wire := range []string{"node_type_id", "driver_node_type_id"} {
		delete(requested, wire)
	}
}

// secretUses are the uses of the Secrets that a specification refers to, by the reference's
// name in the resource.
var secretUses = map[string]struct {
	suffix, use string
	keys        []string
	// keyed is set if the reference names a key.
	keyed bool
}{
	"basicAuthSecretRef":              {suffix: "-registry", use: v1alpha1.UseRegistry, keys: []string{"username", "password"}},
	"logAnalyticsPrimaryKeySecretRef": {suffix: "-log-analytics", use: v1alpha1.UseLogAnalytics, keys: []string{"primary-key"}, keyed: true},
}

// memberType returns the type of a member of a struct by its JSON name; nil: the struct does
// not have it.
func memberType(of reflect.Type, name string) reflect.Type {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return nil
	}
	for member := range of.Fields() {
		if tagged, _, _ := strings.Cut(member.Tag.Get("json"), ","); tagged == name {
			return member.Type
		}
	}
	return nil
}

// rename returns a value with the names of the resource, where it has a type; keep is false
// if the resource cannot express it.
func (d *draft) rename(path []string, value any, of reflect.Type) (renamed any, keep bool) {
	switch value := value.(type) {
	case map[string]any:
		if d.table.hasFreeKeys(path[0]) {
			return value, true
		}
		members := map[string]any{}
		for _, wire := range slices.Sorted(maps.Keys(value)) {
			own, _ := d.table.specName(wire)
			inner, member := append(slices.Clone(path), wire), memberType(of, own)
			switch use, secret := secretUses[own]; {
			case isEmpty(value[wire]):
			case member == nil:
				d.note(d.table.specPointer(inner), "this resource does not have it; the cluster keeps it")
			case secret:
				members[own] = d.refer(inner, use.suffix, use.use, use.keys, use.keyed)
			default:
				if item, ok := d.rename(inner, value[wire], member); ok {
					members[own] = item
				}
			}
		}
		return members, len(members) > 0
	case []any:
		items := make([]any, 0, len(value))
		for _, item := range value {
			before := len(d.notes)
			own, ok := d.rename(path, item, of)
			if !ok || len(d.notes) > before {
				d.notes = append(d.notes[:before], Note{
					Path: d.table.specPointer(path[:1]),
					Text: "an item has a form that this resource does not have; the whole list is left as it is",
				})
				return nil, false
			}
			items = append(items, own)
		}
		return items, true
	default:
		return value, true
	}
}

// refer returns the reference to a Secret, and records that the Secret is needed.
func (d *draft) refer(path []string, suffix, use string, keys []string, keyed bool) map[string]any {
	secret := Secret{Name: d.name + suffix, Use: use, Keys: keys, Path: d.table.specPointer(path)}
	// The items of a list may have different secrets.
	for n := 2; slices.ContainsFunc(d.secrets, func(other Secret) bool { return other.Name == secret.Name }); n++ {
		secret.Name = fmt.Sprintf("%s%s-%d", d.name, suffix, n)
	}
	d.secrets = append(d.secrets, secret)
	reference := map[string]any{"name": secret.Name}
	if keyed {
		reference["key"] = keys[0]
	}
	return reference
}

// secretsInUse returns the Secrets of the references that were not left out later.
func (d *draft) secretsInUse() []Secret {
	return slices.DeleteFunc(d.secrets, func(secret Secret) bool {
		return !d.has(strings.Split(strings.TrimPrefix(secret.Path, "/"), "/"))
	})
}

// withDecimals writes the numbers that are text in the resource as text.
func (d *draft) withDecimals() {
	attributes, _ := d.fields["azureAttributes"].(map[string]any)
	if number, ok := attributes["spotBidMaxPrice"].(json.Number); ok {
		price, err := number.Float64()
		if err != nil {
			delete(attributes, "spotBidMaxPrice")
			return
		}
		attributes["spotBidMaxPrice"] = strconv.FormatFloat(price, 'f', -1, 64)
	}
}

// replaceReferences names policies and pools by their names or their objects, if that is
// requested and possible.
func (d *draft) replaceReferences(shared commonData) {
	for _, field := range []struct {
		id, name, reference string
		names               map[string]string
	}{
		{"policyID", "policyName", "policyRef", shared.policies},
		{"instancePoolID", "instancePoolName", "instancePoolRef", shared.pools},
		{"driverInstancePoolID", "driverInstancePoolName", "driverInstancePoolRef", shared.pools},
	} {
		id, _ := d.fields[field.id].(string)
		if id == "" || shared.options.References == ByID {
			continue
		}
		if shared.options.References == ByObject {
			if object := shared.objects[id]; object != "" {
				delete(d.fields, field.id)
				d.referred[field.id] = id
				d.fields[field.reference] = map[string]any{"name": object}
			}
			continue
		}
		name := field.names[id]
		if name == "" || !isUnique(field.names, name) {
			d.note("/"+field.id, "it is named by its id, because its name is not visible or not unique")
			continue
		}
		delete(d.fields, field.id)
		d.referred[field.id] = id
		d.fields[field.name] = name
	}
}

func isUnique(names map[string]string, name string) bool {
	count := 0
	for _, other := range names {
		if other == name {
			count++
		}
	}
	return count == 1
}

// addParts adds what is not in a requested specification.
func (d *draft) addParts(of parts) {
	d.notes = append(d.notes, of.notes...)
	if len(of.libraries) > 0 {
		d.fields["libraries"] = of.libraries
	}
	if of.permissions != nil {
		d.fields["accessControlList"] = of.permissions
	}
	if of.isPinned {
		d.fields["pinned"] = true
	}
}

func (d *draft) note(path, format string, args ...any) {
	d.notes = append(d.notes, Note{Path: path, Text: fmt.Sprintf(format, args...)})
}

// has reports whether the draft has a value at a path, which may lead into a list.
func (d *draft) has(path []string) bool {
	members := d.fields
	for i, name := range path {
		value, present := members[name]
		inner, isObject := value.(map[string]any)
		if !present || !isObject || i == len(path)-1 {
			return present
		}
		members = inner
	}
	return false
}

// remove removes the value at a path, and the objects that become empty.
func remove(members map[string]any, path []string) {
	if len(path) == 1 {
		delete(members, path[0])
		return
	}
	inner, isObject := members[path[0]].(map[string]any)
	if !isObject {
		delete(members, path[0])
		return
	}
	if remove(inner, path[1:]); len(inner) == 0 {
		delete(members, path[0])
	}
}

// typed decodes the draft into the resource's type.
func (d *draft) typed() (v1alpha1.DatabricksClusterSpec, error) {
	var spec v1alpha1.DatabricksClusterSpec
	raw, err := json.Marshal(d.fields)
	if err != nil {
		return spec, fmt.Errorf("encode the manifest: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&spec); err != nil {
		return spec, fmt.Errorf("the manifest does not fit the resource: %w", err)
	}
	return spec, nil
}
