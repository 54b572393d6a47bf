package diff

import (
	"maps"
	"reflect"
	"strings"
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
		maps.Copy(t.wireNames, f.Names)
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
