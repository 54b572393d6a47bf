package sparkversion

import (
	"strconv"
	"strings"
)

// Stage is the stage of a runtime before its release.
type Stage string

// The stages before a release; a released runtime has none.
const (
	StageReleased Stage = ""
	StageSnapshot Stage = "snapshot"
	StageRC       Stage = "rc"
)

// Hardware is the hardware that a runtime key requires.
type Hardware string

// The kinds of hardware; most keys require none.
const (
	HardwareAny     Hardware = ""
	HardwareAarch64 Hardware = "aarch64"
	HardwareCPU     Hardware = "cpu"
	HardwareGPU     Hardware = "gpu"
)

// Variant is a set of additional libraries of a runtime.
type Variant string

// The variants; a standard runtime has none. hls is genomics.
const (
	VariantStandard Variant = ""
	VariantML       Variant = "ml"
	VariantHLS      Variant = "hls"
)

// Version is a parsed runtime key. It is comparable: equal versions have the same key.
// The key does not show whether a release is LTS or Beta.
type Version struct {
	// Light is set for an apache-spark- key, which has the release number of Spark.
	Light bool
	// Custom is set for a custom- key, an image that is based on the release.
	Custom bool

	Major int
	// Feature is the second number. It is valid if HasFeature is set; 18.x has none.
	Feature    int
	HasFeature bool

	Stage    Stage
	Hardware Hardware
	// ESR is set for an extended support release.
	ESR     bool
	Variant Variant
	// Photon is set if the key contains photon. Since runtime 14, runtime_engine selects
	// Photon instead.
	Photon bool
	// Scala is the version of Scala, such as 2.12.
	Scala string

	// esrFirst is set if esr comes before gpu, as in the reference. Other keys have the
	// hardware first.
	esrFirst bool
}

const (
	lightPrefix  = "apache-spark-"
	customPrefix = "custom-"
)

// String returns the key, exactly as it was parsed.
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

// Release returns the number of the release, such as 16.4 or 18. For a Light runtime it
// is that of Spark.
func (v Version) Release() string {
	if !v.HasFeature {
		return strconv.Itoa(v.Major)
	}
	return strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Feature)
}

// ML reports whether the runtime is for machine learning.
func (v Version) ML() bool { return v.Variant == VariantML }

// GPU reports whether the runtime needs nodes with GPUs.
func (v Version) GPU() bool { return v.Hardware == HardwareGPU }

// Older reports whether v was certainly released before other. It is false if the order
// is unknown: 18.x may be any 18, and Light has other release numbers.
func (v Version) Older(other Version) bool {
	return v.Light == other.Light &&
		(v.Major < other.Major || v.Major == other.Major && v.HasFeature && v.Feature < other.Feature)
}

// photonInKeysEnded is the first release of which the keys do not contain Photon and the
// architecture. runtime_engine and the node type determine them.
const photonInKeysEnded = 14

// obsolete reports whether the release no longer has keys of this form.
func (v Version) obsolete() bool {
	return v.Major >= photonInKeysEnded && (v.Photon || v.Hardware == HardwareAarch64)
}

// plain returns the runtime without the parts that runtime_engine and the node type
// determine.
func (v Version) plain() Version {
	v.Photon = false
	if v.Hardware == HardwareAarch64 {
		v.Hardware = HardwareAny
	}
	return v
}

// withoutGPU returns the same runtime for nodes without GPUs.
func (v Version) withoutGPU() Version {
	v.esrFirst = false
	v.Hardware = HardwareAny
	if v.ML() {
		v.Hardware = HardwareCPU
	}
	return v
}
