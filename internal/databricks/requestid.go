package databricks

import (
	"regexp"
	"strings"
)

// This file removes request ids from messages, so that a condition with the message of a
// repeated failure does not change.

const (
	idLabel = `(?:(?:x|ms|aws|amzn|azure|client|service|databricks)[ _-])*(?:request|req|trace|span|correlation|activity|error|incident|support)[ _-]?id`
	// quoteMark is a quotation mark that may be escaped.
	quoteMark  = `\\*["']`
	quotedID   = quoteMark + `[^"']*` + quoteMark
	bareID     = `[^\s"'\\,;(){}<>\[\]]*[^\s"'\\,;.:(){}<>\[\]]`
	explicitID = `(?:` + quoteMark + idLabel + quoteMark + `|\b` + idLabel + `)(?:\s*is)?\s*[:=#]\s*(?:` + quotedID + `|` + bareID + `)`
	// impliedID has no separator, so its value must look like an id.
	impliedID = `\b` + idLabel + `\s+(?:is\s+)?(?:` + quotedID + `|[\w-]*\d[\w-]*|\w+(?:-\w+)+)`
	timestamp = `\btimestamp\s*[:=]\s*\d{4}-\d\d-\d\d[t ][\d:.]+(?:z|[+-][\d:]+)?`
	// traceparent is a header of W3C Trace Context.
	traceparent = `(?:\btraceparent\s*[:=]?\s*)?\b[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\b`
)

var (
	volatile = regexp.MustCompile(`(?i)(?:\b(?:with|for|under|and|the)\s+)*(?:` +
		traceparent + `|` + explicitID + `|` + impliedID + `|` + timestamp + `)`)
	emptyBrackets  = regexp.MustCompile(`[(\[{<][\s,;:]*[)\]}>]`)
	spaceBeforeEnd = regexp.MustCompile(`\s+([.,;:)\]}])`)
	repeatedMark   = regexp.MustCompile(`([,;:])(?:\s*[,;:])+`)
	markBeforeEnd  = regexp.MustCompile(`[,;:]\s*([.)\]}])`)
)

// withoutRequestIDs removes request and trace ids, and the punctuation that they
// leave behind, from a text of one line.
func withoutRequestIDs(text string) string {
	stripped := volatile.ReplaceAllString(text, "")
	if stripped == text {
		return text
	}
	stripped = emptyBrackets.ReplaceAllString(stripped, "")
	stripped = repeatedMark.ReplaceAllString(stripped, "$1")
	stripped = markBeforeEnd.ReplaceAllString(stripped, "$1")
	stripped = spaceBeforeEnd.ReplaceAllString(stripped, "$1")
	return strings.TrimRight(strings.Join(strings.Fields(stripped), " "), " ,;:-")
}
