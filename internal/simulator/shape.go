package simulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// params is a JSON object as the simulator holds it: whole numbers are int64,
// others float64, objects params, lists []any.
type params = map[string]any

type kind int

const (
	kindText kind = iota
	kindWhole
	kindNumber
	kindBoolean
	kindList
	kindTable
	kindRecord
)

// shape is the JSON type a field must have.
type shape struct {
	kind   kind
	fields map[string]*shape // of a record
	item   *shape            // of a list
	values []string          // allowed texts; none allows all
}

var (
	text    = &shape{kind: kindText}
	whole   = &shape{kind: kindWhole}
	number  = &shape{kind: kindNumber}
	boolean = &shape{kind: kindBoolean}
	table   = &shape{kind: kindTable} // of texts, keys free
)

func oneOf(values ...string) *shape          { return &shape{kind: kindText, values: values} }
func list(item *shape) *shape                { return &shape{kind: kindList, item: item} }
func record(fields map[string]*shape) *shape { return &shape{kind: kindRecord, fields: fields} }
func (s *shape) with(more *shape) *shape     { return record(union(s.fields, more.fields)) }
func union(parts ...map[string]*shape) map[string]*shape {
	all := map[string]*shape{}
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

// conformer checks a decoded JSON value against a shape and converts its
// numbers. Fields that the shape does not know are kept out and remembered: a
// real workspace ignores them, a test wants to hear of them.
type conformer struct {
	unknown []string
}

func (c *conformer) record(value map[string]any, s *shape, path string) (params, *refusal) {
	result := params{}
	for _, name := range sortedKeys(value) {
		here := join(path, name)
		field, known := s.fields[name]
		switch {
		case !known:
			c.unknown = append(c.unknown, here)
		case value[name] != nil:
			converted, r := c.value(value[name], field, here)
			if r != nil {
				return nil, r
			}
			result[name] = converted
		}
	}
	return result, nil
}

func (c *conformer) value(value any, s *shape, path string) (any, *refusal) {
	switch s.kind {
	case kindText:
		if v, ok := value.(string); ok {
			if len(s.values) > 0 && !slices.Contains(s.values, v) {
				return nil, invalid("%s: %q is not one of %s", path, v, strings.Join(s.values, ", "))
			}
			return v, nil
		}
	case kindWhole:
		if n, ok := value.(json.Number); ok {
			if v, err := n.Int64(); err == nil {
				return v, nil
			}
		}
	case kindNumber:
		if n, ok := value.(json.Number); ok {
			if v, err := n.Float64(); err == nil {
				return v, nil
			}
		}
	case kindBoolean:
		if v, ok := value.(bool); ok {
			return v, nil
		}
	case kindList:
		if v, ok := value.([]any); ok {
			return c.list(v, s, path)
		}
	case kindTable:
		if v, ok := value.(map[string]any); ok {
			return c.table(v, path)
		}
	case kindRecord:
		if v, ok := value.(map[string]any); ok {
			return c.record(v, s, path)
		}
	}
	return nil, malformed("Could not parse request object: %s: expected %s", path, s.name())
}

func (c *conformer) list(values []any, s *shape, path string) (any, *refusal) {
	result := make([]any, 0, len(values))
	for i, value := range values {
		converted, r := c.value(value, s.item, fmt.Sprintf("%s.%d", path, i))
		if r != nil {
			return nil, r
		}
		result = append(result, converted)
	}
	return result, nil
}

func (c *conformer) table(values map[string]any, path string) (any, *refusal) {
	result := params{}
	for key, value := range values {
		v, ok := value.(string)
		if !ok {
			return nil, malformed("Could not parse request object: %s.%s: expected a string", path, key)
		}
		result[key] = v
	}
	return result, nil
}

func (s *shape) name() string {
	switch s.kind {
	case kindText:
		return "a string"
	case kindWhole:
		return "an integer"
	case kindNumber:
		return "a number"
	case kindBoolean:
		return "a boolean"
	case kindList:
		return "a list"
	default:
		return "a map"
	}
}

// fromQuery reads the query string of a GET: nested objects come flattened with
// dots, lists as repeated keys. The result is what a JSON body would decode to.
func fromQuery(query url.Values, s *shape) map[string]any {
	result := map[string]any{}
	for key, values := range query {
		target, field := result, s
		path := strings.Split(key, ".")
		for _, step := range path[:len(path)-1] {
			next, ok := target[step].(map[string]any)
			if !ok {
				next = map[string]any{}
				target[step] = next
			}
			target = next
			field = field.field(step)
		}
		last := path[len(path)-1]
		target[last] = queryValue(values, field.field(last))
	}
	return result
}

func (s *shape) field(name string) *shape {
	if s == nil || s.fields == nil {
		return nil
	}
	return s.fields[name]
}

func queryValue(values []string, s *shape) any {
	if s != nil && s.kind == kindList {
		all := make([]any, len(values))
		for i, v := range values {
			all[i] = queryScalar(v, s.item)
		}
		return all
	}
	return queryScalar(values[len(values)-1], s)
}

func queryScalar(value string, s *shape) any {
	if s == nil {
		return value
	}
	switch s.kind {
	case kindWhole, kindNumber:
		return json.Number(value)
	case kindBoolean:
		if b, err := strconv.ParseBool(value); err == nil {
			return b
		}
	case kindText, kindList, kindTable, kindRecord:
	}
	return value
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
