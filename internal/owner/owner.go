package owner

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Owner is the object that a cluster was created for.
type Owner struct {
	// Operator is the id of the operator of its control plane: 8 hex digits.
	Operator string
	// UID is the uid of the object.
	UID string
	// Name is the digest of the object's namespace and name, by which it is found again
	// after it was created anew: 16 hex digits. It is empty in tags of operators
	// that did not write it yet.
	Name string
}

// nameDigits is the number of hex digits of Name.
const nameDigits = 16

// Of returns the owner for an object.
func Of(operator, uid, namespace, name string) Owner {
	sum := sha256.Sum256([]byte(namespace + "/" + name))
	return Owner{Operator: operator, UID: uid, Name: hex.EncodeToString(sum[:])[:nameDigits]}
}

// Parse returns the owner that a tag names. Of a value that is no owner tag, Operator is
// the part before the first hyphen and UID the rest.
func Parse(tag string) Owner {
	operator, rest, _ := strings.Cut(tag, "-")
	// The groups of a uid have at most 12 digits, so a last one of 16 is no part of it.
	if at := strings.LastIndexByte(rest, '-'); at >= 0 && isName(rest[at+1:]) {
		return Owner{Operator: operator, UID: rest[:at], Name: rest[at+1:]}
	}
	return Owner{Operator: operator, UID: rest}
}

func isName(text string) bool {
	_, err := hex.DecodeString(text)
	return len(text) == nameDigits && err == nil && text == strings.ToLower(text)
}

// Tag returns the value of the owner tag, of at most 62 characters.
func (o Owner) Tag() string {
	if o.Name == "" {
		return o.ID()
	}
	return o.ID() + "-" + o.Name
}

// ID returns the part of the tag that identifies the object.
func (o Owner) ID() string { return o.Operator + "-" + o.UID }
