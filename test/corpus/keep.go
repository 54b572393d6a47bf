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

// Directory is the environment variable with the directory of recorded
// statuses. Without it none are recorded. `make test` sets it.
const Directory = "STATUS_CORPUS"

// Keep records one object for every shape that a control plane stores, until
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
	kept := &keeper{
		file:   filepath.Join(directory, fmt.Sprintf("%s-%d.jsonl", filepath.Base(os.Args[0]), os.Getpid())),
		shapes: map[string]bool{},
	}
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
		return kept.failure
	}, nil
}

// versions returns a watch of every object from now on, which reconnects after
// connection failures.
func versions(ctx context.Context, objects dynamic.ResourceInterface) (watch.Interface, error) {
	now, err := objects.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return watchtools.NewRetryWatcherWithContext(ctx, now.GetResourceVersion(), &cache.ListWatch{WatchFuncWithContext: objects.Watch})
}

// keeper writes one object for every shape to a file.
type keeper struct {
	file string

	mu     sync.Mutex
	shapes map[string]bool
	// failure is why some statuses were not recorded.
	failure error
}

func (k *keeper) follow(ctx context.Context, stream watch.Interface) {
	for event := range stream.ResultChan() {
		if object, ok := event.Object.(*unstructured.Unstructured); ok && (event.Type == watch.Added || event.Type == watch.Modified) {
			k.keep(object)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if ctx.Err() == nil {
		k.failure = errors.Join(k.failure, errors.New("keep statuses: a watch ended early, so that some are missing"))
	}
}

func (k *keeper) keep(object *unstructured.Unstructured) {
	shape := Shape(object)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.shapes[shape] {
		return
	}
	k.shapes[shape] = true
	k.failure = errors.Join(k.failure, write(k.file, os.O_APPEND, sample(object)))
}
