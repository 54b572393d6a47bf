package simulator

import (
	"fmt"
	"net/http"
)

// Pool is an instance pool of a workspace.
type Pool struct {
	// ID is the instance_pool_id; empty gets one.
	ID   string
	Name string
	// NodeTypeID is what clusters of the pool run on.
	NodeTypeID       string
	MinIdleInstances int64
	MaxCapacity      int64
}

func (w *workspace) addPool(p Pool) {
	w.serial++
	if p.ID == "" {
		p.ID = fmt.Sprintf("0101-120000-pool%d", w.serial)
	}
	w.pools = append(w.pools, &p)
}

func (w *workspace) pool(id string) *Pool {
	for _, p := range w.pools {
		if p.ID == id {
			return p
		}
	}
	return nil
}

func (w *workspace) shownPool(p *Pool) params {
	used := int64(0)
	for _, c := range w.roster {
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

func (c *call) getPool() (any, *refusal) {
	id := textOf(c.params, "instance_pool_id")
	if id == "" {
		return nil, required("instance_pool_id")
	}
	p := c.workspace.pool(id)
	if p == nil {
		return nil, refuse(http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", "Can't find an instance pool with id: %s.", id)
	}
	return c.workspace.shownPool(p), nil
}

func (c *call) listPools() (any, *refusal) {
	shown := make([]any, 0, len(c.workspace.pools))
	for _, p := range c.workspace.pools {
		shown = append(shown, c.workspace.shownPool(p))
	}
	if len(shown) == 0 {
		return params{}, nil
	}
	return params{"instance_pools": shown}, nil
}
