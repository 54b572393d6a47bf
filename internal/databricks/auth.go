package databricks

import "context"

// method is one way to authenticate. A new method is an entry in methods, and its
// keys are entries in attributes.
type method struct {
	// name is the SDK's auth_type.
	name string
	// needs are the required attributes. No attribute belongs to two methods.
	needs []string
	// public are the attributes in needs that are identifiers and not secrets.
	public map[string]bool
	// identity are the attributes that identify the authority. Credentials that differ
	// only in other attributes, such as the secret, have the same authority.
	identity []string
	// checks fail for a malformed attribute. Their errors follow the name of the key, and
	// do not contain the value.
	checks map[string]func(value string) error
	// issuer returns the host that issues tokens for a workspace; nil if the workspace
	// does. Its error follows the name of the key of the host.
	issuer func(workspace Origin) (Origin, error)
	// tokens returns the source of bearer tokens; nil for an unsupported method. The
	// source sends its requests to the host of the credential, or to its issuer.
	tokens func(*credential, *sender) tokenSource
}

var methods = []method{
	{name: "pat", needs: []string{"token"}, identity: []string{"token"}, tokens: newStaticToken},
	{
		name: "oauth-m2m", needs: []string{"client_id", "client_secret"},
		public: map[string]bool{"client_id": true}, identity: []string{"client_id"}, tokens: newClientCredentials,
	},
	{
		name: "azure-client-secret", needs: []string{"azure_client_id", "azure_client_secret", "azure_tenant_id"},
		public:   map[string]bool{"azure_client_id": true, "azure_tenant_id": true},
		identity: []string{"azure_client_id", "azure_tenant_id"},
		checks:   map[string]func(string) error{"azure_tenant_id": checkEntraTenant},
		issuer:   entraLogin, tokens: newEntraSecret,
	},
	{
		name: "google-credentials", needs: []string{"google_credentials"}, identity: []string{"google_credentials"},
		checks: map[string]func(string) error{"google_credentials": checkGoogleKey},
		issuer: googleLogin, tokens: newGoogleKey,
	},
	{name: "google-id", needs: []string{"google_service_account"}},
	{name: "basic", needs: []string{"username", "password"}},
}

// tokenSource supplies the bearer token of requests.
type tokenSource interface {
	// token returns a valid token. It fails with an *Error, but never with
	// ClassAmbiguous, because the request that needs the token was not sent.
	token(ctx context.Context) (string, error)
	// invalidate removes a token that the workspace refused, and reports whether the
	// source can supply another one.
	invalidate(token string) bool
}

// staticToken is a personal access token, which cannot be replaced.
type staticToken struct{ value secret }

func newStaticToken(credential *credential, _ *sender) tokenSource {
	return staticToken{credential.values["token"]}
}

func (s staticToken) token(context.Context) (string, error) { return s.value(), nil }

func (s staticToken) invalidate(string) bool { return false }
