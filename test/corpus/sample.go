package corpus

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Shape is what tells one status from another to those who read it: every
// condition with its reason, and whether the object is new, changed since,
// suspended or being deleted. Objects of one shape are read alike.
func Shape(object *unstructured.Unstructured) string {
	observed, _, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	suspended, _, _ := unstructured.NestedBool(object.Object, "spec", "suspend")
	words := []string{object.GetKind()}
	for _, word := range []struct {
		text  string
		holds bool
	}{
		{"deleting", object.GetDeletionTimestamp() != nil},
		{"suspended", suspended},
		{"new", observed == -1},
		{"changed", observed != -1 && observed < object.GetGeneration()},
		{"ahead", observed > object.GetGeneration()},
	} {
		if word.holds {
			words = append(words, word.text)
		}
	}
	for _, condition := range conditions(object) {
		words = append(words, text(condition, "type")+"="+text(condition, "status")+":"+text(condition, "reason"))
		if condition["observedGeneration"] != observed {
			words = append(words, "(of another generation)")
		}
	}
	return strings.Join(words, " ")
}

// conditions are an object's, by type.
func conditions(object *unstructured.Unstructured) []map[string]any {
	list, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	var all []map[string]any
	for _, item := range list {
		if condition, ok := item.(map[string]any); ok {
			all = append(all, condition)
		}
	}
	slices.SortFunc(all, func(a, b map[string]any) int { return cmp.Compare(text(a, "type"), text(b, "type")) })
	return all
}

func text(fields map[string]any, name string) string {
	value, _ := fields[name].(string)
	return value
}

// always is every time of a sample.
const always = "2026-01-01T00:00:00Z"

var (
	localAddress = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	anyTime      = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
)

// sample is what other tools may look at in an object, without what is of this
// run alone: its times, its namespace, its simulator's port.
func sample(object *unstructured.Unstructured) *unstructured.Unstructured {
	kept := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": object.GetAPIVersion(),
		"kind":       object.GetKind(),
		"metadata":   map[string]any{"name": object.GetName(), "generation": object.GetGeneration()},
		"spec":       map[string]any{},
	}}
	put := func(value any, path ...string) { _ = unstructured.SetNestedField(kept.Object, value, path...) }
	if object.GetDeletionTimestamp() != nil {
		put(always, "metadata", "deletionTimestamp")
	}
	for _, path := range [][]string{
		{"spec", "suspend"},
		{"spec", "runPolicy"},
		{"spec", "managementPolicy"},
		{"status", "observedGeneration"},
		{"status", "state"},
		{"status", "conditions"},
	} {
		if value, found, _ := unstructured.NestedFieldCopy(object.Object, path...); found {
			put(scrub(value, object.GetNamespace()), path...)
		}
	}
	return kept
}

// scrub takes out of a value what is of this run alone.
func scrub(value any, namespace string) any {
	switch value := value.(type) {
	case string:
		value = anyTime.ReplaceAllString(localAddress.ReplaceAllString(value, "127.0.0.1"), always)
		if namespace != "" {
			value = strings.ReplaceAll(value, namespace, "team")
		}
		return value
	case []any:
		for i := range value {
			value[i] = scrub(value[i], namespace)
		}
	case map[string]any:
		for key := range value {
			value[key] = scrub(value[key], namespace)
		}
	}
	return value
}
