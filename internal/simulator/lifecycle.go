package simulator

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"time"
)

// settle carries out everything that fell due until now, each at its own time.
// Every look at a cluster begins with it; nothing else makes time pass for one.
func (c *cluster) settle(now time.Time) {
	for {
		due, step := c.next()
		if step == nil || due.After(now) {
			return
		}
		step(due)
	}
}

// next is what happens to the cluster by itself, and when; nil for nothing.
func (c *cluster) next() (time.Time, func(time.Time)) {
	if c.deleted || c.purged {
		return time.Time{}, nil
	}
	server, timings := c.workspace.server, c.workspace.server.timings
	switch c.state {
	case Pending:
		return c.since.Add(server.span(c.launchTime())), c.launched
	case Restarting:
		return c.since.Add(server.span(timings.Restart)), c.launched
	case Resizing:
		return c.since.Add(server.span(timings.Resize)), c.resized
	case Terminating:
		return c.since.Add(server.span(timings.Terminate)), c.terminatedAt
	case Running:
		if c.idleMinutes > 0 {
			return c.active.Add(server.span(time.Duration(c.idleMinutes) * time.Minute)), c.idle
		}
	case Terminated:
		if c.pinnedBy == nil {
			return latest(c.terminated, c.unpinned).Add(server.span(timings.Retention)), c.forgotten
		}
	}
	return time.Time{}, nil
}

func (c *cluster) launchTime() time.Duration {
	if textOf(c.settings, "instance_pool_id") != "" {
		return c.workspace.server.timings.PoolLaunch
	}
	return c.workspace.server.timings.Launch
}

func (c *cluster) enter(s State, at time.Time, message string) {
	c.state, c.since, c.message = s, at, message
}

// launch begins a start; it ends in launched.
func (c *cluster) launch(at time.Time, fault *faultRule) {
	c.enter(Pending, at, "")
	if c.contextID != 0 {
		c.stateLost = at
	}
	c.reason, c.terminated, c.executors = nil, time.Time{}, 0
	c.expect(fault)
	c.missPools()
}

// missPools makes the launch end where a pool of the cluster is gone.
func (c *cluster) missPools() {
	for _, field := range []string{"instance_pool_id", "driver_instance_pool_id"} {
		if id := textOf(c.settings, field); id != "" && c.workspace.pool(id) == nil {
			c.launchEnds = &TerminationReason{
				Code: "INSTANCE_POOL_NOT_FOUND", Type: "CLIENT_ERROR",
				Parameters: map[string]string{"instance_pool_id": id},
			}
		}
	}
}

// restart begins a restart: what ran is lost.
func (c *cluster) restart(at time.Time, user string, fault *faultRule) {
	c.enter(Restarting, at, "")
	c.stateLost = at
	c.expect(fault)
	c.note(at, "RESTARTING", params{"user": user})
}

func (c *cluster) expect(fault *faultRule) {
	c.launchEnds, c.missingNodes = nil, 0
	if fault != nil {
		c.launchEnds, c.missingNodes = fault.Launch, fault.MissingNodes
	}
}

func (c *cluster) launched(at time.Time) {
	if c.launchEnds != nil {
		c.terminate(at, *c.launchEnds, "")
		c.launchEnds = nil
		return
	}
	c.enter(Running, at, "")
	c.restarted, c.active = at, at
	c.contextID = newContextID(c.workspace.server.random)
	target := c.initialWorkers()
	c.executors = max(0, target-int64(c.missingNodes))
	c.applyLibraryRemovals()
	if c.settings["init_scripts"] != nil {
		c.note(at, "INIT_SCRIPTS_STARTED", params{})
		c.note(at, "INIT_SCRIPTS_FINISHED", params{})
	}
	c.note(at, "RUNNING", params{"current_num_workers": c.executors, "target_num_workers": target})
	c.note(at, "DRIVER_HEALTHY", params{})
}

// newContextID is beyond what a float64 can hold exactly, as real ones are.
func newContextID(random *rand.Rand) int64 {
	return 1<<62 + random.Int64N(1<<61) | 1
}

func (c *cluster) resized(at time.Time) {
	c.enter(Running, at, "")
	target := c.resizeTarget()
	c.autoscaledTo = -1
	c.executors = max(0, target-int64(c.missingNodes))
	c.note(at, "UPSIZE_COMPLETED", params{"current_num_workers": c.executors, "target_num_workers": target})
}

func (c *cluster) resizeTarget() int64 {
	scale, ok := c.settings["autoscale"].(params)
	switch {
	case !ok:
		return wholeOf(c.settings, "num_workers")
	case c.autoscaledTo >= 0:
		return c.autoscaledTo
	default:
		return min(max(c.executors, wholeOf(scale, "min_workers")), wholeOf(scale, "max_workers"))
	}
}

func (c *cluster) idle(at time.Time) {
	minutes := decimal(c.idleMinutes)
	c.terminate(at, TerminationReason{
		Code: "INACTIVITY", Type: "SUCCESS", Parameters: map[string]string{"inactivity_duration_min": minutes},
	}, "")
}

// terminate begins the end; user is empty where the platform acts.
func (c *cluster) terminate(at time.Time, reason TerminationReason, user string) {
	c.reason = &reason
	c.enter(Terminating, at, endMessage(reason))
	details := params{"reason": reason}
	if user != "" {
		details["user"] = user
	}
	c.note(at, "TERMINATING", details)
}

func (c *cluster) terminatedAt(at time.Time) {
	c.enter(Terminated, at, c.message)
	c.terminated, c.executors = at, 0
}

// forgotten is retention: the cluster is gone, and its id is remembered as such.
func (c *cluster) forgotten(at time.Time) {
	c.purged, c.gone = true, at
	c.leave()
}

// remove is permanent deletion.
func (c *cluster) remove(at time.Time) {
	c.deleted, c.gone = true, at
	c.leave()
}

func (c *cluster) leave() {
	c.workspace.remove(c)
	c.workspace.server.owners.left(c.firstOwner)
}

func userRequest(user string) TerminationReason {
	return TerminationReason{Code: "USER_REQUEST", Type: "SUCCESS", Parameters: map[string]string{"username": user}}
}

// endMessage is the state message of a cluster that ended for a reason.
func endMessage(reason TerminationReason) string {
	p := reason.Parameters
	switch reason.Code {
	case "INACTIVITY":
		return fmt.Sprintf("Inactive cluster terminated (inactive for %s minutes).", p["inactivity_duration_min"])
	case "USER_REQUEST":
		return "Termination requested by " + p["username"]
	case "JOB_FINISHED":
		return ""
	default:
		return cmp.Or(p["databricks_error_message"], p["aws_error_message"], p["azure_error_message"], p["gcp_error_message"],
			"Cluster terminated. Reason: "+reason.Code)
	}
}

// stateMessage describes the progress while the cluster is on its way.
func (c *cluster) stateMessage(now time.Time) string {
	if c.message != "" || (c.state != Pending && c.state != Restarting) {
		return c.message
	}
	due, _ := c.next()
	if now.Sub(c.since) < due.Sub(c.since)/2 {
		return "Finding instances for new nodes, acquiring more instances if necessary"
	}
	return "Starting Spark"
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
