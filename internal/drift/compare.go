package drift

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// Tree is a specification or a cluster in the form of the Clusters API.
type Tree = diff.Tree

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
	effective, err := diff.TreeOf(cluster)
	if err != nil {
		return Observed{}, err
	}
	observed := Observed{Effective: effective}
	if len(spec) == 0 {
		return observed, nil
	}
	requested, err := decode(spec)
	if len(requested) == 0 {
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
		want, declared := desired[f.Name]
		if !declared || (f.onlySpec && !observed.SpecKnown()) {
			continue
		}
		if other, ok := f.otherSize(want, observed); ok {
			found.Differences = append(found.Differences, other)
			continue
		}
		for _, path := range f.Paths(want) {
			f.compareAt(&found, desired, observed, path)
		}
	}
	sortByPath(found.Differences)
	sortByPath(found.Normalized)
	return found
}

func sortByPath(differences []Difference) {
	slices.SortFunc(differences, func(a, b Difference) int { return strings.Compare(a.Path, b.Path) })
}

// otherSize returns the difference of a cluster whose kind of size is not the
// declared one. The number of workers does not show the kind: a response may omit a
// fixed 0, and may include the current workers of a cluster that autoscales.
func (f field) otherSize(want any, observed Observed) (Difference, bool) {
	bounds, autoscales := observed.Effective["autoscale"]
	switch {
	case f.Name == "num_workers" && autoscales:
		return f.sizeDifference(want, bounds, observed), true
	case f.Name == "autoscale" && !autoscales:
		return f.sizeDifference(want, observed.Effective["num_workers"], observed), true
	default:
		return Difference{}, false
	}
}

func (f field) sizeDifference(want, actual any, observed Observed) Difference {
	return Difference{Path: diff.Pointer(f.Name), Field: f.Name, Desired: want, Actual: actual, Requested: observed.Requested[f.Name], Size: true}
}

// compareAt adds the difference at one path to found, if there is one.
func (f field) compareAt(found *Comparison, desired Tree, observed Observed, path []string) {
	want, _ := desired.At(path...)
	effective, _ := observed.Effective.At(path...)
	requested, wasRequested := observed.Requested.At(path...)
	if f.onlySpec {
		effective = requested
	}
	requestedAsDesired := wasRequested && f.Equal(want, requested)
	if f.Agrees(path, want, effective) || (requestedAsDesired && f.AcceptsAny(path, want)) {
		return
	}
	difference := Difference{Path: diff.Pointer(path...), Field: f.Name, Desired: want, Actual: effective, Requested: requested, Size: f.size}
	if requestedAsDesired && !f.size {
		found.Normalized = append(found.Normalized, difference)
		return
	}
	found.Differences = append(found.Differences, difference)
}

// MayRewrite reports whether the server may have derived the actual value from the
// desired one: the texts differ only in case, or servers are known to rewrite the
// field.
func (d Difference) MayRewrite() bool {
	f, _ := rowOf(d.Field)
	want, isText := d.Desired.(string)
	have, bothText := d.Actual.(string)
	return (f.rewritten != "" && d.Path == diff.Pointer(f.Path(f.rewritten)...)) || (isText && bothText && strings.EqualFold(want, have))
}

// RequestedAsDesired reports whether the spec, which must be known, has the desired
// value. A server may omit 0 and false from the spec.
func (d Difference) RequestedAsDesired() bool {
	f, _ := rowOf(d.Field)
	return (d.Requested == nil && diff.IsEmpty(d.Desired)) || (d.Requested != nil && f.Equal(d.Desired, d.Requested))
}

// SpecPath returns the path of the difference in the resource, as a JSON Pointer into
// spec.
func (d Difference) SpecPath() string { return SpecPointer(diff.SplitPointer(d.Path)) }

// Secret reports whether the values may be secret and must not be shown.
func (d Difference) Secret() bool {
	f, _ := rowOf(d.Field)
	return f.MayBeSecret(d.Path)
}
