package diff

import (
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

func TestCompare(t *testing.T) {
	library := func(whl string, more ...string) object {
		made := object{"whl_file": whl}
		for _, name := range more {
			made[name] = "x"
		}
		return made
	}
	for name, row := range map[string]struct {
		desired, effective Tree
		differ             []string
	}{
		"a field that is not declared": {effective: Tree{"size": 1.0, "labels": object{"a": "b"}}},
		"a null is not declared":       {desired: Tree{"size": nil, "versions": nil}, effective: Tree{"size": 1.0}},
		"a field without a row":        {desired: Tree{"unknown": 1.0}, effective: Tree{"unknown": 2.0}},

		"a scalar":                          {desired: Tree{"size": 1.0}, effective: Tree{"size": 2.0}, differ: []string{"/size"}},
		"a text and the number 0":           {desired: Tree{"mode": "a"}, effective: Tree{"mode": 0.0}, differ: []string{"/mode"}},
		"a number that is omitted":          {desired: Tree{"size": json.Number("1")}, differ: []string{"/size"}},
		"a scalar that is absent":           {desired: Tree{"size": 1.0}, differ: []string{"/size"}},
		"a scalar of another type":          {desired: Tree{"size": 1.0}, effective: Tree{"size": "1"}, differ: []string{"/size"}},
		"a scalar that is an object":        {desired: Tree{"size": 1.0}, effective: Tree{"size": object{}}, differ: []string{"/size"}},
		"a number in another form":          {desired: Tree{"size": 1000.0}, effective: Tree{"size": json.Number("1e3")}},
		"a number as an integer":            {desired: Tree{"size": 1000.0}, effective: Tree{"size": int64(1000)}},
		"a number that is too large":        {desired: Tree{"size": 1000.0}, effective: Tree{"size": json.Number("1e400")}, differ: []string{"/size"}},
		"zeros that the response omits":     {desired: Tree{"size": json.Number("0"), "encrypted": false, "versions": []any{}, "cloud": object{"disk": object{}, "n": 0.0}}},
		"an empty text that is omitted":     {desired: Tree{"mode": ""}, differ: []string{"/mode"}},
		"a zero while a value is in effect": {desired: Tree{"encrypted": false}, effective: Tree{"encrypted": true}, differ: []string{"/encrypted"}},

		"an alias":                            {desired: Tree{"mode": "NEW"}, effective: Tree{"mode": "OLDER"}},
		"an alias, the other way round":       {desired: Tree{"mode": "OLD"}, effective: Tree{"mode": "NEW"}, differ: []string{"/mode"}},
		"an alias of another field":           {desired: Tree{"pool_id": "NEW"}, effective: Tree{"pool_id": "OLD"}, differ: []string{"/pool_id"}},
		"a null in the response is no value":  {desired: Tree{"mode": "NEW"}, effective: Tree{"mode": nil}, differ: []string{"/mode"}},
		"a null in the response is no member": {desired: Tree{"cloud": object{"n": 0.0}}, effective: Tree{"cloud": object{"n": nil}}},

		"a key of a map, others added": {
			desired:   Tree{"labels": object{"a/b": "1", "c": "2"}},
			effective: Tree{"labels": object{"a/b": "7", "c": "2", "d": "3"}}, differ: []string{"/labels/a~1b"},
		},
		"a key of a map with the name of the zone": {
			desired: Tree{"labels": object{"zone_id": "auto"}}, effective: Tree{"labels": object{"zone_id": "b"}}, differ: []string{"/labels/zone_id"},
		},
		"a map that is absent": {desired: Tree{"labels": object{"b": "2", "a": "1"}}, differ: []string{"/labels/a", "/labels/b"}},

		"members of a block at two depths, others added": {
			desired:   Tree{"cloud": object{"max_price": 1.0, "disk": object{"kms_key": "a", "type": "x"}}},
			effective: Tree{"cloud": object{"max_price": 2.0, "zone_id": "z", "disk": object{"kms_key": "b", "type": "x", "size": 1.0}}},
			differ:    []string{"/cloud/disk/kms_key", "/cloud/max_price"},
		},
		"an automatic zone that the server resolved": {desired: Tree{"cloud": object{"zone_id": "Auto"}}, effective: Tree{"cloud": object{"zone_id": "b"}}},
		"an automatic zone that is absent":           {desired: Tree{"cloud": object{"zone_id": "auto"}}, differ: []string{"/cloud/zone_id"}},
		"another zone":                               {desired: Tree{"cloud": object{"zone_id": "a"}}, effective: Tree{"cloud": object{"zone_id": "b"}}, differ: []string{"/cloud/zone_id"}},

		"a write-only value that is omitted":      {desired: Tree{"cloud": object{"key": "k"}}},
		"a write-only value as stars":             {desired: Tree{"cloud": object{"key": "k"}}, effective: Tree{"cloud": object{"key": "•••"}}},
		"a write-only value that is partly shown": {desired: Tree{"cloud": object{"key": "k"}}, effective: Tree{"cloud": object{"key": "k-**-9"}}},
		"a write-only value that is redacted":     {desired: Tree{"cloud": object{"key": "k"}}, effective: Tree{"cloud": object{"key": "[Redacted]"}}},
		"a write-only value that is hidden":       {desired: Tree{"cloud": object{"key": "k"}}, effective: Tree{"cloud": object{"key": "<hidden>"}}},
		"a write-only value that is another":      {desired: Tree{"cloud": object{"key": "k"}}, effective: Tree{"cloud": object{"key": "other"}}, differ: []string{"/cloud/key"}},
		"a write-only value that is no text":      {desired: Tree{"cloud": object{"key": "k"}}, effective: Tree{"cloud": object{"key": 1.0}}, differ: []string{"/cloud/key"}},

		"a set in another order":      {desired: Tree{"versions": []any{"a", "b", "a"}}, effective: Tree{"versions": []any{"b", "a", "a"}}},
		"a set with other counts":     {desired: Tree{"versions": []any{"a", "b", "a"}}, effective: Tree{"versions": []any{"b", "a", "b"}}, differ: []string{"/versions"}},
		"a set with one more":         {desired: Tree{"versions": []any{"a"}}, effective: Tree{"versions": []any{"a", "b"}}, differ: []string{"/versions"}},
		"a set that is no list":       {desired: Tree{"versions": []any{"a"}}, effective: Tree{"versions": "a"}, differ: []string{"/versions"}},
		"an empty set, one in effect": {desired: Tree{"versions": []any{}}, effective: Tree{"versions": []any{"a"}}, differ: []string{"/versions"}},
		"a set of objects":            {desired: Tree{"libraries": []any{library("a"), library("b")}}, effective: Tree{"libraries": []any{library("b", "status"), library("a")}}},
		"a set of other objects":      {desired: Tree{"libraries": []any{library("a"), library("b")}}, effective: Tree{"libraries": []any{library("b"), library("c")}}, differ: []string{"/libraries"}},
		"a set with items in each other": {
			desired:   Tree{"libraries": []any{library("a"), library("a", "repo"), library("a", "repo", "status")}},
			effective: Tree{"libraries": []any{library("a", "repo", "status"), library("a", "repo"), library("a")}},
		},
		"a set with more items than fit": {
			desired:   Tree{"libraries": []any{library("a"), library("a", "repo"), library("a", "repo")}},
			effective: Tree{"libraries": []any{library("a", "repo"), library("a"), library("a")}}, differ: []string{"/libraries"},
		},

		"a sequence in another order": {
			desired: Tree{"steps": []any{object{"image_url": "a"}, object{"image_url": "b"}}}, effective: Tree{"steps": []any{object{"image_url": "b"}, object{"image_url": "a"}}},
			differ: []string{"/steps"},
		},
		"a sequence with members that the server adds and omits": {
			desired: Tree{"steps": []any{object{"image_url": "a", "cached": false}}}, effective: Tree{"steps": []any{object{"image_url": "a", "size": 1.0}}},
		},
		"a sequence with a member that the server changes": {
			desired: Tree{"steps": []any{object{"cached": false}}}, effective: Tree{"steps": []any{object{"cached": true}}}, differ: []string{"/steps"},
		},
		"a sequence with an empty object that is omitted": {desired: Tree{"steps": []any{object{"cache": object{}}}}, effective: Tree{"steps": []any{object{}}}},
		"a sequence with an object and a text":            {desired: Tree{"steps": []any{object{}}}, effective: Tree{"steps": []any{"a"}}, differ: []string{"/steps"}},
		"a sequence with a list and a text":               {desired: Tree{"steps": []any{[]any{}}}, effective: Tree{"steps": []any{"a"}}, differ: []string{"/steps"}},
		"a sequence with write-only values": {
			desired:   Tree{"steps": []any{object{"image_url": "a", "login": "p"}, object{"image_url": "b", "login": "q"}}},
			effective: Tree{"steps": []any{object{"image_url": "a"}, object{"image_url": "b", "login": "***"}}},
		},
		"a sequence that is shorter": {
			desired: Tree{"steps": []any{object{"login": "p"}, object{}}}, effective: Tree{"steps": []any{object{}}}, differ: []string{"/steps"},
		},

		"JSON in another form": {
			desired:   Tree{"definition": `{"a": {"type": "fixed", "max": 10}, "b": [1, true, null]}`},
			effective: Tree{"definition": "{\"b\":[1.0,true,null],\n \"a\":{\"max\":1e1,\"type\":\"f\\u0069xed\"}}"},
		},
		"JSON with one more key":         {desired: Tree{"definition": `{"a":1}`}, effective: Tree{"definition": `{"a":1,"b":0}`}, differ: []string{"/definition"}},
		"JSON with a key less":           {desired: Tree{"definition": `{"a":1,"b":false}`}, effective: Tree{"definition": `{"a":1}`}, differ: []string{"/definition"}},
		"JSON with another order":        {desired: Tree{"definition": `[1,2]`}, effective: Tree{"definition": `[2,1]`}, differ: []string{"/definition"}},
		"JSON with a fraction and 0":     {desired: Tree{"definition": `[1.5]`}, effective: Tree{"definition": `[0]`}, differ: []string{"/definition"}},
		"JSON with 0 and a fraction":     {desired: Tree{"definition": `[0]`}, effective: Tree{"definition": `[1.5]`}, differ: []string{"/definition"}},
		"JSON of null and none":          {desired: Tree{"definition": `{`}, effective: Tree{"definition": `null`}, differ: []string{"/definition"}},
		"an empty text and no text":      {desired: Tree{"definition": ``}, effective: Tree{"definition": 1.0}, differ: []string{"/definition"}},
		"JSON with a large integer":      {desired: Tree{"definition": `[9007199254740993]`}, effective: Tree{"definition": `[9007199254740992]`}, differ: []string{"/definition"}},
		"JSON with a text and a number":  {desired: Tree{"definition": `["1"]`}, effective: Tree{"definition": `[1]`}, differ: []string{"/definition"}},
		"JSON with a number and a text":  {desired: Tree{"definition": `[1]`}, effective: Tree{"definition": `["1"]`}, differ: []string{"/definition"}},
		"JSON with a text and an object": {desired: Tree{"definition": `["1"]`}, effective: Tree{"definition": `[{}]`}, differ: []string{"/definition"}},
		"JSON with an object and a list": {desired: Tree{"definition": `{}`}, effective: Tree{"definition": `[]`}, differ: []string{"/definition"}},
		"JSON with a list and an object": {desired: Tree{"definition": `[]`}, effective: Tree{"definition": `{}`}, differ: []string{"/definition"}},
		"JSON with more behind it":       {desired: Tree{"definition": `{}`}, effective: Tree{"definition": `{} {}`}, differ: []string{"/definition"}},
		"JSON that is cut":               {desired: Tree{"definition": `{}`}, effective: Tree{"definition": `{`}, differ: []string{"/definition"}},
		"JSON that is absent":            {desired: Tree{"definition": `{}`}, differ: []string{"/definition"}},
		"JSON that is no text":           {desired: Tree{"definition": `{}`}, effective: Tree{"definition": object{}}, differ: []string{"/definition"}},
		"no text, and white space":       {desired: Tree{"definition": ""}, effective: Tree{"definition": " "}, differ: []string{"/definition"}},
		"a number, and no text":          {desired: Tree{"definition": 7.0}, effective: Tree{"definition": ""}, differ: []string{"/definition"}},
		"text that is no JSON":           {desired: Tree{"definition": `{`}, effective: Tree{"definition": `{`}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			if row.differ == nil {
				row.differ = []string{}
			}
			g.Expect(pathsOf(volumes.Compare(row.desired, row.effective))).To(Equal(row.differ))
		})
	}
}

func TestADifferenceDescribesItsField(t *testing.T) {
	desired := Tree{
		"display_name": "a", "steps": []any{object{"image_url": "i"}}, "settings": object{"token": "t"}, "cloud": object{"key": "k", "max_price": 1.0},
	}
	NewWithT(t).Expect(volumes.Compare(desired, Tree{"display_name": "b", "cloud": object{"key": "other"}})).To(Equal([]Difference{
		{Path: "/cloud/key", Field: "cloud", Desired: "k", Actual: "other", SpecPath: "/cloud/keySecretRef", Secret: true},
		{Path: "/cloud/max_price", Field: "cloud", Desired: 1.0, SpecPath: "/cloud/maxPrice"},
		{Path: "/display_name", Field: "display_name", Desired: "a", Actual: "b", SpecPath: "/title"},
		{Path: "/settings/token", Field: "settings", Desired: "t", SpecPath: "/options/token", Secret: true},
		{Path: "/steps", Field: "steps", Desired: desired["steps"], SpecPath: "/steps", Secret: true, Immutable: true},
	}))
}

func TestMayBeSecret(t *testing.T) {
	for pointer, want := range map[string]bool{
		"/cloud/key": true, "/cloud/key/a": true, "/cloud": true, "/cloud/keys": false, "/cloud/disk": false,
		"/settings": true, "/settings/a": true, "/labels/key": false, "/size": false,
	} {
		row, known := volumes.Field(SplitPointer(pointer)[0])
		g := NewWithT(t)
		g.Expect(known).To(BeTrue())
		g.Expect(row.MayBeSecret(pointer)).To(Equal(want), pointer)
	}
}

func TestPathsDependOnTheKind(t *testing.T) {
	nested := object{"a": object{"b": 1.0}}
	for name, row := range map[string]struct {
		value any
		want  [][]string
	}{
		"labels": {nested, [][]string{{"labels", "a"}}},
		"cloud":  {nested, [][]string{{"cloud", "a", "b"}}},
		"size":   {nested, [][]string{{"size"}}},
	} {
		field, _ := volumes.Field(name)
		NewWithT(t).Expect(field.Paths(row.value)).To(Equal(row.want), name)
		NewWithT(t).Expect(field.Paths("no object")).To(Equal([][]string{{name}}), name)
	}
}

func TestCompareDoesNotRemoveSecretsFromItsArguments(t *testing.T) {
	tree := Tree{"steps": []any{object{"login": "p"}}}
	NewWithT(t).Expect(volumes.Compare(tree, tree.Clone())).To(BeEmpty())
	NewWithT(t).Expect(tree).To(Equal(Tree{"steps": []any{object{"login": "p"}}}))
}

func TestWhatTheServerDecidesAcceptsAnyValue(t *testing.T) {
	cloud, _ := volumes.Field("cloud")
	for _, row := range []struct {
		member string
		value  any
		want   bool
	}{
		{"key", "k", true}, {"zone_id", "auto", true}, {"zone_id", "AUTO", true}, {"zone_id", "a", false}, {"zone_id", 1.0, false}, {"max_price", "auto", false},
	} {
		NewWithT(t).Expect(cloud.AcceptsAny([]string{"cloud", row.member}, row.value)).To(Equal(row.want), "%s: %v", row.member, row.value)
	}
}

func TestWhatWasDeclaredHasNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		declared := must(volumes.Declared(anySpec(t, "spec")))
		g.Expect(volumes.Compare(declared, declared)).To(BeEmpty())
		more := declared.Clone()
		for _, name := range volumes.Names() {
			if members, isObject := more[name].(object); isObject {
				members["by.the.server"] = "x"
			} else if _, set := more[name]; !set {
				more[name] = "by the server"
			}
		}
		g.Expect(volumes.Compare(declared, more)).To(BeEmpty(), "values that are not declared")
	})
}

func TestAChangeIsFoundAtItsPathAndNothingIsModified(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		declared := must(volumes.Declared(anySpec(t, "spec")))
		if len(declared) == 0 {
			t.Skip("nothing is declared")
		}
		path := rapid.SampledFrom(places(declared)).Draw(t, "path")
		changed := declared.Clone()
		parent := object(changed)
		for _, name := range path[:len(path)-1] {
			parent = parent[name].(object)
		}
		parent[path[len(path)-1]] = "changed by another tool"
		before, other := declared.Clone(), changed.Clone()
		g.Expect(pathsOf(volumes.Compare(declared, changed))).To(Equal([]string{Pointer(path...)}))
		g.Expect(declared).To(Equal(before))
		g.Expect(changed).To(Equal(other))
	})
}
