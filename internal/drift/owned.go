package drift

import (
	"reflect"
	"slices"
	"sort"
	"strings"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Owned names every field and key that a specification declares, sorted. They
// are JSON Pointers into spec, in the resource's own names, and never values.
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

// paths are the places of a declared value at which it is compared.
func (f field) paths(want any) [][]string {
	members, divided := want.(map[string]any)
	if !divided || (f.kind != keys && f.kind != block) {
		return [][]string{{f.name}}
	}
	var paths [][]string
	for key, value := range members {
		nested, isObject := value.(map[string]any)
		if f.kind == keys || !isObject {
			paths = append(paths, []string{f.name, key})
			continue
		}
		for inner := range nested {
			paths = append(paths, []string{f.name, key, inner})
		}
	}
	return paths
}

// Removed lists what was declared once, is not declared any more, and is still
// what was last asked for: the differences that a removal leaves. Whatever a
// cluster cannot be without is let go of, and is none. Where the spec is unknown
// nothing is listed, which does not mean that nothing is left to clear:
// SpecKnown and MayBeLeft tell the two apart.
func Removed(owned []string, desired Tree, observed Observed) []Difference {
	var found []Difference
	kept := Owned(desired)
	for _, place := range owned {
		path, f, undeclared := undeclared(place, kept)
		value, present := observed.Asked.at(path...)
		if !undeclared || !present {
			continue
		}
		found = append(found, Difference{Path: pointer(path...), Field: f.name, Actual: value, Asked: value})
	}
	sortByPath(found)
	return found
}

// MayBeLeft reports whether a field that was declared once, and is not any more,
// may still have to be cleared: only GET's spec can tell.
func MayBeLeft(owned []string, desired Tree) bool {
	kept := Owned(desired)
	return slices.ContainsFunc(owned, func(place string) bool {
		_, _, undeclared := undeclared(place, kept)
		return undeclared
	})
}

// undeclared reports whether an owned place is none of the declared ones, which
// are sorted, and can be cleared.
func undeclared(place string, declared []string) (path []string, row field, ok bool) {
	path = wirePath(place)
	row, known := rowOf(path[0])
	_, still := slices.BinarySearch(declared, place)
	return path, row, known && row.removal == clears && !still
}

func rowOf(name string) (field, bool) {
	at := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if at < 0 {
		return field{}, false
	}
	return fields[at], true
}

// SpecPointer names a place of the Clusters API as a JSON Pointer into spec:
// aws_attributes, zone_id is /awsAttributes/zoneID.
func SpecPointer(path []string) string {
	names := slices.Clone(path)
	for i, name := range names {
		if i > 0 && slices.Contains(freeMaps, path[0]) {
			break
		}
		if own, ok := specNames[name]; ok {
			names[i] = own
		}
	}
	return pointer(names...)
}

// wirePath undoes SpecPointer.
func wirePath(place string) []string {
	path := splitPointer(place)
	for i, name := range path {
		if i > 0 && slices.Contains(freeMaps, path[0]) {
			break
		}
		path[i] = wireName(name)
	}
	return path
}

func splitPointer(place string) []string {
	parts := strings.Split(strings.TrimPrefix(place, "/"), "/")
	for i, part := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
	}
	return parts
}

// specNames are the resource's names by the Clusters API's.
var specNames = namesOf(reflect.TypeFor[v1alpha1.ClusterSpec](), map[string]string{
	// These stand for a Secret in the resource.
	"basic_auth":                "basicAuthSecretRef",
	"log_analytics_primary_key": "logAnalyticsPrimaryKeySecretRef",
})

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
