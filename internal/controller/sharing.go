package controller

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// sharing leads objects to the DatabricksWorkspaces that they refer to, as far
// as those allow it. A workspace's credential is read from the operator's own
// namespace and from no other; an object's own is never read there.
type sharing struct {
	// reader is the cache.
	reader      client.Reader
	credentials *credentials
	namespaces  *namespaces
	options     Options

	mu sync.Mutex
	// missing is since when an object's workspace was seen not to exist.
	missing map[types.NamespacedName]time.Time
}

// lookup is the credential of the workspace that an object refers to.
func (s *sharing) lookup(ctx context.Context, cluster *v1alpha1.DatabricksCluster, name string) (databricks.Config, *plan.Trouble) {
	user := client.ObjectKeyFromObject(cluster)
	workspace, trouble := s.find(ctx, user, name)
	if trouble == nil {
		trouble = s.mayUse(ctx, cluster, workspace)
	}
	if trouble != nil {
		// Not even a stale answer of it is kept for who may not use it.
		s.credentials.release(user)
		return databricks.Config{}, trouble
	}
	config, trouble := s.credential(ctx, user, workspace)
	if trouble != nil {
		told := *trouble
		told.Message = fmt.Sprintf("DatabricksWorkspace %q is not ready: %s", name, trouble.Message)
		trouble = &told
	}
	return config, trouble
}

// find is the workspace of a name. One that is missing may be on its way, for a
// while; its arrival is news.
func (s *sharing) find(ctx context.Context, user types.NamespacedName, name string) (*v1alpha1.DatabricksWorkspace, *plan.Trouble) {
	if !s.options.Workspaces {
		return nil, &plan.Trouble{
			Reason: v1alpha1.ReasonCredentialsInvalid, Stalled: true,
			Message: "spec.connection.workspaceRef: this operator serves no DatabricksWorkspaces (--workspaces=false); set spec.connection.secretRef",
		}
	}
	workspace := &v1alpha1.DatabricksWorkspace{}
	err := s.reader.Get(ctx, types.NamespacedName{Name: name}, workspace)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		delete(s.missing, user)
		return workspace, nil
	case !apierrors.IsNotFound(err):
		return nil, s.retry(fmt.Sprintf("reading DatabricksWorkspace %q: %s", name, apierrors.ReasonForError(err)))
	}
	since, known := s.missing[user]
	if !known {
		since = time.Now()
		s.missing[user] = since
	}
	trouble := &plan.Trouble{
		Reason: v1alpha1.ReasonCredentialsNotReady,
		Message: fmt.Sprintf("spec.connection.workspaceRef: there is no DatabricksWorkspace %q; name one that exists, "+
			"or ask your platform team for it", name),
	}
	if patience := since.Add(s.options.Credentials.Patience); time.Now().Before(patience) {
		trouble.Again = patience
	} else {
		trouble.Reason, trouble.Stalled = v1alpha1.ReasonCredentialsInvalid, true
	}
	return nil, trouble
}

// mayUse says why an object may not use a workspace; nil: it may.
func (s *sharing) mayUse(ctx context.Context, cluster *v1alpha1.DatabricksCluster, workspace *v1alpha1.DatabricksWorkspace) *plan.Trouble {
	allowed, trouble := s.allows(ctx, client.ObjectKeyFromObject(cluster), workspace)
	switch {
	case trouble != nil:
		return trouble
	case !allowed:
		return denied("DatabricksWorkspace %q does not allow namespace %s; ask your platform team to add it to "+
			"spec.allowedNamespaces there, or use another connection", workspace.Name, cluster.Namespace)
	case !workspace.Spec.AllowAdoption && foreign(cluster):
		return denied("spec.clusterID: DatabricksWorkspace %q does not let its users adopt or observe clusters; remove clusterID "+
			"for a cluster of your own, or ask your platform team for spec.allowAdoption there", workspace.Name)
	default:
		return nil
	}
}

// foreign tells that an object is about a cluster that was not made for it: the
// workspace's credential may see those of all its tenants.
func foreign(cluster *v1alpha1.DatabricksCluster) bool {
	named := cluster.Spec.ClusterID
	return named != "" && (cluster.Status.Adopted || cluster.Status.ClusterID != named)
}

func denied(format string, args ...any) *plan.Trouble {
	return &plan.Trouble{Reason: v1alpha1.ReasonPermissionDenied, Message: fmt.Sprintf(format, args...), Stalled: true}
}

// allows tells whether a workspace is open to the namespace of an object, which
// hears when that changes by the namespace's labels.
func (s *sharing) allows(ctx context.Context, user types.NamespacedName, workspace *v1alpha1.DatabricksWorkspace) (bool, *plan.Trouble) {
	allowed := workspace.Spec.AllowedNamespaces
	if allowed == nil || allowed.Selector == nil || slices.Contains(allowed.Names, user.Namespace) {
		s.namespaces.release(user)
		return allowed != nil && slices.Contains(allowed.Names, user.Namespace), nil
	}
	selector, err := metav1.LabelSelectorAsSelector(allowed.Selector)
	if err != nil {
		return false, &plan.Trouble{
			Reason: v1alpha1.ReasonCredentialsInvalid, Stalled: true,
			Message: fmt.Sprintf("DatabricksWorkspace %q: spec.allowedNamespaces.selector: %s", workspace.Name, err),
		}
	}
	labels, err := s.namespaces.labelsFor(ctx, user)
	if err != nil {
		return false, s.retry(fmt.Sprintf("reading namespace %s: %s", user.Namespace, apierrors.ReasonForError(err)))
	}
	return selector.Matches(labels), nil
}

func (s *sharing) retry(message string) *plan.Trouble {
	return &plan.Trouble{Reason: v1alpha1.ReasonRetryingAfterError, Message: message, Again: time.Now().Add(s.options.ConnectPause)}
}

// credential is what a workspace's specification leads to, for one of its users.
func (s *sharing) credential(
	ctx context.Context, user types.NamespacedName, workspace *v1alpha1.DatabricksWorkspace,
) (databricks.Config, *plan.Trouble) {
	from, trouble := s.sourceOf(workspace)
	if trouble != nil {
		s.credentials.release(user)
		return databricks.Config{}, trouble
	}
	config, trouble := s.credentials.lookup(ctx, user, from)
	if trouble != nil {
		return databricks.Config{}, trouble
	}
	declared, err := databricks.ParseOrigin(workspace.Spec.Host)
	if err != nil {
		return databricks.Config{}, misconfigured("spec.host %s", err)
	}
	if config.Host() != declared.String() {
		return databricks.Config{}, misconfigured("%s is for %s and spec.host is %s: a credential is sent only to the host that it came with, "+
			"make them the same", from, config.Host(), declared)
	}
	return config, nil
}

// sourceOf is where a workspace's credential comes from: the operator's own
// namespace.
func (s *sharing) sourceOf(workspace *v1alpha1.DatabricksWorkspace) (credentialSource, *plan.Trouble) {
	own := s.options.OperatorNamespace
	spec := &workspace.Spec
	switch {
	case own == "":
		return credentialSource{}, misconfigured("the operator does not know its own namespace, where the credential is: set --operator-namespace")
	case spec.SecretRef != nil:
		return credentialSource{secret: types.NamespacedName{Namespace: own, Name: spec.SecretRef.Name}}, nil
	case spec.WorkloadIdentity != nil && s.options.OperatorServiceAccount == "":
		return credentialSource{}, misconfigured("the operator does not know its own service account: set --operator-service-account")
	case spec.WorkloadIdentity != nil:
		return credentialSource{identity: identity{
			account:  types.NamespacedName{Namespace: own, Name: s.options.OperatorServiceAccount},
			host:     spec.Host,
			clientID: spec.WorkloadIdentity.ClientID,
			audience: spec.WorkloadIdentity.Audience,
		}}, nil
	default:
		return credentialSource{}, misconfigured("set exactly one of spec.secretRef and spec.workloadIdentity")
	}
}

func misconfigured(format string, args ...any) *plan.Trouble {
	return &plan.Trouble{Reason: v1alpha1.ReasonCredentialsInvalid, Message: fmt.Sprintf(format, args...), Stalled: true}
}

// release forgets an object.
func (s *sharing) release(user types.NamespacedName) {
	s.namespaces.release(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.missing, user)
}
