package drift

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// object is a JSON object whose members keep the bytes that they were decoded from.
type object map[string]json.RawMessage

// objectOf returns the members of a JSON object, or nil if raw is not an object.
func objectOf(raw json.RawMessage) object {
	var members object
	_ = json.Unmarshal(raw, &members) // it sets no members if it fails
	return members
}

// at returns the bytes at a path of keys, or nil.
func (o object) at(path []string) json.RawMessage {
	value := o[path[0]]
	if len(path) == 1 {
		return value
	}
	return objectOf(value).at(path[1:])
}

// set sets the value at a path of keys; nil removes it.
func (o object) set(path []string, value any) error {
	if len(path) == 0 {
		return nil
	}
	name, below := path[0], path[1:]
	if len(below) > 0 {
		member := objectOf(o[name])
		if member == nil && value == nil {
			return nil
		}
		if member == nil {
			member = object{}
		}
		if err := member.set(below, value); err != nil {
			return err
		}
		value = member
	}
	if value == nil {
		delete(o, name)
		return nil
	}
	raw, err := encode(value)
	o[name] = raw
	return err
}

// encode is json.Marshal, but keeps the characters of HTML and the bytes of each
// json.RawMessage.
func encode(value any) (json.RawMessage, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encode the cluster specification: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// decode is json.Unmarshal into a tree, with numbers as json.Number.
func decode(raw json.RawMessage) (Tree, error) {
	var tree Tree
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("decode the cluster specification: %w", err)
	}
	return tree, nil
}

// specType is the SDK's type of a specification. Members without a field in it are
// unknown.
var specType = reflect.TypeFor[compute.ClusterSpec]()

// memberType returns the SDK's type of a member, or nil if the member is unknown.
func memberType(of reflect.Type, name string) reflect.Type {
	for of != nil && of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of == nil || of.Kind() != reflect.Struct {
		return nil
	}
	for member := range of.Fields() {
		if tagged, _, _ := strings.Cut(member.Tag.Get("json"), ","); tagged == name {
			return member.Type
		}
	}
	return nil
}

// withUnknown returns a value together with the unknown members of raw, at any depth.
func withUnknown(value any, raw json.RawMessage, of reflect.Type) any {
	for of != nil && of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch value := value.(type) {
	case map[string]any:
		members := objectOf(raw)
		if of == nil || of.Kind() != reflect.Struct {
			return value
		}
		return membersWithUnknown(value, members, of)
	case []any:
		if of == nil || of.Kind() != reflect.Slice {
			return value
		}
		var items []json.RawMessage
		_ = json.Unmarshal(raw, &items) // a value that is no list has no items
		return itemsWithUnknown(value, items, of.Elem())
	default:
		return value
	}
}

// membersWithUnknown is withUnknown for an object.
func membersWithUnknown(value map[string]any, members object, of reflect.Type) map[string]any {
	out := make(map[string]any, len(value))
	for name, item := range members {
		if memberType(of, name) == nil {
			out[name] = item
		}
	}
	for name, item := range value {
		out[name] = withUnknown(item, members[name], memberType(of, name))
	}
	return out
}

// itemsWithUnknown is withUnknown for a list. An item gets the unknown members of the
// first unused item that includes it.
func itemsWithUnknown(value []any, items []json.RawMessage, of reflect.Type) []any {
	out := make([]any, len(value))
	used := make([]bool, len(items))
	for i, item := range value {
		out[i] = item
		for j, raw := range items {
			var have any
			_ = json.Unmarshal(raw, &have) // a number that is too large is none of the declared members
			if used[j] || !diff.Includes(item, have) {
				continue
			}
			used[j], out[i] = true, withUnknown(item, raw, of)
			break
		}
	}
	return out
}
