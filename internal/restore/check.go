package restore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// ErrRestored ends a process whose API server went back in time.
var ErrRestored = errors.New("the API server's store went back in time, as after a restore of etcd; the next process reads everything anew")

const (
	// Every is the time between two looks at the version of the store.
	Every = 30 * time.Second
	// readTimeout bounds one look.
	readTimeout = 10 * time.Second
)

// Check is a manager's runnable that compares the version of the store with the newest one
// that it saw, by itself or in an object of the informers. Consistent reads never return
// an older one, whichever API server answers.
type Check struct {
	// Reader is not cached.
	Reader client.Reader
	// Informers bring the objects; nil: none.
	Informers cache.Informers
	// Namespace is one that the operator may list; empty: all.
	Namespace string
	// Every is the time between two looks.
	Every time.Duration

	// followed is the informer; nil: none.
	followed cache.Informer
	// missing is the newest change of the last look, if the store did not have its object.
	missing change
	// mu guards the fields below: the newest version, and the change with the newest
	// version that the informer brought; without a version there is none.
	mu           sync.Mutex
	newest       string
	newestChange change
}

// change is the version that a change of an object, or its deletion, gave the store.
type change struct {
	client.ObjectKey
	version   string
	isDeleted bool
}

// Start looks until ctx ends or the store went back in time, which is ErrRestored. A look
// that fails has no effect.
func (c *Check) Start(ctx context.Context) error {
	if err := c.follow(ctx); err != nil {
		return err
	}
	ticker := time.NewTicker(c.Every)
	defer ticker.Stop()
	for {
		if err := c.look(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// NeedLeaderElection lets standbys look as well, since their informers are as old.
func (c *Check) NeedLeaderElection() bool { return false }

// look compares the version of the store, and that of the object that changed last. The
// first may be newer again, by what others wrote since the restore.
func (c *Check) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	err := errors.Join(c.lookAtStore(ctx), c.lookAtNewestChange(ctx))
	if err != nil && !errors.Is(err, ErrRestored) {
		log.FromContext(ctx).V(1).Info("the version of the API server's store is not known", "error", err.Error())
		return nil
	}
	return err
}

func (c *Check) lookAtStore(ctx context.Context) error {
	if synced, ok := c.followed.(interface{ LastSyncResourceVersion() string }); ok {
		// Read before the list, which is at least as new: what the informer has may come
		// from a list without objects.
		c.see(synced.LastSyncResourceVersion())
	}
	// What the informer brings while the list is on its way may be newer than the list.
	before := c.seen()
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.ClusterKind + "List"))
	if err := c.Reader.List(ctx, list, client.InNamespace(c.Namespace), client.Limit(1)); err != nil {
		return err //nolint:wrapcheck // it is logged
	}
	if IsOlder(list.ResourceVersion, before) {
		return fmt.Errorf("%w (version %s after %s)", ErrRestored, list.ResourceVersion, before)
	}
	c.see(list.ResourceVersion)
	return nil
}

// lookAtNewestChange compares the object of the newest change with the one of the store,
// which a restore sets back, also after its deletion. One that is missing was deleted,
// which the informer may not know yet. It does at the next look, unless its watch follows
// the store from before a restore.
func (c *Check) lookAtNewestChange(ctx context.Context) error {
	known, missing := c.newestSeen(), c.missing
	c.missing = change{}
	if known.version == "" {
		return nil
	}
	stored := &metav1.PartialObjectMetadata{}
	stored.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.ClusterKind))
	switch err := c.Reader.Get(ctx, known.ObjectKey, stored); {
	case apierrors.IsNotFound(err) && known.isDeleted:
		return nil
	case apierrors.IsNotFound(err) && missing == known:
		return fmt.Errorf("%w (%s of version %s is missing)", ErrRestored, known.ObjectKey, known.version)
	case apierrors.IsNotFound(err):
		c.missing = known
	case err != nil:
		return err //nolint:wrapcheck // it is logged
	case IsOlder(stored.ResourceVersion, known.version):
		return fmt.Errorf("%w (%s has version %s after %s)", ErrRestored, known.ObjectKey, stored.ResourceVersion, known.version)
	}
	return nil
}

// follow sees the versions of all objects that the informers bring.
func (c *Check) follow(ctx context.Context) error {
	if c.Informers == nil {
		return nil
	}
	informer, err := c.Informers.GetInformer(ctx, &v1alpha1.DatabricksCluster{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("follow the versions of the objects: %w", err)
	}
	c.followed = informer
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    c.seeObject,
		UpdateFunc: func(_, brought any) { c.seeObject(brought) },
		DeleteFunc: c.seeDeletion,
	})
	if err != nil {
		return fmt.Errorf("follow the versions of the objects: %w", err)
	}
	return nil
}

func (c *Check) seeObject(brought any) {
	if known, ok := brought.(client.Object); ok {
		c.seeChange(change{ObjectKey: client.ObjectKeyFromObject(known), version: known.GetResourceVersion()})
	}
}

// seeDeletion sees the version of a deletion, which is that of its event. The version of a
// deletion that the informer has missed is not known, which ends the comparison of its
// object.
func (c *Check) seeDeletion(gone any) {
	unseen, isMissed := gone.(toolscache.DeletedFinalStateUnknown)
	if isMissed {
		gone = unseen.Obj
	}
	known, ok := gone.(client.Object)
	if !ok {
		return
	}
	deletion := change{ObjectKey: client.ObjectKeyFromObject(known), version: known.GetResourceVersion(), isDeleted: true}
	if isMissed {
		deletion.version = ""
	}
	c.seeChange(deletion)
}

// seeChange keeps the newest change. One of the same object replaces it also if it is
// older: the watch began again, so the informer has what the store has.
func (c *Check) seeChange(is change) {
	c.see(is.version)
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.newestChange
	if before.version == "" && isVersion(is.version) || IsOlder(before.version, is.version) || is.ObjectKey == before.ObjectKey {
		c.newestChange = is
	}
}

// newestSeen returns the newest change; without a version there is none.
func (c *Check) newestSeen() change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newestChange
}

// see keeps the newest version.
func (c *Check) see(version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.newest == "" && isVersion(version) || IsOlder(c.newest, version) {
		c.newest = version
	}
}

// seen returns the newest version so far; empty: there is none.
func (c *Check) seen() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newest
}

// IsOlder reports whether a resource version is older than another one. Text that is no
// version is not.
func IsOlder(version, than string) bool {
	order, err := resourceversion.CompareResourceVersion(version, than)
	return err == nil && order < 0
}

func isVersion(version string) bool {
	_, err := resourceversion.CompareResourceVersion(version, version)
	return err == nil
}
