package simulator

import (
	"fmt"
)

// Changes that another user or program makes to a cluster through the API. The
// API's own rules hold; faults, limits and the log do not apply, because they
// belong to the client under test.

// OtherUser is the administrator on whose behalf the functions below act.
const OtherUser = "someone.else@example.com"

// CallElsewhere carries out one operation on a cluster, such as
// "clusters/resize", as OtherUser. The body is what a client would send,
// without cluster_id. The error is the API's.
func (s *Server) CallElsewhere(endpointName, clusterID string, body map[string]any) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	called := s.endpoints[endpointName]
	if called == nil {
		return fmt.Errorf("there is no endpoint %q", endpointName)
	}
	found := s.anyCluster(clusterID)
	if found == nil {
		return fmt.Errorf("there is no cluster %q", clusterID)
	}
	raw, err := decodeExtra(body)
	if err != nil {
		return err
	}
	if called.accepts.field("cluster_id") != nil {
		raw["cluster_id"] = clusterID
	}
	var checker schemaChecker
	converted, r := checker.object(raw, called.accepts, "")
	if r != nil {
		return r.err()
	}
	if len(checker.unknown) > 0 {
		return fmt.Errorf("%s takes no %v", endpointName, checker.unknown)
	}
	c := &call{
		server: s, endpoint: called, params: converted, raw: raw, now: s.now(),
		entry: Entry{Endpoint: endpointName, ClusterID: clusterID},
		session: &session{
			workspace: found.workspace,
			principal: &principal{Principal: Principal{UserName: OtherUser, DisplayName: OtherUser}},
		},
	}
	if _, r := called.handle(c); r != nil {
		return r.err()
	}
	return nil
}

// ResizeElsewhere resizes a RUNNING cluster to a number of workers.
func (s *Server) ResizeElsewhere(id string, workers int) error {
	return s.CallElsewhere("clusters/resize", id, map[string]any{"num_workers": workers})
}

// StartElsewhere starts a TERMINATED cluster.
func (s *Server) StartElsewhere(id string) error { return s.CallElsewhere("clusters/start", id, nil) }

// RestartElsewhere restarts a RUNNING cluster.
func (s *Server) RestartElsewhere(id string) error {
	return s.CallElsewhere("clusters/restart", id, nil)
}

// TerminateElsewhere begins to terminate a cluster; EndElsewhere terminates it
// at once.
func (s *Server) TerminateElsewhere(id string) error {
	return s.CallElsewhere("clusters/delete", id, nil)
}

// PinElsewhere pins a cluster.
func (s *Server) PinElsewhere(id string) error { return s.CallElsewhere("clusters/pin", id, nil) }

// UnpinElsewhere unpins a cluster.
func (s *Server) UnpinElsewhere(id string) error { return s.CallElsewhere("clusters/unpin", id, nil) }

// TagElsewhere sets one custom tag of a cluster, without a restart.
func (s *Server) TagElsewhere(id, key, value string) error {
	return s.changeTags(id, func(tags params) { tags[key] = value })
}

// UntagElsewhere removes one custom tag of a cluster, without a restart.
func (s *Server) UntagElsewhere(id, key string) error {
	return s.changeTags(id, func(tags params) { delete(tags, key) })
}

func (s *Server) changeTags(id string, change func(params)) error {
	record, found := s.Cluster(id)
	if !found {
		return fmt.Errorf("there is no cluster %q", id)
	}
	tags := objectIn(record.Spec, "custom_tags")
	change(tags)
	return s.EditElsewhere(id, map[string]any{"custom_tags": tags})
}

// Permission is one direct entry of an access control list: exactly one name
// and a level such as CAN_RESTART.
type Permission struct {
	UserName             string `json:"user_name,omitempty"`
	GroupName            string `json:"group_name,omitempty"`
	ServicePrincipalName string `json:"service_principal_name,omitempty"`
	PermissionLevel      string `json:"permission_level"`
}

// SetPermissionsElsewhere replaces the direct permissions on a cluster.
func (s *Server) SetPermissionsElsewhere(id string, all ...Permission) error {
	return s.CallElsewhere("permissions/set", id, map[string]any{"access_control_list": append([]Permission{}, all...)})
}

// InstallElsewhere installs libraries on a cluster, each in the API's own form,
// such as {"pypi": {"package": "numpy"}}.
func (s *Server) InstallElsewhere(id string, libraries ...map[string]any) error {
	return s.CallElsewhere("libraries/install", id, map[string]any{"libraries": libraries})
}

// UninstallElsewhere marks libraries of a cluster for removal at its next start.
func (s *Server) UninstallElsewhere(id string, libraries ...map[string]any) error {
	return s.CallElsewhere("libraries/uninstall", id, map[string]any{"libraries": libraries})
}
