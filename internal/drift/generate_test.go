package drift

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// secretValues are the values of the Secrets that a generated specification refers to.
var secretValues = Secrets{
	DockerUsername: NewSecretValue("puller"), DockerPassword: NewSecretValue("hunter2"), LogAnalyticsPrimaryKey: NewSecretValue("a-key"),
}

var (
	words = rapid.StringMatching(`[a-z0-9]{1,6}`)
	// mapKeys are free keys, some of which are names of fields of the API.
	mapKeys = rapid.OneOf(words, rapid.SampledFrom([]string{
		"zone_id", "ebs_volume_count", "spark.executor.memory", "a/b", "~x", "sparkConf", "num_workers",
	}))
)

// anySpec returns a specification with any fields set, zeros and empty lists included,
// but not with two kinds of size, which admission refuses.
func anySpec(t *rapid.T) *v1alpha1.ClusterSpec {
	spec := &v1alpha1.ClusterSpec{}
	fill(t, reflect.ValueOf(spec).Elem(), "spec")
	if spec.Autoscale != nil {
		spec.NumWorkers, spec.IsSingleNode = nil, nil
	}
	return spec
}

// allRequired are the structs of which the schema requires every member.
var allRequired = []reflect.Type{
	reflect.TypeFor[v1alpha1.Autoscale](),
	reflect.TypeFor[v1alpha1.LocalSecretReference](),
	reflect.TypeFor[v1alpha1.LocalSecretKeyReference](),
}

func fill(t *rapid.T, value reflect.Value, name string) {
	switch value.Kind() {
	case reflect.Struct:
		for i := range value.NumField() {
			field := value.Type().Field(i)
			if field.Name == "Destination" || slices.Contains(allRequired, value.Type()) || rapid.IntRange(0, 2).Draw(t, name+"?") == 0 {
				fill(t, value.Field(i), field.Name)
			}
		}
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		fill(t, value.Elem(), name)
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), rapid.IntRange(0, 2).Draw(t, name), 2))
		for i := range value.Len() {
			fill(t, value.Index(i), name)
		}
	case reflect.Map:
		value.Set(reflect.ValueOf(rapid.MapOfN(mapKeys, rapid.OneOf(words, rapid.Just("")), 0, 3).Draw(t, name)))
	case reflect.Bool:
		value.SetBool(rapid.Bool().Draw(t, name))
	case reflect.Int32:
		value.SetInt(int64(rapid.Int32Range(0, 3).Draw(t, name)))
	case reflect.String:
		value.SetString(text(t, name))
	default:
		t.Fatalf("%s is a %s, which fill does not support", name, value.Kind())
	}
}

func text(t *rapid.T, name string) string {
	switch name {
	case "SpotBidMaxPrice":
		return rapid.SampledFrom([]string{"-1", "0.25", "3"}).Draw(t, name)
	case "DataSecurityMode":
		return string(rapid.SampledFrom(new(compute.DataSecurityMode).Values()).Draw(t, name))
	case "ZoneID":
		return rapid.SampledFrom([]string{"auto", "AUTO", "HA", "us-west-2a"}).Draw(t, name)
	default:
		return words.Draw(t, name)
	}
}

func mustDesired(t tester, spec *v1alpha1.ClusterSpec) Tree {
	t.Helper()
	desired, err := Desired(spec, secretValues)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return desired
}

// tester is a test or one iteration of a property test.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// leaf is a value in a tree that is not an object.
type leaf struct {
	path  []string
	value any
}

func (l leaf) pointer() string { return diff.Pointer(l.path...) }

// anyZone reports whether the leaf is a zone that the cloud chooses.
func (l leaf) anyZone() bool {
	ofCloud := len(l.path) == 2 && strings.HasSuffix(l.path[0], "_attributes") && l.path[1] == "zone_id"
	return ofCloud && (l.value == "auto" || l.value == "AUTO")
}

// secret reports whether the leaf is a write-only value.
func (l leaf) secret() bool {
	f, _ := rowOf(l.path[0])
	return slices.Contains(f.WriteOnly, strings.Join(l.path[1:], "/"))
}

// leaves returns the leaves of a tree in order; a list is a leaf.
func leaves(tree map[string]any, above ...string) []leaf {
	var found []leaf
	names := make([]string, 0, len(tree))
	for name := range tree {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		path := append(slices.Clone(above), name)
		if members, ok := tree[name].(map[string]any); ok {
			found = append(found, leaves(members, path...)...)
		} else {
			found = append(found, leaf{path, tree[name]})
		}
	}
	return found
}

// with returns a copy of a tree with one value set; nil removes the value.
func with(tree Tree, value any, path ...string) Tree {
	copied := tree.Clone()
	parent := map[string]any(copied)
	for _, name := range path[:len(path)-1] {
		next, ok := parent[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			parent[name] = next
		}
		parent = next
	}
	if value == nil {
		delete(parent, path[len(path)-1])
	} else {
		parent[path[len(path)-1]] = value
	}
	return copied
}

// wire decodes a tree into one of the SDK's types.
func wire[Type any](t tester, tree Tree) *Type {
	t.Helper()
	g := NewWithT(t)
	raw, err := json.Marshal(tree)
	g.Expect(err).NotTo(HaveOccurred())
	read := new(Type)
	g.Expect(json.Unmarshal(raw, read)).To(Succeed())
	return read
}
