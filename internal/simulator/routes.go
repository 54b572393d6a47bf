package simulator

import (
	"net/http"
)

// routes registers the whole API. Clusters are served in both versions with the
// same bodies, everything else in one.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	on := func(method, path, name string, accepts *schema, handle func(*call) (any, *apiError)) {
		served := &endpoint{name: name, accepts: accepts, handle: handle}
		s.endpoints[name] = served
		mux.Handle(method+" "+path, s.serve(served))
	}
	get := func(path, name string, accepts *schema, handle func(*call) (any, *apiError)) {
		on(http.MethodGet, path, name, accepts, handle)
	}
	post := func(path, name string, accepts *schema, handle func(*call) (any, *apiError)) {
		on(http.MethodPost, path, name, accepts, handle)
	}
	clusterRoutes(get, post)
	get("/api/2.1/clusters/list", "clusters/list", listParams, (*call).listClusters)
	get("/api/2.0/clusters/list", "clusters/list", listParams, (*call).listAllClusters)

	post("/api/2.0/libraries/install", "libraries/install", librariesParams, (*call).installLibraries)
	post("/api/2.0/libraries/uninstall", "libraries/uninstall", librariesParams, (*call).uninstallLibraries)
	get("/api/2.0/libraries/cluster-status", "libraries/cluster-status", clusterIDParams, (*call).libraryStatus)
	get("/api/2.0/libraries/all-cluster-statuses", "libraries/all-cluster-statuses", noParams, (*call).allLibraryStatuses)

	permissions := func(path, name string, of accessOf) {
		const prefix = "/api/2.0/permissions/"
		get(prefix+path, "permissions/"+name+"get", noParams, of.get)
		get(prefix+path+"/permissionLevels", "permissions/"+name+"levels", noParams, of.levels)
		on(http.MethodPut, prefix+path, "permissions/"+name+"set", permissionsParams, of.set)
		on(http.MethodPatch, prefix+path, "permissions/"+name+"update", permissionsParams, of.update)
	}
	permissions("clusters/{cluster_id}", "", clusterAccessOf)
	permissions("cluster-policies/{policy_id}", "cluster-policies/", policyAccessOf)
	permissions("instance-pools/{instance_pool_id}", "instance-pools/", poolAccessOf)

	policyRoutes(get, post)
	get("/api/2.0/preview/scim/v2/Me", "scim/me", noParams, (*call).me)

	anonymous := func(path, name string, handle func(*call) (any, *apiError)) {
		mux.Handle("GET "+path, s.serve(&endpoint{name: name, accepts: noParams, anonymous: true, handle: handle}))
	}
	anonymous("/.well-known/databricks-config", "discovery/config", (*call).databricksConfig)
	anonymous("/oidc/.well-known/oauth-authorization-server", "oauth/discovery", (*call).authorizationServer)
	mux.Handle("POST /oidc/v1/token", s.serve(&endpoint{name: "oauth/token", anonymous: true, handle: (*call).token}))

	mux.Handle(ControlPath, s.control())
	mux.Handle("/", s.serve(&endpoint{name: "unknown", anonymous: true, accepts: noParams, handle: (*call).noSuchEndpoint}))
	return mux
}

// register adds an endpoint with one method.
type register func(path, name string, accepts *schema, handle func(*call) (any, *apiError))

// clusterRoutes registers the endpoints of clusters that both versions of the API have.
func clusterRoutes(get, post register) {
	for _, version := range []string{"/api/2.0/", "/api/2.1/"} {
		post(version+"clusters/create", "clusters/create", createParams, (*call).createCluster)
		post(version+"clusters/edit", "clusters/edit", editParams, (*call).editCluster)
		post(version+"clusters/update", "clusters/update", updateParams, (*call).updateCluster)
		post(version+"clusters/resize", "clusters/resize", resizeParams, (*call).resizeCluster)
		post(version+"clusters/start", "clusters/start", clusterIDParams, (*call).startCluster)
		post(version+"clusters/restart", "clusters/restart", restartParams, (*call).restartCluster)
		post(version+"clusters/delete", "clusters/delete", clusterIDParams, (*call).terminateCluster)
		post(version+"clusters/permanent-delete", "clusters/permanent-delete", clusterIDParams, (*call).deleteCluster)
		post(version+"clusters/pin", "clusters/pin", clusterIDParams, (*call).pinCluster)
		post(version+"clusters/unpin", "clusters/unpin", clusterIDParams, (*call).unpinCluster)
		post(version+"clusters/change-owner", "clusters/change-owner", changeOwnerParams, (*call).changeOwner)
		post(version+"clusters/events", "clusters/events", eventsParams, (*call).listEvents)
		get(version+"clusters/get", "clusters/get", clusterIDParams, (*call).getCluster)
		get(version+"clusters/spark-versions", "clusters/spark-versions", noParams, (*call).sparkVersions)
		get(version+"clusters/list-node-types", "clusters/list-node-types", noParams, (*call).listNodeTypes)
		get(version+"clusters/list-zones", "clusters/list-zones", noParams, (*call).listZones)
	}
}

// policyRoutes registers the endpoints of policies, their families, their compliance and
// pools.
func policyRoutes(get, post register) {
	const policies, families, pools = "/api/2.0/policies/clusters", "/api/2.0/policy-families", "/api/2.0/instance-pools"
	post(policies+"/create", "policies/create", policyCreateParams, (*call).createPolicy)
	post(policies+"/edit", "policies/edit", policyEditParams, (*call).editPolicy)
	post(policies+"/delete", "policies/delete", policyParams, (*call).deletePolicy)
	get(policies+"/get", "policies/get", policyParams, (*call).getPolicy)
	get(policies+"/list", "policies/list", policyListParams, (*call).listPolicies)
	get(policies+"/get-compliance", "policies/get-compliance", clusterIDParams, (*call).getCompliance)
	get(policies+"/list-compliance", "policies/list-compliance", complianceListParams, (*call).listCompliance)
	post(policies+"/enforce-compliance", "policies/enforce-compliance", enforceParams, (*call).enforceCompliance)
	post(policies+":cancelPendingClusterEnforcement", "policies/cancel-enforcement", cancelEnforcementParams, (*call).cancelEnforcement)
	get(families, "policy-families/list", familyListParams, (*call).listFamilies)
	get(families+"/{policy_family_id}", "policy-families/get", familyParams, (*call).getFamily)
	post(pools+"/create", "instance-pools/create", poolSpec, (*call).createPool)
	post(pools+"/edit", "instance-pools/edit", poolEditParams, (*call).editPool)
	post(pools+"/delete", "instance-pools/delete", poolParams, (*call).deletePool)
	get(pools+"/get", "instance-pools/get", poolParams, (*call).getPool)
	get(pools+"/list", "instance-pools/list", noParams, (*call).listPools)
}

func (c *call) noSuchEndpoint() (any, *apiError) {
	return nil, newAPIError(http.StatusNotFound, "ENDPOINT_NOT_FOUND", "No API found for '%s %s'", c.request.Method, c.request.URL.Path)
}
