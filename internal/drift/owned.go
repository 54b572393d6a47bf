package drift

// Owned returns every field and key that a specification declares, as sorted JSON
// Pointers into spec. They have the names of the resource and contain no values.
func Owned(desired Tree) []string { return table.Owned(desired) }

// Removed returns a difference for every field that was declared before, is no longer
// declared, and is still in GET's spec. Fields that a cluster cannot be without keep
// their values. The result is empty if the spec is unknown; SpecKnown and
// MayNeedClearing distinguish that from nothing to clear.
func Removed(owned []string, desired Tree, observed Observed) []Difference {
	var found []Difference
	for _, removed := range table.Removed(owned, desired, observed.Requested) {
		found = append(found, Difference{Path: removed.Path, Field: removed.Field, Actual: removed.Actual, Requested: removed.Actual})
	}
	return found
}

// MayNeedClearing reports whether a field that was declared before, and is no longer
// declared, may have to be cleared. Only GET's spec shows whether it has to.
func MayNeedClearing(owned []string, desired Tree) bool { return table.MayNeedClearing(owned, desired) }

// SpecPointer returns the JSON Pointer into spec for a path of the Clusters API:
// aws_attributes, zone_id is /awsAttributes/zoneID.
func SpecPointer(path []string) string { return table.SpecPointer(path) }

// SpecName returns the name in the resource of a field or member of the Clusters API. It
// reports false if the resource does not have it. A value that the resource refers to by
// the name of a Secret has the name of the reference.
func SpecName(wire string) (name string, known bool) { return table.SpecName(wire) }
