-- Every write to the object makes another token; two clicks on one version are one
-- request.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["compute.databricks-operator.io/request"] = "reconcile@argo-cd-" .. obj.metadata.resourceVersion
return obj
