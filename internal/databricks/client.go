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

// DefaultTimeout ends a call whose context has no deadline.
const DefaultTimeout = 30 * time.Second

// Client is one credential's way into one workspace. It implements Reader and
// Writer, is safe for concurrent use, and needs no closing.
type Client struct {
	sender sender
	tokens tokenSource
}

var (
	_ Reader = (*Client)(nil)
	_ Writer = (*Client)(nil)
)

// Options is what clients of one operator have in common.
type Options struct {
	// Transport is required.
	Transport *Transport
	// Version is the operator's own, for the User-Agent.
	Version string
	// Observe is told of every finished request, on the goroutine that made it.
	// It may be nil.
	Observe func(Call)
}

// New makes the client of a credential. It fails with ClassHost where the
// transport may not reach the credential's host; nothing is sent.
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
		round:     options.Transport.round,
		userAgent: userAgent(options.Version, config.AuthType()),
		redact:    redactor(config.credential.secrets()...),
		observe:   observe,
		clock:     &clock{},
	}}
	client.tokens = config.credential.method.tokens(config.credential, &client.sender)
	return client, nil
}

// String names the client and tells nothing of its credential.
func (c *Client) String() string { return "databricks.Client(" + c.sender.origin.String() + ")" }

// call makes one request in the name of the credential.
func (c *Client) call(ctx context.Context, r request) error {
	ctx, cancel := withDefaultTimeout(ctx)
	defer cancel()
	token, err := c.callOnce(ctx, r)
	if ClassOf(err) == ClassUnauthenticated && token != "" && c.tokens.drop(token) {
		_, err = c.callOnce(ctx, r)
	}
	return err
}

// callOnce also returns the token that it used; "" where there was none.
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

// ClockSkew returns the workspace's clock minus the operator's, from the recent
// answer with the shortest round trip; known is false before the first answer with
// a date. It is exact to a second, plus half of that round trip.
func (c *Client) ClockSkew() (skew time.Duration, known bool) { return c.sender.clock.skew() }

// get makes a GET; accept reads its answer.
func (c *Client) get(ctx context.Context, r request, accept func(answer) error) error {
	r.method, r.accept = http.MethodGet, accept
	return c.call(ctx, r)
}

// post makes a write with a JSON body; accept reads its answer and may be nil:
// an answer without a body is the API's void.
func (c *Client) post(ctx context.Context, r request, body any, accept func(answer) error) error {
	r.method = http.MethodPost
	return c.write(ctx, r, body, accept)
}

// write makes a write by the request's own method.
func (c *Client) write(ctx context.Context, r request, body any, accept func(answer) error) error {
	encoded, err := encode(body)
	if err != nil {
		return r.unsendable("the request cannot be encoded")
	}
	r.write, r.accept = true, accept
	r.contentType, r.body = "application/json", encoded
	r.limit = maxAnswerBytes
	return c.call(ctx, r)
}

// encode returns body as JSON. A json.RawMessage in it keeps its values as they
// are written, and one that is the whole body keeps every byte.
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

// userAgent names the operator in the workspace's audit log, by the SDK's rules:
// pairs of key/value, of few characters.
func userAgent(version, authType string) string {
	pairs := []string{
		"databricks-operator/" + userAgentValue(version),
		"go/" + userAgentValue(strings.TrimPrefix(runtime.Version(), "go")),
		"os/" + userAgentValue(runtime.GOOS),
		"auth/" + userAgentValue(authType),
	}
	return strings.Join(pairs, " ")
}

var notUserAgent = regexp.MustCompile(`[^0-9A-Za-z_.+-]+`)

func userAgentValue(value string) string {
	value = notUserAgent.ReplaceAllString(value, "-")
	if value == "" {
		return "0.0.0"
	}
	return value
}
