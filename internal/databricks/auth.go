package databricks

import "context"

// method is one way to authenticate. A new one is an entry in methods, and the
// keys that it needs in attributes.
type method struct {
	// name is the SDK's auth_type.
	name string
	// needs are the attributes without which it does not work; each belongs to
	// one method alone.
	needs []string
	// public are those of needs that are identifiers and no secrets.
	public map[string]bool
	// identity are the attributes that name the authority; a credential with other
	// values of the rest, such as another secret, has the same authority.
	identity []string
	// tokens makes the source of bearer tokens; nil for a method that is known
	// and not supported. Its requests go through the sender, to the
	// credential's own host.
	tokens func(*credential, *sender) tokenSource
	// instead is advice for a method that is not supported, ending ": " or empty.
	instead string
}

var methods = []method{
	{name: "pat", needs: []string{"token"}, identity: []string{"token"}, tokens: newStaticToken},
	{
		name: "oauth-m2m", needs: []string{"client_id", "client_secret"},
		public: map[string]bool{"client_id": true}, identity: []string{"client_id"}, tokens: newClientCredentials,
	},
	{
		name: "azure-client-secret", needs: []string{"azure_client_id", "azure_client_secret", "azure_tenant_id"},
		instead: "Azure Databricks takes an OAuth secret of the service principal as well, ",
	},
	{name: "google-credentials", needs: []string{"google_credentials"}},
	{name: "google-id", needs: []string{"google_service_account"}},
	{name: "basic", needs: []string{"username", "password"}},
}

// tokenSource supplies the bearer token of requests.
type tokenSource interface {
	// token is the token to use now; its error is an *Error that is never
	// ClassAmbiguous, as the request that it is for was not sent.
	token(ctx context.Context) (string, error)
	// drop forgets a token that the workspace refused, and tells whether asking
	// for another has any point.
	drop(token string) bool
}

// staticToken is a personal access token: there is no other.
type staticToken struct{ value secret }

func newStaticToken(credential *credential, _ *sender) tokenSource {
	return staticToken{credential.values["token"]}
}

func (s staticToken) token(context.Context) (string, error) { return s.value(), nil }

func (s staticToken) drop(string) bool { return false }
