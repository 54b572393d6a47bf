package sparkversion

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// grammar is the form of a key in Databricks' REST reference, "Runtime version strings",
// and of the keys in its SDK, CLI and Terraform provider. Numbers are short and have no
// leading zeros, so that String returns the same key.
var grammar = regexp.MustCompile(`^` +
	`(apache-spark-|custom-)?` +
	`(0|[1-9]\d{0,3})(?:\.(0|[1-9]\d{0,3}))?\.x` +
	`(?:-(snapshot|rc))?` +
	`(?:(?:-(aarch64|cpu|gpu))?(-esr)?|(-esr-gpu))` +
	`(?:-(ml|hls))?` +
	`(-photon)?` +
	`-scala(2\.1\d)$`)

// NotUnderstoodError reports a key that this package cannot parse. The server may still
// accept it.
type NotUnderstoodError struct {
	Key string
	// Special is set for a special image (dlt:, custom: and others), which no workspace
	// lists.
	Special bool
}

// Error returns a message with examples of valid keys.
func (e *NotUnderstoodError) Error() string {
	if e.Special {
		return fmt.Sprintf("%q is a special image, not a runtime key", e.Key)
	}
	return fmt.Sprintf("%q is not a runtime key: one looks like 16.4.x-scala2.12 or 16.4.x-cpu-ml-scala2.12", e.Key)
}

// Parse parses a runtime key. It fails with a *NotUnderstoodError.
func Parse(key string) (Version, error) {
	match := grammar.FindStringSubmatch(key)
	if match == nil {
		special := strings.Contains(key, ":") || strings.HasPrefix(key, customPrefix)
		return Version{}, &NotUnderstoodError{Key: key, Special: special}
	}
	prefix, major, feature := match[1], match[2], match[3]
	stage, hardware, esr, esrGPU := match[4], match[5], match[6], match[7]
	variant, photon, scala := match[8], match[9], match[10]

	version := Version{
		Light:      prefix == lightPrefix,
		Custom:     prefix == customPrefix,
		Major:      number(major),
		Feature:    number(feature),
		HasFeature: feature != "",
		Stage:      Stage(stage),
		Hardware:   Hardware(hardware),
		ESR:        esr != "" || esrGPU != "",
		Variant:    Variant(variant),
		Photon:     photon != "",
		Scala:      scala,
		esrFirst:   esrGPU != "",
	}
	if version.esrFirst {
		version.Hardware = HardwareGPU
	}
	if version.Hardware == HardwareCPU && !version.ML() {
		// The reference says "cpu: CPU version (with -ml only)".
		return Version{}, &NotUnderstoodError{Key: key}
	}
	return version, nil
}

// number returns the value of up to four digits, or 0 for an empty string. The grammar
// has checked the digits.
func number(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}
