package databricks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// maxPageBytes limits a page of clusters, and one cluster, after decompression.
	maxPageBytes = 8 << 20
	// maxResponseBytes limits every other successful response.
	maxResponseBytes = 1 << 20
	// maxErrorBytes limits the body of an error; the rest is ignored.
	maxErrorBytes = 64 << 10
)

// errTooLarge is the error for a body that is over its limit.
var errTooLarge = errors.New("the response is over its size limit")

// request is one HTTP request to a workspace, with the properties that determine the
// class of its failures.
type request struct {
	method, path string
	// endpoint is Call.Endpoint if it differs from the path.
	endpoint string
	query    url.Values
	// contentType and body are empty for a request without a body.
	contentType string
	body        []byte
	// authorization is the Authorization header; it may be empty.
	authorization string
	// hidden is a secret in the body that no text may contain; it may be empty.
	hidden string
	// limit is the size limit of a successful response, in bytes.
	limit int64
	// accept decodes a successful response; nil ignores the body. An error that is not an
	// *Error means that the response cannot be decoded.
	accept func(response) error
	// write is set if the request has an effect, even if its response is lost.
	write bool
	// clusterID is the id of the cluster in the request; it may be empty.
	clusterID string
	// clusterOnly is set if the request refers to no other resource, so that "not found"
	// is about the cluster.
	clusterOnly bool
	// collection is the kind of a request for a collection; nil for other requests.
	collection *Collection
	// itemID is the id of the item in the request; it may be empty.
	itemID string
	// itemOnly is set if the request refers to no other resource than the item, so that
	// "not found" is about the item.
	itemOnly bool
	// names is set if the request gives an item a name, which another item may have.
	names bool
	// allocates is set if the request allocates resources, so that it can reach a limit
	// on resources.
	allocates bool
}

// response is an HTTP response, not yet classified.
type response struct {
	status int
	header http.Header
	body   []byte
	// date is the Date header; zero if there is none.
	date time.Time
	// bodyErr is the reason why body is incomplete; nil if it is complete.
	bodyErr error
}

// sender sends single requests to one origin. It does not retry, does not follow
// redirects, and is not rate limited.
type sender struct {
	origin Origin
	// workspace is the id that selects the workspace if several share the host; it may be
	// empty.
	workspace string
	// transport is used without an http.Client, which follows redirects.
	transport http.RoundTripper
	userAgent string
	// redact removes the credential from a text.
	redact  func(string) string
	observe func(Call)
	clock   *clock
}

// to returns a sender with the same settings for another host, which issues tokens for
// the workspace.
func (s *sender) to(origin Origin) *sender {
	return &sender{
		origin: origin, transport: s.transport, userAgent: s.userAgent, redact: s.redact, observe: s.observe, clock: &clock{},
	}
}

// send sends one request and classifies its response. It fails with an *Error.
func (s *sender) send(ctx context.Context, r request) error {
	begin := time.Now()
	got, failure := s.exchange(ctx, r)
	call := Call{
		Method: r.method, Path: r.path, Endpoint: r.name(), StatusCode: got.status, Duration: time.Since(begin), ServerDate: got.date,
	}
	if failure == nil {
		s.observe(call)
		return nil
	}
	failure.Method, failure.Path, failure.Endpoint = r.method, r.path, r.name()
	clean := s.cleaner(r)
	failure.Code, failure.Message = clean(failure.Code, maxCodeBytes), clean(failure.Message, maxMessageBytes)
	failure.cause = knownCause(failure.cause)
	call.Err = failure
	s.observe(call)
	return failure
}

const apiPrefix = "/api/"

// name returns the endpoint of the request. The default is the path after /api/ and the
// version.
func (r request) name() string {
	if r.endpoint != "" {
		return r.endpoint
	}
	_, name, _ := strings.Cut(strings.TrimPrefix(r.path, apiPrefix), "/")
	return name
}

// knownCause returns the cause of a failure if its text cannot quote the server, or nil.
func knownCause(cause error) error {
	for _, known := range []error{context.DeadlineExceeded, context.Canceled, errRefusedAddress, errTooLarge} {
		if errors.Is(cause, known) {
			return known
		}
	}
	return nil
}

// cleaner returns a function that cleans and redacts a text, which may quote the server
// and the request, and shortens it to limit bytes.
func (s *sender) cleaner(r request) func(text string, limit int) string {
	_, token, _ := strings.Cut(r.authorization, " ")
	redactRequest := redactor(token, r.hidden)
	hidden := hiddenValues(r.body)
	return func(text string, limit int) string {
		text = redactRequest(s.redact(singleLine(text)))
		return shorten(withoutRequestIDs(redactQuotes(text, hidden)), limit)
	}
}

func (s *sender) exchange(ctx context.Context, r request) (got response, failure *Error) {
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// No part of a request is sent before the TLS handshake is complete. WroteHeaders
		// is more precise, but is called on another goroutine and may be too late.
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	httpRequest, err := s.httpRequest(ctx, r)
	if err != nil {
		return response{}, &Error{Class: ClassInvalid, Message: "the request cannot be built", cause: err}
	}
	begin := time.Now()
	httpResponse, err := s.transport.RoundTrip(httpRequest)
	if err != nil {
		return response{}, classifyNoResponse(r, err, connected.Load())
	}
	// The body was read before, so an error of Close has no consequence.
	defer func() { _ = httpResponse.Body.Close() }()
	date := s.clock.measure(httpResponse.Header.Get("Date"), begin, time.Now())
	got = readResponse(httpResponse, r.limit)
	if got.bodyErr == nil {
		// At the deadline the transport closes the connection. A server that notices can end
		// its response before the read fails, and the part that came looks complete.
		got.bodyErr = ctx.Err()
	}
	got.date = date
	if failure := classify(r, got, time.Now()); failure != nil {
		return got, failure
	}
	return got, r.readContent(got)
}

// readContent decodes the content of a successful response.
func (r request) readContent(got response) *Error {
	if r.accept == nil {
		return nil
	}
	err := r.accept(got)
	if err == nil {
		return nil
	}
	var failure *Error
	switch {
	case errors.As(err, &failure):
	case errors.Is(err, errTooLarge) && !r.write:
		failure = &Error{Class: ClassTooLarge, Message: err.Error(), cause: err}
	default:
		failure = &Error{Class: r.unknownOutcome(), Message: "the response cannot be decoded: " + err.Error(), cause: err}
	}
	failure.StatusCode = got.status
	return failure
}

func (s *sender) httpRequest(ctx context.Context, r request) (*http.Request, error) {
	out, err := http.NewRequestWithContext(ctx, r.method, s.origin.String()+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	out.URL.RawQuery = r.query.Encode()
	out.Header.Set("Accept", "application/json")
	out.Header.Set("User-Agent", s.userAgent)
	if r.contentType != "" {
		out.Header.Set("Content-Type", r.contentType)
	}
	if s.workspace != "" && strings.HasPrefix(r.path, apiPrefix) {
		out.Header.Set("X-Databricks-Workspace-Id", s.workspace)
	}
	if r.authorization != "" {
		out.Header.Set("Authorization", r.authorization)
	}
	return out, nil
}

// readResponse reads a response up to its size limit, after decompression.
func readResponse(httpResponse *http.Response, limit int64) response {
	success := isSuccess(httpResponse.StatusCode)
	if !success {
		limit = maxErrorBytes
	}
	body, err := io.ReadAll(io.LimitReader(httpResponse.Body, limit+1))
	if int64(len(body)) > limit {
		body = body[:limit]
		// The rest of an error is not needed.
		if success {
			err = errTooLarge
		}
	}
	return response{status: httpResponse.StatusCode, header: httpResponse.Header, body: body, bodyErr: err}
}

func isSuccess(status int) bool { return status >= 200 && status < 300 }
