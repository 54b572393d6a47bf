package drift

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/runtime"
)

// Tree is a JSON object in the form of the Clusters API: keys in snake_case, values as
// encoding/json decodes them, and numbers as float64 or json.Number. A key that is
// absent or null is not set; 0 and false are set.
type Tree map[string]any

// Format implements fmt.Formatter. It prints the names of the fields, because the values
// may be secrets.
func (t Tree) Format(state fmt.State, _ rune) {
	// fmt reports the failure of its own writer.
	_, _ = fmt.Fprintf(state, "Tree(%s)", strings.Join(slices.Sorted(maps.Keys(t)), ", "))
}

// treeOf encodes a value as JSON and decodes it into a tree.
func treeOf(value any) (Tree, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", value, err)
	}
	var tree Tree
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, fmt.Errorf("decode %T: %w", value, err)
	}
	return tree, nil
}

// into decodes the tree into one of the SDK's types, which lists explicit zeros in
// ForceSendFields, so that 0 and false are sent.
func (t Tree) into(target any) error {
	raw, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("encode the cluster specification: %w", err)
	}
	if err := json.Unmarshal(raw, target); err != nil {
		return fmt.Errorf("decode %T: %w", target, err)
	}
	return nil
}

// at returns the value at a path of keys, and reports whether there is one. A null is
// no value.
func (t Tree) at(path ...string) (any, bool) {
	var value any = map[string]any(t)
	for _, key := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[key]; !ok || value == nil {
			return nil, false
		}
	}
	return value, true
}

// clone returns a deep copy of the tree; it is never nil.
func (t Tree) clone() Tree {
	out := Tree(runtime.DeepCopyJSON(t))
	if out == nil {
		return Tree{}
	}
	return out
}

// wireKeys returns a decoded resource with the names of the Clusters API. The keys
// inside free maps are not converted.
func (t Tree) wireKeys() Tree {
	out := make(Tree, len(t))
	for key, item := range t {
		name := wireName(key)
		if !isFreeMap(name) {
			item = wireValue(item)
		}
		out[name] = item
	}
	return out
}

func wireValue(value any) any {
	switch value := value.(type) {
	case map[string]any:
		return map[string]any(Tree(value).wireKeys())
	case []any:
		out := make([]any, len(value))
		for i, item := range value {
			out[i] = wireValue(item)
		}
		return out
	default:
		return value
	}
}

// wireName returns the Clusters API's name of a field of the resource: useMLRuntime
// is use_ml_runtime, and alternateNodeTypeIDs is alternate_node_type_ids.
func wireName(name string) string {
	name = strings.ReplaceAll(name, "IDs", "Ids")
	var out strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 {
			afterLower := !unicode.IsUpper(runes[i-1])
			startsWord := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if afterLower || startsWord {
				out.WriteByte('_')
			}
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}
