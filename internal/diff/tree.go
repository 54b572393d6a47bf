package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
)

// Tree is a JSON object in the form of the Databricks API: keys in snake_case, values as
// encoding/json decodes them, and numbers as float64 or json.Number. A key that is
// absent or null is not set; 0 and false are set.
type Tree map[string]any

// Format implements fmt.Formatter. It prints the names of the fields, because the values
// may be secrets.
func (t Tree) Format(state fmt.State, _ rune) {
	// fmt reports the failure of its own writer.
	_, _ = fmt.Fprintf(state, "Tree(%s)", strings.Join(slices.Sorted(maps.Keys(t)), ", "))
}

// TreeOf encodes a value as JSON and decodes it into a tree. It fails if the value is no
// JSON object.
func TreeOf(value any) (Tree, error) {
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

// Into decodes the tree into one of the SDK's types, which lists explicit zeros in
// ForceSendFields, so that 0 and false are sent. It fails if a value has another type
// there.
func (t Tree) Into(target any) error {
	raw, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("encode the specification: %w", err)
	}
	if err := json.Unmarshal(raw, target); err != nil {
		return fmt.Errorf("decode %T: %w", target, err)
	}
	return nil
}

// At returns the value at a path of keys, and reports whether there is one. A null is
// no value.
func (t Tree) At(path ...string) (any, bool) {
	var value any = map[string]any(t)
	for _, key := range path {
		members, _ := value.(map[string]any)
		if value = members[key]; value == nil {
			return nil, false
		}
	}
	return value, true
}

// Declares reports whether a specification has a value at a path of keys.
func (t Tree) Declares(path []string) bool {
	_, declared := t.At(path...)
	return declared
}

// Clone returns a deep copy of the tree; it is never nil.
func (t Tree) Clone() Tree {
	out := Tree(runtime.DeepCopyJSON(t))
	if out == nil {
		return Tree{}
	}
	return out
}

// visit calls do for every object that has the last key of a path, with that key. It
// visits every item of a list on the way.
func visit(value any, path []string, do func(members map[string]any, name string)) {
	switch value := value.(type) {
	case map[string]any:
		member, present := value[path[0]]
		switch {
		case present && len(path) == 1:
			do(value, path[0])
		case present:
			visit(member, path[1:], do)
		}
	case []any:
		for _, item := range value {
			visit(item, path, do)
		}
	}
}

// Remove removes the values at a path, if there are any.
func (t Tree) Remove(path ...string) { remove(map[string]any(t), path) }

// remove removes the values at a path, if there are any.
func remove(value any, path []string) {
	visit(value, path, func(members map[string]any, name string) { delete(members, name) })
}
