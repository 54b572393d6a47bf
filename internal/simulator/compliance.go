package simulator

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Whether clusters comply with the current version of their policy, and its enforcement.

const (
	// The pages of list-compliance have defaultCompliancePage clusters if the request
	// names no size.
	defaultCompliancePage, maxCompliancePage = 20, 100
	// maxViolations is the number of violations that an answer has.
	maxViolations = 200

	enforceImmediately = "ENFORCE_IMMEDIATELY"
	waitForTermination = "WAIT_FOR_TERMINATION"
)

// pendingEnforcement is an enforcement that waits for the next termination or restart.
type pendingEnforcement struct {
	requested params
	changes   []any
	since     time.Time
	user      string
	failed    bool
}

func (p *pendingEnforcement) shown() params {
	status := "ACTIVE"
	if p.failed {
		status = "INACTIVE"
	}
	return params{
		"enforcement_status": status, "initiate_time": p.since.UTC().Format(time.RFC3339), "initiator_user": p.user,
		"target_changes": p.changes, "target_spec": p.requested,
	}
}

// violations returns the values of a specification that the policy does not permit, by
// their path.
func (p *policy) violations(w *workspace, settings params) map[string]string {
	found := map[string]string{}
	note := func(path string, r *apiError) {
		if r != nil && len(found) < maxViolations {
			_, found[path], _ = strings.Cut(r.message, "Validation failed for "+path+", ")
		}
	}
	for _, rule := range p.rules {
		switch {
		case rule.path == "cluster_type":
			note(rule.path, rule.check(rule.path, "all-purpose", text, w))
		case rule.steps == nil:
		case slices.Contains(rule.steps, wildcard):
			for _, steps := range expand(settings, rule.steps) {
				if value, _ := lookUp(settings, steps); !p.hasRuleFor(rule, steps) {
					path := strings.Join(steps, ".")
					note(path, rule.check(path, value, rule.schema, w))
				}
			}
		default:
			value, present := lookUp(settings, rule.steps)
			switch {
			case present:
				note(rule.path, rule.check(rule.path, value, rule.schema, w))
			case rule.Type == "fixed":
				note(rule.path, violation(rule.path, fmt.Sprintf("the value must be %v (is not set)", rule.Value)))
			case rule.Type != "forbidden" && !rule.IsOptional:
				note(rule.path, violation(rule.path, "the value must be present"))
			}
		}
	}
	return found
}

// corrected returns a request in which the values that violate the policy have the fixed
// or default value of their rule, or are gone if the rule forbids them.
func (p *policy) corrected(w *workspace, requested, settings params) params {
	corrected, violated := cloneParams(requested), p.violations(w, settings)
	for _, rule := range p.rules {
		if _, isViolated := violated[rule.path]; !isViolated || rule.steps == nil {
			continue
		}
		switch {
		case rule.Type == "fixed":
			setPath(corrected, rule.steps, clusterSpec, w.ruleValue(rule.path, rule.Value, rule.schema))
		case rule.Type == "forbidden":
			removePath(corrected, rule.steps)
		case rule.Default != nil:
			setPath(corrected, rule.steps, clusterSpec, w.ruleValue(rule.path, rule.Default, rule.schema))
		}
	}
	return corrected
}

// removePath removes a field of an object.
func removePath(value params, steps []string) {
	last := len(steps) - 1
	inner, _ := lookUp(value, steps[:last])
	if last == 0 {
		inner = value
	}
	if object, isObject := inner.(params); isObject {
		delete(object, steps[last])
	}
}

// policyOf returns the policy of a cluster; nil if it has none, or a deleted one.
func (c *cluster) policyOf() *policy { return c.workspace.policy(textOf(c.settings, "policy_id")) }

// compliance returns the compliance of a cluster as the API shows it.
func (c *cluster) compliance() params {
	violated := map[string]string{}
	if p := c.policyOf(); p != nil {
		violated = p.violations(c.workspace, c.settings)
	}
	shown := params{"is_compliant": len(violated) == 0}
	if len(violated) > 0 {
		shown["violations"] = violated
	}
	if c.pending != nil {
		shown["pending_enforcement"] = c.pending.shown()
	}
	return shown
}

func (c *call) getCompliance() (any, *apiError) {
	found, r := c.cluster(canAttach)
	if r != nil {
		return nil, r
	}
	return found.compliance(), nil
}

func (c *call) listCompliance() (any, *apiError) {
	id := textOf(c.params, "policy_id")
	size := integerOf(c.params, "page_size")
	offset, r := eventOffset(textOf(c.params, "page_token"))
	switch {
	case r != nil:
		return nil, r
	case id == "":
		return nil, required("policy_id")
	case c.workspace.policy(id) == nil:
		return nil, newAPIError(http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", "Can't find a cluster policy with id: %s.", id)
	case size < 0 || size > maxCompliancePage:
		return nil, invalid("page_size must be between 1 and %d", maxCompliancePage)
	case size == 0:
		size = defaultCompliancePage
	}
	var all []any
	for _, found := range slices.Clone(c.workspace.byName) {
		found.advanceTo(c.now)
		if textOf(found.settings, "policy_id") != id || found.purged || c.rights.hides(found.id) {
			continue
		}
		shown := found.compliance()
		shown["cluster_id"] = found.id
		all = append(all, shown)
	}
	total := int64(len(all))
	from, to := min(offset, total), min(offset+size, total)
	answer := params{"prev_page_token": "", "next_page_token": ""}
	if from < to {
		answer["clusters"] = all[from:to]
	}
	if from > 0 {
		answer["prev_page_token"] = eventToken(max(0, from-size))
	}
	if to < total {
		answer["next_page_token"] = eventToken(to)
	}
	return answer, nil
}

func (c *call) enforceCompliance() (any, *apiError) {
	found, r := c.cluster(canManage)
	if r != nil {
		return nil, r
	}
	p, mode := found.policyOf(), textOf(c.params, "enforce_mode")
	switch {
	case found.source != "API" && found.source != "UI":
		return nil, invalid("The compliance of cluster %s, which a job or a pipeline created, cannot be enforced", found.id)
	case p == nil:
		return nil, invalid("Cluster %s has no policy", found.id)
	}
	requested := p.corrected(c.workspace, found.spec, found.settings)
	settings, r := c.workspace.resolve(requested, found.creator)
	if r != nil {
		return nil, r
	}
	changes := changesBetween(found.settings, settings)
	answer := params{"has_changes": len(changes) > 0, "enforce_result": "NO_CHANGES"}
	if len(changes) > 0 {
		answer["changes"] = changes
	}
	deferred := mode == waitForTermination && found.state != Terminated
	switch {
	case boolOf(c.params, "validate_only"):
		delete(answer, "enforce_result")
		return answer, nil
	case deferred && c.principal.NotAdmin:
		return nil, forbidden("Only workspace administrators can defer the enforcement of a policy")
	case deferred && len(changes) > 0:
		found.pending = &pendingEnforcement{requested: requested, changes: changes, since: c.now, user: c.principal.UserName}
		found.addEvent(c.now, "DEFERRED_POLICY_ENFORCEMENT_SCHEDULED", params{"user": c.principal.UserName})
		answer["enforce_result"] = "DEFERRED"
		return answer, nil
	case !deferred && found.state != Terminated && found.state != Running:
		return nil, unexpectedState(found.id, found.state)
	case len(changes) == 0:
		return answer, nil
	}
	if _, r := c.reconfigure(found, requested, found.resizedTo); r != nil {
		return nil, r
	}
	found.pending = nil
	answer["enforce_result"] = "APPLIED"
	return answer, nil
}

// cancelEnforcement cancels the enforcement that waits for a termination.
func (c *call) cancelEnforcement() (any, *apiError) {
	found, r := c.cluster(canManage)
	switch {
	case r != nil:
		return nil, r
	case c.principal.NotAdmin:
		return nil, forbidden("Only workspace administrators can cancel the enforcement of a policy")
	case found.state == Terminating:
		return nil, unexpectedState(found.id, found.state)
	case found.pending == nil && !boolOf(c.params, "allow_missing"):
		return nil, newAPIError(http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", "Cluster %s has no pending enforcement", found.id)
	}
	found.pending = nil
	return params{}, nil
}

// applyPending makes the changes of an enforcement that waited for this termination or
// restart.
func (c *cluster) applyPending(at time.Time) {
	if c.pending == nil || c.pending.failed {
		return
	}
	settings, r := c.workspace.resolve(c.pending.requested, c.creator)
	if r != nil {
		c.pending.failed = true
		c.addEvent(at, "DEFERRED_POLICY_ENFORCEMENT_FAILED", params{"user": c.pending.user})
		return
	}
	c.workspace.configure(c, c.workspace.server.behaviour.storedSpec(c.pending.requested, settings), settings)
	c.pending = nil
}

// changesBetween returns the leaf values that differ between two specifications.
func changesBetween(before, after params) []any {
	was, is := leaves(before), leaves(after)
	paths := maps.Clone(was)
	maps.Copy(paths, is)
	var changes []any
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if was[path] == is[path] {
			continue
		}
		change := params{"field": path}
		if value, present := was[path]; present {
			change["previous_value"] = value
		}
		if value, present := is[path]; present {
			change["new_value"] = value
		}
		changes = append(changes, change)
	}
	return changes
}

// leaves returns the numbers, booleans and texts of a value as texts, by their path.
func leaves(value any) map[string]string {
	all := map[string]string{}
	var visit func(path string, value any)
	visit = func(path string, value any) {
		names := childNames(value)
		for _, name := range names {
			inner, _ := step(value, name)
			visit(strings.TrimPrefix(path+"."+name, "."), inner)
		}
		if len(names) > 0 || value == nil {
			return
		}
		switch value.(type) {
		case params, []any:
		default:
			all[path] = fmt.Sprint(value)
		}
	}
	visit("", value)
	return all
}
