package simulator

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Policy is a cluster policy of a workspace.
type Policy struct {
	// ID is the policy_id; empty means a generated one.
	ID string `json:"policy_id,omitempty"`
	// Name is the name; empty means the ID, because every policy has a name.
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Definition is JSON in Databricks' policy language: the types fixed,
	// forbidden, unlimited, allowlist, blocklist, regex and range on the fields
	// of a cluster, including list elements and wildcards (init_scripts.0.…,
	// init_scripts.*.…, custom_tags.*), cluster_log_conf.type, .path and
	// .region, cluster_type, and the auto: values of spark_version.
	// dbus_per_hour and hidden are ignored.
	Definition string `json:"definition"`
	// MaxClustersPerUser limits a user's clusters that are not TERMINATED; 0
	// means no limit.
	MaxClustersPerUser int64 `json:"max_clusters_per_user,omitempty"`
	// Libraries are installed on every cluster created with the policy, each in
	// the API's own form, such as {"pypi": {"package": "numpy"}}.
	Libraries []map[string]any `json:"libraries,omitempty"`
	// Creator is a user name.
	Creator string `json:"creator_user_name,omitempty"`
	// FamilyID is the policy_family_id; the definition is then that of the family,
	// with the rules of FamilyOverrides in place of its own.
	FamilyID        string `json:"policy_family_id,omitempty"`
	FamilyOverrides string `json:"policy_family_definition_overrides,omitempty"`
	// IsDefault marks a policy of the workspace, which cannot be deleted.
	IsDefault bool `json:"is_default,omitempty"`
}

type policy struct {
	Policy
	created time.Time
	rules   []policyRule // in the order of application
	// malformed reports that the definition is JSON but not a policy.
	malformed bool
	access    accessList
}

// newPolicy returns a policy with its rules. It fails for a definition that is not JSON,
// and for an unknown family.
func newPolicy(p Policy) (*policy, error) {
	if p.FamilyID != "" {
		merged, err := familyDefinition(p.FamilyID, p.FamilyOverrides)
		if err != nil {
			return nil, err
		}
		p.Definition = merged
	}
	rules, malformed, err := parseDefinition(p.Definition)
	if err != nil {
		return nil, err
	}
	return &policy{Policy: p, rules: rules, malformed: malformed}, nil
}

// addPolicy adds a policy that all users may use, or replaces the policy with the same id.
func (w *workspace) addPolicy(p Policy) (id string, err error) {
	w.serial++
	if p.ID == "" {
		p.ID = w.newPolicyID()
	}
	p.Name = cmp.Or(p.Name, p.ID)
	made, err := newPolicy(p)
	if err != nil {
		return "", fmt.Errorf("policy %q: %w", p.Name, err)
	}
	made.created, made.access = w.server.now(), usableByAll(policyAccess, p.ID)
	if known := w.policy(p.ID); known != nil {
		made.created, made.access = known.created, known.access
		*known = *made
		return p.ID, nil
	}
	w.policies = append(w.policies, made)
	return p.ID, nil
}

func (w *workspace) newPolicyID() string { return fmt.Sprintf("%016X", w.serial) }

// AddPolicy adds a policy to a workspace, or replaces the policy with the same
// id; its clusters stay unchanged until they are edited. It returns the id, and
// an error for a definition that is not JSON. An empty workspace name means the
// first workspace.
func (s *Server) AddPolicy(workspaceName string, p Policy) (id string, err error) {
	err = s.inWorkspace(workspaceName, func(w *workspace) error {
		id, err = w.addPolicy(p)
		return err
	})
	return id, err
}

// RemovePolicy removes a policy. Its clusters continue to run and can start; an
// edit fails unless it names another policy.
func (s *Server) RemovePolicy(workspaceName, id string) error {
	return s.inWorkspace(workspaceName, func(w *workspace) error {
		if w.policy(id) == nil {
			return fmt.Errorf("no policy %q in workspace %q", id, w.name)
		}
		w.policies = slices.DeleteFunc(w.policies, func(p *policy) bool { return p.ID == id })
		return nil
	})
}

func (w *workspace) policy(id string) *policy {
	for _, p := range w.policies {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// applyPolicy fills in fixed values, and default values if requested, and
// rejects values that the policy does not allow.
func (w *workspace) applyPolicy(settings params, withDefaults bool) *apiError {
	id, given := settings["policy_id"].(string)
	if !given {
		return nil
	}
	p := w.policy(id)
	if p == nil {
		return invalid("'%s' is not a valid cluster policy ID", id)
	}
	if p.malformed {
		return invalid("Requests for the policy %s cannot be satisfied due to the malformed policy definition. "+
			"Please contact your administrator to fix the policy.", p.Name)
	}
	return p.applyRules(w, settings, withDefaults)
}

// checkQuota checks the number of the caller's clusters under the policy.
func (w *workspace) checkQuota(settings params, user string, now time.Time) *apiError {
	id := textOf(settings, "policy_id")
	p := w.policy(id)
	if p == nil || p.MaxClustersPerUser == 0 {
		return nil
	}
	count := int64(0)
	for _, c := range slices.Clone(w.byName) {
		c.advanceTo(now)
		if c.creator == user && c.state != Terminated && textOf(c.settings, "policy_id") == id {
			count++
		}
	}
	if count >= p.MaxClustersPerUser {
		return newAPIError(http.StatusTooManyRequests, "REQUEST_LIMIT_EXCEEDED",
			"The policy %s allows %d clusters per user and %s has %d", p.Name, p.MaxClustersPerUser, user, count)
	}
	return nil
}

func (p *policy) shown() params {
	shown := params{
		"policy_id": p.ID, "name": p.Name, "description": p.Description, "definition": p.Definition,
		"creator_user_name": p.Creator, "created_at_timestamp": millis(p.created), "is_default": p.IsDefault,
	}
	if p.MaxClustersPerUser > 0 {
		shown["max_clusters_per_user"] = p.MaxClustersPerUser
	}
	if len(p.Libraries) > 0 {
		shown["libraries"] = p.Libraries
	}
	if p.FamilyID != "" {
		shown["policy_family_id"] = p.FamilyID
		shown["policy_family_definition_overrides"] = p.FamilyOverrides
	}
	return shown
}

// findPolicy returns the request's policy, if the caller has at least the given permission
// on it.
func (c *call) findPolicy(id string, needed level) (*policy, *apiError) {
	if id == "" {
		return nil, invalid("'' is not a valid cluster policy ID")
	}
	p := c.workspace.policy(id)
	if p == nil || p.access.levelOf(c.principal) < canUse {
		return nil, newAPIError(http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", "Can't find a cluster policy with id: %s.", id)
	}
	if p.access.levelOf(c.principal) < needed {
		return nil, forbidden("Only workspace administrators can change cluster policies")
	}
	return p, nil
}

func policyAccessOf(c *call, needed level) (*accessList, *apiError) {
	p, r := c.findPolicy(c.request.PathValue("policy_id"), needed)
	if r != nil {
		return nil, r
	}
	return &p.access, nil
}

func (c *call) getPolicy() (any, *apiError) {
	p, r := c.findPolicy(textOf(c.params, "policy_id"), canUse)
	if r != nil {
		return nil, r
	}
	return p.shown(), nil
}

func (c *call) createPolicy() (any, *apiError) {
	if c.principal.NotAdmin {
		return nil, forbidden("Only workspace administrators can change cluster policies")
	}
	c.workspace.serial++
	made, r := c.requestedPolicy(c.workspace.newPolicyID())
	if r != nil {
		return nil, r
	}
	made.created, made.Creator = c.now, c.principal.UserName
	made.access = accessList{kind: policyAccess, id: made.ID}
	c.workspace.policies = append(c.workspace.policies, made)
	return params{"policy_id": made.ID}, nil
}

// editPolicy replaces everything; what the request omits is cleared.
func (c *call) editPolicy() (any, *apiError) {
	known, r := c.findPolicy(textOf(c.params, "policy_id"), canManage)
	if r != nil {
		return nil, r
	}
	if known.IsDefault && textOf(c.params, "policy_family_id") != known.FamilyID {
		return nil, invalid("Changing policy_family_id is forbidden for default cluster policies. Clone this policy to change the policy family.")
	}
	edited, r := c.requestedPolicy(known.ID)
	if r != nil {
		return nil, r
	}
	edited.created, edited.Creator, edited.IsDefault, edited.access = known.created, known.Creator, known.IsDefault, known.access
	*known = *edited
	return params{}, nil
}

// deletePolicy leaves the clusters of the policy as they are.
func (c *call) deletePolicy() (any, *apiError) {
	known, r := c.findPolicy(textOf(c.params, "policy_id"), canManage)
	if r != nil {
		return nil, r
	}
	if known.IsDefault {
		return nil, invalid("Default cluster policies cannot be deleted.")
	}
	c.workspace.policies = slices.DeleteFunc(c.workspace.policies, func(p *policy) bool { return p == known })
	return params{}, nil
}

const (
	maxNameLength, maxDescriptionLength = 100, 1000
	maxPolicyLibraries                  = 500
)

// requestedPolicy returns the policy of a create or an edit.
func (c *call) requestedPolicy(id string) (*policy, *apiError) {
	asked := c.params
	limit, isLimited := asked["max_clusters_per_user"].(int64)
	libraries, _ := asked["libraries"].([]any)
	name := textOf(asked, "name")
	definition, hasDefinition := asked["definition"]
	family, overrides := textOf(asked, "policy_family_id"), textOf(asked, "policy_family_definition_overrides")
	switch {
	case name == "" || len(name) > maxNameLength:
		return nil, invalid("The name of a cluster policy must have 1 to %d characters", maxNameLength)
	case c.workspace.hasPolicyNamed(name, id):
		return nil, invalid("Cluster Policy with name `%s` already exists", name)
	case len(textOf(asked, "description")) > maxDescriptionLength:
		return nil, invalid("The description of a cluster policy must not be longer than %d characters", maxDescriptionLength)
	case isLimited && limit <= 0:
		return nil, invalid("max_clusters_per_user must be greater than 0")
	case len(libraries) > maxPolicyLibraries:
		return nil, invalid("A cluster policy has at most %d libraries", maxPolicyLibraries)
	case hasDefinition && family != "":
		return nil, invalid("Only one of definition and policy_family_id can be specified")
	case overrides != "" && family == "":
		return nil, invalid("policy_family_definition_overrides needs policy_family_id")
	}
	wanted := Policy{
		ID: id, Name: name, Description: textOf(asked, "description"), MaxClustersPerUser: limit,
		FamilyID: family, FamilyOverrides: overrides,
	}
	wanted.Definition, _ = definition.(string)
	for _, one := range libraries {
		library, _ := one.(params)
		wanted.Libraries = append(wanted.Libraries, library)
	}
	made, err := newPolicy(wanted)
	if err != nil {
		return nil, invalid("Invalid cluster policy: %v", err)
	}
	return made, nil
}

// hasPolicyNamed reports whether another policy has a name, whatever its case.
func (w *workspace) hasPolicyNamed(name, exceptID string) bool {
	return slices.ContainsFunc(w.policies, func(p *policy) bool { return strings.EqualFold(p.Name, name) && p.ID != exceptID })
}

func (c *call) listPolicies() (any, *apiError) {
	all := slices.DeleteFunc(slices.Clone(c.workspace.policies), func(p *policy) bool { return p.access.levelOf(c.principal) < canUse })
	if textOf(c.params, "sort_column") == "POLICY_NAME" {
		slices.SortStableFunc(all, func(a, b *policy) int { return strings.Compare(a.Name, b.Name) })
	}
	if textOf(c.params, "sort_order") == "DESC" {
		slices.Reverse(all)
	}
	answer := params{"total_count": int64(len(all))}
	if len(all) > 0 {
		shown := make([]any, 0, len(all))
		for _, p := range all {
			shown = append(shown, p.shown())
		}
		answer["policies"] = shown
	}
	return answer, nil
}
