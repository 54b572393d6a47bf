package databricks

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// refreshMargin is the time before its expiry from which a token is no longer used,
	// so that it does not expire while a request is in flight.
	refreshMargin = 45 * time.Second
	// maxTokenLifetime limits the lifetime that a server can give a token.
	maxTokenLifetime = 24 * time.Hour
	// tokenTimeout is the timeout of a request for a token, which callers with different
	// deadlines share.
	tokenTimeout = 30 * time.Second
)

// oauth gets bearer tokens from the token endpoint of the sender's host. It caches
// one token. Concurrent callers share one request for a new token.
type oauth struct {
	grant  grant
	sender *sender
	// issuer is the host that messages name; empty if the workspace issues the tokens.
	issuer string
	// parse decodes the response of the token endpoint; nil for parseToken.
	parse  func(body []byte) (token string, lifetime time.Duration, err error)
	flight singleflight.Group

	mu sync.Mutex
	// endpoint is the path of the token endpoint; empty until it is discovered.
	endpoint string
	current  secret
	notAfter time.Time
}

// grant is an OAuth grant, which is exchanged for a token.
type grant interface {
	// request returns the request to the token endpoint, whose path is given. It fails
	// with an *Error, but never with ClassAmbiguous.
	request(ctx context.Context, endpoint string) (request, error)
	// advice is appended to the message of a refusal; it may be empty.
	advice() string
}

// clientCredentials is the grant of a service principal with a secret (RFC 6749,
// 4.4).
type clientCredentials struct{ clientID, clientSecret secret }

func newClientCredentials(credential *credential, sender *sender) tokenSource {
	return &oauth{sender: sender, grant: clientCredentials{
		clientID:     credential.values["client_id"],
		clientSecret: credential.values["client_secret"],
	}}
}

func (c clientCredentials) request(context.Context, string) (request, error) {
	return request{
		body:          []byte(url.Values{"grant_type": {"client_credentials"}, "scope": {"all-apis"}}.Encode()),
		authorization: basic(c.clientID(), c.clientSecret()),
	}, nil
}

func (c clientCredentials) advice() string { return "" }

// token implements tokenSource.
func (o *oauth) token(ctx context.Context) (string, error) {
	if token := o.cached(); token != "" {
		return token, nil
	}
	// A caller whose context ends must not cancel the request of the others.
	shared := context.WithoutCancel(ctx)
	fetched := o.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(shared, tokenTimeout)
		defer cancel()
		return o.fetch(ctx)
	})
	select {
	case result := <-fetched:
		token, _ := result.Val.(string)
		return token, result.Err
	case <-ctx.Done():
		return "", &Error{
			Class: ClassTransient, Message: "no token within the deadline",
			Method: http.MethodPost, Path: defaultOAuthPath, Endpoint: tokenEndpoint, cause: ctx.Err(),
		}
	}
}

// defaultOAuthPath is the path of the token endpoint in an error, if the path was not
// discovered.
const defaultOAuthPath = "/oidc/v1/token"

// tokenEndpoint is Call.Endpoint of a request for a token.
const tokenEndpoint = "oidc/token"

func (o *oauth) cached() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.current == nil || !time.Now().Before(o.notAfter) {
		return ""
	}
	return o.current()
}

// invalidate implements tokenSource. It keeps a newer token.
func (o *oauth) invalidate(token string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.current != nil && o.current() == token {
		o.current = nil
	}
	return true
}

// fetch discovers the token endpoint, once, and requests a token.
func (o *oauth) fetch(ctx context.Context) (token string, err error) {
	if token := o.cached(); token != "" {
		return token, nil
	}
	endpoint, err := o.discover(ctx)
	if err != nil {
		return "", err
	}
	r, err := o.grant.request(ctx, endpoint)
	if err != nil {
		return "", err
	}
	begin := time.Now()
	var lifetime time.Duration
	r.method, r.path, r.limit = http.MethodPost, endpoint, maxErrorBytes
	r.endpoint = tokenEndpoint
	r.contentType = "application/x-www-form-urlencoded"
	r.accept = func(got response) (err error) {
		token, lifetime, err = o.decode(got.body)
		return err
	}
	if err := o.sender.send(ctx, r); err != nil {
		return "", classifyTokenError(err, o.issuer, o.grant.advice())
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.current, o.notAfter = func() string { return token }, begin.Add(lifetime-min(refreshMargin, lifetime/2))
	return token, nil
}

func (o *oauth) decode(body []byte) (token string, lifetime time.Duration, err error) {
	if o.parse != nil {
		return o.parse(body)
	}
	return parseToken(body)
}

// discover returns the path of the token endpoint (RFC 8414). It accepts only a path on
// the credential's own host.
func (o *oauth) discover(ctx context.Context) (string, error) {
	o.mu.Lock()
	known := o.endpoint
	o.mu.Unlock()
	if known != "" {
		return known, nil
	}
	var path string
	err := o.sender.send(ctx, request{
		method: http.MethodGet, path: "/oidc/.well-known/oauth-authorization-server", limit: maxErrorBytes,
		endpoint: "oidc/discovery",
		accept: func(got response) (err error) {
			path, err = o.sender.parseEndpoint(got.body)
			return err
		},
	})
	var failure *Error
	if errors.As(err, &failure) && failure.StatusCode == http.StatusNotFound {
		failure.Class = ClassUnauthenticated
		failure.Code, failure.Message = "", "the host does not support OAuth: use a personal access token, under the key token"
	}
	if err != nil {
		return "", err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.endpoint = path
	return path, nil
}

// parseEndpoint returns the path of the token endpoint from a server's metadata. It
// fails if the endpoint is not on the same host, because a credential must not be sent
// to another host.
func (s *sender) parseEndpoint(body []byte) (string, error) {
	var metadata struct {
		TokenEndpoint string `json:"token_endpoint"`
	}
	if err := decode(body, &metadata); err != nil {
		return "", err
	}
	path, own := strings.CutPrefix(metadata.TokenEndpoint, s.origin.String()+"/")
	if !own || !plainPath.MatchString(path) {
		return "", &Error{Class: ClassHost, Message: "the host names a token endpoint that is not its own: the credential is not sent there"}
	}
	return "/" + path, nil
}

var plainPath = regexp.MustCompile(`^[0-9A-Za-z_-]+(/[0-9A-Za-z_-]+)*$`)

// basic returns the authentication of a client (RFC 6749, 2.3.1), in which each part is
// form-encoded first.
func basic(id, secret string) string {
	pair := url.QueryEscape(id) + ":" + url.QueryEscape(secret)
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

// classifyTokenError sets ClassUnauthenticated for a refusal of a token endpoint, which
// responds with 400 for a wrong client (RFC 6749, 5.2). The message names the issuer,
// unless it is empty, and ends with the advice.
func classifyTokenError(err error, issuer, advice string) error {
	var failure *Error
	if !errors.As(err, &failure) {
		return err
	}
	if failure.Class == ClassInvalid {
		failure.Class = ClassUnauthenticated
	}
	if failure.Class == ClassUnauthenticated {
		failure.Message += advice
	}
	if issuer != "" {
		failure.Message = issuer + ": " + failure.Message
		// It says nothing about the workspace.
		failure.Answered = false
	}
	return err
}

// parseToken decodes the response of a token endpoint. A token without a valid lifetime
// is used once.
func parseToken(body []byte) (token string, lifetime time.Duration, err error) {
	var fields struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		// ExpiresIn is a number or a string. An invalid value is no error.
		ExpiresIn any `json:"expires_in"`
	}
	if err := decode(body, &fields); err != nil {
		return "", 0, err
	}
	if fields.AccessToken == "" || checkValue("access_token", fields.AccessToken) != nil {
		return "", 0, errors.New("it has no usable access_token")
	}
	if fields.TokenType != "" && !strings.EqualFold(fields.TokenType, "Bearer") {
		return "", 0, errors.New("its token_type is not Bearer")
	}
	return fields.AccessToken, parseLifetime(fmt.Sprint(fields.ExpiresIn)), nil
}

func parseLifetime(text string) time.Duration {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) || seconds <= 0 {
		return 0
	}
	return time.Duration(min(seconds, maxTokenLifetime.Seconds()) * float64(time.Second))
}
