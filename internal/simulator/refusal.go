package simulator

import (
	"fmt"
	"net/http"
	"strconv"
)

// refusal is an error answer of the API.
type refusal struct {
	status  int
	code    string
	message string
	details []any
	header  http.Header
	oauth   bool // has the body of RFC 6749 5.2
}

func (r *refusal) body() map[string]any {
	if r.oauth {
		return map[string]any{"error": r.code, "error_description": r.message}
	}
	body := map[string]any{"error_code": r.code, "message": r.message}
	if number, err := strconv.Atoi(r.code); err == nil {
		body["error_code"] = number // as some front ends of the API have it
	}
	if len(r.details) > 0 {
		body["details"] = r.details
	}
	return body
}

func refuse(status int, code, format string, args ...any) *refusal {
	return &refusal{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *refusal {
	return refuse(http.StatusBadRequest, "INVALID_PARAMETER_VALUE", format, args...)
}

func malformed(format string, args ...any) *refusal {
	return refuse(http.StatusBadRequest, "MALFORMED_REQUEST", format, args...)
}

func forbidden(format string, args ...any) *refusal {
	return refuse(http.StatusForbidden, "PERMISSION_DENIED", format, args...)
}

func required(field string) *refusal {
	return invalid("Missing required field: %s", field)
}

// invalidState carries the detail that was observed on the cluster manager's
// own refusals.
func invalidState(format string, args ...any) *refusal {
	r := refuse(http.StatusBadRequest, "INVALID_STATE", format, args...)
	r.details = []any{map[string]any{
		"@type":  "type.googleapis.com/google.rpc.ErrorInfo",
		"reason": "CM_API_ERROR_SOURCE_CALLER_ERROR",
		"domain": "",
	}}
	return r
}

func unexpectedState(id string, s State) *refusal {
	return invalidState("Cluster %s is in unexpected state %s.", id, s.camelCase())
}

func doesNotExist(id string) *refusal {
	return invalid("Cluster %s does not exist", id)
}

func purgedLongAgo(id string) *refusal {
	return invalidState("Cannot access cluster %s that was terminated or unpinned more than 30 days ago.", id)
}
