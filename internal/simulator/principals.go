package simulator

import (
	"fmt"
	"net/http"
	"slices"
)

// The principals that permissions may name.

// builtInGroups exist in every workspace.
var builtInGroups = []string{"users", "admins"}

// principalNames are the kinds of principals as error messages spell them.
var principalNames = map[string]string{
	"user_name": "UserName", "group_name": "GroupName", "service_principal_name": "ServicePrincipalName",
}

// AddPrincipal adds a principal to a workspace, or replaces the principal with
// the same name, keeping its clusters and tokens. An empty workspace name means
// the first workspace.
func (s *Server) AddPrincipal(workspaceName string, p Principal) error {
	return s.inWorkspace(workspaceName, func(w *workspace) error {
		w.addPrincipal(p)
		return nil
	})
}

// RemovePrincipal removes a user or service principal and the tokens that only
// it has. Permissions can no longer name it.
func (s *Server) RemovePrincipal(workspaceName, userName string) error {
	return s.inWorkspace(workspaceName, func(w *workspace) error {
		if w.principal(userName) == nil {
			return fmt.Errorf("no principal %q in workspace %q", userName, w.name)
		}
		w.principals = slices.DeleteFunc(w.principals, func(p *principal) bool { return p.UserName == userName })
		for _, sessions := range []map[string][]*session{s.credentials, s.accessTokens} {
			for token, all := range sessions {
				sessions[token] = slices.DeleteFunc(all, func(known *session) bool {
					return known.workspace == w && known.principal.UserName == userName
				})
				if len(sessions[token]) == 0 {
					delete(sessions, token)
				}
			}
		}
		return nil
	})
}

// AddGroup adds a group to a workspace. An empty workspace name means the first
// workspace.
func (s *Server) AddGroup(workspaceName, name string) error {
	return s.inWorkspace(workspaceName, func(w *workspace) error {
		w.groups = append(w.groups, name)
		return nil
	})
}

// RemoveGroup removes a group; permissions that name it remain.
func (s *Server) RemoveGroup(workspaceName, name string) error {
	return s.inWorkspace(workspaceName, func(w *workspace) error {
		w.groups = slices.DeleteFunc(w.groups, func(known string) bool { return known == name })
		return nil
	})
}

// inWorkspace calls change with the workspace of this name; empty means the
// first.
func (s *Server) inWorkspace(name string, change func(*workspace) error) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	w, err := s.workspaceByName(name)
	if err != nil {
		return err
	}
	return change(w)
}

func (s *Server) workspaceByName(name string) (*workspace, error) {
	if name == "" {
		return s.workspaces[0], nil
	}
	for _, w := range s.workspaces {
		if w.name == name {
			return w, nil
		}
	}
	return nil, fmt.Errorf("no workspace is named %q", name)
}

// exists reports whether permissions may name a principal of this kind.
func (w *workspace) exists(kind, name string) bool {
	if w.server.behaviour.AnyPrincipalExists {
		return true
	}
	if kind != "group_name" {
		p := w.principal(name)
		return p != nil && p.grantKind() == kind
	}
	return slices.Contains(builtInGroups, name) || slices.Contains(w.groups, name) ||
		slices.ContainsFunc(w.principals, func(p *principal) bool { return slices.Contains(p.Groups, name) })
}

// unknownPrincipal returns the error for a permission of a principal that does
// not exist.
func (c *call) unknownPrincipal(kind, name string) *apiError {
	const text = "Principal: %s(%s) does not exist"
	if c.server.behaviour.UnknownPrincipalIsInvalid {
		return invalid(text, principalNames[kind], name)
	}
	return newAPIError(http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", text, principalNames[kind], name)
}

// PermissionsRule is the response of a workspace to calls about permissions.
type PermissionsRule string

// Tiers without permissions were observed to answer with either error.
const (
	PermissionsWork PermissionsRule = ""
	// PermissionsFail is 500 INTERNAL_ERROR with FEATURE_DISABLED in its text.
	PermissionsFail PermissionsRule = "internal_error"
	// PermissionsForbidden is 403 PERMISSION_DENIED.
	PermissionsForbidden PermissionsRule = "forbidden"
)

// checkPermissionsEnabled returns the error for calls about permissions in a
// tier without them.
func (c *call) checkPermissionsEnabled() *apiError {
	if !matches("permissions/*", c.endpoint.name) {
		return nil
	}
	switch c.server.behaviour.Permissions {
	case PermissionsFail:
		return newAPIError(http.StatusInternalServerError, "INTERNAL_ERROR",
			"FEATURE_DISABLED: ACLs for cluster are disabled or not available in this tier")
	case PermissionsForbidden:
		return forbidden("ACL is not supported in your workspace.")
	case PermissionsWork:
	}
	return nil
}
