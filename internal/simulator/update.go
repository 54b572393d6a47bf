package simulator

import (
	"strings"
)

// updateCluster changes what update_mask names and nothing else. A masked field
// that "cluster" does not have is cleared; maps and lists are replaced whole.
func (c *call) updateCluster() (any, *refusal) {
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
	givenExtras := c.takeExtras(known, "cluster")
	asked, extra, resized := cloneParams(found.spec), cloneParams(found.extra), found.resizedTo
	if paths == "*" {
		asked, extra, resized = keepPolicyDefaults(found.spec, given), givenExtras, nil
	} else {
		for path := range strings.SplitSeq(paths, ",") {
			steps := strings.Split(path, ".")
			maskExtras(extra, known, givenExtras, steps)
			if resized != nil && clusterSize.field(steps[0]) != nil {
				setSize(asked, resized)
				resized = nil
			}
			if _, isExtra := known[steps[0]]; isExtra && clusterSpec.field(steps[0]) == nil {
				continue
			}
			if r := applyMask(asked, given, path); r != nil {
				return nil, r
			}
		}
	}
	answer, r := c.reconfigure(found, asked, resized)
	if r == nil {
		found.extra = extra
	}
	return answer, r
}

// keepPolicyDefaults: update cannot say apply_policy_default_values, so a full
// replacement leaves it.
func keepPolicyDefaults(before, given params) params {
	asked := cloneParams(given)
	if v, ok := before["apply_policy_default_values"]; ok {
		asked["apply_policy_default_values"] = v
	}
	return asked
}

func applyMask(asked, given params, path string) *refusal {
	steps := strings.Split(path, ".")
	field := clusterSpec
	for _, step := range steps {
		field = field.field(step)
		if field == nil {
			return invalid("Invalid update_mask: %q is not a field of cluster", path)
		}
	}
	mask(asked, given, steps)
	return nil
}

// mask sets or clears one field, however deep.
func mask(asked, given params, steps []string) {
	field := steps[0]
	value, there := given[field]
	if len(steps) > 1 {
		inner, _ := value.(params)
		if _, exists := asked[field]; exists || inner != nil {
			mask(within(asked, field), inner, steps[1:])
		}
		return
	}
	delete(asked, field)
	if there {
		asked[field] = clone(value)
	}
}
