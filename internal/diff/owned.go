package diff

import (
	"slices"
	"sort"
)

// Owned returns every field and key that a specification declares, as sorted JSON
// Pointers into spec. They have the names of the resource and contain no values.
func (t *Table) Owned(desired Tree) []string {
	var owned []string
	for _, f := range t.fields {
		want, declared := desired.At(f.Name)
		if !declared {
			continue
		}
		for _, path := range f.Paths(want) {
			owned = append(owned, t.SpecPointer(path))
		}
	}
	sort.Strings(owned)
	return owned
}

// Removed returns a difference for every field that was declared before, is no longer
// declared, and is still in the object, ordered by path. Fields that an object cannot be
// without, and immutable ones, keep their values. The result is empty if the object is nil,
// which MayNeedClearing distinguishes from nothing to clear.
func (t *Table) Removed(owned []string, desired, effective Tree) []Difference {
	var found []Difference
	declared := t.Owned(desired)
	for _, pointer := range owned {
		path, f, undeclared := t.undeclared(pointer, declared)
		value, present := effective.At(path...)
		if undeclared && present {
			found = append(found, t.difference(f, path, nil, value))
		}
	}
	sortByPath(found)
	return found
}

// MayNeedClearing reports whether a field that was declared before, and is no longer
// declared, may have to be cleared. Only the object shows whether it has to.
func (t *Table) MayNeedClearing(owned []string, desired Tree) bool {
	declared := t.Owned(desired)
	return slices.ContainsFunc(owned, func(pointer string) bool {
		_, _, undeclared := t.undeclared(pointer, declared)
		return undeclared
	})
}

// undeclared reports whether an owned path is not among the declared ones, which must
// be sorted, and can be cleared.
func (t *Table) undeclared(pointer string, declared []string) (path []string, row Field, ok bool) {
	if _, still := slices.BinarySearch(declared, pointer); still {
		return nil, Field{}, false
	}
	path = t.WirePath(pointer)
	row, known := t.Field(path[0])
	return path, row, known && row.canBeCleared()
}
