package diff

import "strings"

// Kind selects how the desired and the observed value of a field are compared.
type Kind int

const (
	// Scalar values are equal or not.
	Scalar Kind = iota
	// FreeMap is a map with keys that the user chooses. Only the declared keys are owned.
	FreeMap
	// Block is an object. Only the declared members are owned.
	Block
	// Set is a list without an order.
	Set
	// Sequence is a list with an order.
	Sequence
	// JSON is text that holds JSON. Two texts are equal if their values are, whatever the
	// order of the keys and the white space. The resource may have the value itself, which
	// Declared encodes.
	JSON
)

// Removal is what happens to the remote value when a field is removed from the
// specification.
type Removal int

const (
	// ClearValue clears the remote value, once.
	ClearValue Removal = iota
	// KeepValue keeps the remote value, because the object cannot be without it.
	KeepValue
)

// Field is one row of a table. A member is a path below the field, such as a/b; the items
// of a list are no part of it.
type Field struct {
	// Name is the name of the field in the API.
	Name string
	// Kind is how the values are compared.
	Kind Kind
	// Removal is what the removal of the field from the specification means.
	Removal Removal
	// Immutable marks a field that the API cannot change or clear after the creation. Its
	// differences are marked, and its removal is none.
	Immutable bool
	// Names are the wire names of the field and its members that are not the snake case of
	// the names in the resource, by the latter. They hold for the whole resource.
	Names map[string]string
	// Aliases are the values that the API may return for a declared one.
	Aliases map[string][]string
	// Zone is the member of which the value auto lets the server choose another value.
	Zone string
	// Decimal is the member that is a number in the API and text in the resource.
	Decimal string
	// Secret is the member that may hold a secret; WholeField is every member, and "" is
	// none.
	Secret string
	// SecretRef marks a field of which the resource has a reference to a Secret in the
	// place of the member Secret. The name of the reference is that of the member with the
	// suffix SecretRef.
	SecretRef bool
	// WriteOnly are the members below Secret of which the API accepts the values, and may
	// omit or mask them in its responses.
	WriteOnly []string
}

const (
	// WholeField is the value of the column Secret for every member of a field.
	WholeField = "*"
	// secretRefSuffix ends the wire name of a reference to a Secret.
	secretRefSuffix = "_secret_ref"
)

// Path returns the path of a member.
func (f Field) Path(member string) []string {
	return append([]string{f.Name}, strings.Split(member, "/")...)
}

// Paths returns the paths at which a declared value is compared and owned: those of the
// keys of a map and the members of a block, or that of the field. They have no order.
func (f Field) Paths(want any) [][]string {
	members, isObject := want.(map[string]any)
	if !isObject || (f.Kind != FreeMap && f.Kind != Block) {
		return [][]string{{f.Name}}
	}
	var paths [][]string
	for key, value := range members {
		nested, isObject := value.(map[string]any)
		if f.Kind == FreeMap || !isObject {
			paths = append(paths, []string{f.Name, key})
			continue
		}
		for inner := range nested {
			paths = append(paths, []string{f.Name, key, inner})
		}
	}
	return paths
}

// MayBeSecret reports whether the value at a JSON Pointer, which must be in the field, may
// be secret and must not be shown.
func (f Field) MayBeSecret(pointer string) bool {
	switch f.Secret {
	case "":
		return false
	case WholeField:
		return true
	default:
		secret := Pointer(f.Path(f.Secret)...)
		return strings.HasPrefix(pointer+"/", secret+"/") || strings.HasPrefix(secret+"/", pointer+"/")
	}
}

// canBeCleared reports whether a removal from the specification clears the remote value.
func (f Field) canBeCleared() bool { return f.Removal == ClearValue && !f.Immutable }

// secretRef returns the path of the reference to the Secret of the field. It reports
// false if there is none.
func (f Field) secretRef() (path []string, ok bool) {
	if !f.SecretRef {
		return nil, false
	}
	path = f.Path(f.Secret)
	path[len(path)-1] += secretRefSuffix
	return path, true
}

// hasFreeKeys reports whether the keys below the field are no names of the API, so that the
// resource has the same keys.
func (f Field) hasFreeKeys() bool { return f.Kind == FreeMap || f.Kind == JSON }
