package simulator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// Policy families: definitions by Databricks, on which policies can be based.

type policyFamily struct {
	id, name, description, definition string
}

// policyFamilies are typical ones. Their ids and definitions differ between workspaces.
var policyFamilies = []policyFamily{
	{"personal-vm", "Personal Compute", "Use with small-to-medium data or libraries like pandas and scikit-learn.", `{
  "num_workers": {"type": "fixed", "value": 0, "hidden": true},
  "autotermination_minutes": {"type": "unlimited", "defaultValue": 4320, "isOptional": true},
  "spark_version": {"type": "unlimited", "defaultValue": "auto:latest-lts-ml"}
}`},
	{"power-user", "Power User Compute", "Use with larger data and libraries like PyTorch.", `{
  "autotermination_minutes": {"type": "unlimited", "defaultValue": 120, "isOptional": true},
  "spark_version": {"type": "unlimited", "defaultValue": "auto:latest-lts-ml"}
}`},
	{"shared-data-science", "Shared Compute", "Use with teams that share data.", `{
  "data_security_mode": {"type": "fixed", "value": "USER_ISOLATION", "hidden": true},
  "spark_version": {"type": "unlimited", "defaultValue": "auto:latest-lts"}
}`},
	{"job-cluster", "Job Compute", "Use for jobs.", `{
  "cluster_type": {"type": "fixed", "value": "job"},
  "spark_version": {"type": "unlimited", "defaultValue": "auto:latest-lts"}
}`},
}

const maxFamilies = 20

func (f policyFamily) shown() params {
	return params{"policy_family_id": f.id, "name": f.name, "description": f.description, "definition": f.definition}
}

func familyOf(id string) (found policyFamily, known bool) {
	at := slices.IndexFunc(policyFamilies, func(f policyFamily) bool { return f.id == id })
	if at < 0 {
		return policyFamily{}, false
	}
	return policyFamilies[at], true
}

// familyDefinition returns the definition of a family with the rules of overrides in place
// of its own.
func familyDefinition(id, overrides string) (string, error) {
	family, known := familyOf(id)
	if !known {
		return "", fmt.Errorf("there is no policy family %q", id)
	}
	var merged, own map[string]json.RawMessage
	if err := json.Unmarshal([]byte(family.definition), &merged); err != nil {
		return "", fmt.Errorf("the definition of the family %q: %w", id, err)
	}
	if err := json.Unmarshal([]byte(cmp.Or(overrides, "{}")), &own); err != nil {
		return "", fmt.Errorf("the overrides are not a JSON object: %s", overrides)
	}
	maps.Copy(merged, own)
	encoded, err := json.Marshal(merged)
	return string(encoded), err
}

func (c *call) listFamilies() (any, *apiError) {
	offset, r := eventOffset(textOf(c.params, "page_token"))
	if r != nil {
		return nil, r
	}
	size := cmp.Or(integerOf(c.params, "max_results"), maxFamilies)
	if size < 0 {
		return nil, invalid("max_results must not be negative")
	}
	total := int64(len(policyFamilies))
	from, to := min(offset, total), min(offset+size, total)
	shown := []any{}
	for _, family := range policyFamilies[from:to] {
		shown = append(shown, family.shown())
	}
	answer := params{"policy_families": shown}
	if to < total {
		answer["next_page_token"] = eventToken(to)
	}
	return answer, nil
}

func (c *call) getFamily() (any, *apiError) {
	id := c.request.PathValue("policy_family_id")
	family, known := familyOf(id)
	if !known {
		return nil, newAPIError(http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", "Can't find a policy family with id: %s.", id)
	}
	return family.shown(), nil
}
