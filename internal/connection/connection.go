package connection

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// User is an object that uses a credential.
type User struct {
	// Kind is the object's kind, such as DatabricksCluster.
	Kind string
	// Namespace is empty for cluster-scoped kinds.
	Namespace, Name string
	// UID distinguishes an object from a later one of the same name.
	UID string
}

// NamespacedName returns the object's namespace and name.
func (u User) NamespacedName() types.NamespacedName {
	return types.NamespacedName{Namespace: u.Namespace, Name: u.Name}
}

// userKey is a User without its UID: at most one object of a name exists.
type userKey struct{ kind, namespace, name string }

func (u User) key() userKey { return userKey{u.Kind, u.Namespace, u.Name} }

func (k userKey) user(uid string) User { return User{k.kind, k.namespace, k.name, uid} }

// Request is the request of an object for a credential.
type Request struct {
	User User
	// Connection is the object's spec.connection; nil means the default Secret.
	Connection *v1alpha1.Connection
	// AdoptionField is the path of the field by which the object names a remote
	// object that was not created for it, such as spec.clusterID; empty if it names
	// none. A DatabricksWorkspace may refuse such objects.
	AdoptionField string
}

// Credential is a host and the credential for it, with its origin.
type Credential struct {
	Config databricks.Config
	Source Source
	// Rules is the DatabricksWorkspace that the credential belongs to, with what it
	// permits the object; nil for a credential of the object's own namespace. It must not
	// be changed.
	Rules *v1alpha1.DatabricksWorkspace
}

// Source is where a credential was read.
type Source struct {
	// Workspace is the name of the DatabricksWorkspace that the credential belongs
	// to; empty for a credential of the object's own namespace.
	Workspace string
	// Kind is Secret or ServiceAccount, Namespace and Name are the object's.
	Kind, Namespace, Name string
}

// Domain returns the authority domain of the credential. Two objects may share
// cached data only if their domains are equal and their credentials have the same
// fingerprint. The domain is empty for credentials of the objects' own namespaces
// and "databricksworkspace/<name>" for those of a DatabricksWorkspace.
func (s Source) Domain() string {
	if s.Workspace == "" {
		return ""
	}
	return "databricksworkspace/" + s.Workspace
}

// Blocked is why an object has no credential.
type Blocked struct {
	// Reason is a condition reason of api/v1alpha1.
	Reason string
	// Message is text for the condition. It contains no secret.
	Message string
	// Remedy is how a missing source is supplied; empty if Message has the remedy. It may
	// be impossible while the object's namespace is being deleted.
	Remedy string
	// Stalled reports that a change by the user or the platform team is needed.
	Stalled bool
	// Pending reports that the first read of the source is in progress. The object
	// is enqueued when the read ends, and its status needs no change until then.
	Pending bool
	// RetryAt is when the answer changes without an event; zero means never. For a
	// pending answer it is the deadline of the read.
	RetryAt time.Time
}

// Options configure a Resolver.
type Options struct {
	// DefaultSecret is the Secret of objects without spec.connection.
	DefaultSecret string
	// Workspaces enables spec.connection.workspaceRef.
	Workspaces bool
	// OperatorNamespace is the namespace of the Secrets of DatabricksWorkspaces.
	// OperatorServiceAccount is the operator's service account in this namespace.
	// Both are empty if unknown.
	OperatorNamespace, OperatorServiceAccount string
	// AllowedTokenAudiences are the audiences of service account tokens beside the
	// workspace's own.
	AllowedTokenAudiences []string
	// HostRules narrow the hosts of the objects' own credentials.
	HostRules HostRules
	// Intervals are how often sources are read.
	Intervals Intervals
	// Enqueue is called with each object whose credential changed. It must not
	// block.
	Enqueue func(User)
}

// Intervals are how often sources are read. Zero values mean the defaults.
type Intervals struct {
	// Refresh is how often a source that works is read again: 4 min.
	Refresh time.Duration
	// Retry is how often a source that is missing, invalid or rejected by the
	// workspace is read again: 7.5 s. A source whose workspace cannot be reached is
	// read half as often.
	Retry time.Duration
	// MinReread is the shortest time between two reads of an unusable source on
	// behalf of new objects, and the first retry after an error of the Kubernetes
	// API, which doubles up to four times Retry: 1 s.
	MinReread time.Duration
	// MissingGrace is how long a source may be missing before its objects stall:
	// 5 min.
	MissingGrace time.Duration
}

func (i Intervals) withDefaults() Intervals {
	for _, field := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&i.Refresh, 4 * time.Minute},
		{&i.Retry, 7500 * time.Millisecond},
		{&i.MinReread, time.Second},
		{&i.MissingGrace, 5 * time.Minute},
	} {
		if *field.value == 0 {
			*field.value = field.fallback
		}
	}
	return i
}

// Resolver finds the credentials of objects.
type Resolver struct {
	// workspaces reads DatabricksWorkspaces from the cache.
	workspaces client.Reader
	// uncached reads Secrets and namespaces.
	uncached client.Reader
	// tokens creates tokens of service accounts.
	tokens  client.SubResourceWriter
	options Options

	credentials *poller[sourceKey, sourceState]
	namespaces  *poller[string, labels.Set]

	// mu guards missingWorkspaces.
	mu sync.Mutex
	// missingWorkspaces has the objects whose DatabricksWorkspace does not exist.
	missingWorkspaces map[userKey]missingWorkspace
}

// New returns a Resolver. cached reads DatabricksWorkspaces, uncached reads
// Secrets and namespaces, and tokens writes the subresource token of service
// accounts.
func New(cached, uncached client.Reader, tokens client.SubResourceWriter, options Options) *Resolver {
	options.Intervals = options.Intervals.withDefaults()
	r := &Resolver{
		workspaces: cached, uncached: uncached, tokens: tokens, options: options,
		missingWorkspaces: map[userKey]missingWorkspace{},
	}
	r.credentials = newPoller(pollerOptions[sourceKey, sourceState]{
		read: r.readSource, equal: sourceState.equal, interval: r.sourceInterval,
		intervals: options.Intervals, enqueue: options.Enqueue,
	})
	r.namespaces = newPoller(pollerOptions[string, labels.Set]{
		read: r.readLabels, equal: equalLabels, interval: r.labelsInterval,
		intervals: options.Intervals, enqueue: options.Enqueue,
	})
	return r
}

// Start reads sources again when they are due, until ctx ends.
func (r *Resolver) Start(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(func() { r.credentials.run(ctx) })
	running.Go(func() { r.namespaces.run(ctx) })
	running.Wait()
	return nil
}

// Resolve returns the credential of an object, or why there is none. It reads the
// source if it was never read and no other call is reading it, or if the object
// is new to a source that was unusable at its last read. An object that is blocked
// by a DatabricksWorkspace no longer uses any credential when Resolve returns.
func (r *Resolver) Resolve(ctx context.Context, request Request) (Credential, *Blocked) {
	user, declared := request.User, request.Connection
	if declared != nil && declared.WorkspaceRef != nil {
		return r.resolveReference(ctx, request)
	}
	r.releaseReference(user)
	from := secretKey(user.Namespace, r.options.DefaultSecret)
	switch {
	case declared == nil:
	case declared.SecretRef != nil:
		from = secretKey(user.Namespace, declared.SecretRef.Name)
	case declared.WorkloadIdentity != nil:
		from = identityKey(user.Namespace, declared.WorkloadIdentity)
	}
	config, blocked := r.lookup(ctx, user, from)
	if blocked == nil {
		blocked = r.options.HostRules.check(user.Namespace, config)
	}
	if blocked != nil {
		config = databricks.Config{}
	}
	return Credential{Config: config, Source: from.source()}, blocked
}

// MarkRejected records that the workspace failed the credential of an object, so
// that its source is read again soon. Failures that neither the credential nor
// the host explains count only until the credential was accepted once.
func (r *Resolver) MarkRejected(user User, class databricks.Class) {
	switch class {
	case databricks.ClassUnauthenticated, databricks.ClassForbidden, databricks.ClassHost:
		r.credentials.mark(user, rejected)
	case databricks.ClassThrottled:
	default:
		r.credentials.mark(user, unreachable)
	}
}

// MarkAccepted records that the workspace accepts the credential of an object.
func (r *Resolver) MarkAccepted(user User) { r.credentials.mark(user, accepted) }

// Release ends an object's use of its sources. A User without UID matches any object
// of the name. A source without users is removed.
func (r *Resolver) Release(user User) {
	r.credentials.release(user)
	r.releaseReference(user)
}

// lookup returns the credential of a source for one of its users.
func (r *Resolver) lookup(ctx context.Context, user User, from sourceKey) (databricks.Config, *Blocked) {
	answer := r.credentials.get(ctx, user, from)
	switch {
	case answer.pending:
		return databricks.Config{}, pendingRead(from.String())
	case answer.err != nil:
		return databricks.Config{}, unreadable(from.String(), answer.err)
	case answer.value.presence == missing:
		return databricks.Config{}, r.missing(from.missing(), from.supply(), answer.since)
	}
	return answer.value.config, answer.value.blocked
}

// missing returns why an object is blocked whose source was missing since a time.
func (r *Resolver) missing(message, remedy string, since time.Time) *Blocked {
	blocked := &Blocked{Reason: v1alpha1.ReasonCredentialsNotReady, Message: message, Remedy: remedy}
	if end := since.Add(r.options.Intervals.MissingGrace); time.Now().Before(end) {
		blocked.RetryAt = end
	} else {
		blocked.Reason, blocked.Stalled = v1alpha1.ReasonCredentialsInvalid, true
	}
	return blocked
}

// pendingRead returns that the first read of a source is in progress.
func pendingRead(source string) *Blocked {
	return &Blocked{
		Reason:  v1alpha1.ReasonCredentialsNotReady,
		Message: "reading " + source,
		Pending: true,
		RetryAt: time.Now().Add(readTimeout),
	}
}

// unreadable returns that the Kubernetes API failed to return a source, which is
// read again with backoff.
func unreadable(source string, err error) *Blocked {
	return &Blocked{
		Reason:  v1alpha1.ReasonRetryingAfterError,
		Message: fmt.Sprintf("reading %s: %s", source, apiReason(err)),
	}
}

func misconfigured(format string, args ...any) *Blocked {
	return &Blocked{Reason: v1alpha1.ReasonCredentialsInvalid, Message: fmt.Sprintf(format, args...), Stalled: true}
}

func denied(format string, args ...any) *Blocked {
	return &Blocked{Reason: v1alpha1.ReasonPermissionDenied, Message: fmt.Sprintf(format, args...), Stalled: true}
}

// prefixed returns a copy with a prefix of the message. The argument may be shared.
func prefixed(blocked *Blocked, format string, args ...any) *Blocked {
	longer := *blocked
	longer.Message = fmt.Sprintf(format, args...) + blocked.Message
	return &longer
}
