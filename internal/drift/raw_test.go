package drift

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

// odd are values that decoding and encoding may change.
var odd = rapid.SampledFrom([]string{
	`9007199254740993`, `123456789012345678901234567890`, `1e3`, `0.10`, `-0`, `1E+400`, `null`, `{}`, `[]`, `""`, `false`,
	`"<&>"`, `"\u00e9\ud83d"`, `{"a":null,"b":[1e3,{"c":9007199254740993}]}`, `[null,{"z":1,"a":2}]`,
})

// withOdd adds an unknown member to every object of a specification, and records its
// bytes by path. In a map with free keys it is a key that is not declared.
func withOdd(t *rapid.T, raw json.RawMessage, of reflect.Type, path string, added map[string]string) json.RawMessage {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil && of.Kind() == reflect.Slice {
		for i := range list {
			list[i] = withOdd(t, list[i], of.Elem(), path+"/"+strconv.Itoa(i), added)
		}
		return must(encode(list))
	}
	members := objectOf(raw)
	if members == nil {
		return raw
	}
	for name, value := range members {
		if kind := memberType(of, name); kind != nil {
			members[name] = withOdd(t, value, kind, path+"/"+name, added)
		}
	}
	value := odd.Draw(t, path)
	members["odd"], added[path+"/odd"] = json.RawMessage(value), value
	return must(encode(members))
}

func must(raw json.RawMessage, err error) json.RawMessage {
	if err != nil {
		panic(err)
	}
	return raw
}

// bytesAt returns the bytes at a path of members and indices, or "".
func bytesAt(raw json.RawMessage, path string) string {
	for name := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if index, err := strconv.Atoi(name); err == nil {
			var list []json.RawMessage
			if json.Unmarshal(raw, &list) != nil || index >= len(list) {
				return ""
			}
			raw = list[index]
			continue
		}
		raw = objectOf(raw)[name]
	}
	return string(raw)
}

func TestUnknownMembersSurviveAnyCorrection(t *testing.T) {
	t.Run("[case-79]", rapid.MakeCheck(func(t *rapid.T) {
		g := NewWithT(t)
		spec := legalSpec(t, "from")
		requested := mustDesired(t, spec)
		added := map[string]string{}
		raw := withOdd(t, must(encode(requested)), specType, "", added)
		edited := spec.DeepCopy()
		edited.SparkVersion = "15.4.x-scala2.12"
		if edited.ClusterLogConf != nil && edited.ClusterLogConf.DBFS != nil {
			edited.ClusterLogConf.DBFS.Destination = "dbfs:/other"
		}
		if edited.Autoscale != nil {
			edited.Autoscale.MaxWorkers = new(*edited.Autoscale.MaxWorkers + 1)
		}
		edited.SparkConf, edited.InitScripts = map[string]string{"spark.x": "y"}, append(slices.Clone(spec.InitScripts), spec.InitScripts...)
		desired := mustDesired(t, edited)
		observed, err := Observe(wire[compute.ClusterDetails](t, requested), raw)
		g.Expect(err).NotTo(HaveOccurred())
		correction := Correction{Desired: desired, Observed: observed, Differences: Compare(desired, observed).Differences, Owner: Tag{Key: "k", Value: "<v>"}}

		whole, err := Edit("c1", correction)
		g.Expect(err).NotTo(HaveOccurred())
		for path, value := range added {
			g.Expect(bytesAt(whole, path)).To(Equal(value), "edit: %s of %s", path, raw)
		}
		part, mask, err := Update(correction)
		g.Expect(err).NotTo(HaveOccurred())
		for path, value := range added {
			field, _, nested := strings.Cut(strings.TrimPrefix(path, "/"), "/")
			if nested && slices.Contains(strings.Split(mask, ","), field) {
				g.Expect(bytesAt(part, path)).To(Equal(value), "update: %s of %s", path, raw)
			}
		}
		g.Expect(bytesAt(whole, "/spark_version")).To(Equal(`"15.4.x-scala2.12"`))
	}))
}

func TestAMapIsSentWithTheBytesOfTheOtherKeys(t *testing.T) {
	t.Run("[case-79]", func(t *testing.T) {
		g := NewWithT(t)
		observed, err := Observe(&compute.ClusterDetails{}, json.RawMessage(`{"spark_version":"x","spark_conf":{"theirs":"\u003c1\u003e","odd":1e3,"none":null,"ours":"1"}}`))
		g.Expect(err).NotTo(HaveOccurred())
		desired := Tree{"spark_version": "x", "spark_conf": map[string]any{"ours": "<2>"}}
		part, mask, err := Update(Correction{Desired: desired, Observed: observed, Differences: []Difference{{Path: "/spark_conf/ours", Field: "spark_conf"}}})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(mask).To(Equal("spark_conf"))
		g.Expect(string(part)).To(Equal(`{"spark_conf":{"none":null,"odd":1e3,"ours":"<2>","theirs":"\u003c1\u003e"}}`))
	})
}

func TestNothingIsRemovedOrSentIfTheSpecIsUnknown(t *testing.T) {
	for name, spec := range map[string]json.RawMessage{"no spec": nil, "null": json.RawMessage("null"), "empty": json.RawMessage("{}")} {
		t.Run("[case-65] "+name, func(t *testing.T) {
			g := NewWithT(t)
			observed, err := Observe(&compute.ClusterDetails{SparkVersion: "y"}, spec)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(observed.SpecKnown()).To(BeFalse())
			desired, owned := Tree{"spark_version": "x"}, []string{"/sparkConf/a", "/sparkVersion"}
			g.Expect(Removed(owned, desired, observed)).To(BeEmpty())
			g.Expect(MayNeedClearing(owned, desired)).To(BeTrue())
			correction := Correction{Desired: desired, Observed: observed, Differences: Compare(desired, observed).Differences}
			_, _, err = Update(correction)
			g.Expect(err).To(MatchError(ErrSpecUnknown))
			_, err = Edit("c1", correction)
			g.Expect(err).To(MatchError(ErrSpecUnknown))
		})
	}
	g := NewWithT(t)
	_, err := Observe(&compute.ClusterDetails{}, json.RawMessage(`[1]`))
	g.Expect(err).To(HaveOccurred())
}

func TestARemovedValueThatIsNullNeedsNoClearing(t *testing.T) {
	t.Run("[case-62] [case-79]", func(t *testing.T) {
		g := NewWithT(t)
		observed, err := Observe(&compute.ClusterDetails{}, json.RawMessage(`{"spark_version":"x","policy_id":null,"autoscale":null,"num_workers":2}`))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(Removed([]string{"/policyID"}, Tree{}, observed)).To(BeEmpty())
		whole, err := Edit("c1", Correction{Desired: Tree{}, Observed: observed})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(whole)).To(Equal(`{"autoscale":null,"cluster_id":"c1","num_workers":2,"policy_id":null,"spark_version":"x"}`))
	})
}

func TestANormalizedValueIsNotSent(t *testing.T) {
	t.Run("[case-66]", func(t *testing.T) {
		g := NewWithT(t)
		observed, err := Observe(&compute.ClusterDetails{}, json.RawMessage(`{"spark_version":"x","single_user_name":"a@x"}`))
		g.Expect(err).NotTo(HaveOccurred())
		correction := Correction{
			Desired: Tree{"spark_version": "y", "single_user_name": "A@x"}, Observed: observed,
			Differences: []Difference{{Path: "/spark_version", Field: "spark_version", Desired: "y"}},
			Normalized:  []Difference{{Path: "/single_user_name", Field: "single_user_name", Desired: "A@x", Actual: "a@x"}},
		}
		part, mask, err := Update(correction)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(mask).To(Equal("spark_version"))
		g.Expect(string(part)).To(Equal(`{"spark_version":"y"}`))
	})
}
