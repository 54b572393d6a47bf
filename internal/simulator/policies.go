package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Policy is a cluster policy of a workspace.
type Policy struct {
	// ID is the policy_id; empty gets one.
	ID          string `json:"policy_id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Definition is JSON in Databricks' policy language; the types fixed,
	// forbidden, unlimited, allowlist, blocklist, regex and range are applied
	// to paths without wildcards, the rest is ignored.
	Definition string `json:"definition"`
	// MaxClustersPerUser bounds a user's clusters that are not TERMINATED; 0 is
	// no bound.
	MaxClustersPerUser int64 `json:"max_clusters_per_user,omitempty"`
	// Libraries are installed on every cluster made with the policy, each in
	// the API's own form, such as {"pypi": {"package": "numpy"}}.
	Libraries []map[string]any `json:"libraries,omitempty"`
	// Creator is a user name.
	Creator string `json:"creator_user_name,omitempty"`
}

type policy struct {
	Policy
	created time.Time
	rules   map[string]policyRule
}

type policyRule struct {
	Type       string   `json:"type"`
	Value      any      `json:"value"`
	Values     []any    `json:"values"`
	Pattern    string   `json:"pattern"`
	Min        *float64 `json:"minValue"`
	Max        *float64 `json:"maxValue"`
	Default    any      `json:"defaultValue"`
	IsOptional bool     `json:"isOptional"`
}

// addPolicy panics on a definition that is not JSON: it is a test's own mistake.
func (w *workspace) addPolicy(p Policy) {
	w.serial++
	if p.ID == "" {
		p.ID = fmt.Sprintf("%016X", w.serial)
	}
	made := &policy{Policy: p, created: w.server.now(), rules: map[string]policyRule{}}
	if p.Definition != "" {
		if err := json.Unmarshal([]byte(p.Definition), &made.rules); err != nil {
			panic(fmt.Sprintf("simulator: definition of policy %q: %v", p.Name, err))
		}
	}
	w.policies = append(w.policies, made)
}

func (w *workspace) policy(id string) *policy {
	for _, p := range w.policies {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// applyPolicy fills in fixed values, and default ones if asked to, and refuses
// what the policy does not allow.
func (w *workspace) applyPolicy(settings params, withDefaults bool) *refusal {
	id, given := settings["policy_id"].(string)
	if !given {
		return nil
	}
	p := w.policy(id)
	if p == nil {
		return invalid("'%s' is not a valid cluster policy ID", id)
	}
	for _, path := range sortedKeys(p.rules) {
		if r := p.rules[path].apply(settings, path, withDefaults); r != nil {
			return r
		}
	}
	return nil
}

func (r policyRule) apply(settings params, path string, withDefaults bool) *refusal {
	place, s := placeOf(path)
	if s == nil || s.kind == kindRecord || s.kind == kindList {
		return nil // no field of a cluster (cluster_type, dbus_per_hour, wildcards)
	}
	value, there := lookUp(settings, place)
	switch {
	case !there && r.Type == "fixed":
		put(settings, place, s.convert(r.Value))
		return nil
	case !there && withDefaults && r.Default != nil:
		put(settings, place, s.convert(r.Default))
		return nil
	case !there && (r.Type == "forbidden" || r.IsOptional):
		return nil
	case !there:
		return violation(path, "the value must be present")
	}
	return r.check(path, value, s)
}

func (r policyRule) check(path string, value any, s *shape) *refusal {
	shown := fmt.Sprint(value)
	isOne := func(allowed any) bool { return s.convert(allowed) == value }
	switch r.Type {
	case "fixed":
		if !isOne(r.Value) {
			return violation(path, fmt.Sprintf("the value must be %v (is %q)", r.Value, shown))
		}
	case "forbidden":
		return violation(path, fmt.Sprintf("the value must not be present (is %q)", shown))
	case "allowlist":
		if !slices.ContainsFunc(r.Values, isOne) {
			return violation(path, fmt.Sprintf("the value must be one of %v (is %q)", r.Values, shown))
		}
	case "blocklist":
		if slices.ContainsFunc(r.Values, isOne) {
			return violation(path, fmt.Sprintf("the value must not be one of %v (is %q)", r.Values, shown))
		}
	case "regex":
		if pattern, err := regexp.Compile("^(?:" + r.Pattern + ")$"); err == nil && !pattern.MatchString(shown) {
			return violation(path, fmt.Sprintf("the value must match %s (is %q)", r.Pattern, shown))
		}
	case "range":
		n, isNumber := asFloat(value)
		if isNumber && ((r.Min != nil && n < *r.Min) || (r.Max != nil && n > *r.Max)) {
			return violation(path, fmt.Sprintf("the value must be %s (is %q)", r.bounds(), shown))
		}
	}
	return nil
}

func (r policyRule) bounds() string {
	switch {
	case r.Min == nil:
		return fmt.Sprintf("at most %v", *r.Max)
	case r.Max == nil:
		return fmt.Sprintf("at least %v", *r.Min)
	default:
		return fmt.Sprintf("between %v and %v", *r.Min, *r.Max)
	}
}

func violation(path, what string) *refusal {
	return invalid("Cluster validation error: Validation failed for %s, %s", path, what)
}

// checkQuota counts the caller's clusters under the policy.
func (w *workspace) checkQuota(settings params, user string, now time.Time) *refusal {
	id := textOf(settings, "policy_id")
	p := w.policy(id)
	if p == nil || p.MaxClustersPerUser == 0 {
		return nil
	}
	count := int64(0)
	for _, c := range slices.Clone(w.roster) {
		c.settle(now)
		if c.creator == user && c.state != Terminated && textOf(c.settings, "policy_id") == id {
			count++
		}
	}
	if count >= p.MaxClustersPerUser {
		return refuse(http.StatusTooManyRequests, "REQUEST_LIMIT_EXCEEDED",
			"The policy %s allows %d clusters per user and %s has %d", p.Name, p.MaxClustersPerUser, user, count)
	}
	return nil
}

// placeOf is where in a specification a policy's path leads, and what stands
// there. Keys of spark_conf and tags contain dots of their own.
func placeOf(path string) ([]string, *shape) {
	s := clusterSpec
	var place []string
	for rest := path; ; {
		if s.kind == kindTable {
			return append(place, rest), text
		}
		step, after, more := strings.Cut(rest, ".")
		s = s.field(step)
		if s == nil {
			return nil, nil
		}
		place = append(place, step)
		if !more {
			return place, s
		}
		rest = after
	}
}

func lookUp(p params, place []string) (any, bool) {
	for _, step := range place[:len(place)-1] {
		p, _ = p[step].(params)
	}
	v, there := p[place[len(place)-1]]
	return v, there
}

func put(p params, place []string, value any) {
	for _, step := range place[:len(place)-1] {
		p = within(p, step)
	}
	p[place[len(place)-1]] = value
}

// convert is a policy's JSON value as the field has it: policies write numbers
// and booleans as such or as texts.
func (s *shape) convert(value any) any {
	switch s.kind {
	case kindWhole:
		if n, ok := value.(float64); ok {
			return int64(n)
		}
		var n int64
		if _, err := fmt.Sscan(fmt.Sprint(value), &n); err == nil {
			return n
		}
	case kindBoolean:
		return fmt.Sprint(value) == "true"
	case kindText:
		return fmt.Sprint(value)
	case kindNumber, kindList, kindTable, kindRecord:
	}
	return value
}

func asFloat(value any) (float64, bool) {
	switch n := value.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	default:
		return 0, false
	}
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

func (c *call) getPolicy() (any, *refusal) {
	id := textOf(c.params, "policy_id")
	if id == "" {
		return nil, required("policy_id")
	}
	p := c.workspace.policy(id)
	if p == nil {
		return nil, refuse(http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", "Can't find a cluster policy with id: %s.", id)
	}
	return p.shown(), nil
}

func (c *call) listPolicies() (any, *refusal) {
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
