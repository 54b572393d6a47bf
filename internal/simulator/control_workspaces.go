package simulator

import "net/http"

// The control API of workspaces and their contents.

func callElsewhere(s *Server, r *http.Request) (any, error) {
	body := map[string]any{}
	if err := decodeBody(r, &body); err != nil {
		return nil, err
	}
	return nil, s.CallElsewhere(r.PathValue("group")+"/"+r.PathValue("verb"), r.PathValue("id"), body)
}

func setExtra(s *Server, r *http.Request) (any, error) {
	body := map[string]any{}
	if err := decodeBody(r, &body); err != nil {
		return nil, err
	}
	return nil, s.SetExtraSpec(r.PathValue("id"), body)
}

// listWorkspaces omits tokens and client secrets.
func listWorkspaces(s *Server, _ *http.Request) (any, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	shown := []Workspace{}
	for _, w := range s.workspaces {
		one := Workspace{
			Name: w.name, ID: w.id, Cloud: w.cloud, DefaultDataSecurityMode: w.mode, Groups: w.groups, ExtraSpec: cloneParams(w.extra),
		}
		for _, p := range w.principals {
			public := p.Principal
			public.Tokens, public.ScopedTokens, public.ClientSecret = nil, nil, ""
			one.Principals = append(one.Principals, public)
		}
		for _, p := range w.policies {
			one.Policies = append(one.Policies, p.Policy)
		}
		for _, p := range w.pools {
			one.Pools = append(one.Pools, p.configured())
		}
		shown = append(shown, one)
	}
	return shown, nil
}

func addPrincipal(s *Server, r *http.Request) (any, error) {
	var wire struct {
		Workspace string `json:"workspace"`
		Principal
	}
	if err := decodeBody(r, &wire); err != nil {
		return nil, err
	}
	return nil, s.AddPrincipal(wire.Workspace, wire.Principal)
}

type nameWire struct {
	Workspace string `json:"workspace"`
	UserName  string `json:"user_name"`
	GroupName string `json:"group_name"`
}

func removePrincipal(s *Server, r *http.Request) (any, error) {
	var wire nameWire
	if err := decodeBody(r, &wire); err != nil {
		return nil, err
	}
	return nil, s.RemovePrincipal(wire.Workspace, wire.UserName)
}

func addGroup(s *Server, r *http.Request) (any, error) {
	var wire nameWire
	if err := decodeBody(r, &wire); err != nil {
		return nil, err
	}
	return nil, s.AddGroup(wire.Workspace, wire.GroupName)
}

func removeGroup(s *Server, r *http.Request) (any, error) {
	var wire nameWire
	if err := decodeBody(r, &wire); err != nil {
		return nil, err
	}
	return nil, s.RemoveGroup(wire.Workspace, wire.GroupName)
}

func addPolicy(s *Server, r *http.Request) (any, error) {
	var wire struct {
		Workspace string `json:"workspace"`
		Policy
	}
	if err := decodeBody(r, &wire); err != nil {
		return nil, err
	}
	id, err := s.AddPolicy(wire.Workspace, wire.Policy)
	return params{"policy_id": id}, err
}

func removePolicy(s *Server, r *http.Request) (any, error) {
	return nil, s.RemovePolicy(r.URL.Query().Get("workspace"), r.PathValue("id"))
}

func addPool(s *Server, r *http.Request) (any, error) {
	var wire struct {
		Workspace string `json:"workspace"`
		Pool
	}
	if err := decodeBody(r, &wire); err != nil {
		return nil, err
	}
	id, err := s.AddPool(wire.Workspace, wire.Pool)
	return params{"instance_pool_id": id}, err
}

func removePool(s *Server, r *http.Request) (any, error) {
	return nil, s.RemovePool(r.URL.Query().Get("workspace"), r.PathValue("id"))
}
