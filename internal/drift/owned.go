package drift

import (
	"reflect"
	"slices"
	"sort"
	"strings"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Owned returns every field and key that a specification declares, as sorted JSON
// Pointers into spec. They have the names of the resource and contain no values.
func Owned(desired Tree) []string {
	var owned []string
	for _, f := range fields {
		want, declared := desired[f.name]
		if !declared {
			continue
		}
		for _, path := range f.paths(want) {
			owned = append(owned, SpecPointer(path))
		}
	}
	sort.Strings(owned)
	return owned
}

// paths returns the paths at which a declared value is compared.
func (f field) paths(want any) [][]string {
	members, isObject := want.(map[string]any)
	if !isObject || (f.kind != freeMap && f.kind != block) {
		return [][]string{{f.name}}
	}
	var paths [][]string
	for key, value := range members {
		nested, isObject := value.(map[string]any)
		if f.kind == freeMap || !isObject {
			paths = append(paths, []string{f.name, key})
			continue
		}
		for inner := range nested {
			paths = append(paths, []string{f.name, key, inner})
		}
	}
	return paths
}

// Removed returns a difference for every field that was declared before, is no longer
// declared, and is still in GET's spec. Fields that a cluster cannot be without keep
// their values. The result is empty if the spec is unknown; SpecKnown and
// MayNeedClearing distinguish that from nothing to clear.
func Removed(owned []string, desired Tree, observed Observed) []Difference {
	var found []Difference
	declared := Owned(desired)
	for _, pointer := range owned {
		path, f, undeclared := undeclared(pointer, declared)
		value, present := observed.Requested.at(path...)
		if !undeclared || !present {
			continue
		}
		found = append(found, Difference{Path: jsonPointer(path...), Field: f.name, Actual: value, Requested: value})
	}
	sortByPath(found)
	return found
}

// MayNeedClearing reports whether a field that was declared before, and is no longer
// declared, may have to be cleared. Only GET's spec shows whether it has to.
func MayNeedClearing(owned []string, desired Tree) bool {
	declared := Owned(desired)
	return slices.ContainsFunc(owned, func(pointer string) bool {
		_, _, undeclared := undeclared(pointer, declared)
		return undeclared
	})
}

// undeclared reports whether an owned path is not among the declared ones, which must
// be sorted, and can be cleared.
func undeclared(pointer string, declared []string) (path []string, row field, ok bool) {
	path = wirePath(pointer)
	row, known := rowOf(path[0])
	_, still := slices.BinarySearch(declared, pointer)
	return path, row, known && row.removal == clearValue && !still
}

// SpecPointer returns the JSON Pointer into spec for a path of the Clusters API:
// aws_attributes, zone_id is /awsAttributes/zoneID.
func SpecPointer(path []string) string {
	names := slices.Clone(path)
	for i, name := range names {
		if i > 0 && isFreeMap(path[0]) {
			break
		}
		if own, ok := specNames[name]; ok {
			names[i] = own
		}
	}
	return jsonPointer(names...)
}

// SpecName returns the name in the resource of a field or member of the Clusters API. It
// reports false if the resource does not have it. A value that the resource refers to by
// the name of a Secret has the name of the reference.
func SpecName(wire string) (name string, known bool) {
	name, known = specNames[wire]
	return name, known
}

// wirePath is the inverse of SpecPointer.
func wirePath(pointer string) []string {
	path := splitPointer(pointer)
	for i, name := range path {
		if i > 0 && isFreeMap(path[0]) {
			break
		}
		path[i] = wireName(name)
	}
	return path
}

func splitPointer(pointer string) []string {
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, part := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
	}
	return parts
}

// specNames maps the names of the Clusters API to those of the resource, in which a
// secret is a reference to a Secret.
var specNames = func() map[string]string {
	names := namesOf(reflect.TypeFor[v1alpha1.ClusterSpec](), map[string]string{})
	for _, f := range fields {
		if path, ok := f.secretRef(); ok {
			reference := path[len(path)-1]
			names[strings.TrimSuffix(reference, secretRefSuffix)] = names[reference]
		}
	}
	return names
}()

func namesOf(kind reflect.Type, names map[string]string) map[string]string {
	for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice {
		kind = kind.Elem()
	}
	if kind.Kind() != reflect.Struct {
		return names
	}
	for member := range kind.Fields() {
		name, _, _ := strings.Cut(member.Tag.Get("json"), ",")
		if name != "" {
			names[wireName(name)] = name
		}
		namesOf(member.Type, names)
	}
	return names
}
