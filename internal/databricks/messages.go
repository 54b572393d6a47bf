package databricks

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// This file has the known messages of Databricks. A message may quote the request, so a
// pattern counts only if the error code is absent or generic, at the beginning of the
// message, and if the request does not contain the text.

// messagePattern is a message with a known meaning.
type messagePattern struct {
	pattern *regexp.Regexp
	// applies reports whether the pattern counts in a response with this status.
	applies func(status int, apiErr apiError) bool
	class   func(request) Class
}

const javaPackage = `(?:com\.databricks\.[\w.]+\.)?`

var messagePatterns = []messagePattern{
	{
		// The workspace is new. The request had no effect.
		pattern: regexp.MustCompile(`^(?:Worker environment not ready|` +
			javaPackage + `UnknownWorkerEnvironmentException\b|` +
			`There is no worker environment with id\b|Unknown worker environment\b|worker env \S+ not found|` +
			javaPackage + `ClusterNotReadyException\b)`),
		applies: notAboutCredentials, class: always(ClassTransient),
	},
	{
		// A timeout behind the server that responded. The request may have had an effect.
		pattern: regexp.MustCompile(`^(?:Timed out after \d|(?:context )?deadline exceeded)`),
		applies: func(_ int, apiErr apiError) bool { return apiErr.json }, class: request.unknownOutcome,
	},
	{
		pattern: regexp.MustCompile(`(?i)^(?:invalid access token\b|(?:the |access |your )*token (?:is|has) expired\b)`),
		applies: func(status int, _ apiError) bool { return status == http.StatusForbidden }, class: always(ClassUnauthenticated),
	},
	{
		// An unknown user, group or service principal in a request for permissions.
		pattern: regexp.MustCompile(`^Principal: \w+\([^()]*\) does not exist`),
		applies: func(status int, _ apiError) bool { return status < http.StatusInternalServerError }, class: always(ClassInvalid),
	},
}

func always(class Class) func(request) Class { return func(request) Class { return class } }

// notAboutCredentials reports whether a message may be about the workspace: the status
// is not that of a refused credential, and the text is not that of a proxy.
func notAboutCredentials(status int, apiErr apiError) bool {
	return status != http.StatusUnauthorized && status != http.StatusForbidden &&
		(apiErr.json || apiErr.markup || status >= http.StatusInternalServerError)
}

var (
	// noWorkerEnvironments also has the code INVALID_PARAMETER_VALUE.
	noWorkerEnvironments = regexp.MustCompile(`^Current organization \S+ does not have any associated worker environments`)
	// takenName is about the name of an item, which it quotes.
	takenName           = regexp.MustCompile(`(?is)^(?:\w+ ){1,3}with name .* already exists`)
	clusterDoesNotExist = regexp.MustCompile(`^Cluster \S+ does not exist`)
	// rateWords distinguish a limit on requests from a limit on resources, which have the
	// same codes.
	rateWords = regexp.MustCompile(`(?i)token bucket|rate limit|too many requests|throttl|requests? per`)
	quotaWord = regexp.MustCompile(`(?i)\bquota\b`)
	// wrappedCode is a code at the beginning of the message of a generic code.
	wrappedCode = regexp.MustCompile(`^(?:` + codeFeatureDisabled + `|` + codeRequestLimitExceeded + `)\b`)
	// numericCode is a code that repeats the status.
	numericCode = regexp.MustCompile(`^(?:SCIM_)?\d+$`)
)

// isGeneric reports whether a code has no more information than the status.
func isGeneric(code string) bool {
	return code == "" || code == codeInternalError || code == codeUnknown || numericCode.MatchString(code)
}

// codeOf returns the code of a response, or the code that a generic code wraps.
func (r request) codeOf(apiErr apiError) string {
	if isGeneric(apiErr.code) && r.matchesUnquoted(wrappedCode, apiErr.message) {
		return wrappedCode.FindString(apiErr.message)
	}
	return apiErr.code
}

// classifyMessage returns the class of a known message.
func (r request) classifyMessage(status int, apiErr apiError) (class Class, known bool) {
	if (isGeneric(apiErr.code) || apiErr.code == codeInvalidParameter) &&
		notAboutCredentials(status, apiErr) && r.matchesUnquoted(noWorkerEnvironments, apiErr.message) {
		return ClassTransient, true
	}
	if !isGeneric(apiErr.code) {
		return "", false
	}
	for _, known := range messagePatterns {
		if known.applies(status, apiErr) && r.matchesUnquoted(known.pattern, apiErr.message) {
			return known.class(r), true
		}
	}
	return "", false
}

// clusterIsMissing reports whether a message says that the cluster of the request does
// not exist. It compares the id, because "Cluster policy P does not exist" is about
// another resource.
func (r request) clusterIsMissing(message string) bool {
	sentence := "Cluster " + r.clusterID + " does not exist"
	return strings.HasPrefix(message, sentence) && !r.contains(sentence)
}

// itemIsMissing reports whether a message says that the item of the request does not
// exist.
func (r request) itemIsMissing(message string) bool {
	sentence := r.collection.missing + r.itemID + "."
	return strings.HasPrefix(message, sentence) && !r.contains(sentence)
}

// matchesUnquoted reports whether the pattern matches a part of text that the request
// does not contain.
func (r request) matchesUnquoted(pattern *regexp.Regexp, text string) bool {
	for _, match := range pattern.FindAllString(text, -1) {
		if !r.contains(match) {
			return true
		}
	}
	return false
}

// contains reports whether a key or value of the request's body contains a text.
func (r request) contains(text string) bool {
	var body any
	if len(r.body) == 0 || json.Unmarshal(r.body, &body) != nil {
		return false
	}
	return anyText(body, func(word string) bool { return strings.Contains(strings.ToLower(word), strings.ToLower(text)) })
}

// anyText reports whether a key or value of a decoded JSON document meets a condition.
func anyText(document any, meets func(string) bool) bool {
	switch value := document.(type) {
	case string:
		return meets(value)
	case []any:
		for _, item := range value {
			if anyText(item, meets) {
				return true
			}
		}
	case map[string]any:
		for key, item := range value {
			if meets(key) || anyText(item, meets) {
				return true
			}
		}
	}
	return false
}
