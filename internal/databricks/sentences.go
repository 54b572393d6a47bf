package databricks

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// This file holds the known sentences of Databricks' errors. A message quotes the
// request, so a sentence counts only where the error code is absent or generic,
// at the beginning of the message, and if the request did not contain it.

// sentence is a message whose meaning is known.
type sentence struct {
	pattern *regexp.Regexp
	// applies reports whether the sentence counts in an answer of this status.
	applies func(status int, said apiError) bool
	class   func(request) Class
}

const javaPackage = `(?:com\.databricks\.[\w.]+\.)?`

var sentences = []sentence{
	{
		// The workspace is new. No such request had an effect.
		pattern: regexp.MustCompile(`^(?:Worker environment not ready|` +
			javaPackage + `UnknownWorkerEnvironmentException\b|` +
			`There is no worker environment with id\b|Unknown worker environment\b|worker env \S+ not found|` +
			javaPackage + `ClusterNotReadyException\b)`),
		applies: notAboutCredentials, class: always(ClassTransient),
	},
	{
		// Behind the server that answered, perhaps after the effect.
		pattern: regexp.MustCompile(`^(?:Timed out after \d|(?:context )?deadline exceeded)`),
		applies: func(_ int, said apiError) bool { return said.json }, class: request.unclear,
	},
	{
		pattern: regexp.MustCompile(`(?i)^(?:invalid access token\b|(?:the |access |your )*token (?:is|has) expired\b)`),
		applies: func(status int, _ apiError) bool { return status == http.StatusForbidden }, class: always(ClassUnauthenticated),
	},
	{
		// A user, group or service principal of a request for permissions.
		pattern: regexp.MustCompile(`^Principal: \w+\([^()]*\) does not exist`),
		applies: func(status int, _ apiError) bool { return status < http.StatusInternalServerError }, class: always(ClassInvalid),
	},
}

func always(class Class) func(request) Class { return func(request) Class { return class } }

// notAboutCredentials keeps the status of a refused credential, and the text of a
// proxy, from being read as one of the workspace.
func notAboutCredentials(status int, said apiError) bool {
	return status != http.StatusUnauthorized && status != http.StatusForbidden &&
		(said.json || said.markup || status >= http.StatusInternalServerError)
}

var (
	// noWorkerEnvironments comes with INVALID_PARAMETER_VALUE too.
	noWorkerEnvironments = regexp.MustCompile(`^Current organization \S+ does not have any associated worker environments`)
	clusterDoesNotExist  = regexp.MustCompile(`^Cluster \S+ does not exist`)
	// rateWords distinguish a limit on requests from one on resources, which share codes.
	rateWords = regexp.MustCompile(`(?i)token bucket|rate limit|too many requests|throttl|requests? per`)
	quotaWord = regexp.MustCompile(`(?i)\bquota\b`)
	// innerCode is a code that INTERNAL_ERROR and its like wrap.
	innerCode = regexp.MustCompile(`^(?:` + codeFeatureDisabled + `|` + codeRequestLimitExceeded + `)\b`)
	// number is a code that repeats the status.
	number = regexp.MustCompile(`^(?:SCIM_)?\d+$`)
)

// isGeneric reports whether a code says no more than the status does.
func isGeneric(code string) bool {
	return code == "" || code == codeInternalError || code == codeUnknown || number.MatchString(code)
}

// codeOf returns the code of an answer, or the one that a generic code wraps.
func (r request) codeOf(said apiError) string {
	if isGeneric(said.code) && r.proves(innerCode, said.message) {
		return innerCode.FindString(said.message)
	}
	return said.code
}

// classifySentence returns the class of a known sentence.
func (r request) classifySentence(status int, said apiError) (class Class, known bool) {
	if (isGeneric(said.code) || said.code == codeInvalidParameter) &&
		notAboutCredentials(status, said) && r.proves(noWorkerEnvironments, said.message) {
		return ClassTransient, true
	}
	if !isGeneric(said.code) {
		return "", false
	}
	for _, known := range sentences {
		if known.applies(status, said) && r.proves(known.pattern, said.message) {
			return known.class(r), true
		}
	}
	return "", false
}

// saysItselfMissing wants the request's own id: "Cluster policy P does not exist"
// is about another resource.
func (r request) saysItselfMissing(message string) bool {
	sentence := "Cluster " + r.clusterID + " does not exist"
	return strings.HasPrefix(message, sentence) && !r.contains(sentence)
}

// proves reports whether text matches the pattern in words that the request did
// not contain.
func (r request) proves(pattern *regexp.Regexp, text string) bool {
	for _, match := range pattern.FindAllString(text, -1) {
		if !r.contains(match) {
			return true
		}
	}
	return false
}

// contains reports whether a text stands in a key or value of the request's body.
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
