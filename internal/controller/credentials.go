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
// that use it. Service accounts are treated alike.
type credentials struct {
	reader client.Reader
	// tokens makes tokens of service accounts.
	tokens  client.SubResourceWriter
	enqueue func(types.NamespacedName)
	options CredentialOptions

	mu sync.Mutex
	// known is what was read, users the objects and what each of them uses.
	known map[credentialSource]*credential
	users map[types.NamespacedName]credentialSource
}

// credentialSource is where a credential comes from: a Secret, or an identity that
// Kubernetes vouches for. One of them is set.
type credentialSource struct {
	secret   types.NamespacedName
	identity identity
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

// credential is a source as it was last read.
type credential struct {
	// version is a Secret's.
	version      string
	config       databricks.Config
	trouble      *plan.Trouble
	missingSince time.Time
	readAt       time.Time
	// refused tells that the workspace does not take the credential.
	refused bool
}

func newCredentials(
	reader client.Reader, tokens client.SubResourceWriter, enqueue func(types.NamespacedName), options CredentialOptions,
) *credentials {
	return &credentials{
		reader:  reader,
		tokens:  tokens,
		enqueue: enqueue,
		options: options,
		known:   map[credentialSource]*credential{},
		users:   map[types.NamespacedName]credentialSource{},
	}
}

// lookup is the credential of a source, for one of its users.
func (c *credentials) lookup(ctx context.Context, user types.NamespacedName, from credentialSource) (databricks.Config, *plan.Trouble) {
	c.mu.Lock()
	c.users[user] = from
	known, read := c.known[from]
	c.mu.Unlock()
	if !read {
		known = c.read(ctx, from, nil)
		c.mu.Lock()
		c.known[from] = known
		c.mu.Unlock()
	}
	return known.config, c.troubleOf(known)
}

// troubleOf is what is wrong with a source. One that is missing may be on its
// way, for a while.
func (c *credentials) troubleOf(known *credential) *plan.Trouble {
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

// read looks at a source anew. before is what it was, or nil.
func (c *credentials) read(ctx context.Context, from credentialSource, before *credential) *credential {
	ctx, cancel := context.WithTimeout(ctx, c.options.Bad)
	defer cancel()
	now := &credential{readAt: time.Now()}
	var err error
	if from.identity != (identity{}) {
		now.config, now.trouble, err = c.vouch(ctx, from)
	} else {
		err = c.readSecret(ctx, from.secret, now)
	}
	switch {
	case apierrors.IsNotFound(err):
		now.missingSince = now.readAt
		if before != nil && !before.missingSince.IsZero() {
			now.missingSince = before.missingSince
		}
		now.trouble = &plan.Trouble{Reason: v1alpha1.ReasonCredentialsNotReady, Message: from.missing()}
	case err != nil && before != nil:
		// What was known stands until something else is.
		now.version, now.config, now.trouble, now.missingSince = before.version, before.config, before.trouble, before.missingSince
	case err != nil:
		now.trouble = &plan.Trouble{
			Reason:  v1alpha1.ReasonRetryingAfterError,
			Message: fmt.Sprintf("reading %s: %s", from, apierrors.ReasonForError(err)),
		}
	}
	return now
}

// String names the source for people.
func (s credentialSource) String() string {
	if s.identity != (identity{}) {
		return fmt.Sprintf("service account %q", s.identity.account.Name)
	}
	return fmt.Sprintf("Secret %q", s.secret.Name)
}

// missing says that there is no such source, and the way out.
func (s credentialSource) missing() string {
	if account := s.identity.account; account.Name != "" {
		return fmt.Sprintf("%s does not exist in namespace %s; create it, or name another", s, account.Namespace)
	}
	return fmt.Sprintf("%s does not exist in namespace %s; create it with the keys DATABRICKS_HOST and DATABRICKS_TOKEN, "+
		"or name another by secretRef", s, s.secret.Namespace)
}

func (c *credentials) readSecret(ctx context.Context, name types.NamespacedName, into *credential) error {
	var object corev1.Secret
	if err := c.reader.Get(ctx, name, &object); err != nil {
		return err
	}
	into.version = object.ResourceVersion
	into.config, into.trouble = parse(&object)
	return nil
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
func (c *credentials) doubt(user types.NamespacedName, class databricks.Class) {
	if class != databricks.ClassUnauthenticated && class != databricks.ClassForbidden {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.known[c.users[user]]; ok {
		known.refused = true
	}
}

// trust ends the doubt: the workspace takes what the Secret holds.
func (c *credentials) trust(user types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.known[c.users[user]]; ok {
		known.refused = false
	}
}

// release ends an object's use of its credential.
func (c *credentials) release(user types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.users, user)
}

// Start reads again what comes due, until ctx ends.
func (c *credentials) Start(ctx context.Context) error {
	ticker := time.NewTicker(c.options.Bad / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			for _, from := range c.due() {
				c.refresh(ctx, from)
			}
		}
	}
}

// due are the sources that were not read for long; those that nobody uses any
// more are dropped.
func (c *credentials) due() []credentialSource {
	c.mu.Lock()
	defer c.mu.Unlock()
	used := map[credentialSource]bool{}
	for _, from := range c.users {
		used[from] = true
	}
	var due []credentialSource
	for from, known := range c.known {
		every := c.options.Good
		if known.trouble != nil || known.refused {
			every = c.options.Bad / 2
		}
		// A service account that was found has no news: its tokens are made when
		// they are needed.
		settled := from.identity != (identity{}) && known.trouble == nil
		switch {
		case !used[from]:
			delete(c.known, from)
		case !settled && time.Since(known.readAt) >= every:
			due = append(due, from)
		}
	}
	return due
}

// refresh reads a source again, and brings back its users if it changed.
func (c *credentials) refresh(ctx context.Context, from credentialSource) {
	c.mu.Lock()
	before := c.known[from]
	c.mu.Unlock()
	if before != nil {
		c.replace(from, before, c.read(ctx, from, before))
	}
}

// replace notes what was read, and brings back the users of what changed.
func (c *credentials) replace(from credentialSource, before, after *credential) {
	changed := before.version != after.version || before.told() != after.told()
	c.mu.Lock()
	after.refused = before.refused && !changed
	c.known[from] = after
	var users []types.NamespacedName
	for user, used := range c.users {
		if changed && used == from {
			users = append(users, user)
		}
	}
	c.mu.Unlock()
	for _, user := range users {
		c.enqueue(user)
	}
}

// told is what is wrong, in words; "" for nothing.
func (c *credential) told() string {
	if c.trouble == nil {
		return ""
	}
	return c.trouble.Message
}
