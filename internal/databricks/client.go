package databricks

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// DefaultTimeout is the timeout of a call if its context has no deadline.
const DefaultTimeout = 30 * time.Second

// Client calls one workspace with one credential. It implements Reader and Writer, is
// safe for concurrent use, and needs no Close.
type Client struct {
	sender sender
	tokens tokenSource
}

var (
	_ Reader = (*Client)(nil)
	_ Writer = (*Client)(nil)
)

// Options are the options that the clients of an operator share.
type Options struct {
	// Transport is required.
	Transport *Transport
	// Version is the version of the operator, for the User-Agent.
	Version string
	// Observe is called after every request, on the goroutine that made it. It may be
	// nil.
	Observe func(Call)
}

// New returns a client for a credential. It sends nothing, and fails with ClassHost if
// the allow-list of the transport does not contain the host.
func New(config Config, options Options) (*Client, error) {
	if config.credential == nil {
		return nil, &Error{Class: ClassInvalid, Message: "there is no credential"}
	}
	if err := options.Transport.allowed.Check(config.origin); err != nil {
		return nil, err
	}
	observe := options.Observe
	if observe == nil {
		observe = func(Call) {}
	}
	client := &Client{sender: sender{
		origin:    config.origin,
		workspace: config.workspaceID,
		transport: options.Transport.roundTripper,
		userAgent: userAgent(options.Version, config.AuthType()),
		redact:    redactor(config.credential.secrets()...),
		observe:   observe,
		clock:     &clock{},
	}}
	client.tokens = config.credential.method.tokens(config.credential, &client.sender)
	return client, nil
}

// String returns the host of the client, without the credential.
func (c *Client) String() string { return "databricks.Client(" + c.sender.origin.String() + ")" }

// call sends one request with the credential.
func (c *Client) call(ctx context.Context, r request) error {
	ctx, cancel := withDefaultTimeout(ctx)
	defer cancel()
	token, err := c.callOnce(ctx, r)
	if ClassOf(err) == ClassUnauthenticated && token != "" && c.tokens.invalidate(token) {
		_, err = c.callOnce(ctx, r)
	}
	return err
}

// callOnce also returns the token that it used, or "" if there was none.
func (c *Client) callOnce(ctx context.Context, r request) (token string, err error) {
	token, err = c.tokens.token(ctx)
	if err != nil {
		return "", err
	}
	r.authorization = "Bearer " + token
	return token, c.sender.send(ctx, r)
}

func withDefaultTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, set := ctx.Deadline(); set {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, DefaultTimeout)
}

// ClockSkew returns the workspace's clock minus the operator's, measured by the recent
// response with the shortest round trip; known is false before the first response with
// a date. The precision is one second plus half of that round trip.
func (c *Client) ClockSkew() (skew time.Duration, known bool) { return c.sender.clock.skew() }

// get sends a GET request; accept decodes the response.
func (c *Client) get(ctx context.Context, r request, accept func(response) error) error {
	r.method, r.accept = http.MethodGet, accept
	return c.call(ctx, r)
}

// post sends a POST request with a JSON body; accept decodes the response, and may be
// nil, because many responses have no content.
func (c *Client) post(ctx context.Context, r request, body any, accept func(response) error) error {
	r.method = http.MethodPost
	return c.write(ctx, r, body, accept)
}

// write sends a write with the method of the request.
func (c *Client) write(ctx context.Context, r request, body any, accept func(response) error) error {
	encoded, err := encode(body)
	if err != nil {
		return r.notSent("the request cannot be encoded")
	}
	r.write, r.accept = true, accept
	r.contentType, r.body = "application/json", encoded
	r.limit = maxResponseBytes
	return c.call(ctx, r)
}

// encode returns a body as JSON. A json.RawMessage keeps its number literals and
// escapes, and keeps every byte if it is the whole body.
func encode(body any) ([]byte, error) {
	if raw, isRaw := body.(json.RawMessage); isRaw {
		return raw, nil
	}
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(encoded.Bytes(), []byte("\n")), nil
}

// userAgent returns the User-Agent header, which the audit log of the workspace shows.
// It has the SDK's form: pairs of key/value with a restricted set of characters.
func userAgent(version, authType string) string {
	pairs := []string{
		"databricks-operator/" + userAgentValue(version),
		"go/" + userAgentValue(strings.TrimPrefix(runtime.Version(), "go")),
		"os/" + userAgentValue(runtime.GOOS),
		"auth/" + userAgentValue(authType),
	}
	return strings.Join(pairs, " ")
}

var invalidInUserAgent = regexp.MustCompile(`[^0-9A-Za-z_.+-]+`)

func userAgentValue(value string) string {
	value = invalidInUserAgent.ReplaceAllString(value, "-")
	if value == "" {
		return "0.0.0"
	}
	return value
}
