package managed

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Request is the request annotation of an object.
type Request struct {
	// Value is what the status stores: the annotation, or the beginning and the digest of
	// one that is too long.
	Value string
	// Verb is empty if there is no request, or one that is too long.
	Verb string
	// HasToken reports whether the verb is followed by an @ and a token.
	HasToken bool
	// IsTooLong reports whether the annotation has more than v1alpha1.MaxRequestLength
	// characters.
	IsTooLong bool
}

// RequestOf returns the request in the annotations of an object; its Value is empty if
// there is none.
func RequestOf(annotations map[string]string) Request {
	const beginning = 64
	value := annotations[v1alpha1.AnnotationRequest]
	if utf8.RuneCountInString(value) <= v1alpha1.MaxRequestLength {
		verb, token, _ := strings.Cut(value, "@")
		return Request{Value: value, Verb: verb, HasToken: token != ""}
	}
	stored := fmt.Sprintf("%s...sha256:%x", strings.ToValidUTF8(value[:beginning], ""), sha256.Sum256([]byte(value)))
	return Request{Value: stored, IsTooLong: true}
}

// LacksToken returns why a request without a token is refused.
func LacksToken(verb string) string {
	return fmt.Sprintf("it has no token, so it could be made only once; write %s@<any token>, such as %s@1", verb, verb)
}

// VerbOf returns the verb of the stored value of a request.
func VerbOf(value string) string {
	verb, _, _ := strings.Cut(value, "@")
	return verb
}
