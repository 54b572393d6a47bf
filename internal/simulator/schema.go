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

// params is a JSON object in the simulator: integers are int64, other numbers
// float64, objects params, lists []any.
type params = map[string]any

type kind int

const (
	kindText kind = iota
	kindInteger
	kindNumber
	kindBoolean
	kindList
	kindMap
	kindObject
)

// schema is the JSON type of a field.
type schema struct {
	kind   kind
	fields map[string]*schema // of an object
	item   *schema            // of a list
	values []string           // the allowed strings; none allows all
}

var (
	text    = &schema{kind: kindText}
	integer = &schema{kind: kindInteger}
	number  = &schema{kind: kindNumber}
	boolean = &schema{kind: kindBoolean}
	textMap = &schema{kind: kindMap} // of strings, with any keys
)

func oneOf(values ...string) *schema           { return &schema{kind: kindText, values: values} }
func list(item *schema) *schema                { return &schema{kind: kindList, item: item} }
func object(fields map[string]*schema) *schema { return &schema{kind: kindObject, fields: fields} }
func (s *schema) with(more *schema) *schema    { return object(union(s.fields, more.fields)) }
func union(parts ...map[string]*schema) map[string]*schema {
	all := map[string]*schema{}
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

// schemaChecker checks a decoded JSON value against a schema and converts its
// numbers. It drops unknown fields, as a real workspace does, and collects
// their names for tests.
type schemaChecker struct {
	unknown []string
}

func (c *schemaChecker) object(value map[string]any, s *schema, path string) (params, *apiError) {
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

func (c *schemaChecker) value(value any, s *schema, path string) (any, *apiError) {
	switch s.kind {
	case kindText:
		if v, ok := value.(string); ok {
			if len(s.values) > 0 && !slices.Contains(s.values, v) {
				return nil, invalid("%s: %q is not one of %s", path, v, strings.Join(s.values, ", "))
			}
			return v, nil
		}
	case kindInteger:
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
	case kindMap:
		if v, ok := value.(map[string]any); ok {
			return c.textMap(v, path)
		}
	case kindObject:
		if v, ok := value.(map[string]any); ok {
			return c.object(v, s, path)
		}
	}
	return nil, malformed("Could not parse request object: %s: expected %s", path, s.name())
}

func (c *schemaChecker) list(values []any, s *schema, path string) (any, *apiError) {
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

func (c *schemaChecker) textMap(values map[string]any, path string) (any, *apiError) {
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

func (s *schema) name() string {
	switch s.kind {
	case kindText:
		return "a string"
	case kindInteger:
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

// fromQuery reads the query string of a GET: nested objects are flattened with
// dots, lists are repeated keys. The result is the same as for a decoded JSON
// body.
func fromQuery(query url.Values, s *schema) map[string]any {
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

func (s *schema) field(name string) *schema {
	if s == nil || s.fields == nil {
		return nil
	}
	return s.fields[name]
}

func queryValue(values []string, s *schema) any {
	if s != nil && s.kind == kindList {
		all := make([]any, len(values))
		for i, v := range values {
			all[i] = queryScalar(v, s.item)
		}
		return all
	}
	return queryScalar(values[len(values)-1], s)
}

func queryScalar(value string, s *schema) any {
	if s == nil {
		return value
	}
	switch s.kind {
	case kindInteger, kindNumber:
		return json.Number(value)
	case kindBoolean:
		if b, err := strconv.ParseBool(value); err == nil {
			return b
		}
	case kindText, kindList, kindMap, kindObject:
	}
	return value
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
