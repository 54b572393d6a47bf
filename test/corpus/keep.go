package corpus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Directory is the environment variable that names where to keep statuses.
// Absent, none are kept. `make test` sets it.
const Directory = "STATUS_CORPUS"

// Keep keeps one object of every shape that a control plane gets to see, until
// the returned function is called.
func Keep(config *rest.Config) (stop func() error, err error) {
	directory := os.Getenv(Directory)
	if directory == "" {
		return func() error { return nil }, nil
	}
	api, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("keep statuses: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	kept := &keeper{shapes: map[string]bool{}}
	var following sync.WaitGroup
	for _, resource := range []string{"databricksclusters", "databricksworkspaces"} {
		stream, err := versions(ctx, api.Resource(v1alpha1.GroupVersion.WithResource(resource)))
		if err != nil {
			cancel()
			return nil, fmt.Errorf("keep statuses of %s: %w", resource, err)
		}
		following.Go(func() { kept.follow(ctx, stream) })
	}
	return func() error {
		cancel()
		following.Wait()
		if kept.broken {
			return errors.New("keep statuses: a watch ended early, so that some are missing")
		}
		return write(filepath.Join(directory, fmt.Sprintf("%s-%d.jsonl", filepath.Base(os.Args[0]), os.Getpid())), kept.samples)
	}, nil
}

// versions is every version of every object from now on, whatever happens to a
// single connection.
func versions(ctx context.Context, objects dynamic.ResourceInterface) (watch.Interface, error) {
	now, err := objects.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return watchtools.NewRetryWatcherWithContext(ctx, now.GetResourceVersion(), &cache.ListWatch{WatchFuncWithContext: objects.Watch})
}

// keeper holds one object of every shape.
type keeper struct {
	mu      sync.Mutex
	shapes  map[string]bool
	samples []*unstructured.Unstructured
	// broken tells that not everything was seen.
	broken bool
}

func (k *keeper) follow(ctx context.Context, stream watch.Interface) {
	for event := range stream.ResultChan() {
		object, ok := event.Object.(*unstructured.Unstructured)
		if !ok || (event.Type != watch.Added && event.Type != watch.Modified) {
			continue
		}
		shape := Shape(object)
		k.mu.Lock()
		if !k.shapes[shape] {
			k.shapes[shape] = true
			k.samples = append(k.samples, sample(object))
		}
		k.mu.Unlock()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.broken = k.broken || ctx.Err() == nil
}
