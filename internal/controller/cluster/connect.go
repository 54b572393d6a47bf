package cluster

import (
	"context"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// connect observes the object's workspace, or the reason why it has none.
func (r *Reconciler) connect(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed *observation) {
	self := identityOf(cluster)
	credential, blocked := r.connector.Resolver.Resolve(ctx, requestOf(cluster))
	if blocked != nil {
		observed.connected(r.connector.Disconnect(self, blocked))
		return
	}
	config := credential.Config
	observed.rules = credential.Rules
	observed.Host, observed.Credential = config.Host(), config.Fingerprint()
	observed.LacksUpdate = r.actor.withoutUpdate.has(observed.Host)
	if bound := cluster.Status.Host; bound != "" && bound != observed.Host {
		// No call is made to a workspace that the object does not belong to.
		r.connector.Registry.Release(self.Subscriber())
		r.connector.Resolver.MarkRejected(self.User, databricks.ClassHost)
		return
	}
	observed.connected(r.connector.Connect(self, credential, cluster.Status.Conditions))
	if observed.workspace == nil {
		return
	}
	principal := observed.workspace.Principal()
	observed.Principal, observed.WorkspaceID = principal.UserName, principal.WorkspaceID
	observed.ClockSkew = observed.workspace.ClockSkew()
	if observed.isElsewhere(cluster) {
		// Nothing is requested of a workspace that the object does not belong to.
		observed.workspace = nil
	}
}

// connected sets the connection of the observation.
func (o *observation) connected(found connector.Connection) {
	o.workspace, o.Blocked, o.unansweredUntil = found.Workspace, found.Blocked, found.UnansweredUntil
	if o.Blocked != nil && o.Blocked.Outage != nil {
		o.ReadFailure, o.ReadFailingSince = o.Blocked.Outage.Failure, o.Blocked.Outage.Since
	}
}

// isElsewhere reports whether the credential belongs to another workspace behind the
// same host than the one that the object is bound to.
func (o *observation) isElsewhere(cluster *v1alpha1.DatabricksCluster) bool {
	bound := cluster.Status.WorkspaceID
	return bound != "" && o.WorkspaceID != "" && bound != o.WorkspaceID
}

func identityOf(cluster *v1alpha1.DatabricksCluster) connector.Identity {
	return connector.IdentityOf(v1alpha1.ClusterKind, cluster)
}

// requestOf returns the object's request for a credential. The credential of a
// DatabricksWorkspace may read clusters of other tenants, so the request has the field
// that names a cluster which was not created for the object.
func requestOf(cluster *v1alpha1.DatabricksCluster) connection.Request {
	request := connection.Request{User: identityOf(cluster).User, Connection: cluster.Spec.Connection}
	named := cluster.Spec.ClusterID
	if named != "" && (cluster.Status.Adopted || cluster.Status.ClusterID != named) {
		request.AdoptionField = "spec.clusterID"
	}
	return request
}
