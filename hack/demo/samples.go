package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	yamldecoder "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// readSamples reads the resources of a kustomization that consists only of
// resources.
func readSamples(directory string) ([]*unstructured.Unstructured, error) {
	file := filepath.Join(directory, "kustomization.yaml")
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the samples: %w", err)
	}
	var kustomization struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Resources  []string `json:"resources"`
	}
	if err := yaml.UnmarshalStrict(content, &kustomization); err != nil {
		return nil, fmt.Errorf("read %s, which may contain only resources: %w", file, err)
	}
	// The credentials are beside the kustomization, which must not replace those of a user.
	all, err := readObjects(filepath.Join(directory, "databricks-credentials.yaml"))
	if err != nil {
		return nil, err
	}
	for _, resource := range kustomization.Resources {
		objects, err := readObjects(filepath.Join(directory, resource))
		if err != nil {
			return nil, err
		}
		all = append(all, objects...)
	}
	return all, nil
}

// readObjects reads a file of YAML documents.
func readObjects(file string) ([]*unstructured.Unstructured, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the samples: %w", err)
	}
	all, err := decodeObjects(content)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return all, nil
}

// decodeObjects decodes YAML documents.
func decodeObjects(content []byte) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for decoder := yamldecoder.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096); ; {
		object := &unstructured.Unstructured{}
		switch err := decoder.Decode(&object.Object); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("decode an object: %w", err)
		case len(object.Object) > 0:
			all = append(all, object)
		}
	}
}

// setWorkspace sets the workspace in the sample Secret.
func setWorkspace(object *unstructured.Unstructured, host, token string) error {
	if object.GetKind() != "Secret" {
		return nil
	}
	for key, value := range map[string]string{"DATABRICKS_HOST": host, "DATABRICKS_TOKEN": token} {
		if _, found, err := unstructured.NestedString(object.Object, "stringData", key); err != nil || !found {
			return errors.Join(fmt.Errorf("the sample Secret %s has no stringData.%s to replace", object.GetName(), key), err)
		}
		if err := unstructured.SetNestedField(object.Object, value, "stringData", key); err != nil {
			return fmt.Errorf("set the workspace in the sample Secret %s: %w", object.GetName(), err)
		}
	}
	return nil
}

// apply does what kubectl apply --server-side does.
func apply(ctx context.Context, api client.Client, object *unstructured.Unstructured) error {
	object.SetNamespace(namespace)
	if err := api.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("demo")); err != nil {
		return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// namespace is the namespace of the samples, kubectl's default.
const namespace = corev1.NamespaceDefault
