package simulator

import "strings"

// Values that the server changes if Behaviour requests it. A client must not
// answer them with an edit.

// SecretRule is how GET shows a secret of a cluster.
type SecretRule string

// The sources disagree on how a workspace shows a registry password.
const (
	SecretShown  SecretRule = ""
	SecretMasked SecretRule = "masked" // "***" replaces it
	SecretHidden SecretRule = "hidden" // the field is omitted
)

// secretMask replaces a masked secret.
const secretMask = "***"

// rewrite changes a specification according to Behaviour.
func (b Behaviour) rewrite(spec params) {
	if b.RewriteFirstOnDemand {
		rewriteFirstOnDemand(spec)
	}
	if name, ok := spec["single_user_name"].(string); ok && b.LowerCaseUserNames {
		spec["single_user_name"] = strings.ToLower(name)
	}
}

func rewriteFirstOnDemand(spec params) {
	for _, field := range []string{"aws_attributes", "azure_attributes", "gcp_attributes"} {
		attributes, _ := spec[field].(params)
		if n, present := attributes["first_on_demand"].(int64); present && n == 0 {
			attributes["first_on_demand"] = int64(1)
		}
	}
}

// storedSpec returns the specification that GET will show under spec.
func (b Behaviour) storedSpec(requested, settings params) params {
	if !b.SpecShowsRewritten {
		return requested
	}
	b.rewrite(requested)
	for _, field := range []string{"init_scripts", "ssh_public_keys"} {
		if value, present := settings[field]; present && b.PolicyListsReplace {
			requested[field] = clone(value)
		}
	}
	return requested
}

// maskSecrets returns a specification with its secrets as GET shows them.
func (b Behaviour) maskSecrets(spec params) params {
	image, _ := spec["docker_image"].(params)
	login, _ := image["basic_auth"].(params)
	if _, present := login["password"]; !present {
		return spec
	}
	switch b.RegistryPassword {
	case SecretMasked:
		login["password"] = secretMask
	case SecretHidden:
		delete(login, "password")
	case SecretShown:
	}
	return spec
}
