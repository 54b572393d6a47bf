package simulator

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// Operations on a cluster, and the states that allow them.

// find returns the cluster with the request's id, after it was advanced to now.
func (c *call) find() (*cluster, *apiError) {
	id := c.entry.ClusterID
	if id == "" {
		return nil, required("cluster_id")
	}
	found := c.workspace.byID[id]
	if found != nil {
		found.advanceTo(c.now)
	}
	switch {
	case found == nil || found.deleted || c.rights.hides(id):
		return nil, c.missing(id)
	case found.purged:
		return nil, purgedLongAgo(id)
	}
	return found, nil
}

func (c *call) missing(id string) *apiError {
	if c.server.behaviour.MissingIsNotFound {
		return newAPIError(404, "RESOURCE_DOES_NOT_EXIST", "Cluster %s does not exist", id)
	}
	return doesNotExist(id)
}

// cluster returns the request's cluster, if the caller has at least the given
// permission on it.
func (c *call) cluster(needed level) (*cluster, *apiError) {
	found, r := c.find()
	if r != nil {
		return nil, r
	}
	held := found.access.levelOf(c.principal)
	switch {
	case held < canAttach && c.principal.SeesOwnOnly:
		return nil, c.missing(found.id)
	case held < needed:
		return nil, forbidden("%s does not have %s permissions on %s. Please contact the owner or an administrator for access.",
			c.principal.UserName, needed.word(), found.id)
	}
	return found, nil
}

func (c *call) getCluster() (any, *apiError) {
	found, r := c.cluster(canAttach)
	if r != nil {
		return nil, r
	}
	if c.now.Before(found.created.Add(c.server.behaviour.UnseenByGet)) {
		return nil, c.missing(found.id)
	}
	return found.details(c.now, c.fault == nil || !c.fault.SpecMissing), nil
}

func (c *call) createCluster() (any, *apiError) {
	if c.principal.NotAdmin && c.principal.MayNotCreate {
		return nil, forbidden("You are not authorized to create clusters. Please contact your administrator.")
	}
	token := textOf(c.params, "idempotency_token")
	if len(token) > 64 {
		return nil, invalid("idempotency_token must not be longer than 64 characters")
	}
	if token != "" {
		if known, r := c.clusterForToken(token); r != nil || known != nil {
			return known, r
		}
	}
	requested := cloneParams(c.params)
	if id := textOf(requested, "policy_id"); id != "" {
		if p := c.workspace.policy(id); p != nil && p.access.levelOf(c.principal) < canUse {
			return nil, invalid("'%s' is not a valid cluster policy ID", id)
		}
	}
	delete(requested, "idempotency_token")
	delete(requested, "clone_from")
	settings, r := c.workspace.resolve(requested, c.principal.UserName)
	if r != nil {
		return nil, r
	}
	if r := c.workspace.checkQuota(settings, c.principal.UserName, c.now); r != nil {
		return nil, r
	}
	if r := c.workspace.checkClusterLimit(c.now); r != nil {
		return nil, r
	}
	libraries, r := c.librariesToClone()
	if r != nil {
		return nil, r
	}
	made := c.workspace.makeCluster(c.server.behaviour.storedSpec(requested, settings), settings, c.principal.UserName, "API", c.now)
	made.libraries = libraries
	made.extra = overlay(c.workspace.extra, c.requestExtras(c.workspace.extra, ""))
	made.installPolicyLibraries(c.now)
	if c.principal.NotAdmin {
		made.access.grants = []grant{{kind: c.principal.grantKind(), name: c.principal.UserName, level: canManage}}
	}
	made.launch(c.now, c.fault)
	made.addEvent(c.now, "CREATING", params{
		"cluster_size": sizeOf(settings), "attributes": attributesOf(settings), "user": c.principal.UserName,
	})
	if token != "" {
		c.workspace.tokens[token] = made.id
	}
	c.entry.ClusterID = made.id
	return params{"cluster_id": made.id}, nil
}

// checkClusterLimit counts the workspace's clusters that are not TERMINATED.
func (w *workspace) checkClusterLimit(now time.Time) *apiError {
	limit := w.server.behaviour.ClusterLimit
	if limit == 0 {
		return nil
	}
	active := 0
	for _, c := range slices.Clone(w.byName) { // advanceTo may remove some
		if c.advanceTo(now); c.state != Terminated {
			active++
		}
	}
	if active >= limit {
		return invalidState("The workspace has %d active clusters and may have %d at once", active, limit)
	}
	return nil
}

// makeCluster makes a TERMINATED cluster; the caller decides its next state.
func (w *workspace) makeCluster(spec, settings params, creator, source string, now time.Time) *cluster {
	made := &cluster{
		workspace: w, id: w.newClusterID(), creator: creator, source: source,
		created: now, autoscaledTo: -1,
	}
	made.access = accessList{kind: clusterAccess, id: made.id}
	made.configure(spec, settings)
	made.enterState(Terminated, now, "")
	w.add(made)
	made.firstOwner = made.owner()
	w.server.owners.made(made.firstOwner)
	return made
}

// clusterForToken returns the answer to a create whose idempotency token is
// known; nil if a new cluster must be made.
func (c *call) clusterForToken(token string) (any, *apiError) {
	id, known := c.workspace.tokens[token]
	if !known {
		return nil, nil
	}
	made := c.workspace.byID[id]
	made.advanceTo(c.now)
	rule := TokenReturns
	switch {
	case made.deleted || made.purged:
		rule = c.server.behaviour.TokenOfDeleted
	case made.state == Terminated:
		rule = c.server.behaviour.TokenOfTerminated
	}
	switch rule {
	case TokenCreates:
		return nil, nil
	case TokenFails:
		return nil, newAPIError(409, "RESOURCE_ALREADY_EXISTS", "Cluster %s was already created with this idempotency token and is not active", id)
	default:
		c.entry.ClusterID = id
		return params{"cluster_id": id}, nil
	}
}

func (c *call) editCluster() (any, *apiError) {
	found, r := c.editable()
	if r != nil {
		return nil, r
	}
	requested := cloneParams(c.params)
	delete(requested, "cluster_id")
	extra := c.requestExtras(c.workspace.knownExtras(found), "")
	answer, r := c.reconfigure(found, requested, nil)
	if r == nil {
		found.extra = extra
	}
	return answer, r
}

// editable returns the request's cluster, if its state allows edit and update.
func (c *call) editable() (*cluster, *apiError) {
	found, r := c.cluster(canManage)
	switch {
	case r != nil:
		return nil, r
	case found.source == "JOB":
		return nil, invalid("Cannot edit cluster %s created by JobLauncher", found.id)
	case found.state != Running && found.state != Terminated:
		return nil, unexpectedState(found.id, found.state)
	}
	return found, nil
}

// reconfigure replaces the specification and restarts a RUNNING cluster.
// Resized is the size of an earlier resize; an update of other fields keeps it.
func (c *call) reconfigure(found *cluster, requested, resized params) (any, *apiError) {
	settings, r := c.workspace.resolve(requested, found.creator)
	if r != nil {
		return nil, r
	}
	if resized != nil {
		setSize(settings, resized)
	}
	behaviour := c.server.behaviour
	if behaviour.FirstOnDemandIsFixed {
		keepFirstOnDemand(found.settings, settings)
	}
	if behaviour.IdenticalEditIsNoOp && reflect.DeepEqual(found.settings, settings) {
		found.spec, found.resizedTo = behaviour.storedSpec(requested, settings), resized
		return params{}, nil
	}
	before := found.settings
	found.resizedTo = resized
	c.workspace.configure(found, behaviour.storedSpec(requested, settings), settings)
	found.addEvent(c.now, "EDITED", params{
		"attributes": attributesOf(settings), "previous_attributes": attributesOf(before),
		"cluster_size": sizeOf(settings), "previous_cluster_size": sizeOf(before), "user": c.principal.UserName,
	})
	if found.state != Running {
		return params{}, nil
	}
	if behaviour.SizeEditResizes && reflect.DeepEqual(attributesOf(before), attributesOf(settings)) {
		c.beginResize(found, "USER_REQUEST")
		return params{}, nil
	}
	found.restart(c.now, c.principal.UserName, c.fault)
	return params{}, nil
}

func keepFirstOnDemand(before, after params) {
	old, ok1 := before["aws_attributes"].(params)
	changed, ok2 := after["aws_attributes"].(params)
	if ok1 && ok2 {
		changed["first_on_demand"] = old["first_on_demand"]
	}
}

func (c *call) resizeCluster() (any, *apiError) {
	found, r := c.cluster(canManage)
	if r != nil {
		return nil, r
	}
	if r := c.workspace.validateSize(c.params); r != nil {
		return nil, r
	}
	if found.state != Running {
		return nil, unexpectedState(found.id, found.state)
	}
	setSize(found.settings, c.params)
	if found.resizedTo = sizeOf(c.params); c.server.behaviour.ResizeShowsInSpec {
		setSize(found.spec, c.params)
		found.resizedTo = nil
	}
	c.beginResize(found, "USER_REQUEST")
	return params{}, nil
}

func setSize(spec, size params) {
	for field := range clusterSize.fields {
		delete(spec, field)
		if v, ok := size[field]; ok {
			spec[field] = clone(v)
		}
	}
}

func (c *call) beginResize(found *cluster, cause string) {
	found.setLaunchFault(c.fault)
	found.enterState(Resizing, c.now, "")
	found.addEvent(c.now, "RESIZING", params{
		"cause": cause, "user": c.principal.UserName,
		"current_num_workers": found.executors, "target_num_workers": found.resizeTarget(),
	})
}

func (c *call) startCluster() (any, *apiError) {
	found, r := c.cluster(canRestart)
	switch {
	case r != nil:
		return nil, r
	case found.source == "JOB":
		return nil, invalid("Cannot start cluster %s created by JobLauncher", found.id)
	case found.state != Terminated && c.server.behaviour.StartIsNoOp:
		return params{}, nil
	case found.state != Terminated:
		return nil, unexpectedState(found.id, found.state)
	}
	found.launch(c.now, c.fault)
	found.addEvent(c.now, "STARTING", params{"user": c.principal.UserName})
	return params{}, nil
}

func (c *call) restartCluster() (any, *apiError) {
	found, r := c.cluster(canRestart)
	switch {
	case r != nil:
		return nil, r
	case found.state != Running && c.server.behaviour.RestartIsNoOp:
		return params{}, nil
	case found.state != Running:
		return nil, unexpectedState(found.id, found.state)
	}
	found.restart(c.now, c.principal.UserName, c.fault)
	return params{}, nil
}

func (c *call) terminateCluster() (any, *apiError) {
	found, r := c.cluster(canRestart)
	if r != nil {
		return nil, r
	}
	if found.state != Terminating && found.state != Terminated {
		found.terminate(c.now, userRequest(c.principal.UserName), c.principal.UserName)
	}
	return params{}, nil
}

func (c *call) deleteCluster() (any, *apiError) {
	found, r := c.cluster(canManage)
	switch {
	case r != nil:
		return nil, r
	case found.pinnedBy != nil:
		return nil, invalid("Cannot delete pinned cluster %s. Please ask an admin to unpin the cluster first.", found.id)
	}
	found.remove(c.now)
	return params{}, nil
}

func (c *call) pinCluster() (any, *apiError) {
	found, r := c.pinnable()
	switch {
	case r != nil:
		return nil, r
	case found.pinnedBy != nil:
		return params{}, nil
	case c.workspace.pinned() >= c.server.pinLimit():
		return nil, invalid("Cannot pin more than %d clusters", c.server.pinLimit())
	}
	found.pinnedBy = c.principal
	found.addEvent(c.now, "PINNED", params{"user": c.principal.UserName})
	return params{}, nil
}

func (c *call) unpinCluster() (any, *apiError) {
	found, r := c.pinnable()
	if r != nil {
		return nil, r
	}
	if found.pinnedBy != nil {
		found.pinnedBy, found.unpinned = nil, c.now
		found.addEvent(c.now, "UNPINNED", params{"user": c.principal.UserName})
	}
	return params{}, nil
}

func (c *call) pinnable() (*cluster, *apiError) {
	found, r := c.cluster(canAttach)
	if r == nil && c.principal.NotAdmin {
		return nil, forbidden("Only workspace administrators can pin and unpin clusters")
	}
	return found, r
}

func (w *workspace) pinned() int {
	count := 0
	for _, c := range w.byName {
		if c.pinnedBy != nil {
			count++
		}
	}
	return count
}

func (s *Server) pinLimit() int {
	if s.behaviour.PinLimit > 0 {
		return s.behaviour.PinLimit
	}
	return 100
}

func (c *call) changeOwner() (any, *apiError) {
	found, r := c.cluster(canAttach)
	owner := strings.TrimSpace(textOf(c.params, "owner_username"))
	switch {
	case r != nil:
		return nil, r
	case owner == "":
		return nil, required("owner_username")
	case c.principal.NotAdmin:
		return nil, forbidden("Only workspace administrators can change the owner of a cluster")
	case found.state != Terminated:
		return nil, unexpectedState(found.id, found.state)
	}
	found.creator = owner
	return params{}, nil
}
