package corpus

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	api, err := client.NewWithWatch(config, client.Options{})
	if err != nil {
		return nil, fmt.Errorf("keep statuses: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	kept := &keeper{shapes: map[string]bool{}}
	var watching sync.WaitGroup
	for _, kind := range []string{"DatabricksCluster", "DatabricksWorkspace"} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: v1alpha1.GroupName, Version: v1alpha1.GroupVersion.Version, Kind: kind + "List"})
		stream, err := api.Watch(ctx, list)
		if err != nil {
			cancel()
			return nil, fmt.Errorf("keep statuses: %w", err)
		}
		watching.Go(func() { kept.follow(stream) })
	}
	return func() error {
		cancel()
		watching.Wait()
		return write(filepath.Join(directory, fmt.Sprintf("%s-%d.jsonl", filepath.Base(os.Args[0]), os.Getpid())), kept.samples)
	}, nil
}

// keeper holds one object of every shape.
type keeper struct {
	mu      sync.Mutex
	shapes  map[string]bool
	samples []*unstructured.Unstructured
}

func (k *keeper) follow(stream watch.Interface) {
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
}
