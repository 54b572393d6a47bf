package sparkversion

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// The fields that can have problems.
const (
	FieldSparkVersion     = "spec.sparkVersion"
	FieldRuntimeEngine    = "spec.runtimeEngine"
	FieldNodeTypeID       = "spec.nodeTypeID"
	FieldDriverNodeTypeID = "spec.driverNodeTypeID"
)

// Desired has the runtime and the node types of a specification. An empty field is not
// set and has no problem, because a policy, a pool or the server determines it.
type Desired struct {
	SparkVersion     string
	RuntimeEngine    compute.RuntimeEngine
	NodeTypeID       string
	DriverNodeTypeID string
}

// Facts has the runtimes and the node types of a workspace, from clusters/spark-versions
// and clusters/list-node-types. An empty list is unknown, and no problem is based on it.
type Facts struct {
	SparkVersions []compute.SparkVersion
	NodeTypes     []compute.NodeType
}

// Problem is a value in a specification that the server will probably refuse, or that
// will probably not have the intended effect.
type Problem struct {
	// Field is the path of the field to change, such as spec.nodeTypeID.
	Field string
	// Value is the value of the field.
	Value string
	// Message has the field, the value, the problem and its remedy.
	Message string
}

// problem returns a problem. The formatted text follows the field and its value in the
// message.
func problem(field, value, format string, arguments ...any) Problem {
	return Problem{
		Field:   field,
		Value:   value,
		Message: fmt.Sprintf("%s %q ", field, value) + fmt.Sprintf(format, arguments...),
	}
}

// Unknown returns the problem of a name of any kind that the workspace does not have,
// with suggestions.
func Unknown(field, value string, known []string) Problem {
	return problem(field, value, "is not known to the workspace: %s", suggest(Nearest(value, known)))
}

// suggest returns the remedy for an unknown name.
func suggest(names []string) string {
	if len(names) == 0 {
		return "choose one that it lists"
	}
	quoted := make([]string, 0, len(names))
	for _, name := range names {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	return "did you mean " + strings.Join(quoted, " or ") + "?"
}

// Problems returns the problems of a specification, in the order of the fields above.
// The order of the facts has no influence.
func Problems(want Desired, facts Facts) []Problem {
	// The version of a key that cannot be parsed is the zero Version, without problems.
	version, _ := Parse(want.SparkVersion)

	var problems []Problem
	add := func(found Problem, ok bool) {
		if ok {
			problems = append(problems, found)
		}
	}
	twice, isTwice := photonTwice(want, version)
	switch {
	case !version.obsolete():
		add(unlistedKey(want, facts.SparkVersions))
	case !isTwice: // photonTwice has the same remedy
		add(obsoleteKey(want, version), true)
	}
	add(twice, isTwice)

	for _, use := range nodeUses(want) {
		add(use.problem(runtime{
			key:    want.SparkVersion,
			parsed: version,
			engine: want.RuntimeEngine,
		}, facts))
	}
	return problems
}

// obsoleteKey returns the problem of a key with Photon or an architecture, which keys
// no longer contain since runtime 14.
func obsoleteKey(want Desired, version Version) Problem {
	remedy := fmt.Sprintf("write %q", version.plain())
	if version.Photon {
		remedy += " and " + FieldRuntimeEngine + " PHOTON"
	}
	if version.Hardware == HardwareAarch64 {
		remedy += "; the node type says the architecture"
	}
	return problem(FieldSparkVersion, want.SparkVersion,
		"is obsolete: since runtime %d no key names Photon or aarch64; %s", photonInKeysEnded, remedy)
}

// photonTwice returns the problem of an engine together with a key that contains Photon,
// which the server refuses.
func photonTwice(want Desired, version Version) (Problem, bool) {
	if !version.Photon || want.RuntimeEngine == "" {
		return Problem{}, false
	}
	return problem(FieldRuntimeEngine, string(want.RuntimeEngine),
		"cannot stand beside %s %q, which names Photon already: write the key as %q and leave the engine to runtimeEngine",
		FieldSparkVersion, want.SparkVersion, version.plain()), true
}

// unlistedKey returns the problem of a runtime that the workspace does not offer.
// Special and custom images are never listed and have no problem.
func unlistedKey(want Desired, offered []compute.SparkVersion) (Problem, bool) {
	if want.SparkVersion == "" || len(offered) == 0 {
		return Problem{}, false
	}
	keys := make([]string, 0, len(offered))
	for _, o := range offered {
		keys = append(keys, o.Key)
	}
	if slices.Contains(keys, want.SparkVersion) {
		return Problem{}, false
	}
	version, err := Parse(want.SparkVersion)
	var not *NotUnderstoodError
	switch {
	case errors.As(err, &not) && not.Special, version.Custom:
		return Problem{}, false
	case err != nil:
		return problem(FieldSparkVersion, want.SparkVersion,
			"is not known to the workspace, and does not look like a runtime key: %s", suggest(Nearest(want.SparkVersion, keys))), true
	case olderThanAll(version, keys):
		return problem(FieldSparkVersion, want.SparkVersion,
			"is not known to the workspace, and is older than every runtime that is, so its support has probably ended: %s",
			suggest(Nearest(want.SparkVersion, keys))), true
	default:
		return Unknown(FieldSparkVersion, want.SparkVersion, keys), true
	}
}

// olderThanAll reports whether version is older than every key that can be compared with
// it. It is false if no key can be compared.
func olderThanAll(version Version, keys []string) bool {
	older := false
	for _, key := range keys {
		other, err := Parse(key)
		if err != nil || other.Light != version.Light {
			continue
		}
		if !version.Older(other) {
			return false
		}
		older = true
	}
	return older
}
