package diff

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

// volumeSpec is a resource with a field of every kind of comparison.
type volumeSpec struct {
	volumeConnection `json:",inline"`
	volumeBase       `json:",inline"`

	Title      string            `json:"title,omitempty"`
	Size       *int32            `json:"size,omitempty"`
	Encrypted  *bool             `json:"encrypted,omitempty"`
	Mode       string            `json:"mode,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Settings   map[string]string `json:"options,omitempty"`
	Cloud      *volumeCloud      `json:"cloud,omitempty"`
	Versions   []string          `json:"versions,omitempty"`
	Libraries  []volumeLibrary   `json:"libraries,omitempty"`
	Steps      []volumeStep      `json:"steps,omitempty"`
	Definition json.RawMessage   `json:"definition,omitempty"`
	Overrides  string            `json:"overrides,omitempty"`
}

// volumeConnection has no rows, but a field with a name of the API below a row.
type volumeConnection struct {
	Zone string `json:"ZoneId,omitempty"`
	Kept string `json:"-"`
}

type volumeBase struct {
	PoolID string `json:"poolID,omitempty"`
}

type volumeCloud struct {
	ZoneID        string           `json:"zoneID,omitempty"`
	LocalSSDCount *int32           `json:"localSSDCount,omitempty"`
	MaxPrice      string           `json:"maxPrice,omitempty"`
	Disk          *volumeDisk      `json:"disk,omitempty"`
	KeySecretRef  *volumeReference `json:"keySecretRef,omitempty"`
}

type volumeDisk struct {
	KmsKey string      `json:"kmsKey,omitempty"`
	Parent *volumeDisk `json:"parent,omitempty"`
}

type volumeLibrary struct {
	WhlFile string `json:"whlFile,omitempty"`
	Repo    string `json:"repo,omitempty"`
}

type volumeStep struct {
	ImageURL       string           `json:"imageURL,omitempty"`
	LoginSecretRef *volumeReference `json:"loginSecretRef,omitempty"`
}

type volumeReference struct {
	Name string `json:"name"`
}

// volumes is the table of the tests.
var volumes = NewTable(reflect.TypeFor[volumeSpec](), []Field{
	{Name: "display_name", Kind: Scalar, Removal: KeepValue, Names: map[string]string{"title": "display_name"}},
	{Name: "size", Kind: Scalar},
	{Name: "encrypted", Kind: Scalar, Immutable: true},
	{Name: "mode", Kind: Scalar, Aliases: map[string][]string{"NEW": {"OLD", "OLDER"}}},
	{Name: "pool_id", Kind: Scalar},
	{Name: "labels", Kind: FreeMap},
	{Name: "settings", Kind: FreeMap, Secret: WholeField, Names: map[string]string{"options": "settings"}},
	{Name: "cloud", Kind: Block, Zone: "zone_id", Decimal: "max_price", Secret: "key", SecretRef: true, WriteOnly: []string{"key"}},
	{Name: "versions", Kind: Set},
	{Name: "libraries", Kind: Set},
	{Name: "steps", Kind: Sequence, Immutable: true, Secret: "login", SecretRef: true, WriteOnly: []string{"login"}},
	{Name: "definition", Kind: JSON},
	{Name: "overrides", Kind: JSON},
})

// object is an object of JSON.
type object = map[string]any

func TestDeclared(t *testing.T) {
	g := NewWithT(t)
	spec := volumeSpec{
		volumeConnection: volumeConnection{Zone: "not a field of the API"},
		Title:            "a", Size: new(int32(0)), Encrypted: new(false), volumeBase: volumeBase{PoolID: "p"},
		Labels: map[string]string{"costCenter": "1", "title": "", "": "x", "_secret_ref": "y"},
		Cloud: &volumeCloud{
			ZoneID: "auto", LocalSSDCount: new(int32(1)), MaxPrice: "0.1", Disk: &volumeDisk{Parent: &volumeDisk{KmsKey: "k"}},
			KeySecretRef: &volumeReference{Name: "vault"},
		},
		Libraries:  []volumeLibrary{{WhlFile: "/a.whl"}},
		Steps:      []volumeStep{{ImageURL: "i", LoginSecretRef: &volumeReference{Name: "one"}}, {ImageURL: "j"}, {LoginSecretRef: &volumeReference{Name: "two"}}},
		Definition: json.RawMessage(`{ "nodeTypeID": {"min": 9007199254740993, "max": 1e400}, "a.b": "<&>" }`),
		Overrides:  `{ "b": 1 }`,
	}
	declared, err := volumes.Declared(spec)
	g.Expect(err).NotTo(HaveOccurred())
	volumes.ResolveSecrets(declared, func(field string, reference any) any {
		named, _ := reference.(object)
		return fmt.Sprintf("%s of %v", field, named["name"])
	})
	g.Expect(map[string]any(declared)).To(Equal(object{
		"display_name": "a", "size": 0.0, "encrypted": false, "pool_id": "p",
		"labels": object{"costCenter": "1", "title": "", "": "x", "_secret_ref": "y"},
		"cloud": object{
			"zone_id": "auto", "local_ssd_count": 1.0, "max_price": 0.1, "disk": object{"parent": object{"kms_key": "k"}}, "key": "cloud of vault",
		},
		"libraries":  []any{object{"whl_file": "/a.whl"}},
		"steps":      []any{object{"image_url": "i", "login": "steps of one"}, object{"image_url": "j"}, object{"login": "steps of two"}},
		"definition": `{"a.b":"<&>","nodeTypeID":{"max":1e400,"min":9007199254740993}}`,
		"overrides":  `{ "b": 1 }`,
	}))

	nothing, err := volumes.Declared(&volumeSpec{Definition: json.RawMessage("null")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(nothing).To(Equal(Tree{}), "null is not set")

	number, err := volumes.Declared(object{"cloud": object{"maxPrice": 0.5}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(number).To(Equal(Tree{"cloud": object{"max_price": 0.5}}), "a number that is no text stays")
}

func TestDeclaredRefusesWhatItCannotConvert(t *testing.T) {
	for name, row := range map[string]struct {
		spec    any
		message string
	}{
		"a number that is text": {volumeSpec{Cloud: &volumeCloud{MaxPrice: "cheap"}}, `spec.cloud.maxPrice "cheap" is not a number`},
		"a list":                {[]string{"a"}, "decode []string"},
		"no JSON":               {volumeSpec{Definition: json.RawMessage("{")}, "encode diff.volumeSpec"},
		"a number too large":    {object{"size": json.Number("1e400")}, "decode size"},
	} {
		_, err := volumes.Declared(row.spec)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(row.message)), name)
	}
}

func TestFieldsAreFoundByTheirWireName(t *testing.T) {
	g := NewWithT(t)
	g.Expect(volumes.Names()).To(HaveLen(13))
	g.Expect(volumes.Names()[:3]).To(Equal([]string{"display_name", "size", "encrypted"}))
	row, known := volumes.Field("encrypted")
	g.Expect(known).To(BeTrue())
	g.Expect(row.Immutable).To(BeTrue())
	for _, name := range []string{"title", "", "zone_id"} {
		_, known = volumes.Field(name)
		g.Expect(known).To(BeFalse(), name)
	}
}

func TestSpecPointerHasTheNamesOfTheResource(t *testing.T) {
	g := NewWithT(t)
	for pointer, path := range map[string][]string{
		"/title":                      {"display_name"},
		"/cloud/zoneID":               {"cloud", "zone_id"},
		"/cloud/localSSDCount":        {"cloud", "local_ssd_count"},
		"/cloud/disk/kmsKey":          {"cloud", "disk", "kms_key"},
		"/labels/zone_id":             {"labels", "zone_id"},
		"/options/display_name":       {"settings", "display_name"},
		"/options/title":              {"settings", "title"},
		"/labels/a~1b~0c":             {"labels", "a/b~c"},
		"/labels/poolID":              {"labels", "poolID"},
		"/definition/pool_id":         {"definition", "pool_id"},
		"/unknown_field/poolID":       {"unknown_field", "pool_id"},
		"/libraries/whlFile/unknown0": {"libraries", "whl_file", "unknown0"},
	} {
		g.Expect(volumes.SpecPointer(path)).To(Equal(pointer))
		g.Expect(volumes.WirePath(pointer)).To(Equal(path))
	}
	g.Expect(volumes.SpecPointer([]string{"cloud", "key"})).To(Equal("/cloud/keySecretRef"), "a secret is a reference in the resource")
}

func TestNamesInTheResource(t *testing.T) {
	g := NewWithT(t)
	for wire, want := range map[string]string{"display_name": "title", "zone_id": "zoneID", "key": "keySecretRef", "nothing": ""} {
		name, known := volumes.SpecName(wire)
		g.Expect(name).To(Equal(want), wire)
		g.Expect(known).To(Equal(want != ""), wire)
	}
}

// inner has a field with the name of a row.
type inner struct {
	Size *int32 `json:"size,omitempty"`
}

func TestOnlyTheFieldsOfAnInlinedStructAreThoseOfTheResource(t *testing.T) {
	g := NewWithT(t)
	type named struct {
		inner    `json:"inner"`
		Untagged string
		Size     string `json:"-"`
	}
	type inlined struct {
		inner `json:",inline"`
	}
	fields := []Field{{Name: "size", Kind: Scalar}}
	_, known := NewTable(reflect.TypeFor[named](), fields).SpecName("size")
	g.Expect(known).To(BeFalse())
	_, known = NewTable(reflect.TypeFor[inlined](), fields).SpecName("size")
	g.Expect(known).To(BeTrue())
}

func TestEmptyValues(t *testing.T) {
	for _, row := range []struct {
		value any
		want  bool
	}{
		{0.0, true},
		{json.Number("0"), true},
		{json.Number("0.0"), true},
		{false, true},
		{[]any{}, true},
		{object{}, true},
		{1.0, false},
		{json.Number("1"), false},
		{json.Number("x"), false},
		{true, false},
		{[]any{0.0}, false},
		{object{"a": 0.0}, false},
		{"", false},
		{nil, false},
	} {
		NewWithT(t).Expect(IsEmpty(row.value)).To(Equal(row.want), "%#v", row.value)
	}
}

func TestPointersKeepAnyKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.SliceOfN(rapid.StringMatching(`[a~/01é ]{0,6}`), 1, 4).Draw(t, "path")
		NewWithT(t).Expect(SplitPointer(Pointer(path...))).To(Equal(path))
	})
}

func TestSnakeCase(t *testing.T) {
	g := NewWithT(t)
	for name, want := range map[string]string{
		"sparkVersion": "spark_version", "nodeTypeID": "node_type_id", "useMLRuntime": "use_ml_runtime",
		"instanceProfileARN": "instance_profile_arn", "cannedACL": "canned_acl", "ebsVolumeIOPS": "ebs_volume_iops",
		"alternateNodeTypeIDs": "alternate_node_type_ids", "sshPublicKeys": "ssh_public_keys", "s3": "s3",
		"localSsdCount": "local_ssd_count", "localSSDCount": "local_ssd_count", "instancePoolName": "instance_pool_name", "name": "name",
		"awsContextID": "aws_context_id", "aB": "a_b", "useMLx": "use_m_lx", "kmsKey": "kms_key", "url": "url", "": "",
	} {
		g.Expect(snakeCase(name)).To(Equal(want))
	}
}

func TestATreePrintsTheNamesOfItsFields(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	tree := Tree{"docker_image": object{"basic_auth": object{"password": "hunter2"}}, "num_workers": float64(1)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		g.Expect(fmt.Sprintf(verb, tree)).To(Equal("Tree(docker_image, num_workers)"), verb)
		g.Expect(fmt.Sprintf(verb, struct{ Desired Tree }{tree})).NotTo(Or(ContainSubstring("hunter2"), ContainSubstring("68756e746572")), verb)
	}
}

func TestATreeIsReadByPath(t *testing.T) {
	g := NewWithT(t)
	tree := Tree{"a": object{"b": 0.0, "none": nil}}
	value, present := tree.At("a", "b")
	g.Expect(value).To(Equal(0.0))
	g.Expect(present).To(BeTrue())
	for _, path := range []string{"b", "a/none", "a/c", "a/b/c"} {
		g.Expect(tree.Declares(strings.Split(path, "/"))).To(BeFalse(), path)
	}
	g.Expect(tree.Declares([]string{"a", "b"})).To(BeTrue())

	copied := tree.Clone()
	copied.Remove("a", "b")
	g.Expect(copied).To(Equal(Tree{"a": object{"none": nil}}))
	g.Expect(tree.Declares([]string{"a", "b"})).To(BeTrue(), "a clone shares nothing")
	g.Expect(Tree(nil).Clone()).To(Equal(Tree{}))
}

func TestATreeIsDecodedIntoAType(t *testing.T) {
	g := NewWithT(t)
	var cloud volumeCloud
	g.Expect(Tree{"localSSDCount": 2.0}.Into(&cloud)).To(Succeed())
	g.Expect(cloud.LocalSSDCount).To(HaveValue(Equal(int32(2))))
	g.Expect(Tree{"localSSDCount": "two"}.Into(&cloud)).To(MatchError(ContainSubstring("decode *diff.volumeCloud")))
	g.Expect(Tree{"a": make(chan int)}.Into(&cloud)).To(MatchError(ContainSubstring("encode the specification")))
	tree, err := TreeOf(volumeCloud{ZoneID: "z", LocalSSDCount: new(int32(0))})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(tree).To(Equal(Tree{"zoneID": "z", "localSSDCount": 0.0}))
	_, err = TreeOf([]int{1})
	g.Expect(err).To(MatchError(ContainSubstring("decode []int")))
	_, err = TreeOf(make(chan int))
	g.Expect(err).To(MatchError(ContainSubstring("encode chan int")))
}

// anySpec returns a specification with any fields set, zeros included. It has no secrets
// and no automatic zone.
func anySpec(t *rapid.T, name string) volumeSpec {
	draw := func(what string, of int) int { return rapid.IntRange(0, of-1).Draw(t, name+"."+what) }
	words := rapid.StringMatching(`[a-z]{1,4}`)
	spec := volumeSpec{
		Title: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, name+".title"),
		Mode:  rapid.SampledFrom([]string{"", "NEW", "OTHER"}).Draw(t, name+".mode"),
		// Keys of a free map may have the names of fields, and any characters.
		Labels:   rapid.MapOfN(rapid.OneOf(words, rapid.SampledFrom([]string{"zone_id", "poolID", "a/b", "~x"})), words, 0, 3).Draw(t, name+".labels"),
		Settings: rapid.MapOfN(words, words, 0, 2).Draw(t, name+".settings"),
		Versions: rapid.SliceOfN(words, 0, 3).Draw(t, name+".versions"),
	}
	if draw("size?", 2) == 1 {
		spec.Size = new(int32(draw("size", 3)))
	}
	if draw("encrypted?", 2) == 1 {
		spec.Encrypted = new(draw("encrypted", 2) == 1)
	}
	if draw("cloud", 2) == 1 {
		spec.Cloud = &volumeCloud{ZoneID: words.Draw(t, name+".zone"), MaxPrice: rapid.SampledFrom([]string{"", "-1", "0.5"}).Draw(t, name+".price")}
		if draw("disk", 2) == 1 {
			spec.Cloud.Disk = &volumeDisk{KmsKey: words.Draw(t, name+".key")}
		}
	}
	for range draw("steps", 3) {
		spec.Steps = append(spec.Steps, volumeStep{ImageURL: words.Draw(t, name+".image")})
	}
	if draw("definition", 2) == 1 {
		spec.Definition = must(json.Marshal(rapid.MapOfN(words, rapid.IntRange(0, 3), 0, 3).Draw(t, name+".rules")))
	}
	return spec
}

func must[Value any](value Value, err error) Value {
	if err != nil {
		panic(err)
	}
	return value
}

func pathsOf(differences []Difference) []string {
	paths := []string{}
	for _, difference := range differences {
		paths = append(paths, difference.Path)
	}
	return paths
}

// places returns all paths at which a tree is compared.
func places(tree Tree) [][]string {
	var found [][]string
	for _, name := range volumes.Names() {
		if value, declared := tree[name]; declared {
			row, _ := volumes.Field(name)
			found = append(found, row.Paths(value)...)
		}
	}
	slices.SortFunc(found, slices.Compare)
	return found
}
