package connection

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// sourceKey is where a credential is read: a Secret or a service account. One of
// them is set.
type sourceKey struct {
	secret   types.NamespacedName
	identity identity
}

func secretKey(namespace, name string) sourceKey {
	return sourceKey{secret: types.NamespacedName{Namespace: namespace, Name: name}}
}

func (k sourceKey) isIdentity() bool { return k.identity != identity{} }

// String returns the source as messages name it.
func (k sourceKey) String() string {
	if k.isIdentity() {
		return fmt.Sprintf("service account %q", k.identity.account.Name)
	}
	return fmt.Sprintf("Secret %q", k.secret.Name)
}

// source returns the Source of a credential of an object's own namespace.
func (k sourceKey) source() Source {
	if k.isIdentity() {
		return Source{Kind: "ServiceAccount", Namespace: k.identity.account.Namespace, Name: k.identity.account.Name}
	}
	return Source{Kind: "Secret", Namespace: k.secret.Namespace, Name: k.secret.Name}
}

// missing returns the message of a source that does not exist, with the remedy.
func (k sourceKey) missing() string {
	if account := k.identity.account; account.Name != "" {
		return fmt.Sprintf("%s does not exist in namespace %s", k, account.Namespace)
	}
	return fmt.Sprintf("%s does not exist in namespace %s", k, k.secret.Namespace)
}

// supply returns how a missing source is supplied.
func (k sourceKey) supply() string {
	if k.identity.account.Name != "" {
		return "create it, or name another"
	}
	return "create it with the keys DATABRICKS_HOST and DATABRICKS_TOKEN, or name another by secretRef"
}

// presence is the existence of a source.
type presence int

const (
	present presence = iota
	missing
)

// sourceState is a source as it was read.
type sourceState struct {
	presence presence
	config   databricks.Config
	// fingerprint is the config's; empty without a credential.
	fingerprint string
	// blocked is the defect of a source that exists; nil if it has none.
	blocked *Blocked
}

// newSourceState returns the state of a source that exists.
func newSourceState(config databricks.Config, blocked *Blocked) sourceState {
	if blocked != nil {
		return sourceState{blocked: blocked}
	}
	return sourceState{config: config, fingerprint: config.Fingerprint()}
}

// equal reports whether two states are the same for the users of a source. Only a missing
// source has neither a fingerprint nor a message.
func (s sourceState) equal(other sourceState) bool {
	return s.fingerprint == other.fingerprint && s.message() == other.message()
}

func (s sourceState) message() string {
	if s.blocked == nil {
		return ""
	}
	return s.blocked.Message
}

// sourceInterval returns how often a source is read. A service account that exists
// is not read: its tokens are created when they are needed.
func (r *Resolver) sourceInterval(key sourceKey, state sourceState, verdict verdict) time.Duration {
	intervals := r.options.Intervals
	switch {
	case state.presence == missing, state.blocked != nil:
		return intervals.Retry
	case key.isIdentity():
		return 0
	case verdict == rejected:
		return intervals.Retry
	case verdict == unreachable:
		return 2 * intervals.Retry
	default:
		return intervals.Refresh
	}
}

// readSource reads a source. Its error is one of the Kubernetes API.
func (r *Resolver) readSource(ctx context.Context, key sourceKey) (sourceState, error) {
	var state sourceState
	var err error
	if key.isIdentity() {
		state, err = r.readIdentity(ctx, key)
	} else {
		state, err = r.readSecret(ctx, key.secret)
	}
	if apierrors.IsNotFound(err) {
		return sourceState{presence: missing}, nil
	}
	return state, err
}

func (r *Resolver) readSecret(ctx context.Context, name types.NamespacedName) (sourceState, error) {
	var object corev1.Secret
	if err := r.uncached.Get(ctx, name, &object); err != nil {
		return sourceState{}, fmt.Errorf("read a Secret: %w", err)
	}
	config, err := databricks.ParseSecret(object.Data)
	if err != nil {
		return newSourceState(databricks.Config{}, &Blocked{
			Reason:  v1alpha1.ReasonCredentialsInvalid,
			Message: fmt.Sprintf("Secret %q: %s", object.Name, err),
			Stalled: true,
		}), nil
	}
	return newSourceState(config, nil), nil
}

// apiReason returns the machine-readable reason of a failure of the Kubernetes API,
// which never quotes an object.
func apiReason(err error) string {
	if reason := apierrors.ReasonForError(err); reason != "" {
		return string(reason)
	}
	return "no answer from the Kubernetes API"
}
