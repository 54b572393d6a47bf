package sparkversion

import (
	"maps"
	"slices"
)

// Reference is a field with the id of a resource of the workspace, such as a policy or a
// pool.
type Reference struct {
	// Field is the path of the field, and ID its value; empty is not set.
	Field, ID string
	// Names has the names of all resources in the workspace by id; empty is unknown.
	Names map[string]string
}

// References returns the problems of ids that the workspace does not have.
func References(references ...Reference) []Problem {
	var problems []Problem
	for _, r := range references {
		if _, known := r.Names[r.ID]; r.ID == "" || known || len(r.Names) == 0 {
			continue
		}
		problems = append(problems, r.unknown())
	}
	return problems
}

// unknown returns the problem of an unknown id. If the value is a name, it suggests the
// id.
func (r Reference) unknown() Problem {
	ids := slices.Sorted(maps.Keys(r.Names))
	for _, id := range ids {
		if r.Names[id] == r.ID {
			return problem(r.Field, r.ID, "is a name, and an id is needed: write %q", id)
		}
	}
	return Unknown(r.Field, r.ID, ids)
}
