package sparkversion

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// The fields that problems are about.
const (
	FieldSparkVersion     = "spec.sparkVersion"
	FieldRuntimeEngine    = "spec.runtimeEngine"
	FieldNodeTypeID       = "spec.nodeTypeID"
	FieldDriverNodeTypeID = "spec.driverNodeTypeID"
)

// Desired is what a specification says about its runtime and its nodes. Empty
// is not set: a policy, a pool or the server decides, and nothing is told.
type Desired struct {
	SparkVersion     string
	RuntimeEngine    compute.RuntimeEngine
	NodeTypeID       string
	DriverNodeTypeID string
}

// Facts is what a workspace offers: the answers of clusters/spark-versions and
// clusters/list-node-types. An empty list is one that is not known: nothing is
// told that would need it.
type Facts struct {
	SparkVersions []compute.SparkVersion
	NodeTypes     []compute.NodeType
}

// Problem is something in a specification that the server will probably refuse,
// or that will not do what it seems to say. It is told, never a reason to stop.
type Problem struct {
	// Field is the path of what should be changed, such as spec.nodeTypeID.
	Field string
	// Value is what it holds.
	Value string
	// Message names the field and the value, says what is wrong, and the way out.
	Message string
}

// problem composes the message: what is wrong follows the field and its value.
func problem(field, value, format string, arguments ...any) Problem {
	return Problem{
		Field:   field,
		Value:   value,
		Message: fmt.Sprintf("%s %q ", field, value) + fmt.Sprintf(format, arguments...),
	}
}

// Unknown is the problem of a name that the workspace does not know, whatever it
// is a name of, with those that may have been meant.
func Unknown(field, value string, known []string) Problem {
	return problem(field, value, "is not known to the workspace: %s", suggest(Nearest(value, known)))
}

// suggest is the way out of an unknown name.
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

// Problems tells what does not fit together, in the order of the fields above.
// The same facts in another order give the same problems.
func Problems(want Desired, facts Facts) []Problem {
	// A key that is not understood gives the zero Version, which asks for nothing.
	version, _ := Parse(want.SparkVersion)

	var problems []Problem
	add := func(found Problem, is bool) {
		if is {
			problems = append(problems, found)
		}
	}
	twice, isTwice := photonTwice(want, version)
	switch {
	case !version.obsolete():
		add(unlistedKey(want, facts.SparkVersions))
	case !isTwice: // which has the same cure
		add(obsoleteKey(want, version), true)
	}
	add(twice, isTwice)

	for _, use := range usesOf(want) {
		add(use.problem(runtime{
			key:    want.SparkVersion,
			parsed: version,
			engine: want.RuntimeEngine,
		}, facts))
	}
	return problems
}

// obsoleteKey: Photon and the architecture left the keys with runtime 14.
func obsoleteKey(want Desired, version Version) Problem {
	cure := fmt.Sprintf("write %q", version.plain())
	if version.Photon {
		cure += " and " + FieldRuntimeEngine + " PHOTON"
	}
	if version.Hardware == HardwareAarch64 {
		cure += "; the node type says the architecture"
	}
	return problem(FieldSparkVersion, want.SparkVersion,
		"is obsolete: since runtime %d no key names Photon or aarch64; %s", photonInKeysEnded, cure)
}

// photonTwice: any engine beside a key that names Photon is refused.
func photonTwice(want Desired, version Version) (Problem, bool) {
	if !version.Photon || want.RuntimeEngine == "" {
		return Problem{}, false
	}
	return problem(FieldRuntimeEngine, string(want.RuntimeEngine),
		"cannot stand beside %s %q, which names Photon already: write the key as %q and leave the engine to runtimeEngine",
		FieldSparkVersion, want.SparkVersion, version.plain()), true
}

// unlistedKey: the workspace does not offer the runtime. Special and custom
// images are not listed.
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

// olderThanAll reports whether version comes before every key that can be
// compared with it, of which there must be one.
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
