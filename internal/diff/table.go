package diff

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
)

// Table describes the fields of one kind of object. Other fields are never compared and
// never changed. It does not change, so goroutines may share it.
type Table struct {
	fields []Field
	// index are the positions of the rows by name.
	index map[string]int
	// wireNames are the wire names that are not the snake case of a name in the resource.
	wireNames map[string]string
	// specNames are the names in the resource by wire name. A secret has the name of the
	// reference to it.
	specNames map[string]string
}

// NewTable returns the table of a kind. The resource is the type of its specification, from
// which the table reads the names of the fields, also of those below a row; fields of the
// resource without a row are not part of the table.
func NewTable(resource reflect.Type, fields []Field) *Table {
	t := &Table{fields: fields, index: map[string]int{}, wireNames: map[string]string{}, specNames: map[string]string{}}
	for i, f := range fields {
		t.index[f.Name] = i
		for name, wire := range f.Names {
			t.wireNames[name] = wire
		}
	}
	t.addResource(resource)
	for _, f := range fields {
		if path, ok := f.secretRef(); ok {
			reference := path[len(path)-1]
			t.specNames[strings.TrimSuffix(reference, secretRefSuffix)] = t.specNames[reference]
		}
	}
	return t
}

// addResource adds the names of the fields of a resource that have a row.
func (t *Table) addResource(resource reflect.Type) {
	for member := range resource.Fields() {
		name := jsonName(member)
		if name == "" && member.Anonymous {
			t.addResource(member.Type)
		}
		if _, known := t.index[t.wireName(name)]; known {
			t.addName(member, map[reflect.Type]bool{})
		}
	}
}

// addName adds the name of a field and those of the fields below it. A type that contains
// itself is in above.
func (t *Table) addName(member reflect.StructField, above map[reflect.Type]bool) {
	if name := jsonName(member); name != "" && name != "-" {
		t.specNames[t.wireName(name)] = name
	}
	of := member.Type
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || above[of] {
		return
	}
	above[of] = true
	defer delete(above, of)
	for inner := range of.Fields() {
		t.addName(inner, above)
	}
}

func jsonName(member reflect.StructField) string {
	name, _, _ := strings.Cut(member.Tag.Get("json"), ",")
	return name
}

// Names returns the wire names of all fields, in the order of the table.
func (t *Table) Names() []string {
	names := make([]string, 0, len(t.fields))
	for _, f := range t.fields {
		names = append(names, f.Name)
	}
	return names
}

// Field returns the row of a field by its wire name. It reports false if there is none.
func (t *Table) Field(name string) (row Field, known bool) {
	i, known := t.index[name]
	if !known {
		return Field{}, false
	}
	return t.fields[i], true
}

// Declared returns the fields of a specification that have a row, in the form of the API.
// References to Secrets are still references, see ResolveSecrets. It fails if the
// specification is no JSON object, or if a number that is text cannot be parsed.
func (t *Table) Declared(spec any) (Tree, error) {
	declared, err := TreeOf(spec)
	if err != nil {
		return nil, err
	}
	tree := Tree{}
	for key, value := range declared {
		name := t.wireName(key)
		f, known := t.Field(name)
		switch {
		case !known || value == nil:
		case f.hasFreeKeys():
			tree[name] = value
		default:
			tree[name] = t.wireKeys(value)
		}
	}
	if err := t.parseDecimals(tree); err != nil {
		return nil, err
	}
	return tree, t.encodeJSON(tree, spec)
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

// encodeJSON replaces the values of the fields with JSON by text. It reads them from the
// specification, because a tree has no exact numbers.
func (t *Table) encodeJSON(tree Tree, spec any) error {
	var members map[string]json.RawMessage
	for _, f := range t.fields {
		_, isText := tree[f.Name].(string)
		if f.Kind != JSON || isText || tree[f.Name] == nil {
			continue
		}
		if members == nil {
			raw, err := json.Marshal(spec)
			if err != nil {
				return fmt.Errorf("encode %T: %w", spec, err)
			}
			if err := json.Unmarshal(raw, &members); err != nil {
				return fmt.Errorf("decode %T: %w", spec, err)
			}
		}
		tree[f.Name] = canonicalJSON(string(members[t.specNames[f.Name]]))
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

// SpecPointer returns the JSON Pointer into spec for a path of the API: aws_attributes,
// zone_id is /awsAttributes/zoneID.
func (t *Table) SpecPointer(path []string) string {
	names := append([]string{}, path...)
	for i, name := range names {
		if i > 0 && t.hasFreeKeys(path[0]) {
			break
		}
		if own, ok := t.specNames[name]; ok {
			names[i] = own
		}
	}
	return Pointer(names...)
}

// WirePath returns the path of the API for a JSON Pointer into spec. It is the inverse of
// SpecPointer, but for references to Secrets, which keep their name.
func (t *Table) WirePath(pointer string) []string {
	path := SplitPointer(pointer)
	for i, name := range path {
		if i > 0 && t.hasFreeKeys(path[0]) {
			break
		}
		path[i] = t.wireName(name)
	}
	return path
}

func (t *Table) hasFreeKeys(name string) bool {
	f, _ := t.Field(name)
	return f.hasFreeKeys()
}

// wireName returns the API's name of a field of the resource.
func (t *Table) wireName(name string) string {
	if wire, ok := t.wireNames[name]; ok {
		return wire
	}
	return snakeCase(name)
}

// snakeCase returns a name in camel case in snake case: useMLRuntime is use_ml_runtime, and
// alternateNodeTypeIDs is alternate_node_type_ids.
func snakeCase(name string) string {
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
