package diff

import (
	"reflect"
	"strings"
	"unicode"
)

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
	name := jsonName(member)
	t.specNames[t.wireName(name)] = name
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

// SpecName returns the name in the resource of a field or member of the API. It reports
// false if the resource does not have it. A value that the resource refers to by the name
// of a Secret has the name of the reference.
func (t *Table) SpecName(wire string) (name string, known bool) {
	name, known = t.specNames[wire]
	return name, known
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
