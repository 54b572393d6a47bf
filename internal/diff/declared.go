package diff

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Declared returns the fields of a specification that have a row, in the form of the API.
// References to Secrets are still references, see ResolveSecrets. It fails if the
// specification is no JSON object, or if a number that is text cannot be parsed.
func (t *Table) Declared(spec any) (Tree, error) {
	raw, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", spec, err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fmt.Errorf("decode %T: %w", spec, err)
	}
	tree := Tree{}
	for key, raw := range members {
		f, known := t.Field(t.wireName(key))
		if !known || string(raw) == "null" {
			continue
		}
		if tree[f.Name], err = t.wireValue(f, raw); err != nil {
			return nil, fmt.Errorf("decode %s of %T: %w", key, spec, err)
		}
	}
	return tree, t.parseDecimals(tree)
}

// wireValue returns the value of a field in the form of the API. A value that the resource
// has in place of JSON text is encoded with its exact numbers.
func (t *Table) wireValue(f Field, raw json.RawMessage) (any, error) {
	if f.Kind == JSON && raw[0] != '"' {
		return canonicalJSON(string(raw)), nil
	}
	var value any
	err := json.Unmarshal(raw, &value)
	if f.hasFreeKeys() {
		return value, err
	}
	return t.wireKeys(value), err
}

// wireKeys returns a value of the resource with the names of the API.
func (t *Table) wireKeys(value any) any {
	switch value := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(value))
		for key, item := range value {
			out[t.wireName(key)] = t.wireKeys(item)
		}
		return out
	case []any:
		out := make([]any, len(value))
		for i, item := range value {
			out[i] = t.wireKeys(item)
		}
		return out
	default:
		return value
	}
}

// parseDecimals replaces the numbers that are text in the resource.
func (t *Table) parseDecimals(tree Tree) error {
	var failure error
	for _, f := range t.fields {
		if f.Decimal == "" {
			continue
		}
		path := f.Path(f.Decimal)
		visit(map[string]any(tree), path, func(members map[string]any, name string) {
			text, isText := members[name].(string)
			if !isText {
				return
			}
			number, err := strconv.ParseFloat(text, 64)
			if err != nil {
				field := strings.ReplaceAll(t.SpecPointer(path), "/", ".")
				failure = fmt.Errorf("spec%s %q is not a number: %w", field, text, err)
			}
			members[name] = number
		})
		if failure != nil {
			return failure
		}
	}
	return nil
}

// ResolveSecrets replaces the references to Secrets in a tree by what value returns for the
// name of the field and the reference.
func (t *Table) ResolveSecrets(tree Tree, value func(field string, reference any) any) {
	for _, f := range t.fields {
		path, ok := f.secretRef()
		if !ok {
			continue
		}
		visit(map[string]any(tree), path, func(members map[string]any, name string) {
			reference := members[name]
			delete(members, name)
			members[strings.TrimSuffix(name, secretRefSuffix)] = value(f.Name, reference)
		})
	}
}
