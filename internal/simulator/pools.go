package simulator

import (
	"fmt"
	"net/http"
	"slices"
)

// Pool is an instance pool of a workspace.
type Pool struct {
	// ID is the instance_pool_id; empty means a generated one.
	ID   string `json:"instance_pool_id,omitempty"`
	Name string `json:"instance_pool_name,omitempty"`
	// NodeTypeID is the node type of the pool's clusters.
	NodeTypeID       string `json:"node_type_id"`
	MinIdleInstances int64  `json:"min_idle_instances,omitempty"`
	MaxCapacity      int64  `json:"max_capacity,omitempty"`
}

// addPool adds a pool, or replaces the pool with the same id.
func (w *workspace) addPool(p Pool) (id string) {
	w.serial++
	if p.ID == "" {
		p.ID = fmt.Sprintf("0101-120000-pool%d", w.serial)
	}
	if known := w.pool(p.ID); known != nil {
		*known = p
		return p.ID
	}
	w.pools = append(w.pools, &p)
	return p.ID
}

// AddPool adds a pool to a workspace, or replaces the pool with the same id,
// and returns the id. An empty workspace name means the first workspace.
func (s *Server) AddPool(workspaceName string, p Pool) (id string, err error) {
	err = s.inWorkspace(workspaceName, func(w *workspace) error {
		id = w.addPool(p)
		return nil
	})
	return id, err
}

// RemovePool removes a pool. Its clusters continue to run; their next start
// fails with INSTANCE_POOL_NOT_FOUND.
func (s *Server) RemovePool(workspaceName, id string) error {
	return s.inWorkspace(workspaceName, func(w *workspace) error {
		if w.pool(id) == nil {
			return fmt.Errorf("no pool %q in workspace %q", id, w.name)
		}
		w.pools = slices.DeleteFunc(w.pools, func(p *Pool) bool { return p.ID == id })
		return nil
	})
}

func (w *workspace) pool(id string) *Pool {
	for _, p := range w.pools {
		if p.ID == id {
			return p
		}
	}
	return nil
}

func (w *workspace) poolDetails(p *Pool) params {
	used := int64(0)
	for _, c := range w.byName {
		if c.state.live() && textOf(c.settings, "instance_pool_id") == p.ID {
			used += c.executors
		}
		if c.state.live() && textOf(c.settings, "driver_instance_pool_id") == p.ID {
			used++
		}
	}
	shown := params{
		"instance_pool_id": p.ID, "instance_pool_name": p.Name, "node_type_id": p.NodeTypeID,
		"min_idle_instances": p.MinIdleInstances, "idle_instance_autotermination_minutes": int64(60),
		"enable_elastic_disk": true, "state": "ACTIVE",
		"default_tags": params{
			"Vendor": "Databricks", "DatabricksInstancePoolCreatorId": "0", "DatabricksInstancePoolId": p.ID,
		},
		"stats": params{
			"used_count": used, "idle_count": p.MinIdleInstances,
			"pending_used_count": int64(0), "pending_idle_count": int64(0),
		},
		"status": params{},
	}
	if p.MaxCapacity > 0 {
		shown["max_capacity"] = p.MaxCapacity
	}
	return shown
}

func (c *call) getPool() (any, *apiError) {
	id := textOf(c.params, "instance_pool_id")
	if id == "" {
		return nil, required("instance_pool_id")
	}
	p := c.workspace.pool(id)
	if p == nil {
		return nil, newAPIError(http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", "Can't find an instance pool with id: %s.", id)
	}
	return c.workspace.poolDetails(p), nil
}

func (c *call) listPools() (any, *apiError) {
	shown := make([]any, 0, len(c.workspace.pools))
	for _, p := range c.workspace.pools {
		shown = append(shown, c.workspace.poolDetails(p))
	}
	if len(shown) == 0 {
		return params{}, nil
	}
	return params{"instance_pools": shown}, nil
}
