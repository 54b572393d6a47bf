package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// identity is a service account, and the workspace that is to trust it.
type identity struct {
	account                  types.NamespacedName
	host, clientID, audience string
}

// identityOf is the identity that an object names, of its own namespace and of
// no other.
func identityOf(namespace string, declared *v1alpha1.WorkloadIdentity) identity {
	return identity{
		account:  types.NamespacedName{Namespace: namespace, Name: declared.ServiceAccountName},
		host:     declared.Host,
		clientID: declared.ClientID,
		audience: declared.Audience,
	}
}

// subject is how a federation policy spells the service account.
func (i identity) subject() string {
	return "system:serviceaccount:" + i.account.Namespace + ":" + i.account.Name
}

// subjectTokenLife is how long the API server lets a service account's token
// live at least. It is used once, at once.
const subjectTokenLife = 10 * time.Minute

// vouch makes a credential of an identity. It asks for one token, which goes
// nowhere, to tell an account that is missing before anything is asked of the
// workspace. The error is of the Kubernetes API.
func (c *credentials) vouch(ctx context.Context, from credentialSource) (databricks.Config, *plan.Trouble, error) {
	who := from.identity
	config, err := databricks.WorkloadIdentity{
		Host: who.host, ClientID: who.clientID, Audience: who.audience, Subject: who.subject(),
		Token: func(ctx context.Context, audience string) (string, error) { return c.subjectToken(ctx, from, audience) },
	}.Config()
	if err != nil {
		return config, misconfigured("workload identity: the %s", err), nil
	}
	_, err = c.issue(ctx, who.account, config.Host())
	if trouble := refusedToken(who.account, err); trouble != nil {
		return databricks.Config{}, trouble, nil
	}
	return config, nil, err
}

// subjectToken is the token of an identity for one exchange. An account that is
// gone meanwhile becomes trouble for all its users.
func (c *credentials) subjectToken(ctx context.Context, from credentialSource, audience string) (string, error) {
	token, err := c.issue(ctx, from.identity.account, audience)
	message := ""
	if trouble := refusedToken(from.identity.account, err); trouble != nil {
		message = trouble.Message
	} else if apierrors.IsNotFound(err) {
		message = from.missing()
	}
	if message == "" {
		return token, err
	}
	c.mu.Lock()
	before := c.known[from]
	c.mu.Unlock()
	if before != nil && before.trouble == nil {
		c.refresh(ctx, from)
	}
	return "", &databricks.Error{Class: databricks.ClassUnauthenticated, Message: message}
}

var errNoAudience = errors.New("a token without an audience would be one for the Kubernetes API")

// issue asks Kubernetes for a short-lived token of a service account.
func (c *credentials) issue(ctx context.Context, account types.NamespacedName, audience string) (string, error) {
	if audience == "" {
		return "", errNoAudience
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences:         []string{audience},
		ExpirationSeconds: new(int64(subjectTokenLife.Seconds())),
	}}
	owner := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: account.Namespace, Name: account.Name}}
	if err := c.tokens.Create(ctx, owner, request); err != nil {
		return "", err
	}
	return request.Status.Token, nil
}

// refusedToken is what a person must do about a token that was not issued; nil
// where nobody needs to.
func refusedToken(account types.NamespacedName, err error) *plan.Trouble {
	switch {
	case apierrors.IsForbidden(err):
		return &plan.Trouble{Reason: v1alpha1.ReasonPermissionDenied, Stalled: true, Message: fmt.Sprintf(
			"the operator may not request tokens of service account %q: in namespace %s, bind the ClusterRole "+
				"databricks-operator-token-requester to the operator's service account", account.Name, account.Namespace)}
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return &plan.Trouble{Reason: v1alpha1.ReasonCredentialsInvalid, Stalled: true, Message: fmt.Sprintf(
			"Kubernetes issues no token of service account %q for this audience", account.Name)}
	default:
		return nil
	}
}
