package queue

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// gatePause is the requeue interval while the gate is closed.
const gatePause = 5 * time.Second

// Gated returns a reconciler that requeues every object while open returns false.
func Gated(inner reconcile.Reconciler, open func() bool) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
		if !open() {
			return ctrl.Result{RequeueAfter: gatePause}, nil
		}
		return inner.Reconcile(ctx, request)
	})
}
