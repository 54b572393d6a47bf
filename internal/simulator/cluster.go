package simulator

import (
	"fmt"
	"strings"
	"time"
)

// State is a cluster's state on the wire.
type State string

// The states of a cluster. ERROR and UNKNOWN are legacy; only SetState sets
// them.
const (
	Pending     State = "PENDING"
	Running     State = "RUNNING"
	Restarting  State = "RESTARTING"
	Resizing    State = "RESIZING"
	Terminating State = "TERMINATING"
	Terminated  State = "TERMINATED"
)

// camelCase returns the state as error messages spell it.
func (s State) camelCase() string {
	if s == "" {
		return ""
	}
	return string(s[:1]) + strings.ToLower(string(s[1:]))
}

// live reports whether the driver is running.
func (s State) live() bool {
	return s == Running || s == Resizing || s == Restarting
}

// TerminationReason is why a cluster terminated. Code and Type are open
// strings.
type TerminationReason struct {
	Code       string            `json:"code"`
	Type       string            `json:"type"`
	Parameters map[string]string `json:"parameters,omitempty"`
}

// cluster is one cluster, also a terminated or deleted one. Server.mutex guards
// it.
type cluster struct {
	workspace *workspace
	id        string
	creator   string
	source    string // API, UI, JOB, …
	// firstOwner is the value of the owner tag at creation.
	firstOwner string

	spec      params // the last request, as GET shows it under spec
	settings  params // the effective specification
	extra     params // see extras.go
	resizedTo params // the size of the last resize if spec lacks it; nil for none
	// pending is the enforcement of the policy that waits for a termination; nil for none.
	pending *pendingEnforcement
	// Copies of two settings; see configure.
	name        string
	idleMinutes int64

	state      State
	message    string
	stateSince time.Time // when state was entered
	reason     *TerminationReason

	created, terminated, unpinned time.Time
	restarted, stateLost, active  time.Time

	launchFailure *TerminationReason // the reason with which the current launch will fail
	missingNodes  int                // how many nodes the current launch will not get
	executors     int64
	contextID     int64
	autoscaledTo  int64 // the target of an autoscaling resize; -1 for none

	pinnedBy *principal
	purged   bool // removed after the retention period
	deleted  bool // removed permanently
	gone     time.Time

	libraries []*installed
	access    accessList
	events    []event
}

// configure sets the specification. It copies what every access to the cluster
// needs, because lists may have thousands of clusters.
func (c *cluster) configure(spec, settings params) {
	c.spec, c.settings = spec, settings
	c.name = textOf(settings, "cluster_name")
	c.idleMinutes = integerOf(settings, "autotermination_minutes")
}

func (c *cluster) isAutoscaling() bool { return c.settings["autoscale"] != nil }

// startWorkers returns the number of workers of a start; autoscaling starts at
// its minimum.
func (c *cluster) startWorkers() int64 {
	if scale, ok := c.settings["autoscale"].(params); ok {
		return integerOf(scale, "min_workers")
	}
	if boolOf(c.settings, "is_single_node") {
		return 0 // num_workers is ignored
	}
	return integerOf(c.settings, "num_workers")
}

// details returns the cluster as GET shows it; lists omit spec.
func (c *cluster) details(now time.Time, withSpec bool) params {
	behaviour := c.workspace.server.behaviour
	d := behaviour.maskSecrets(cloneParams(c.settings))
	d["cluster_id"] = c.id
	d["creator_user_name"] = c.creator
	d["cluster_source"] = c.source
	d["state"] = string(c.state)
	d["state_message"] = c.stateMessage(now)
	d["start_time"] = millis(c.created)
	d["terminated_time"] = millis(c.terminated)
	d["last_state_loss_time"] = millis(c.stateLost)
	d["last_restarted_time"] = millis(c.restarted)
	d["last_activity_time"] = millis(c.active)
	d["jdbc_port"] = int64(10000)
	d["default_tags"] = c.defaultTags()
	d["init_scripts_safe_mode"] = false
	if c.contextID != 0 {
		d["spark_context_id"] = c.contextID
	}
	if c.reason != nil && (c.state == Terminating || c.state == Terminated) {
		d["termination_reason"] = c.reason
	}
	if c.pinnedBy != nil {
		d["pinned_by_user_name"] = decimal(c.pinnedBy.number)
	}
	c.describeNodes(d)
	if c.settings["cluster_log_conf"] != nil && c.state.live() {
		d["cluster_log_status"] = params{"last_attempted": millis(c.restarted)}
	}
	if withSpec {
		d["spec"] = behaviour.maskSecrets(overlay(c.spec, c.extra))
	}
	if behaviour.QuotedInt64 {
		quoteInt64(d)
	}
	return d
}

func (c *cluster) describeNodes(d params) {
	if c.state.live() {
		d["driver"] = c.node("driver", 0)
		d["driver_healthy"] = true
		if c.executors > 0 {
			executors := make([]any, c.executors)
			for i := range executors {
				executors[i] = c.node("executor", i+1)
			}
			d["executors"] = executors
		}
		d["cluster_cores"], d["cluster_memory_mb"] = c.capacity()
	} else {
		d["cluster_cores"], d["cluster_memory_mb"] = 0.0, int64(0)
	}
	if c.isAutoscaling() && c.workspace.server.behaviour.ReportsWorkersUnderAutoscale {
		d["num_workers"] = c.executors
	}
}

func (c *cluster) node(role string, index int) params {
	id := fmt.Sprintf("%x-%s-%d", c.contextID, role, index)
	address := fmt.Sprintf("10.%d.%d.%d", c.contextID>>8&0xff, index>>8&0xff, index&0xff)
	return params{
		"node_id": id, "instance_id": "i-" + id, "private_ip": address, "host_private_ip": address,
		"public_dns": "", "start_timestamp": millis(c.restarted),
	}
}

func (c *cluster) capacity() (cores float64, memoryMB int64) {
	driver := nodeTypeOf(textOf(c.settings, "driver_node_type_id"))
	worker := nodeTypeOf(textOf(c.settings, "node_type_id"))
	return driver.NumCores + float64(c.executors)*worker.NumCores, driver.MemoryMB + c.executors*worker.MemoryMB
}

func (c *cluster) defaultTags() params {
	tags := params{"Vendor": "Databricks", "Creator": c.creator, "ClusterName": c.name, "ClusterId": c.id}
	if pool := c.workspace.pool(textOf(c.settings, "instance_pool_id")); pool != nil {
		tags["DatabricksInstancePoolId"] = pool.id
		tags["DatabricksInstancePoolCreatorId"] = decimal(pool.creator)
	}
	return tags
}

// int64Fields are 64-bit integers by their own definition; num_workers and the
// like are not.
var int64Fields = []string{
	"start_time", "terminated_time", "last_state_loss_time", "last_restarted_time", "last_activity_time",
	"spark_context_id", "cluster_memory_mb",
}

func quoteInt64(d params) {
	for _, field := range int64Fields {
		if v, ok := d[field].(int64); ok {
			d[field] = decimal(v)
		}
	}
}
