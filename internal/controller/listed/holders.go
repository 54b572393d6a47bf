package listed

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// indexRemoteID is the index of objects by the remote object in their status or, without
// one, in their specification. Objects that name none have unbound.
const indexRemoteID = "remoteID"

// unbound is the value of indexRemoteID without a remote object. It is no valid id.
const unbound = "-"

// holders finds the objects that manage the same remote object.
type holders struct {
	kind   *managed.Kind
	reader client.Reader
}

// workspacePlace identifies a workspace, in which the ids of remote objects are unique. The
// workspace id is empty if it is unknown.
type workspacePlace struct{ host, workspaceID string }

// has reports whether the remote object of an object may be in the workspace.
func (p workspacePlace) has(object managed.Object) bool {
	bound := object.Status
	sameHost := bound.Host == "" || bound.Host == p.host
	return sameHost && (bound.WorkspaceID == "" || p.workspaceID == "" || bound.WorkspaceID == p.workspaceID)
}

// of returns the object that already manages a remote object of a workspace, or the older
// one of two such objects; "" if there is none.
func (h holders) of(ctx context.Context, object managed.Object, id string, in workspacePlace) (string, error) {
	all, err := h.with(ctx, id)
	if err != nil {
		return "", err
	}
	for _, other := range all {
		isRival := other.GetUID() != object.GetUID() && other.Holds(h.kind) && *other.ID == id && in.has(other)
		if isRival && (*object.ID != id || isOlder(other, object)) {
			return other.GetNamespace() + "/" + other.GetName(), nil
		}
	}
	return "", nil
}

// with returns the objects with a value of indexRemoteID.
func (h holders) with(ctx context.Context, id string) ([]managed.Object, error) {
	return h.list(ctx, client.MatchingFields{indexRemoteID: id})
}

// all returns all objects of the kind.
func (h holders) all(ctx context.Context) ([]managed.Object, error) { return h.list(ctx) }

// list returns objects that are shared with the informer cache and only read.
func (h holders) list(ctx context.Context, options ...client.ListOption) ([]managed.Object, error) {
	list := h.kind.NewList()
	if err := h.reader.List(ctx, list, append(options, client.UnsafeDisableDeepCopy)...); err != nil {
		return nil, fmt.Errorf("list the objects of kind %s: %w", h.kind.Name, err)
	}
	var objects []managed.Object
	err := meta.EachListItem(list, func(item runtime.Object) error {
		if resource, ok := item.(managed.Resource); ok {
			objects = append(objects, h.kind.View(resource))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read a list of objects: %w", err)
	}
	return objects, nil
}

// isOlder reports whether a is older than b. Objects of the same age are ordered by UID.
func isOlder(a, b managed.Object) bool {
	first, second := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if first.Equal(&second) {
		return a.GetUID() < b.GetUID()
	}
	return first.Before(&second)
}
