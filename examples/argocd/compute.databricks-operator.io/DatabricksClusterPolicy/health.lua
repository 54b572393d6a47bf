-- How Argo CD reads a DatabricksClusterPolicy. The first rule that fits decides. Argo CD
-- runs this without Lua's string library.

local function condition(type)
  if obj.status ~= nil and obj.status.conditions ~= nil then
    for _, found in ipairs(obj.status.conditions) do
      if found.type == type then
        return found
      end
    end
  end
  return nil
end

local function health(status, told, otherwise)
  local message = otherwise
  if told ~= nil then
    message = told.reason
    if told.message ~= nil and told.message ~= "" then
      message = told.reason .. ": " .. told.message
    end
  end
  return { status = status, message = message }
end

local ready = condition("Ready")
local reconciling = condition("Reconciling")
local stalled = condition("Stalled")

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", ready, "Deleting")
end
if obj.spec ~= nil and obj.spec.suspend == true then
  return health("Suspended", nil, "spec.suspend is true; set it to false to go on")
end
if obj.status == nil or obj.status.conditions == nil then
  return health("Progressing", nil, "the operator has not looked at it yet")
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", nil, "the operator has not looked at this generation yet")
end
if stalled ~= nil and stalled.status == "True" then
  return health("Degraded", stalled)
end
if reconciling ~= nil and reconciling.status == "True" then
  return health("Progressing", reconciling)
end
if ready ~= nil and ready.status == "True" then
  return health("Healthy", ready)
end
if ready ~= nil and ready.status == "False" then
  return health("Degraded", ready)
end
return health("Progressing", ready, "the operator has not said whether it is ready")
