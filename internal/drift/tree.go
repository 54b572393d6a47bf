package drift

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/runtime"
)

// Tree is a JSON object as the Clusters API spells it: keys in snake_case,
// values as encoding/json decodes them, numbers as float64 or json.Number. A key
// that is absent or null is not set; 0 and false are set.
type Tree map[string]any

// treeOf is value as JSON, decoded again.
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

// into decodes the tree into one of the SDK's wire types, which notes explicit
// zeros in ForceSendFields, so that 0 and false survive.
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

// at returns the value at a path of keys. A null is no value.
func (t Tree) at(path ...string) (any, bool) {
	var here any = map[string]any(t)
	for _, key := range path {
		object, ok := here.(map[string]any)
		if !ok {
			return nil, false
		}
		if here, ok = object[key]; !ok || here == nil {
			return nil, false
		}
	}
	return here, true
}

// clone copies the tree, so that callers may change what they get.
func (t Tree) clone() Tree {
	out := Tree(runtime.DeepCopyJSON(t))
	if out == nil {
		return Tree{}
	}
	return out
}

// wireKeys spells the keys of a decoded resource as the Clusters API does. Keys
// of the maps named in freeMaps are the user's own and stay.
func (t Tree) wireKeys() Tree {
	out := make(Tree, len(t))
	for key, item := range t {
		name := wireName(key)
		if !slices.Contains(freeMaps, name) {
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

// wireName is a resource's field name as the Clusters API spells it:
// useMLRuntime is use_ml_runtime, alternateNodeTypeIDs is
// alternate_node_type_ids.
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
