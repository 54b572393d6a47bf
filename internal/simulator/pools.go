package simulator

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Pool is an instance pool of a workspace.
type Pool struct {
	// ID is the instance_pool_id; empty means a generated one.
	ID string `json:"instance_pool_id,omitempty"`
	// Name is the name; empty means the ID, because every pool has a name.
	Name string `json:"instance_pool_name,omitempty"`
	// NodeTypeID is the node type of the pool's clusters.
	NodeTypeID       string `json:"node_type_id"`
	MinIdleInstances int64  `json:"min_idle_instances,omitempty"`
	MaxCapacity      int64  `json:"max_capacity,omitempty"`
	// StockOut is the message of a cloud that has no instances left; empty if it has. Idle
	// instances then stay pending, and clusters of the pool fail to start.
	StockOut string `json:"stock_out,omitempty"`
}

type pool struct {
	id       string
	creator  int64 // a user number
	settings params
	access   accessList
	// idleSince is when the idle instances were last requested; they start as fast as a
	// cluster.
	idleSince time.Time
	stockOut  string
}

func (p *pool) nodeType() string { return textOf(p.settings, "node_type_id") }

// configured returns the pool as a configuration has it.
func (p *pool) configured() Pool {
	return Pool{
		ID: p.id, Name: textOf(p.settings, "instance_pool_name"), NodeTypeID: p.nodeType(),
		MinIdleInstances: integerOf(p.settings, "min_idle_instances"), MaxCapacity: integerOf(p.settings, "max_capacity"), StockOut: p.stockOut,
	}
}

// addPool adds a pool that all users may use and that was filled before, or replaces the
// pool with the same id.
func (w *workspace) addPool(p Pool) (id string) {
	w.serial++
	if p.ID == "" {
		p.ID = fmt.Sprintf("0101-120000-pool%d", w.serial)
	}
	p.Name = cmp.Or(p.Name, p.ID)
	settings := params{"instance_pool_name": p.Name, "node_type_id": p.NodeTypeID, "min_idle_instances": p.MinIdleInstances}
	if p.MaxCapacity > 0 {
		settings["max_capacity"] = p.MaxCapacity
	}
	w.fillPool(settings)
	made := &pool{id: p.ID, settings: settings, stockOut: p.StockOut, access: usableByAll(poolAccess, p.ID)}
	if known := w.pool(p.ID); known != nil {
		made.access = known.access
		*known = *made
		return p.ID
	}
	w.pools = append(w.pools, made)
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
		w.removePool(id)
		return nil
	})
}

func (w *workspace) removePool(id string) {
	w.pools = slices.DeleteFunc(w.pools, func(p *pool) bool { return p.id == id })
}

func (w *workspace) pool(id string) *pool {
	for _, p := range w.pools {
		if p.id == id {
			return p
		}
	}
	return nil
}

// fillPool fills in the server's defaults.
func (w *workspace) fillPool(settings params) {
	setDefault(settings, "min_idle_instances", int64(0))
	setDefault(settings, "idle_instance_autotermination_minutes", int64(60))
	setDefault(settings, "enable_elastic_disk", true)
	switch w.cloudOf(settings) {
	case Azure:
		setDefault(objectIn(settings, "azure_attributes"), "availability", "ON_DEMAND_AZURE")
	case GCP:
		setDefault(settings, "max_capacity", int64(1000))
		setDefault(objectIn(settings, "gcp_attributes"), "gcp_availability", "ON_DEMAND_GCP")
	default:
		attributes := objectIn(settings, "aws_attributes")
		setDefault(attributes, "availability", "SPOT")
		setDefault(attributes, "spot_bid_price_percent", int64(100))
		if zone := textOf(attributes, "zone_id"); zone == "" || zone == "auto" {
			attributes["zone_id"] = "us-west-2a"
		}
	}
}

// usage returns the instances of a pool that clusters have, and that they wait for.
func (w *workspace) usage(p *pool, except *cluster, now time.Time) (used, pending int64) {
	for _, c := range slices.Clone(w.byName) {
		if c == except {
			continue
		}
		c.advanceTo(now)
		switch held := c.instancesOf(p); c.state {
		case Running, Resizing, Restarting:
			used += held
		case Pending:
			pending += held
		case Terminating, Terminated:
		}
	}
	return used, pending
}

// instancesOf returns the instances that a cluster takes from a pool while it is up.
func (c *cluster) instancesOf(p *pool) int64 {
	instances := int64(0)
	if textOf(c.settings, "instance_pool_id") == p.id {
		workers := c.executors
		if c.state == Pending {
			workers = c.startWorkers()
		}
		instances += workers
	}
	if textOf(c.settings, "driver_instance_pool_id") == p.id {
		instances++
	}
	return instances
}

func (w *workspace) poolDetails(p *pool, now time.Time) params {
	shown := cloneParams(p.settings)
	used, pending := w.usage(p, nil, now)
	wanted := integerOf(p.settings, "min_idle_instances")
	if capacity, isLimited := p.settings["max_capacity"].(int64); isLimited {
		wanted = max(0, min(wanted, capacity-used-pending))
	}
	idle, pendingIdle := wanted, int64(0)
	if p.stockOut != "" || now.Before(p.idleSince.Add(w.server.timings.Launch)) && !p.idleSince.IsZero() {
		idle, pendingIdle = 0, wanted
	}
	status := params{}
	if p.stockOut != "" && wanted > 0 {
		failures := make([]any, wanted)
		for i := range failures {
			failures[i] = params{"instance_id": fmt.Sprintf("i-%08x", i+1), "message": p.stockOut}
		}
		status["pending_instance_errors"] = failures
	}
	maps.Copy(shown, params{
		"instance_pool_id": p.id, "state": "ACTIVE", "status": status,
		"default_tags": params{
			"Vendor": "Databricks", "DatabricksInstancePoolCreatorId": decimal(p.creator), "DatabricksInstancePoolId": p.id,
		},
		"stats": params{
			"used_count": used, "idle_count": idle, "pending_used_count": pending, "pending_idle_count": pendingIdle,
		},
	})
	return shown
}

// poolFailure returns why a cluster cannot start with its pools; nil: it can.
func (c *cluster) poolFailure(at time.Time) *TerminationReason {
	for _, field := range []string{"instance_pool_id", "driver_instance_pool_id"} {
		id := textOf(c.settings, field)
		if id == "" {
			continue
		}
		p := c.workspace.pool(id)
		reason := &TerminationReason{Parameters: map[string]string{"instance_pool_id": id}}
		if p == nil {
			reason.Code, reason.Type = "INSTANCE_POOL_NOT_FOUND", "CLIENT_ERROR"
			return reason
		}
		used, pending := c.workspace.usage(p, c, at)
		capacity, isLimited := p.settings["max_capacity"].(int64)
		switch {
		case isLimited && used+pending+c.instancesOf(p) > capacity:
			reason.Code, reason.Type = "INSTANCE_POOL_MAX_CAPACITY_REACHED", "CLIENT_ERROR"
			return reason
		case p.stockOut != "":
			reason.Code, reason.Type = "CLOUD_PROVIDER_RESOURCE_STOCKOUT", "CLOUD_FAILURE"
			reason.Parameters["databricks_error_message"] = p.stockOut
			return reason
		}
	}
	return nil
}

// findPool returns the request's pool, if the caller has at least the given permission on
// it.
func (c *call) findPool(id string, needed level) (*pool, *apiError) {
	if id == "" {
		return nil, required("instance_pool_id")
	}
	p := c.workspace.pool(id)
	if p == nil || p.access.levelOf(c.principal) < canAttach {
		return nil, newAPIError(http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", "Can't find an instance pool with id: %s.", id)
	}
	if p.access.levelOf(c.principal) < needed {
		return nil, forbidden("%s does not have %s permissions on %s", c.principal.UserName, needed.word(), id)
	}
	return p, nil
}

func poolAccessOf(c *call, needed level) (*accessList, *apiError) {
	p, r := c.findPool(c.request.PathValue("instance_pool_id"), needed)
	if r != nil {
		return nil, r
	}
	return &p.access, nil
}

func (c *call) getPool() (any, *apiError) {
	p, r := c.findPool(textOf(c.params, "instance_pool_id"), canAttach)
	if r != nil {
		return nil, r
	}
	return c.workspace.poolDetails(p, c.now), nil
}

func (c *call) listPools() (any, *apiError) {
	shown := make([]any, 0, len(c.workspace.pools))
	for _, p := range c.workspace.pools {
		if p.access.levelOf(c.principal) >= canAttach {
			shown = append(shown, c.workspace.poolDetails(p, c.now))
		}
	}
	if len(shown) == 0 {
		return params{}, nil
	}
	return params{"instance_pools": shown}, nil
}

func (c *call) createPool() (any, *apiError) {
	if c.principal.NotAdmin {
		return nil, forbidden("%s is not authorized to create instance pools. Please contact your administrator.", c.principal.UserName)
	}
	settings := cloneParams(c.params)
	if r := c.workspace.validatePool(settings, ""); r != nil {
		return nil, r
	}
	c.workspace.fillPool(settings)
	c.workspace.serial++
	made := &pool{
		id:      fmt.Sprintf("%s-lows%d-pool-%08x", c.now.UTC().Format("0102-150405"), c.workspace.serial, c.server.random.Uint32()),
		creator: c.principal.number, settings: settings, idleSince: c.now,
	}
	made.access = accessList{kind: poolAccess, id: made.id, grants: []grant{{kind: c.principal.grantKind(), name: c.principal.UserName, level: canManage}}}
	c.workspace.pools = append(c.workspace.pools, made)
	return params{"instance_pool_id": made.id}, nil
}

// editableOfPools are the fields that an edit replaces; one that the request omits is
// unset. An edit may name the others with their present values only.
var editableOfPools = []string{
	"instance_pool_name", "min_idle_instances", "max_capacity", "idle_instance_autotermination_minutes", "custom_tags",
	"remote_disk_throughput", "total_initial_remote_disk_size",
}

func (c *call) editPool() (any, *apiError) {
	p, r := c.findPool(textOf(c.params, "instance_pool_id"), canManage)
	if r != nil {
		return nil, r
	}
	asked := cloneParams(c.params)
	delete(asked, "instance_pool_id")
	if r := c.workspace.validatePool(asked, p.id); r != nil {
		return nil, r
	}
	var immutable []string
	for _, field := range sortedKeys(asked) {
		if !slices.Contains(editableOfPools, field) && contradicts(asked[field], p.settings[field]) {
			immutable = append(immutable, field)
		}
	}
	if len(immutable) > 0 {
		return nil, invalid("Requested instance pool field change is not supported on existing pools: %s. "+
			"Please check Databricks documentations to see which fields can be edited.", strings.Join(immutable, ", "))
	}
	idleBefore := integerOf(p.settings, "min_idle_instances")
	for _, field := range editableOfPools {
		delete(p.settings, field)
		if value, given := asked[field]; given {
			p.settings[field] = value
		}
	}
	c.workspace.fillPool(p.settings)
	if integerOf(p.settings, "min_idle_instances") > idleBefore {
		p.idleSince = c.now
	}
	return params{}, nil
}

// contradicts reports whether a requested value differs from the present one. An object
// that omits members does not.
func contradicts(asked, present any) bool {
	object, isObject := asked.(params)
	if !isObject {
		return fmt.Sprint(asked) != fmt.Sprint(present)
	}
	known, _ := present.(params)
	for name, value := range object {
		isChoice := name == "zone_id" && value == "auto"
		if !isChoice && contradicts(value, known[name]) {
			return true
		}
	}
	return false
}

// deletePool leaves the clusters of the pool as they are; they cannot start again.
func (c *call) deletePool() (any, *apiError) {
	p, r := c.findPool(textOf(c.params, "instance_pool_id"), canManage)
	if r != nil {
		return nil, r
	}
	c.workspace.removePool(p.id)
	return params{}, nil
}

const (
	maxPoolTags        = 45
	maxIdlePoolMinutes = 10000
)

func (w *workspace) validatePool(s params, exceptID string) *apiError {
	name := textOf(s, "instance_pool_name")
	preloaded, _ := s["preloaded_spark_versions"].([]any)
	tags, _ := s["custom_tags"].(params)
	minutes := integerOf(s, "idle_instance_autotermination_minutes")
	capacity, isLimited := s["max_capacity"].(int64)
	idle := integerOf(s, "min_idle_instances")
	aws, _ := s["aws_attributes"].(params)
	switch {
	case name == "" || len(name) > maxNameLength:
		return invalid("instance_pool_name must have 1 to %d characters", maxNameLength)
	case w.hasPoolNamed(name, exceptID):
		return invalid("Instance pool with name %s already exists", name)
	case textOf(s, "node_type_id") == "":
		return required("node_type_id")
	case len(preloaded) > 1:
		return invalid("At most one preloaded_spark_versions can be specified")
	case len(tags) > maxPoolTags:
		return invalid("At most %d custom_tags can be specified, %d are", maxPoolTags, len(tags))
	case minutes < 0 || minutes > maxIdlePoolMinutes:
		return invalid("idle_instance_autotermination_minutes must be between 0 and %d", maxIdlePoolMinutes)
	case idle < 0 || isLimited && (capacity < 1 || idle > capacity):
		return invalid("min_idle_instances must be between 0 and max_capacity")
	case textOf(aws, "zone_id") == "auto" && !strings.Contains(textOf(s, "node_type_id"), "-fleet."):
		return invalid("zone_id auto needs a fleet node type")
	}
	if r := w.validateNodeTypes(s); r != nil {
		return r
	}
	return w.validateClouds(s)
}

func (w *workspace) hasPoolNamed(name, exceptID string) bool {
	return slices.ContainsFunc(w.pools, func(p *pool) bool { return textOf(p.settings, "instance_pool_name") == name && p.id != exceptID })
}
