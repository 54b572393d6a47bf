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
// evidence: whether there was an answer at all, whether Databricks wrote it, its
// error code and text, and last its status, which proxies write as well.

// noAnswer judges a request that brought none. reached tells that there was a
// connection to send it on.
func noAnswer(r request, err error, reached bool) *Error {
	failure := &Error{Class: ClassTransient, Message: "no answer: " + err.Error(), cause: err}
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
	if err == nil && location.Path == "/login.html" && location.Query().Get("error") == "private-link-validation-error" {
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

const codeInvalidState = "INVALID_STATE"

// classOfCode is for codes that mean the same with every request and status.
var classOfCode = map[string]Class{
	"UNAUTHENTICATED":         ClassUnauthenticated,
	"PERMISSION_DENIED":       ClassForbidden,
	"FEATURE_DISABLED":        ClassForbidden,
	"QUOTA_EXCEEDED":          ClassQuota,
	"ENDPOINT_NOT_FOUND":      ClassUnsupported,
	"NOT_IMPLEMENTED":         ClassUnsupported,
	"ABORTED":                 ClassBusy,
	"RESOURCE_CONFLICT":       ClassBusy,
	"MALFORMED_REQUEST":       ClassInvalid,
	"BAD_REQUEST":             ClassInvalid,
	"ALREADY_EXISTS":          ClassInvalid,
	"INVALID_PARAMETER_VALUE": ClassInvalid,
	"RESOURCE_ALREADY_EXISTS": ClassInvalid,
}

// unclearCodes tell that the server itself does not know what it did.
var unclearCodes = map[string]bool{
	"INTERNAL_ERROR": true, "UNKNOWN": true, "DATA_LOSS": true, "CANCELLED": true,
	"TEMPORARILY_UNAVAILABLE": true, "DEADLINE_EXCEEDED": true,
}

var (
	clusterNotThere = regexp.MustCompile(`Cluster .* does not exist`)
	invalidToken    = regexp.MustCompile(`(?i)invalid access token|token (is|has) expired`)
	// beforeEffect are texts by which the SDK knows a refusal that passes: the
	// workspace is not ready. No request with such an answer was carried out.
	beforeEffect = regexp.MustCompile(strings.Join([]string{
		"UnknownWorkerEnvironmentException", "does not have any associated worker environments", "There is no worker environment with id",
		"Unknown worker environment", "ClusterNotReadyException", "worker env .* not found",
	}, "|"))
	// lostInside are texts by which the SDK knows a failure that passes, behind
	// the server that answered: it may have come after the effect.
	lostInside = regexp.MustCompile(`Timed out after |deadline exceeded`)
	// rateText tells a limit on requests from one on resources, which share codes.
	rateText = regexp.MustCompile(`(?i)token bucket|rate limit|too many requests|throttl|requests? per`)
	quota    = regexp.MustCompile(`(?i)\bquota\b`)
)

// classify judges an answer of 400 or above.
func classify(r request, failure *Error, said apiError) Class {
	text := failure.Message
	switch {
	case isLimit(failure.StatusCode, said.code, text):
		return classifyLimit(r, failure, said)
	case r.isMissing(failure.StatusCode, said):
		return ClassMissing
	case strings.Contains(text, "unpin the cluster first"):
		return ClassPinned
	case beforeEffect.MatchString(text):
		return ClassTransient
	case lostInside.MatchString(text), unclearCodes[said.code]:
		return r.unclear()
	case failure.StatusCode == http.StatusForbidden && invalidToken.MatchString(text):
		return ClassUnauthenticated
	case said.code == codeInvalidState && r.write:
		return ClassBusy
	case said.code == codeInvalidState:
		return ClassTransient
	}
	if class, known := classOfCode[said.code]; known {
		return class
	}
	return r.classifyStatus(failure, said)
}

// isMissing recognises that the cluster itself is not there. It wants
// Databricks' own word: a proxy's 404 must not make anybody create or forget a
// cluster.
func (r request) isMissing(status int, said apiError) bool {
	if r.clusterID == "" || !said.json {
		return false
	}
	switch said.code {
	case codeInvalidState:
		return !r.write && strings.Contains(said.message, "Cannot access cluster")
	case "RESOURCE_DOES_NOT_EXIST", "NOT_FOUND":
		return r.clusterOnly || r.saysItselfMissing(said.message)
	case "ENDPOINT_NOT_FOUND", "FEATURE_DISABLED":
		return false
	default:
		refused := status == http.StatusBadRequest || status == http.StatusNotFound
		return refused && (r.saysItselfMissing(said.message) || r.clusterOnly && clusterNotThere.MatchString(said.message))
	}
}

// saysItselfMissing wants the very id: "Cluster policy P does not exist" is
// about something else.
func (r request) saysItselfMissing(message string) bool {
	return strings.Contains(message, "Cluster "+r.clusterID+" does not exist")
}

func isLimit(status int, code, text string) bool {
	return status == http.StatusTooManyRequests ||
		code == "RESOURCE_EXHAUSTED" || code == "REQUEST_LIMIT_EXCEEDED" ||
		strings.Contains(text, "REQUEST_LIMIT_EXCEEDED")
}

// classifyLimit tells too many requests from too many resources. Databricks has
// one code for both; what decides is, in this order: a time to come back, which
// only a rate has; a QuotaFailure or the word quota; and for requests that take
// resources and met REQUEST_LIMIT_EXCEEDED, the absence of a text about rates.
func classifyLimit(r request, failure *Error, said apiError) Class {
	switch {
	case failure.RetryAfter > 0:
		return ClassThrottled
	case said.quotaFailure, quota.MatchString(failure.Message):
		return ClassQuota
	case r.allocates && said.code == "REQUEST_LIMIT_EXCEEDED" && !rateText.MatchString(failure.Message):
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
