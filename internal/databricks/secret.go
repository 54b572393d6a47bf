package databricks

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxSecretValueBytes limits a value of a Secret.
const maxSecretValueBytes = 16 << 10

// attributes are the keys of a Secret: the SDK's name of the attribute, and the name of
// the SDK's environment variable.
var attributes = []struct{ name, env string }{
	{"host", "DATABRICKS_HOST"},
	{"workspace_id", "DATABRICKS_WORKSPACE_ID"},
	{"auth_type", "DATABRICKS_AUTH_TYPE"},
	{"token", "DATABRICKS_TOKEN"},
	{"client_id", "DATABRICKS_CLIENT_ID"},
	{"client_secret", "DATABRICKS_CLIENT_SECRET"},
	{"azure_client_id", "ARM_CLIENT_ID"},
	{"azure_client_secret", "ARM_CLIENT_SECRET"},
	{"azure_tenant_id", "ARM_TENANT_ID"},
	{"google_credentials", "GOOGLE_CREDENTIALS"},
	{"google_service_account", "DATABRICKS_GOOGLE_SERVICE_ACCOUNT"},
	{"username", "DATABRICKS_USERNAME"},
	{"password", "DATABRICKS_PASSWORD"},
}

// ParseSecret returns the host and the credential from a Secret. It uses no other
// source: no environment, file, program or metadata service. It ignores unknown keys.
// Its errors contain keys and never values.
func ParseSecret(data map[string][]byte) (Config, error) {
	values, err := readAttributes(data)
	if err != nil {
		return Config{}, err
	}
	host, found := values["host"]
	if !found {
		return Config{}, fmt.Errorf("the Secret has no host: set the key %s to the workspace's URL", keyOf("host"))
	}
	origin, workspaceID, err := ParseHost(host)
	if err != nil {
		return Config{}, fmt.Errorf("the Secret's key %s %w", keyOf("host"), err)
	}
	if workspaceID, err = oneWorkspaceID(workspaceID, values["workspace_id"]); err != nil {
		return Config{}, fmt.Errorf("the Secret's key %s %w", keyOf("workspace_id"), err)
	}
	method, err := chooseMethod(values)
	if err != nil {
		return Config{}, err
	}
	if method.issuer != nil {
		if _, err := method.issuer(origin); err != nil {
			return Config{}, fmt.Errorf("the Secret's key %s %w", keyOf("host"), err)
		}
	}
	own := map[string]string{}
	for _, name := range method.needs {
		own[name] = values[name]
	}
	return Config{origin: origin, workspaceID: workspaceID, credential: newCredential(method, own)}, nil
}

// readAttributes returns the value of every attribute, which may have either of its two
// keys.
func readAttributes(data map[string][]byte) (map[string]string, error) {
	values := map[string]string{}
	for _, attribute := range attributes {
		for _, key := range []string{attribute.name, attribute.env} {
			// Editors add a newline at the end of a value.
			value := strings.TrimSpace(string(data[key]))
			if value == "" {
				continue
			}
			if err := checkValue(attribute.name, value); err != nil {
				return nil, fmt.Errorf("the Secret's key %s %w", key, err)
			}
			if previous, found := values[attribute.name]; found && previous != value {
				return nil, fmt.Errorf("the Secret's keys %s and %s contradict each other: remove one", attribute.name, attribute.env)
			}
			values[attribute.name] = value
		}
	}
	return values, nil
}

// checkValue fails if an HTTP header cannot contain a value.
func checkValue(name, value string) error {
	if len(value) > maxSecretValueBytes {
		return fmt.Errorf("is longer than %d bytes", maxSecretValueBytes)
	}
	if name == "host" || name == "google_credentials" {
		// ParseHost checks the host, and google_credentials is a JSON document.
		return nil
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("has spaces, control characters or characters outside ASCII: is it the whole value, and nothing else?")
	}
	return nil
}

// chooseMethod returns the authentication method for which the Secret has attributes.
func chooseMethod(values map[string]string) (*method, error) {
	if name, set := values["auth_type"]; set {
		return namedMethod(name, values)
	}
	var found []*method
	for i := range methods {
		if slices.ContainsFunc(methods[i].needs, func(name string) bool { return values[name] != "" }) {
			found = append(found, &methods[i])
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("the Secret has no credential: set %s", supported())
	case 1:
		return found[0].complete(values)
	}
	names := make([]string, len(found))
	for i, method := range found {
		names[i] = method.name
	}
	return nil, fmt.Errorf("the Secret has keys of more than one way to authenticate (%s): remove all but one, or set %s",
		strings.Join(names, ", "), keyOf("auth_type"))
}

func namedMethod(name string, values map[string]string) (*method, error) {
	for i := range methods {
		if methods[i].name == name {
			return methods[i].complete(values)
		}
	}
	// The error must not contain the value, which may be a secret under a wrong key.
	return nil, fmt.Errorf("the Secret's key %s names an unknown way to authenticate: set %s", keyOf("auth_type"), supported())
}

// complete fails if the operator does not support the method, or if the Secret lacks a
// key or has a malformed one.
func (m *method) complete(values map[string]string) (*method, error) {
	if m.tokens == nil {
		return nil, fmt.Errorf("the Secret's credential is of the type %s, which the operator does not support: set %s", m.name, supported())
	}
	for _, name := range m.needs {
		if values[name] == "" {
			return nil, fmt.Errorf("the Secret lacks the key %s, which %s needs", keyOf(name), m.name)
		}
		if check := m.checks[name]; check != nil {
			if err := check(values[name]); err != nil {
				return nil, fmt.Errorf("the Secret's key %s %w", keyOf(name), err)
			}
		}
	}
	return m, nil
}

// supported returns the supported authentication methods with their keys.
func supported() string {
	var supported []string
	for _, method := range methods {
		if method.tokens != nil {
			supported = append(supported, strings.Join(method.needs, " and ")+" ("+method.name+")")
		}
	}
	return strings.Join(supported, ", or ")
}

// keyOf returns both keys of an attribute for a message.
func keyOf(name string) string {
	for _, attribute := range attributes {
		if attribute.name == name {
			return attribute.name + " (or " + attribute.env + ")"
		}
	}
	return name
}

// sortedNames returns the order in which the values of a credential are hashed.
func sortedNames(values map[string]secret) []string { return slices.Sorted(maps.Keys(values)) }
