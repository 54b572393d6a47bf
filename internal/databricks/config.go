package databricks

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Config is a host and the credential that came with it. It prints as host and
// type, and its secrets are out of reach of printing (see secret). It is
// immutable and may be copied.
type Config struct {
	origin Origin
	// workspaceID names the workspace where several are behind the origin; may be empty.
	workspaceID string
	credential  *credential
}

// Host is the workspace's URL, "https://" and the host, without a path.
func (c Config) Host() string { return c.origin.String() }

// WorkspaceID names the workspace where several are behind the host, as the Secret
// or the host's URL has it. It is "" where neither names one, and the host alone
// then names the workspace.
func (c Config) WorkspaceID() string { return c.workspaceID }

// AuthType is the SDK's name of the way to authenticate, such as "pat", or
// "workload-identity", which the SDK calls by where its token comes from; "" of
// the zero value.
func (c Config) AuthType() string {
	if c.credential == nil {
		return ""
	}
	return c.credential.method.name
}

// Fingerprint is equal for two configs of the same workspace and credential. It is
// stable within this process, means nothing outside it, and does not help to guess
// the credential.
func (c Config) Fingerprint() string {
	var names []string
	if c.credential != nil {
		names = sortedNames(c.credential.values)
	}
	return c.digest("fingerprint", names)
}

// Authority is equal for two configs of the same authority in the same workspace:
// the same token, the same OAuth client whatever its secret, or the same federated
// identity. Two tokens of one user are two authorities, as their scopes may differ.
// It is as stable and as opaque as Fingerprint.
func (c Config) Authority() string {
	var names []string
	if c.credential != nil {
		names = c.credential.method.identity
	}
	return c.digest("authority", names)
}

// digest is a keyed hash of the workspace, the method and the named values.
func (c Config) digest(purpose string, names []string) string {
	mac := hmac.New(sha256.New, fingerprintKey)
	// A hash never fails to take what is written to it.
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

// String is the host and the type of the credential.
func (c Config) String() string { return c.Host() + " (" + c.AuthType() + ")" }

// MarshalText is String, for encoders and loggers.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// secret is a value that printing, encoding and comparing by reflection do not
// reach: whoever wants it must call it.
type secret func() string

// credential is a way to authenticate and what it needs.
type credential struct {
	method *method
	values map[string]secret
	// subject issues the tokens that workload identity exchanges; nil for
	// every other method.
	subject SubjectToken
}

func newCredential(method *method, values map[string]string) *credential {
	hidden := make(map[string]secret, len(values))
	for name, value := range values {
		hidden[name] = func() string { return value }
	}
	return &credential{method: method, values: hidden}
}

// secrets are the values that no text may show: all but the identifiers.
func (c *credential) secrets() []string {
	var values []string
	for name, value := range c.values {
		if !c.method.public[name] {
			values = append(values, value())
		}
	}
	return values
}
