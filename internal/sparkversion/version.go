package sparkversion

import (
	"strconv"
	"strings"
)

// Stage is how far a runtime is from its release.
type Stage string

// The stages before a release; a released runtime has none.
const (
	StageReleased Stage = ""
	StageSnapshot Stage = "snapshot"
	StageRC       Stage = "rc"
)

// Hardware is what a runtime was built for, where its key says so.
type Hardware string

// The kinds of hardware; most keys name none.
const (
	HardwareAny     Hardware = ""
	HardwareAarch64 Hardware = "aarch64"
	HardwareCPU     Hardware = "cpu"
	HardwareGPU     Hardware = "gpu"
)

// Variant is what a runtime brings along.
type Variant string

// The variants; a standard runtime has none. hls is genomics.
const (
	VariantStandard Variant = ""
	VariantML       Variant = "ml"
	VariantHLS      Variant = "hls"
)

// Version is what a runtime key says. It is comparable: equal versions have the
// same key. Whether a release is LTS or Beta is in its name, not in its key.
type Version struct {
	// Light: an apache-spark- key, whose release is Spark's own.
	Light bool
	// Custom: a custom- key, an image made from the release that follows.
	Custom bool

	Major int
	// Feature is the second number, if HasFeature: 18.x has none.
	Feature    int
	HasFeature bool

	Stage    Stage
	Hardware Hardware
	// ESR: extended support.
	ESR     bool
	Variant Variant
	// Photon: named in the key. Since runtime 14 runtime_engine says it instead.
	Photon bool
	// Scala is the version of Scala, such as 2.12.
	Scala string

	// esrFirst: esr stands before gpu, as the reference has it; keys that were
	// seen have the hardware first.
	esrFirst bool
}

const (
	lightPrefix  = "apache-spark-"
	customPrefix = "custom-"
)

// String is the key, exactly as it was parsed.
func (v Version) String() string {
	words := []string{v.Release() + ".x", string(v.Stage)}
	if v.esrFirst {
		words = append(words, mark(v.ESR, "esr"), string(v.Hardware))
	} else {
		words = append(words, string(v.Hardware), mark(v.ESR, "esr"))
	}
	words = append(words, string(v.Variant), mark(v.Photon, "photon"), "scala"+v.Scala)

	var key strings.Builder
	key.WriteString(mark(v.Light, lightPrefix))
	key.WriteString(mark(v.Custom, customPrefix))
	for i, word := range words {
		if i > 0 && word != "" {
			key.WriteByte('-')
		}
		key.WriteString(word)
	}
	return key.String()
}

func mark(set bool, word string) string {
	if !set {
		return ""
	}
	return word
}

// Release is the number of the release, such as 16.4 or 18. Of a Light runtime
// it is Spark's.
func (v Version) Release() string {
	if !v.HasFeature {
		return strconv.Itoa(v.Major)
	}
	return strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Feature)
}

// ML reports whether the runtime is one for machine learning.
func (v Version) ML() bool { return v.Variant == VariantML }

// GPU reports whether the runtime needs nodes with GPUs.
func (v Version) GPU() bool { return v.Hardware == HardwareGPU }

// Older reports whether v was certainly released before other. It is false
// where that cannot be told: 18.x may be any 18, and Light counts otherwise.
func (v Version) Older(other Version) bool {
	switch {
	case v.Light != other.Light:
		return false
	case v.Major != other.Major:
		return v.Major < other.Major
	default:
		return v.HasFeature && other.HasFeature && v.Feature < other.Feature
	}
}

// photonInKeysEnded is the release since which Photon and the architecture are
// not in keys any more: runtime_engine and the node type say them.
const photonInKeysEnded = 14

// obsolete reports whether keys of this form ended before this release.
func (v Version) obsolete() bool {
	return v.Major >= photonInKeysEnded && (v.Photon || v.Hardware == HardwareAarch64)
}

// plain is the runtime without what runtime_engine and the node type can say.
func (v Version) plain() Version {
	v.Photon = false
	if v.Hardware == HardwareAarch64 {
		v.Hardware = HardwareAny
	}
	return v
}

// withoutGPU is the same runtime for nodes without GPUs.
func (v Version) withoutGPU() Version {
	v.esrFirst = false
	v.Hardware = HardwareAny
	if v.ML() {
		v.Hardware = HardwareCPU
	}
	return v
}
