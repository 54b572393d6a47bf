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
	// refreshEarly is how long before its end a token is no longer used: a
	// request must not arrive with one that has just ended.
	refreshEarly = 45 * time.Second
	// maxTokenLife is what is believed of a token's life at most.
	maxTokenLife = 24 * time.Hour
	// tokenTimeout ends the fetching of a token, which callers with different
	// deadlines share.
	tokenTimeout = 30 * time.Second
)

// oauth gets bearer tokens, which live an hour, from the token endpoint of the
// credential's own host. One token is kept, and fetched once however many wait
// for it.
type oauth struct {
	grant  grant
	sender *sender
	flight singleflight.Group

	mu       sync.Mutex
	endpoint string
	current  secret
	notAfter time.Time
}

// grant is what a credential gives for a token.
type grant interface {
	// request asks the token endpoint, whose path is given, for a token. Its
	// error is an *Error that is never ClassAmbiguous.
	request(ctx context.Context, endpoint string) (request, error)
	// advice follows the message of a refusal; it may be empty.
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
	// Whoever gives up leaves the others their answer.
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
			Method: http.MethodPost, Path: usualEndpoint, Endpoint: tokenEndpoint, cause: ctx.Err(),
		}
	}
}

// usualEndpoint names the call in an error where the real path is not known.
const usualEndpoint = "/oidc/v1/token"

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

// drop implements tokenSource. A token that was already replaced is not dropped.
func (o *oauth) drop(token string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.current != nil && o.current() == token {
		o.current = nil
	}
	return true
}

// fetch discovers the token endpoint, once, and gets a token from it.
func (o *oauth) fetch(ctx context.Context) (token string, err error) {
	if token := o.cached(); token != "" {
		return token, nil
	}
	endpoint, err := o.discover(ctx)
	if err != nil {
		return "", err
	}
	asks, err := o.grant.request(ctx, endpoint)
	if err != nil {
		return "", err
	}
	begin := time.Now()
	var life time.Duration
	asks.method, asks.path, asks.limit = http.MethodPost, endpoint, maxErrorBytes
	asks.endpoint = tokenEndpoint
	asks.contentType = "application/x-www-form-urlencoded"
	asks.accept = func(got answer) (err error) {
		token, life, err = parseToken(got.body)
		return err
	}
	if err := o.sender.send(ctx, asks); err != nil {
		return "", asAuthentication(err, o.grant.advice())
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.current, o.notAfter = func() string { return token }, begin.Add(life-min(refreshEarly, life/2))
	return token, nil
}

// discover asks where tokens are made (RFC 8414). The answer is trusted for a
// path on the credential's own host and for nothing else.
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
		accept: func(got answer) (err error) {
			path, err = o.sender.parseEndpoint(got.body)
			return err
		},
	})
	var failure *Error
	if errors.As(err, &failure) && failure.StatusCode == http.StatusNotFound {
		failure.Class = ClassUnauthenticated
		failure.Code, failure.Message = "", "the host knows no OAuth: use a personal access token, under the key token"
	}
	if err != nil {
		return "", err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.endpoint = path
	return path, nil
}

// parseEndpoint takes the path of the token endpoint out of a server's metadata.
// Whatever else its URL can say is refused: the credential goes only to the host
// that it came with.
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

// basic is the client's authentication by RFC 6749, 2.3.1: each half is
// form-encoded first.
func basic(id, secret string) string {
	pair := url.QueryEscape(id) + ":" + url.QueryEscape(secret)
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

// asAuthentication reads the refusals of a token endpoint, which answers 400
// for a wrong client (RFC 6749, 5.2).
func asAuthentication(err error, advice string) error {
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
	return err
}

// parseToken reads a token endpoint's answer. A life that is absent or absurd
// makes a token for one use.
func parseToken(body []byte) (token string, life time.Duration, err error) {
	var fields struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		// ExpiresIn is a number, which some servers quote, and no reason to fail.
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
	return fields.AccessToken, parseLife(fmt.Sprint(fields.ExpiresIn)), nil
}

func parseLife(text string) time.Duration {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) || seconds <= 0 {
		return 0
	}
	return time.Duration(min(seconds, maxTokenLife.Seconds()) * float64(time.Second))
}
