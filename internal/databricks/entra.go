package databricks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// This file has the credentials of Entra ID (Azure Active Directory), which issues tokens
// for workspaces on Azure. Unlike the SDK it requests no token for Azure's management
// API and does not send one to the workspace, where it would be valid for every resource
// of the service principal. Therefore the principal must be added to the workspace first.

// azureDatabricks is the application id of Azure Databricks, for which the tokens are
// issued. It is the same in every cloud of Azure.
const azureDatabricks = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"

// entraAudience is the audience of the tokens that Entra ID exchanges.
const entraAudience = "api://AzureADTokenExchange"

// entraLogins maps the domains of workspaces on Azure to the host of Entra ID in the same
// cloud.
var entraLogins = map[string]Origin{
	".azuredatabricks.net": {"login.microsoftonline.com", httpsPort},
	".databricks.azure.us": {"login.microsoftonline.us", httpsPort},
	".databricks.azure.cn": {"login.chinacloudapi.cn", httpsPort},
}

// entraLogin returns the host of Entra ID for a workspace.
func entraLogin(workspace Origin) (Origin, error) {
	for suffix, login := range entraLogins {
		if strings.HasSuffix(workspace.host, suffix) {
			return login, nil
		}
	}
	return Origin{}, errors.New("is no workspace on Azure, and Entra ID issues tokens only for those")
}

var entraTenant = regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?$`)

func checkEntraTenant(tenant string) error {
	if !entraTenant.MatchString(tenant) || strings.Contains(tenant, "..") {
		return errors.New("is neither the id nor the domain of a tenant")
	}
	return nil
}

// newEntraTokens returns a source of tokens from the tenant.
func newEntraTokens(tenant string, grant grant, workspace *sender) tokenSource {
	// The host was checked with the credential.
	login, _ := entraLogin(workspace.origin)
	return &oauth{sender: workspace.to(login), issuer: login.host, grant: grant, endpoint: "/" + tenant + "/oauth2/token"}
}

// entraForm returns the parameters that every grant of Entra ID has.
func entraForm(clientID string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "resource": {azureDatabricks}, "client_id": {clientID}}
}

// entraSecret is the grant of a service principal with a client secret.
type entraSecret struct{ clientID, clientSecret secret }

func newEntraSecret(credential *credential, workspace *sender) tokenSource {
	return newEntraTokens(credential.values["azure_tenant_id"](), entraSecret{
		clientID:     credential.values["azure_client_id"],
		clientSecret: credential.values["azure_client_secret"],
	}, workspace)
}

func (e entraSecret) request(context.Context, string) (request, error) {
	form := entraForm(e.clientID())
	form.Set("client_secret", e.clientSecret())
	// A refusal may quote the form as it was sent.
	return request{body: []byte(form.Encode()), hidden: url.QueryEscape(e.clientSecret())}, nil
}

func (e entraSecret) advice() string { return "" }

// entraMethod is not in methods, because a Secret cannot select it.
var entraMethod = method{
	name:     "azure-workload-identity",
	public:   map[string]bool{"client_id": true, "tenant_id": true, "subject": true},
	identity: []string{"client_id", "tenant_id", "subject"},
	tokens:   newEntraAssertion,
	issuer:   entraLogin,
}

// entraAssertion is the grant of a workload identity that an application of Entra ID
// trusts by a federated credential.
type entraAssertion struct {
	clientID string
	subject  subjectSource
}

func newEntraAssertion(credential *credential, workspace *sender) tokenSource {
	return newEntraTokens(credential.values["tenant_id"](), entraAssertion{
		clientID: credential.values["client_id"](),
		subject:  credential.subjectTokens(),
	}, workspace)
}

func (e entraAssertion) request(ctx context.Context, _ string) (request, error) {
	token, err := e.subject.tokenFor(ctx, entraAudience)
	if err != nil {
		return request{}, err
	}
	form := entraForm(e.clientID)
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", token)
	return request{body: []byte(form.Encode()), hidden: token}, nil
}

func (e entraAssertion) advice() string {
	return fmt.Sprintf(" (a federated credential of the application must have the subject %s, the audience %s and the issuer of this cluster)",
		e.subject.name, entraAudience)
}
