package databricks

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// minHiddenBytes is the length, in bytes, from which a value of a request is hidden. A
// shorter value also occurs in ordinary words.
const minHiddenBytes = 4

// maxPlainNumber is the length, in bytes, up to which a number is no secret.
const maxPlainNumber = 8

// secretMembers are the members of a request that may hold secrets, each with the
// condition for a secret value. TestRedactionCoversTheSecretsOfTheTable of internal/drift
// compares them with the table of fields.
var secretMembers = map[string]func(value string) bool{
	"basic_auth":                anyValue,
	"log_analytics_primary_key": anyValue,
	"spark_conf":                isSecretSetting,
	"spark_env_vars":            isSecretSetting,
}

// definitionMembers are the members of a policy that hold a definition: a text with a JSON
// object of rules by the path of an attribute, such as spark_conf.spark.url.
var definitionMembers = map[string]bool{"definition": true, "policy_family_definition_overrides": true}

// ruleValues are the members of a rule that hold values of the attribute.
var ruleValues = []string{"value", "defaultValue", "values", "pattern"}

// hiddenValues returns the values of a JSON body that no text may contain. The longest
// is first, so that a value that contains another one is redacted as a whole.
func hiddenValues(body []byte) []string {
	var document any
	if len(body) == 0 || json.Unmarshal(body, &document) != nil {
		return nil
	}
	var values []string
	collectHidden(document, &values)
	slices.SortFunc(values, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(values)
}

func collectHidden(document any, values *[]string) {
	switch document := document.(type) {
	case []any:
		for _, item := range document {
			collectHidden(item, values)
		}
	case map[string]any:
		for key, item := range document {
			text, isText := item.(string)
			switch isSecret, found := secretMembers[key]; {
			case found:
				collectTexts(item, values, isSecret)
			case isText && definitionMembers[key]:
				collectRules(text, values)
			default:
				collectHidden(item, values)
			}
		}
	}
}

// collectRules adds the values of the rules of a definition for attributes that may hold
// secrets.
func collectRules(definition string, values *[]string) {
	var rules map[string]any
	if json.Unmarshal([]byte(definition), &rules) != nil {
		return
	}
	for path, rule := range rules {
		rule, _ := rule.(map[string]any)
		for attribute := range strings.SplitSeq(path, ".") {
			isSecret, found := secretMembers[attribute]
			for _, member := range ruleValues {
				if found {
					collectTexts(rule[member], values, isSecret)
				}
			}
		}
	}
}

// collectTexts adds every string in document that meets the condition.
func collectTexts(document any, values *[]string, meets func(string) bool) {
	switch document := document.(type) {
	case string:
		text := strings.TrimLeft(strings.TrimSpace(document), `\`)
		if len(singleLine(strings.ReplaceAll(text, `\`, ""))) >= minHiddenBytes && meets(text) {
			*values = append(*values, text)
		}
	case []any:
		for _, item := range document {
			collectTexts(item, values, meets)
		}
	case map[string]any:
		for _, item := range document {
			collectTexts(item, values, meets)
		}
	}
}

var plainNumber = regexp.MustCompile(`^[-+]?\d+(?:\.\d+)?$`)

func anyValue(string) bool { return true }

// isSecretSetting reports whether a setting may be a secret: it is not a boolean and not
// a short number.
func isSecretSetting(value string) bool {
	_, err := strconv.ParseBool(value)
	isPlain := len(value) <= maxPlainNumber && plainNumber.MatchString(value)
	return err != nil && !isPlain
}

// redactQuotes redacts the values in a text of one line, unescaped or escaped as JSON
// any number of times.
func redactQuotes(text string, values []string) string {
	for _, value := range values {
		text = redactQuote(text, value)
	}
	return text
}

func redactQuote(text, value string) string {
	var out strings.Builder
	for at := 0; at < len(text); {
		if length := quoteLength(text[at:], value); length > 0 {
			out.WriteString(redacted)
			at += length
			continue
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		out.WriteString(text[at : at+size])
		at += size
	}
	return out.String()
}

// quoteLength returns the length of the quote of value at the beginning of text, or 0 if
// there is none. It ignores backslashes on both sides, because each escaping multiplies
// them. A quote that is truncated by the end of text or an ellipsis counts if it has
// minSecretPrefix bytes.
func quoteLength(text, value string) int {
	at, done := 0, 0
	for done < len(value) {
		r, size := utf8.DecodeRuneInString(value[done:])
		switch {
		case r == '\\':
			done++
			continue
		case isBlank(r):
			at += blankLength(text[at:])
			done += size
			continue
		}
		length := runeLength(text[at:], r)
		if length == 0 {
			if done >= minSecretPrefix && isTruncated(text[at:]) {
				return at
			}
			return 0
		}
		at += length
		done += size
	}
	return at
}

// isBlank reports whether singleLine replaces or removes a rune.
func isBlank(r rune) bool { return unicode.IsSpace(r) || r == utf8.RuneError || !unicode.IsPrint(r) }

var blank = regexp.MustCompile(`^(?: |\\+(?:[ntrfbv]|u00[01][0-9a-fA-F]|u007[fF]|u2028|u2029|u[fF]{3}[dD]))*`)

// blankLength returns the length of the space and the escaped control characters at the
// beginning of text.
func blankLength(text string) int { return len(blank.FindString(text)) }

// runeLength returns the length of a rune, which may be escaped, at the beginning of
// text, or 0 if text begins with another rune.
func runeLength(text string, r rune) int {
	escaped := strings.TrimLeft(text, `\`)
	skipped := len(text) - len(escaped)
	if skipped > 0 {
		if length := unicodeEscapeLength(escaped, r); length > 0 {
			return skipped + length
		}
	}
	found, size := utf8.DecodeRuneInString(escaped)
	if found != r || size == 0 {
		return 0
	}
	return skipped + size
}

// unicodeEscapeLength returns the length of a rune's \u escape, without its first
// backslash, at the beginning of text, or 0 if there is none.
func unicodeEscapeLength(text string, r rune) int {
	length := 0
	for _, unit := range utf16.AppendRune(nil, r) {
		rest := strings.TrimLeft(text[length:], `\`)
		length = len(text) - len(rest)
		if len(rest) < len("u0000") || rest[0] != 'u' {
			return 0
		}
		number, err := strconv.ParseUint(rest[1:5], 16, 16)
		if err != nil || number != uint64(unit) {
			return 0
		}
		length += len("u0000")
	}
	return length
}

// isTruncated reports whether the rest of a text shows that the text was truncated: it
// is empty or an ellipsis.
func isTruncated(text string) bool {
	return text == "" || strings.HasPrefix(text, "...") || strings.HasPrefix(text, "…")
}
