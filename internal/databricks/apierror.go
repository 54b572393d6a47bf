package databricks

import (
	"cmp"
	"encoding/json"
	"html"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// apiError is the content of an error body, in any of the formats of Databricks'
// services. The texts are not yet cleaned.
type apiError struct {
	code, message string
	// retryDelay is the delay of google.rpc.RetryInfo.
	retryDelay time.Duration
	// quotaFailure is set if the details have a google.rpc.QuotaFailure.
	quotaFailure bool
	// json is set if the body is a JSON object, and markup if it is HTML or XML.
	json, markup bool
	// typed is set if the JSON has a key that only Databricks' services use.
	typed bool
}

// fromDatabricks reports whether the workspace itself wrote the body. With a 5xx
// status, a JSON object that only has a message may be from a proxy.
func (e *apiError) fromDatabricks(status int) bool {
	if e.json {
		return e.typed || e.message != "" && status < http.StatusInternalServerError
	}
	_, known := classOfCode[e.code]
	return !e.markup && (known || unknownOutcomeCodes[e.code] || strings.Contains(e.code, "_"))
}

var (
	preformatted = regexp.MustCompile(`(?is)<pre[^>]*>(.*?)</pre>`)
	codeAndText  = regexp.MustCompile(`(?s)^([A-Z][A-Z0-9_]+): (.*)$`)
)

// parseAPIError parses an error body. A body in no known format is the message.
func parseAPIError(body []byte) apiError {
	text := strings.TrimSpace(string(body))
	var fields map[string]json.RawMessage
	switch {
	case json.Unmarshal(body, &fields) == nil && fields != nil:
		return parseJSONError(fields)
	case isMarkup(body):
		apiErr := apiError{markup: true, message: "the host responded with a web page"}
		if match := preformatted.FindStringSubmatch(text); match != nil {
			apiErr.message = strings.TrimSpace(html.UnescapeString(match[1]))
		}
		return apiErr
	}
	if match := codeAndText.FindStringSubmatch(text); match != nil {
		return apiError{code: match[1], message: match[2]}
	}
	return apiError{message: text}
}

// parseJSONError parses the formats of the REST APIs, API 1.2, SCIM and OAuth, which
// differ only in their keys.
func parseJSONError(fields map[string]json.RawMessage) apiError {
	apiErr := apiError{json: true, typed: scalar(fields["error_code"]) != "" || scalar(fields["error"]) != "" || fields["scimType"] != nil}
	apiErr.code = scalar(fields["error_code"])
	apiErr.message = cmp.Or(scalar(fields["message"]), scalar(fields["error_description"]), scalar(fields["detail"]))
	switch text := scalar(fields["error"]); {
	case text == "":
	case apiErr.message == "":
		apiErr.message = text
	case apiErr.code == "":
		apiErr.code = text
	}
	if status := scalar(fields["status"]); apiErr.code == "" && fields["detail"] != nil && status != "" {
		apiErr.code, apiErr.typed = "SCIM_"+status, true
	}
	apiErr.readDetails(fields["details"])
	return apiErr
}

// readDetails reads the known types of google.rpc details and ignores the others.
func (e *apiError) readDetails(raw json.RawMessage) {
	var details []json.RawMessage
	if json.Unmarshal(raw, &details) != nil {
		return
	}
	for _, detail := range details {
		var fields map[string]json.RawMessage
		if json.Unmarshal(detail, &fields) != nil {
			continue
		}
		switch strings.TrimPrefix(scalar(fields["@type"]), "type.googleapis.com/google.rpc.") {
		case "RetryInfo":
			e.retryDelay = max(e.retryDelay, parseRetryDelay(fields["retry_delay"]), parseRetryDelay(fields["retryDelay"]))
		case "QuotaFailure":
			e.quotaFailure = true
		}
	}
}

// scalar returns a JSON string or number as text, and "" for other values.
func scalar(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var number json.Number
	if json.Unmarshal(raw, &number) == nil {
		return number.String()
	}
	return ""
}
