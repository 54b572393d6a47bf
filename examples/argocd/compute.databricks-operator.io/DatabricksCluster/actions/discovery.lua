-- What may be asked of a DatabricksCluster now. What the operator would refuse, or
-- answer only later, is disabled.

local state = ""
local purged = false
if obj.status ~= nil then
  state = obj.status.state or ""
  for _, condition in ipairs(obj.status.conditions or {}) do
    purged = purged or condition.type == "Ready" and condition.reason == "Purged"
  end
end

local deleting = obj.metadata.deletionTimestamp ~= nil
local suspended = obj.spec.suspend == true
-- An observed object answers no request, a suspended one when it is resumed.
local deaf = deleting or suspended or obj.spec.managementPolicy == "Observe"

local up = state == "RUNNING" or state == "RESIZING"
local down = state == "TERMINATED" or purged
local ending = state == "TERMINATING" or state == ""

-- Requests against what the operator keeps are refused.
local schedule = obj.spec.schedule or {}
local scheduled = obj.spec.runPolicy == "Scheduled"
local hours = obj.status ~= nil and obj.status.schedule ~= nil and obj.status.schedule.up == true
local keptUp = obj.spec.runPolicy == "Running" or scheduled and hours and schedule.atStart == "KeepRunning"
local keptDown = obj.spec.runPolicy == "Terminated" or scheduled and not hours and schedule.atEnd == "KeepTerminated"

local function action(name, icon, possible)
  return { displayName = name, iconClass = "fa fa-fw " .. icon, disabled = not possible }
end

return {
  start = action("Start", "fa-play", not deaf and down and not keptDown),
  terminate = action("Terminate", "fa-stop", not deaf and not down and not ending and not keptUp),
  restart = action("Restart", "fa-redo", not deaf and up and not keptDown),
  reconcile = action("Reconcile", "fa-sync", not deaf),
  suspend = action("Suspend", "fa-pause", not deleting and not suspended),
  resume = action("Resume", "fa-play", not deleting and suspended),
}
