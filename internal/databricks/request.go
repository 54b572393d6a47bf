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
	// maxPageBytes bounds a page of clusters, and one cluster, after
	// decompression.
	maxPageBytes = 8 << 20
	// maxAnswerBytes bounds every other answer that is read for its content.
	maxAnswerBytes = 1 << 20
	// maxErrorBytes bounds what is looked at of an error's body.
	maxErrorBytes = 64 << 10
)

// errTooLarge marks a body that ended at its bound.
var errTooLarge = errors.New("the answer is over its bound")

// request is one HTTP request to a workspace, and what its failures mean.
type request struct {
	method, path string
	// endpoint is Call.Endpoint where the path alone does not tell it.
	endpoint string
	query    url.Values
	// contentType and body are those of a request that has one.
	contentType string
	body        []byte
	// authorization is the header's value; empty sends none.
	authorization string
	// hidden is a secret that the body carries and no text may show; it may be
	// empty.
	hidden string
	// limit bounds the body of a successful answer, in bytes.
	limit int64
	// accept reads a successful answer; nil wants nothing of it. Its error makes
	// the answer one that is not understood, unless it is an *Error.
	accept func(answer) error
	// write: a lost answer may have had its effect.
	write bool
	// clusterID is the cluster that the request is about, if any.
	clusterID string
	// clusterOnly: it names nothing else, so that whatever is not found is the
	// cluster.
	clusterOnly bool
	// allocates: it takes resources, so that a limit may be one on those.
	allocates bool
}

// answer is what came back, with no judgement.
type answer struct {
	status int
	header http.Header
	body   []byte
	// date is the Date header; zero where there is none.
	date time.Time
	// bodyErr tells why body is not the whole body; nil if it is.
	bodyErr error
}

// sender makes single requests to one origin. It neither retries nor follows
// redirects, nor does it wait for anything but the answer.
type sender struct {
	origin Origin
	// workspace is the id that distinguishes workspaces behind one host; may be empty.
	workspace string
	// round is a RoundTripper and no http.Client: it knows of no redirects,
	// cookies or environment.
	round     http.RoundTripper
	userAgent string
	// redact takes the credential out of a text.
	redact  func(string) string
	observe func(Call)
	clock   *clock
}

// send makes one request and judges its answer; the error is an *Error.
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
	present := s.presenter(r)
	failure.Code, failure.Message = present(failure.Code, maxCodeBytes), present(failure.Message, maxMessageBytes)
	failure.cause = knownCause(failure.cause)
	call.Err = failure
	s.observe(call)
	return failure
}

const apiPrefix = "/api/"

// name is the request's endpoint: its path after /api/ and the version, unless
// it has one of its own.
func (r request) name() string {
	if r.endpoint != "" {
		return r.endpoint
	}
	_, name, _ := strings.Cut(strings.TrimPrefix(r.path, apiPrefix), "/")
	return name
}

// knownCause keeps of a cause what carries no foreign text.
func knownCause(cause error) error {
	for _, known := range []error{context.DeadlineExceeded, context.Canceled, errRefusedAddress, errTooLarge} {
		if errors.Is(cause, known) {
			return known
		}
	}
	return nil
}

// presenter returns a function that makes a text, which may quote the server and
// the request, fit to be shown in at most limit bytes.
func (s *sender) presenter(r request) func(text string, limit int) string {
	_, token, _ := strings.Cut(r.authorization, " ")
	redactRequest := redactor(token, r.hidden)
	hidden := hiddenValues(r.body)
	return func(text string, limit int) string {
		text = redactRequest(s.redact(plain(text)))
		return bound(withoutRequestIDs(redactQuotes(text, hidden)), limit)
	}
}

func (s *sender) exchange(ctx context.Context, r request) (got answer, failure *Error) {
	var reached atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// Nothing of a request is sent before there is a connection, its TLS
		// handshake included. WroteHeaders would tell more, but comes from
		// another goroutine and so may come too late.
		GotConn: func(httptrace.GotConnInfo) { reached.Store(true) },
	})
	message, err := s.message(ctx, r)
	if err != nil {
		return answer{}, &Error{Class: ClassInvalid, Message: "the request cannot be built", cause: err}
	}
	begin := time.Now()
	response, err := s.round.RoundTrip(message)
	if err != nil {
		return answer{}, noAnswer(r, err, reached.Load())
	}
	// What was needed of the body was read.
	defer func() { _ = response.Body.Close() }()
	date := s.clock.measure(response.Header.Get("Date"), begin, time.Now())
	got = receive(response, r.limit)
	got.date = date
	if failure := judge(r, got, time.Now()); failure != nil {
		return got, failure
	}
	return got, r.understand(got)
}

// understand is what remains to be judged of a success: its content.
func (r request) understand(got answer) *Error {
	if r.accept == nil {
		return nil
	}
	err := r.accept(got)
	if err == nil {
		return nil
	}
	var failure *Error
	if !errors.As(err, &failure) {
		failure = &Error{Class: r.unclear(), Message: "the answer is not understood: " + err.Error(), cause: err}
	}
	failure.StatusCode = got.status
	return failure
}

func (s *sender) message(ctx context.Context, r request) (*http.Request, error) {
	message, err := http.NewRequestWithContext(ctx, r.method, s.origin.String()+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	message.URL.RawQuery = r.query.Encode()
	message.Header.Set("Accept", "application/json")
	message.Header.Set("User-Agent", s.userAgent)
	if r.contentType != "" {
		message.Header.Set("Content-Type", r.contentType)
	}
	if s.workspace != "" && strings.HasPrefix(r.path, apiPrefix) {
		message.Header.Set("X-Databricks-Workspace-Id", s.workspace)
	}
	if r.authorization != "" {
		message.Header.Set("Authorization", r.authorization)
	}
	return message, nil
}

// receive reads a body up to its bound, after decompression.
func receive(response *http.Response, limit int64) answer {
	success := isSuccess(response.StatusCode)
	if !success {
		limit = maxErrorBytes
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if int64(len(body)) > limit {
		body = body[:limit]
		// Of an error the beginning is enough.
		if success {
			err = errTooLarge
		}
	}
	return answer{status: response.StatusCode, header: response.Header, body: body, bodyErr: err}
}

func isSuccess(status int) bool { return status >= 200 && status < 300 }
