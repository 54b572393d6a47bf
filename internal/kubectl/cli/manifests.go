package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// maxManifestBytes bounds one file.
const maxManifestBytes = 16 << 20

// manifests returns the objects in files, in the YAML and JSON files of directories, and in
// the standard input ("-"), and how many of other kinds there are.
func manifests(in io.Reader, names []string) (objects []managed.Resource, others int, err error) {
	for _, name := range names {
		files, err := filesOf(name)
		if err != nil {
			return nil, 0, err
		}
		for _, file := range files {
			content, err := readManifest(in, file)
			if err != nil {
				return nil, 0, err
			}
			found, skipped, err := decodeManifests(content)
			if err != nil {
				return nil, 0, fmt.Errorf("%s: %w", file, err)
			}
			objects, others = append(objects, found...), others+skipped
		}
	}
	if len(objects) == 0 {
		return nil, others, errors.New("the files have no DatabricksCluster, DatabricksClusterPolicy or DatabricksInstancePool")
	}
	return objects, others, nil
}

// filesOf returns a file, or the manifests in a directory.
func filesOf(name string) ([]string, error) {
	if name == "-" {
		return []string{name}, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	var files []string
	for _, pattern := range []string{"*.yaml", "*.yml", "*.json"} {
		// A fixed pattern is never malformed.
		found, _ := filepath.Glob(filepath.Join(name, pattern))
		files = append(files, found...)
	}
	slices.Sort(files)
	return files, nil
}

func readManifest(in io.Reader, name string) ([]byte, error) {
	if name != "-" {
		file, err := os.Open(name) //nolint:gosec // the user's own file
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, maxManifestBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case len(content) > maxManifestBytes:
		return nil, fmt.Errorf("%s is larger than %d MiB", name, maxManifestBytes>>20)
	}
	return content, nil
}

// decodeManifests returns the objects of a YAML stream. A field that the resource does not
// have is an error, as for kubectl apply.
func decodeManifests(content []byte) (objects []managed.Resource, others int, err error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, others, nil
		}
		if err != nil {
			return nil, 0, err
		}
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal(document, &meta); err != nil {
			return nil, 0, err
		}
		kind := target.KindNamed(meta.Kind)
		switch {
		case meta.Kind == "", strings.HasPrefix(meta.APIVersion, "kustomize.config.k8s.io/"): // import writes one, too
		case kind == nil || meta.APIVersion != v1alpha1.GroupVersion.String():
			others++
		default:
			object := kind.New()
			if err := yaml.UnmarshalStrict(document, object); err != nil {
				return nil, 0, err
			}
			objects = append(objects, object)
		}
	}
}
