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

// Registry finds the Workspace of a credential, and keeps each workspace's cache
// running for as long as an object needs it.
type Registry struct {
	options Options

	// mu guards everything below. It is taken before a cache's lock and a
	// credential's.
	mu          sync.Mutex
	launch      launcher // nil before Start and after its end
	limiters    map[limiterKey]*ratelimit.Limiter
	credentials map[credentialKey]*credential
	caches      map[cacheKey]*cache
	objects     map[Object]connection
}

// limiterKey: all credentials of one workspace share its request limit. The id is
// empty until it is known.
type limiterKey struct{ host, workspaceID string }

// launcher runs something until the Registry ends, or until it is stopped.
type launcher func(run func(ctx context.Context)) (stop func())

// connection is how an object reaches its workspace. While a new credential is not
// identified, the former one stays.
type connection struct{ established, pending *credential }

// NewRegistry makes a Registry without workspaces.
func NewRegistry(options Options) *Registry {
	return &Registry{
		options:     options.withDefaults(),
		limiters:    map[limiterKey]*ratelimit.Limiter{},
		credentials: map[credentialKey]*credential{},
		caches:      map[cacheKey]*cache{},
		objects:     map[Object]connection{},
	}
}

// Start runs the caches until ctx ends, and returns when the last of them stopped.
// What was connected before runs from then on.
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
	r.launchWith(nil) // nothing is launched from here on
	running.Wait()
	return nil
}

// launchWith sets how things run, and starts what is to run by now.
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
		if c.isIdentifying() {
			c.stop = launch(c.identify)
		}
	}
}

// NeedLeaderElection keeps all but the leader from calling Databricks.
func (r *Registry) NeedLeaderElection() bool { return true }

// Connect returns the Workspace of a credential, which the object uses from then on:
// its writes carry this credential and no other. domain keeps apart credentials that
// must never share what they see, such as a tenant's own and a DatabricksWorkspace's.
//
// Connect never waits for a call. The first time that a credential is seen, Me is
// called in the background, and all its objects are notified of the answer; until
// then Connect returns a *WaitError. A failure is remembered, and tried again with
// growing pauses; it is a *databricks.Error, also where a credential that worked is
// refused by now.
func (r *Registry) Connect(object Object, config databricks.Config, domain string) (*Workspace, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
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

// credential finds or makes the credential of a config, and records that the object
// uses it.
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
	had := r.objects[object]
	if had.established != c && had.pending != c {
		r.leave(object, had.pending, nil)
		r.objects[object] = connection{established: had.established, pending: c}
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
	c.launch = func(run func(ctx context.Context)) {
		// The caller holds the credential's lock, which is taken after the Registry's.
		go func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.launch != nil && r.credentials[key] == c {
				c.stop = r.launch(run)
			}
		}()
	}
	if r.launch != nil {
		c.stop = r.launch(c.identify)
	}
	return c
}

// notify notifies the objects of a credential: it was identified, or its acceptance
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

// establish makes an identified credential the one that the object uses.
func (r *Registry) establish(object Object, c *credential, principal databricks.Principal, authority string) *Workspace {
	had := r.objects[object]
	if had.established == c {
		r.leave(object, had.pending, nil)
		r.objects[object] = connection{established: c}
		return &Workspace{cache: c.cache, credential: c, object: object}
	}
	workspaceID := cmp.Or(principal.WorkspaceID, c.key.workspaceID)
	c.cache = r.cacheOf(cacheKey{c.key.host, workspaceID, c.key.domain, authority}, principal)
	c.mu.Lock()
	c.limiter = c.cache.limiter
	c.mu.Unlock()
	c.cache.join(object, c)
	r.objects[object] = connection{established: c}
	r.leave(object, had.established, c.cache)
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

// failed ends the use of a former credential once its successor is refused for good:
// a person replaced it on purpose.
func (r *Registry) failed(object Object, c *credential, err error) {
	had := r.objects[object]
	if _, waits := err.(*WaitError); waits || isTransient(err) || had.pending != c { //nolint:errorlint // made here, never wrapped
		return
	}
	r.objects[object] = connection{pending: c}
	r.leave(object, had.established, nil)
}

// Release ends what an object needs: it is gone, or has no connection. The last
// object of a workspace stops its cache, the last one of a credential drops its
// client.
func (r *Registry) Release(object Object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	had := r.objects[object]
	delete(r.objects, object)
	r.leave(object, had.established, nil)
	r.leave(object, had.pending, nil)
}

// leave ends an object's use of a credential, and of its cache unless the object goes
// on with that.
func (r *Registry) leave(object Object, c *credential, next *cache) {
	if c == nil {
		return
	}
	delete(c.objects, object)
	if at := c.cache; at != nil && at != next && at.leave(object) {
		at.stop()
		if r.caches[at.key] == at {
			delete(r.caches, at.key)
		}
	}
	if len(c.objects) > 0 {
		return
	}
	if c.cache != nil {
		c.cache.dismiss(c)
	}
	c.stop()
	if r.credentials[c.key] == c {
		delete(r.credentials, c.key)
	}
	r.pruneLimiters()
}

// pruneLimiters drops the limiters of workspaces that no credential is for.
func (r *Registry) pruneLimiters() {
	used := map[*ratelimit.Limiter]bool{}
	for _, c := range r.credentials {
		c.mu.Lock()
		used[c.limiter] = true
		c.mu.Unlock()
	}
	maps.DeleteFunc(r.limiters, func(_ limiterKey, l *ratelimit.Limiter) bool { return !used[l] })
}

// snapshot returns the caches and limiters there are, in no order.
func (r *Registry) snapshot() ([]*cache, map[limiterKey]*ratelimit.Limiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.caches)), maps.Clone(r.limiters)
}
