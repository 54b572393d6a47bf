package admission

import (
	"errors"
	"maps"
	"regexp"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// minimalSpec is the minimal valid spec, which the cases change.
const minimalSpec = `{sparkVersion: 16.4.x-scala2.12, nodeTypeID: Standard_D4ds_v5, numWorkers: 2, autoterminationMinutes: 30}`

// changedSpec returns base with the fields of change; null removes a field.
func changedSpec(t *testing.T, base, change string) map[string]any {
	t.Helper()
	spec := parsed(t, base)
	maps.Copy(spec, parsed(t, change))
	maps.DeleteFunc(spec, func(_ string, value any) bool { return value == nil })
	return spec
}

// parsed parses YAML, with integers as in API responses.
func parsed(t *testing.T, text string) map[string]any {
	t.Helper()
	fields := map[string]any{}
	data, err := yaml.YAMLToJSONStrict([]byte(text))
	if err := errors.Join(err, json.Unmarshal(data, &fields)); err != nil {
		t.Fatal(err)
	}
	return fields
}

// printedValue is the value in a cause, which API servers before 1.32 print as a type.
var printedValue = regexp.MustCompile(`Invalid value: (?:"(?:\\.|[^"\\])*"|-?[0-9.]+): `)

// longestLength is the maximum length in a cause, as API servers before 1.32 print it.
var longestLength = regexp.MustCompile(`may not be longer than (\d+)$`)

// withoutValues returns causes without the values that they print, in the words of the
// newest API server.
func withoutValues(causes []string) []string {
	var all []string
	for _, cause := range causes {
		cause = longestLength.ReplaceAllString(cause, "may not be more than $1 bytes")
		all = append(all, printedValue.ReplaceAllString(cause, "Invalid value: "))
	}
	return all
}

// rejectionCauses returns the causes of a rejection, each as "field: message" without the
// value.
func rejectionCauses(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || !apierrors.IsInvalid(err) {
		t.Fatalf("failed for another reason than its content: %v", err)
	}
	var causes []string
	for _, cause := range status.ErrStatus.Details.Causes {
		if strings.Contains(cause.Message, "some validation rules were not checked") {
			continue // accompanies every cause that is not from a rule
		}
		causes = append(causes, cause.Field+": "+cause.Message)
	}
	return withoutValues(causes)
}
