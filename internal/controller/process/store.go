package process

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/internal/restore"
)

// Store has a state of type S for each object of one kind.
//
// The key is the object's name and UID, so that another object of the same name gets
// nothing of it. The kind is no part of the key, because a store has the objects of one
// kind.
type Store[S any] struct {
	// mu guards objects.
	mu sync.Mutex
	// objects has the states of the objects of a name, which is one unless an object has
	// just been replaced.
	objects map[types.NamespacedName][]*entry[S]
}

// entry is the state of an object in one process.
type entry[S any] struct {
	uid   types.UID
	state S
	// version is the resource version that this process wrote last, at versionAt.
	version   string
	versionAt time.Time
	// stale counts the consecutive reconciles of a stale object.
	stale int
	// wroteAt is when the status was last written, and writes counts the writes since
	// writesSince, of which at most maxWrites are made in a window.
	wroteAt     time.Time
	writes      int
	maxWrites   int
	writesSince time.Time
}

// NewStore returns an empty store.
func NewStore[S any]() *Store[S] {
	return &Store[S]{objects: map[types.NamespacedName][]*entry[S]{}}
}

// Of returns the state of an object; the zero value if there is none.
func (s *Store[S]) Of(object client.Object) S { return s.read(object).state }

// Update changes the state of an object. Only one reconcile of an object runs at a time.
func (s *Store[S]) Update(object client.Object, change func(*S)) {
	s.update(object, func(known *entry[S]) { change(&known.state) })
}

// Replace drops everything about an object, whose newest version this is, except for a
// new state.
func (s *Store[S]) Replace(object client.Object, state S, now time.Time) {
	s.update(object, func(known *entry[S]) {
		*known = entry[S]{uid: object.GetUID(), state: state, version: object.GetResourceVersion(), versionAt: now}
	})
}

// Forget drops the state of all objects of a name.
func (s *Store[S]) Forget(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
}

func (s *Store[S]) read(object client.Object) entry[S] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.find(object); known != nil {
		return *known
	}
	return entry[S]{}
}

// find returns the entry of an object; nil if there is none.
func (s *Store[S]) find(object client.Object) *entry[S] {
	for _, known := range s.objects[client.ObjectKeyFromObject(object)] {
		if known.uid == object.GetUID() {
			return known
		}
	}
	return nil
}

func (s *Store[S]) update(object client.Object, change func(*entry[S])) entry[S] {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.find(object)
	if known == nil {
		known = &entry[S]{uid: object.GetUID()}
		key := client.ObjectKeyFromObject(object)
		s.objects[key] = append(s.objects[key], known)
	}
	change(known)
	return *known
}

// CacheLag is how long a reconcile waits for an informer cache that does not have this
// process's last write. After a restore of the control plane the cache never gets it.
const CacheLag = 10 * time.Second

// RecordVersion records the version of an object that this process has written.
func (s *Store[S]) RecordVersion(object client.Object) {
	s.RecordVersionAt(object, object.GetResourceVersion(), time.Now())
}

// RecordVersionAt records a version of an object that this process wrote at a time.
func (s *Store[S]) RecordVersionAt(object client.Object, version string, at time.Time) {
	s.update(object, func(known *entry[S]) { known.version, known.versionAt = version, at })
}

// IsAhead reports whether this process has written a newer version of the object than
// the informer cache has.
func (s *Store[S]) IsAhead(object client.Object) bool {
	known := s.read(object)
	if known.version == "" || time.Since(known.versionAt) > CacheLag {
		return false
	}
	return restore.IsOlder(object.GetResourceVersion(), known.version)
}

// IsBehind reports whether an object is older than the last version that this process
// wrote, and the informer cache had the time to get that.
func (s *Store[S]) IsBehind(object client.Object) bool {
	known := s.read(object)
	if known.version == "" || time.Since(known.versionAt) <= CacheLag {
		return false
	}
	return restore.IsOlder(object.GetResourceVersion(), known.version)
}

// CountStale counts a reconcile of a stale object and returns the number of consecutive
// ones.
func (s *Store[S]) CountStale(object client.Object) int {
	return s.update(object, func(known *entry[S]) { known.stale++ }).stale
}

// ResetStale records a reconcile of the newest version.
func (s *Store[S]) ResetStale(object client.Object) {
	if s.read(object).stale != 0 {
		s.update(object, func(known *entry[S]) { known.stale = 0 })
	}
}

// MaxWrites is the number of writes of one status in a window after which the next one
// waits for its end. Only another operator that reports something else needs as many.
// While that goes on, ContestedMaxWrites is the number in each further window.
const (
	MaxWrites          = 15
	ContestedMaxWrites = 5
)

// Wrote records that the object's status was written now.
func (s *Store[S]) Wrote(object client.Object, window time.Duration) {
	s.update(object, func(known *entry[S]) {
		now := time.Now()
		if age := now.Sub(known.writesSince); age >= window {
			next := MaxWrites
			if known.isUsedUp() && age < 2*window {
				next = ContestedMaxWrites
			}
			known.maxWrites, known.writes, known.writesSince = next, 0, now
		}
		known.wroteAt = now
		known.writes++
	})
}

// MayWriteAt returns when the status may be written again; zero: now.
func (s *Store[S]) MayWriteAt(object client.Object, window time.Duration) time.Time {
	known := s.read(object)
	if end := known.writesSince.Add(window); known.isUsedUp() && time.Now().Before(end) {
		return end
	}
	return time.Time{}
}

// isUsedUp reports whether the writes of the window are used up.
func (e *entry[S]) isUsedUp() bool { return e.writes > 0 && e.writes >= e.maxWrites }

// WroteWithin reports whether the status was written less than a duration ago.
func (s *Store[S]) WroteWithin(object client.Object, duration time.Duration) bool {
	return time.Since(s.read(object).wroteAt) < duration
}
