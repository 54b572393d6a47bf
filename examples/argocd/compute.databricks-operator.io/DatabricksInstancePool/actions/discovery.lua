-- What may be asked of a DatabricksInstancePool now. What the operator would answer only
-- later is disabled.

local deleting = obj.metadata.deletionTimestamp ~= nil
local suspended = obj.spec.suspend == true

local function action(name, icon, possible)
  return { displayName = name, iconClass = "fa fa-fw " .. icon, disabled = not possible }
end

return {
  reconcile = action("Reconcile", "fa-sync", not deleting),
  suspend = action("Suspend", "fa-pause", not deleting and not suspended),
  resume = action("Resume", "fa-play", not deleting and suspended),
}
