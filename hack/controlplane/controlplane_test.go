package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestChooseReturnsTheNewestPatchOfTheMinorVersion(t *testing.T) {
	t.Parallel()

	published := index{Releases: map[string]map[string]archive{
		"v1.36.0":      {"envtest-v1.36.0-linux-amd64.tar.gz": {Hash: "old"}},
		"v1.36.2":      {"envtest-v1.36.2-linux-amd64.tar.gz": {Hash: "new"}},
		"v1.36.4-rc.1": {"envtest-v1.36.4-rc.1-linux-amd64.tar.gz": {Hash: "candidate"}},
		"v1.37.0":      {"envtest-v1.37.0-linux-amd64.tar.gz": {Hash: "minor"}},
	}}

	version, chosen, err := published.choose("v1.36.3", "linux", "amd64")
	if err != nil || version != "v1.36.2" || chosen.Hash != "new" {
		t.Errorf("chose %q %q, %v", version, chosen.Hash, err)
	}

	_, _, err = published.choose("v1.36.3", "plan9", "amd64")
	if err == nil || !strings.Contains(err.Error(), "v1.36 is published for plan9/amd64") {
		t.Errorf("an unknown platform: %v", err)
	}
}

func TestUnpackNeedsEveryBinary(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	if err := unpack(archiveOf(t, "etcd", "kube-apiserver", "kubectl"), dir); err != nil {
		t.Fatal(err)
	}

	if absent := missing(dir); len(absent) > 0 {
		t.Errorf("unpacked, but %v missing", absent)
	}

	content, err := os.ReadFile(filepath.Join(dir, "etcd"))
	if err != nil || string(content) != "content of etcd" {
		t.Errorf("etcd is %q, %v", content, err)
	}

	err = unpack(archiveOf(t, "etcd", "kubectl"), t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "the archive lacks kube-apiserver") {
		t.Errorf("an archive without kube-apiserver: %v", err)
	}
}

func TestNewVersionReplacesBinariesUnlessInstalledByHand(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	wanted := versions{kubernetesModule: "v1.36.3", etcdModule: "v3.6.8"}

	if !recordedVersions(dir).matches(wanted) {
		t.Error("binaries without a record are refused")
	}

	if err := wanted.record(dir); err != nil {
		t.Fatal(err)
	}

	if !recordedVersions(dir).matches(wanted) {
		t.Error("the recorded versions are refused")
	}

	wanted[etcdModule] = "v3.6.9"
	if recordedVersions(dir).matches(wanted) {
		t.Error("another version of etcd is taken for the wanted one")
	}
}

func TestAssetsDirectoryMustBeComplete(t *testing.T) {
	t.Parallel()

	err := checkAssets(t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "lacks etcd, kube-apiserver, kubectl: unset it") {
		t.Errorf("an empty directory: %v", err)
	}
}

// archiveOf returns an archive with the layout of the published ones.
func archiveOf(t *testing.T, names ...string) *bytes.Buffer {
	t.Helper()

	var compressed bytes.Buffer

	plain := gzip.NewWriter(&compressed)
	files := tar.NewWriter(plain)

	for _, name := range names {
		content := "content of " + name
		header := &tar.Header{Name: "controller-tools/envtest/" + name, Mode: 0o755, Size: int64(len(content))}

		if err := files.WriteHeader(header); err != nil {
			t.Fatal(err)
		}

		if _, err := files.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}

	if err := files.Close(); err != nil {
		t.Fatal(err)
	}

	if err := plain.Close(); err != nil {
		t.Fatal(err)
	}

	return &compressed
}

func TestFetchErrorsDifferFromBuildErrors(t *testing.T) {
	t.Parallel()

	for output, want := range map[string]string{
		"go: example.com/m@v1.0.0: reading https://proxy.example.com/m/@v/v1.0.0.zip: 404 Not Found\n": "go: example.com/m@v1.0.0: reading https://proxy.example.com/m/@v/v1.0.0.zip: 404 Not Found",
		"main.go:1:1: undefined: x\nm: module lookup disabled by GOPROXY=off\n":                        "m: module lookup disabled by GOPROXY=off",
		"go: updates to go.mod needed\n": "",
		"main.go:1:1: undefined: x\n":    "",
	} {
		if got := fetchError(output); got != want {
			t.Errorf("%q is read as %q, not %q", output, got, want)
		}
	}
}

func TestUnavailableProgramIsSkippedWithAReason(t *testing.T) {
	t.Setenv("GOMODCACHE", t.TempDir())
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "-modcacherw")

	into := t.TempDir()
	if err := os.WriteFile(filepath.Join(into, "argocd"), []byte("of another version"), 0o755); err != nil {
		t.Fatal(err)
	}

	argocd := gitOpsBinaries[len(gitOpsBinaries)-1]

	err := argocd.make(t.Context(), "v1.2.3", into)
	if notServed := new(notServedError); !errors.As(err, &notServed) {
		t.Fatalf("want a notServedError, got %v", err)
	}

	if argocd.existsIn(into) {
		t.Error("the outdated program was not removed")
	}

	reason, err := os.ReadFile(filepath.Join(into, "argocd.skipped"))
	if err != nil || !strings.Contains(string(reason), "github.com/argoproj/argo-cd/v3 v1.2.3: ") {
		t.Errorf("the reason is %q, %v", reason, err)
	}
}
