package databricks

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Only this file determines the Class of a failure. In this order it uses whether
// there was a response, the error code, and the status. The text of a response is
// weak evidence, because it may quote the request; only messages.go uses it.

// classifyNoResponse returns the failure of a request without a response. connected
// is set if there was a connection to send it on.
func classifyNoResponse(r request, err error, connected bool) *Error {
	failure := &Error{Class: ClassTransient, Message: "no response: " + localAddress.ReplaceAllString(err.Error(), ""), cause: err}
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errRefusedAddress):
		failure.Class = ClassHost
	case errors.As(err, &certificate):
		failure.Class = ClassHost
		failure.Message += " (--databricks-ca-file names further authorities to trust)"
	case errors.Is(err, errProxy):
		failure.Message = err.Error()
	case connected:
		failure.Class = r.unknownOutcome()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		failure.Message = "no response within the deadline"
	}
	return failure
}

// localAddress is the part of a network error that differs with every connection.
var localAddress = regexp.MustCompile(`[\w.:%\[\]-]+:\d+->`)

// unknownOutcome returns the class for a request of which the effect is unknown. A
// read has no effect.
func (r request) unknownOutcome() Class {
	if r.write {
		return ClassAmbiguous
	}
	return ClassTransient
}

// classify returns the failure that a response means, or nil for a success. now is the
// base of a Retry-After date.
func classify(r request, got response, now time.Time) *Error {
	failure := &Error{StatusCode: got.status, RetryAfter: parseRetryAfter(got.header.Get("Retry-After"), now)}
	switch {
	case isSuccess(got.status):
		return classifySuccess(r, got, failure)
	case got.status < 400:
		return classifyRedirect(got, failure)
	default:
		apiErr := parseAPIError(got.body)
		failure.Code, failure.Message, failure.cause = apiErr.code, apiErr.message, got.bodyErr
		failure.RetryAfter = max(failure.RetryAfter, apiErr.retryDelay)
		failure.Message = cmp.Or(failure.Message, http.StatusText(got.status), "HTTP status "+strconv.Itoa(got.status))
		failure.Class = classifyError(r, failure, apiErr)
		failure.Answered = apiErr.fromDatabricks(got.status)
		failure.Purged = failure.Class == ClassMissing && apiErr.code == codeInvalidState
		failure.NameTaken = failure.Class == ClassInvalid && r.nameIsTaken(apiErr)
		return failure
	}
}

// classifySuccess checks a successful response, because login pages and the error
// pages of proxies have the status 200 too.
func classifySuccess(r request, got response, failure *Error) *Error {
	failure.cause = got.bodyErr
	switch {
	case errors.Is(got.bodyErr, errTooLarge):
		failure.Class, failure.Message = ClassTooLarge, "the response is over its size limit"
	case got.bodyErr != nil:
		failure.Class, failure.Message = ClassTransient, "the response is incomplete: "+got.bodyErr.Error()
	case isMarkup(got.body):
		failure.Class = ClassHost
		failure.Message = "the host responded with a web page instead of JSON: check that it is a workspace, and that no login page is in front of it"
	default:
		return nil
	}
	if r.write {
		// A proxy that sends such a response may have forwarded the request.
		failure.Class = ClassAmbiguous
	}
	return failure
}

// isMarkup reports whether a body is HTML or XML. A workspace sends neither.
func isMarkup(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, "\ufeff \t\r\n"), []byte("<"))
}

// classifyRedirect returns the failure for a redirect. A workspace sends none, except
// to report that it can only be reached by private link.
func classifyRedirect(got response, failure *Error) *Error {
	location, err := url.Parse(got.header.Get("Location"))
	if err == nil && location.Path == "/login.html" && strings.Contains(location.Query().Get("error"), "private-link-validation-error") {
		failure.StatusCode = http.StatusForbidden
		failure.Code = "PRIVATE_LINK_VALIDATION_ERROR"
		failure.Message = "the workspace may only be reached by its private endpoint, and the operator's requests do not come through it"
		failure.Class = ClassForbidden
		return failure
	}
	failure.Class = ClassHost
	failure.Message = "the host responded with a redirect, which is not followed: use the URL of the workspace itself"
	if err == nil && location.Host != "" {
		failure.Message += " (it points to " + location.Hostname() + ")"
	}
	return failure
}

const (
	codeInvalidState          = "INVALID_STATE"
	codeInvalidParameter      = "INVALID_PARAMETER_VALUE"
	codeResourceDoesNotExist  = "RESOURCE_DOES_NOT_EXIST"
	codeNotFound              = "NOT_FOUND"
	codeAlreadyExists         = "ALREADY_EXISTS"
	codeResourceAlreadyExists = "RESOURCE_ALREADY_EXISTS"
	codeEndpointNotFound      = "ENDPOINT_NOT_FOUND"
	codeFeatureDisabled       = "FEATURE_DISABLED"
	codeResourceExhausted     = "RESOURCE_EXHAUSTED"
	codeRequestLimitExceeded  = "REQUEST_LIMIT_EXCEEDED"
	codeInternalError         = "INTERNAL_ERROR"
	codeUnknown               = "UNKNOWN"
)

// classOfCode has the codes that mean the same for every request and status.
var classOfCode = map[string]Class{
	"UNAUTHENTICATED":         ClassUnauthenticated,
	"PERMISSION_DENIED":       ClassForbidden,
	codeFeatureDisabled:       ClassForbidden,
	"QUOTA_EXCEEDED":          ClassQuota,
	codeEndpointNotFound:      ClassUnsupported,
	"NOT_IMPLEMENTED":         ClassUnsupported,
	"ABORTED":                 ClassBusy,
	"RESOURCE_CONFLICT":       ClassBusy,
	"MALFORMED_REQUEST":       ClassInvalid,
	"BAD_REQUEST":             ClassInvalid,
	codeAlreadyExists:         ClassInvalid,
	codeInvalidParameter:      ClassInvalid,
	codeResourceDoesNotExist:  ClassInvalid,
	codeResourceAlreadyExists: ClassInvalid,
}

// unknownOutcomeCodes are the codes with which the server reports that it does not know
// the outcome.
var unknownOutcomeCodes = map[string]bool{
	codeInternalError: true, codeUnknown: true, "DATA_LOSS": true, "CANCELLED": true,
	"TEMPORARILY_UNAVAILABLE": true, "DEADLINE_EXCEEDED": true,
}

// classifyError returns the class of a response with a status of 400 or above.
func classifyError(r request, failure *Error, apiErr apiError) Class {
	code := r.codeOf(apiErr)
	switch {
	case failure.StatusCode == http.StatusTooManyRequests, code == codeResourceExhausted, code == codeRequestLimitExceeded:
		return classifyLimit(r, failure, apiErr, code)
	case r.isMissing(failure.StatusCode, apiErr):
		return ClassMissing
	case r.isPinned(failure.StatusCode, apiErr):
		return ClassPinned
	case code == codeInvalidState:
		return r.classifyInvalidState()
	}
	if class, known := r.classifyMessage(failure.StatusCode, apiErr); known {
		return class
	}
	if unknownOutcomeCodes[code] {
		return r.unknownOutcome()
	}
	if class, known := classOfCode[code]; known {
		return class
	}
	return r.classifyStatus(failure, apiErr)
}

// classifyInvalidState returns the class of INVALID_STATE. A create gets this code if
// the workspace has reached its limit of clusters.
func (r request) classifyInvalidState() Class {
	switch {
	case r.write && r.clusterID == "" && r.itemID == "":
		return ClassQuota
	case r.write:
		return ClassBusy
	default:
		return ClassTransient
	}
}

// isMissing reports whether the cluster or the item itself does not exist. Only an error body of
// Databricks counts, because a 404 of a proxy must not cause a create.
func (r request) isMissing(status int, apiErr apiError) bool {
	if r.itemID != "" {
		isNotFound := apiErr.code == codeResourceDoesNotExist || apiErr.code == codeNotFound
		return apiErr.json && isNotFound && (r.itemOnly || r.itemIsMissing(apiErr.message))
	}
	if r.clusterID == "" || !apiErr.json {
		return false
	}
	// onlyCluster excludes a missing pool or policy, which a start may report.
	onlyCluster := r.clusterOnly && !r.allocates
	switch apiErr.code {
	case codeInvalidState:
		return !r.write && strings.HasPrefix(apiErr.message, "Cannot access cluster")
	case codeResourceDoesNotExist, codeNotFound:
		return onlyCluster || r.clusterIsMissing(apiErr.message)
	case codeEndpointNotFound, codeFeatureDisabled:
		return false
	default:
		refused := status == http.StatusBadRequest || status == http.StatusNotFound
		return refused && (r.clusterIsMissing(apiErr.message) || onlyCluster && clusterDoesNotExist.MatchString(apiErr.message))
	}
}

// nameIsTaken reports whether an item was refused because another one has its name.
func (r request) nameIsTaken(apiErr apiError) bool {
	return r.names && (apiErr.code == codeAlreadyExists || apiErr.code == codeResourceAlreadyExists ||
		r.matchesUnquoted(takenName, apiErr.message))
}

// isPinned reports whether a permanent-delete is refused because of a pin. The request
// contains no text of the user, so the message may contain the sentence anywhere.
func (r request) isPinned(status int, apiErr apiError) bool {
	return r.write && r.clusterOnly && !r.allocates && status < http.StatusInternalServerError &&
		strings.Contains(apiErr.message, "unpin the cluster first")
}

// classifyLimit distinguishes a limit on requests from a limit on resources, which
// have the same codes. In this order it uses: Retry-After, which only a limit on
// requests has; a QuotaFailure or the word quota; and, if a request that allocates
// resources gets REQUEST_LIMIT_EXCEEDED, whether the message is about rates.
func classifyLimit(r request, failure *Error, apiErr apiError, code string) Class {
	switch {
	case failure.RetryAfter > 0:
		return ClassThrottled
	case apiErr.quotaFailure, r.matchesUnquoted(quotaWord, apiErr.message):
		return ClassQuota
	case r.allocates && code == codeRequestLimitExceeded && !r.matchesUnquoted(rateWords, apiErr.message):
		return ClassQuota
	default:
		return ClassThrottled
	}
}

func (r request) classifyStatus(failure *Error, apiErr apiError) Class {
	switch status := failure.StatusCode; {
	case status == http.StatusUnauthorized:
		return ClassUnauthenticated
	case status == http.StatusForbidden:
		return ClassForbidden
	case status == http.StatusNotImplemented && apiErr.json:
		return ClassUnsupported
	case status >= 500, status == http.StatusRequestTimeout, status == 499:
		return r.unknownOutcome()
	case apiErr.markup:
		return ClassHost
	case failure.cause != nil:
		// The body of the refusal was lost.
		return ClassTransient
	case status == http.StatusConflict:
		return ClassBusy
	case status == http.StatusNotFound && apiErr.json && apiErr.code != "":
		// A resource that the request refers to, but not the cluster.
		return ClassInvalid
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return ClassUnsupported
	default:
		return ClassInvalid
	}
}
