package diff

import (
	"slices"
	"strings"
)

// Difference is one path at which an object differs from its specification.
type Difference struct {
	// Path is a JSON Pointer with the names of the API, such as
	// /aws_attributes/zone_id.
	Path string
	// Field is the top-level field that Path belongs to.
	Field string
	// Desired is the declared value, and Actual the value in effect; nil is absent.
	Desired, Actual any
	// SpecPath is the path in the resource, as a JSON Pointer into spec.
	SpecPath string
	// Secret is set if the values may be secret and must not be shown.
	Secret bool
	// Immutable is set if the API cannot correct the difference.
	Immutable bool
}

// Compare returns the differences between an object and its specification, ordered by
// path. It compares only the declared fields, so a value that a server, a policy or a
// person added to another field is no difference.
func (t *Table) Compare(desired, effective Tree) []Difference {
	var found []Difference
	for _, f := range t.fields {
		value, declared := desired.At(f.Name)
		if !declared {
			continue
		}
		for _, path := range f.Paths(value) {
			want, _ := desired.At(path...)
			actual, _ := effective.At(path...)
			if !f.Agrees(path, want, actual) {
				found = append(found, t.difference(f, path, want, actual))
			}
		}
	}
	sortByPath(found)
	return found
}

func (t *Table) difference(f Field, path []string, desired, actual any) Difference {
	pointer := Pointer(path...)
	return Difference{
		Path: pointer, Field: f.Name, Desired: desired, Actual: actual,
		SpecPath: t.SpecPointer(path), Secret: f.MayBeSecret(pointer), Immutable: f.Immutable,
	}
}

func sortByPath(differences []Difference) {
	slices.SortFunc(differences, func(a, b Difference) int { return strings.Compare(a.Path, b.Path) })
}

// Agrees reports whether the actual value at a path of the field may be the result of the
// desired one; nil is an omitted value. A server may omit 0 and false, add members, omit
// or mask write-only values, and choose an automatic zone.
func (f Field) Agrees(path []string, desired, actual any) bool {
	switch {
	case f.Equal(desired, actual):
		return true
	case f.isZone(path):
		return actual != nil && isAuto(desired)
	case f.isWriteOnly(path):
		return actual == nil || isMasked(actual)
	default:
		return actual == nil && IsEmpty(desired)
	}
}

// AcceptsAny reports whether any actual value at a path of the field may be the result of
// the desired one, once a server accepted it: the value is write-only, or an automatic zone.
func (f Field) AcceptsAny(path []string, desired any) bool {
	return f.isWriteOnly(path) || (f.isZone(path) && isAuto(desired))
}

func (f Field) isZone(path []string) bool {
	return f.Zone != "" && strings.Join(path[1:], "/") == f.Zone
}

func (f Field) isWriteOnly(path []string) bool {
	return slices.Contains(f.WriteOnly, strings.Join(path[1:], "/"))
}

func isAuto(zone any) bool {
	name, _ := zone.(string)
	return strings.EqualFold(name, "auto")
}
