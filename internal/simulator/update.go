package simulator

import (
	"strings"
)

// updateCluster changes only the fields that update_mask names. A named field
// that "cluster" omits is cleared; maps and lists are replaced as a whole.
func (c *call) updateCluster() (any, *apiError) {
	paths := textOf(c.params, "update_mask")
	if paths == "" {
		return nil, required("update_mask")
	}
	given, _ := c.params["cluster"].(params)
	found, r := c.editable()
	if r != nil {
		return nil, r
	}
	known := c.workspace.knownExtras(found)
	givenExtras := c.requestExtras(known, "cluster")
	requested, extra, resized := cloneParams(found.spec), cloneParams(found.extra), found.resizedTo
	if paths == "*" {
		requested, extra, resized = keepPolicyDefaults(found.spec, given), givenExtras, nil
	} else {
		for path := range strings.SplitSeq(paths, ",") {
			steps := strings.Split(path, ".")
			maskExtras(extra, known, givenExtras, steps)
			if resized != nil && clusterSize.field(steps[0]) != nil {
				setSize(requested, resized)
				resized = nil
			}
			if _, isExtra := known[steps[0]]; isExtra && clusterSpec.field(steps[0]) == nil {
				continue
			}
			if r := applyMask(requested, given, path); r != nil {
				return nil, r
			}
		}
	}
	answer, r := c.reconfigure(found, requested, resized)
	if r == nil {
		found.extra = extra
	}
	return answer, r
}

// keepPolicyDefaults keeps apply_policy_default_values, which update cannot
// set, in a full replacement.
func keepPolicyDefaults(before, given params) params {
	requested := cloneParams(given)
	if v, ok := before["apply_policy_default_values"]; ok {
		requested["apply_policy_default_values"] = v
	}
	return requested
}

func applyMask(requested, given params, path string) *apiError {
	steps := strings.Split(path, ".")
	field := clusterSpec
	for _, step := range steps {
		field = field.field(step)
		if field == nil {
			return invalid("Invalid update_mask: %q is not a field of cluster", path)
		}
	}
	mask(requested, given, steps)
	return nil
}

// mask sets or clears one field at any depth.
func mask(requested, given params, steps []string) {
	field := steps[0]
	value, present := given[field]
	if len(steps) > 1 {
		inner, _ := value.(params)
		if _, exists := requested[field]; exists || inner != nil {
			mask(objectIn(requested, field), inner, steps[1:])
		}
		return
	}
	delete(requested, field)
	if present {
		requested[field] = clone(value)
	}
}
