package simulator

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"time"
)

// advanceTo applies every transition that is due by now, each at its own time.
// Every access to a cluster begins with it; no other code advances a cluster.
func (c *cluster) advanceTo(now time.Time) {
	for {
		due, step := c.next()
		if step == nil || due.After(now) {
			return
		}
		step(due)
	}
}

// next returns the time and the function of the next automatic transition; nil
// for none.
func (c *cluster) next() (time.Time, func(time.Time)) {
	if c.deleted || c.purged {
		return time.Time{}, nil
	}
	server, timings := c.workspace.server, c.workspace.server.timings
	switch c.state {
	case Pending:
		return c.stateSince.Add(server.scaled(c.launchTime())), c.finishLaunch
	case Restarting:
		return c.stateSince.Add(server.scaled(timings.Restart)), c.finishLaunch
	case Resizing:
		return c.stateSince.Add(server.scaled(timings.Resize)), c.finishResize
	case Terminating:
		return c.stateSince.Add(server.scaled(timings.Terminate)), c.finishTerminate
	case Running:
		if c.idleMinutes > 0 {
			return c.active.Add(server.scaled(time.Duration(c.idleMinutes) * time.Minute)), c.terminateIdle
		}
	case Terminated:
		if c.pinnedBy == nil {
			return latest(c.terminated, c.unpinned).Add(server.scaled(timings.Retention)), c.expire
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

func (c *cluster) enterState(s State, at time.Time, message string) {
	c.state, c.stateSince, c.message = s, at, message
}

// launch begins a start; finishLaunch ends it.
func (c *cluster) launch(at time.Time, fault *faultRule) {
	c.enterState(Pending, at, "")
	if c.contextID != 0 {
		c.stateLost = at
	}
	c.reason, c.terminated, c.executors = nil, time.Time{}, 0
	c.setLaunchFault(fault)
	if failure := c.poolFailure(at); failure != nil {
		c.launchFailure = failure
	}
}

// restart begins a restart, which loses the Spark state.
func (c *cluster) restart(at time.Time, user string, fault *faultRule) {
	c.enterState(Restarting, at, "")
	c.stateLost = at
	c.setLaunchFault(fault)
	c.applyPending(at)
	c.addEvent(at, "RESTARTING", params{"user": user})
}

func (c *cluster) setLaunchFault(fault *faultRule) {
	c.launchFailure, c.missingNodes = nil, 0
	if fault != nil {
		c.launchFailure, c.missingNodes = fault.Launch, fault.MissingNodes
	}
}

func (c *cluster) finishLaunch(at time.Time) {
	if c.launchFailure != nil {
		c.terminate(at, *c.launchFailure, "")
		c.launchFailure = nil
		return
	}
	c.enterState(Running, at, "")
	c.restarted, c.active = at, at
	c.contextID = newContextID(c.workspace.server.random)
	target := c.startWorkers()
	c.executors = max(0, target-int64(c.missingNodes))
	c.applyLibraryRemovals()
	if c.settings["init_scripts"] != nil {
		c.addEvent(at, "INIT_SCRIPTS_STARTED", params{})
		c.addEvent(at, "INIT_SCRIPTS_FINISHED", params{})
	}
	c.addEvent(at, "RUNNING", params{"current_num_workers": c.executors, "target_num_workers": target})
	c.addEvent(at, "DRIVER_HEALTHY", params{})
}

// newContextID returns a number above the exact range of a float64, like real
// ones.
func newContextID(random *rand.Rand) int64 {
	return 1<<62 + random.Int64N(1<<61) | 1
}

func (c *cluster) finishResize(at time.Time) {
	c.enterState(Running, at, "")
	target := c.resizeTarget()
	c.autoscaledTo = -1
	c.executors = max(0, target-int64(c.missingNodes))
	c.addEvent(at, "UPSIZE_COMPLETED", params{"current_num_workers": c.executors, "target_num_workers": target})
}

func (c *cluster) resizeTarget() int64 {
	scale, ok := c.settings["autoscale"].(params)
	switch {
	case !ok:
		return integerOf(c.settings, "num_workers")
	case c.autoscaledTo >= 0:
		return c.autoscaledTo
	default:
		return min(max(c.executors, integerOf(scale, "min_workers")), integerOf(scale, "max_workers"))
	}
}

func (c *cluster) terminateIdle(at time.Time) {
	minutes := decimal(c.idleMinutes)
	c.terminate(at, TerminationReason{
		Code: "INACTIVITY", Type: "SUCCESS", Parameters: map[string]string{"inactivity_duration_min": minutes},
	}, "")
}

// terminate begins a termination; user is empty if the platform acts.
func (c *cluster) terminate(at time.Time, reason TerminationReason, user string) {
	c.reason = &reason
	c.enterState(Terminating, at, endMessage(reason))
	details := params{"reason": reason}
	if user != "" {
		details["user"] = user
	}
	c.addEvent(at, "TERMINATING", details)
}

func (c *cluster) finishTerminate(at time.Time) {
	c.enterState(Terminated, at, c.message)
	c.terminated, c.executors = at, 0
	c.applyPending(at)
}

// expire ends the retention: the cluster is gone, and requests for its id fail.
func (c *cluster) expire(at time.Time) {
	c.purged, c.gone = true, at
	c.removeFromWorkspace()
}

// remove permanently deletes the cluster.
func (c *cluster) remove(at time.Time) {
	c.deleted, c.gone = true, at
	c.removeFromWorkspace()
}

func (c *cluster) removeFromWorkspace() {
	c.workspace.remove(c)
	c.workspace.server.owners.left(c.firstOwner)
}

func userRequest(user string) TerminationReason {
	return TerminationReason{Code: "USER_REQUEST", Type: "SUCCESS", Parameters: map[string]string{"username": user}}
}

// endMessage returns the state message of a cluster that terminated for a
// reason.
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

// stateMessage describes the progress of a launch.
func (c *cluster) stateMessage(now time.Time) string {
	if c.message != "" || (c.state != Pending && c.state != Restarting) {
		return c.message
	}
	due, _ := c.next()
	if now.Sub(c.stateSince) < due.Sub(c.stateSince)/2 {
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
