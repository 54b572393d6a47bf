package workspace

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// Registry finds the Workspace of a credential, and keeps each workspace
// watched for as long as an object needs it.
type Registry struct {
	options Options

	mu          sync.Mutex
	launch      func(m *mirror) // starts a mirror; nil before Start and after its end
	gates       map[string]*gate
	credentials map[credentialKey]*credential
	mirrors     map[mirrorKey]*mirror
	objects     map[Object]connection
}

// mirrorKey is whose eyes see a workspace: two principals may see different
// clusters.
type mirrorKey struct{ host, principal string }

// connection is how an object reaches its workspace. While a new credential has
// not been recognised, the former one stays.
type connection struct{ established, pending *credential }

// NewRegistry makes a Registry that watches nothing yet.
func NewRegistry(options Options) *Registry {
	return &Registry{
		options:     options.withDefaults(),
		gates:       map[string]*gate{},
		credentials: map[credentialKey]*credential{},
		mirrors:     map[mirrorKey]*mirror{},
		objects:     map[Object]connection{},
	}
}

// Start watches workspaces until ctx ends, and returns when the last of them is
// let go. What was connected before is watched from then on.
func (r *Registry) Start(ctx context.Context) error {
	var running sync.WaitGroup
	r.launchWith(func(m *mirror) {
		ctx, cancel := context.WithCancel(ctx)
		m.stop = cancel
		running.Go(func() { m.run(ctx) })
	})
	<-ctx.Done()
	r.launchWith(nil) // nothing is launched from here on
	running.Wait()
	return nil
}

// launchWith sets how mirrors start, and starts those there are.
func (r *Registry) launchWith(launch func(m *mirror)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.launch = launch
	if launch == nil {
		return
	}
	for _, m := range r.mirrors {
		launch(m)
	}
}

// NeedLeaderElection keeps all but the leader from calling Databricks.
func (r *Registry) NeedLeaderElection() bool { return true }

// Connect returns the Workspace of a credential, and from then on the object
// uses it. The first time that a credential is seen it asks Me: one call,
// bounded by ctx and by the request deadline. After that it answers from memory;
// a failure too is remembered, and asked for again with growing pauses, in which
// Connect returns it at no cost. The error is an *databricks.Error, or a
// *WaitError where the call may not be made yet.
func (r *Registry) Connect(ctx context.Context, object Object, config databricks.Config) (*Workspace, error) {
	c, err := r.hold(object, config)
	if err != nil {
		return nil, err
	}
	if workspace := r.established(object, c); workspace != nil {
		return workspace, nil
	}
	principal, err := c.identify(ctx, r.options.RequestDeadline, r.options.Observer)
	if err != nil {
		r.rejected(object, c, err)
		return nil, err
	}
	return r.establish(object, c, principal)
}

// Release drops what an object needs: it is gone, or speaks to nobody. The last
// object of a workspace stops its mirror, the last one of a credential lets go
// of its client.
func (r *Registry) Release(object Object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	had := r.objects[object]
	delete(r.objects, object)
	r.leave(object, had.established)
	r.leave(object, had.pending)
}

// hold finds or makes the credential of a config, and notes that the object
// wants it.
func (r *Registry) hold(object Object, config databricks.Config) (*credential, error) {
	key := credentialKey{config.Host(), config.Fingerprint()}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.credentials[key]
	if c == nil {
		client, err := r.options.Dial(config)
		if err != nil {
			return nil, err
		}
		c = newCredential(key, client, r.gate(key.host))
		r.credentials[key] = c
	}
	c.objects[object] = struct{}{}
	had := r.objects[object]
	if had.established == c {
		r.leavePending(object)
		return c, nil
	}
	if had.pending != c {
		r.leavePending(object)
		r.objects[object] = connection{established: had.established, pending: c}
	}
	return c, nil
}

func (r *Registry) gate(host string) *gate {
	g := r.gates[host]
	if g == nil {
		g = newGate(host, r.options)
		r.gates[host] = g
	}
	return g
}

// established is the workspace of an object that already uses c; else nil.
func (r *Registry) established(object Object, c *credential) *Workspace {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.objects[object].established != c {
		return nil
	}
	return &c.mirror.workspace
}

// establish makes a recognised credential the one that the object uses.
func (r *Registry) establish(object Object, c *credential, principal databricks.Principal) (*Workspace, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	had := r.objects[object]
	if had.pending != c && had.established != c {
		return nil, &WaitError{At: time.Now(), Reason: "the object was released meanwhile"}
	}
	key := mirrorKey{c.key.host, principal.ID}
	m := r.mirrors[key]
	if m == nil {
		m = newMirror(key.host, principal, r.options)
		r.mirrors[key] = m
		if r.launch != nil {
			r.launch(m)
		}
	}
	c.mirror = m
	m.join(object, c)
	r.objects[object] = connection{established: c}
	if had.established != c {
		r.leaveFor(object, had.established, m)
	}
	return &m.workspace, nil
}

// rejected ends the use of a former credential once its successor is refused
// for good: whoever took it away meant it.
func (r *Registry) rejected(object Object, c *credential, err error) {
	if _, waits := err.(*WaitError); waits || passing(err) { //nolint:errorlint // made here, never wrapped
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	had := r.objects[object]
	if had.pending != c {
		return
	}
	r.objects[object] = connection{pending: c}
	r.leave(object, had.established)
}

func (r *Registry) leavePending(object Object) {
	had := r.objects[object]
	r.objects[object] = connection{established: had.established}
	r.leave(object, had.pending)
}

// leave ends an object's use of a credential and of its mirror.
func (r *Registry) leave(object Object, c *credential) { r.leaveFor(object, c, nil) }

// leaveFor ends an object's use of a credential, and of its mirror unless that
// is the one it goes on with.
func (r *Registry) leaveFor(object Object, c *credential, next *mirror) {
	if c == nil {
		return
	}
	delete(c.objects, object)
	if m := c.mirror; m != nil && m != next && m.leave(object) {
		m.stop()
		if r.mirrors[m.key()] == m {
			delete(r.mirrors, m.key())
		}
	}
	if len(c.objects) > 0 {
		return
	}
	if c.mirror != nil {
		c.mirror.dismiss(c)
	}
	if r.credentials[c.key] == c {
		delete(r.credentials, c.key)
	}
	if !r.used(c.key.host) {
		delete(r.gates, c.key.host)
	}
}

func (r *Registry) used(host string) bool {
	for key := range r.credentials {
		if key.host == host {
			return true
		}
	}
	return false
}

// snapshot is the mirrors and gates there are, in no order.
func (r *Registry) snapshot() ([]*mirror, []*gate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.mirrors)), slices.Collect(maps.Values(r.gates))
}
