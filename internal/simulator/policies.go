package simulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Policy is a cluster policy of a workspace.
type Policy struct {
	// ID is the policy_id; empty means a generated one.
	ID          string `json:"policy_id,omitempty"`
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
}

type policy struct {
	Policy
	created time.Time
	rules   []policyRule // in the order of application
	// malformed reports that the definition is JSON but not a policy.
	malformed bool
}

// addPolicy adds a policy, or replaces the policy with the same id.
func (w *workspace) addPolicy(p Policy) (id string, err error) {
	rules, malformed, err := parseDefinition(p.Definition)
	if err != nil {
		return "", fmt.Errorf("policy %q: %w", p.Name, err)
	}
	w.serial++
	if p.ID == "" {
		p.ID = fmt.Sprintf("%016X", w.serial)
	}
	made := &policy{Policy: p, created: w.server.now(), rules: rules, malformed: malformed}
	if known := w.policy(p.ID); known != nil {
		made.created = known.created
		*known = *made
		return p.ID, nil
	}
	w.policies = append(w.policies, made)
	return p.ID, nil
}

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
		"creator_user_name": p.Creator, "created_at_timestamp": millis(p.created), "is_default": false,
	}
	if p.MaxClustersPerUser > 0 {
		shown["max_clusters_per_user"] = p.MaxClustersPerUser
	}
	if len(p.Libraries) > 0 {
		shown["libraries"] = p.Libraries
	}
	return shown
}

func (c *call) getPolicy() (any, *apiError) {
	id := textOf(c.params, "policy_id")
	if id == "" {
		return nil, required("policy_id")
	}
	p := c.workspace.policy(id)
	if p == nil {
		return nil, newAPIError(http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", "Can't find a cluster policy with id: %s.", id)
	}
	return p.shown(), nil
}

func (c *call) listPolicies() (any, *apiError) {
	all := slices.Clone(c.workspace.policies)
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
