package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Kustomization is the name of the file that lists the others.
const Kustomization = "kustomization.yaml"

// File is a file of an import.
type File struct {
	// Name is its name in the directory.
	Name    string
	Content []byte
}

// Files returns one file for each object, and a kustomization that lists them.
func (r Result) Files() ([]File, error) {
	files := make([]File, 0, len(r.Objects)+1)
	var names strings.Builder
	for _, object := range r.Objects {
		manifest, err := object.Manifest(r.Host)
		if err != nil {
			return nil, err
		}
		name := object.Resource.GetName() + suffixes[object.Kind]
		if name == Kustomization {
			name = "cluster-" + name
		}
		files = append(files, File{Name: name, Content: manifest})
		fmt.Fprintf(&names, "  - %s\n", name)
	}
	kustomization := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n" + names.String()
	if len(r.Objects) == 0 {
		kustomization = strings.Replace(kustomization, "resources:\n", "resources: []\n", 1)
	}
	return append(files, File{Name: Kustomization, Content: []byte(kustomization)}), nil
}

// suffixes are the ends of the names of files. The name of an object has no dot.
var suffixes = map[Kind]string{Clusters: ".yaml", Policies: ".policy.yaml", Pools: ".pool.yaml"}

// Existing is what happens to a file that exists with another content.
type Existing int

// The treatments of an existing file.
const (
	Keep Existing = iota
	Overwrite
)

// ErrExists is the error of a file that exists with another content.
var ErrExists = errors.New("the file exists with other content")

// Write writes files into a directory, which it makes if it does not exist. Nothing is
// written unless everything can be: all contents are first written under temporary names.
// written has the names of the files that changed.
func Write(ctx context.Context, directory string, files []File, existing Existing) (written []string, err error) {
	var changed []File
	for _, file := range files {
		now, err := os.ReadFile(filepath.Join(directory, file.Name)) //nolint:gosec // the user's own directory
		switch {
		case err == nil && bytes.Equal(now, file.Content):
			continue
		case err == nil && existing == Keep:
			return nil, fmt.Errorf("%s: %w: look at it, and use --overwrite", filepath.Join(directory, file.Name), ErrExists)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
		changed = append(changed, file)
	}
	if err := os.MkdirAll(directory, 0o755); err != nil { //nolint:gosec // manifests are no secrets
		return nil, err
	}
	staged := make([]string, 0, len(changed))
	defer func() {
		for _, name := range staged {
			err = errors.Join(err, os.Remove(name))
		}
	}()
	for _, file := range changed {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		name := filepath.Join(directory, "."+file.Name+".tmp")
		if err := os.WriteFile(name, file.Content, 0o644); err != nil { //nolint:gosec // manifests are no secrets
			return nil, err
		}
		staged = append(staged, name)
	}
	// From here on an interrupt is ignored: the renames take no time.
	for i, file := range changed {
		if err := os.Rename(staged[0], filepath.Join(directory, file.Name)); err != nil {
			return written, err
		}
		staged = slices.Delete(staged, 0, 1)
		written = append(written, changed[i].Name)
	}
	return written, nil
}
