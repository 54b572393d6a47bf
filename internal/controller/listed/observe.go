package listed

import (
	"context"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/specsize"
)

// observation has the observed facts, and the workspace that they are about.
type observation struct {
	managed.Observation

	// workspace is nil if no call may be made.
	workspace *cache.Workspace
	// unansweredUntil is the deadline of the first answer; zero if none is awaited.
	unansweredUntil time.Time
	// interest is the data that the object needs.
	interest cache.ItemsInterest
	// desired is the declared specification in the form of the API; nil: it is not needed,
	// or the object is blocked.
	desired diff.Tree
}

// observe returns the facts about an object. It calls no workspace; data that is missing
// is requested from the cache.
func (r *Reconciler) observe(ctx context.Context, object managed.Object) observation {
	var observed observation
	if !managed.NeedsWorkspace(r.kind, object) {
		return observed
	}
	r.connect(ctx, object, &observed)
	if observed.workspace == nil {
		return observed
	}
	r.declare(ctx, object, &observed)
	r.read(object, &observed)
	r.findHolder(ctx, object, &observed)
	return observed
}

// inputOf returns the input of the decision about an object.
func (r *Reconciler) inputOf(object managed.Object, observed observation) managed.Input {
	in := managed.Input{
		Kind: r.kind, Object: object, Desired: observed.desired, Observed: observed.Observation,
		Attempts: r.attempts.Of(object), Owner: r.ownerTag(object), Limits: r.options.Limits, Now: time.Now(),
	}
	in.Compared = managed.Compare(in)
	in.Attempts = in.Attempts.WithComparison(in.Compared)
	r.attempts.Update(object, func(known *managed.Attempts) { *known = in.Attempts })
	return in
}

// ownerTag returns the owner tag of what is created for an object; empty if the operator
// adds no tags.
func (r *Reconciler) ownerTag(object managed.Object) string {
	if !r.options.OwnerTag {
		return ""
	}
	return owner.Of(r.options.OperatorID, string(object.GetUID()), object.GetNamespace(), object.GetName()).Tag()
}

// connect observes the object's workspace, or the reason why it has none.
func (r *Reconciler) connect(ctx context.Context, object managed.Object, observed *observation) {
	self := r.identityOf(object)
	credential, blocked := r.connector.Resolver.Resolve(ctx, r.requestOf(object))
	if blocked != nil {
		observed.connected(r.connector.Disconnect(self, blocked))
		return
	}
	config := credential.Config
	observed.Host, observed.Credential = config.Host(), config.Fingerprint()
	if bound := object.Status.Host; bound != "" && bound != observed.Host {
		// No call is made to a workspace that the object does not belong to.
		r.connector.Registry.Release(self.Subscriber())
		r.connector.Resolver.MarkRejected(self.User, databricks.ClassHost)
		return
	}
	observed.connected(r.connector.Connect(self, credential, object.Status.Conditions))
	if observed.workspace == nil {
		return
	}
	principal := observed.workspace.Principal()
	observed.Principal, observed.WorkspaceID = principal.UserName, principal.WorkspaceID
	observed.ClockSkew = observed.workspace.ClockSkew()
	if bound := object.Status.WorkspaceID; bound != "" && observed.WorkspaceID != "" && bound != observed.WorkspaceID {
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

func (r *Reconciler) identityOf(object managed.Resource) connector.Identity {
	return connector.IdentityOf(r.kind.Name, object)
}

// requestOf returns the object's request for a credential. The credential of a
// DatabricksWorkspace may read what belongs to other tenants, so the request has the field
// that names what was not created for the object.
func (r *Reconciler) requestOf(object managed.Object) connection.Request {
	request := connection.Request{User: r.identityOf(object).User, Connection: object.Spec.Connection}
	switch isCreated := *object.ID != "" && !object.Status.Adopted; {
	case isCreated:
	case object.NamedID != "":
		request.AdoptionField = "spec." + r.kind.IDField
	case object.Spec.AdoptByName:
		request.AdoptionField = "spec.adoptByName"
	}
	return request
}

// declare observes the specification, in the form of the API.
func (r *Reconciler) declare(ctx context.Context, object managed.Object, observed *observation) {
	if message, oversized := specsize.Excess(object.Resource); oversized && !object.IsDeleting() {
		// The cached copy lacks the large fields, which must not count as a change.
		observed.Blocked = &managed.Blocked{Reason: v1alpha1.ReasonInvalidSpec, Message: message, Stalled: true}
		return
	}
	desired, err := r.kind.Fields.Declared(object.Declared)
	if err != nil {
		observed.Blocked = &managed.Blocked{Reason: v1alpha1.ReasonInvalidSpec, Message: err.Error(), Stalled: true}
		return
	}
	if observed.Blocked = r.secrets(ctx, object, desired); observed.Blocked == nil {
		observed.desired = desired
	}
}

// read observes the remote object in reads that began after the last own write.
func (r *Reconciler) read(object managed.Object, observed *observation) {
	in := managed.NeedsInput{Kind: r.kind, Object: object, Attempts: r.attempts.Of(object), Owner: r.ownerTag(object), Limits: r.options.Limits, Now: time.Now()}
	observed.interest = managed.Needs(in)
	view := observed.subscribe()
	in.Attempts = in.Attempts.Confirmed(observed.interest, view.List)
	if confirmed := managed.Needs(in); confirmed != observed.interest {
		observed.interest = confirmed
		view = observed.subscribe()
	}
	managed.ReadFrom(in, observed.interest, view, &observed.Observation)
	if failure := observed.ReadFailure; failure != nil {
		r.connector.Resolver.MarkRejected(r.identityOf(object).User, failure.Class)
	} else if !observed.ListedAt.IsZero() {
		r.connector.Resolver.MarkAccepted(r.identityOf(object).User)
	}
	r.attempts.Update(object, func(known *managed.Attempts) {
		*known = in.Attempts.WithReads(observed.ReadFailure, in.Now)
		observed.ReadFailingSince = known.ReadsFailSince
	})
}

// subscribe updates the interest of the object and returns its view.
func (o *observation) subscribe() cache.ItemsView {
	return o.workspace.Subscribe(cache.Interest{Items: o.interest}).Items
}

// findHolder observes the object that manages the remote object, or the one with the name
// of this object.
func (r *Reconciler) findHolder(ctx context.Context, object managed.Object, observed *observation) {
	id := object.CurrentID()
	if id == "" && observed.Named != nil {
		id = observed.Named.ID
	}
	if id == "" {
		return
	}
	holder, err := r.holders.of(ctx, object, id, workspacePlace{observed.Host, observed.WorkspaceID})
	if err != nil {
		// It may not be written to without knowing which object manages it.
		observed.Blocked = &managed.Blocked{
			Reason: v1alpha1.ReasonRetryingAfterError, Message: err.Error(), RequeueAt: time.Now().Add(kubeReadRetryInterval),
		}
		return
	}
	observed.ManagedBy = holder
}

// kubeReadRetryInterval is the retry interval of a failed read from the Kubernetes API.
const kubeReadRetryInterval = 5 * time.Second
