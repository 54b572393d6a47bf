package drift

import (
	"reflect"
	"slices"
	"sort"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// Difference is one path at which a cluster is not as declared.
type Difference struct {
	// Path is a JSON Pointer in the Clusters API's names, such as
	// /spark_conf/spark.executor.memory.
	Path string
	// Field is the row of the table that Path belongs to.
	Field string
	// Desired is what was declared, Actual what the workspace has; nil is absent.
	Desired, Actual any
	// Asked is the value in GET's spec; nil where it is absent or not known.
	Asked any
	// Size tells that a resize mends it, without a restart.
	Size bool
}

// Observed is a cluster as the workspace shows it: what is in effect, and what
// was last asked for.
type Observed struct {
	// Effective are the fields at the top level.
	Effective Tree
	// Asked is GET's spec; nil where only a list has been seen.
	Asked Tree
}

// Observe makes an Observed of the SDK's types. asked may be nil.
func Observe(cluster *compute.ClusterDetails, asked *compute.ClusterSpec) (Observed, error) {
	effective, err := treeOf(cluster)
	if err != nil {
		return Observed{}, err
	}
	observed := Observed{Effective: effective}
	if asked != nil {
		if observed.Asked, err = treeOf(asked); err != nil {
			return Observed{}, err
		}
	}
	return observed, nil
}

// Compare lists where a cluster is not as declared, ordered by path. Only what
// was declared is compared, so whatever a server, a policy or a person added
// elsewhere is no difference.
//
// A value counts as in place when it is in effect or when it is what was last
// asked for: the server shows modes under older names and zones made concrete.
// Size alone is compared with what is in effect, because a resize need not
// show in what was asked.
func Compare(desired Tree, observed Observed) []Difference {
	var found []Difference
	for _, f := range fields {
		want, declared := desired[f.name]
		if !declared || (f.onlySpec && observed.Asked == nil) {
			continue
		}
		if other, ok := f.otherSize(want, observed); ok {
			found = append(found, other)
			continue
		}
		found = append(found, f.compare(want, observed)...)
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Path < found[j].Path })
	return found
}

// otherSize is the difference where a cluster has the other kind of size than
// the declared one. No number tells: a fixed 0 may be left out of an answer, and
// a cluster that autoscales may show its workers too.
func (f field) otherSize(want any, observed Observed) (Difference, bool) {
	bounds, autoscales := observed.Effective["autoscale"]
	switch {
	case f.name == "num_workers" && autoscales:
		return Difference{Path: pointer(f.name), Field: f.name, Desired: want, Actual: bounds, Size: true}, true
	case f.name == "autoscale" && !autoscales:
		return Difference{Path: pointer(f.name), Field: f.name, Desired: want, Actual: observed.Effective["num_workers"], Size: true}, true
	default:
		return Difference{}, false
	}
}

func (f field) compare(want any, observed Observed) []Difference {
	members, divided := want.(map[string]any)
	if !divided || (f.kind != keys && f.kind != block) {
		return f.compareAt(want, observed, f.name)
	}
	var found []Difference
	for key, value := range members {
		nested, isObject := value.(map[string]any)
		if f.kind == keys || !isObject {
			found = append(found, f.compareAt(value, observed, f.name, key)...)
			continue
		}
		for inner, leaf := range nested {
			found = append(found, f.compareAt(leaf, observed, f.name, key, inner)...)
		}
	}
	return found
}

func (f field) compareAt(want any, observed Observed, path ...string) []Difference {
	effective, inEffect := observed.Effective.at(path...)
	if inEffect && f.equal(want, effective) {
		return nil
	}
	asked, wasAsked := observed.Asked.at(path...)
	if !f.size && wasAsked && f.equal(want, asked) && !slices.Contains(takesEffect, pointer(path...)) {
		return nil
	}
	if f.onlySpec {
		effective, inEffect = asked, wasAsked
	}
	where := pointer(path...)
	if tolerates(where, want, inEffect) {
		return nil
	}
	return []Difference{{Path: where, Field: f.name, Desired: want, Actual: effective, Asked: asked, Size: f.size}}
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
		return reflect.DeepEqual(want, have)
	}
}

// tolerates names the values that a server shows otherwise than they were sent.
func tolerates(where string, want any, present bool) bool {
	switch {
	case strings.HasSuffix(where, "_attributes/zone_id"):
		zone, _ := want.(string)
		return strings.EqualFold(zone, "auto") && present
	case slices.Contains(writeOnly, where):
		return !present
	default:
		return isEmpty(want) && !present
	}
}

// takesEffect are the paths at which what was asked says nothing: the server may
// accept a value there and keep another.
var takesEffect = []string{"/aws_attributes/first_on_demand"}

// writeOnly are the paths whose values the API takes and need not show again.
var writeOnly = []string{
	"/docker_image/basic_auth/username",
	"/docker_image/basic_auth/password",
	"/azure_attributes/log_analytics_info/log_analytics_primary_key",
}

// isEmpty tells 0, false and what has no members: the API leaves them out of
// its answers.
func isEmpty(value any) bool {
	switch value := value.(type) {
	case float64:
		return value == 0
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

// AskedAsDesired reports that what was last asked of the workspace is what was
// declared, although something else is in effect.
func (d Difference) AskedAsDesired() bool { return d.Asked != nil && holds(d.Desired, d.Asked) }

// SpecPath is where the difference is in the resource, as a JSON Pointer into
// spec.
func (d Difference) SpecPath() string { return SpecPointer(splitPointer(d.Path)) }
