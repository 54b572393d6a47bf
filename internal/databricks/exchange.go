package databricks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// SubjectToken issues a token that says who asks: a JWT for an audience. It is
// called for every exchange, so that no subject token grows old. An error that
// is an *Error is told as it stands, and another one as passing.
type SubjectToken func(ctx context.Context, audience string) (string, error)

// WorkloadIdentity is a credential that somebody else issues and that the
// workspace trusts by a federation policy. It holds no secret.
type WorkloadIdentity struct {
	// Host is the workspace's URL, in the forms of ParseHost.
	Host string
	// WorkspaceID names the workspace where several are behind the host; it may be
	// empty and must not contradict Host.
	WorkspaceID string
	// ClientID is the application id of the service principal to become; empty:
	// an account-wide federation policy decides.
	ClientID string
	// Audience is whom the subject's tokens are for; empty: what the workspace
	// names as its default, else its token endpoint.
	Audience string
	// Subject is who the tokens speak of, as the federation policy spells it.
	Subject string
	// Token issues them. Of two identities with equal fields it must do the
	// same: Fingerprint cannot look inside.
	Token SubjectToken
}

// Config is the identity as a host with its credential. Its errors say what is
// wrong with Host.
func (w WorkloadIdentity) Config() (Config, error) {
	origin, workspaceID, err := ParseHost(w.Host)
	if err != nil {
		return Config{}, fmt.Errorf("host %w", err)
	}
	if workspaceID, err = oneWorkspaceID(workspaceID, w.WorkspaceID); err != nil {
		return Config{}, fmt.Errorf("workspace id %w", err)
	}
	held := newCredential(&exchangeMethod, map[string]string{
		"client_id": w.ClientID, "audience": w.Audience, "subject": w.Subject,
	})
	held.subject = w.Token
	return Config{origin: origin, workspaceID: workspaceID, credential: held}, nil
}

// exchangeMethod is none that a Secret can choose, so it is not among methods.
var exchangeMethod = method{
	name:     "workload-identity",
	public:   map[string]bool{"client_id": true, "audience": true, "subject": true},
	identity: []string{"client_id", "subject"},
	tokens:   newExchange,
}

// exchange is the grant of a workload identity (RFC 8693).
type exchange struct {
	clientID, subject string
	token             SubjectToken
	sender            *sender

	mu       sync.Mutex
	audience string
}

func newExchange(credential *credential, sender *sender) tokenSource {
	return &oauth{sender: sender, grant: &exchange{
		clientID: credential.values["client_id"](),
		subject:  credential.values["subject"](),
		audience: credential.values["audience"](),
		token:    credential.subject,
		sender:   sender,
	}}
}

func (e *exchange) request(ctx context.Context, endpoint string) (request, error) {
	audience, err := e.discoverAudience(ctx, endpoint)
	if err != nil {
		return request{}, err
	}
	token, err := e.token(ctx, audience)
	if err != nil {
		return request{}, e.unissued(err)
	}
	token = strings.TrimSpace(token)
	if token == "" || checkValue("subject_token", token) != nil {
		return request{}, e.unissued(&Error{Class: ClassUnauthenticated, Message: "the token of " + e.subject + " is not usable"})
	}
	form := url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
		"subject_token":      {token},
		"scope":              {"all-apis"},
	}
	if e.clientID != "" {
		form.Set("client_id", e.clientID)
	}
	return request{body: []byte(form.Encode()), hidden: token}, nil
}

// unissued is the failure of an exchange that was not made for want of a token.
func (e *exchange) unissued(err error) error {
	failure := Error{Class: ClassTransient, Message: "there is no token of " + e.subject + " to exchange", cause: knownCause(err)}
	if told, ok := errors.AsType[*Error](err); ok {
		failure = *told
	}
	if failure.Class == ClassAmbiguous {
		failure.Class = ClassTransient
	}
	failure.Method, failure.Path, failure.Endpoint = http.MethodPost, usualEndpoint, tokenEndpoint
	return &failure
}

// configPath is where a host tells about itself; not every host does.
const configPath = "/.well-known/databricks-config"

// audienceEndpoint is Call.Endpoint of that request.
const audienceEndpoint = "oidc/audience"

// discoverAudience is whom the token must be for: what was configured, else what
// the host names first as its default, else its token endpoint.
func (e *exchange) discoverAudience(ctx context.Context, endpoint string) (string, error) {
	e.mu.Lock()
	known := e.audience
	e.mu.Unlock()
	if known != "" {
		return known, nil
	}
	audience := e.sender.origin.String() + endpoint
	err := e.sender.send(ctx, request{
		method: http.MethodGet, path: configPath, endpoint: audienceEndpoint, limit: maxErrorBytes,
		accept: func(got answer) error {
			named, err := parseAudience(got.body)
			if named != "" {
				audience = named
			}
			return err
		},
	})
	if class := ClassOf(err); class == ClassTransient || class == ClassThrottled {
		// Whoever went on with a guess might be refused for long.
		return "", err
	}
	if !e.sender.mayBeAudience(audience) {
		return "", &Error{
			Class: ClassHost, Method: http.MethodGet, Path: configPath, Endpoint: audienceEndpoint,
			Message: "the host names a default audience that is neither its own nor an account's: set the audience that the federation policy expects",
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.audience = audience
	return audience, nil
}

// parseAudience is the first default audience of a host's metadata; "" where it
// names none.
func parseAudience(body []byte) (string, error) {
	var metadata struct {
		Audiences []string `json:"token_federation_default_oidc_audiences"`
	}
	if err := decode(body, &metadata); err != nil || len(metadata.Audiences) == 0 {
		return "", err
	}
	return metadata.Audiences[0], nil
}

var accountID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// mayBeAudience keeps a host from being given a token that is good elsewhere,
// such as at the issuer itself: it may name itself or an account.
func (s *sender) mayBeAudience(audience string) bool {
	path, own := strings.CutPrefix(audience, s.origin.String()+"/")
	return own && plainPath.MatchString(path) || audience == s.origin.String() || accountID.MatchString(audience)
}

// advice is what the federation policy must say.
func (e *exchange) advice() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return fmt.Sprintf(" (the federation policy must accept the subject %s for the audience %s)", e.subject, e.audience)
}
