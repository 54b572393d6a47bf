package simulator

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// session is who a credential stands for, and where.
type session struct {
	workspace *workspace
	principal *principal
	// expires is zero for a personal access token.
	expires time.Time
}

func (s *Server) identify(r *http.Request, now time.Time) (*session, *refusal) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, refuse(http.StatusUnauthorized, "UNAUTHENTICATED",
			"Credential was not sent or was of an unsupported type for this API.")
	}
	if known, ok := s.credentials[token]; ok {
		return known, nil
	}
	if issued, ok := s.accessTokens[token]; ok && now.Before(issued.expires) {
		return issued, nil
	}
	if s.behaviour.BadTokenIsForbidden {
		return nil, refuse(http.StatusForbidden, "403", "Invalid access token.")
	}
	return nil, refuse(http.StatusUnauthorized, "UNAUTHENTICATED", "Invalid access token.")
}

// AddToken gives a principal one more personal access token.
func (s *Server) AddToken(workspaceName, userName, token string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, w := range s.workspaces {
		if w.name != workspaceName && workspaceName != "" {
			continue
		}
		for _, p := range w.principals {
			if p.UserName == userName {
				s.credentials[token] = &session{workspace: w, principal: p}
				return nil
			}
		}
	}
	return fmt.Errorf("no principal %q in workspace %q", userName, workspaceName)
}

// RevokeToken makes a personal access token or an OAuth token invalid at once.
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

// me is SCIM's answer to who the caller is.
func (c *call) me() (any, *refusal) {
	p := c.principal
	groups := []any{params{"display": "users", "value": "5001", "$ref": "Groups/5001", "type": "direct"}}
	if !p.NotAdmin {
		groups = append(groups, params{"display": "admins", "value": "5002", "$ref": "Groups/5002", "type": "direct"})
	}
	me := params{
		"schemas":     []any{"urn:ietf:params:scim:schemas:core:2.0:User"},
		"id":          p.ID,
		"userName":    p.UserName,
		"displayName": p.DisplayName,
		"active":      true,
		"groups":      groups,
	}
	if strings.Contains(p.UserName, "@") {
		me["emails"] = []any{params{"type": "work", "value": p.UserName, "primary": true}}
	}
	if !p.MayNotCreate {
		me["entitlements"] = []any{params{"value": "allow-cluster-create"}}
	}
	return me, nil
}
