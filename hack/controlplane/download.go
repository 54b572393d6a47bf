package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/mod/semver"
	"sigs.k8s.io/yaml"
)

// indexURL lists the published archives of test binaries, with their digests.
const indexURL = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml"

// The index must fail fast without a network; the archive has some 100 MB.
const (
	indexTimeout   = 10 * time.Second
	archiveTimeout = 3 * time.Minute
	maxIndexSize   = 8 << 20
	maxArchiveSize = 512 << 20
	maxBinarySize  = 1 << 30
)

// index is the content of indexURL: version, file name, archive.
type index struct {
	Releases map[string]map[string]archive `json:"releases"`
}

type archive struct {
	Hash     string `json:"hash"`
	SelfLink string `json:"selfLink"`
}

func downloadArchive(ctx context.Context, into string, wanted versions) error {
	content, err := fetch(ctx, indexURL, indexTimeout, maxIndexSize)
	if err != nil {
		return err
	}

	var releases index
	if err := yaml.Unmarshal(content, &releases); err != nil {
		return fmt.Errorf("reading %s: %w", indexURL, err)
	}

	version, chosen, err := releases.choose(wanted[kubernetesModule], runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return err
	}

	fmt.Printf("control plane: downloading Kubernetes %s\n", version)

	content, err = fetch(ctx, chosen.SelfLink, archiveTimeout, maxArchiveSize)
	if err != nil {
		return err
	}

	if sum := sha512.Sum512(content); hex.EncodeToString(sum[:]) != chosen.Hash {
		return fmt.Errorf("%s does not match its published digest", chosen.SelfLink)
	}

	if err := unpack(bytes.NewReader(content), into); err != nil {
		return fmt.Errorf("unpacking %s: %w", chosen.SelfLink, err)
	}

	return wanted.record(into)
}

// choose returns the newest patch of the required minor version, because not
// every patch is published and tests do not depend on patches.
func (i index) choose(wanted, goos, goarch string) (version string, chosen archive, err error) {
	for release, archives := range i.Releases {
		candidate, ok := archives[fmt.Sprintf("envtest-%s-%s-%s.tar.gz", release, goos, goarch)]
		if !ok || semver.MajorMinor(release) != semver.MajorMinor(wanted) || semver.Prerelease(release) != "" {
			continue
		}

		if version == "" || semver.Compare(release, version) > 0 {
			version, chosen = release, candidate
		}
	}

	if version == "" {
		return "", archive{}, fmt.Errorf("no archive of Kubernetes %s is published for %s/%s",
			semver.MajorMinor(wanted), goos, goarch)
	}

	return version, chosen, nil
}

func fetch(ctx context.Context, address string, timeout time.Duration, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		if failed := new(url.Error); errors.As(err, &failed) {
			err = failed.Err
		}

		return nil, err
	}
	defer response.Body.Close()

	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", address, response.Status)
	}

	content, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, err
	}

	if int64(len(content)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", address, limit)
	}

	return content, nil
}

// unpack extracts the binaries from an archive, in any directory of it, and
// fails if one is missing.
func unpack(compressed io.Reader, into string) error {
	plain, err := gzip.NewReader(compressed)
	if err != nil {
		return err
	}

	want := map[string]bool{}
	for _, b := range binaries {
		want[b.name] = true
	}

	for files := tar.NewReader(plain); len(want) > 0; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("the archive lacks %s", strings.Join(keys(want), ", "))
		}

		if err != nil {
			return err
		}

		name := path.Base(header.Name)
		if header.Typeflag != tar.TypeReg || !want[name] {
			continue
		}

		if err := writeBinary(filepath.Join(into, name), files); err != nil {
			return err
		}

		delete(want, name)
	}

	return nil
}

// writeBinary writes a file that appears under its name only when it is
// complete.
func writeBinary(name string, content io.Reader) error {
	unfinished := name + ".unfinished"

	file, err := os.OpenFile(unfinished, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}

	_, copyErr := io.Copy(file, io.LimitReader(content, maxBinarySize))
	if err := errors.Join(copyErr, file.Close()); err != nil {
		return err
	}

	return os.Rename(unfinished, name)
}

func keys(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}

	return names
}
