package kubewrite

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// RefusedError is a conflict without a newer version of the object, which means that
// admission refused the write.
type RefusedError struct{ error }

// Unwrap returns the API server's answer.
func (e *RefusedError) Unwrap() error { return e.error }

// Classified returns the error of a write of the version of an object that was read. A conflict
// although the API server has no newer version is a *RefusedError: another read would not
// help, so it backs off as a refusal does. newest is an empty object, which receives the
// newest version after a conflict. uncached reads from the API server.
func Classified(ctx context.Context, uncached client.Reader, read, newest client.Object, err error) error {
	if !apierrors.IsConflict(err) {
		return err
	}
	if failed := uncached.Get(ctx, client.ObjectKeyFromObject(read), newest); failed != nil {
		return err
	}
	if newest.GetUID() != read.GetUID() || newest.GetResourceVersion() != read.GetResourceVersion() {
		return err
	}
	return &RefusedError{err}
}
