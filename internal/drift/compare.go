package drift

import (
	"encoding/json"
	"reflect"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// Difference is one path at which a cluster differs from its specification.
type Difference struct {
	// Path is a JSON Pointer with the names of the Clusters API, such as
	// /spark_conf/spark.executor.memory.
	Path string
	// Field is the top-level field that Path belongs to.
	Field string
	// Desired is the declared value, and Actual the value in effect; nil is absent.
	Desired, Actual any
	// Requested is the value in GET's spec; nil if it is absent or the spec is
	// unknown.
	Requested any
	// Size is set if a resize corrects the difference, without a restart.
	Size bool
}

// Observed is the observed state of a cluster: the values in effect, and the last
// requested specification.
type Observed struct {
	// Effective holds the fields at the top level.
	Effective Tree
	// Requested is GET's spec, with the keys that the SDK does not know; nil if the
	// spec is unknown.
	Requested Tree
	// spec is the encoded form of Requested.
	spec object
}

// Observe returns the observed state from a cluster and from its spec as GET
// returned it. A spec that is absent, null or empty is unknown. Observe fails if spec
// is not a JSON object.
func Observe(cluster *compute.ClusterDetails, spec json.RawMessage) (Observed, error) {
	effective, err := treeOf(cluster)
	if err != nil {
		return Observed{}, err
	}
	observed := Observed{Effective: effective}
	if len(spec) == 0 {
		return observed, nil
	}
	requested, err := decode(spec)
	if err != nil || len(requested) == 0 {
		return observed, err
	}
	observed.Requested, observed.spec = requested, objectOf(spec)
	return observed, nil
}

// SpecKnown reports whether GET's spec is known. Without it, removals and normalized
// values cannot be determined, and the cluster cannot be edited or updated.
func (o Observed) SpecKnown() bool { return o.Requested != nil }

// WithoutSpec returns the same state with an unknown spec, for a spec that is older
// than the effective values.
func (o Observed) WithoutSpec() Observed { return Observed{Effective: o.Effective} }

// Comparison is the result of Compare. Both lists are ordered by path.
type Comparison struct {
	// Differences are the paths at which the cluster differs from its specification.
	Differences []Difference
	// Normalized are the paths at which the spec has the declared value, and the
	// server put another value into effect.
	Normalized []Difference
}

// Compare returns the differences between a cluster and its specification. It
// compares only the declared fields, so a value that a server, a policy or a person
// added to another field is no difference.
//
// It compares the effective values. The spec, which must not be older than the
// effective values, only distinguishes normalized values from differences. A size is
// never normalized, because the spec may lack a resize.
func Compare(desired Tree, observed Observed) Comparison {
	var found Comparison
	for _, f := range fields {
		want, declared := desired[f.name]
		if !declared || (f.onlySpec && !observed.SpecKnown()) {
			continue
		}
		if other, ok := f.otherSize(want, observed); ok {
			found.Differences = append(found.Differences, other)
			continue
		}
		for _, path := range f.paths(want) {
			f.compareAt(&found, desired, observed, path)
		}
	}
	sortByPath(found.Differences)
	sortByPath(found.Normalized)
	return found
}

func sortByPath(differences []Difference) {
	sort.Slice(differences, func(i, j int) bool { return differences[i].Path < differences[j].Path })
}

// otherSize returns the difference of a cluster whose kind of size is not the
// declared one. The number of workers does not show the kind: a response may omit a
// fixed 0, and may include the current workers of a cluster that autoscales.
func (f field) otherSize(want any, observed Observed) (Difference, bool) {
	bounds, autoscales := observed.Effective["autoscale"]
	switch {
	case f.name == "num_workers" && autoscales:
		return f.sizeDifference(want, bounds, observed), true
	case f.name == "autoscale" && !autoscales:
		return f.sizeDifference(want, observed.Effective["num_workers"], observed), true
	default:
		return Difference{}, false
	}
}

func (f field) sizeDifference(want, actual any, observed Observed) Difference {
	return Difference{Path: jsonPointer(f.name), Field: f.name, Desired: want, Actual: actual, Requested: observed.Requested[f.name], Size: true}
}

// compareAt adds the difference at one path to found, if there is one.
func (f field) compareAt(found *Comparison, desired Tree, observed Observed, path []string) {
	want, _ := desired.at(path...)
	effective, inEffect := observed.Effective.at(path...)
	requested, wasRequested := observed.Requested.at(path...)
	if f.onlySpec {
		effective, inEffect = requested, wasRequested
	}
	requestedAsDesired := wasRequested && f.equal(want, requested)
	pointer := jsonPointer(path...)
	if (inEffect && f.equal(want, effective)) || f.isAcceptable(path, want, effective, requestedAsDesired) {
		return
	}
	difference := Difference{Path: pointer, Field: f.name, Desired: want, Actual: effective, Requested: requested, Size: f.size}
	if requestedAsDesired && !f.size {
		found.Normalized = append(found.Normalized, difference)
		return
	}
	found.Differences = append(found.Differences, difference)
}

// equal compares two values by the row's kind.
func (f field) equal(want, have any) bool {
	switch f.kind {
	case set:
		return reflect.DeepEqual(sorted(want), sorted(have))
	default:
		name, _ := want.(string)
		other, isText := have.(string)
		return includes(want, have) || (isText && slices.Contains(f.aliases[name], other))
	}
}

// includes reports whether a value has everything that was declared. Members that a
// server added, or omitted because they are empty, are no difference.
func includes(want, have any) bool {
	switch want := want.(type) {
	case map[string]any:
		members, ok := have.(map[string]any)
		for key, value := range want {
			item, present := members[key]
			ok = ok && (includes(value, item) || (!present && isEmpty(value)))
		}
		return ok
	case []any:
		items, ok := have.([]any)
		return ok && slices.EqualFunc(want, items, includes)
	default:
		return isScalar(have) && sameValue(want, have)
	}
}

func isScalar(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return false
	default:
		return true
	}
}

// isAcceptable reports whether a server may return actual for the desired value; nil
// is an omitted value. requestedAsDesired is set if the spec has the desired value.
func (f field) isAcceptable(path []string, want, actual any, requestedAsDesired bool) bool {
	member := strings.Join(path[1:], "/")
	switch {
	case member != "" && member == f.zone:
		zone, _ := want.(string)
		return strings.EqualFold(zone, "auto") && (actual != nil || requestedAsDesired)
	case slices.Contains(f.writeOnly, member):
		return actual == nil || requestedAsDesired || isMasked(actual)
	default:
		return isEmpty(want) && actual == nil
	}
}

// MayRewrite reports whether the server may have derived the actual value from the
// desired one: the texts differ only in case, or servers are known to rewrite the
// field.
func (d Difference) MayRewrite() bool {
	f, _ := rowOf(d.Field)
	want, isText := d.Desired.(string)
	have, bothText := d.Actual.(string)
	return (f.rewritten != "" && d.Path == jsonPointer(f.path(f.rewritten)...)) || (isText && bothText && strings.EqualFold(want, have))
}

// RequestedAsDesired reports whether the spec, which must be known, has the desired
// value. A server may omit 0 and false from the spec.
func (d Difference) RequestedAsDesired() bool {
	f, _ := rowOf(d.Field)
	return (d.Requested == nil && isEmpty(d.Desired)) || (d.Requested != nil && f.equal(d.Desired, d.Requested))
}

// isMasked reports whether a value is a mask that stands for a secret, such as ***,
// •••• or [REDACTED].
func isMasked(value any) bool {
	text, ok := value.(string)
	if !ok {
		return false
	}
	lower := strings.ToLower(text)
	first, _ := utf8.DecodeRuneInString(text)
	oneRune := strings.Trim(text, string(first)) == ""
	return oneRune || strings.Contains(text, "**") || strings.Contains(lower, "redacted") || strings.Contains(lower, "hidden")
}

// isEmpty reports whether a value is 0, false or without members. The API omits such
// values from its responses.
func isEmpty(value any) bool {
	switch value := value.(type) {
	case float64:
		return value == 0
	case json.Number:
		number, err := value.Float64()
		return err == nil && number == 0
	case bool:
		return !value
	case []any:
		return len(value) == 0
	case map[string]any:
		return len(value) == 0
	default:
		return false
	}
}

// sameValue reports whether two scalars are equal, numbers by their value.
func sameValue(want, have any) bool {
	if want == have {
		return true
	}
	a, aIsNumber := numberOf(want)
	b, bIsNumber := numberOf(have)
	return aIsNumber && bIsNumber && a == b
}

func numberOf(value any) (float64, bool) {
	switch value := value.(type) {
	case float64:
		return value, true
	case int64:
		return float64(value), true
	case json.Number:
		number, err := value.Float64()
		return number, err == nil
	default:
		return 0, false
	}
}

func sorted(value any) []string {
	list, _ := value.([]any)
	out := make([]string, 0, len(list))
	for _, item := range list {
		text, _ := item.(string)
		out = append(out, text)
	}
	sort.Strings(out)
	return out
}

// SpecPath returns the path of the difference in the resource, as a JSON Pointer into
// spec.
func (d Difference) SpecPath() string { return SpecPointer(splitPointer(d.Path)) }

// Secret reports whether the values may be secret and must not be shown.
func (d Difference) Secret() bool {
	f, _ := rowOf(d.Field)
	switch f.secret {
	case "":
		return false
	case wholeField:
		return true
	default:
		secret := jsonPointer(f.path(f.secret)...)
		return strings.HasPrefix(d.Path+"/", secret+"/") || strings.HasPrefix(secret+"/", d.Path+"/")
	}
}
