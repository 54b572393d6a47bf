package diff

import (
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

func TestDigest(t *testing.T) {
	const golden = "golden: another value changes the digest of every object at an upgrade"
	for name, row := range map[string]struct {
		desired Tree
		want    string
	}{
		"none":                      {nil, ""},
		"empty":                     {Tree{}, "v1:44136fa355b3678a"},
		"scalars":                   {Tree{"display_name": "<a>", "mode": "[ 1 ]", "size": 2.0, "labels": object{"a": "é"}}, "v1:f6ef1d1f6e38b672"},
		"JSON":                      {Tree{"definition": `{"a":1,"b":"<"}`}, "v1:16d03fbec7ffa8e6"},
		"JSON in another form":      {Tree{"definition": "{\"b\": \"\\u003c\",\n\"a\": 1}"}, "v1:16d03fbec7ffa8e6"},
		"text that is no JSON":      {Tree{"definition": `{`}, "v1:364cb8486d10e9db"},
		"no secret":                 {Tree{"cloud": object{"zone_id": "z"}, "steps": []any{object{"image_url": "i"}}}, "v1:afe4510b86fa39a9"},
		"secrets at any depth":      {Tree{"cloud": object{"zone_id": "z", "key": "k"}, "steps": []any{object{"image_url": "i", "login": "p"}}}, "v1:afe4510b86fa39a9"},
		"other secrets":             {Tree{"cloud": object{"zone_id": "z", "key": "l"}, "steps": []any{object{"image_url": "i", "login": "q"}}}, "v1:afe4510b86fa39a9"},
		"fields that are no secret": {Tree{"cloud": object{"zone_id": "y", "key": "k"}}, "v1:31cf12bf0ed90d6c"},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(volumes.Digest(row.desired)).To(Equal(row.want), golden)
		})
	}
	g := NewWithT(t)
	g.Expect(KnownDigest("v1:0123456789abcdef")).To(BeTrue())
	for _, other := range []string{"0123456789abcdef", "v2:0123456789abcdef", "applying", ""} {
		g.Expect(KnownDigest(other)).To(BeFalse(), other)
	}
}

func TestDigestsDifferIfAndOnlyIfTheSpecificationsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		one, other := must(volumes.Declared(anySpec(t, "one"))), must(volumes.Declared(anySpec(t, "other")))
		before := one.Clone()
		digest := volumes.Digest(one)
		g.Expect(KnownDigest(digest)).To(BeTrue())
		g.Expect(volumes.Digest(one.Clone())).To(Equal(digest))
		g.Expect(one).To(Equal(before), "the specification is not modified")
		if equal, _ := Equal(one).Match(other); equal {
			g.Expect(volumes.Digest(other)).To(Equal(digest))
		} else {
			g.Expect(volumes.Digest(other)).NotTo(Equal(digest))
		}
	})
}
