package simulator

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// OAuth as in RFC 6749 (client_credentials) and RFC 8693 (token exchange). Its
// endpoints need no credential, accept forms and have errors of their own.

const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"

func (c *call) host() string { return "https://" + c.request.Host }

func (c *call) databricksConfig() (any, *apiError) {
	config := params{
		"oidc_endpoint": c.host() + "/oidc",
		"host_type":     "workspace",
		"token_federation_default_oidc_audiences": []any{c.host() + "/oidc/v1/token"},
	}
	if len(c.server.workspaces) > 1 {
		config["host_type"] = "unified"
	}
	// A host with several workspaces has no id and no cloud of its own.
	for _, w := range c.server.workspaces {
		if decimal(w.id) != c.workspaceID {
			continue
		}
		config["workspace_id"] = decimal(w.id)
		if w.cloud != AnyCloud {
			config["cloud"] = string(w.cloud)
		}
	}
	return config, nil
}

func (c *call) authorizationServer() (any, *apiError) {
	return params{
		"issuer":                                c.host() + "/oidc",
		"authorization_endpoint":                c.host() + "/oidc/v1/authorize",
		"token_endpoint":                        c.host() + "/oidc/v1/token",
		"grant_types_supported":                 []any{"client_credentials", exchangeGrant},
		"token_endpoint_auth_methods_supported": []any{"client_secret_basic", "client_secret_post"},
		"scopes_supported":                      []any{"all-apis"},
	}, nil
}

func (c *call) token() (any, *apiError) {
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return nil, oauthError(http.StatusBadRequest, "invalid_request", "The body is not a form")
	}
	var found []*session
	var r *apiError
	switch grant := form.Get("grant_type"); grant {
	case "client_credentials":
		found, r = c.clientCredentials(form)
	case exchangeGrant:
		found, r = c.exchange(form)
	default:
		r = oauthError(http.StatusBadRequest, "unsupported_grant_type", fmt.Sprintf("Grant type %q is not supported", grant))
	}
	if r != nil {
		return nil, r
	}
	return c.issue(found), nil
}

func (c *call) clientCredentials(form url.Values) ([]*session, *apiError) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, password, ok := c.request.BasicAuth(); ok {
		// RFC 6749 2.3.1: both parts are form-encoded.
		var err1, err2 error
		id, err1 = url.QueryUnescape(user)
		secret, err2 = url.QueryUnescape(password)
		if err1 != nil || err2 != nil {
			id = ""
		}
	}
	found := c.sessionsOf(func(p *principal) bool {
		return p.ClientSecret != "" && p.UserName == id && p.ClientSecret == secret
	})
	if len(found) > 0 {
		return found, nil
	}
	return nil, oauthError(http.StatusUnauthorized, "invalid_client", "Client authentication failed")
}

func (c *call) exchange(form url.Values) ([]*session, *apiError) {
	if got := form.Get("subject_token_type"); got != "urn:ietf:params:oauth:token-type:jwt" {
		return nil, oauthError(http.StatusBadRequest, "invalid_request", fmt.Sprintf("Subject token type %q is not supported", got))
	}
	claims, err := readClaims(form.Get("subject_token"))
	if err != nil {
		return nil, oauthError(http.StatusBadRequest, "invalid_grant", err.Error())
	}
	if !c.now.Before(time.Unix(claims.Expires, 0)) {
		return nil, oauthError(http.StatusBadRequest, "invalid_grant", "The subject token has expired")
	}
	clientID := form.Get("client_id")
	found := c.sessionsOf(func(p *principal) bool {
		return p.Federation != nil && (clientID == "" || clientID == p.UserName) && p.Federation.accepts(claims)
	})
	if len(found) > 0 {
		return found, nil
	}
	return nil, oauthError(http.StatusBadRequest, "invalid_grant", "No federation policy matches the subject token")
}

// sessionsOf returns sessions of the first principal that fits, in every
// workspace that has the principal and matches the request.
func (c *call) sessionsOf(fits func(*principal) bool) []*session {
	requested := requestedWorkspace(c.request)
	var found []*session
	for _, w := range c.server.workspaces {
		if !w.answersTo(requested) {
			continue
		}
		for _, p := range w.principals {
			if fits(p) && (len(found) == 0 || found[0].principal.UserName == p.UserName) {
				found = append(found, &session{workspace: w, principal: p, rights: p.OAuthRights})
				break
			}
		}
	}
	return found
}

type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Expires  int64    `json:"exp"`
}

// audience is a string or a list of strings on the wire.
type audience []string

func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

func readClaims(token string) (claims, error) {
	var read claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return read, fmt.Errorf("the subject token is not a JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return read, fmt.Errorf("the subject token's payload is not base64url: %w", err)
	}
	if err := json.Unmarshal(payload, &read); err != nil {
		return read, fmt.Errorf("the subject token's payload is not JSON: %w", err)
	}
	return read, nil
}

func (f *Federation) accepts(c claims) bool {
	audienceFits := f.Audience == ""
	for _, a := range c.Audience {
		audienceFits = audienceFits || a == f.Audience
	}
	return audienceFits &&
		(f.Issuer == "" || f.Issuer == c.Issuer) &&
		(f.Subject == "" || f.Subject == c.Subject)
}

// issue returns a new token; earlier tokens remain valid until they expire.
func (c *call) issue(found []*session) params {
	s := c.server
	life := s.behaviour.OAuthTokenLife
	if life == 0 {
		life = time.Hour
	}
	for token, issued := range s.accessTokens {
		if !c.now.Before(issued[0].expires) {
			delete(s.accessTokens, token)
			delete(s.tokenNames, token)
		}
	}
	token := fmt.Sprintf("eyJ-simulator-%016x%016x", s.random.Uint64(), s.random.Uint64())
	for _, one := range found {
		one.expires = c.now.Add(life)
	}
	s.accessTokens[token] = found
	s.tokenNames[token] = "oauth:" + found[0].principal.UserName
	c.entry.Workspace, c.entry.Principal, c.entry.Token = found[0].workspace.name, found[0].principal.UserName, s.tokenNames[token]
	answer := params{"access_token": token, "token_type": "Bearer", "scope": "all-apis", "expires_in": int64(life / time.Second)}
	if s.behaviour.QuotedExpiresIn {
		answer["expires_in"] = decimal(int64(life / time.Second))
	}
	return answer
}

func oauthError(status int, code, description string) *apiError {
	return &apiError{status: status, code: code, message: description, oauth: true}
}
