package simulator

import "strings"

// Values that the server makes otherwise than the request said, on request of
// Behaviour. A client must not answer them with an edit.

// SecretRule is what GET shows of a secret that a cluster holds.
type SecretRule string

// The sources disagree about what a workspace shows of a registry password.
const (
	SecretShown  SecretRule = ""
	SecretMasked SecretRule = "masked" // "***" in its place
	SecretHidden SecretRule = "hidden" // the field is left out
)

// secretMask stands in place of a secret.
const secretMask = "***"

// rewrite changes a specification as Behaviour says.
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
		if n, there := attributes["first_on_demand"].(int64); there && n == 0 {
			attributes["first_on_demand"] = int64(1)
		}
	}
}

// specToKeep is what GET's spec will show of what was asked for.
func (b Behaviour) specToKeep(asked, settings params) params {
	if !b.SpecShowsRewritten {
		return asked
	}
	b.rewrite(asked)
	for _, field := range []string{"init_scripts", "ssh_public_keys"} {
		if value, there := settings[field]; there && b.PolicyListsReplace {
			asked[field] = clone(value)
		}
	}
	return asked
}

// withoutSecrets is a specification as GET shows it.
func (b Behaviour) withoutSecrets(spec params) params {
	image, _ := spec["docker_image"].(params)
	login, _ := image["basic_auth"].(params)
	if _, there := login["password"]; !there {
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
