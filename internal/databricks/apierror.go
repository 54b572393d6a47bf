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

// apiError is what an error's body says, in whichever of the formats that
// Databricks' services have. The texts are as they came: not yet cleaned.
type apiError struct {
	code, message string
	// retryDelay is google.rpc.RetryInfo's.
	retryDelay time.Duration
	// quotaFailure: the details hold a google.rpc.QuotaFailure.
	quotaFailure bool
	// json: the body is a JSON object; markup: it is HTML or XML.
	json, markup bool
	// typed: the JSON has a key that only an error body of Databricks' services has.
	typed bool
}

// fromDatabricks reports whether the workspace itself wrote the body. A JSON object
// with a message alone may be a proxy's where the status is 5xx.
func (e *apiError) fromDatabricks(status int) bool {
	if e.json {
		return e.typed || e.message != "" && status < http.StatusInternalServerError
	}
	_, known := classOfCode[e.code]
	return !e.markup && (known || unclearCodes[e.code] || strings.Contains(e.code, "_"))
}

var (
	preformatted = regexp.MustCompile(`(?is)<pre[^>]*>(.*?)</pre>`)
	codeAndText  = regexp.MustCompile(`(?s)^([A-Z][A-Z0-9_]+): (.*)$`)
)

// parseAPIError never fails: what it does not understand is the message.
func parseAPIError(body []byte) apiError {
	text := strings.TrimSpace(string(body))
	var fields map[string]json.RawMessage
	switch {
	case json.Unmarshal(body, &fields) == nil && fields != nil:
		return parseJSONError(fields)
	case isMarkup(body):
		said := apiError{markup: true, message: "the host answered with a web page"}
		if match := preformatted.FindStringSubmatch(text); match != nil {
			said.message = strings.TrimSpace(html.UnescapeString(match[1]))
		}
		return said
	}
	if match := codeAndText.FindStringSubmatch(text); match != nil {
		return apiError{code: match[1], message: match[2]}
	}
	return apiError{message: text}
}

// parseJSONError reads the formats of the REST APIs, of API 1.2, of SCIM and of
// OAuth, which differ in their keys alone.
func parseJSONError(fields map[string]json.RawMessage) apiError {
	said := apiError{json: true, typed: scalar(fields["error_code"]) != "" || scalar(fields["error"]) != "" || fields["scimType"] != nil}
	said.code = scalar(fields["error_code"])
	said.message = cmp.Or(scalar(fields["message"]), scalar(fields["error_description"]), scalar(fields["detail"]))
	switch fault := scalar(fields["error"]); {
	case fault == "":
	case said.message == "":
		said.message = fault
	case said.code == "":
		said.code = fault
	}
	if status := scalar(fields["status"]); said.code == "" && fields["detail"] != nil && status != "" {
		said.code, said.typed = "SCIM_"+status, true
	}
	said.readDetails(fields["details"])
	return said
}

// readDetails takes what it knows of google.rpc's details, and lets the rest be.
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

// scalar is a JSON string or number as text, and "" for everything else.
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
