package sparkversion

import (
	"maps"
	"slices"
)

// Reference is a field that refers to something of the workspace by its id, such
// as a policy or a pool.
type Reference struct {
	// Field is its path, ID what it holds. Empty is not set.
	Field, ID string
	// Names are those of all that the workspace has, by id; empty: not known.
	Names map[string]string
}

// References tells which ids the workspace does not know.
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

// unknown points to the id where somebody wrote the name.
func (r Reference) unknown() Problem {
	ids := slices.Sorted(maps.Keys(r.Names))
	for _, id := range ids {
		if r.Names[id] == r.ID {
			return problem(r.Field, r.ID, "is a name, and an id is needed: write %q", id)
		}
	}
	return Unknown(r.Field, r.ID, ids)
}
