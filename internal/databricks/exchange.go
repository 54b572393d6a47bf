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

// SubjectToken issues a subject token, a JWT for an audience. It is called for every
// exchange, so that no subject token expires in a cache. An *Error is returned
// unchanged, and any other error as ClassTransient.
type SubjectToken func(ctx context.Context, audience string) (string, error)

// WorkloadIdentity is a credential of another issuer, which the workspace trusts by a
// federation policy. It contains no secret.
type WorkloadIdentity struct {
	// Host is the workspace's URL, in the forms of ParseHost.
	Host string
	// WorkspaceID selects the workspace if several share the host. It may be empty, and
	// must not contradict Host.
	WorkspaceID string
	// ClientID is the application id of the service principal. It is empty for an
	// account-wide federation policy.
	ClientID string
	// EntraTenantID is the tenant whose application with ClientID trusts the subject by a
	// federated credential. Entra ID exchanges the subject token then; the workspace does
	// if it is empty. Audience is not used with it.
	EntraTenantID string
	// Audience is the audience of the subject tokens. If it is empty, the default of the
	// workspace is used, or else its token endpoint.
	Audience string
	// Subject is the subject of the tokens, as in the federation policy.
	Subject string
	// Token issues the subject tokens. It must be equivalent for two identities with
	// equal fields, because Fingerprint does not cover it.
	Token SubjectToken
}

// Config returns the host and the credential of the identity. It fails if Host,
// WorkspaceID or EntraTenantID is invalid.
func (w WorkloadIdentity) Config() (Config, error) {
	origin, workspaceID, err := ParseHost(w.Host)
	if err != nil {
		return Config{}, fmt.Errorf("host %w", err)
	}
	if workspaceID, err = oneWorkspaceID(workspaceID, w.WorkspaceID); err != nil {
		return Config{}, fmt.Errorf("workspace id %w", err)
	}
	credential, err := w.credential(origin)
	if err != nil {
		return Config{}, err
	}
	credential.subject = w.Token
	return Config{origin: origin, workspaceID: workspaceID, credential: credential}, nil
}

func (w WorkloadIdentity) credential(origin Origin) (*credential, error) {
	if w.EntraTenantID == "" {
		return newCredential(&exchangeMethod, map[string]string{
			"client_id": w.ClientID, "audience": w.Audience, "subject": w.Subject,
		}), nil
	}
	if _, err := entraLogin(origin); err != nil {
		return nil, fmt.Errorf("host %w", err)
	}
	if err := checkEntraTenant(w.EntraTenantID); err != nil {
		return nil, fmt.Errorf("tenant %w", err)
	}
	return newCredential(&entraMethod, map[string]string{
		"client_id": w.ClientID, "tenant_id": w.EntraTenantID, "subject": w.Subject,
	}), nil
}

// exchangeMethod is not in methods, because a Secret cannot select it.
var exchangeMethod = method{
	name:     "workload-identity",
	public:   map[string]bool{"client_id": true, "audience": true, "subject": true},
	identity: []string{"client_id", "subject"},
	tokens:   newExchange,
}

// exchange is the grant of a workload identity (RFC 8693).
type exchange struct {
	clientID string
	subject  subjectSource
	sender   *sender

	mu       sync.Mutex
	audience string
}

func newExchange(credential *credential, sender *sender) tokenSource {
	return &oauth{sender: sender, grant: &exchange{
		clientID: credential.values["client_id"](),
		subject:  credential.subjectTokens(),
		audience: credential.values["audience"](),
		sender:   sender,
	}}
}

func (e *exchange) request(ctx context.Context, endpoint string) (request, error) {
	audience, err := e.discoverAudience(ctx, endpoint)
	if err != nil {
		return request{}, err
	}
	token, err := e.subject.tokenFor(ctx, audience)
	if err != nil {
		return request{}, err
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

// subjectSource is the subject of the tokens that are exchanged.
type subjectSource struct {
	name  string
	issue SubjectToken
}

// subjectTokens returns the subject of a workload identity.
func (c *credential) subjectTokens() subjectSource {
	return subjectSource{name: c.values["subject"](), issue: c.subject}
}

// tokenFor returns a token of the subject. It fails with an *Error, but never with
// ClassAmbiguous.
func (s subjectSource) tokenFor(ctx context.Context, audience string) (string, error) {
	token, err := s.issue(ctx, audience)
	if err != nil {
		return "", s.failure(err)
	}
	token = strings.TrimSpace(token)
	if token == "" || checkValue("subject_token", token) != nil {
		return "", s.failure(&Error{Class: ClassUnauthenticated, Message: "the token of " + s.name + " is not usable"})
	}
	return token, nil
}

// failure returns the failure of an exchange that has no token of the subject.
func (s subjectSource) failure(err error) error {
	failure := Error{Class: ClassTransient, Message: "there is no token of " + s.name + " to exchange", cause: knownCause(err)}
	if classified, ok := errors.AsType[*Error](err); ok {
		failure = *classified
	}
	if failure.Class == ClassAmbiguous {
		failure.Class = ClassTransient
	}
	failure.Method, failure.Path, failure.Endpoint = http.MethodPost, defaultOAuthPath, tokenEndpoint
	return &failure
}

// configPath is the path of the host's metadata, which not every host has.
const configPath = "/.well-known/databricks-config"

// audienceEndpoint is Call.Endpoint of a request for the metadata.
const audienceEndpoint = "oidc/audience"

// discoverAudience returns the audience for subject tokens: the configured one, else
// the first default of the host, else its token endpoint.
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
		accept: func(got response) error {
			named, err := parseAudience(got.body)
			if named != "" {
				audience = named
			}
			return err
		},
	})
	if class := ClassOf(err); class == ClassTransient || class == ClassThrottled {
		// A guessed audience could be refused, and would be cached.
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

// parseAudience returns the first default audience of a host's metadata, or "" if
// there is none.
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

// mayBeAudience reports whether an audience that a host names is its own.
func (s *sender) mayBeAudience(audience string) bool { return s.origin.isAudience(audience) }

// IsOwnAudience reports whether an audience is the host, an address of it, such as its
// token endpoint, or the id of an account.
func (c Config) IsOwnAudience(audience string) bool { return c.origin.isAudience(audience) }

// isAudience reports whether an audience is the host's own or that of an account. Any
// other audience would give the host a token that is valid for another service, such as
// the issuer.
func (o Origin) isAudience(audience string) bool {
	path, own := strings.CutPrefix(audience, o.String()+"/")
	return own && plainPath.MatchString(path) || audience == o.String() || accountID.MatchString(audience)
}

// advice returns the content that the federation policy must have.
func (e *exchange) advice() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return fmt.Sprintf(" (the federation policy must accept the subject %s for the audience %s)", e.subject.name, e.audience)
}
