package corpus

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Shape describes the parts of a status that distinguish it for its readers:
// every condition with its reason, and whether the object is new, changed,
// suspended or being deleted. Objects of the same shape are interpreted alike.
func Shape(object *unstructured.Unstructured) string {
	observed, _, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	suspended, _, _ := unstructured.NestedBool(object.Object, "spec", "suspend")
	words := []string{object.GetKind()}
	for _, word := range []struct {
		text    string
		applies bool
	}{
		{"deleting", object.GetDeletionTimestamp() != nil},
		{"suspended", suspended},
		{"new", observed == -1},
		{"changed", observed != -1 && observed < object.GetGeneration()},
		{"ahead", observed > object.GetGeneration()},
	} {
		if word.applies {
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

// conditions returns the conditions of an object, sorted by type.
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

// fixedTime replaces every time in a sample.
const fixedTime = "2026-01-01T00:00:00Z"

var (
	localAddress = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	anyTime      = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
)

// sample returns the parts of an object that other tools read, without the
// times, the namespace and the simulator's port of this run.
func sample(object *unstructured.Unstructured) *unstructured.Unstructured {
	kept := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": object.GetAPIVersion(),
		"kind":       object.GetKind(),
		"metadata":   map[string]any{"name": object.GetName(), "generation": object.GetGeneration()},
		"spec":       map[string]any{},
	}}
	set := func(value any, path ...string) { _ = unstructured.SetNestedField(kept.Object, value, path...) }
	if object.GetDeletionTimestamp() != nil {
		set(fixedTime, "metadata", "deletionTimestamp")
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
			set(scrub(value, object.GetNamespace()), path...)
		}
	}
	return kept
}

// scrub removes the parts of a value that are specific to this run.
func scrub(value any, namespace string) any {
	switch value := value.(type) {
	case string:
		value = anyTime.ReplaceAllString(localAddress.ReplaceAllString(value, "127.0.0.1"), fixedTime)
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
