package tenancy

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Violation returns why the DatabricksWorkspace of a name does not permit a spec, with
// the field, its value and the way out; "" if it permits it.
func Violation(name string, rules *v1alpha1.DatabricksWorkspaceSpec, spec *v1alpha1.DatabricksClusterSpec) (string, error) {
	refuse := func(format string, arguments ...any) string {
		return fmt.Sprintf(format, arguments...) + fmt.Sprintf(", as DatabricksWorkspace %q requires, or ask your platform team", name)
	}
	policy := spec.PolicyID
	switch permitted := rules.AllowedPolicyIDs; {
	case policy == "" && rules.RequirePolicy && len(permitted) > 0:
		return refuse("spec.policyID is missing: set it to one of %s", strings.Join(permitted, ", ")), nil
	case policy == "" && rules.RequirePolicy:
		return refuse("spec.policyID is missing: set it"), nil
	case policy != "" && len(permitted) > 0 && !slices.Contains(permitted, policy):
		return refuse("spec.policyID %q is not permitted: set it to one of %s", policy, strings.Join(permitted, ", ")), nil
	}
	if len(rules.ForbiddenFields) == 0 {
		return "", nil
	}
	set, err := members(spec)
	if err != nil {
		return "", err
	}
	for _, field := range rules.ForbiddenFields {
		if isSet(set, strings.Split(field, ".")) {
			return refuse("spec.%s is not permitted: remove it", field), nil
		}
	}
	return "", nil
}

// members returns a spec as decoded JSON.
func members(spec *v1alpha1.DatabricksClusterSpec) (map[string]any, error) {
	raw, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encode a spec: %w", err)
	}
	var set map[string]any
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, fmt.Errorf("decode a spec: %w", err)
	}
	return set, nil
}

// isSet reports whether a value has a member at a path.
func isSet(value any, path []string) bool {
	for _, name := range path {
		all, _ := value.(map[string]any) // other values have no members
		member, ok := all[name]
		if !ok {
			return false
		}
		value = member
	}
	return true
}

// UnknownField returns the first of the forbidden fields that no spec can have, because
// a rule with a typing error would permit everything; "" if all of them exist.
func UnknownField(rules *v1alpha1.DatabricksWorkspaceSpec) string {
	for _, field := range rules.ForbiddenFields {
		if !exists(reflect.TypeFor[v1alpha1.DatabricksClusterSpec](), strings.Split(field, ".")) {
			return field
		}
	}
	return ""
}

// exists reports whether a type has a field at a path of JSON names. Members of lists and
// of free maps have no paths.
func exists(of reflect.Type, path []string) bool {
	if len(path) == 0 {
		return true
	}
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return false
	}
	for field := range of.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == path[0]:
			return exists(field.Type, path[1:])
		case strings.Contains(options, "inline") && exists(field.Type, path):
			return true
		}
	}
	return false
}
