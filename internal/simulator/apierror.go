package simulator

import (
	"fmt"
	"net/http"
	"strconv"
)

// apiError is an error response of the API.
type apiError struct {
	status  int
	code    string
	message string
	details []any
	header  http.Header
	oauth   bool // the body has the form of RFC 6749 5.2
}

func (r *apiError) body() map[string]any {
	if r.oauth {
		return map[string]any{"error": r.code, "error_description": r.message}
	}
	body := map[string]any{"error_code": r.code, "message": r.message}
	if number, err := strconv.Atoi(r.code); err == nil {
		body["error_code"] = number // some front ends of the API send a number
	}
	if len(r.details) > 0 {
		body["details"] = r.details
	}
	return body
}

func newAPIError(status int, code, format string, args ...any) *apiError {
	return &apiError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *apiError {
	return newAPIError(http.StatusBadRequest, "INVALID_PARAMETER_VALUE", format, args...)
}

func malformed(format string, args ...any) *apiError {
	return newAPIError(http.StatusBadRequest, "MALFORMED_REQUEST", format, args...)
}

func forbidden(format string, args ...any) *apiError {
	return newAPIError(http.StatusForbidden, "PERMISSION_DENIED", format, args...)
}

func required(field string) *apiError {
	return invalid("Missing required field: %s", field)
}

// invalidState adds the detail that was observed on errors of the cluster
// manager.
func invalidState(format string, args ...any) *apiError {
	r := newAPIError(http.StatusBadRequest, "INVALID_STATE", format, args...)
	r.details = []any{map[string]any{
		"@type":  "type.googleapis.com/google.rpc.ErrorInfo",
		"reason": "CM_API_ERROR_SOURCE_CALLER_ERROR",
		"domain": "",
	}}
	return r
}

func unexpectedState(id string, s State) *apiError {
	return invalidState("Cluster %s is in unexpected state %s.", id, s.camelCase())
}

func doesNotExist(id string) *apiError {
	return invalid("Cluster %s does not exist", id)
}

func purgedLongAgo(id string) *apiError {
	return invalidState("Cannot access cluster %s that was terminated or unpinned more than 30 days ago.", id)
}
