package drift

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// observe returns the observed state of a cluster with these trees; requested may be nil.
func observe(t tester, effective, requested Tree) Observed {
	t.Helper()
	g := NewWithT(t)
	var spec json.RawMessage
	if requested != nil {
		var err error
		spec, err = json.Marshal(requested)
		g.Expect(err).NotTo(HaveOccurred())
	}
	observed, err := Observe(wire[compute.ClusterDetails](t, effective), spec)
	g.Expect(err).NotTo(HaveOccurred())
	return observed
}

func pathsOf(differences []Difference) []string {
	paths := []string{}
	for _, difference := range differences {
		paths = append(paths, difference.Path)
	}
	return paths
}

func TestCompare(t *testing.T) {
	for name, row := range map[string]struct {
		desired, effective, requested Tree
		differ, normalized            []string
	}{
		"a field that is not declared is no difference": {
			effective: Tree{"spark_version": "x", "custom_tags": map[string]any{"a": "b"}}, requested: Tree{"node_type_id": "y"},
		},
		"[case-10] a mode returned under its old name": {
			desired: Tree{"data_security_mode": "DATA_SECURITY_MODE_STANDARD"}, effective: Tree{"data_security_mode": "USER_ISOLATION"},
		},
		"[case-10] a dedicated mode returned under its old name": {
			desired: Tree{"data_security_mode": "DATA_SECURITY_MODE_DEDICATED"}, effective: Tree{"data_security_mode": "SINGLE_USER"},
		},
		"[case-10] a dedicated mode returned under its new name": {
			desired: Tree{"data_security_mode": "SINGLE_USER"}, effective: Tree{"data_security_mode": "DATA_SECURITY_MODE_DEDICATED"},
		},
		"[case-10] an automatic mode became the standard one": {
			desired: Tree{"data_security_mode": "DATA_SECURITY_MODE_AUTO"}, effective: Tree{"data_security_mode": "USER_ISOLATION"},
		},
		"[case-10] an automatic mode became the dedicated one": {
			desired: Tree{"data_security_mode": "DATA_SECURITY_MODE_AUTO"}, effective: Tree{"data_security_mode": "SINGLE_USER"},
		},
		"[case-10] an automatic mode became one under its new name": {
			desired: Tree{"data_security_mode": "DATA_SECURITY_MODE_AUTO"}, effective: Tree{"data_security_mode": "DATA_SECURITY_MODE_DEDICATED"},
		},
		"[case-10] another mode": {
			desired: Tree{"data_security_mode": "DATA_SECURITY_MODE_STANDARD"}, effective: Tree{"data_security_mode": "SINGLE_USER"},
			differ: []string{"/data_security_mode"},
		},
		"normalized paths are ordered": {
			desired: Tree{"runtime_engine": "A", "kind": "A", "driver_node_type_id": "A"}, effective: Tree{"runtime_engine": "B", "kind": "B", "driver_node_type_id": "B"},
			requested:  Tree{"runtime_engine": "A", "kind": "A", "driver_node_type_id": "A"},
			normalized: []string{"/driver_node_type_id", "/kind", "/runtime_engine"},
		},
		"[case-10] a mode returned under its new name": {
			desired: Tree{"data_security_mode": "SINGLE_USER"}, effective: Tree{"data_security_mode": "DATA_SECURITY_MODE_DEDICATED"},
		},
		"[case-10] the automatic mode is either of two": {
			desired: Tree{"data_security_mode": "DATA_SECURITY_MODE_AUTO"}, effective: Tree{"data_security_mode": "SINGLE_USER"},
		},
		"[case-10] the automatic mode is no other mode": {
			desired: Tree{"data_security_mode": "DATA_SECURITY_MODE_AUTO"}, effective: Tree{"data_security_mode": "NONE"},
			differ: []string{"/data_security_mode"},
		},
		"[case-10] a real change of mode": {
			desired:   Tree{"data_security_mode": "DATA_SECURITY_MODE_STANDARD"},
			effective: Tree{"data_security_mode": "SINGLE_USER"}, requested: Tree{"data_security_mode": "DATA_SECURITY_MODE_DEDICATED"},
			differ: []string{"/data_security_mode"},
		},
		"[case-11] another number of workers": {
			desired: Tree{"num_workers": 4.0}, effective: Tree{"num_workers": 2.0}, differ: []string{"/num_workers"},
		},
		"[case-11] a resize that the spec lacks": {
			desired: Tree{"num_workers": 4.0}, effective: Tree{"num_workers": 4.0}, requested: Tree{"num_workers": 2.0},
		},
		"[case-11] an external resize, with the declared size in the spec": {
			desired: Tree{"num_workers": 2.0}, effective: Tree{"num_workers": 4.0}, requested: Tree{"num_workers": 2.0}, differ: []string{"/num_workers"},
		},
		"[case-12] other bounds": {
			desired: Tree{"autoscale": bounds(1, 5)}, effective: Tree{"autoscale": bounds(1, 4)}, differ: []string{"/autoscale/max_workers"},
		},
		"[case-13] fixed size declared, autoscale in effect": {
			desired: Tree{"num_workers": 2.0}, effective: Tree{"autoscale": bounds(1, 4)}, differ: []string{"/num_workers"},
		},
		"[case-13] fixed size declared, autoscale in effect with the same number of workers": {
			desired: Tree{"num_workers": 2.0}, effective: Tree{"num_workers": 2.0, "autoscale": bounds(1, 4)}, differ: []string{"/num_workers"},
		},
		"[case-13] 0 workers declared, autoscale in effect": {
			desired: Tree{"num_workers": 0.0}, effective: Tree{"autoscale": bounds(0, 4)}, differ: []string{"/num_workers"},
		},
		"[case-13] autoscale declared, fixed size in effect": {
			desired: Tree{"autoscale": bounds(1, 4)}, effective: Tree{"num_workers": 2.0}, differ: []string{"/autoscale"},
		},
		"[case-13] autoscale from 0 to 0 declared, fixed size in effect": {
			desired: Tree{"autoscale": bounds(0, 0)}, effective: Tree{"num_workers": 2.0}, differ: []string{"/autoscale"},
		},
		"[case-14] current workers under autoscale": {
			desired: Tree{"autoscale": bounds(0, 4)}, effective: Tree{"num_workers": 3.0, "autoscale": map[string]any{"max_workers": 4.0}},
		},
		"[case-21] an owned key edited externally, other keys added": {
			desired:   Tree{"spark_conf": map[string]any{"a/b": "1", "c": "2"}},
			effective: Tree{"spark_conf": map[string]any{"a/b": "7", "c": "2", "d": "3"}}, requested: Tree{"spark_conf": map[string]any{"a/b": "7"}},
			differ: []string{"/spark_conf/a~1b"},
		},
		"[case-23] explicit false and 0 omitted from the response": {
			desired: Tree{
				"enable_elastic_disk": false, "autotermination_minutes": 0.0, "aws_attributes": map[string]any{"first_on_demand": 0.0},
				"ssh_public_keys": []any{}, "init_scripts": []any{}, "apply_policy_default_values": false,
			},
			effective: Tree{}, requested: Tree{"spark_version": "x"},
		},
		"[case-23] explicit false and 0 while other values are in effect": {
			desired:   Tree{"enable_elastic_disk": false, "autotermination_minutes": 0.0, "aws_attributes": map[string]any{"first_on_demand": 0.0}, "init_scripts": []any{}},
			effective: Tree{"enable_elastic_disk": true, "autotermination_minutes": 30.0, "aws_attributes": map[string]any{"first_on_demand": 1.0}, "init_scripts": []any{script("a")}},
			differ:    []string{"/autotermination_minutes", "/aws_attributes/first_on_demand", "/enable_elastic_disk", "/init_scripts"},
		},
		"[case-24] another pool": {
			desired: Tree{"instance_pool_id": "b"}, effective: Tree{"instance_pool_id": "a", "driver_instance_pool_id": "a"}, differ: []string{"/instance_pool_id"},
		},
		"[case-24] a driver's pool that the server set": {
			desired: Tree{"instance_pool_id": "b"}, effective: Tree{"instance_pool_id": "b", "driver_instance_pool_id": "b", "node_type_id": "t"},
		},
		"[case-25] values that a policy added": {
			desired:   Tree{"policy_id": "P", "custom_tags": map[string]any{"team": "a"}, "aws_attributes": map[string]any{"zone_id": "auto"}},
			effective: Tree{"policy_id": "P", "custom_tags": map[string]any{"team": "a", "cost": "b"}, "aws_attributes": map[string]any{"zone_id": "us-west-2a", "availability": "SPOT"}, "spark_conf": map[string]any{"x": "y"}},
		},
		"an automatic zone that the server resolved": {
			desired: Tree{"aws_attributes": map[string]any{"zone_id": "auto"}}, effective: Tree{"aws_attributes": map[string]any{"zone_id": "us-west-2a"}},
		},
		"an automatic zone that the server resolved on Google Cloud": {
			desired: Tree{"gcp_attributes": map[string]any{"zone_id": "AUTO"}}, effective: Tree{"gcp_attributes": map[string]any{"zone_id": "us-central1-a"}},
		},
		"an automatic zone that was requested, and none is in effect": {
			desired: Tree{"aws_attributes": map[string]any{"zone_id": "auto"}}, effective: Tree{}, requested: Tree{"aws_attributes": map[string]any{"zone_id": "auto"}},
		},
		"an automatic zone, and another one was requested": {
			desired: Tree{"aws_attributes": map[string]any{"zone_id": "auto"}}, effective: Tree{}, requested: Tree{"aws_attributes": map[string]any{"zone_id": "us-west-2b"}},
			differ: []string{"/aws_attributes/zone_id"},
		},
		"a tag with the name of the zone field": {
			desired: Tree{"custom_tags": map[string]any{"zone_id": "auto"}}, effective: Tree{"custom_tags": map[string]any{"zone_id": "b"}},
			differ: []string{"/custom_tags/zone_id"},
		},
		"a policy's defaults, requested and no longer declared": {
			desired: Tree{"apply_policy_default_values": false}, effective: Tree{}, requested: Tree{"apply_policy_default_values": true},
			differ: []string{"/apply_policy_default_values"},
		},
		"a policy's defaults, observed in a list only": {
			desired: Tree{"apply_policy_default_values": true}, effective: Tree{},
		},
		"the order of keys": {
			desired: Tree{"ssh_public_keys": []any{"a", "b"}}, effective: Tree{"ssh_public_keys": []any{"b", "a"}},
		},
		"an empty list that was never requested, while another one is in effect": {
			desired: Tree{"ssh_public_keys": []any{}}, effective: Tree{"ssh_public_keys": []any{"a"}}, requested: Tree{"spark_version": "x"},
			differ: []string{"/ssh_public_keys"},
		},
		"the order of scripts": {
			desired: Tree{"init_scripts": []any{script("a"), script("b")}}, effective: Tree{"init_scripts": []any{script("b"), script("a")}},
			differ: []string{"/init_scripts"},
		},
		"a script with members that the server adds and omits": {
			desired:   Tree{"init_scripts": []any{map[string]any{"s3": map[string]any{"destination": "s3://a", "enable_encryption": false}}}},
			effective: Tree{"init_scripts": []any{map[string]any{"s3": map[string]any{"destination": "s3://a", "region": "us-west-2"}}}},
		},
		"a script in another kind of storage": {
			desired:   Tree{"init_scripts": []any{script("a")}},
			effective: Tree{"init_scripts": []any{map[string]any{"volumes": map[string]any{"destination": "a"}}}},
			differ:    []string{"/init_scripts"},
		},
		"[case-66] a value that the server raises": {
			desired: Tree{"aws_attributes": map[string]any{"first_on_demand": 0.0}}, effective: Tree{"aws_attributes": map[string]any{"first_on_demand": 1.0}},
			requested: Tree{"aws_attributes": map[string]any{"first_on_demand": 0.0}}, normalized: []string{"/aws_attributes/first_on_demand"},
		},
		"[case-66] a value that the server raises in the spec too": {
			desired: Tree{"aws_attributes": map[string]any{"first_on_demand": 0.0}}, effective: Tree{"aws_attributes": map[string]any{"first_on_demand": 1.0}},
			requested: Tree{"aws_attributes": map[string]any{"first_on_demand": 1.0}}, differ: []string{"/aws_attributes/first_on_demand"},
		},
		"[case-66] a name in lower case": {
			desired: Tree{"single_user_name": "A@x"}, effective: Tree{"single_user_name": "a@x"}, requested: Tree{"single_user_name": "A@x"},
			normalized: []string{"/single_user_name"},
		},
		"[case-66] a key that the server drops": {
			desired: Tree{"spark_conf": map[string]any{"a": "1"}}, effective: Tree{"spark_version": "x"}, requested: Tree{"spark_conf": map[string]any{"a": "1"}},
			normalized: []string{"/spark_conf/a"},
		},
		"[case-61] a list without a spec shows a difference": {
			desired: Tree{"custom_tags": map[string]any{"b": "2"}}, effective: Tree{"custom_tags": map[string]any{"b": "9"}}, differ: []string{"/custom_tags/b"},
		},
		"[case-65] an empty spec is unknown": {
			desired: Tree{"apply_policy_default_values": true}, effective: Tree{"spark_version": "x"}, requested: Tree{},
		},
		"numbers are compared by value": {
			desired: Tree{"autotermination_minutes": 1000.0}, effective: Tree{"autotermination_minutes": 30.0},
			requested: Tree{"autotermination_minutes": json.Number("1e3")}, normalized: []string{"/autotermination_minutes"},
		},
		"[case-77] masks of secrets": {
			desired: Tree{
				"docker_image":     map[string]any{"url": "i", "basic_auth": map[string]any{"username": "u", "password": "p"}},
				"azure_attributes": map[string]any{"log_analytics_info": map[string]any{"log_analytics_primary_key": "k"}},
			},
			effective: Tree{
				"docker_image":     map[string]any{"url": "i", "basic_auth": map[string]any{"username": "***", "password": "[REDACTED]"}},
				"azure_attributes": map[string]any{"log_analytics_info": map[string]any{"log_analytics_primary_key": "••••"}},
			},
			requested: Tree{"docker_image": map[string]any{"url": "i", "basic_auth": map[string]any{"username": "***", "password": "***"}}},
		},
		"secrets that the response omits": {
			desired: Tree{
				"docker_image":     map[string]any{"url": "i", "basic_auth": map[string]any{"username": "u", "password": "p"}},
				"azure_attributes": map[string]any{"log_analytics_info": map[string]any{"log_analytics_primary_key": "k", "log_analytics_workspace_id": "w"}},
			},
			effective: Tree{
				"docker_image":     map[string]any{"url": "i"},
				"azure_attributes": map[string]any{"log_analytics_info": map[string]any{"log_analytics_workspace_id": "w"}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			for _, paths := range []*[]string{&row.differ, &row.normalized} {
				if *paths == nil {
					*paths = []string{}
				}
			}
			found := Compare(row.desired, observe(t, row.effective, row.requested))
			g.Expect(pathsOf(found.Differences)).To(Equal(row.differ))
			g.Expect(pathsOf(found.Normalized)).To(Equal(row.normalized))
			for _, difference := range slices.Concat(found.Differences, found.Normalized) {
				g.Expect(Names()).To(ContainElement(difference.Field))
				g.Expect(difference.Size).To(Equal(difference.Field == "num_workers" || difference.Field == "autoscale"))
			}
		})
	}
}

func bounds(least, most float64) map[string]any {
	return map[string]any{"min_workers": least, "max_workers": most}
}

func script(path string) map[string]any {
	return map[string]any{"workspace": map[string]any{"destination": path}}
}

// serverView returns a cluster as a server may return it: the requested fields, with
// zeros and secrets omitted, modes under their old names, automatic zones resolved,
// and values that were not requested.
func serverView(t *rapid.T, requested Tree) Tree {
	shown := requested.Clone()
	delete(shown, "apply_policy_default_values")
	for _, set := range leaves(requested) {
		switch {
		case set.secret(), diff.IsEmpty(set.value) && rapid.Bool().Draw(t, "leave out "+set.pointer()):
			shown = with(shown, nil, set.path...)
		case set.anyZone():
			shown = with(shown, "us-west-2c", set.path...)
		}
	}
	switch mode, _ := shown["data_security_mode"].(string); mode {
	case "DATA_SECURITY_MODE_STANDARD", "DATA_SECURITY_MODE_AUTO":
		shown["data_security_mode"] = "USER_ISOLATION"
	case "DATA_SECURITY_MODE_DEDICATED":
		shown["data_security_mode"] = "SINGLE_USER"
	}
	if keys, ok := shown["ssh_public_keys"].([]any); ok {
		rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	}
	for _, f := range fields {
		if f.Kind == diff.FreeMap {
			shown = with(shown, "by the server", f.Name, "not.ours")
		}
	}
	if _, scales := requested["autoscale"]; scales && rapid.Bool().Draw(t, "shows workers") {
		shown["num_workers"] = 1.0
	}
	for name, value := range map[string]any{"single_user_name": "me", "driver_node_type_id": "t", "runtime_engine": "STANDARD", "enable_elastic_disk": true} {
		if _, set := requested[name]; !set {
			shown[name] = value
		}
	}
	return shown
}

func TestServerSideChangesOfRepresentationAreNoDifference(t *testing.T) {
	t.Run("[case-09] [case-10] [case-14] [case-23] [case-25]", rapid.MakeCheck(serverSideChangesAreNoDifference))
}

func serverSideChangesAreNoDifference(t *rapid.T) {
	g := NewWithT(t)
	desired := mustDesired(t, anySpec(t))
	shown := serverView(t, desired)
	g.Expect(Compare(desired, observe(t, shown, desired))).To(Equal(Comparison{}), "after a GET")
	g.Expect(Compare(desired, observe(t, shown, nil))).To(Equal(Comparison{}), "after a list")
}

// other returns another value for a leaf.
func other(value any) any {
	switch value := value.(type) {
	case string:
		return value + "-other"
	case float64:
		return value + 1
	case bool:
		return !value
	case []any:
		return append(slices.Clone(value), value[0])
	default:
		return nil
	}
}

func TestAnEditOfAnyDeclaredFieldIsFoundAtItsPath(t *testing.T) {
	t.Run("[case-21]", rapid.MakeCheck(anEditIsFoundAtItsPath))
}

func anEditIsFoundAtItsPath(t *rapid.T) {
	g := NewWithT(t)
	desired := mustDesired(t, anySpec(t))
	places := slices.DeleteFunc(leaves(desired), func(l leaf) bool {
		list, ok := l.value.([]any)
		return l.anyZone() || l.secret() || (ok && len(list) == 0)
	})
	if len(places) == 0 {
		t.Skip("nothing is declared that can be edited")
	}
	edited := rapid.SampledFrom(places).Draw(t, "edited")
	requested := with(desired, other(edited.value), edited.path...)
	g.Expect(pathsOf(Compare(desired, observe(t, serverView(t, requested), requested)).Differences)).To(ConsistOf(edited.pointer()))
}

func TestCompareAndCreationDoNotModifyTheirArguments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		spec := anySpec(t)
		kept := spec.DeepCopy()
		desired := mustDesired(t, spec)
		before := desired.Clone()
		observed := observe(t, serverView(t, desired), desired)
		untouched := observe(t, observed.Effective.Clone(), desired.Clone())
		Compare(desired, observed)
		_, err := Creation(desired, "n", Tag{Key: "k", Value: "v"})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(spec).To(Equal(kept))
		g.Expect(desired).To(Equal(before))
		g.Expect(observed).To(Equal(untouched))
	})
}
