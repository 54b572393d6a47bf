package cache

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// Registry returns the Workspace of a credential and runs each cache while an object
// needs it.
type Registry struct {
	options Options

	// mu guards everything below. It is taken before the locks of caches and
	// credentials.
	mu          sync.Mutex
	launch      launcher // nil before Start and after its end
	limiters    map[limiterKey]*ratelimit.Limiter
	credentials map[credentialKey]*credential
	caches      map[cacheKey]*cache
	// objects are the connected objects.
	objects map[objectKey]connection
}

// limiterKey identifies the rate limiter that all credentials of a workspace share.
// workspaceID is empty until it is known.
type limiterKey struct{ host, workspaceID string }

// launcher runs a function until the Registry ends or stop is called.
type launcher func(run func(ctx context.Context)) (stop func())

// connection has the credentials of the object with a UID. The established one stays in
// use until the pending one is identified.
type connection struct {
	uid                  string
	established, pending *credential
}

// NewRegistry returns a Registry without workspaces.
func NewRegistry(options Options) *Registry {
	return &Registry{
		options:     options.withDefaults(),
		limiters:    map[limiterKey]*ratelimit.Limiter{},
		credentials: map[credentialKey]*credential{},
		caches:      map[cacheKey]*cache{},
		objects:     map[objectKey]connection{},
	}
}

// Start runs the caches, including those that were connected before, until ctx ends,
// and returns when all of them have stopped.
func (r *Registry) Start(ctx context.Context) error {
	var running sync.WaitGroup
	r.launchWith(func(run func(ctx context.Context)) func() {
		ctx, cancel := context.WithCancel(ctx)
		running.Go(func() {
			defer cancel()
			run(ctx)
		})
		return cancel
	})
	<-ctx.Done()
	r.launchWith(nil)
	running.Wait()
	return nil
}

// launchWith sets the launcher and runs the existing caches and credentials with it.
// A nil launcher prevents further launches.
func (r *Registry) launchWith(launch launcher) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.launch = launch
	if launch == nil {
		return
	}
	for _, c := range r.caches {
		c.stop = launch(c.run)
	}
	for _, c := range r.credentials {
		r.identify(c)
	}
}

// identify runs identify of a credential if it is needed and not running. The caller
// holds the Registry's lock.
func (r *Registry) identify(c *credential) {
	if r.launch != nil && c.claim() {
		c.stop = r.launch(c.identify)
	}
}

// NeedLeaderElection returns true: only the leader calls Databricks.
func (r *Registry) NeedLeaderElection() bool { return true }

// Connect returns the Workspace of a credential. All later writes of the object use
// this credential. domain separates credentials that must never share cached data,
// such as a tenant's own and that of a DatabricksWorkspace. An object of the same kind,
// namespace and name that has another UID is released first.
//
// Connect never waits for a call. It calls Me for a new credential in the background
// and returns a *WaitError until Me returns; then all objects of the credential are
// notified. If Me fails, Connect returns an *UnidentifiedError and Me is retried with
// backoff. It also does if the workspace has rejected a credential that worked before.
func (r *Registry) Connect(object Object, config databricks.Config, domain string) (*Workspace, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if former, exists := r.objects[object.key()]; exists && former.uid != object.UID {
		r.release(object.key())
	}
	c, err := r.credential(object, config, domain)
	if err != nil {
		return nil, err
	}
	principal, err := c.identity(time.Now())
	if err != nil {
		r.failed(object, c, err)
		return nil, err
	}
	return r.establish(object, c, principal, config.Authority()), nil
}

// credential returns the credential of a config, which it creates if necessary, and
// records that the object uses it.
func (r *Registry) credential(object Object, config databricks.Config, domain string) (*credential, error) {
	key := credentialKey{config.Host(), config.WorkspaceID(), domain, config.Fingerprint()}
	c := r.credentials[key]
	if c == nil {
		client, err := r.options.Dial(config)
		if err != nil {
			return nil, err
		}
		c = r.newCredential(key, client)
		r.credentials[key] = c
	}
	c.objects[object] = struct{}{}
	had := r.objects[object.key()]
	if had.established != c && had.pending != c {
		r.detach(object, had.pending, nil)
		r.objects[object.key()] = connection{uid: object.UID, established: had.established, pending: c}
	}
	return c, nil
}

func (r *Registry) newCredential(key credentialKey, client Client) *credential {
	now := time.Now()
	c := &credential{
		key: key, client: client, options: r.options, limiter: r.limiter(limiterKey{key.host, key.workspaceID}),
		objects: map[Object]struct{}{}, stop: func() {},
		identifying: true, since: now, waiting: "the workspace has not answered yet",
	}
	c.changed = r.notify
	c.launch = func() {
		// The caller holds the credential's lock, which is taken after the Registry's.
		go func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.credentials[key] == c {
				r.identify(c)
			}
		}()
	}
	r.identify(c)
	return c
}

// notify notifies the objects of a credential that was identified or whose acceptance
// changed.
func (r *Registry) notify(c *credential) {
	r.mu.Lock()
	objects := slices.Collect(maps.Keys(c.objects))
	at := c.cache
	r.mu.Unlock()
	if at != nil {
		at.mu.Lock()
		at.retryAll()
		at.mu.Unlock()
	}
	r.options.OnChange(objects)
}

func (r *Registry) limiter(key limiterKey) *ratelimit.Limiter {
	l := r.limiters[key]
	if l == nil {
		l = ratelimit.New(key.host, r.options.rateLimit())
		r.limiters[key] = l
	}
	return l
}

// establish makes an identified credential the established one of an object.
func (r *Registry) establish(object Object, c *credential, principal databricks.Principal, authority string) *Workspace {
	had := r.objects[object.key()]
	if had.established == c {
		r.detach(object, had.pending, nil)
		r.objects[object.key()] = connection{uid: object.UID, established: c}
		return &Workspace{cache: c.cache, credential: c, object: object}
	}
	workspaceID := cmp.Or(principal.WorkspaceID, c.key.workspaceID)
	c.cache = r.cacheOf(cacheKey{c.key.host, workspaceID, c.key.domain, authority}, principal)
	c.mu.Lock()
	c.limiter = c.cache.limiter
	c.mu.Unlock()
	c.cache.addSubscriber(object, c)
	r.objects[object.key()] = connection{uid: object.UID, established: c}
	r.detach(object, had.established, c.cache)
	return &Workspace{cache: c.cache, credential: c, object: object}
}

func (r *Registry) cacheOf(key cacheKey, principal databricks.Principal) *cache {
	c := r.caches[key]
	if c != nil {
		return c
	}
	c = newCache(key, principal, r.limiter(limiterKey{key.host, key.workspaceID}), r.options)
	r.caches[key] = c
	if r.launch != nil {
		c.stop = r.launch(c.run)
	}
	return c
}

// failed ends the use of the established credential if the pending one failed
// permanently, because a user replaced it on purpose.
func (r *Registry) failed(object Object, c *credential, err error) {
	had := r.objects[object.key()]
	if _, waits := err.(*WaitError); waits || isTransient(err) || had.pending != c { //nolint:errorlint // never wrapped
		return
	}
	r.objects[object.key()] = connection{uid: object.UID, pending: c}
	r.detach(object, had.established, nil)
}

// Release disconnects an object. An Object without UID matches the connected object of
// its kind, namespace and name. When the last object of a cache or a credential is
// released, the cache or the credential is stopped and removed.
func (r *Registry) Release(object Object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	connected, exists := r.objects[object.key()]
	if exists && (object.UID == "" || object.UID == connected.uid) {
		r.release(object.key())
	}
}

// release disconnects a connected object. The caller holds the Registry's lock.
func (r *Registry) release(key objectKey) {
	had := r.objects[key]
	delete(r.objects, key)
	object := key.object(had.uid)
	r.detach(object, had.established, nil)
	r.detach(object, had.pending, nil)
}

// detach ends an object's use of a credential, and of its cache unless that is the
// object's next cache.
func (r *Registry) detach(object Object, c *credential, next *cache) {
	if c == nil {
		return
	}
	delete(c.objects, object)
	if at := c.cache; at != nil && at != next && at.unsubscribe(object) {
		at.stop()
		if r.caches[at.key] == at {
			delete(r.caches, at.key)
		}
	}
	if len(c.objects) > 0 {
		return
	}
	if c.cache != nil {
		c.cache.removeCredential(c)
	}
	c.stop()
	if r.credentials[c.key] == c {
		delete(r.credentials, c.key)
	}
	r.pruneLimiters()
}

// pruneLimiters removes the limiters that no credential uses.
func (r *Registry) pruneLimiters() {
	used := map[*ratelimit.Limiter]bool{}
	for _, c := range r.credentials {
		c.mu.Lock()
		used[c.limiter] = true
		c.mu.Unlock()
	}
	maps.DeleteFunc(r.limiters, func(_ limiterKey, l *ratelimit.Limiter) bool { return !used[l] })
}

// snapshot returns the existing caches and limiters, in no order.
func (r *Registry) snapshot() ([]*cache, map[limiterKey]*ratelimit.Limiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.caches)), maps.Clone(r.limiters)
}
