package simulator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The policy definition language: one rule per attribute path.

// wildcard in a path matches each key of a map, element of a list or field of
// an object that has no rule of its own.
const wildcard = "*"

type policyRule struct {
	Type       string   `json:"type"`
	Value      any      `json:"value"`
	Values     []any    `json:"values"`
	Pattern    string   `json:"pattern"`
	Min        *float64 `json:"minValue"`
	Max        *float64 `json:"maxValue"`
	Default    any      `json:"defaultValue"`
	IsOptional bool     `json:"isOptional"`

	path   string
	steps  []string
	schema *schema // of the value at the path
}

// parseDefinition parses a definition. A workspace accepts a definition that is
// JSON but not a policy, and rejects every request under it.
func parseDefinition(definition string) (rules []policyRule, malformed bool, err error) {
	if definition == "" {
		return nil, false, nil
	}
	if !json.Valid([]byte(definition)) {
		return nil, false, fmt.Errorf("the definition is not JSON: %s", definition)
	}
	byPath, isPolicy := parseRules(definition)
	if !isPolicy {
		return nil, true, nil
	}
	translateLogRules(byPath)
	for path, rule := range byPath {
		rule.path = path
		rule.steps, rule.schema = resolvePath(clusterSpec, path)
		rules = append(rules, rule)
	}
	slices.SortFunc(rules, func(a, b policyRule) int { return comparePaths(a.path, b.path) })
	return rules, false, nil
}

func parseRules(definition string) (byPath map[string]policyRule, isPolicy bool) {
	err := json.Unmarshal([]byte(definition), &byPath)
	return byPath, err == nil
}

// comparePaths sorts list indices by number, and rules for all elements after
// rules for one.
func comparePaths(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(a, b string) int {
		m, err1 := strconv.Atoi(a)
		n, err2 := strconv.Atoi(b)
		if err1 == nil && err2 == nil {
			return cmp.Compare(m, n)
		}
		return cmp.Or(compareBool(a == wildcard, b == wildcard), strings.Compare(a, b))
	})
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// translateLogRules converts the policy language's names for log delivery
// (cluster_log_conf.type, .path, .region) to the paths of the API.
func translateLogRules(rules map[string]policyRule) {
	kind, typed := rules["cluster_log_conf.type"]
	delete(rules, "cluster_log_conf.type")
	where := wildcard
	if fixed, ok := kind.Value.(string); typed && kind.Type == "fixed" && ok {
		where = strings.ToLower(fixed)
	}
	if where == "none" {
		rules["cluster_log_conf"] = policyRule{Type: "forbidden"}
		return
	}
	if where != wildcard {
		for _, other := range []string{"dbfs", "s3", "volumes"} {
			if other != where {
				rules["cluster_log_conf."+other] = policyRule{Type: "forbidden"}
			}
		}
	}
	for name, translated := range map[string]string{"path": ".destination", "region": ".region"} {
		if rule, present := rules["cluster_log_conf."+name]; present {
			delete(rules, "cluster_log_conf."+name)
			rules["cluster_log_conf."+where+translated] = rule
		}
	}
}

// resolvePath returns the steps of a policy's path in a schema, and the schema
// at its end; nil if the path is not a field of a cluster. Keys of spark_conf
// and tags may contain dots.
func resolvePath(s *schema, path string) ([]string, *schema) {
	var steps []string
	for rest := path; ; {
		if s.kind == kindMap {
			return append(steps, rest), text
		}
		step, after, more := strings.Cut(rest, ".")
		s = s.inner(step)
		if s == nil {
			return nil, nil
		}
		steps = append(steps, step)
		if !more {
			return steps, s
		}
		rest = after
	}
}

// inner returns the schema of one field, or of a list's elements. For the
// wildcard in an object it returns the first field that is an object.
func (s *schema) inner(step string) *schema {
	switch s.kind {
	case kindList:
		if _, err := strconv.Atoi(step); err == nil || step == wildcard {
			return s.item
		}
	case kindObject:
		if step != wildcard {
			return s.field(step)
		}
		for _, name := range sortedKeys(s.fields) {
			if s.fields[name].kind == kindObject {
				return s.fields[name]
			}
		}
		return text
	case kindText, kindInteger, kindNumber, kindBoolean, kindMap:
	}
	return nil
}

// applyRules fills in fixed values, and default values if requested, and
// rejects values that a rule does not allow.
func (p *policy) applyRules(w *workspace, settings params, withDefaults bool) *apiError {
	for _, rule := range p.rules {
		var r *apiError
		switch {
		case rule.path == "cluster_type":
			r = rule.check(rule.path, "all-purpose", text, w)
		case rule.steps == nil: // dbus_per_hour
		case slices.Contains(rule.steps, wildcard):
			r = p.checkEach(rule, settings, w)
		default:
			r = rule.apply(settings, withDefaults, w)
		}
		if r != nil {
			return r
		}
	}
	return nil
}

// checkEach applies a rule with a wildcard to everything that it matches.
func (p *policy) checkEach(rule policyRule, settings params, w *workspace) *apiError {
	for _, steps := range expand(settings, rule.steps) {
		path := strings.Join(steps, ".")
		if p.hasRuleFor(rule, steps) {
			continue
		}
		value, _ := lookUp(settings, steps)
		if r := rule.check(path, value, rule.schema, w); r != nil {
			return r
		}
	}
	return nil
}

// hasRuleFor reports whether a rule without a wildcard applies to a match of
// the wildcard: the same key, or any part of the same element.
func (p *policy) hasRuleFor(wild policyRule, steps []string) bool {
	upTo := slices.Index(wild.steps, wildcard) + 1
	return slices.ContainsFunc(p.rules, func(rule policyRule) bool {
		return len(rule.steps) >= upTo && slices.Equal(rule.steps[:upTo], steps[:upTo])
	})
}

// expand returns every path without wildcards that steps match in a value.
func expand(value any, steps []string) [][]string {
	if len(steps) == 0 {
		return [][]string{nil}
	}
	names := []string{steps[0]}
	if steps[0] == wildcard {
		names = childNames(value)
	}
	var all [][]string
	for _, name := range names {
		inner, present := step(value, name)
		if !present {
			continue
		}
		for _, rest := range expand(inner, steps[1:]) {
			all = append(all, append([]string{name}, rest...))
		}
	}
	return all
}

func childNames(value any) []string {
	switch v := value.(type) {
	case params:
		return slices.Sorted(maps.Keys(v))
	case []any:
		names := make([]string, len(v))
		for i := range v {
			names[i] = strconv.Itoa(i)
		}
		return names
	default:
		return nil
	}
}

// step returns a field of an object or an element of a list.
func step(value any, name string) (any, bool) {
	switch v := value.(type) {
	case params:
		inner, present := v[name]
		return inner, present
	case []any:
		i, err := strconv.Atoi(name)
		if err != nil || i < 0 || i >= len(v) {
			return nil, false
		}
		return v[i], true
	default:
		return nil, false
	}
}

func lookUp(value any, steps []string) (any, bool) {
	for _, name := range steps {
		inner, present := step(value, name)
		if !present {
			return nil, false
		}
		value = inner
	}
	return value, true
}

// setPath sets a value and creates the objects and list elements on its path.
func setPath(value any, steps []string, s *schema, final any) any {
	if len(steps) == 0 {
		return final
	}
	inner, _ := step(value, steps[0])
	if s.kind == kindList {
		elements, _ := value.([]any)
		i, _ := strconv.Atoi(steps[0])
		for len(elements) <= i {
			elements = append(elements, params{})
		}
		elements[i] = setPath(inner, steps[1:], s.item, final)
		return elements
	}
	object, ok := value.(params)
	if !ok {
		object = params{}
	}
	object[steps[0]] = setPath(inner, steps[1:], cmp.Or(s.field(steps[0]), text), final)
	return object
}

func (r policyRule) apply(settings params, withDefaults bool, w *workspace) *apiError {
	if r.Type == "fixed" && w.server.behaviour.PolicyListsReplace {
		r.replaceElement(settings, w)
	}
	value, present := lookUp(settings, r.steps)
	switch {
	case !present && r.Type == "fixed":
		setPath(settings, r.steps, clusterSpec, w.ruleValue(r.path, r.Value, r.schema))
		return nil
	case !present && withDefaults && r.Default != nil:
		setPath(settings, r.steps, clusterSpec, w.ruleValue(r.path, r.Default, r.schema))
		return nil
	case !present && (r.Type == "forbidden" || r.IsOptional):
		return nil
	case !present:
		return violation(r.path, "the value must be present")
	}
	return r.check(r.path, value, r.schema, w)
}

// replaceElement empties a list element of which the rule fixes a part, if the
// element is of another kind or the part has another value.
func (r policyRule) replaceElement(settings params, w *workspace) {
	at := slices.IndexFunc(r.steps, func(name string) bool { _, err := strconv.Atoi(name); return err == nil })
	if at < 1 {
		return
	}
	list, _ := lookUp(settings, r.steps[:at])
	element, exists := step(list, r.steps[at])
	if _, isList := list.([]any); !isList || !exists {
		return
	}
	fixed := w.ruleValue(r.path, r.Value, r.schema)
	object, isObject := element.(params)
	if !isObject {
		setPath(settings, r.steps, clusterSpec, fixed)
		return
	}
	_, sameKind := object[r.steps[at+1]]
	value, present := lookUp(settings, r.steps)
	if !sameKind || (present && value != fixed) {
		setPath(settings, r.steps[:at+1], clusterSpec, params{})
	}
}

// ruleValue returns a rule's value in the type of the field: policies may write
// numbers and booleans as strings, and runtime versions as auto:latest-lts.
func (w *workspace) ruleValue(path string, value any, s *schema) any {
	converted := s.convert(value)
	if version, ok := converted.(string); ok && path == "spark_version" {
		return resolveVersion(version)
	}
	return converted
}

func (r policyRule) check(path string, value any, s *schema, w *workspace) *apiError {
	shown := fmt.Sprint(value)
	allows := func(allowed any) bool {
		if s.kind == kindObject || s.kind == kindList {
			return true // only forbidden applies to whole objects
		}
		return w.ruleValue(path, allowed, s) == value
	}
	switch r.Type {
	case "fixed":
		if !allows(r.Value) {
			return violation(path, fmt.Sprintf("the value must be %v (is %q)", r.Value, shown))
		}
	case "forbidden":
		return violation(path, fmt.Sprintf("the value must not be present (is %q)", shown))
	case "allowlist":
		if !slices.ContainsFunc(r.Values, allows) {
			return violation(path, fmt.Sprintf("the value must be one of %v (is %q)", r.Values, shown))
		}
	case "blocklist":
		if slices.ContainsFunc(r.Values, allows) {
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

func violation(path, what string) *apiError {
	return invalid("Cluster validation error: Validation failed for %s, %s", path, what)
}

// convert returns a policy's JSON value in the type of this schema.
func (s *schema) convert(value any) any {
	switch s.kind {
	case kindInteger:
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
	case kindNumber, kindList, kindMap, kindObject:
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
