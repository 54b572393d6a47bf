package drift

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

func TestWhichCallCorrectsDifferences(t *testing.T) {
	size, other := Difference{Field: "num_workers", Size: true}, Difference{Field: "spark_version"}
	policy, defaults := Difference{Field: "policy_id"}, Difference{Field: "apply_policy_default_values"}
	for name, row := range map[string]struct {
		desired        Tree
		differences    []Difference
		resize, edited bool
	}{
		"none":                                {nil, nil, false, false},
		"[case-20] a size":                    {nil, []Difference{size}, true, false},
		"[case-20] a size and a runtime":      {nil, []Difference{size, other}, false, false},
		"[case-20] a runtime":                 {nil, []Difference{other}, false, false},
		"[case-20] a policy":                  {nil, []Difference{policy}, false, false},
		"[case-20] a policy with its values":  {Tree{"apply_policy_default_values": true}, []Difference{policy}, false, true},
		"[case-20] a policy without them":     {Tree{"apply_policy_default_values": false}, []Difference{policy}, false, false},
		"[case-20] its values":                {nil, []Difference{other, defaults}, false, true},
		"[case-20] a runtime with its values": {Tree{"apply_policy_default_values": true}, []Difference{other}, false, false},
	} {
		NewWithT(t).Expect(OnlySize(row.differences)).To(Equal(row.resize), name)
		NewWithT(t).Expect(NeedsEdit(row.desired, row.differences)).To(Equal(row.edited), name)
	}
}

func TestAResizeHasTheDeclaredSizeAlone(t *testing.T) {
	g := NewWithT(t)
	resize, err := Resize("c", Tree{"num_workers": 0.0, "spark_version": "16", "cluster_name": "n"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(json.Marshal(resize)).To(MatchJSON(`{"cluster_id":"c","num_workers":0}`), "[case-20]")
	resize, err = Resize("c", Tree{"autoscale": map[string]any{"min_workers": 1.0, "max_workers": 2.0}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(json.Marshal(resize)).To(MatchJSON(`{"cluster_id":"c","autoscale":{"min_workers":1,"max_workers":2}}`))
	_, err = Resize("c", Tree{"num_workers": "two"})
	g.Expect(err).To(HaveOccurred())
}

func TestWhatTheServerMayHaveMadeOfAValue(t *testing.T) {
	at := func(field, path string, desired, actual any) Difference {
		return Difference{Field: field, Path: path, Desired: desired, Actual: actual}
	}
	for name, row := range map[string]struct {
		difference Difference
		want       bool
	}{
		"another case":                  {at("single_user_name", "/single_user_name", "A@b", "a@B"), true},
		"another text":                  {at("single_user_name", "/single_user_name", "a", "b"), false},
		"a text and a number":           {at("single_user_name", "/single_user_name", "", 1.0), false},
		"a number and a text":           {at("single_user_name", "/single_user_name", 1.0, ""), false},
		"two numbers":                   {at("num_workers", "/num_workers", 1.0, 2.0), false},
		"a member that it rewrites":     {at("gcp_attributes", "/gcp_attributes/first_on_demand", 1.0, 2.0), true},
		"another member of the field":   {at("gcp_attributes", "/gcp_attributes/local_ssd_count", 1.0, 2.0), false},
		"the field without a member":    {at("spark_version", "/spark_version/", 1.0, 2.0), false},
		"a field of which it knows nil": {at("unknown", "/unknown", nil, nil), false},
	} {
		NewWithT(t).Expect(row.difference.MayRewrite()).To(Equal(row.want), name)
	}
	for name, row := range map[string]struct {
		desired, requested any
		want               bool
	}{
		"requested":                         {1.0, 1.0, true},
		"something else":                    {1.0, 2.0, false},
		"not requested":                     {1.0, nil, false},
		"an omitted zero":                   {0.0, nil, true},
		"a zero, and something else":        {0.0, 2.0, false},
		"nothing, and something else":       {nil, 2.0, false},
		"a removal of what no response has": {nil, nil, false},
	} {
		difference := Difference{Field: "num_workers", Desired: row.desired, Requested: row.requested}
		NewWithT(t).Expect(difference.RequestedAsDesired()).To(Equal(row.want), name)
	}
}

func TestFieldsOutsideOfTheTable(t *testing.T) {
	g := NewWithT(t)
	g.Expect(IsFreeMap("spark_conf")).To(BeTrue())
	g.Expect(IsFreeMap("num_workers")).To(BeFalse())
	g.Expect(IsFreeMap("unknown")).To(BeFalse())
	name, known := SpecName("num_workers")
	g.Expect(name).To(Equal("numWorkers"))
	g.Expect(known).To(BeTrue())
	_, known = SpecName("unknown")
	g.Expect(known).To(BeFalse())
	row, known := rowOf(fields[0].Name)
	g.Expect(known).To(BeTrue(), "the first row, too")
	g.Expect(row.Name).To(Equal(fields[0].Name))
}

func TestLibrariesInTheFormOfTheAPI(t *testing.T) {
	for name, row := range map[string]struct {
		declared v1alpha1.Library
		want     string
		// display is the name in messages, and key the one that its versions have in common.
		display, key string
	}{
		"jar":          {v1alpha1.Library{Jar: "/a.jar"}, `{"jar":"/a.jar"}`, "/a.jar", ""},
		"whl":          {v1alpha1.Library{Whl: "/a.whl"}, `{"whl":"/a.whl"}`, "/a.whl", ""},
		"requirements": {v1alpha1.Library{Requirements: "/r.txt"}, `{"requirements":"/r.txt"}`, "/r.txt", ""},
		"pypi":         {v1alpha1.Library{PyPI: &v1alpha1.PyPILibrary{Package: "Scikit_Learn==1", Repo: "r"}}, `{"pypi":{"package":"Scikit_Learn==1","repo":"r"}}`, "Scikit_Learn==1", "pypi scikit-learn"},
		"maven":        {v1alpha1.Library{Maven: &v1alpha1.MavenLibrary{Coordinates: "g:a:1", Repo: "r", Exclusions: []string{"x:y"}}}, `{"maven":{"coordinates":"g:a:1","repo":"r","exclusions":["x:y"]}}`, "g:a:1", "maven g:a"},
		"maven alone":  {v1alpha1.Library{Maven: &v1alpha1.MavenLibrary{Coordinates: "g"}}, `{"maven":{"coordinates":"g"}}`, "g", "maven g"},
		"cran":         {v1alpha1.Library{CRAN: &v1alpha1.CRANLibrary{Package: "ggplot2", Repo: "r"}}, `{"cran":{"package":"ggplot2","repo":"r"}}`, "ggplot2", "cran ggplot2"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			library := Library(row.declared)
			g.Expect(json.Marshal(library)).To(MatchJSON(row.want), "[case-32]")
			g.Expect(LibraryDisplayName(library)).To(Equal(row.display))
			g.Expect(LibraryName(library)).To(Equal(row.key))
		})
	}
	NewWithT(t).Expect(LibraryName(compute.Library{Pypi: &compute.PythonPyPiLibrary{Package: "==1"}})).To(Equal("pypi "), "a package without a name")
}

func TestSecretsAreSetOrNot(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Secrets{}.IsEmpty()).To(BeTrue())
	prints := map[string]bool{Secrets{}.Fingerprint(): true}
	for i, set := range []Secrets{
		{DockerUsername: NewSecretValue("x")}, {DockerPassword: NewSecretValue("x")}, {LogAnalyticsPrimaryKey: NewSecretValue("x")},
	} {
		g.Expect(set.IsEmpty()).To(BeFalse(), "%d", i)
		prints[set.Fingerprint()] = true
	}
	g.Expect(prints).To(HaveLen(4), "[S7] each value changes the fingerprint")
}

func TestRotatedSecrets(t *testing.T) {
	path := Tree{"docker_image": map[string]any{"basic_auth": map[string]any{"username": "u"}}}
	owned := "/dockerImage/basicAuthSecretRef"
	for name, row := range map[string]struct {
		owned              []string
		desired, requested Tree
		want               []any
	}{
		"[case-58] declared":                    {nil, path, Tree{}, []any{rotatedValue, nil}},
		"[case-58] declared and owned":          {[]string{owned}, path, path, []any{rotatedValue, nil}},
		"[case-58] removed":                     {[]string{owned}, Tree{}, path, []any{nil, rotatedValue}},
		"[case-58] removed, and a member of it": {[]string{owned + "/name"}, Tree{}, path, []any{nil, rotatedValue}},
		"[case-58] removed, and not requested":  {[]string{owned}, Tree{}, Tree{}, nil},
		"[case-58] not owned":                   {[]string{owned + "X", "/dockerImage"}, Tree{}, path, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			found := Rotated(row.owned, row.desired, Observed{Requested: row.requested})
			if row.want == nil {
				g.Expect(found).To(BeEmpty())
				return
			}
			g.Expect(found).To(Equal([]Difference{{Path: "/docker_image/basic_auth", Field: "docker_image", Desired: row.want[0], Actual: row.want[1]}}))
		})
	}
}

func TestObserve(t *testing.T) {
	g := NewWithT(t)
	for _, unknown := range []string{"", "null", "{}"} {
		observed, err := Observe(&compute.ClusterDetails{}, json.RawMessage(unknown))
		g.Expect(err).NotTo(HaveOccurred(), "%q", unknown)
		g.Expect(observed.SpecKnown()).To(BeFalse(), "%q", unknown)
	}
	_, err := Observe(&compute.ClusterDetails{}, json.RawMessage("[]"))
	g.Expect(err).To(MatchError(ContainSubstring("decode the cluster specification")))
	_, err = Observe(&compute.ClusterDetails{AzureAttributes: &compute.AzureAttributes{SpotBidMaxPrice: math.NaN()}}, nil)
	g.Expect(err).To(MatchError(ContainSubstring("NaN")))
	observed, err := Observe(&compute.ClusterDetails{ClusterId: "c"}, json.RawMessage(`{"num_workers":1}`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(observed.SpecKnown()).To(BeTrue())
	g.Expect(observed.WithoutSpec().SpecKnown()).To(BeFalse())
	g.Expect(observed.WithoutSpec().Effective).To(HaveKeyWithValue("cluster_id", "c"))
}

func TestAliasesOfADataSecurityMode(t *testing.T) {
	row, _ := rowOf("data_security_mode")
	same := [][2]string{
		{"DATA_SECURITY_MODE_STANDARD", "USER_ISOLATION"},
		{"DATA_SECURITY_MODE_DEDICATED", "SINGLE_USER"},
		{"USER_ISOLATION", "DATA_SECURITY_MODE_STANDARD"},
		{"SINGLE_USER", "DATA_SECURITY_MODE_DEDICATED"},
		{"DATA_SECURITY_MODE_AUTO", "USER_ISOLATION"},
		{"DATA_SECURITY_MODE_AUTO", "SINGLE_USER"},
		{"DATA_SECURITY_MODE_AUTO", "DATA_SECURITY_MODE_STANDARD"},
		{"DATA_SECURITY_MODE_AUTO", "DATA_SECURITY_MODE_DEDICATED"},
	}
	for _, pair := range same {
		NewWithT(t).Expect(row.Equal(pair[0], pair[1])).To(BeTrue(), "%v", pair)
	}
	NewWithT(t).Expect(row.Equal("SINGLE_USER", "USER_ISOLATION")).To(BeFalse())
}

// The members of a body keep the bytes that they were decoded from.
func TestValuesAreSetByTheirPath(t *testing.T) {
	for name, row := range map[string]struct {
		before string
		path   []string
		value  any
		want   string
	}{
		"a member":                     {`{"a":1}`, []string{"b"}, "x", `{"a":1,"b":"x"}`},
		"a member of a member":         {`{"a":{"b":1.0}}`, []string{"a", "c"}, 2, `{"a":{"b":1.0,"c":2}}`},
		"of one that is absent":        {`{}`, []string{"a", "b"}, 2, `{"a":{"b":2}}`},
		"of one that is no object":     {`{"a":1}`, []string{"a", "b"}, 2, `{"a":{"b":2}}`},
		"a removal":                    {`{"a":1,"b":2}`, []string{"a"}, nil, `{"b":2}`},
		"a removal below":              {`{"a":{"b":1,"c":2}}`, []string{"a", "b"}, nil, `{"a":{"c":2}}`},
		"a removal below nothing":      {`{"b":1}`, []string{"a", "b"}, nil, `{"b":1}`},
		"bytes":                        {`{}`, []string{"a"}, json.RawMessage(`1.50`), `{"a":1.50}`},
		"text with characters of HTML": {`{}`, []string{"a"}, "<&>", `{"a":"<&>"}`},
		"nothing":                      {`{"a":1}`, nil, 2, `{"a":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := objectOf(json.RawMessage(row.before))
			g.Expect(o.set(row.path, row.value)).To(Succeed())
			text, err := encode(o)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(text)).To(Equal(row.want))
		})
	}
	g := NewWithT(t)
	g.Expect(object{}.set([]string{"a"}, make(chan int))).To(MatchError(ContainSubstring("encode the cluster specification")))
	g.Expect(object{}.set([]string{"a", "b"}, make(chan int))).NotTo(Succeed())
	o := objectOf(json.RawMessage(`{"a":{"b":1.0},"c":2}`))
	g.Expect(string(o.at(strings.Split("a/b", "/")))).To(Equal("1.0"))
	g.Expect(o.at(strings.Split("a/x", "/"))).To(BeNil())
	g.Expect(o.at(strings.Split("c/x", "/"))).To(BeNil())
	g.Expect(o.at(strings.Split("x/y", "/"))).To(BeNil())
	g.Expect(objectOf(json.RawMessage(`[1]`))).To(BeNil())
	g.Expect(objectOf(json.RawMessage(`{"a":1`))).To(BeNil())
}

func TestUnknownMembersOfItems(t *testing.T) {
	g := NewWithT(t)
	of := memberType(specType, "init_scripts")
	item := func(path string) any { return map[string]any{"workspace": map[string]any{"destination": path}} }
	raw := json.RawMessage(`[{"workspace":{"destination":"/b","new":1}},{"workspace":{"destination":"/a","new":2}},{"workspace":{"destination":"/a","new":3}}]`)
	text, err := encode(withUnknown([]any{item("/a"), item("/a"), item("/c")}, raw, of))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(text)).To(MatchJSON(`[{"workspace":{"destination":"/a","new":2}},{"workspace":{"destination":"/a","new":3}},{"workspace":{"destination":"/c"}}]`),
		"each item gets those of its own, once")
	for _, odd := range []string{`{}`, `1`, ``} {
		g.Expect(withUnknown([]any{item("/a")}, json.RawMessage(odd), of)).To(Equal([]any{item("/a")}), "no list: %q", odd)
	}
	g.Expect(withUnknown([]any{"x"}, json.RawMessage(`["x"]`), nil)).To(Equal([]any{"x"}), "a member that the SDK does not know")
	g.Expect(withUnknown(map[string]any{"a": 1}, json.RawMessage(`{"b":2}`), nil)).To(Equal(map[string]any{"a": 1}))
	g.Expect(withUnknown([]any{"x"}, json.RawMessage(`["x"]`), specType)).To(Equal([]any{"x"}))
	g.Expect(memberType(specType, "unknown")).To(BeNil())
	g.Expect(memberType(nil, "a")).To(BeNil())
	g.Expect(memberType(memberType(specType, "num_workers"), "a")).To(BeNil())
}

func TestARemovedKeyIsNotSent(t *testing.T) {
	g := NewWithT(t)
	spec := json.RawMessage(`{"spark_conf":{"a":"1","b":"2"},"spark_version":"16"}`)
	observed, err := Observe(&compute.ClusterDetails{}, spec)
	g.Expect(err).NotTo(HaveOccurred())
	removal := Correction{Observed: observed, Desired: Tree{}, Differences: []Difference{{Path: diff.Pointer("spark_conf", "a"), Field: "spark_conf"}}}
	cluster, mask, err := Update(removal)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(mask).To(Equal("spark_conf"))
	g.Expect(cluster).To(MatchJSON(`{"spark_conf":{"b":"2"}}`), "[case-22]")
	both := removal
	both.Differences = append(both.Differences, Difference{Path: diff.Pointer("spark_conf", "b"), Field: "spark_conf"})
	cluster, _, err = Update(both)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cluster).To(MatchJSON(`{}`), "[case-22] an empty map is cleared by the mask")
	cluster, _, err = Update(Correction{Observed: observed, Desired: Tree{"spark_conf": map[string]any{"a": "3"}}, Differences: []Difference{{Path: diff.Pointer("spark_conf", "a"), Field: "spark_conf", Desired: "3"}}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cluster).To(MatchJSON(`{"spark_conf":{"a":"3","b":"2"}}`), "[case-21] a key that changes")
}
