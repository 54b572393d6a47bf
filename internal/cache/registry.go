package cache

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
	launch      launcher // nil before Start and after its end
	gates       map[string]*gate
	credentials map[credentialKey]*credential
	mirrors     map[mirrorKey]*mirror
	objects     map[Object]connection
}

// mirrorKey is whose eyes see a workspace: two principals may see different
// clusters.
type mirrorKey struct{ host, principal string }

// launcher runs something until the Registry ends, or until it is stopped.
type launcher func(run func(ctx context.Context)) (stop func())

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
	for _, m := range r.mirrors {
		m.stop = launch(m.run)
	}
	for _, c := range r.credentials {
		if c.sought() {
			r.introduce(c)
		}
	}
}

// NeedLeaderElection keeps all but the leader from calling Databricks.
func (r *Registry) NeedLeaderElection() bool { return true }

// Connect returns the Workspace of a credential, and from then on the object
// uses it. It never waits for a call. The first time that a credential is seen,
// Me is asked beside, within the request deadline, and all who want the
// credential hear when there is an answer; until then Connect returns a
// *WaitError. After that it answers from memory. A failure too is remembered,
// and asked for again with growing pauses; it is an *databricks.Error.
func (r *Registry) Connect(object Object, config databricks.Config) (*Workspace, error) {
	c, err := r.hold(object, config)
	if err != nil {
		return nil, err
	}
	if workspace := r.established(object, c); workspace != nil {
		return workspace, nil
	}
	principal, due, err := c.recognised(time.Now())
	if due {
		r.mu.Lock()
		r.introduce(c)
		r.mu.Unlock()
	}
	if err != nil {
		r.rejected(object, c, err)
		return nil, err
	}
	return r.establish(object, c, principal)
}

// introduce has Me asked beside, once the Registry runs.
func (r *Registry) introduce(c *credential) {
	if r.launch == nil {
		return
	}
	c.stop = r.launch(func(ctx context.Context) {
		if !c.introduce(ctx, r.options.RequestDeadline, r.options.Observer) || ctx.Err() != nil {
			return
		}
		r.mu.Lock()
		objects := slices.Collect(maps.Keys(c.objects))
		r.mu.Unlock()
		r.options.OnChange(objects)
	})
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
			m.stop = r.launch(m.run)
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
	c.stop()
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
