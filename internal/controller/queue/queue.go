package queue

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Queue is the queue of a controller.
type Queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Objects are reconciled by priority, and within a priority in the order in which they
// were added. The objects that a new process finds have handler.LowPriority.
const (
	// PriorityAwaited is for objects that a user waits for.
	PriorityAwaited = 0
	// PriorityChanged is for objects whose data outside Kubernetes changed.
	PriorityChanged = handler.LowPriority / 2
)

// Add adds an object to a queue.
func Add(to Queue, key types.NamespacedName, priority int) {
	request := reconcile.Request{NamespacedName: key}
	if ordered, ok := to.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		ordered.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, request)
		return
	}
	to.Add(request)
}

// Now is the RequeueAfter of an object that is reconciled again at once.
const Now = time.Nanosecond

// After returns the RequeueAfter of an object that is reconciled again at a time. It is
// never 0, which would mean never.
func After(at time.Time) time.Duration { return max(time.Until(at), Now) }

// maxStalePause is the longest retry interval of a stale object.
const maxStalePause = 10 * time.Second

// StalePause returns the retry interval of an object whose newest version was not in the
// cache a number of times in a row. It begins with first and doubles, because a watch may
// hang. The event of the newest version enqueues the object earlier.
func StalePause(first time.Duration, times int) time.Duration {
	const doublings = 10
	return min(first<<min(times, doublings), maxStalePause)
}
