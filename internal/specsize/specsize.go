// Package specsize bounds how large the specification of an object may be. It
// measures text alone, because a specification consists of little else.
package specsize

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

const (
	// Limit is the largest specification that is worked on, in bytes.
	Limit = 256 << 10
	// annotation marks the cached copy of an object whose large fields were dropped.
	// It is never written to the API server.
	annotation = v1alpha1.GroupName + "/dropped-fields"
	// shown is how many fields a message names.
	shown = 3
	// keep is the size up to which a field of an oversized specification stays in the
	// cached copy, in bytes.
	keep = 1 << 10
)

// Of returns the size of a specification in bytes: that of its text, with the keys of
// its maps.
func Of(spec *v1alpha1.DatabricksClusterSpec) int {
	return textOf(reflect.ValueOf(spec).Elem())
}

// Trim drops the large fields of an object's specification if it is over the limit,
// and marks the object with what the specification was. It does nothing to an object
// that was trimmed before. A list or a map that is dropped stays set and is empty.
//
// The mark holds for one resource version, which the author of an object cannot know
// before it is written. An annotation by a user is therefore no mark and is removed.
func Trim(cluster *v1alpha1.DatabricksCluster) {
	if _, trimmed := Excess(cluster); trimmed {
		return
	}
	delete(cluster.Annotations, annotation)
	total := Of(&cluster.Spec)
	if total <= Limit {
		return
	}
	fields := fieldsOf(reflect.ValueOf(&cluster.Spec).Elem())
	if cluster.Annotations == nil {
		cluster.Annotations = map[string]string{}
	}
	cluster.Annotations[annotation] = markOf(cluster) + describe(total, fields)
	for _, field := range fields {
		if field.size > keep {
			drop(field.value)
		}
	}
}

// Excess returns why the specification of a cached object is not worked on, and
// reports whether it was over the limit and large fields of it were dropped.
func Excess(cluster *v1alpha1.DatabricksCluster) (message string, oversized bool) {
	return strings.CutPrefix(cluster.Annotations[annotation], markOf(cluster))
}

// markOf is what the mark of an object begins with.
func markOf(cluster *v1alpha1.DatabricksCluster) string {
	return string(cluster.UID) + "/" + cluster.ResourceVersion + " "
}

// describe names the largest fields, the largest first.
func describe(total int, fields []field) string {
	slices.SortStableFunc(fields, func(a, b field) int { return cmp.Compare(b.size, a.size) })
	var largest []string
	for _, field := range fields[:min(len(fields), shown)] {
		if field.size > keep {
			largest = append(largest, fmt.Sprintf("%s has %d KiB", field.name, kibibytes(field.size)))
		}
	}
	return fmt.Sprintf("spec is %d KiB; at most %d KiB in all: %s; shorten them",
		kibibytes(total), Limit>>10, strings.Join(largest, ", "))
}

// kibibytes rounds up, so that what is over the limit does not read like the limit.
func kibibytes(bytes int) int {
	const kibibyte = 1 << 10
	return (bytes + kibibyte - 1) / kibibyte
}

// field is one field of a specification.
type field struct {
	name  string
	value reflect.Value
	size  int
}

// fieldsOf returns the fields of a specification as they are on the wire. Those of an
// embedded struct are its own.
func fieldsOf(spec reflect.Value) []field {
	var all []field
	for about, value := range spec.Fields() {
		if about.Anonymous {
			all = append(all, fieldsOf(value)...)
			continue
		}
		name, _, _ := strings.Cut(about.Tag.Get("json"), ",")
		all = append(all, field{name: "spec." + name, value: value, size: textOf(value)})
	}
	return all
}

// textOf returns the length of all text in a value, in bytes.
func textOf(value reflect.Value) int {
	size := 0
	switch value.Kind() {
	case reflect.String:
		return value.Len()
	case reflect.Pointer:
		if !value.IsNil() {
			return textOf(value.Elem())
		}
	case reflect.Struct:
		for i := range value.NumField() { //nolint:modernize // Fields allocates for every field, and this runs for every event
			size += textOf(value.Field(i))
		}
	case reflect.Slice:
		for i := range value.Len() {
			size += textOf(value.Index(i))
		}
	case reflect.Map:
		for entries := value.MapRange(); entries.Next(); {
			size += textOf(entries.Key()) + textOf(entries.Value())
		}
	default: // numbers and booleans
	}
	return size
}

// drop empties a list or a map. Everything else is small by the schema and stays: the
// connection and the id of the cluster are needed to delete it.
func drop(value reflect.Value) {
	switch value.Kind() {
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 0, 0))
	case reflect.Map:
		value.Set(reflect.MakeMap(value.Type()))
	default:
	}
}
