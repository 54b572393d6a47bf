package databricks

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Config is a host and the credential for it. It prints as host and type, and printing
// does not reach its secrets (see secret). It is immutable and may be copied.
type Config struct {
	origin Origin
	// workspaceID selects the workspace if several share the origin; it may be empty.
	workspaceID string
	credential  *credential
}

// Host returns the URL of the workspace: "https://" and the host, without a path.
func (c Config) Host() string { return c.origin.String() }

// WorkspaceID returns the id of the workspace from the Secret or from the URL of the
// host, which selects a workspace if several share the host. It is "" if neither has
// an id.
func (c Config) WorkspaceID() string { return c.workspaceID }

// AuthType returns the SDK's name of the authentication method, such as "pat", or
// "workload-identity", which the SDK names after the source of the token. It is "" for
// the zero value.
func (c Config) AuthType() string {
	if c.credential == nil {
		return ""
	}
	return c.credential.method.name
}

// Fingerprint returns a digest that is equal for two configs with the same workspace
// and credential. It is stable within this process only, and does not help to guess the
// credential.
func (c Config) Fingerprint() string {
	var names []string
	if c.credential != nil {
		names = sortedNames(c.credential.values)
	}
	return c.digest("fingerprint", names)
}

// Authority returns a digest that is equal for two configs with the same authority in
// the same workspace: the same token, the same OAuth client with any secret, or the
// same federated identity. Two tokens of one user are two authorities, because their
// scopes may differ. It is as stable and as opaque as Fingerprint.
func (c Config) Authority() string {
	var names []string
	if c.credential != nil {
		names = c.credential.method.identity
	}
	return c.digest("authority", names)
}

// digest returns a keyed hash of the workspace, the method and the named values.
func (c Config) digest(purpose string, names []string) string {
	mac := hmac.New(sha256.New, fingerprintKey)
	// Writing to a hash never fails.
	put := func(text string) { _, _ = fmt.Fprintf(mac, "%d:%s", len(text), text) }
	put(purpose)
	put(c.Host())
	put(c.workspaceID)
	put(c.AuthType())
	for _, name := range names {
		put(name)
		put(c.credential.values[name]())
	}
	return hex.EncodeToString(mac.Sum(nil))
}

var fingerprintKey = func() []byte {
	key := make([]byte, sha256.Size)
	// crypto/rand.Read never fails.
	_, _ = rand.Read(key)
	return key
}()

// String returns the host and the type of the credential.
func (c Config) String() string { return c.Host() + " (" + c.AuthType() + ")" }

// MarshalText returns String, for encoders and loggers.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// secret returns a secret value. It is a function, so that printing, encoding and
// reflection do not reach the value.
type secret func() string

// credential is an authentication method and its attributes.
type credential struct {
	method *method
	values map[string]secret
	// subject issues the tokens that workload identity exchanges; nil for other methods.
	subject SubjectToken
}

func newCredential(method *method, values map[string]string) *credential {
	hidden := make(map[string]secret, len(values))
	for name, value := range values {
		hidden[name] = func() string { return value }
	}
	return &credential{method: method, values: hidden}
}

// secrets returns the values that no text may contain: all except the identifiers.
func (c *credential) secrets() []string {
	var values []string
	for name, value := range c.values {
		if !c.method.public[name] {
			values = append(values, value())
		}
	}
	return values
}
