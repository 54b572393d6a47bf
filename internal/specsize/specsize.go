// Package specsize limits the size of the specification of an object. The size is that
// of its text, because a specification has little else.
package specsize

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

const (
	// Limit is the maximum size of a specification that the operator reconciles, in bytes.
	Limit = 256 << 10
	// annotation marks the cached copy of an object whose large fields were dropped.
	// It is never written to the API server.
	annotation = v1alpha1.GroupName + "/dropped-fields"
	// maxListed is the maximum number of fields in a message.
	maxListed = 3
	// maxKept is the size up to which the cached copy of an oversized object keeps a
	// field, in bytes.
	maxKept = 1 << 10
)

// Of returns the size of the text in the specification of an object in bytes, with the keys
// of its maps.
func Of(object metav1.Object) int { return textOf(specOf(object)) }

// specOf returns the field Spec of an object, which all kinds of the operator have.
func specOf(object metav1.Object) reflect.Value {
	return reflect.ValueOf(object).Elem().FieldByName("Spec")
}

// Trim drops the large fields of a specification that is over the limit, and marks the
// object with an annotation that describes the specification. It does nothing to an
// object that was trimmed before. A dropped list or map becomes empty, and not nil.
//
// The annotation is valid for one resource version, which a user cannot know before the
// object is written. An annotation of a user is therefore invalid and removed.
func Trim(object metav1.Object) {
	if _, trimmed := Excess(object); trimmed {
		return
	}
	annotations := object.GetAnnotations()
	delete(annotations, annotation)
	total := Of(object)
	if total <= Limit {
		return
	}
	fields := fieldsOf(specOf(object))
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[annotation] = markOf(object) + describe(total, fields)
	object.SetAnnotations(annotations)
	for _, field := range fields {
		if field.size > maxKept {
			drop(field.value)
		}
	}
}

// Excess reports whether large fields of a cached object were dropped, and returns a
// message with the reason.
func Excess(object metav1.Object) (message string, oversized bool) {
	return strings.CutPrefix(object.GetAnnotations()[annotation], markOf(object))
}

// markOf returns the prefix of a valid annotation.
func markOf(object metav1.Object) string {
	return string(object.GetUID()) + "/" + object.GetResourceVersion() + " "
}

// describe returns a message with the largest fields, the largest first.
func describe(total int, fields []field) string {
	slices.SortStableFunc(fields, func(a, b field) int { return cmp.Compare(b.size, a.size) })
	var largest []string
	for _, field := range fields[:min(len(fields), maxListed)] {
		if field.size > maxKept {
			largest = append(largest, fmt.Sprintf("%s has %d KiB", field.name, kibibytes(field.size)))
		}
	}
	return fmt.Sprintf("spec is %d KiB; at most %d KiB in all: %s; shorten them",
		kibibytes(total), Limit>>10, strings.Join(largest, ", "))
}

// kibibytes returns a size in KiB, rounded up, so that a size over the limit is greater
// than the limit.
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

// fieldsOf returns the fields of a specification by their JSON names, with those of
// embedded structs.
func fieldsOf(spec reflect.Value) []field {
	var all []field
	for structField, value := range spec.Fields() {
		if structField.Anonymous {
			all = append(all, fieldsOf(value)...)
			continue
		}
		name, _, _ := strings.Cut(structField.Tag.Get("json"), ",")
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
		if value.Type().Elem().Kind() == reflect.Uint8 {
			return value.Len() // JSON that is not decoded
		}
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

// drop empties a list or a map. The schema limits the size of other fields, which are
// kept, because a deletion needs the connection and the id.
func drop(value reflect.Value) {
	switch value.Kind() {
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 0, 0))
	case reflect.Map:
		value.Set(reflect.MakeMap(value.Type()))
	default:
	}
}
