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

// Difference is one path at which a cluster is not as declared.
type Difference struct {
	// Path is a JSON Pointer in the Clusters API's names, such as
	// /spark_conf/spark.executor.memory.
	Path string
	// Field is the row of the table that Path belongs to.
	Field string
	// Desired is what was declared, Actual the value in effect; nil is absent.
	Desired, Actual any
	// Asked is the value in GET's spec; nil where it is absent or the spec is
	// unknown.
	Asked any
	// Size reports whether a resize corrects it, without a restart.
	Size bool
}

// Observed is a cluster as the workspace shows it: what is in effect, and what
// was last asked for.
type Observed struct {
	// Effective are the fields at the top level.
	Effective Tree
	// Asked is GET's spec with every key, those included that the SDK does not
	// know; nil where the spec is unknown.
	Asked Tree
	// spec holds the bytes of Asked.
	spec object
}

// Observe returns the Observed of a cluster and of its spec as GET sent it. A
// spec that is absent, null or empty is unknown. It fails where spec is no JSON
// object.
func Observe(cluster *compute.ClusterDetails, spec json.RawMessage) (Observed, error) {
	effective, err := treeOf(cluster)
	if err != nil {
		return Observed{}, err
	}
	observed := Observed{Effective: effective}
	if len(spec) == 0 {
		return observed, nil
	}
	asked, err := decode(spec)
	if err != nil || len(asked) == 0 {
		return observed, err
	}
	observed.Asked, observed.spec = asked, objectOf(spec)
	return observed, nil
}

// SpecKnown reports whether GET's spec is known. Without it nothing is known of
// removals and normalized values, and nothing can be edited or updated.
func (o Observed) SpecKnown() bool { return o.Asked != nil }

// WithoutSpec returns the same cluster with its spec unknown, for a spec that is
// older than the effective values.
func (o Observed) WithoutSpec() Observed { return Observed{Effective: o.Effective} }

// Comparison is the result of Compare. Both lists are ordered by path.
type Comparison struct {
	// Differences are the paths at which the cluster is not as declared.
	Differences []Difference
	// Normalized are the paths at which the spec asks for the declared value and
	// another one is in effect: the server made it otherwise.
	Normalized []Difference
}

// Compare lists where a cluster is not as declared. Only what was declared is
// compared, so whatever a server, a policy or a person added elsewhere is no
// difference.
//
// The effective value decides. The spec, which must not be older than the
// effective values, only separates normalized values from differences. Sizes are
// never normalized, because a resize need not show in the spec.
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

// otherSize is the difference where a cluster has the other kind of size than
// the declared one. No number tells: a fixed 0 may be left out of an answer, and
// a cluster that autoscales may show its workers too.
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
	return Difference{Path: pointer(f.name), Field: f.name, Desired: want, Actual: actual, Asked: observed.Asked[f.name], Size: true}
}

// compareAt adds the difference at one path, if there is one.
func (f field) compareAt(found *Comparison, desired Tree, observed Observed, path []string) {
	want, _ := desired.at(path...)
	effective, inEffect := observed.Effective.at(path...)
	asked, wasAsked := observed.Asked.at(path...)
	if f.onlySpec {
		effective, inEffect = asked, wasAsked
	}
	asksSame := wasAsked && f.equal(want, asked)
	place := pointer(path...)
	if (inEffect && f.equal(want, effective)) || tolerates(place, want, effective, asksSame) {
		return
	}
	difference := Difference{Path: place, Field: f.name, Desired: want, Actual: effective, Asked: asked, Size: f.size}
	if asksSame && !f.size {
		found.Normalized = append(found.Normalized, difference)
		return
	}
	found.Differences = append(found.Differences, difference)
}

// equal compares two values by the row's kind.
func (f field) equal(want, have any) bool {
	switch f.kind {
	case alias:
		name, _ := want.(string)
		other, _ := have.(string)
		return name == other || slices.Contains(modeAliases[name], other)
	case set:
		return reflect.DeepEqual(sorted(want), sorted(have))
	default:
		return holds(want, have)
	}
}

// holds tells that a value has everything that was declared: members that a
// server added are no difference, nor are those that it leaves out when empty.
func holds(want, have any) bool {
	switch want := want.(type) {
	case map[string]any:
		members, ok := have.(map[string]any)
		for key, value := range want {
			item, present := members[key]
			ok = ok && (holds(value, item) || (!present && isEmpty(value)))
		}
		return ok
	case []any:
		items, ok := have.([]any)
		return ok && slices.EqualFunc(want, items, holds)
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

// tolerates reports whether a server may show the desired value as actual, which
// is nil where it shows none. asksSame is whether the spec has the desired value.
func tolerates(where string, want, actual any, asksSame bool) bool {
	switch {
	case strings.HasSuffix(where, "_attributes/zone_id"):
		zone, _ := want.(string)
		return strings.EqualFold(zone, "auto") && (actual != nil || asksSame)
	case slices.Contains(writeOnly, where):
		return actual == nil || asksSame || isMasked(actual)
	default:
		return isEmpty(want) && actual == nil
	}
}

// rewritten are the paths at which a server may accept a value and keep another
// one, in GET's spec too.
var rewritten = []string{"/aws_attributes/first_on_demand", "/azure_attributes/first_on_demand", "/gcp_attributes/first_on_demand"}

// MayRewrite reports whether the actual value can be what a server made of the
// desired one: the same text in other letters, or a field that servers are known
// to rewrite.
func (d Difference) MayRewrite() bool {
	want, isText := d.Desired.(string)
	have, bothText := d.Actual.(string)
	return slices.Contains(rewritten, d.Path) || (isText && bothText && strings.EqualFold(want, have))
}

// AskedAsDesired reports whether the spec, which must be known, asks for the desired
// value. A server may leave 0 and false out of the spec.
func (d Difference) AskedAsDesired() bool {
	f, _ := rowOf(d.Field)
	return (d.Asked == nil && isEmpty(d.Desired)) || (d.Asked != nil && f.equal(d.Desired, d.Asked))
}

// writeOnly are the paths whose values the API takes and need not show again.
var writeOnly = []string{
	"/docker_image/basic_auth/username",
	"/docker_image/basic_auth/password",
	"/azure_attributes/log_analytics_info/log_analytics_primary_key",
}

// isMasked reports whether a server shows a secret as a mask, such as ***, •••• or
// [REDACTED].
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

// isEmpty reports whether a value is 0, false or without members: the API leaves
// those out of its answers.
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

// SpecPath is where the difference is in the resource, as a JSON Pointer into
// spec.
func (d Difference) SpecPath() string { return SpecPointer(splitPointer(d.Path)) }

// Secret reports whether the values may hold a secret and must not be shown.
func (d Difference) Secret() bool {
	f, _ := rowOf(d.Field)
	switch f.secret {
	case "":
		return false
	case wholeField:
		return true
	default:
		place := pointer(f.name) + "/" + f.secret
		return strings.HasPrefix(d.Path+"/", place+"/") || strings.HasPrefix(place+"/", d.Path+"/")
	}
}
