package controller

import (
	"context"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get

// namespaces knows the labels of the namespaces on which something depends. They
// are read one by one and again from time to time: the operator may not list
// them, and need not keep all of them in memory.
type namespaces struct {
	reader  client.Reader
	enqueue func(types.NamespacedName)
	// every is how often labels are read again.
	every time.Duration

	mu    sync.Mutex
	known map[string]labels.Set
	// users are the objects that depend on the labels of their namespace.
	users map[types.NamespacedName]struct{}
}

func newNamespaces(reader client.Reader, enqueue func(types.NamespacedName), every time.Duration) *namespaces {
	return &namespaces{
		reader:  reader,
		enqueue: enqueue,
		every:   every,
		known:   map[string]labels.Set{},
		users:   map[types.NamespacedName]struct{}{},
	}
}

// labelsFor are the labels of an object's namespace. The object hears when they
// change, until it is released.
func (n *namespaces) labelsFor(ctx context.Context, user types.NamespacedName) (labels.Set, error) {
	n.mu.Lock()
	n.users[user] = struct{}{}
	known, found := n.known[user.Namespace]
	n.mu.Unlock()
	if found {
		return known, nil
	}
	now, err := n.read(ctx, user.Namespace)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known[user.Namespace] = now
	return now, nil
}

func (n *namespaces) read(ctx context.Context, name string) (labels.Set, error) {
	ctx, cancel := context.WithTimeout(ctx, readDeadline)
	defer cancel()
	var namespace corev1.Namespace
	if err := n.reader.Get(ctx, types.NamespacedName{Name: name}, &namespace); err != nil {
		return nil, err
	}
	return namespace.Labels, nil
}

// readDeadline bounds one read from the API server.
const readDeadline = 10 * time.Second

// release ends an object's interest.
func (n *namespaces) release(user types.NamespacedName) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.users, user)
}

// Start reads labels again as they come due, until ctx ends.
func (n *namespaces) Start(ctx context.Context) error {
	ticker := time.NewTicker(n.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			for _, name := range n.inUse() {
				n.refresh(ctx, name)
			}
		}
	}
}

// inUse are the namespaces that somebody depends on; the others are forgotten.
func (n *namespaces) inUse() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	used := map[string]struct{}{}
	for user := range n.users {
		used[user.Namespace] = struct{}{}
	}
	names := make([]string, 0, len(n.known))
	for name := range n.known {
		if _, ok := used[name]; ok {
			names = append(names, name)
		} else {
			delete(n.known, name)
		}
	}
	return names
}

// refresh reads a namespace again, and brings back who depends on it if its
// labels changed.
func (n *namespaces) refresh(ctx context.Context, name string) {
	now, err := n.read(ctx, name)
	if err != nil {
		// What was known stands until something else is.
		return
	}
	n.mu.Lock()
	changed := !maps.Equal(n.known[name], now)
	n.known[name] = now
	var users []types.NamespacedName
	for user := range n.users {
		if changed && user.Namespace == name {
			users = append(users, user)
		}
	}
	n.mu.Unlock()
	for _, user := range users {
		n.enqueue(user)
	}
}
