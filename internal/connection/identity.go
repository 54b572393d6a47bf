package connection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// identity is a service account and the workspace that trusts its tokens.
type identity struct {
	account                                 types.NamespacedName
	host, clientID, audience, azureTenantID string
}

// identityKey returns the source for a declared workload identity, whose service
// account is always in the object's own namespace.
func identityKey(namespace string, declared *v1alpha1.WorkloadIdentity) sourceKey {
	return sourceKey{identity: identity{
		account:       types.NamespacedName{Namespace: namespace, Name: declared.ServiceAccountName},
		host:          declared.Host,
		clientID:      declared.ClientID,
		audience:      declared.Audience,
		azureTenantID: declared.AzureTenantID,
	}}
}

// subject returns the service account as a federation policy spells it.
func (i identity) subject() string {
	return "system:serviceaccount:" + i.account.Namespace + ":" + i.account.Name
}

// subjectTokenLifetime is the shortest lifetime that the API server accepts for a
// service account token. Each token is used once, at once.
const subjectTokenLifetime = 10 * time.Minute

// readIdentity returns the credential of a service account. It requests one token
// that is not sent anywhere, so that a missing account is reported before any
// request to the workspace. The error is of the Kubernetes API.
func (r *Resolver) readIdentity(ctx context.Context, key sourceKey) (sourceState, error) {
	config, err := r.workloadIdentityConfig(key)
	if err != nil {
		return newSourceState(config, misconfigured("workload identity: the %s", err)), nil
	}
	if audience := key.identity.audience; audience != "" && !r.allowedAudience(config, audience) {
		return newSourceState(databricks.Config{}, misconfigured("workloadIdentity.audience %q is not an address of %s: a token for it could "+
			"be valid elsewhere; remove it, or let a cluster administrator add it to --allowed-token-audiences", audience, config.Host())), nil
	}
	_, err = r.requestToken(ctx, key.identity.account, config.Host())
	if blocked := tokenRefusal(key.identity.account, err); blocked != nil {
		return newSourceState(databricks.Config{}, blocked), nil
	}
	return newSourceState(config, nil), err
}

// allowedAudience reports whether a workspace may be sent a token for an audience.
func (r *Resolver) allowedAudience(config databricks.Config, audience string) bool {
	return config.IsOwnAudience(audience) || slices.Contains(r.options.AllowedTokenAudiences, audience)
}

// workloadIdentityConfig returns the config that exchanges tokens of a service
// account. Its error describes the host.
func (r *Resolver) workloadIdentityConfig(key sourceKey) (databricks.Config, error) {
	declared := key.identity
	return databricks.WorkloadIdentity{
		Host: declared.host, ClientID: declared.clientID, EntraTenantID: declared.azureTenantID,
		Audience: declared.audience, Subject: declared.subject(),
		Token: func(ctx context.Context, audience string) (string, error) { return r.subjectToken(ctx, key, audience) },
	}.Config()
}

// subjectToken returns the token of a service account for one exchange. If the
// account is missing or no token of it may be requested, its source is read again,
// which enqueues all of its users.
func (r *Resolver) subjectToken(ctx context.Context, key sourceKey, audience string) (string, error) {
	token, err := r.requestToken(ctx, key.identity.account, audience)
	message := ""
	if blocked := tokenRefusal(key.identity.account, err); blocked != nil {
		message = blocked.Message
	} else if apierrors.IsNotFound(err) {
		message = key.missing() + "; " + key.supply()
	}
	if message == "" {
		return token, err
	}
	r.credentials.expire(key)
	return "", &databricks.Error{Class: databricks.ClassUnauthenticated, Message: message}
}

var errNoAudience = errors.New("a token without an audience would be valid for the Kubernetes API")

// requestToken requests a short-lived token of a service account from Kubernetes.
func (r *Resolver) requestToken(ctx context.Context, account types.NamespacedName, audience string) (string, error) {
	if audience == "" {
		return "", errNoAudience
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences:         []string{audience},
		ExpirationSeconds: new(int64(subjectTokenLifetime.Seconds())),
	}}
	owner := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: account.Namespace, Name: account.Name}}
	if err := r.tokens.Create(ctx, owner, request); err != nil {
		return "", fmt.Errorf("request a service account token: %w", err)
	}
	return request.Status.Token, nil
}

// tokenRefusal returns the remedy for a token that Kubernetes refused; nil if the
// request succeeded or may succeed later.
func tokenRefusal(account types.NamespacedName, err error) *Blocked {
	switch {
	case apierrors.IsForbidden(err):
		return denied("the operator may not request tokens of service account %q: in namespace %s, bind the ClusterRole "+
			"databricks-operator-token-requester to the operator's service account", account.Name, account.Namespace)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return misconfigured("Kubernetes issues no token of service account %q for this audience", account.Name)
	default:
		return nil
	}
}
