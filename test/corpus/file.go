package corpus

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Read reads the recorded objects of a directory, one for each shape, sorted by
// shape. Of several with the same shape it returns that of the first file by
// name.
func Read(directory string) ([]*unstructured.Unstructured, error) {
	files, err := filepath.Glob(filepath.Join(directory, "*.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("read statuses: %w", err)
	}
	byShape := map[string]*unstructured.Unstructured{}
	for _, file := range files {
		content, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			return nil, fmt.Errorf("read statuses: %w", err)
		}
		for line := range bytes.Lines(content) {
			object := &unstructured.Unstructured{}
			if err := object.UnmarshalJSON(line); err != nil {
				return nil, fmt.Errorf("read statuses of %s: %w", file, err)
			}
			if _, taken := byShape[Shape(object)]; !taken {
				byShape[Shape(object)] = object
			}
		}
	}
	var shapes []string
	for shape := range byShape {
		shapes = append(shapes, shape)
	}
	slices.Sort(shapes)
	objects := make([]*unstructured.Unstructured, 0, len(shapes))
	for _, shape := range shapes {
		objects = append(objects, byShape[shape])
	}
	return objects, nil
}

// Merge adds the objects whose shapes a file lacks, and removes shapes that are
// not among the objects.
func Merge(file string, objects []*unstructured.Unstructured) error {
	before, err := Read(filepath.Dir(file))
	if err != nil {
		return err
	}
	familiar := map[string]*unstructured.Unstructured{}
	for _, object := range before {
		familiar[Shape(object)] = object
	}
	merged := make([]*unstructured.Unstructured, 0, len(objects))
	for _, object := range objects {
		if known, found := familiar[Shape(object)]; found {
			object = known
		}
		merged = append(merged, object)
	}
	return write(file, os.O_TRUNC, merged...)
}

// write writes objects to a file, one per line. The mode appends to the file or
// truncates it.
func write(file string, mode int, objects ...*unstructured.Unstructured) error {
	var content bytes.Buffer
	for _, object := range objects {
		line, err := object.MarshalJSON()
		if err != nil {
			return fmt.Errorf("write statuses: %w", err)
		}
		content.Write(line) // with a trailing newline
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // for everybody to read
		return fmt.Errorf("write statuses: %w", err)
	}
	opened, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|mode, 0o644) //nolint:gosec // for everybody to read
	if err != nil {
		return fmt.Errorf("write statuses: %w", err)
	}
	_, err = opened.Write(content.Bytes())
	if err := errors.Join(err, opened.Close()); err != nil {
		return fmt.Errorf("write statuses: %w", err)
	}
	return nil
}
