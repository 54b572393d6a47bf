package simulator

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// session is the principal of a credential in one workspace.
type session struct {
	workspace *workspace
	principal *principal
	// rights restrict the credential.
	rights Rights
	// expires is zero for a personal access token.
	expires time.Time
}

// workspaceHeaders select the workspace of a request on a host with several.
var workspaceHeaders = []string{"X-Databricks-Workspace-Id", "X-Databricks-Org-Id"}

// requestedWorkspace returns the workspace id that the request names; empty for
// none.
func requestedWorkspace(r *http.Request) string {
	requested := ""
	for _, name := range workspaceHeaders {
		requested = cmp.Or(requested, r.Header.Get(name))
	}
	return cmp.Or(requested, r.URL.Query().Get("o"))
}

func bearerToken(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// identify returns the session of the request's credential in the workspace
// that the request names; if it names none, in the first workspace that accepts
// the credential.
func (s *Server) identify(r *http.Request, now time.Time) (*session, *apiError) {
	token := bearerToken(r)
	if token == "" {
		return nil, newAPIError(http.StatusUnauthorized, "UNAUTHENTICATED",
			"Credential was not sent or was of an unsupported type for this API.")
	}
	sessions := s.credentials[token]
	if len(sessions) == 0 {
		sessions = s.accessTokens[token]
	}
	requested := requestedWorkspace(r)
	if requested == "" && s.behaviour.WorkspaceIDRequired {
		return nil, invalid("X-Databricks-Workspace-Id is missing: this host serves several workspaces")
	}
	for _, known := range sessions {
		expired := !known.expires.IsZero() && !now.Before(known.expires)
		if !expired && known.workspace.answersTo(requested) {
			return known, nil
		}
	}
	if s.behaviour.BadTokenIsForbidden {
		return nil, newAPIError(http.StatusForbidden, "403", "Invalid access token.")
	}
	return nil, newAPIError(http.StatusUnauthorized, "UNAUTHENTICATED", "Invalid access token.")
}

// answersTo reports whether the workspace serves requests that name this
// workspace id. A host with one workspace ignores the id.
func (w *workspace) answersTo(id string) bool {
	return id == "" || len(w.server.workspaces) == 1 || id == decimal(w.id)
}

// workspaceID returns the value of X-Databricks-Org-Id in the response to the
// request; empty if the request belongs to no workspace. Server.mutex is held.
func (s *Server) workspaceID(r *http.Request, known *session) string {
	if known != nil {
		return decimal(known.workspace.id)
	}
	if len(s.workspaces) == 1 {
		return decimal(s.workspaces[0].id)
	}
	requested := requestedWorkspace(r)
	if slices.ContainsFunc(s.workspaces, func(w *workspace) bool { return decimal(w.id) == requested }) {
		return requested
	}
	return ""
}

// me is SCIM's description of the caller.
func (c *call) me() (any, *apiError) {
	p := c.principal
	groups := []any{params{"display": "users", "value": "5001", "$ref": "Groups/5001", "type": "direct"}}
	if !p.NotAdmin {
		groups = append(groups, params{"display": "admins", "value": "5002", "$ref": "Groups/5002", "type": "direct"})
	}
	for i, name := range p.Groups {
		id := decimal(int64(5003 + i))
		groups = append(groups, params{"display": name, "value": id, "$ref": "Groups/" + id, "type": "direct"})
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
