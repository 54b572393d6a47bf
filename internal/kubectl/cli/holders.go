package cli

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
)

// holders finds the objects that manage the same cluster, policy or pool, as far as the user
// may see them. It reads each list once.
type holders struct {
	kube client.Client
	// seen are the objects of a kind, by the namespace that was listed; "" for all.
	seen map[holderList][]target.Object
	// isPartial is set once the user could list one namespace only.
	isPartial bool
}

type holderList struct {
	kind      *target.Kind
	namespace string
}

func newHolders(kube client.Client) *holders {
	return &holders{kube: kube, seen: map[holderList][]target.Object{}}
}

// of returns the other object that manages what has an id in a workspace, or the older one of
// two such objects, as namespace/name; "": none is visible.
func (h *holders) of(ctx context.Context, object target.Object, id, host string) (string, error) {
	if id == "" {
		return "", nil
	}
	all, err := h.list(ctx, holderList{kind: object.Kind})
	if apierrors.IsForbidden(err) {
		h.isPartial = true
		all, err = h.list(ctx, holderList{object.Kind, object.GetNamespace()})
	}
	if apierrors.IsForbidden(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for another object that manages %s %s: %w", object.Kind.Noun, id, err)
	}
	for _, other := range all {
		isSame := other.GetNamespace() == object.GetNamespace() && other.GetName() == object.GetName()
		if !isSame && holds(other, id, host) && (object.ID != id || isOlder(other, object)) {
			return other.GetNamespace() + "/" + other.GetName(), nil
		}
	}
	return "", nil
}

// holds reports whether an object prevents others from managing what has an id.
func holds(other target.Object, id, host string) bool {
	hasFinalizer := slices.Contains(other.GetFinalizers(), other.Kind.Finalizer)
	return other.ID == id && (other.Host == "" || other.Host == host) && !other.IsObserving() && hasFinalizer
}

// isOlder reports whether a is older than b. Objects of the same age are ordered by UID.
func isOlder(a, b target.Object) bool {
	first, second := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if first.Equal(&second) {
		return a.GetUID() < b.GetUID()
	}
	return first.Before(&second)
}

func (h *holders) list(ctx context.Context, of holderList) ([]target.Object, error) {
	if known, isKnown := h.seen[of]; isKnown {
		return known, nil
	}
	list := of.kind.NewList()
	if err := h.kube.List(ctx, list, client.InNamespace(of.namespace)); err != nil {
		return nil, err
	}
	objects, err := objectsOf(list)
	h.seen[of] = objects
	return objects, err
}
