package connection

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/tenancy"
)

// missingWorkspace is an object's reference to a DatabricksWorkspace that does not
// exist.
type missingWorkspace struct {
	uid   string
	name  string
	since time.Time
}

// resolveReference returns the credential of the DatabricksWorkspace that an object
// refers to, if the workspace allows that.
func (r *Resolver) resolveReference(ctx context.Context, request Request) (Credential, *Blocked) {
	name := request.Connection.WorkspaceRef.Name
	workspace, blocked := r.findWorkspace(ctx, request.User, name)
	if blocked == nil {
		blocked = r.mayUse(ctx, request, workspace)
	}
	if blocked != nil {
		r.credentials.release(request.User)
		return Credential{}, blocked
	}
	credential, blocked := r.ResolveWorkspace(ctx, request.User, workspace)
	if blocked != nil {
		return Credential{}, prefixed(blocked, "DatabricksWorkspace %q is not ready: ", name)
	}
	credential.Rules = workspace
	return credential, nil
}

// findWorkspace returns the DatabricksWorkspace of a name. The caller enqueues the
// objects that refer to a workspace that was created, changed or deleted.
func (r *Resolver) findWorkspace(ctx context.Context, user User, name string) (*v1alpha1.DatabricksWorkspace, *Blocked) {
	if !r.options.Workspaces {
		return nil, misconfigured("spec.connection.workspaceRef: this operator serves no DatabricksWorkspaces (--workspaces=false); " +
			"set spec.connection.secretRef")
	}
	workspace := &v1alpha1.DatabricksWorkspace{}
	err := r.workspaces.Get(ctx, types.NamespacedName{Name: name}, workspace)
	switch {
	case err == nil:
		r.foundWorkspace(user)
		return workspace, nil
	case !apierrors.IsNotFound(err):
		blocked := unreadable(fmt.Sprintf("DatabricksWorkspace %q", name), err)
		blocked.RetryAt = time.Now().Add(r.options.Intervals.Retry)
		return nil, blocked
	}
	return nil, r.missing(fmt.Sprintf("spec.connection.workspaceRef: there is no DatabricksWorkspace %q", name),
		"name one that exists, or ask your platform team for it", r.workspaceMissingSince(user, name))
}

// workspaceMissingSince returns when an object's reference was first found missing.
func (r *Resolver) workspaceMissingSince(user User, name string) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.missingWorkspaces[user.key()]
	if known.uid != user.UID || known.name != name {
		known = missingWorkspace{uid: user.UID, name: name, since: time.Now()}
		r.missingWorkspaces[user.key()] = known
	}
	return known.since
}

func (r *Resolver) foundWorkspace(user User) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.missingWorkspaces, user.key())
}

// releaseReference removes the state of an object's reference.
func (r *Resolver) releaseReference(user User) {
	r.namespaces.release(user)
	r.foundWorkspace(user)
}

// mayUse returns why a DatabricksWorkspace refuses an object; nil if it does not.
func (r *Resolver) mayUse(ctx context.Context, request Request, workspace *v1alpha1.DatabricksWorkspace) *Blocked {
	refusal := r.namespaceRefusal(ctx, request.User, workspace)
	switch {
	case refusal != nil:
		return refusal
	case !permitsKind(workspace, request.User.Kind):
		return denied("DatabricksWorkspace %q does not permit objects of kind %s; ask your platform team to add it to "+
			"spec.allowedKinds there, or use another connection", workspace.Name, request.User.Kind)
	case !workspace.Spec.AllowAdoption && request.AdoptionField != "":
		return denied("%[1]s: DatabricksWorkspace %[2]q does not allow its users to adopt or observe what exists already; remove %[1]s "+
			"to create your own, or ask your platform team for spec.allowAdoption there", request.AdoptionField, workspace.Name)
	default:
		return nil
	}
}

// permitsKind reports whether a DatabricksWorkspace permits objects of a kind: those of its
// list, or only clusters without one.
func permitsKind(workspace *v1alpha1.DatabricksWorkspace, kind string) bool {
	if len(workspace.Spec.AllowedKinds) == 0 {
		return kind == v1alpha1.ClusterKind
	}
	return slices.Contains(workspace.Spec.AllowedKinds, v1alpha1.AllowedKind(kind))
}

// namespaceRefusal returns why a DatabricksWorkspace refuses the namespace of an object;
// nil if it does not. If that depends on the namespace's labels, the object is enqueued
// when they change.
func (r *Resolver) namespaceRefusal(ctx context.Context, user User, workspace *v1alpha1.DatabricksWorkspace) *Blocked {
	refusal := denied("DatabricksWorkspace %q does not allow namespace %s; ask your platform team to add it to "+
		"spec.allowedNamespaces there, or use another connection", workspace.Name, user.Namespace)
	rule := workspace.Spec.AllowedNamespaces
	listed := rule != nil && slices.Contains(rule.Names, user.Namespace)
	if listed || rule == nil || rule.Selector == nil {
		r.namespaces.release(user)
		if listed {
			return nil
		}
		return refusal
	}
	selector, err := metav1.LabelSelectorAsSelector(rule.Selector)
	if err != nil {
		return misconfigured("DatabricksWorkspace %q: spec.allowedNamespaces.selector: %s", workspace.Name, err)
	}
	answer := r.namespaces.get(ctx, user, user.Namespace)
	switch source := "namespace " + user.Namespace; {
	case answer.pending:
		return prefixed(pendingRead(source), "DatabricksWorkspace %q: ", workspace.Name)
	case answer.err != nil:
		return prefixed(unreadable(source, answer.err), "DatabricksWorkspace %q: ", workspace.Name)
	case selector.Matches(answer.value):
		return nil
	default:
		return refusal
	}
}

// readLabels reads the labels of a namespace.
func (r *Resolver) readLabels(ctx context.Context, name string) (labels.Set, error) {
	var namespace corev1.Namespace
	if err := r.uncached.Get(ctx, types.NamespacedName{Name: name}, &namespace); err != nil {
		return nil, fmt.Errorf("read a namespace: %w", err)
	}
	return namespace.Labels, nil
}

func (r *Resolver) labelsInterval(string, labels.Set, verdict) time.Duration {
	return r.options.Intervals.Refresh
}

func equalLabels(a, b labels.Set) bool { return maps.Equal(a, b) }

// ResolveWorkspace returns the credential of a DatabricksWorkspace, or why there is
// none. The user is the workspace itself or an object that it allows.
func (r *Resolver) ResolveWorkspace(ctx context.Context, user User, workspace *v1alpha1.DatabricksWorkspace) (Credential, *Blocked) {
	if field := tenancy.UnknownField(&workspace.Spec); field != "" {
		// A rule with a typing error must not permit what it was to forbid.
		r.credentials.release(user)
		return Credential{}, &Blocked{
			Reason: v1alpha1.ReasonInvalidSpec, Stalled: true,
			Message: fmt.Sprintf("spec.forbiddenFields: %q is no field of a DatabricksCluster's spec: correct it; "+
				"examples are initScripts and awsAttributes.instanceProfileARN", field),
		}
	}
	from, blocked := r.sourceOf(workspace)
	if blocked != nil {
		r.credentials.release(user)
		return Credential{}, blocked
	}
	config, blocked := r.lookup(ctx, user, from)
	if blocked != nil {
		return Credential{}, blocked
	}
	declared, err := databricks.ParseOrigin(workspace.Spec.Host)
	if err != nil {
		return Credential{}, misconfigured("spec.host %s", err)
	}
	if config.Host() != declared.String() {
		// The Secret may be wrong, so it is read again soon.
		r.credentials.mark(user, rejected)
		return Credential{}, misconfigured("%s is for %s and spec.host is %s: a credential is sent only to the host that it came with, "+
			"make them the same", from, config.Host(), declared)
	}
	source := from.source()
	source.Workspace = workspace.Name
	return Credential{Config: config, Source: source}, nil
}

// sourceOf returns the source of a DatabricksWorkspace, which is always in the
// operator's own namespace.
func (r *Resolver) sourceOf(workspace *v1alpha1.DatabricksWorkspace) (sourceKey, *Blocked) {
	namespace, account := r.options.OperatorNamespace, r.options.OperatorServiceAccount
	switch spec := &workspace.Spec; {
	case namespace == "":
		return sourceKey{}, misconfigured("the operator does not know its own namespace, which has the credential: set --operator-namespace")
	case spec.SecretRef != nil:
		return secretKey(namespace, spec.SecretRef.Name), nil
	case spec.WorkloadIdentity != nil && account == "":
		return sourceKey{}, misconfigured("the operator does not know its own service account: set --operator-service-account")
	case spec.WorkloadIdentity != nil:
		return sourceKey{identity: identity{
			account:       types.NamespacedName{Namespace: namespace, Name: account},
			host:          spec.Host,
			clientID:      spec.WorkloadIdentity.ClientID,
			audience:      spec.WorkloadIdentity.Audience,
			azureTenantID: spec.WorkloadIdentity.AzureTenantID,
		}}, nil
	default:
		return sourceKey{}, misconfigured("set exactly one of spec.secretRef and spec.workloadIdentity")
	}
}
