package sparkversion

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

// keys has keys of all forms in Databricks' reference, SDK, CLI and Terraform provider.
var keys = map[string]Version{
	"16.4.x-scala2.12":                 {Major: 16, Feature: 4, HasFeature: true, Scala: "2.12"},
	"16.4.x-scala2.13":                 {Major: 16, Feature: 4, HasFeature: true, Scala: "2.13"},
	"17.3.x-scala2.13":                 {Major: 17, Feature: 3, HasFeature: true, Scala: "2.13"},
	"15.4.x-scala2.12":                 {Major: 15, Feature: 4, HasFeature: true, Scala: "2.12"},
	"5.0.x-scala2.10":                  {Major: 5, HasFeature: true, Scala: "2.10"},
	"18.x-scala2.13":                   {Major: 18, Scala: "2.13"},
	"7.6.x-gpu-ml-scala2.12":           {Major: 7, Feature: 6, HasFeature: true, Hardware: HardwareGPU, Variant: VariantML, Scala: "2.12"},
	"7.1.x-cpu-ml-scala2.12":           {Major: 7, Feature: 1, HasFeature: true, Hardware: HardwareCPU, Variant: VariantML, Scala: "2.12"},
	"7.1.x-gpu-ml-scala2.12":           {Major: 7, Feature: 1, HasFeature: true, Hardware: HardwareGPU, Variant: VariantML, Scala: "2.12"},
	"5.5.x-cpu-esr-ml-scala2.11":       {Major: 5, Feature: 5, HasFeature: true, Hardware: HardwareCPU, ESR: true, Variant: VariantML, Scala: "2.11"},
	"5.5.x-gpu-esr-ml-scala2.11":       {Major: 5, Feature: 5, HasFeature: true, Hardware: HardwareGPU, ESR: true, Variant: VariantML, Scala: "2.11"},
	"5.5.x-esr-gpu-ml-scala2.11":       {Major: 5, Feature: 5, HasFeature: true, Hardware: HardwareGPU, ESR: true, Variant: VariantML, Scala: "2.11", esrFirst: true},
	"6.4.x-esr-scala2.11":              {Major: 6, Feature: 4, HasFeature: true, ESR: true, Scala: "2.11"},
	"7.3.x-hls-scala2.12":              {Major: 7, Feature: 3, HasFeature: true, Variant: VariantHLS, Scala: "2.12"},
	"9.1.x-photon-scala2.12":           {Major: 9, Feature: 1, HasFeature: true, Photon: true, Scala: "2.12"},
	"10.4.x-aarch64-photon-scala2.12":  {Major: 10, Feature: 4, HasFeature: true, Hardware: HardwareAarch64, Photon: true, Scala: "2.12"},
	"13.2.x-aarch64-scala2.12":         {Major: 13, Feature: 2, HasFeature: true, Hardware: HardwareAarch64, Scala: "2.12"},
	"13.3.x-snapshot-scala2.12":        {Major: 13, Feature: 3, HasFeature: true, Stage: StageSnapshot, Scala: "2.12"},
	"14.x-snapshot-cpu-ml-scala2.12":   {Major: 14, Stage: StageSnapshot, Hardware: HardwareCPU, Variant: VariantML, Scala: "2.12"},
	"5.0.x-rc-gpu-ml-scala2.11":        {Major: 5, HasFeature: true, Stage: StageRC, Hardware: HardwareGPU, Variant: VariantML, Scala: "2.11"},
	"apache-spark-2.4.x-scala2.11":     {Light: true, Major: 2, Feature: 4, HasFeature: true, Scala: "2.11"},
	"custom-9.1.x-photon-scala2.12":    {Custom: true, Major: 9, Feature: 1, HasFeature: true, Photon: true, Scala: "2.12"},
	"9.1.x-cpu-ml-photon-scala2.12":    {Major: 9, Feature: 1, HasFeature: true, Hardware: HardwareCPU, Variant: VariantML, Photon: true, Scala: "2.12"},
	"custom-14.x-snapshot-scala2.12":   {Custom: true, Major: 14, Stage: StageSnapshot, Scala: "2.12"},
	"13.3.x-snapshot-photon-scala2.12": {Major: 13, Feature: 3, HasFeature: true, Stage: StageSnapshot, Photon: true, Scala: "2.12"},
}

func TestParse(t *testing.T) {
	t.Parallel()
	for key, want := range keys {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			got, err := Parse(key)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(want))
			g.Expect(got.String()).To(Equal(key), "String returns the same key")
		})
	}
}

func TestParseFailsForOtherKeys(t *testing.T) {
	t.Parallel()
	for key, special := range map[string]bool{
		"":                                    false,
		"16.4":                                false,
		"16.4.x":                              false,
		"16.4.x-":                             false,
		"-16.4.x-scala2.12":                   false,
		"16.4.x-scala2":                       false,
		"16.4.x-scala3.0":                     false,
		"16.4.x-scala2.12 ":                   false,
		"16.4.x-scala2.12\n":                  false,
		" 16.4.x-scala2.12":                   false,
		"16.4.x-SCALA2.12":                    false,
		"16.4.1-scala2.12":                    false,
		"16.4.1.x-scala2.12":                  false,
		"v16.4.x-scala2.12":                   false,
		"016.4.x-scala2.12":                   false,
		"16.04.x-scala2.12":                   false,
		"99999999999999999999.x-scala2.12":    false,
		"16.4.x--scala2.12":                   false,
		"16.4.x-cpu-scala2.12":                false, // cpu with ml only
		"16.4.x-cpu-hls-scala2.12":            false,
		"16.4.x-ml-gpu-scala2.12":             false, // order
		"16.4.x-photon-ml-scala2.12":          false,
		"16.4.x-gpu-gpu-ml-scala2.12":         false,
		"16.4.x-cpu-gpu-ml-scala2.12":         false,
		"16.4.x-gpu-esr-gpu-ml-scala2.12":     false,
		"16.4.x-quantum-scala2.12":            false,
		"apache-spark-custom-2.4.x-scala2.11": false,
		"dlt:16.4-delta-pipelines":            true,
		"dlt:":                                true,
		"custom:9.1.x-scala2.12":              true,
		"custom:build-of-tuesday":             true,
		"custom-build-of-tuesday":             true,
		"custom-team-9.1.x-scala2.12":         true,
		"auto:latest-lts":                     true,
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			version, err := Parse(key)
			var not *NotUnderstoodError
			g.Expect(errors.As(err, &not)).To(BeTrue())
			g.Expect(version).To(BeZero())
			g.Expect(not.Key).To(Equal(key))
			g.Expect(not.Special).To(Equal(special))
			g.Expect(not).To(MatchError(ContainSubstring("%q", key)))
		})
	}
}

func TestTheMessageOfAKeyThatIsNotUnderstood(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"dlt:16.4":    `"dlt:16.4" is a special image, not a runtime key`,
		"custom-mine": `"custom-mine" is a special image, not a runtime key`,
		"16.4":        `"16.4" is not a runtime key: one looks like 16.4.x-scala2.12 or 16.4.x-cpu-ml-scala2.12`,
	} {
		_, err := Parse(key)
		NewWithT(t).Expect(err).To(MatchError(want))
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"18.x-scala2.13":               "18",
		"16.4.x-gpu-ml-scala2.12":      "16.4",
		"5.0.x-rc-gpu-ml-scala2.11":    "5.0",
		"apache-spark-2.4.x-scala2.11": "2.4",
	} {
		NewWithT(t).Expect(parsed(t, key).Release()).To(Equal(want), key)
	}
}

func TestOlder(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		a, b         string
		older, newer bool
	}{
		{a: "15.4.x-scala2.12", b: "16.4.x-scala2.12", older: true},
		{a: "9.1.x-scala2.12", b: "10.4.x-scala2.12", older: true},
		{a: "16.4.x-scala2.12", b: "16.10.x-scala2.12", older: true},
		{a: "17.3.x-scala2.13", b: "18.x-scala2.13", older: true},
		{a: "18.x-scala2.13", b: "18.1.x-scala2.13"},
		{a: "18.x-scala2.13", b: "18.x-scala2.13"},
		{a: "16.4.x-scala2.12", b: "16.4.x-gpu-ml-scala2.13"},
		{a: "apache-spark-2.4.x-scala2.11", b: "16.4.x-scala2.12"},
	} {
		g := NewWithT(t)
		a, b := parsed(t, row.a), parsed(t, row.b)
		g.Expect(a.Older(b)).To(Equal(row.older), "%s before %s", a, b)
		g.Expect(b.Older(a)).To(Equal(row.newer), "%s before %s", b, a)
	}
}

// versions draws every Version that has a key, and no other.
func versions() *rapid.Generator[Version] {
	return rapid.Custom(func(t *rapid.T) Version {
		v := Version{
			Major:      rapid.IntRange(0, 9999).Draw(t, "major"),
			HasFeature: rapid.Bool().Draw(t, "has feature"),
			Stage:      rapid.SampledFrom([]Stage{StageReleased, StageSnapshot, StageRC}).Draw(t, "stage"),
			Hardware:   rapid.SampledFrom([]Hardware{HardwareAny, HardwareAarch64, HardwareCPU, HardwareGPU}).Draw(t, "hardware"),
			ESR:        rapid.Bool().Draw(t, "esr"),
			Variant:    rapid.SampledFrom([]Variant{VariantStandard, VariantML, VariantHLS}).Draw(t, "variant"),
			Photon:     rapid.Bool().Draw(t, "photon"),
			Scala:      rapid.StringMatching(`2\.1[0-9]`).Draw(t, "scala"),
		}
		if v.HasFeature {
			v.Feature = rapid.IntRange(0, 9999).Draw(t, "feature")
		}
		switch rapid.SampledFrom([]string{"", lightPrefix, customPrefix}).Draw(t, "prefix") {
		case lightPrefix:
			v.Light = true
		case customPrefix:
			v.Custom = true
		}
		if v.Hardware == HardwareCPU {
			v.Variant = VariantML
		}
		if v.ESR && v.Hardware == HardwareGPU {
			v.esrFirst = rapid.Bool().Draw(t, "esr first")
		}
		return v
	})
}

func TestParseIsTheInverseOfString(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		want := versions().Draw(t, "version")
		got, err := Parse(want.String())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got).To(Equal(want))
	})
}

func TestOlderIsAPartialOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		a, b, c := few().Draw(t, "a"), few().Draw(t, "b"), few().Draw(t, "c")
		g.Expect(a.Older(a)).To(BeFalse())
		g.Expect(a.Older(b) && b.Older(a)).To(BeFalse())
		if a.Older(b) && b.Older(c) {
			g.Expect(a.Older(c)).To(BeTrue())
		}
	})
}

// few draws versions that often have the same release.
func few() *rapid.Generator[Version] {
	return rapid.Map(versions(), func(v Version) Version {
		v.Major %= 3
		v.Feature %= 3
		return v
	})
}

func parsed(t *testing.T, key string) Version {
	t.Helper()
	version, err := Parse(key)
	if err != nil {
		t.Fatal(err)
	}
	return version
}
