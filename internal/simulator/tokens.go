package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
)

// Token is a personal access token that the request log calls by a name, and
// that may have fewer rights than its principal.
type Token struct {
	// Value is the secret that a caller sends.
	Value string `json:"token"`
	// Name stands for the token in the request log and in faults; empty is
	// TokenFingerprint of Value.
	Name string `json:"name,omitempty"`
	// Rights narrow what the token may do.
	Rights Rights `json:"rights,omitzero"`
}

// Rights narrow what one token may do; they never widen what its principal may.
// The zero value takes nothing away.
type Rights struct {
	// ReadOnly refuses every operation that changes something.
	ReadOnly bool `json:"read_only,omitempty"`
	// MayNotCreate refuses clusters/create, also to an administrator.
	MayNotCreate bool `json:"may_not_create,omitempty"`
	// Refused are patterns of endpoints that answer 403 PERMISSION_DENIED, such
	// as "permissions/*".
	Refused []string `json:"refused,omitempty"`
	// HiddenClusters are ids of clusters that do not exist for the token: get
	// does not know them and lists leave them out.
	HiddenClusters []string `json:"hidden_clusters,omitempty"`
}

// TokenFingerprint identifies a token without revealing it, in the request log
// and in Fault.Token, where the token has no name.
func TokenFingerprint(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(sum[:6])
}

// AddToken gives a principal one more personal access token, without a name and
// with all of the principal's rights. An empty workspace name is the first
// workspace that has the principal.
func (s *Server) AddToken(workspaceName, userName, token string) error {
	return s.AddScopedToken(workspaceName, userName, Token{Value: token})
}

// AddScopedToken gives a principal one more personal access token. The same
// value may be added in several workspaces; in one workspace the last call
// holds.
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
// that takes it.
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
// in every workspace. The log goes on calling it by its name.
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

// tokenName is what the log calls a token that a caller sent, known or not.
func (s *Server) tokenName(token string) string {
	if token == "" {
		return ""
	}
	if name, known := s.tokenNames[token]; known {
		return name
	}
	return TokenFingerprint(token)
}

// allow is the refusal of an operation that the caller's token may not do.
func (c *call) allow() *refusal {
	if c.session == nil {
		return nil
	}
	rights, name := c.rights, c.endpoint.name
	switch {
	case rights.ReadOnly && c.changesSomething():
		return forbidden("Provided token does not have the required scopes: it may only read")
	case rights.MayNotCreate && name == "clusters/create":
		return forbidden("You are not authorized to create clusters. Please contact your administrator.")
	case slices.ContainsFunc(rights.Refused, func(pattern string) bool { return matches(pattern, name) }):
		return forbidden("Provided token does not have the required scopes for %s", name)
	}
	return nil
}

// changesSomething reports whether the operation is a write. clusters/events is
// a POST that reads.
func (c *call) changesSomething() bool {
	return c.request.Method != http.MethodGet && c.endpoint.name != "clusters/events"
}

func (r Rights) hides(clusterID string) bool { return slices.Contains(r.HiddenClusters, clusterID) }
