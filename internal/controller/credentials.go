package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// credentials reads the Secrets that objects name, one by one and uncached: the
// operator may not list Secrets. What was read is kept, and read again slowly,
// or quickly while something is wrong with it; a change brings back the objects
// that use it.
type credentials struct {
	reader  client.Reader
	enqueue func(types.NamespacedName)
	options CredentialOptions

	mu sync.Mutex
	// secrets are by the Secret's name, users by the object's.
	secrets map[types.NamespacedName]*secret
	users   map[types.NamespacedName]types.NamespacedName
}

// CredentialOptions say how soon a changed Secret is noticed.
type CredentialOptions struct {
	// Good is how often a Secret that works is read again: 4 min.
	Good time.Duration
	// Bad is how often a Secret that is missing, wrong or refused is: 15 s.
	Bad time.Duration
	// Patience is how long a Secret may be missing before that takes a person:
	// 5 min.
	Patience time.Duration
}

// secret is one Secret as it was last read.
type secret struct {
	version      string
	config       databricks.Config
	trouble      *plan.Trouble
	missingSince time.Time
	readAt       time.Time
	// refused tells that the workspace does not take the credential.
	refused bool
}

func newCredentials(reader client.Reader, enqueue func(types.NamespacedName), options CredentialOptions) *credentials {
	return &credentials{
		reader:  reader,
		enqueue: enqueue,
		options: options,
		secrets: map[types.NamespacedName]*secret{},
		users:   map[types.NamespacedName]types.NamespacedName{},
	}
}

// lookup is the credential that a Secret holds, for one of its users.
func (c *credentials) lookup(ctx context.Context, user, name types.NamespacedName) (databricks.Config, *plan.Trouble) {
	c.mu.Lock()
	c.users[user] = name
	known, read := c.secrets[name]
	c.mu.Unlock()
	if !read {
		known = c.read(ctx, name, nil)
		c.mu.Lock()
		c.secrets[name] = known
		c.mu.Unlock()
	}
	return known.config, c.troubleOf(known)
}

// troubleOf is what is wrong with a Secret. One that is missing may be on its
// way, for a while.
func (c *credentials) troubleOf(known *secret) *plan.Trouble {
	if known.missingSince.IsZero() {
		return known.trouble
	}
	trouble := *known.trouble
	if patience := known.missingSince.Add(c.options.Patience); time.Now().Before(patience) {
		trouble.Again = patience
	} else {
		trouble.Reason, trouble.Stalled = v1alpha1.ReasonCredentialsInvalid, true
	}
	return &trouble
}

// read reads one Secret. before is what it was, or nil.
func (c *credentials) read(ctx context.Context, name types.NamespacedName, before *secret) *secret {
	now := &secret{readAt: time.Now()}
	var object corev1.Secret
	switch err := c.reader.Get(ctx, name, &object); {
	case apierrors.IsNotFound(err):
		now.missingSince = now.readAt
		if before != nil && !before.missingSince.IsZero() {
			now.missingSince = before.missingSince
		}
		now.trouble = &plan.Trouble{
			Reason: v1alpha1.ReasonCredentialsNotReady,
			Message: fmt.Sprintf("Secret %q does not exist in namespace %s; create it with the keys DATABRICKS_HOST and DATABRICKS_TOKEN, "+
				"or name another in spec.connection.secretRef", name.Name, name.Namespace),
		}
	case err != nil:
		if before != nil {
			before.readAt = now.readAt
			return before
		}
		now.trouble = &plan.Trouble{
			Reason:  v1alpha1.ReasonRetryingAfterError,
			Message: fmt.Sprintf("reading Secret %q: %s", name.Name, apierrors.ReasonForError(err)),
		}
	default:
		now.version = object.ResourceVersion
		now.config, now.trouble = parse(&object)
	}
	return now
}

func parse(object *corev1.Secret) (databricks.Config, *plan.Trouble) {
	config, err := databricks.ParseSecret(object.Data)
	if err != nil {
		return databricks.Config{}, &plan.Trouble{
			Reason:  v1alpha1.ReasonCredentialsInvalid,
			Message: fmt.Sprintf("Secret %q: %s", object.Name, err),
			Stalled: true,
		}
	}
	return config, nil
}

// doubt has a Secret read again soon: the workspace refuses what it holds.
func (c *credentials) doubt(cluster *v1alpha1.DatabricksCluster, class databricks.Class) {
	if class != databricks.ClassUnauthenticated && class != databricks.ClassForbidden {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.secrets[c.users[client.ObjectKeyFromObject(cluster)]]; ok {
		known.refused = true
	}
}

// release ends an object's use of its Secret.
func (c *credentials) release(user types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.users, user)
}

// Start reads Secrets again as they come due, until ctx ends.
func (c *credentials) Start(ctx context.Context) error {
	ticker := time.NewTicker(c.options.Bad / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			for _, name := range c.due() {
				c.refresh(ctx, name)
			}
		}
	}
}

// due are the Secrets that were not read for long; those that nobody uses any
// more are dropped.
func (c *credentials) due() []types.NamespacedName {
	c.mu.Lock()
	defer c.mu.Unlock()
	used := map[types.NamespacedName]bool{}
	for _, name := range c.users {
		used[name] = true
	}
	var due []types.NamespacedName
	for name, known := range c.secrets {
		every := c.options.Good
		if known.trouble != nil || known.refused {
			every = c.options.Bad / 2
		}
		switch {
		case !used[name]:
			delete(c.secrets, name)
		case time.Since(known.readAt) >= every:
			due = append(due, name)
		}
	}
	return due
}

// refresh reads a Secret again, and brings back its users if it changed.
func (c *credentials) refresh(ctx context.Context, name types.NamespacedName) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Bad)
	defer cancel()
	c.mu.Lock()
	before := c.secrets[name]
	c.mu.Unlock()
	if before == nil {
		return
	}
	after := c.read(ctx, name, before)
	changed := before.version != after.version || before.missingSince.IsZero() != after.missingSince.IsZero()
	c.mu.Lock()
	after.refused = before.refused && !changed
	c.secrets[name] = after
	var users []types.NamespacedName
	for user, used := range c.users {
		if changed && used == name {
			users = append(users, user)
		}
	}
	c.mu.Unlock()
	for _, user := range users {
		c.enqueue(user)
	}
}
