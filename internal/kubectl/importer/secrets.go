package importer

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// reservedTags are the custom tags that users may not set.
var reservedTags = []string{"Vendor", "Creator", "ClusterId", "ClusterName", "Name"}

// withoutReservedTags leaves out the tags that the resource refuses.
func (d *draft) withoutReservedTags() {
	tags, _ := d.fields["customTags"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		if slices.Contains(reservedTags, name) || strings.HasPrefix(strings.ToLower(name), "databricks-operator") {
			delete(tags, name)
			d.note("/customTags/"+escaped(name), "the tag is reserved; the cluster keeps it")
		}
	}
	if tags != nil && len(tags) == 0 {
		delete(d.fields, "customTags")
	}
}

var (
	// secretName matches the names of properties that hold a secret.
	secretName = regexp.MustCompile(`(?i)(passw(or)?d|secret|token|credential|(private|access|api|account|sas)[._-]?key|(^|[._-])pat$)`)
	// fixedName matches the names among these that hold a class, a place or a switch.
	fixedName = regexp.MustCompile(`(?i)(provider|class|type|endpoint|enabled|path|file|scope|arn|id|url|uri|length|expir\w*|ttl|timeout)$`)
	// secretValue matches values that are a secret under any name: tokens, keys, and
	// addresses with a password.
	secretValue = regexp.MustCompile(`(?i)(dapi[0-9a-f]{32}|\bAKIA[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY|` +
		`\b(password|pwd|accountkey|sharedaccesskey)=[^{\s;&]|://[^/@\s:]+:[^/@\s{]+@|\bgh[pousr]_[0-9A-Za-z]{20,}|\beyJ[0-9A-Za-z_-]{10,}\.)`)
	// vaulted matches values that are references to a secret scope, with nothing else.
	vaulted = regexp.MustCompile(`^\s*\{\{\s*secrets/[^}]*\}\}\s*$`)
)

// withoutPlainSecrets leaves out properties whose values look like secrets, so that no
// secret gets into a repository. Properties are owned one by one, so the cluster keeps
// those that are left out.
func (d *draft) withoutPlainSecrets() {
	for _, field := range []string{"sparkConf", "sparkEnvVars"} {
		properties, _ := d.fields[field].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			value, _ := properties[name].(string)
			if !looksSecret(name, value) {
				continue
			}
			delete(properties, name)
			d.note("/"+field+"/"+escaped(name), "its value looks like a secret in plain text; the cluster keeps it. "+
				"To own it, put the value into a secret scope and declare {{secrets/<scope>/<key>}}")
		}
		if properties != nil && len(properties) == 0 {
			delete(d.fields, field)
		}
	}
}

// looksSecret reports whether a property probably holds a secret in plain text.
func looksSecret(name, value string) bool {
	if vaulted.MatchString(value) || value == "" {
		return false
	}
	if secretValue.MatchString(value) {
		return true
	}
	isWord := value == "true" || value == "false"
	return secretName.MatchString(name) && !fixedName.MatchString(name) && !isWord
}

// propertyLimits are the maximum lengths of the names and values of the maps of the resource.
var propertyLimits = map[string]struct{ name, value int }{
	"sparkConf":    {256, 2048},
	"sparkEnvVars": {256, 4096},
	"customTags":   {127, 255},
}

// withoutLongProperties leaves out the properties that are longer than the resource allows,
// which would otherwise refuse the whole map.
func (d *draft) withoutLongProperties() {
	for _, field := range slices.Sorted(maps.Keys(propertyLimits)) {
		properties, _ := d.fields[field].(map[string]any)
		limit := propertyLimits[field]
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			value, _ := properties[name].(string)
			if utf8.RuneCountInString(name) > limit.name || utf8.RuneCountInString(value) > limit.value {
				delete(properties, name)
				d.note("/"+field+"/"+escaped(shown(name)), "it is longer than this resource allows; the cluster keeps it")
			}
		}
		if properties != nil && len(properties) == 0 {
			delete(d.fields, field)
		}
	}
}

// escaped returns a name as a part of a JSON Pointer.
func escaped(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }
