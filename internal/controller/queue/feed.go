package queue

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// Feed adds objects to one queue. It keeps the objects that are added before the queue
// exists.
type Feed struct {
	// IsAwaited reports whether a user waits for an object; nil means that no user does.
	// It is set before Source is called.
	IsAwaited func(types.NamespacedName) bool

	// mu guards queue and early.
	mu    sync.Mutex
	queue Queue
	early []types.NamespacedName
}

// Add adds an object whose data outside Kubernetes changed.
func (f *Feed) Add(key types.NamespacedName) {
	f.mu.Lock()
	to := f.queue
	if to == nil {
		f.early = append(f.early, key)
	}
	f.mu.Unlock()
	if to != nil {
		f.enqueue(to, key)
	}
}

func (f *Feed) enqueue(to Queue, key types.NamespacedName) {
	priority := PriorityChanged
	if f.IsAwaited != nil && f.IsAwaited(key) {
		priority = PriorityAwaited
	}
	Add(to, key, priority)
}

// Source returns the source by which a controller receives the objects.
func (f *Feed) Source() source.Source {
	return source.Func(func(_ context.Context, to Queue) error {
		f.mu.Lock()
		early := f.early
		f.queue, f.early = to, nil
		f.mu.Unlock()
		for _, key := range early {
			f.enqueue(to, key)
		}
		return nil
	})
}
