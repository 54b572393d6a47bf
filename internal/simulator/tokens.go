package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
)

// Token is a personal access token with a name for the request log, which may
// have fewer rights than its principal.
type Token struct {
	// Value is the secret that a caller sends.
	Value string `json:"token"`
	// Name identifies the token in the request log and in faults; empty means
	// TokenFingerprint of Value.
	Name string `json:"name,omitempty"`
	// Rights restrict the token.
	Rights Rights `json:"rights,omitzero"`
}

// Rights restrict one token; they never add rights to those of its principal.
// The zero value restricts nothing.
type Rights struct {
	// ReadOnly rejects every write.
	ReadOnly bool `json:"read_only,omitempty"`
	// MayNotCreate rejects clusters/create, also for an administrator.
	MayNotCreate bool `json:"may_not_create,omitempty"`
	// Refused lists patterns of endpoints that answer 403 PERMISSION_DENIED,
	// such as "permissions/*".
	Refused []string `json:"refused,omitempty"`
	// HiddenClusters lists ids of clusters that are invisible to the token: get
	// does not find them and lists omit them.
	HiddenClusters []string `json:"hidden_clusters,omitempty"`
}

// TokenFingerprint returns a string that identifies a token without revealing
// it. The request log and Fault.Token use it for tokens without a name.
func TokenFingerprint(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(sum[:6])
}

// AddToken gives a principal one more personal access token, without a name and
// with all of the principal's rights. An empty workspace name means the first
// workspace that has the principal.
func (s *Server) AddToken(workspaceName, userName, token string) error {
	return s.AddScopedToken(workspaceName, userName, Token{Value: token})
}

// AddScopedToken gives a principal one more personal access token. The same
// value may be added in several workspaces; in one workspace the last call
// wins.
func (s *Server) AddScopedToken(workspaceName, userName string, token Token) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, w := range s.workspaces {
		if w.name != workspaceName && workspaceName != "" {
			continue
		}
		if p := w.principal(userName); p != nil {
			s.addCredential(token, w, p)
			return nil
		}
	}
	return fmt.Errorf("no principal %q in workspace %q", userName, workspaceName)
}

func (s *Server) addCredential(token Token, w *workspace, p *principal) {
	name := token.Name
	if name == "" {
		name = TokenFingerprint(token.Value)
	}
	s.tokenNames[token.Value] = name
	sessions := slices.DeleteFunc(s.credentials[token.Value], func(known *session) bool { return known.workspace == w })
	s.credentials[token.Value] = append(sessions, &session{workspace: w, principal: p, rights: token.Rights})
}

// SetTokenRights replaces the rights of a token of any kind, in every workspace
// that accepts it.
func (s *Server) SetTokenRights(token string, rights Rights) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	sessions := slices.Concat(s.credentials[token], s.accessTokens[token])
	if len(sessions) == 0 {
		return fmt.Errorf("no workspace takes the token %s", TokenFingerprint(token))
	}
	for _, known := range sessions {
		known.rights = rights
	}
	return nil
}

// RevokeToken makes a personal access token or an OAuth token invalid at once,
// in every workspace. The log keeps its name.
func (s *Server) RevokeToken(token string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.credentials, token)
	delete(s.accessTokens, token)
}

// RevokeOAuthTokens makes every issued OAuth token invalid at once.
func (s *Server) RevokeOAuthTokens() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	clear(s.accessTokens)
}

// tokenName returns the name of a token in the log, also of an unknown token.
func (s *Server) tokenName(token string) string {
	if token == "" {
		return ""
	}
	if name, known := s.tokenNames[token]; known {
		return name
	}
	return TokenFingerprint(token)
}

// checkRights returns the error for an operation that the rights of the
// caller's token do not allow.
func (c *call) checkRights() *apiError {
	if c.session == nil {
		return nil
	}
	rights, name := c.rights, c.endpoint.name
	switch {
	case rights.ReadOnly && c.isWrite():
		return forbidden("Provided token does not have the required scopes: it may only read")
	case rights.MayNotCreate && name == "clusters/create":
		return forbidden("You are not authorized to create clusters. Please contact your administrator.")
	case slices.ContainsFunc(rights.Refused, func(pattern string) bool { return matches(pattern, name) }):
		return forbidden("Provided token does not have the required scopes for %s", name)
	}
	return nil
}

// isWrite reports whether the operation is a write. clusters/events is a POST
// that reads.
func (c *call) isWrite() bool {
	return c.request.Method != http.MethodGet && c.endpoint.name != "clusters/events"
}

func (r Rights) hides(clusterID string) bool { return slices.Contains(r.HiddenClusters, clusterID) }
