package simulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Fields of a specification that the workspace knows and its documentation does
// not: GET shows them under spec, update keeps them, edit loses those that its
// body leaves out.

// SetExtraSpec replaces the extra fields of one cluster; objects in it are
// merged with the objects of the specification.
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

// decodeExtra holds numbers as they were written, so that they come back so.
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

// overlay is base with every field of over in it; objects are merged.
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

// extrasIn are the extra fields that a body gives, of those that are known.
func extrasIn(known, body params) params {
	given := params{}
	for name, value := range known {
		found, there := body[name]
		if !there {
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

// knownExtras are the extra fields that the workspace takes for a cluster; nil
// is one that is being made.
func (w *workspace) knownExtras(found *cluster) params {
	if found == nil {
		return w.extra
	}
	return overlay(w.extra, found.extra)
}

// takeExtras is what the request gives of known extra fields, which the log
// then does not call unknown. Below is where in the body they stand.
func (c *call) takeExtras(known params, below string) params {
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

// maskExtras replaces what update_mask names of the extra fields.
func maskExtras(extra, known, given params, steps []string) {
	name := steps[0]
	value, isKnown := known[name]
	if !isKnown {
		return
	}
	if inner, isObject := value.(params); isObject && len(steps) > 1 {
		givenInner, _ := given[name].(params)
		maskExtras(within(extra, name), inner, givenInner, steps[1:])
		return
	}
	delete(extra, name)
	maps.Copy(extra, extrasIn(params{name: value}, given))
}
