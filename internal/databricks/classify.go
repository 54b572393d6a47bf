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

// This file alone turns what happened on the wire into a Class. The order of
// evidence: whether there was an answer at all, the error code, and the status.
// The text of an answer is weak evidence, because it quotes the request: it
// decides only where sentences.go says so.

// noAnswer judges a request that brought none. reached tells that there was a
// connection to send it on.
func noAnswer(r request, err error, reached bool) *Error {
	failure := &Error{Class: ClassTransient, Message: "no answer: " + localAddress.ReplaceAllString(err.Error(), ""), cause: err}
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errRefusedAddress):
		failure.Class = ClassHost
	case errors.As(err, &certificate):
		failure.Class = ClassHost
		failure.Message += " (--databricks-ca-file names further authorities to trust)"
	case reached:
		failure.Class = r.unclear()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		failure.Message = "no answer within the deadline"
	}
	return failure
}

// localAddress is the part of a network error that differs with every connection.
var localAddress = regexp.MustCompile(`[\w.:%\[\]-]+:\d+->`)

// unclear is the class where the effect of a request is not known. A read has
// none.
func (r request) unclear() Class {
	if r.write {
		return ClassAmbiguous
	}
	return ClassTransient
}

// judge says what an answer means; nil is success. now dates Retry-After.
func judge(r request, got answer, now time.Time) *Error {
	failure := &Error{StatusCode: got.status, RetryAfter: parseRetryAfter(got.header.Get("Retry-After"), now)}
	switch {
	case isSuccess(got.status):
		return judgeSuccess(r, got, failure)
	case got.status < 400:
		return judgeRedirect(got, failure)
	default:
		said := parseAPIError(got.body)
		failure.Code, failure.Message, failure.cause = said.code, said.message, got.bodyErr
		failure.RetryAfter = max(failure.RetryAfter, said.retryDelay)
		failure.Message = cmp.Or(failure.Message, http.StatusText(got.status), "HTTP status "+strconv.Itoa(got.status))
		failure.Class = classify(r, failure, said)
		failure.Answered = said.fromDatabricks(got.status)
		failure.Purged = failure.Class == ClassMissing && said.code == codeInvalidState
		return failure
	}
}

// judgeSuccess distrusts a 200: a login page and a proxy's apology have it too.
func judgeSuccess(r request, got answer, failure *Error) *Error {
	failure.cause = got.bodyErr
	switch {
	case errors.Is(got.bodyErr, errTooLarge):
		failure.Class, failure.Message = ClassTooLarge, "the answer is over its bound"
	case got.bodyErr != nil:
		failure.Class, failure.Message = ClassTransient, "the answer broke off: "+got.bodyErr.Error()
	case isMarkup(got.body):
		failure.Class = ClassHost
		failure.Message = "the host answered with a web page where JSON was due: is it a workspace, with no login page in between?"
	default:
		return nil
	}
	if r.write {
		// Who answered so may have passed the request on before.
		failure.Class = ClassAmbiguous
	}
	return failure
}

// isMarkup recognises HTML and XML, neither of which a workspace sends.
func isMarkup(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, "\ufeff \t\r\n"), []byte("<"))
}

// judgeRedirect: a workspace sends none, but for one that says that it may only
// be reached by private link.
func judgeRedirect(got answer, failure *Error) *Error {
	location, err := url.Parse(got.header.Get("Location"))
	if err == nil && location.Path == "/login.html" && strings.Contains(location.Query().Get("error"), "private-link-validation-error") {
		failure.StatusCode = http.StatusForbidden
		failure.Code = "PRIVATE_LINK_VALIDATION_ERROR"
		failure.Message = "the workspace may only be reached by its private endpoint, and the operator's requests do not come through it"
		failure.Class = ClassForbidden
		return failure
	}
	failure.Class = ClassHost
	failure.Message = "the host answered with a redirect, which is not followed: give the workspace's own URL"
	if err == nil && location.Host != "" {
		failure.Message += " (it points to " + location.Hostname() + ")"
	}
	return failure
}

const (
	codeInvalidState         = "INVALID_STATE"
	codeInvalidParameter     = "INVALID_PARAMETER_VALUE"
	codeResourceDoesNotExist = "RESOURCE_DOES_NOT_EXIST"
	codeNotFound             = "NOT_FOUND"
	codeEndpointNotFound     = "ENDPOINT_NOT_FOUND"
	codeFeatureDisabled      = "FEATURE_DISABLED"
	codeResourceExhausted    = "RESOURCE_EXHAUSTED"
	codeRequestLimitExceeded = "REQUEST_LIMIT_EXCEEDED"
	codeInternalError        = "INTERNAL_ERROR"
	codeUnknown              = "UNKNOWN"
)

// classOfCode is for codes that mean the same with every request and status.
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
	"ALREADY_EXISTS":          ClassInvalid,
	codeInvalidParameter:      ClassInvalid,
	codeResourceDoesNotExist:  ClassInvalid,
	"RESOURCE_ALREADY_EXISTS": ClassInvalid,
}

// unclearCodes report that the server itself does not know what it did.
var unclearCodes = map[string]bool{
	codeInternalError: true, codeUnknown: true, "DATA_LOSS": true, "CANCELLED": true,
	"TEMPORARILY_UNAVAILABLE": true, "DEADLINE_EXCEEDED": true,
}

// classify judges an answer of 400 or above.
func classify(r request, failure *Error, said apiError) Class {
	code := r.codeOf(said)
	switch {
	case failure.StatusCode == http.StatusTooManyRequests, code == codeResourceExhausted, code == codeRequestLimitExceeded:
		return classifyLimit(r, failure, said, code)
	case r.isMissing(failure.StatusCode, said):
		return ClassMissing
	case r.isPinned(failure.StatusCode, said):
		return ClassPinned
	case code == codeInvalidState:
		return r.classifyInvalidState()
	}
	if class, known := r.classifySentence(failure.StatusCode, said); known {
		return class
	}
	if unclearCodes[code] {
		return r.unclear()
	}
	if class, known := classOfCode[code]; known {
		return class
	}
	return r.classifyStatus(failure, said)
}

// classifyInvalidState: a create has no state, so that it is refused with this
// code where the workspace has its limit of clusters.
func (r request) classifyInvalidState() Class {
	switch {
	case r.write && r.clusterID == "":
		return ClassQuota
	case r.write:
		return ClassBusy
	default:
		return ClassTransient
	}
}

// isMissing reports whether the cluster itself does not exist. Only Databricks'
// own error body counts: a proxy's 404 must not cause a create.
func (r request) isMissing(status int, said apiError) bool {
	if r.clusterID == "" || !said.json {
		return false
	}
	// Only the cluster can be missing, not a pool or policy that a start needs.
	onlyCluster := r.clusterOnly && !r.allocates
	switch said.code {
	case codeInvalidState:
		return !r.write && strings.HasPrefix(said.message, "Cannot access cluster")
	case codeResourceDoesNotExist, codeNotFound:
		return onlyCluster || r.saysItselfMissing(said.message)
	case codeEndpointNotFound, codeFeatureDisabled:
		return false
	default:
		refused := status == http.StatusBadRequest || status == http.StatusNotFound
		return refused && (r.saysItselfMissing(said.message) || onlyCluster && clusterDoesNotExist.MatchString(said.message))
	}
}

// isPinned reports whether a permanent-delete is refused because of a pin. The
// request has no words of the user, so that the sentence may stand anywhere.
func (r request) isPinned(status int, said apiError) bool {
	return r.write && r.clusterOnly && !r.allocates && status < http.StatusInternalServerError &&
		strings.Contains(said.message, "unpin the cluster first")
}

// classifyLimit distinguishes too many requests from too many resources.
// Databricks has one code for both; what decides is, in this order: a time to
// come back, which only a rate has; a QuotaFailure or the word quota; and for
// requests that take resources and met REQUEST_LIMIT_EXCEEDED, the absence of a
// text about rates.
func classifyLimit(r request, failure *Error, said apiError, code string) Class {
	switch {
	case failure.RetryAfter > 0:
		return ClassThrottled
	case said.quotaFailure, r.proves(quotaWord, said.message):
		return ClassQuota
	case r.allocates && code == codeRequestLimitExceeded && !r.proves(rateWords, said.message):
		return ClassQuota
	default:
		return ClassThrottled
	}
}

func (r request) classifyStatus(failure *Error, said apiError) Class {
	switch status := failure.StatusCode; {
	case status == http.StatusUnauthorized:
		return ClassUnauthenticated
	case status == http.StatusForbidden:
		return ClassForbidden
	case status == http.StatusNotImplemented && said.json:
		return ClassUnsupported
	case status >= 500, status == http.StatusRequestTimeout, status == 499:
		return r.unclear()
	case said.markup:
		return ClassHost
	case failure.cause != nil:
		// Refused, and the reason was lost.
		return ClassTransient
	case status == http.StatusConflict:
		return ClassBusy
	case status == http.StatusNotFound && said.json && said.code != "":
		// Something that the request names, but not the cluster.
		return ClassInvalid
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return ClassUnsupported
	default:
		return ClassInvalid
	}
}
