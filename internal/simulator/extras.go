package simulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Extra fields are fields of a specification that the workspace supports and
// its documentation omits: GET shows them under spec, update keeps them, and
// edit drops those that its body omits.

// SetExtraSpec replaces the extra fields of one cluster; objects are merged
// with the objects of the specification.
func (s *Server) SetExtraSpec(id string, extra map[string]any) error {
	decoded, err := decodeExtra(extra)
	if err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	c := s.anyCluster(id)
	if c == nil || c.deleted || c.purged {
		return fmt.Errorf("there is no cluster %q", id)
	}
	c.extra = decoded
	return nil
}

// decodeExtra preserves numbers exactly as they were written.
func decodeExtra(extra map[string]any) (params, error) {
	decoded := params{}
	if extra == nil {
		return decoded, nil
	}
	data, err := json.Marshal(extra)
	if err != nil {
		return nil, fmt.Errorf("encode the extra fields: %w", err)
	}
	if err := decodeObject(data, decoded); err != nil {
		return nil, fmt.Errorf("decode the extra fields: %w", err)
	}
	return decoded, nil
}

// overlay returns base with every field of over set in it; objects are merged.
func overlay(base, over params) params {
	merged := cloneParams(base)
	for name, value := range over {
		inner, isObject := value.(params)
		below, hasObject := merged[name].(params)
		if isObject && hasObject {
			merged[name] = overlay(below, inner)
			continue
		}
		merged[name] = clone(value)
	}
	return merged
}

// extrasIn returns the fields of body that are known extra fields.
func extrasIn(known, body params) params {
	given := params{}
	for name, value := range known {
		found, present := body[name]
		if !present {
			continue
		}
		inner, isObject := value.(params)
		foundInner, foundObject := found.(params)
		if !isObject || !foundObject {
			given[name] = clone(found)
		} else if kept := extrasIn(inner, foundInner); len(kept) > 0 {
			given[name] = kept
		}
	}
	return given
}

// knownExtras returns the extra fields that the workspace accepts for a
// cluster; found is nil for a new one.
func (w *workspace) knownExtras(found *cluster) params {
	if found == nil {
		return w.extra
	}
	return overlay(w.extra, found.extra)
}

// requestExtras returns the known extra fields of the request and removes them
// from the log's unknown fields. Below is their path in the body.
func (c *call) requestExtras(known params, below string) params {
	body := c.raw
	if below != "" {
		body, _ = c.raw[below].(params)
	}
	c.entry.UnknownFields = slices.DeleteFunc(c.entry.UnknownFields, func(path string) bool {
		inner, inBody := path, true
		if below != "" {
			inner, inBody = strings.CutPrefix(path, below+".")
		}
		_, isKnown := lookUp(known, strings.Split(inner, "."))
		return inBody && isKnown
	})
	return extrasIn(known, body)
}

// maskExtras replaces the extra fields that update_mask names.
func maskExtras(extra, known, given params, steps []string) {
	name := steps[0]
	value, isKnown := known[name]
	if !isKnown {
		return
	}
	if inner, isObject := value.(params); isObject && len(steps) > 1 {
		givenInner, _ := given[name].(params)
		maskExtras(objectIn(extra, name), inner, givenInner, steps[1:])
		return
	}
	delete(extra, name)
	maps.Copy(extra, extrasIn(params{name: value}, given))
}
